from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.categories import Vocabulary
from creditrisk.model.encoding import Encoding, fit_encoding
from creditrisk.model.evidence import category_codes, evidence, frequent_values
from creditrisk.model.family import TrainingData
from creditrisk.model.reference import frozen_bins
from creditrisk.params import ModelParams

INPUTS = (
    Input(name="amount", kind="number", title="Amount", monotone="increasing"),
    Input(name="home", kind="category", title="Home", values=("own", "rent")),
    Input(
        name="savings",
        kind="category",
        title="Savings",
        values=("none", "some", "much"),
        ordered=True,
        monotone="decreasing",
    ),
    Input(name="town", kind="category", title="Town"),
)
PARAMS = ModelParams.model_validate({"encoding": {"one_hot_up_to": 4, "min_rows": 5}})


def make(rows: int = 600, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    town = random.integers(0, 12, rows)
    y = (random.random(rows) < np.where(town == 3, 0.9, 0.2)).astype(float)
    home = [None if r < 0.1 else "own" if r < 0.6 else "rent" for r in random.random(rows)]
    home[0] = "boat"
    table = pl.DataFrame(
        {
            "amount": pl.Series([None, *random.normal(size=rows - 1)], dtype=pl.Float64),
            "home": home,
            "savings": random.choice(["none", "some", "much"], rows),
            "town": [f"t{t}" for t in town[:-2]] + ["hamlet", "hamlet"],
        }
    )
    return TrainingData(table, y, np.ones(rows), INPUTS)


DATA = make()
FITTED = fit_encoding(DATA, PARAMS, 0)


def test_columns_know_their_input_and_direction() -> None:
    assert [column.name for column in FITTED.columns] == [
        "amount", "home = own", "home = rent", "home = other", "home is missing", "savings",
        "town (weight of evidence)", "town (log frequency)",
    ]  # fmt: skip
    assert [column.input_index for column in FITTED.columns] == [0, 1, 1, 1, 1, 2, 3, 3]
    assert [column.monotone for column in FITTED.columns] == [1, 0, 0, 0, 0, -1, 0, 0]
    free = fit_encoding(DATA, PARAMS.model_copy(update={"monotone": False}), 0)
    assert {column.monotone for column in free.columns} == {0}


def test_values_become_what_the_column_names_say() -> None:
    row = FITTED.row([2.5, "rent", "much", "t3"])
    assert row[:6] == [2.5, 0.0, 1.0, 0.0, 0.0, 2.0]
    assert row[6] == max(FITTED.row([None, None, None, f"t{t}"])[6] for t in range(12))
    assert row[7] == pytest.approx(math.log1p(DATA.table["town"].eq("t3").sum()))


def test_unseen_joins_the_pooled_and_null_stands_alone() -> None:
    unseen, rare, null = (
        FITTED.row([None, v, None, t]) for v, t in (("zoo", "Rome"), ("boat", "hamlet"), (None, None))
    )
    np.testing.assert_array_equal(unseen, rare)
    assert unseen[1:5] == [0.0, 0.0, 1.0, 0.0]
    assert null[1:5] == [0.0, 0.0, 0.0, 1.0]
    assert math.isnan(null[0])
    assert math.isnan(null[5])
    assert null[6:] == [0.0, 0.0], "null was never seen in town: average risk, no rows"
    assert unseen[7] == pytest.approx(math.log1p(2))


def test_training_rows_get_evidence_of_the_other_folds() -> None:
    """On pure noise in-sample evidence seems to predict; out-of-fold evidence does not."""
    random = np.random.default_rng(1)
    rows = 4_000
    one = Input(name="shop", kind="category", title="Shop")
    y = (random.random(rows) < 0.3).astype(float)
    table = pl.DataFrame({"shop": [f"s{v}" for v in random.integers(0, 400, rows)]})
    fitted = fit_encoding(TrainingData(table, y, np.ones(rows), (one,)), PARAMS, 0)
    inside = np.corrcoef(fitted.matrix(table)[:, 0], y)[0, 1]
    outside = np.corrcoef(fitted.training_matrix[:, 0], y)[0, 1]
    assert inside > 0.2
    assert abs(outside) < 0.06
    np.testing.assert_array_equal(fitted.matrix(table)[:, 1], fitted.training_matrix[:, 1])


def test_the_seed_alone_decides_the_folds() -> None:
    again, other = fit_encoding(DATA, PARAMS, 0), fit_encoding(DATA, PARAMS, 1)
    np.testing.assert_array_equal(again.training_matrix, FITTED.training_matrix)
    assert not np.array_equal(other.training_matrix[:, 6], FITTED.training_matrix[:, 6])
    np.testing.assert_array_equal(other.matrix(DATA.table), FITTED.matrix(DATA.table))


def test_evidence_is_the_smoothed_weighted_log_odds_over_the_average() -> None:
    found = evidence(np.array([0, 0, 1, 1]), np.array([1.0, 0.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0, 1.0]), 3)
    share = 2 / 5
    expected = math.log((2 + 10 * share) / (1 + 10 * (1 - share))) - math.log(share / (1 - share))
    assert found[0] == pytest.approx(expected)
    assert found[1] < 0
    assert found[2] == pytest.approx(0, abs=1e-15)


def test_nominal_codes_stand_in_one_column() -> None:
    fitted = fit_encoding(DATA, PARAMS, 0, one_hot=False)
    column = fitted.columns[1]
    assert (column.name, column.nominal) == ("home", True)
    assert [fitted.row([0.0, v, None, None])[1] for v in ("own", "rent", "castle", None)] == [0.0, 1.0, 2.0, 3.0]


values = st.tuples(
    st.none() | st.floats(allow_nan=False),
    st.sampled_from(["own", "rent", "boat", "", "never seen", None]),
    st.sampled_from(["none", "some", "much", "else", None]),
    st.sampled_from([*(f"t{t}" for t in range(12)), "hamlet", "Ünïcode", None]),
)


@settings(max_examples=60)
@given(st.lists(values, min_size=1, max_size=8))
def test_one_row_is_encoded_as_a_table_is(rows: list[Any]) -> None:
    table = pl.DataFrame(
        rows, schema={**dict.fromkeys(DATA.table.columns, pl.String), "amount": pl.Float64}, orient="row"
    )
    table = table.select(DATA.table.columns)
    for fitted in (FITTED, Encoding.from_json(json.loads(json.dumps(FITTED.to_json())))):
        np.testing.assert_array_equal(fitted.matrix(table), np.array([fitted.row(row) for row in rows]))


def test_contributions_of_columns_add_up_by_input() -> None:
    parts = np.arange(16.0).reshape(2, 8)
    assert FITTED.sum_by_input(parts).tolist() == [[0, 1 + 2 + 3 + 4, 5, 6 + 7], [8, 9 + 10 + 11 + 12, 13, 14 + 15]]


@pytest.mark.parametrize("key", ["inputs", "columns", "tables"])
def test_json_that_is_no_encoding_is_refused(key: str) -> None:
    content = FITTED.to_json()
    for broken in (
        {k: v for k, v in content.items() if k != key},
        content | {key: content[key][:-1]},
        content | {key: 5},
    ):
        with pytest.raises(ModelError, match="encoding of categories"):
            Encoding.from_json(broken)


def test_codes_of_texts() -> None:
    column = pl.Series("c", ["b", None, "zzz", "a"])
    assert category_codes(column, ("a", "b")).tolist() == [1, 3, 2, 0]
    assert category_codes(column.clear(), ("a", "b")).tolist() == []


def test_evidence_comes_from_other_customers() -> None:
    """A customer's rows have like outcomes and the same shop: one must not tell of the other."""
    random = np.random.default_rng(1)
    one = Input(name="shop", kind="category", title="Shop")
    customer = np.repeat(np.arange(1_000), 4)
    y = np.repeat((random.random(1_000) < 0.3).astype(float), 4)
    table = pl.DataFrame({"shop": [f"s{v}" for v in np.repeat(random.integers(0, 150, 1_000), 4)]})
    fitted = fit_encoding(TrainingData(table, y, np.ones(4_000), (one,), customer), PARAMS, 0)
    assert abs(np.corrcoef(fitted.training_matrix[:, 0], y)[0, 1]) < 0.1


def test_a_value_of_one_customer_is_too_rare_to_be_anonymous() -> None:
    shops = pl.Series("shop", ["corner"] * 6 + ["market"] * 6 + [None])
    customer = np.array([1] * 6 + [2, 3, 4, 5, 6, 6, 7])
    assert frequent_values(shops, 5) == ("corner", "market")
    assert frequent_values(shops, 5, customer) == ("market",)
    assert Vocabulary.learn(shops, 5, customer).values == ("market",)
    assert frozen_bins(shops, min_rows=5, group=customer)["values"] == ["market"]
