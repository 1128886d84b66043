"""The MLflow flavour: ``mlflow.pyfunc.load_model`` of a version scores raw tables as ``read_csv`` gives them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from creditrisk.contract import as_text
from creditrisk.data.cleaning.rules import rules
from creditrisk.errors import DataError
from creditrisk.model.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd


class ScoringModel:
    """What ``predict`` of a loaded version calls."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Score raw applications.

        Args:
            model_input: columns by their raw names, of any type a reader gives; more columns do no harm, whatever they
                hold.
            params: ``application_date`` (ISO) where the contract has one; today where absent.

        Returns:
            One row for each of ``model_input`` under its index: pd, score, decision, reason_1..4, characteristic_1..4,
            verdict (``scored``, or why not) and warnings.

        Raises:
            DataError: a column is missing, stands twice, or holds lists.
        """
        import pandas as pd

        day = (params or {}).get("application_date")
        read = {rule.raw for rule in rules(self.scorer.contract, training=False)}
        used = model_input.loc[:, [str(name) in read for name in model_input.columns]]
        answers = self.scorer.score_frame(to_polars(used), dt.date.fromisoformat(day) if day else None)
        columns = {
            series.name: series.cast(pl.Float64).to_numpy() if series.dtype.is_numeric() else series.to_list()
            for series in answers.iter_columns()
        }
        return pd.DataFrame(columns, index=model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ScoringModel:
    """MLflow's entry: verify the bundle against the digest it was registered with, and compile it."""
    return ScoringModel(Scorer.load(Path(path), (model_config or {}).get("bundle_digest")))


def to_polars(table: pd.DataFrame) -> pl.DataFrame:
    """A pandas table as a Polars one, NaN, NaT, NA and None all null.

    Raises:
        DataError: two columns have the same name, or one holds lists.
    """
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"column {twice!r} stands twice in the table; a name must be of one column.")
    return pl.DataFrame([_series(name, table.iloc[:, place]) for place, name in enumerate(names)])


def _series(name: str, column: pd.Series[Any]) -> pl.Series:
    dtype = column.dtype
    if getattr(dtype, "kind", "") in "iufb" and hasattr(dtype, "itemsize") and type(dtype).__module__ == "numpy.dtypes":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    values = [_plain(value, name) for value in column.astype(object).where(column.notna(), None).tolist()]
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and kinds:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if len(kinds) == 1 and kinds <= {bool, dt.date}:
        return pl.Series(name, values)
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _plain(value: Any, name: str) -> Any:
    """A Python scalar for NumPy's and pandas' own; a time stamp without a time of day is a date."""
    if isinstance(value, (list, tuple, set, dict)) or getattr(value, "ndim", 0) > 0:
        raise DataError(f"column {name!r} holds {type(value).__name__} values; expected numbers, texts or dates.")
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, dt.datetime):
        return value.date() if value.time() == dt.time() else value.isoformat()
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else as_text(value)
