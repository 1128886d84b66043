"""Raw table to clean table and quarantine: rules, counts, and the sentence where a table cannot be used."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from support import little_space

from creditrisk.contract import Contract
from creditrisk.data.characteristics import add_characteristics
from creditrisk.data.cleaning.clean import clean_training, write_cleaned
from creditrisk.data.cleaning.clean_scoring import clean_scoring
from creditrisk.data.cleaning.report import CleaningReport
from creditrisk.data.row import compile_row
from creditrisk.errors import DataError

COLUMNS: dict[str, dict[str, Any]] = {
    "no": {"type": "text", "role": "id"},
    "y": {"type": "integer", "role": "target"},
    "amt": {"type": "number", "rename": "amount", "min": 0, "max": 1000},
    "use": {"type": "category", "rename": "purpose", "values": {1: "car", 2: "home"}},
    "sex": {"type": "category", "values": ["m", "f"], "role": "protected"},
    "junk": {"type": "text", "role": "ignore"},
}


def contract(more: dict[str, dict[str, Any]] | None = None, **changes: Any) -> Contract:
    given: dict[str, Any] = {
        "name": "loans",
        "title": "Loans",
        "source": {"url": "loans.csv"},
        "target": {"column": "y", "bad": [1], "good": [0]},
        "id": "no",
        "quarantine": {"max_share": 0.5},
        "columns": COLUMNS | (more or {}),
    }
    return Contract.model_validate(given | changes)


def loans(rows: int = 8, **changes: list[Any]) -> pl.DataFrame:
    """A table as a CSV gives it, all texts; ``changes`` replace whole columns."""
    base: dict[str, list[Any]] = {
        "no": [f"L{row}" for row in range(rows)],
        "y": [str(row % 2) for row in range(rows)],
        "amt": [str(100 + row) for row in range(rows)],
        "use": [str(1 + row % 2) for row in range(rows)],
        "sex": ["m", "f"] * (rows // 2),
        "junk": [f"?{row}" for row in range(rows)],
    }
    return pl.DataFrame(base | changes, strict=False)


def write(raw: pl.DataFrame, given: Contract, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, CleaningReport]:
    report = write_cleaned(raw.lazy(), given, folder / "clean.parquet", folder / "quarantine.parquet")
    return pl.read_parquet(folder / "clean.parquet"), pl.read_parquet(folder / "quarantine.parquet"), report


def cell(
    column: dict[str, Any], *values: Any, dtype: Any = None
) -> tuple[list[Any], list[str | None], list[str | None]]:
    """Clean one column in scoring: values, faults, warnings."""
    given = contract(columns={"x": column}, id=None)
    raw = pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})
    found = clean_scoring(raw, given)
    return found["x"].to_list(), found["_fault"].to_list(), found["_warnings"].to_list()


def test_a_good_table_passes(tmp_path: Path) -> None:
    clean, quarantine, report = write(loans(), contract(), tmp_path)
    assert clean.columns == ["_row", "_id", "_target", "no", "amount", "purpose", "sex"]
    assert clean.row(1) == (2, "L1", 1.0, "L1", 101.0, "2", "f")
    assert quarantine.is_empty()
    assert list(quarantine.columns) == ["row", "column", "value", "rule", "expected"]
    assert (report.rows_read, report.rows_kept, report.rows_quarantined, report.bad_rate) == (8, 8, 0, 0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.parquet", "quarantine.parquet"]


def test_bad_rows_go_to_quarantine_with_every_fault(tmp_path: Path) -> None:
    raw = loans(amt=["1e9", "x", "5", " 7 ", "8", "", "nan", "1_0"], use=["9", "1"] * 4, y=list("00001101"))
    given = contract({"use": COLUMNS["use"] | {"unknown": "reject"}}, quarantine={"max_share": 1})
    clean, quarantine, report = write(raw, given, tmp_path)
    assert clean["_row"].to_list() == [4, 6]
    assert clean["amount"].to_list() == [7.0, None]
    assert quarantine.filter(row=1).rows() == [
        (1, "amt", "1e9", "range", "between 0 and 1000"),
        (1, "use", "9", "values", "one of 1, 2"),
    ]
    assert quarantine.filter(row=7)["rule"].to_list() == ["type", "values"]
    assert report.rows_quarantined == 6
    assert report.rules == {"use: values": 4, "amt: type": 3, "amt: range": 1}
    assert report.columns["amount"]["unparseable"] == 3
    assert report.columns["amount"]["missing"] == 1


def test_targets_compare_like_categories_and_others_are_counted(tmp_path: Path) -> None:
    raw = loans(y=["0", "1.0", " 1 ", "0.0", "2", "", None, "late"])
    clean, _, report = write(raw, contract(), tmp_path)
    assert clean["_target"].to_list() == [0.0, 1.0, 1.0, 0.0]
    assert report.excluded_by_target == {"": 2, "2": 1, "late": 1}


def test_typed_target() -> None:
    raw = loans().with_columns(pl.col("y").cast(pl.Float64))
    assert clean_training(raw.lazy(), contract()).table.collect()["_target"].to_list() == [0.0, 1.0] * 4


def test_duplicates_apart_from_the_id_are_dropped(tmp_path: Path) -> None:
    raw = loans(amt=["5", "6", "5", "6", "5", "7", "9", "10"], junk=["?"] * 8)
    clean, _, report = write(raw, contract(), tmp_path)
    assert clean["_row"].to_list() == [1, 2, 6, 7, 8]
    assert report.duplicates == 3
    kept, _, report = write(raw, contract(duplicates="keep"), tmp_path)
    assert (kept.height, report.duplicates) == (8, 0)


def test_ids_that_several_rows_have_are_counted(tmp_path: Path) -> None:
    ids = ["L0", "L0", "L0", "L3", "L3", "L5", "L6", "L6"]
    raw = loans(no=ids, y=["0", "1", "0", "1", "0", "1", "0", "2"])
    for found in (write(raw, contract(), tmp_path)[2], clean_training(raw.lazy(), contract()).report()):
        assert found.repeated_ids == 2, "L6 is kept once: the other row's outcome is neither good nor bad"
    same = raw.with_columns(amt=pl.lit("5"), use=pl.lit("1"), sex=pl.lit("m"), junk=pl.lit("?"), y=pl.lit("0"))
    same = pl.concat([same, loans(2)])
    assert write(same, contract(), tmp_path)[2].repeated_ids == 1, "rows that repeat another are no rows of their own"
    assert write(loans(), contract(id=None), tmp_path)[2].repeated_ids == 0


def test_population_uses_clean_columns_and_the_target(tmp_path: Path) -> None:
    given = contract(population="amount < 105 AND y <> '1'")
    raw = loans(y=["0", "1", "0", "1.0", "1", "0", "1", "1"])
    clean, _, report = write(raw, given, tmp_path)
    assert clean["_row"].to_list() == [1, 3, 4]
    assert report.outside_population == 5


def test_a_fault_that_hides_the_population_stays_in_sight(tmp_path: Path) -> None:
    given = contract(population="amount < 1000")
    _, quarantine, report = write(loans(amt=["x", "", *"123456"]), given, tmp_path)
    assert quarantine["row"].to_list() == [1]
    assert (report.outside_population, report.rows_quarantined) == (1, 1)


def test_id_is_made_from_the_content_where_there_is_none() -> None:
    given = contract({"no": {"type": "text", "role": "ignore"}}, id=None)
    one = clean_training(loans().lazy(), given).table.collect()
    again = clean_training(loans().reverse().lazy(), given).table.collect()
    assert one["_id"].n_unique() == 8
    assert set(one["_id"]) == set(again["_id"])
    assert one["_id"][0] == again["_id"][7]
    assert len(one["_id"][0]) == 24


def test_columns_that_no_rule_reads_do_not_keep_a_row_from_its_id() -> None:
    more = {"took": dt.timedelta(1), "at": dt.time(9), "both": [1], "photo": b"x"}
    ignored = {name: {"type": "text", "role": "ignore"} for name in more}
    given = contract({"no": {"type": "text", "role": "ignore"}, **ignored}, id=None)
    raw = loans().with_columns(pl.Series(name, [value] * 8) for name, value in more.items())
    assert clean_training(raw.lazy(), given).table.collect()["_id"].n_unique() == 8


def test_an_outcome_that_is_corrected_changes_no_id_and_makes_no_duplicate(tmp_path: Path) -> None:
    given = contract(id=None)
    before, *_ = write(loans(), given, tmp_path)
    after, *_ = write(loans(y=["1" if row == 0 else str(row % 2) for row in range(8)]), given, tmp_path)
    assert after["_id"].equals(before["_id"])
    assert after["_target"][0] != before["_target"][0]
    alike = [loans()["no"][0], *loans()["no"][:7]]
    same: dict[str, Any] = {name: [loans()[name][0], *loans()[name][:7]] for name in ("amt", "use", "sex", "junk")}
    raw = loans(no=alike, y=list("01010101"), **same)
    clean, _, report = write(raw, given, tmp_path)
    assert report.duplicates == 0
    assert clean["_id"][0] == clean["_id"][1]


def test_a_further_column_that_is_ignored_changes_no_id(tmp_path: Path) -> None:
    given = contract(id=None, extra_columns="ignore")
    before, *_ = write(loans(), given, tmp_path)
    after, *_ = write(loans(more=[str(row) for row in range(8)]), given, tmp_path)
    assert after["_id"].equals(before["_id"])


def ids(pairs: list[tuple[str, str]]) -> list[str]:
    given = contract({"sub": {"type": "text", "role": "id"}}, id=("no", "sub"), duplicates="keep")
    raw = pl.DataFrame(pairs, schema=["no", "sub"], orient="row")
    raw = raw.with_columns(amt=pl.lit("1"), use=pl.lit("1"), sex=pl.lit("f"), y=pl.lit("1"))
    return clean_training(raw.lazy(), given).table.collect()["_id"].to_list()


def test_a_bar_in_a_value_makes_no_id_of_other_values_and_others_stay_as_they_were() -> None:
    assert ids([("a|b", "c"), ("a", "b|c"), ("a\\", "b")]) == ["a\\|b|c", "a|b\\|c", "a\\|b"]


def test_different_values_of_several_id_columns_are_different_ids() -> None:
    texts = ["".join(letters) for size in (1, 2, 3) for letters in itertools.product("a|\\", repeat=size)]
    pairs = list(itertools.product(texts, texts))
    assert len(set(ids(pairs))) == len(pairs) == 39**2


def test_several_id_columns_weight_group_and_time(tmp_path: Path) -> None:
    more: dict[str, dict[str, Any]] = {
        "sub": {"type": "integer", "role": "id"},
        "w": {"type": "number", "input": False},
        "cust": {"type": "text", "role": "id"},
        "day": {"type": "date", "rename": "issued", "role": "time"},
    }
    given = contract(more, id=("no", "sub"), weight="w", group="cust", time="issued", quarantine={"max_share": 1})
    raw = loans(
        sub=["1", "2.0", *"345678"],
        w=["1", "2", "-1", "", "1", "1", "1", "1"],
        cust=["a", "", *"bcdefg"],
        day=[
            "2024-01-31",
            "2024-02-29 12:00",
            "2024-01-01",
            "2024-01-01",
            "",
            "2023-02-29",
            "2024-01-01",
            "2024-01-01",
        ],
    )
    clean, quarantine, _ = write(raw, given, tmp_path)
    assert clean["_id"].to_list()[:2] == ["L0|1", "L1|2"]
    assert clean["_group"].to_list()[:2] == ["a", "id:L1|2"]
    assert clean["application_date"].to_list()[:2] == [dt.date(2024, 1, 31), dt.date(2024, 2, 29)]
    assert clean["_weight"].to_list()[:2] == [1.0, 2.0]
    assert quarantine.select("row", "column", "rule").rows() == [
        (3, "w", "range"),
        (4, "w", "required"),
        (5, "day", "required"),
        (6, "day", "type"),
    ]


def test_numbers() -> None:
    column = {"type": "number", "strip": "$,%", "missing": [98, "n/a"]}
    values = ["$1,200.5", "12%", "98.0", "n/a", "", "1e400", "inf", "NaN", "1_0", "٣", "+.5e1", "-0"]
    found, faults, _ = cell(column, *values)
    assert found == [1200.5, 12.0, None, None, None, None, None, None, None, None, 5.0, -0.0]
    assert [fault is not None for fault in faults] == [False] * 5 + [True] * 5 + [False] * 2
    assert faults[5] == "x: expected a number, found '1e400'"
    found, faults, _ = cell(column, 1.5, math.nan, math.inf, None, 98.0)
    assert found == [1.5, None, None, None, None]
    assert [fault is not None for fault in faults] == [False, False, True, False, False]


def test_a_currencys_word_stands_beside_a_number_and_leaves_its_digits_alone() -> None:
    column = {"type": "number", "currency": "EUR", "decimal": ",", "strip": "\u00a0"}
    values = ["EUR 1.200,50", "1200EUR", "-EUR 7", "- EUR 7", "(EUR 7)", "5", "1E5", "1 EUR 50", "EUR", "USD 5"]
    found, faults, _ = cell(column, *values)
    assert found == [1200.5, 1200.0, -7.0, -7.0, None, 5.0, 1e5, None, None, None]
    assert [fault is None for fault in faults] == [value is not None for value in found]


def test_accountants_negatives() -> None:
    column = {"type": "number", "accounting": True, "strip": "$,", "missing": [-98]}
    values = [
        "(1,234.50)",
        "($5)",
        "$(5)",
        "1,234.50-",
        "( 5 )",
        "5 -",
        "-5",
        "5",
        "(98)",
        "(-5)",
        "-5-",
        "()",
        "(5",
        "5)",
    ]
    found, faults, _ = cell(column, *values)
    assert found == [-1234.5, -5.0, -5.0, -1234.5, -5.0, -5.0, -5.0, 5.0, None, None, None, None, None, None]
    assert [fault is None for fault in faults] == [True] * 9 + [False] * 5
    assert cell({"type": "number"}, "(5)")[0] == [None]


def test_integers() -> None:
    found, faults, _ = cell({"type": "integer"}, "12.0", "12.5", "1e3")
    assert found == [12.0, None, 1000.0]
    assert faults[1] == "x: expected a whole number, found '12.5'"


@pytest.mark.parametrize(
    ("mode", "found", "fault", "warning"),
    [
        ("clip", [0.0, 5.0, 10.0], None, "x: expected between 0 and 10, found '-1'"),
        ("missing", [None, 5.0, None], None, "x: expected between 0 and 10, found '-1'"),
        ("quarantine", [None, 5.0, None], "x: expected between 0 and 10, found '-1'", None),
    ],
)
def test_out_of_range(mode: str, found: list[Any], fault: str | None, warning: str | None) -> None:
    values, faults, warnings = cell({"type": "number", "min": 0, "max": 10, "out_of_range": mode}, "-1", "5", "11")
    assert (values, faults[0], warnings[0]) == (found, fault, warning)
    assert faults[1] is None
    assert warnings[1] is None


def test_categories() -> None:
    numbers = {"type": "category", "values": [1, 2, 10], "missing": [9]}
    assert cell(numbers, "1", "1.0", " 02 ", "10", "9", "3", "x", None)[0] == [
        "1",
        "1",
        "2",
        "10",
        None,
        None,
        None,
        None,
    ]
    assert cell(numbers, 1, 2, 3)[0] == cell(numbers, 1.0, 2.0, 3.0)[0] == ["1", "2", None]
    assert cell(numbers, "3")[1:] == ([None], ["x: expected one of 1, 2, 10, found '3'"])
    zeros = {"type": "category", "values": ["01", "02", "0.5"]}
    assert cell(zeros, "01", 1, 0.5, ".5", "2.0", dtype=pl.String)[0] == ["01", "01", "0.5", "0.5", "02"]
    words = {"type": "category", "values": ["a", "b"], "case": "lower", "unknown": "reject"}
    assert cell(words, "A", " b", "c")[:2] == (["a", "b", None], [None, None, "x: expected one of a, b, found 'c'"])


def test_open_categories_and_texts() -> None:
    column = {"type": "open_category", "case": "upper", "missing": ["n/a"]}
    assert cell(column, " acme ", "ä\u00a0", "n/a", "", "ß")[0] == ["ACME", "ä\u00a0", None, None, "ß"]
    assert cell(column, 94107.0, 0.5, math.nan)[0] == ["94107", "0.5", None]


def test_booleans() -> None:
    assert cell({"type": "boolean"}, "true", "False", "YES", "n", "1", "0.0", "")[0] == [
        True,
        False,
        True,
        False,
        True,
        False,
        None,
    ]
    assert cell({"type": "boolean"}, True, False, None)[0] == [True, False, None]
    assert cell({"type": "boolean"}, 1.0, 0.0)[0] == [True, False]
    column = {"type": "boolean", "values": {"J": "true", "N": "false"}}
    values, faults, _ = cell(column, "J", "N", "true", "maybe")
    assert values == [True, False, True, None]
    assert faults[3] == "x: expected one of J, N, found 'maybe'"


def test_dates() -> None:
    values, faults, _ = cell(
        {"type": "date"}, "2024-02-29", "2024-02-29T23:59:59.5Z", "2023-02-29", "29.02.2024", "0000-01-01"
    )
    assert values == [dt.date(2024, 2, 29)] * 2 + [None] * 3
    assert faults[2] == "x: expected a date such as 2024-01-31, found '2023-02-29'"
    assert cell({"type": "date", "format": "%b-%Y"}, "Dec-2011", "DEC-2011", "Foo-2011")[0] == [
        dt.date(2011, 12, 1)
    ] * 2 + [None]
    assert cell({"type": "date", "format": "%d.%m.%y"}, "1.2.69", "31.12.68")[0] == [
        dt.date(1969, 2, 1),
        dt.date(2068, 12, 31),
    ]
    assert cell({"type": "date", "format": "%Y%m%d"}, 20240131)[0] == [dt.date(2024, 1, 31)]
    assert cell({"type": "date"}, dt.datetime(2024, 1, 31, 23))[0] == [dt.date(2024, 1, 31)]
    low = {"type": "date", "min": dt.date(2000, 1, 1), "out_of_range": "clip"}
    assert cell(low, "1999-01-01", "2001-01-01")[0] == [dt.date(2000, 1, 1), dt.date(2001, 1, 1)]


@pytest.mark.parametrize("written", ["%Y-%Q", "%d", "%Y-%m-%Y"])
def test_a_format_that_is_none(written: str) -> None:
    with pytest.raises(ValidationError, match=r"columns\.x\s.*format"):
        cell({"type": "date", "format": written}, "2024")


def test_required_values() -> None:
    column = {"type": "category", "values": ["a"], "required": True}
    assert cell(column, "a", "", "z")[1] == [
        None,
        "x: expected a value (one of a), found ''",
        "x: expected a value (one of a), found 'z'",
    ]


def test_application_date() -> None:
    given = contract({"day": {"type": "date", "rename": "issued", "role": "time"}}, time="issued")
    raw = loans(day=["2020-01-31", ""] * 4)
    stated = clean_scoring(raw, given)["application_date"].to_list()[:2]
    assert stated == [dt.date(2020, 1, 31), dt.date.today()]
    assert clean_scoring(raw, given, dt.date(2021, 5, 5))["application_date"].unique().to_list() == [
        dt.date(2021, 5, 5)
    ]
    without = clean_scoring(raw.drop("day"), given, dt.date(2021, 5, 5))
    assert without["application_date"].unique().to_list() == [dt.date(2021, 5, 5)]


def test_the_time_column_under_its_own_name_is_the_same_for_a_row_and_a_table() -> None:
    sql = {"year": {"sql": "EXTRACT(YEAR FROM issued)"}}
    given = contract({"day": {"type": "date", "rename": "issued"}}, time="issued", characteristics=sql)
    stated = loans(day=["2020-01-31", ""] * 4)
    for raw in (stated, stated.drop("day")):
        for day in (None, dt.date(2021, 5, 5)):
            table = add_characteristics(clean_scoring(raw, given, day).lazy(), given).collect()
            assert table["year"].to_list() == [compile_row(given)(row, day).values[-1] for row in raw.to_dicts()]


@pytest.mark.parametrize(
    ("raw", "given", "message"),
    [
        (loans().drop("amt").with_columns(amnt=1), contract(), "lacks 1 column.*'amt'. Did you mean 'amnt'"),
        (loans().drop("y"), contract(), "lacks 1 column.*'y'"),
        (loans().with_columns(amtt=1), contract(), "does not name: 'amtt'. Did you mean 'amt'"),
        (loans().with_columns(_row=1), contract(extra_columns="ignore"), "has a column '_row': .*own name.*Rename it"),
        (
            loans().with_columns(pl.lit(1).alias("^.*$")),
            contract(extra_columns="ignore"),
            r"has a column '\^\.\*\$': .*patterns\. Rename",
        ),
        (loans(y=["1"] * 8), contract(), "All 8 rows of 'loans' are bad"),
        (loans(y=["0"] * 8), contract(), "All 8 rows of 'loans' are good"),
        (loans(y=["7"] * 8), contract(), "No row of 'loans' is left.*8 rows have a target value.*'7' 8"),
        (loans().clear(), contract(), "has no rows"),
        (loans(amt=[""] * 8), contract(), "Column 'amt' has no usable value in any of the 8 rows"),
        (loans(use=["5"] * 8), contract(), "Column 'use' has no usable value.*8 unknown"),
        (
            loans(amt=["x"] * 8),
            contract(),
            r"8 of 8.*100%.*column 'amt', rule type: 8 \(row 1: 'x', expected a number",
        ),
        (loans().with_columns(amt=pl.concat_list("amt")), contract(), "column 'amt' of the table is of type List"),
    ],
)
def test_tables_that_cannot_be_used(raw: pl.DataFrame, given: Contract, message: str, tmp_path: Path) -> None:
    (tmp_path / "clean.parquet").write_text("the former one")
    with pytest.raises(DataError, match=message):
        write_cleaned(raw.lazy(), given, tmp_path / "clean.parquet", tmp_path / "quarantine.parquet")
    assert (tmp_path / "clean.parquet").read_text() == "the former one"
    assert {path.name for path in tmp_path.iterdir()} <= {"clean.parquet", "quarantine.parquet"}


def test_small_shares_are_said_as_they_are(tmp_path: Path) -> None:
    raw = loans(2_000, amt=["x", *["5"] * 1_999])
    with pytest.raises(DataError, match=re.escape("(0.05%) have faults, more than the 0.01% that quarantine")):
        write(raw, contract(quarantine={"max_share": 0.0001}, duplicates="keep"), tmp_path)


def test_extra_columns_can_be_ignored() -> None:
    raw = loans().with_columns(more=1).lazy()
    assert clean_training(raw, contract(extra_columns="ignore")).table.collect().height == 8


@pytest.mark.parametrize("times", [[dt.time(1), dt.time(2)], [dt.timedelta(1), dt.timedelta(2)]])
def test_times_that_no_rule_reads_may_be_ignored_and_tell_rows_apart(times: list[Any]) -> None:
    raw = loans(2, y=["1", "1"], amt=["1", "1"], use=["1", "1"], sex=["m", "m"], junk=times).drop("no").lazy()
    columns = {raw: column for raw, column in COLUMNS.items() if raw != "no"}
    assert clean_training(raw, contract(columns=columns, id=None)).table.collect()["_id"].n_unique() == 2


def test_scoring_needs_features_alone() -> None:
    found = clean_scoring(loans().select("use", "amt", pl.lit(1).alias("more")), contract())
    assert found.columns == ["amount", "purpose", "_fault", "_warnings"]
    with pytest.raises(DataError, match=r"lacks 1 column.*'use'"):
        clean_scoring(loans().select("amt"), contract())
    with pytest.raises(DataError, match=r"The table has: amt\. Give the table a header row"):
        clean_scoring(
            loans().select("amt", pl.lit(None).alias("_broken"), pl.lit(None).alias("_broken_text")), contract()
        )


def test_broken_lines_count_as_quarantined(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    line = {"row": [3], "column": [""], "value": ["a;b;c"], "rule": ["line"], "expected": ["6 fields"]}
    pl.DataFrame(line).write_parquet(broken)
    report = write_cleaned(loans().lazy(), contract(), tmp_path / "c.parquet", tmp_path / "q.parquet", broken)
    assert (report.broken_lines, report.rows_quarantined, report.rows_kept) == (1, 1, 8)
    assert pl.read_parquet(tmp_path / "q.parquet")["value"].to_list() == ["a;b;c"]
    assert pl.read_parquet(tmp_path / "c.parquet")["_row"].to_list() == [1, 2, 4, 5, 6, 7, 8, 9]


def test_batches_change_nothing() -> None:
    raw = pl.concat([loans(), loans(amt=["x", *"2345678"])] * 3).with_columns(no=pl.int_range(pl.len()).cast(pl.String))
    cleaned = clean_training(raw.lazy(), contract(duplicates="keep"))
    pieces = list(cleaned.batches(5))
    assert len(pieces) > 3
    assert pl.concat(cleaned.faults(piece) for piece in pieces).equals(cleaned.quarantine.collect())
    assert cleaned.report().rows_quarantined == 3


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_cleaned(loans().lazy(), contract(), tmp_path / "no" / "c.parquet", tmp_path / "no" / "q.parquet")


def test_a_full_disk_leaves_the_former_tables(tmp_path: Path) -> None:
    raw = loans().select(pl.all().repeat_by(2_000).explode())
    (tmp_path / "c.parquet").write_bytes(b"former")
    with little_space(1_000), pytest.raises(DataError, match=r"cannot be written.*Is the disk full"):
        write_cleaned(raw.lazy(), contract(duplicates="keep"), tmp_path / "c.parquet", tmp_path / "q.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]
    assert (tmp_path / "c.parquet").read_bytes() == b"former"


@pytest.mark.parametrize("numbers", [True, False])
def test_rows_alike_in_all_numbers_and_not_in_a_text_are_no_duplicates(numbers: bool) -> None:
    raw = pl.concat([loans(), loans(), loans(sex=["m"] * 8)]).with_columns(no=pl.int_range(24).cast(pl.String))
    raw = raw.with_columns(pl.col("y", "amt").cast(pl.Float64)) if numbers else raw
    expected = 8 + int((loans()["sex"] == "m").sum())
    assert clean_training(raw.lazy(), contract()).report().duplicates == expected


def test_cleaning_streams() -> None:
    """Neither engine's choice nor a rule may pull a table larger than memory into memory."""
    kinds: dict[str, dict[str, Any]] = {
        "b": {"type": "boolean"},
        "d": {"type": "date", "format": "%b-%Y"},
        "o": {"type": "open_category", "case": "lower", "strip": "%", "missing": [9, "n/a"]},
        "i": {"type": "integer", "min": 0, "out_of_range": "clip", "missing": [98]},
    }
    raw = loans().with_columns(pl.lit("1").alias(name) for name in kinds).lazy()
    cleaned = clean_training(raw, contract(kinds, population="amount > 0"))
    for plan in (cleaned.table, cleaned.marked):
        graph = plan.show_graph(engine="streaming", plan_stage="physical", raw_output=True, show=False)
        assert graph is not None
        assert 'fillcolor="0.0 0.3 1.0"' not in graph
        assert "in-memory-map" not in graph
