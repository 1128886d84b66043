"""Rules of the contract on every value, for whole columns and single applications alike."""
