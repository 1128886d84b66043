"""Bands of the policy and influence of inputs."""

import numpy as np
import polars as pl
import pytest

from creditrisk.contract import Input
from creditrisk.validation.summary import influences, policy_bands


def test_bands_share_out_rows_and_bads() -> None:
    y, pd = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.6])
    decisions = pl.Series(["approve", "approve", "approve", "decline"])
    approve, refer, decline = policy_bands(y, pd, decisions)
    assert (approve.rows, approve.share) == (3, 0.75)
    assert approve.bad_rate == pytest.approx(1 / 3)
    assert approve.mean_pd == pytest.approx(0.2)
    assert (refer.rows, refer.share, refer.bad_rate, refer.mean_pd) == (0, 0, None, None)
    assert (decline.share_of_bads, decline.bad_rate) == (0.5, 1)
    weighted = policy_bands(y, pd, decisions, np.array([1.0, 1.0, 1.0, 3.0]))
    assert weighted[2].share == pytest.approx(0.5)


def test_inputs_are_ordered_by_mean_absolute_contribution() -> None:
    inputs = [Input(name=n, kind="number", title=n.title()) for n in ("age", "income", "debt")]
    contributions = np.array([[0.1, -2.0, 0.5], [-0.1, 2.0, 0.5]])
    found = influences(inputs, contributions, limit=2)
    assert [(i.name, i.title) for i in found] == [("income", "Income"), ("debt", "Debt")]
    assert found[0].mean_absolute == 2
    assert found[0].share == pytest.approx(2 / 2.6)
