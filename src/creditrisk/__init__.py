"""From a table of loans to an explained, audited credit decision."""

__version__ = "0.1.0"
