"""Experiments, registry, readiness tests and the promotion ledger. MLflow is imported inside functions alone."""
