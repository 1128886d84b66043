"""The decision log: groups of events, durable together before any answer leaves."""
