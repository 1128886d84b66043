"""The scoring service: an explained answer, durably recorded. Its hot path imports no training library."""
