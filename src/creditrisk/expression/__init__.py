"""Characteristics as SQL scalar expressions: parsed and type-checked once, compiled to Polars and to plain Python.

The subset is written down in :mod:`creditrisk.expression.parse`; what each operation means, in
:mod:`creditrisk.expression.scalar`.
"""
