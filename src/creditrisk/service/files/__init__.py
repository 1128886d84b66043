"""Uploaded files: taken in, scored piece by piece in a process of their own, recorded, answered."""
