"""One application and a table of them get the same answer to the last bit, whatever types the values have."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import small_table

from creditrisk.model.scorer import Scorer
from creditrisk.model.table_scorer import TableScorer, as_texts
from creditrisk.params import FAMILIES

TEXTS = st.one_of(
    st.none(), st.sampled_from(["", "12", "-3", "0", "1e5", "NA", "car", " Travel ", "house", "6.0", "6.5", "99999999"])
)


@pytest.fixture(scope="module", params=FAMILIES)
def scorer(request: pytest.FixtureRequest, small_bundle_of: Callable[[str], Path]) -> Scorer:
    return Scorer.load(small_bundle_of(request.param))


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


def same(scorer: Scorer, raw: pl.DataFrame) -> None:
    table = scorer.score_frame(raw)
    for row, found in zip(raw.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        answer = scorer.score_row(row)
        assert bits(answer.pd) == bits(found["pd"])
        assert (answer.score, answer.decision) == (found["score"], found["decision"])
        reasons = [found[f"reason_{n}"] for n in range(1, 5) if found[f"reason_{n}"] is not None]
        assert [reason.text for reason in answer.reasons] == reasons
        assert (found["verdict"] == "scored") == (not answer.faults)


def test_typed_rows(scorer: Scorer) -> None:
    same(scorer, small_table(60).drop("outcome"))


def test_texts_of_a_csv_give_the_same_as_typed_values(scorer: Scorer) -> None:
    typed = small_table(60).drop("outcome")
    texts = typed.with_columns(pl.all().cast(pl.String))
    same(scorer, texts)
    assert scorer.score_frame(texts)["pd"].equals(scorer.score_frame(typed)["pd"])


def test_pieces_of_a_table_get_what_the_table_gets(scorer: Scorer) -> None:
    raw = small_table(60).drop("outcome").with_columns(pl.col("income").cast(pl.String))
    raw[7, "income"] = "much"  # one that cannot be scored
    pieces = [answers for _, answers in scorer.score_batches(raw.iter_slices(13))]
    assert {dtype.base_type() for dtype in pieces[0].select("decision", "band", "^characteristic_.*$").dtypes} == {
        pl.Enum
    }
    whole = scorer.score_frame(raw)
    assert pl.String in whole.dtypes
    assert pl.Enum not in {dtype.base_type() for dtype in whole.dtypes}, "who asks for a table gets plain texts"
    assert as_texts(pl.concat(pieces)).equals(whole)


@pytest.mark.parametrize(("rows", "count"), [(0, 1), (39, 1), (40, 2), (61, 3), (150, 3), (151, 4)])
def test_a_table_is_cut_into_pieces_for_the_cores(
    scorer: Scorer, rows: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = small_table(max(rows, 1)).drop("outcome").head(rows)
    whole, cut, heights = scorer.score_frame(raw), TableScorer._piece, []

    def piece(self: TableScorer, part: pl.DataFrame, *others: Any, **named: Any) -> pl.DataFrame:
        heights.append(part.height)
        return cut(self, part, *others, **named)

    monkeypatch.setattr(TableScorer, "_piece", piece)
    monkeypatch.setattr("creditrisk.model.table_scorer.cores", lambda: 3)
    for name, value in {"FEWEST_ROWS": 20, "FEWEST_TREE_ROWS": 20, "BATCH_ROWS": 50}.items():
        monkeypatch.setattr(f"creditrisk.model.table_scorer.{name}", value)
    assert scorer.score_frame(raw).equals(whole)
    assert (len(heights), sum(heights)) == (count, rows)


@settings(max_examples=40)
@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(("income", "amount", "months", "purpose"), TEXTS)), min_size=1)
)
def test_odd_rows(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    same(scorer, pl.DataFrame(rows, schema=dict.fromkeys(("income", "amount", "months", "purpose"), pl.String)))


def test_a_row_with_faults_names_each_of_them(scorer: Scorer) -> None:
    answer = scorer.score_row({"income": "much", "amount": -5, "months": 12, "purpose": "car"})
    assert answer.pd is None
    assert {fault.column for fault in answer.faults} == {"income", "amount"}


def test_protected_attributes_change_nothing_and_are_no_reason(scorer: Scorer) -> None:
    row = small_table(1).row(0, named=True)
    answers = [scorer.score_row(row | {"age": age}) for age in (18, 79, None)]
    assert answers[0] == answers[1] == answers[2]
    assert "age" not in {reason.characteristic for answer in answers for reason in answer.reasons}


def test_directions_of_the_contract_hold(scorer: Scorer) -> None:
    row = {"income": 3000.0, "amount": 9000.0, "months": 24, "purpose": "home"}
    pds = [scorer.score_row(row | {"income": income}).pd for income in (200, 900, 2000, 4000, 9000, 50_000)]
    assert None not in pds
    assert pds == sorted(pds, reverse=True)  # type: ignore[type-var]


def test_reasons_raise_the_risk_and_come_by_size(scorer: Scorer) -> None:
    for row in small_table(40, seed=9).iter_rows(named=True):
        parts = [reason.contribution for reason in scorer.score_row(row).reasons]
        assert parts == sorted(parts, reverse=True)
        assert all(part > 0 for part in parts)
        assert len(parts) <= 4
