"""The contracts in 1.data/portfolios: complete, true to their tables, and ready to be run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from creditrisk.contract import Characteristic, Column, Contract, Reason
from creditrisk.data.characteristics import add_characteristics, inputs_frame, parse_all
from creditrisk.data.cleaning.clean import Cleaned, clean_training
from creditrisk.data.cleaning.report import CleaningReport
from creditrisk.data.reading.source import fetch, scan

FOLDER = Path(__file__).resolve().parents[2] / "1.data" / "portfolios"
REAL = ("south_german", "taiwan", "give_me_some_credit", "lending_club")
ALL = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def contract(name: str) -> Contract:
    return Contract.load(FOLDER / f"{name}.yaml")


def texts(item: Column | Characteristic) -> Iterator[str]:
    """Every reason text of a column or characteristic."""
    if isinstance(item.reason, Reason):
        yield from filter(None, (item.reason.high, item.reason.low, item.reason.missing))
        yield from item.reason.values.values()
    elif item.reason:
        yield item.reason


@pytest.mark.parametrize("name", ALL)
def test_every_contract_loads_under_its_own_name(name: str) -> None:
    assert contract(name).name == name


@pytest.mark.parametrize("name", REAL)
def test_a_real_portfolio_says_where_it_comes_from(name: str) -> None:
    source = contract(name).source
    assert "https://" in (source.url or "")
    assert source.sha256
    assert source.licence
    assert source.citation


@pytest.mark.parametrize("name", REAL)
def test_at_least_eight_characteristics_have_a_direction_and_a_reason(name: str) -> None:
    items = contract(name).characteristics.values()
    assert sum(bool(item.monotone and item.reason and item.title) for item in items) >= 8


@pytest.mark.parametrize("name", REAL)
def test_every_column_has_a_title_and_a_used_one_what_it_needs(name: str) -> None:
    for raw, column in contract(name).columns.items():
        assert column.title, raw
        if column.role in ("ignore", "protected"):
            assert column.note, raw
        if column.role == "feature" and column.type in ("number", "integer"):
            assert column.min is not None, raw
            assert column.max is not None, raw


@pytest.mark.parametrize("name", REAL)
def test_a_direction_comes_with_the_text_of_its_side(name: str) -> None:
    loaded = contract(name)
    items: list[tuple[str, Column | Characteristic]] = [*loaded.columns.items(), *loaded.characteristics.items()]
    for key, item in items:
        if item.monotone and isinstance(item.reason, Reason) and not item.reason.values:
            wanted = item.reason.high if item.monotone == "increasing" else item.reason.low
            other = item.reason.low if item.monotone == "increasing" else item.reason.high
            assert wanted, key
            assert other is None, f"{key}: a text for the side on which risk falls"


@pytest.mark.parametrize("name", REAL)
def test_value_texts_belong_to_values_that_there_are(name: str) -> None:
    loaded = contract(name)
    for key, column in loaded.columns.items():
        if isinstance(column.reason, Reason) and column.type == "category":
            assert set(column.reason.values) <= set(column.values), key
    for key, characteristic in loaded.characteristics.items():
        if isinstance(characteristic.reason, Reason):
            assert all(f"'{value}'" in characteristic.sql for value in characteristic.reason.values), key


@pytest.mark.parametrize("name", REAL)
def test_a_plain_text_without_direction_is_not_given_to_numbers(name: str) -> None:
    """It would be said of any value, high or low."""
    loaded = contract(name)
    for item in loaded.inputs:
        if item.kind == "number" and item.monotone is None:
            assert not isinstance(item.reason, str), item.name
    assert all(text == text.strip() and text for column in loaded.columns.values() for text in texts(column))


@pytest.mark.parametrize("name", REAL)
def test_characteristics_never_use_a_protected_column(name: str) -> None:
    loaded = contract(name)
    protected = {key for key, column in loaded.clean_columns.items() if column.role == "protected"}
    for expression in parse_all(loaded).characteristics.values():
        assert protected.isdisjoint(expression.columns)
    assert protected.isdisjoint(item.name for item in loaded.inputs)


def test_protected_and_audited_attributes() -> None:
    assert set(contract("taiwan").protected) == {"sex", "marriage", "age"}
    assert set(contract("south_german").protected) == {"personal_status_sex", "age", "foreign_worker"}
    assert set(contract("give_me_some_credit").protected) == {"age"}
    assert "age" in {item.name for item in contract("give_me_some_credit").inputs}
    assert "age" not in {item.name for item in contract("taiwan").inputs}


def test_lending_club_leaves_out_what_was_known_later_and_the_lenders_verdict() -> None:
    columns = contract("lending_club").columns
    verdict = {"grade", "sub_grade", "int_rate", "installment", "funded_amnt_inv"}
    later = (
        "total_pymnt",
        "total_rec",
        "recoveries",
        "collection_rec",
        "last_",
        "out_prncp",
        "settlement",
        "debt_settle",
    )
    unused = {raw for raw, column in columns.items() if column.role == "ignore"}
    assert verdict | {raw for raw in columns if raw.startswith((*later, "hardship"))} <= unused


def one_row(name: str, **changed: Any) -> dict[str, Any]:
    """Model inputs of one application, from a table of two: this one as changed, and a good one."""
    loaded = contract(name)
    base: dict[str, Any] = {}
    for raw, column in loaded.columns.items():
        if column.role == "ignore" or raw == loaded.target.column:
            base[raw] = ""
        elif column.type == "category":
            base[raw] = next(iter(column.values))
        else:
            base[raw] = {"date": "2005-05-01", "text": "x", "open_category": "x"}.get(column.type, "40")
    base[loaded.target.column] = str(loaded.target.good[0])
    rows = pl.DataFrame([{key: str(value) for key, value in (base | changed).items()}])
    cleaned = clean_training(rows.lazy(), loaded)
    table = inputs_frame(add_characteristics(cleaned.marked, loaded), loaded).collect()
    return table.row(0, named=True)


def test_codes_96_and_98_are_missing_and_not_counts() -> None:
    codes = {"NumberOfTime30-59DaysPastDueNotWorse": 98, "NumberOfTime60-89DaysPastDueNotWorse": 98}
    row = one_row("give_me_some_credit", **codes, NumberOfTimes90DaysLate=98)
    for name in ("late_30_59", "late_90", "times_late", "severity_late", "seriously_late", "late_for_each_line"):
        assert row[name] is None, name


def test_the_debt_ratio_is_an_amount_where_the_income_is_missing() -> None:
    known = one_row("give_me_some_credit", DebtRatio=0.5, MonthlyIncome=4000)
    unknown = one_row("give_me_some_credit", DebtRatio=2500, MonthlyIncome="NA")
    assert (known["debt_ratio"], known["monthly_debt"], known["income_left"]) == (0.5, 2000.0, 2000.0)
    assert (unknown["debt_ratio"], unknown["monthly_debt"], unknown["income_left"]) == (None, 2500.0, None)
    assert "debt_ratio_or_amount" not in known


def test_utilisation_above_two_and_age_zero_are_missing() -> None:
    row = one_row("give_me_some_credit", RevolvingUtilizationOfUnsecuredLines=50708, age=0)
    assert (row["utilisation"], row["above_limits"], row["age"]) == (None, None, None)
    assert one_row("give_me_some_credit", RevolvingUtilizationOfUnsecuredLines=1.25)["above_limits"] == 0.25


def test_taiwans_undocumented_categories_are_missing_and_codes_are_no_counts() -> None:
    assert [one_row("taiwan", EDUCATION=code)["education"] for code in (0, 1, 4, 5, 6)] == [None, "1", "4", None, None]
    months = {f"PAY_{month}": code for month, code in zip((0, 2, 3, 4, 5, 6), (-2, -1, 0, 3, 9, 1), strict=True)}
    row = one_row("taiwan", **months)
    assert [row[f"delay_{month}"] for month in ("sep", "aug", "jul", "jun", "may", "apr")] == [0, 0, 0, 3, 9, 1]
    assert (row["worst_delay"], row["months_late"], row["use_sep"], row["use_aug"]) == (
        9,
        3,
        "not used",
        "paid in full",
    )


def test_lending_clubs_history_is_counted_to_the_application() -> None:
    row = one_row("lending_club", issue_d="2010-06-01", earliest_cr_line="2000-06-01", emp_title="ACME Inc", term=60)
    assert row["credit_history"] == 120.0
    assert (row["employer"], row["employer_not_named"]) == ("acme inc", 0.0)
    assert one_row("lending_club", emp_title="")["employer_not_named"] == 1.0


MIRROR = Path(os.environ.get("DATA_MIRROR", ""))
real = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("DATA_MIRROR"), reason="DATA_MIRROR names no folder with the real tables"),
]


def cleaned(name: str, cache: Path) -> tuple[Contract, Cleaned, CleaningReport]:
    loaded = contract(name)
    path = fetch(loaded.source, cache, FOLDER.parents[1])
    found = clean_training(scan(path, loaded.source.format), loaded)
    return loaded, found, found.report()


REAL_COUNTS = [
    pytest.param("south_german", 1_000, 0, 0, 1_000, 0.3, marks=real),
    pytest.param("taiwan", 30_000, 35, 0, 29_965, 0.2213, marks=real),
    pytest.param("give_me_some_credit", 150_000, 609, 0, 149_391, 0.0670, marks=real),
    pytest.param("lending_club", 42_535, 0, 2_749, 39_786, 0.1425, marks=real),
]


@pytest.mark.parametrize(("name", "read", "duplicates", "outside", "kept", "bad_rate"), REAL_COUNTS)
def test_the_real_table_cleans_as_described(
    name: str, read: int, duplicates: int, outside: int, kept: int, bad_rate: float, tmp_path: Path
) -> None:
    loaded, found, report = cleaned(name, tmp_path)
    assert (report.rows_read, report.duplicates, report.outside_population) == (read, duplicates, outside)
    assert (report.rows_kept, report.rows_quarantined) == (kept, 0)
    assert report.bad_rate == pytest.approx(bad_rate, abs=5e-5)
    assert not report.excluded_by_target
    unknown = {key: counts["unknown"] for key, counts in report.columns.items() if counts["unknown"]}
    assert not unknown
    inputs = inputs_frame(add_characteristics(found.table, loaded), loaded).collect()
    assert inputs.columns == [item.name for item in loaded.inputs]
    assert all(inputs[name].null_count() < inputs.height for name in inputs.columns)


@pytest.mark.parametrize("name", [pytest.param("give_me_some_credit", marks=real)])
def test_the_codes_of_give_me_some_credit_are_all_found(name: str, tmp_path: Path) -> None:
    loaded = contract(name)
    kept = loaded.model_copy(update={"duplicates": "keep"})
    path = fetch(loaded.source, tmp_path, FOLDER.parents[1])
    report = clean_training(scan(path, loaded.source.format), kept).report()
    assert report.columns["late_90"]["missing"] == 269
    assert report.columns["utilisation"]["out_of_range"] == 371
    assert report.columns["age"]["missing"] == 1


@pytest.mark.parametrize("name", [pytest.param(name, marks=real) for name in REAL])
def test_directions_are_true_in_the_real_table(name: str, tmp_path: Path) -> None:
    """The bad rate of the upper half lies above (or below) that of the lower half, as the contract says."""
    loaded, found, _ = cleaned(name, tmp_path)
    table = add_characteristics(found.table, loaded).collect()
    wrong = []
    for item in loaded.inputs:
        if item.monotone and item.kind == "number":
            known = table.select(item.name, "_target").drop_nulls()
            middle = known[item.name].mean()
            upper = known.filter(pl.col(item.name) > middle)["_target"].mean()
            lower = known.filter(pl.col(item.name) <= middle)["_target"].mean()
            rises = float(upper or 0) > float(lower or 0)  # type: ignore[arg-type]
            if rises != (item.monotone == "increasing"):
                wrong.append(item.name)
    assert not wrong
