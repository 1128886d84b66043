"""Sums of tables: the runtime of scorecard and ebm."""
