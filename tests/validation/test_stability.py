"""PSI on frozen bins."""

import json
import math

import numpy as np
import polars as pl
import pytest

from creditrisk.errors import DataError
from creditrisk.model.reference import frozen_bins
from creditrisk.validation.stability import psi, psi_of, reading


def test_psi_of_a_worked_example() -> None:
    expected, actual = [0.5, 0.3, 0.2], [0.4, 0.3, 0.3]
    by_hand = -0.1 * math.log(0.8) + 0.1 * math.log(1.5)
    assert psi(expected, actual) == pytest.approx(by_hand)
    assert psi(actual, expected) == pytest.approx(by_hand)  # it is symmetric
    assert psi(expected, expected) == 0


def test_an_empty_bin_has_a_finite_index() -> None:
    assert 0.1 < psi([0.9, 0.1], [1.0, 0.0]) < 1


def test_other_bins_are_refused() -> None:
    with pytest.raises(DataError, match="2 expected shares and 3 actual ones"):
        psi([0.5, 0.5], [0.2, 0.3, 0.5])


def test_bins_of_numbers_stay_where_training_put_them() -> None:
    random = np.random.default_rng(0)
    train = pl.Series("income", random.normal(0, 1, 5_000))
    entry = json.loads(json.dumps(frozen_bins(train)))
    assert len(entry["edges"]) == 9
    assert entry["shares"][:10] == pytest.approx([0.1] * 10, abs=0.002)
    assert psi_of(entry, train) == 0
    assert psi_of(entry, pl.Series(random.normal(0, 1, 5_000))) < 0.02
    assert psi_of(entry, pl.Series(random.normal(0.8, 1, 5_000))) > 0.25


def test_missing_values_have_a_bin_of_their_own() -> None:
    entry = frozen_bins(pl.Series("a", [1.0, 2.0, 3.0, 4.0] * 25))
    drifted = pl.Series("a", [1.0, None, 3.0, None] * 25)
    assert entry["shares"][-1] == 0
    assert psi_of(entry, drifted) > 0.25


def test_categories_count_new_values_and_missing_ones_apart() -> None:
    entry = frozen_bins(pl.Series("purpose", ["car"] * 60 + ["home"] * 39 + ["boat"]), min_rows=5)
    assert entry["values"] == ["car", "home"]
    assert entry["shares"] == pytest.approx([0.6, 0.39, 0.01, 0.0])
    new = pl.Series("purpose", ["car"] * 30 + ["plane"] * 60 + [None] * 10)
    assert psi_of(entry, new) > 1


@pytest.mark.parametrize(
    "values", [pl.Series("a", [None] * 5, dtype=pl.Float64), pl.Series("a", [None] * 5, dtype=pl.String)]
)
def test_a_column_without_values_has_bins_as_well(values: pl.Series) -> None:
    entry = frozen_bins(values)
    assert entry["shares"][-1] == 1
    assert psi_of(entry, values) == 0


def test_readings() -> None:
    assert [reading(v) for v in (0.05, 0.1, 0.24, 0.25)] == ["stable", "watch", "watch", "changed"]


def test_of_values_equally_frequent_the_first_by_name_are_kept() -> None:
    """Whichever came first before, so that the same rows gave one reference or another."""
    names = [f"v{i:02}" for i in range(80)]
    values = pl.Series("town", [*reversed(names), *names])
    assert frozen_bins(values, max_values=50)["values"] == names[:50]
