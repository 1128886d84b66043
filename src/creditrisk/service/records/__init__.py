"""Records beyond the machine's own log: PostgreSQL, forwarding, look-ups, retention and erasure."""
