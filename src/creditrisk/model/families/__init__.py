"""Families: how each is fitted, and what the fitted model becomes."""
