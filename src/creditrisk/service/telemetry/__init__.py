"""What the service says of itself: counts, metrics and its own log."""
