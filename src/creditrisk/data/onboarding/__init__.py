"""A first contract for a table that nobody described."""
