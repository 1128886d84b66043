"""What an analyst looks at before a model is made: rates, gaps, evidence and leakage; the notebooks use it."""
