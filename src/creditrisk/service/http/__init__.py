"""From bytes to bytes: connections, the hot path inside the protocol, and what holds for every other request."""
