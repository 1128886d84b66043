"""Oblivious trees: the runtime of catboost."""
