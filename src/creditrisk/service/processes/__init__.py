"""Processes of one machine beside each other: children, seats, locks, and what killed ones leave behind."""
