"""Readiness, second part: the version is good enough to be champion, on rows that no compared model was made on."""

from creditrisk.commands.readiness import performance

if __name__ == "__main__":
    performance()
