"""Readiness, first part: the version loads from the registry, verifies, and answers as where it was made."""

from creditrisk.commands.readiness import loading

if __name__ == "__main__":
    loading()
