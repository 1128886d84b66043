"""Evaluation: figures with their uncertainty, comparisons, calibration, stability, fairness, pictures and report."""
