"""The sections of the validation report."""
