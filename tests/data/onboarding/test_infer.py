"""A first contract from any table: it loads, cleans the table it came from, and says what a person should check."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditrisk.contract import ID, LARGEST, Contract, is_pattern
from creditrisk.data.characteristics import add_characteristics, inputs_frame
from creditrisk.data.cleaning.clean import clean_training
from creditrisk.data.cleaning.report import CleaningReport
from creditrisk.data.onboarding.infer import Inferred, infer
from creditrisk.data.onboarding.leakage import single_auc
from creditrisk.data.onboarding.naming import clean_names, is_age, known_later, protected_by_name
from creditrisk.data.reading.sniff import sniff
from creditrisk.data.reading.source import scan
from creditrisk.data.row import compile_row
from creditrisk.data.split import split
from creditrisk.errors import ContractError, DataError, SourceError
from creditrisk.params import Split

Write = Callable[[pl.DataFrame], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def as_csv(table: pl.DataFrame) -> Path:
        path = tmp_path / "loans.csv"
        table.write_csv(path)
        return path

    return as_csv


def test_new_rows_move_no_old_one_between_train_and_test(write: Write) -> None:
    applied = np.datetime64("2021-01-04") + np.arange(600).astype("timedelta64[D]")
    old = loans(600).with_columns(applied=pl.Series(applied).dt.to_string("%d.%m.%Y"))
    new = loans(300, seed=1).with_columns(
        loan_id=pl.format("N{}", pl.int_range(300)),
        applied=pl.Series(np.datetime64("2022-09-01") + np.arange(300).astype("timedelta64[D]")).dt.to_string(
            "%d.%m.%Y"
        ),
    )
    contract = Contract.from_text(infer(write(old), "outcome", time="applied").text, "loans.yaml")

    def sides(table: pl.DataFrame, contract: Contract) -> dict[str, str]:
        parts, _, _ = split(clean_training(table.lazy(), contract).table.collect(), contract, Split())
        return {key: name for name, part in parts.items() for key in part[ID]}

    before, after = sides(old, contract), sides(pl.concat([old, new]), contract)
    assert len(after) == 900
    assert {key: after[key] for key in before} == before
    unfixed = contract.model_copy(update={"test_from": None})
    assert sides(old, unfixed) == before, "the month written is the one that the split takes"
    moved = sides(pl.concat([old, new]), unfixed)
    assert {key: moved[key] for key in before} != before


def test_dates_of_one_month_leave_the_beginning_of_the_test_part_open(write: Write) -> None:
    days = pl.format("2021-01-{}", pl.int_range(400).mod(28).add(1).cast(pl.String).str.zfill(2))
    path = write(loans().with_columns(applied=days))
    assert Contract.from_text(infer(path, "outcome", time="applied").text, "loans.yaml").test_from is None


def used(inferred: Inferred, path: Path) -> tuple[Contract, CleaningReport, pl.DataFrame]:
    """Load the contract as a run does, clean the table with it and make the model's inputs."""
    contract = Contract.from_text(inferred.text, inferred.name)
    assert set(Contract.model_fields) - contract.model_fields_set <= {"description"}
    cleaned = clean_training(scan(path, contract.source.format), contract)
    inputs = inputs_frame(add_characteristics(cleaned.table, contract), contract).collect()
    return contract, cleaned.report(), inputs


def loans(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    income = random.lognormal(8, 0.4, rows).round(2)
    bad = random.random(rows) < 0.25
    return pl.DataFrame(
        {
            "loan_id": [f"L{row:05d}" for row in range(rows)],
            "loan_amount": random.lognormal(9, 0.5, rows).round(2),
            "monthly_income": [None if value % 7 < 0.5 else value for value in income],
            "term": random.choice([12, 24, 36, 60], rows),
            "purpose": random.choice(["car", "home", "travel"], rows),
            "outcome": np.where(bad, "default", "paid"),
        }
    )


def test_a_plain_table_gives_types_ranges_values_and_an_id(write: Write) -> None:
    path = write(loans())
    contract, report, inputs = used(infer(path, "outcome"), path)
    columns = contract.columns
    assert (contract.name, contract.target.bad, contract.target.good) == ("loans", ("default",), ("paid",))
    assert (contract.id, columns["loan_id"].role) == ("loan_id", "id")
    assert (columns["loan_amount"].type, columns["term"].type) == ("number", "integer")
    assert set(columns["purpose"].values) == {"car", "home", "travel"}
    assert columns["loan_amount"].min == 0
    assert float(columns["loan_amount"].max or 0) >= 10 * float(loans()["loan_amount"].max() or 0)  # type: ignore[arg-type]
    assert (report.rows_kept, report.rows_quarantined) == (400, 0)
    assert "loan_amount_to_monthly_income" in contract.characteristics
    assert inputs.height == 400


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "loans.csv"
    loans(60).write_csv(path, separator=separator)
    contract, report, _ = used(infer(path, "outcome"), path)
    assert contract.source.format.separator == separator
    assert report.rows_kept == 60


@pytest.mark.parametrize("separator", [";", "\t", "~"])
def test_the_separator_that_excels_first_line_says_is_taken(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "loans.csv"
    path.write_text(f"sep={separator}\n{loans().write_csv(separator=separator)}")
    contract = Contract.from_text(infer(path, "outcome").text, "loans.yaml")
    assert contract.source.format.separator == separator
    assert clean_training(scan(path, contract.source.format), contract).report().rows_kept == loans().height


def test_commas_inside_quoted_texts_do_not_mislead_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    rows = "\n".join(f'"a, b; c";{row};{row % 2}' for row in range(30))
    path.write_text(f"words;amount;bad\n{rows}\n")
    assert sniff(path).separator == ";"


def test_gzip_and_parquet_and_other_encodings(tmp_path: Path) -> None:
    table = loans(80)
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(table.write_csv().encode()))
    parquet = tmp_path / "typed.parquet"
    table.with_columns(pl.Series("when", ["2020-01-01", "2021-05-06"] * 40).str.to_date()).write_parquet(parquet)
    old = tmp_path / "old.csv"
    old.write_bytes("größe;schlecht\n".encode("cp1252") + b"".join(b"%d,5;%d\n" % (r, r % 2) for r in range(40)))
    for path, target in ((packed, "outcome"), (parquet, "outcome")):
        assert used(infer(path, target), path)[1].rows_kept == 80
    assert Contract.from_text(infer(parquet, "outcome").text, "typed").columns["when"].type == "date"
    contract, report, _ = used(infer(old, "schlecht"), old)
    assert contract.source.format.encoding == "cp1252"
    assert report.rows_kept == 40


@pytest.mark.parametrize("place", [400, 40_000], ids=["at the very end", "late"])
def test_an_encoding_that_shows_late_is_found(tmp_path: Path, place: int) -> None:
    lines = [f"{row},{row % 2},{'Köln' if row == place else 'Bonn'}" for row in range(place + 1)]
    lines += lines[:100] if place > 400 else []
    path = tmp_path / "late.csv"
    path.write_bytes("\n".join(["amount,outcome,town", *lines]).encode("latin-1"))
    assert sniff(path).encoding == "cp1252"
    path.write_text("\n".join(["amount,outcome,town", *lines]), encoding="utf-8")
    assert sniff(path).encoding == "utf-8"


def test_a_damaged_byte_makes_no_other_encoding_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes("amount,outcome,town\n1,0,Köln\n2,1,".encode() + b"K\xf6ln\n3,0,Bonn\n")
    with pytest.raises(SourceError, match=r"row 2.*0xf6"):
        infer(path, "outcome")


def test_ugly_headers_get_safe_and_unique_names(tmp_path: Path) -> None:
    headers = [
        "Betrag (€)",
        "betrag",
        "Betrag",
        "select",
        "case",
        "1st rate %",
        "straße",
        "日本",
        "",
        "a.b",
        "bad?",
        "date",
    ]
    random = np.random.default_rng(1)
    path = tmp_path / "Ugly Table-2024.v2.csv"
    lines = [",".join(f'"{name}"' for name in headers)]
    for row in range(60):
        values = [*random.integers(10, 5000, 10), row % 3 == 0, 7 * row % 50]
        lines.append(",".join(str(int(value)) for value in values))
    path.write_text("\n".join(lines) + "\n")
    inferred = infer(path, "bad?")
    contract, report, inputs = used(inferred, path)
    assert inferred.name == "ugly_table_2024"
    assert report.rows_kept == 60
    assert len(set(contract.clean_columns)) == len(contract.clean_columns)
    assert contract.raw_names["case_value"] == "case"
    assert contract.raw_names["strasse"] == "straße"
    assert inputs.width >= 9


def test_names_that_sql_knows_are_renamed_and_others_kept() -> None:
    names = clean_names(["and", "left", "income", "application_date", "null", "_row", "Income Net", "income_net"], None)
    assert names["income"] == "income"
    assert names["income_net"] == "income_net"
    assert names["Income Net"] == "income_net_2"
    assert names["application_date"] != "application_date"
    assert names["_row"] == "row"
    assert names["null"] == "null_value"
    assert len(set(names.values())) == len(names)


def test_missing_markers_are_listed_as_they_are_written(write: Write) -> None:
    table = loans().with_columns(
        pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("N/A")).otherwise(pl.col("purpose")).alias("purpose"),
        pl.when(pl.int_range(pl.len()) % 5 == 0)
        .then(pl.lit("?"))
        .when(pl.int_range(pl.len()) % 31 == 0)
        .then(pl.lit("unknown"))
        .otherwise(pl.col("loan_amount").cast(pl.String))
        .alias("loan_amount"),
    )
    path = write(table)
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["purpose"].missing == ("N/A",)
    assert set(contract.columns["loan_amount"].missing) == {"?", "unknown"}
    assert report.rows_quarantined == 0
    assert inputs["loan_amount"].null_count() > 80


def test_codes_far_from_the_other_values_count_as_missing(write: Write) -> None:
    row = pl.int_range(pl.len())
    table = loans().with_columns(
        pl.when(row % 10 == 0).then(-999.0).otherwise(pl.col("loan_amount")).alias("loan_amount"),
        pl.when(row % 20 == 0).then(98).otherwise(row % 4).alias("late_payments"),
    )
    path = write(table)
    inferred = infer(path, "outcome")
    contract, _, inputs = used(inferred, path)
    assert contract.columns["loan_amount"].missing == ("-999",)
    assert contract.columns["late_payments"].missing == ("98",)
    assert inputs["late_payments"].max() == 3
    assert any("-999" in note for note in inferred.notes)


def test_currency_signs_and_thousands_are_read(write: Write) -> None:
    price = (pl.col("loan_amount") // 1 + 1000).cast(pl.Int64).cast(pl.String)
    table = loans().with_columns(("$" + price).alias("price"))
    table = table.with_columns(pl.col("price").str.replace(r"(\d)(\d{3})$", "$1,$2"))
    path = write(table)
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["price"].strip == "$,"
    assert report.rows_quarantined == 0
    assert inputs["price"].null_count() == 0


def european(number: float) -> str:
    return f"{number:,.2f}".translate({ord(","): ".", ord("."): ","})


MONEY: list[tuple[Callable[[float], str], dict[str, str | bool]]] = [
    (lambda v: f"{v:,.2f}" if v >= 0 else f"({-v:,.2f})", {"strip": ",", "accounting": True}),
    (lambda v: f"${v:,.2f}" if v >= 0 else f"(${-v:,.2f})", {"strip": "$,", "accounting": True}),
    (lambda v: european(v) if v >= 0 else f"{european(-v)}-", {"decimal": ",", "accounting": True}),
    (lambda v: f"EUR {european(v)}", {"decimal": ",", "currency": "EUR"}),
    (lambda v: f"{v:.2f} USD", {"currency": "USD"}),
    (lambda v: f"- CHF {-v:.2f}" if v < 0 else f"CHF {v:.2f}", {"strip": " ", "currency": "CHF"}),
    (lambda v: european(v).replace(".", "\u00a0") + "\u00a0zł", {"strip": "\u00a0", "decimal": ",", "currency": "zł"}),
    (lambda v: f"R$ {european(v)}", {"decimal": ",", "currency": "R$"}),
    (lambda v: f"Rs. {v:,.2f}", {"strip": ",", "currency": "Rs."}),
    (lambda v: f"₹{v:,.2f}", {"strip": "₹,"}),
]


@pytest.mark.parametrize(("form", "keys"), MONEY)
def test_money_is_read_as_people_write_it(
    write: Write, form: Callable[[float], str], keys: dict[str, str | bool]
) -> None:
    amounts = [(row % 7 - 2) * 1234.56 + row for row in range(400)]
    path = write(loans().with_columns(pl.Series("due", map(form, amounts))))
    contract, report, inputs = used(infer(path, "outcome"), path)
    column = contract.columns["due"]
    assert {key: getattr(column, key) for key in ("strip", "decimal", "currency", "accounting")} == {
        "strip": "", "decimal": ".", "currency": None, "accounting": False, **keys
    }  # fmt: skip
    assert (column.type, column.role, report.rows_quarantined) == ("number", "feature", 0)
    assert inputs["due"].to_list() == [round(amount, 2) for amount in amounts]


@pytest.mark.parametrize(("dash", "missing"), [("$ -", "-"), (" $-   ", "-"), ("USD -", "USD -")])
def test_a_dash_beside_a_currency_is_missing_and_pointed_out(write: Write, dash: str, missing: str) -> None:
    sign = dash.strip().rstrip("- ")
    due = [dash if row % 9 == 0 else f"{sign} ({row}.50)" if row % 2 else f"{sign} {row}.50" for row in range(400)]
    path = write(loans().with_columns(pl.Series("due", due)))
    inferred = infer(path, "outcome")
    contract, report, inputs = used(inferred, path)
    assert (contract.columns["due"].type, contract.columns["due"].missing) == ("number", (missing,))
    assert (report.rows_quarantined, inputs["due"].null_count()) == (0, 45)
    assert any("count as missing; Excel's accounting format writes zero so" in note for note in inferred.notes)


def test_points_that_may_part_thousands_are_pointed_out(write: Write) -> None:
    path = write(
        loans().with_columns(
            pl.Series("due", [f"{row % 9 + 1}.{row:03d}" if row % 2 else f"{row}" for row in range(400)]),
            pl.Series("share", [f"0.{row:03d}" for row in range(400)]),
        )
    )
    said = [note for note in infer(path, "outcome").notes if "a point with three digits" in note]
    assert [note.split(":")[0] for note in said] == ["due"]


def test_a_column_of_endless_numbers_alone_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "loans.parquet"
    loans().with_columns(
        ratio=pl.when(pl.int_range(400) % 2 == 0).then(float("inf")).otherwise(float("-inf"))
    ).write_parquet(path)
    assert used(infer(path, "outcome"), path)[0].columns["ratio"].role == "ignore"


def test_a_word_for_missing_among_money_is_listed(write: Write) -> None:
    due = ["not available" if row % 9 == 0 else f"$1 {row:03d}" for row in range(400)]
    path = write(loans().with_columns(pl.Series("due", due)))
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert (contract.columns["due"].type, contract.columns["due"].missing) == ("number", ("notavailable",))
    assert (report.rows_quarantined, inputs["due"].null_count()) == (0, 45)


def test_amounts_of_several_currencies_are_left_out(write: Write) -> None:
    due = pl.Series("due", [f"{'$' if row % 2 else '€'}{row}" for row in range(400)])
    own = pl.Series("own", [f"{'USD' if row % 2 else 'EUR'} {row}" for row in range(400)])
    path = write(loans().with_columns(due, own))
    inferred = infer(path, "outcome")
    contract, _, _ = used(inferred, path)
    assert [contract.columns[name].role for name in ("due", "own")] == ["ignore", "ignore"]
    assert "due: amounts in several currencies ($, €), which cannot be compared; bring them into one" in inferred.notes


@pytest.mark.parametrize("rate", ["{},5", "{}.5"])
def test_identifiers_that_begin_like_a_currency_are_no_amounts(write: Write, rate: str) -> None:
    number = pl.int_range(400)
    table = loans().with_columns(loan_id=pl.format("CAD0{}", number), ref=pl.format("CAD{}", number + 100))
    path = write(table.with_columns(pl.Series("rate", [rate.format(row) for row in range(400)])))
    contract, _, _ = used(infer(path, "outcome"), path)
    assert (contract.id, contract.columns["ref"].role) == ("loan_id", "ignore")


def test_what_looks_like_numbers_that_are_not_read_is_said_and_no_id(write: Write) -> None:
    path = write(loans().drop("loan_id").with_columns(used_credit=pl.format("{}.5k", pl.int_range(400))))
    inferred = infer(path, "outcome")
    assert used(inferred, path)[0].columns["used_credit"].role == "feature"
    assert any(note.startswith("used_credit: looks like numbers, written in a way") for note in inferred.notes)


@pytest.mark.parametrize("mark", ["'", "\u2019"])
def test_money_whose_thousands_an_apostrophe_parts_is_a_number_and_no_id(write: Write, mark: str) -> None:
    price = [f"${1 + row % 9}{mark}{row:03d}.50" for row in range(400)]
    path = write(loans().drop("loan_id").with_columns(pl.Series("price", price)))
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert (contract.columns["price"].role, contract.columns["price"].strip) == ("feature", f"${mark}")
    assert contract.id is None
    assert report.rows_quarantined == 0
    assert inputs["price"].to_list() == [float(text.replace(mark, "").strip("$")) for text in price]


def test_apostrophes_that_part_no_thousands_make_no_number(write: Write) -> None:
    path = write(loans().with_columns(pl.Series("size", [f"5'{row % 12}" for row in range(400)])))
    contract, _, _ = used(infer(path, "outcome"), path)
    assert contract.columns["size"].type == "category"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("%Y-%m-%d", None),
        ("%d/%m/%Y", "%d/%m/%Y"),
        ("%m/%d/%Y", "%m/%d/%Y"),
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("%Y%m%d", "%Y%m%d"),
        ("%b-%Y", "%b-%Y"),
        ("%d %B %Y", "%d %B %Y"),
        ("%Y-%m-%d %H:%M:%S", None),
        ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M"),
    ],
)
def test_dates_are_found_in_the_usual_formats(write: Write, written: str, found: str | None) -> None:
    days = pl.Series(np.datetime64("2019-01-01", "ms") + np.arange(400).astype("timedelta64[D]")).dt.to_string(written)
    path = write(loans().with_columns(opened=days))
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert (contract.columns["opened"].type, contract.columns["opened"].format) == ("date", found)
    assert report.rows_quarantined == 0
    assert inputs["opened_day"].null_count() == 0


def test_the_time_column_makes_months_before_the_application(write: Write) -> None:
    start = np.datetime64("2019-01-01") + np.arange(400).astype("timedelta64[D]")
    table = loans().with_columns(
        applied=pl.Series(start).dt.to_string("%d/%m/%Y"),
        first_credit=pl.Series(start - np.timedelta64(1000, "D")).dt.to_string("%Y-%m-%d"),
        last_seen=pl.Series(start + np.timedelta64(90, "D")).dt.to_string("%Y-%m-%d"),
    )
    path = write(table)
    inferred = infer(path, "outcome", time="applied")
    contract, report, inputs = used(inferred, path)
    assert (contract.time, contract.columns["applied"].role) == ("applied", "time")
    assert contract.columns["last_seen"].role == "ignore"
    assert inputs["days_since_first_credit"].unique().to_list() == [1000.0]
    assert report.rows_kept == 400
    with pytest.raises(DataError, match=r"'purpose' for --time does not hold dates .*found '"):
        infer(path, "outcome", time="purpose")


def test_words_for_true_and_false_are_booleans(write: Write) -> None:
    row = pl.int_range(pl.len())
    path = write(loans().with_columns(owner=pl.when(row % 3 == 0).then(pl.lit("Yes")).otherwise(pl.lit("No"))))
    contract, _, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["owner"].type == "boolean"
    assert inputs["owner"].sum() == 134.0


def test_empty_constant_and_repeated_columns_are_left_out_and_noted(write: Write) -> None:
    table = loans().with_columns(
        nothing=pl.lit(None, dtype=pl.String), always=pl.lit("EUR"), again=pl.col("loan_amount")
    )
    path = write(table)
    inferred = infer(path, "outcome")
    contract, _, _ = used(inferred, path)
    assert [contract.columns[name].role for name in ("nothing", "always", "again")] == ["ignore"] * 3
    notes = "\n".join(inferred.notes)
    assert "nothing: empty" in notes
    assert "always: constant: 'EUR'" in notes
    assert "again: the same as loan_amount" in notes
    assert contract.columns["always"].note


def test_protected_attributes_are_marked_and_age_is_audited(write: Write) -> None:
    random = np.random.default_rng(2)
    table = loans().with_columns(
        Geschlecht=pl.Series(random.choice(["m", "w"], 400)),
        maritalStatus=pl.Series(random.choice(["single", "married", "divorced"], 400)),
        age=pl.Series(random.integers(18, 90, 400)),
    )
    path = write(table)
    contract, _, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["Geschlecht"].role == "protected"
    assert contract.columns["maritalStatus"].role == "protected"
    assert contract.columns["age"].audited
    assert {"Geschlecht", "maritalStatus"}.isdisjoint(inputs.columns)
    assert set(contract.protected) == {"Geschlecht", "maritalStatus", "age"}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("SEX", "sex"),
        ("applicant_gender", "sex"),
        ("Nationalität", "national origin"),
        ("estado civil", "marital status"),
        ("Religion", "religion"),
        ("sussex_branch", None),
        ("essex", None),
        ("page_views", None),
    ],
)
def test_protected_attributes_by_name(name: str, what: str | None) -> None:
    assert protected_by_name(name) == what


def test_age_by_name() -> None:
    assert [is_age(name) for name in ("Age", "age_years", "average", "loan_age")] == [True, True, False, False]


def test_leakage_is_left_out_with_its_figure(write: Write) -> None:
    random = np.random.default_rng(3)
    table = loans(2_000)
    bad = (table["outcome"] == "default").to_numpy()
    table = table.with_columns(
        verdict=pl.Series(bad * 2.0 + random.normal(0, 0.4, 2_000)),
        recoveries=pl.Series(random.normal(0, 1, 2_000).round(3)),
        prior_default=pl.Series(random.integers(0, 2, 2_000)),
        code=pl.Series(np.where(bad, "D9", "A1")),
        honest=pl.Series(bad * 1.0 + random.normal(0, 1, 2_000)),
    )
    path = write(table)
    inferred = infer(path, "outcome")
    contract, _, _ = used(inferred, path)
    roles = {name: contract.columns[name].role for name in ("verdict", "recoveries", "prior_default", "code", "honest")}
    assert roles == {
        "verdict": "ignore",
        "recoveries": "ignore",
        "prior_default": "feature",
        "code": "ignore",
        "honest": "feature",
    }
    assert "AUC of this column alone: 0.9" in contract.columns["verdict"].note
    assert "recovery after default" in contract.columns["recoveries"].note


def test_a_value_that_only_bad_rows_have_is_pointed_out(write: Write) -> None:
    table = loans(2_000)
    bad = table["outcome"] == "default"
    row = pl.int_range(pl.len())
    table = table.with_columns(called_on=pl.when(bad & (row % 2 == 0)).then(pl.lit("2021-02-03")).otherwise(None))
    path = write(table.with_columns(pl.col("called_on").fill_null("")))
    notes = [note for note in infer(path, "outcome").notes if note.startswith("called_on")]
    assert any("leakage" in note for note in notes)


def test_a_column_of_many_values_is_no_leakage_for_knowing_its_rows() -> None:
    random = np.random.default_rng(4)
    bad = pl.Series((random.random(3_000) < 0.2).astype(float))
    names = pl.Series([f"employer {number}" for number in random.integers(0, 2_000, 3_000)])
    assert (single_auc(names, bad) or 1) < 0.6
    assert (single_auc(pl.Series(random.normal(size=3_000)), bad) or 1) < 0.6
    assert single_auc(names.head(15), bad.head(15)) is None


@pytest.mark.parametrize(
    "name", ["recoveries", "ChargeOffDate", "last_pymnt_d", "settlement_amount", "total_rec_prncp"]
)
def test_names_of_what_is_known_only_later(name: str) -> None:
    assert known_later(name)


@pytest.mark.parametrize("name", ["prior_default", "NumberOfTimes90DaysLate", "poutcome", "income", "default_history"])
def test_names_of_what_was_known_before(name: str) -> None:
    assert known_later(name) is None


def test_a_row_of_separators_alone_costs_no_id(write: Write) -> None:
    path = write(loans())
    with path.open("a") as file:
        file.write(",,,,,\n")
    contract, report, _ = used(infer(path, "outcome"), path)
    assert contract.id == "loan_id"
    assert (report.rows_kept, report.rows_quarantined, report.excluded_by_target) == (400, 0, {"": 1})


@pytest.mark.parametrize("form", ["{:06d}", "{}.0", "{}", "A{:09d}", "{:020d}", "{}-x"])
@pytest.mark.parametrize("rows", [400, 1_000, 5_000])
def test_an_id_is_found_however_its_values_are_written_and_estimated(write: Write, form: str, rows: int) -> None:
    path = write(loans(rows).with_columns(pl.Series("loan_id", [form.format(row) for row in range(rows)])))
    assert used(infer(path, "outcome"), path)[0].id == "loan_id"


def test_days_that_stand_for_none_lie_not_after_the_application(write: Write) -> None:
    day = pl.date(2019, 1, 1) + pl.duration(days=pl.int_range(pl.len()))
    known = pl.when(pl.int_range(pl.len()) % 3 == 0).then((day - pl.duration(days=90)).cast(pl.String))
    path = write(loans().with_columns(applied=day, ended=known.otherwise(pl.lit("9999-12-31"))))
    contract = used(infer(path, "outcome", time="applied"), path)[0]
    assert (contract.columns["ended"].role, contract.columns["ended"].missing) == ("feature", ("9999-12-31",))


@pytest.mark.parametrize("text", ["1.{}.0", "+49 170 10{:05d}", "10.0.{}.7", "AB{:04d}"])
def test_versions_and_telephone_numbers_do_not_look_like_numbers(write: Write, text: str) -> None:
    zips = pl.Series("zip_code", [f"{100 + row // 4}xx" for row in range(400)])
    path = write(loans().with_columns(pl.Series("x", [text.format(row // 4) for row in range(400)]), zips))
    assert not any("looks like numbers" in note for note in infer(path, "outcome").notes)


@pytest.mark.parametrize("text", ["0,{:02d},380", "{} months", "<{}", "${}k", "{}N", "1{:03d},00 DR", "\u2212{}"])
def test_numbers_that_are_not_read_look_like_numbers(write: Write, text: str) -> None:
    path = write(loans().with_columns(pl.Series("x", [text.format(row // 4 + 10) for row in range(400)])))
    assert any("looks like numbers" in note for note in infer(path, "outcome").notes)


def test_an_id_that_repeats_becomes_the_group(write: Write) -> None:
    table = loans().with_columns(customer_id=pl.int_range(pl.len()) // 3 + 70_000)
    path = write(table)
    contract, report, _ = used(infer(path, "outcome"), path)
    assert (contract.id, contract.group) == ("loan_id", "customer_id")
    named, report, _ = used(infer(path, "outcome", id_="customer_id"), path)
    assert named.group == "customer_id"
    assert report.rows_kept == 400


def test_free_text_gives_its_length_and_employers_an_open_category(write: Write) -> None:
    random = np.random.default_rng(5)
    words = ["money", "for", "the", "car", "and", "my", "house", "please", "soon", "thank"]
    table = loans().with_columns(
        story=pl.Series([" ".join(random.choice(words, random.integers(10, 30))) for _ in range(400)]),
        employer=pl.Series([f"Firm {number}" for number in random.integers(0, 150, 400)]),
    )
    path = write(table)
    contract, _, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["story"].type == "text"
    assert contract.columns["employer"].type == "open_category"
    assert "story_length" in inputs.columns
    assert "story" not in inputs.columns


def test_mixed_case_and_rare_wrong_values(write: Write) -> None:
    row = pl.int_range(pl.len())
    table = loans(4_000).with_columns(
        pl.when(row % 2 == 0).then(pl.col("purpose").str.to_uppercase()).otherwise(pl.col("purpose")).alias("purpose"),
        pl.when(row == 17).then(pl.lit("12 months")).otherwise(pl.col("term").cast(pl.String)).alias("term"),
    )
    path = write(table)
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert set(contract.columns["purpose"].values) == {"car", "home", "travel"}
    assert inputs["purpose"].null_count() == 0
    assert report.rows_quarantined == 1


@pytest.mark.parametrize(
    ("values", "column", "bad"),
    [
        (["0", "1"], "default", "1"),
        (["1", "0"], "kredit", "0"),
        (["good", "bad"], "class", "bad"),
        (["Fully Paid", "Charged Off"], "status", "Charged Off"),
        (["1.0", "2.0"], "Class", "2"),
        (["false", "true"], "y", "true"),
        (["A", "Z"], "y", "Z"),
    ],
)
def test_the_bad_value_is_guessed_where_there_are_two(write: Write, values: list[str], column: str, bad: str) -> None:
    often, rare = values
    table = (
        loans()
        .drop("outcome")
        .with_columns(
            pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit(rare)).otherwise(pl.lit(often)).alias(column)
        )
    )
    path = write(table)
    contract, report, _ = used(infer(path, column), path)
    assert contract.target.bad == (bad,)
    assert report.bad_rate == 0.25


def test_a_target_of_several_values_asks_for_the_bad_one(write: Write) -> None:
    row = pl.int_range(pl.len())
    table = loans().with_columns(outcome=pl.when(row % 10 == 0).then(pl.lit("late")).otherwise(pl.col("outcome")))
    path = write(table)
    with pytest.raises(DataError, match=r"'outcome' has 3 values: 'paid' \(\d+\), .*--bad"):
        infer(path, "outcome")
    with pytest.raises(DataError, match=r"--bad 'lat' does not occur.*Did you mean 'late'"):
        infer(path, "outcome", bad="lat")
    one = used(infer(path, "outcome", bad="late"), path)[0]
    assert (one.target.bad, set(one.target.good)) == (("late",), {"paid", "default"})
    two = used(infer(path, "outcome", bad="late,default"), path)[0]
    assert (set(two.target.bad), two.target.good) == ({"late", "default"}, ("paid",))


def test_small_and_capital_letters_make_no_other_outcome(write: Write) -> None:
    spelled = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("outcome").str.to_uppercase())
    table = loans().with_columns(outcome=spelled.otherwise(pl.col("outcome")))
    path = write(table)
    for bad in (None, "default", "Default"):
        target = used(infer(path, "outcome", bad=bad), path)[0].target
        assert (set(target.bad), set(target.good)) == ({"default", "DEFAULT"}, {"paid", "PAID"})
    path = write(table.filter(pl.col("outcome").str.to_lowercase() == "paid"))
    with pytest.raises(DataError, match=r"needs two outcomes, but the only value is 'paid' \(\d+\), 'PAID'"):
        infer(path, "outcome")


@pytest.mark.parametrize(
    ("written", "fmt", "missing"),
    [
        (("%Y-%m-%d", "9999-12-31"), None, "9999-12-31"),
        (("%d/%m/%Y", "01/01/1900"), "%d/%m/%Y", "01/01/1900"),
        (("%Y-%m-%d", "0000-00-00"), None, "0000-00-00"),
        (("%Y%m%d", "0"), "%Y%m%d", "0"),
        (("%Y%m%d", "99999999"), "%Y%m%d", "99999999"),
        (("%d.%m.%Y", "00.00.0000"), "%d.%m.%Y", "00.00.0000"),
    ],
)
def test_what_stands_where_there_is_no_date_is_missing(
    write: Write, written: tuple[str, str], fmt: str | None, missing: str
) -> None:
    form, none = written
    days = [(dt.date(2019, 1, 1) + dt.timedelta(days=3 * row)).strftime(form) for row in range(400)]
    path = write(loans().with_columns(pl.Series("closed", [none if row % 3 == 0 else days[row] for row in range(400)])))
    inferred = infer(path, "outcome")
    contract, report, inputs = used(inferred, path)
    column = contract.columns["closed"]
    assert (column.type, column.format, column.missing) == ("date", fmt, (missing,))
    assert f"closed: {missing} among the dates count as missing" in inferred.notes
    assert (report.rows_quarantined, inputs["closed_day"].null_count()) == (0, 134)


def test_typed_days_that_stand_for_none_are_missing_and_old_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "loans.parquet"
    day = pl.date(1935, 1, 1) + pl.duration(days=pl.int_range(pl.len()) * 60)
    none = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.date(9999, 12, 31)).otherwise(day)
    loans().with_columns(closed=none, built=day, sold=none.cast(pl.Datetime("us"))).write_parquet(path)
    contract, _, inputs = used(infer(path, "outcome"), path)
    assert [contract.columns[name].missing for name in ("closed", "built", "sold")] == [
        ("9999-12-31",), (), ("9999-12-31",)
    ]  # fmt: skip
    assert [inputs[f"{name}_day"].null_count() for name in ("closed", "built", "sold")] == [134, 0, 134]
    assert "closed: 9999-12-31 among the dates count as missing" in infer(path, "outcome", time="closed").notes


def test_a_column_of_almost_only_dates_says_what_is_none(write: Write) -> None:
    days = [str(dt.date(2019, 1, 1) + dt.timedelta(days=row)) if row % 50 else "soon" for row in range(400)]
    path = write(loans().with_columns(pl.Series("applied", days)))
    notes = infer(path, "outcome").notes
    assert any(note.startswith("applied: mostly dates, but 'soon' is none") for note in notes)
    with pytest.raises(DataError, match=r"does not hold dates throughout \('soon' is none\)"):
        infer(path, "outcome", time="applied")


def test_doubts_about_the_time_column_are_said(write: Write) -> None:
    days = [f"{row % 12 + 1:02d}/{row % 7 + 1:02d}/{2018 + row % 5}" if row % 40 else None for row in range(400)]
    path = write(loans().with_columns(pl.Series("applied", days)))
    notes = infer(path, "outcome", time="applied").notes
    assert "applied: dates fit %d/%m/%Y as well as %m/%d/%Y; check which is day and which is month" in notes
    assert any(note.startswith("applied: 10 of 400 rows have none and go to quarantine") for note in notes)
    path = write(loans().with_columns(applied=pl.lit("2024-01-01")))
    with pytest.raises(DataError, match=r"has one value alone, '2024-01-01', so that no row is later"):
        infer(path, "outcome", time="applied")


def test_three_decimals_behind_a_comma_are_no_thousands(write: Write) -> None:
    path = write(loans().with_columns(pl.Series("share", [f"0,{row:03d}" for row in range(400)])))
    contract, _, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["share"].decimal == ","
    assert inputs["share"].to_list() == [row / 1000 for row in range(400)]


@pytest.mark.parametrize("every", [51, 3])
def test_infinite_numbers_of_a_typed_table_are_missing(tmp_path: Path, every: int) -> None:
    path = tmp_path / "loans.parquet"
    ratio = [float("-inf" if row % 2 else "inf") if row % every == 0 else row / 7 for row in range(400)]
    loans().with_columns(pl.Series("ratio", ratio)).write_parquet(path)
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert (contract.columns["ratio"].type, set(contract.columns["ratio"].missing)) == ("number", {"inf", "-inf"})
    assert (report.rows_quarantined, inputs["ratio"].null_count()) == (0, -(-400 // every))
    assert compile_row(contract)({"ratio": float("inf")}).values[list(inputs.columns).index("ratio")] is None


def test_percent_signs_beside_some_values_are_said(write: Write) -> None:
    path = write(loans().with_columns(pl.Series("rate", [f"{row}.5{'%' if row % 4 else ''}" for row in range(400)])))
    note = "rate: 300 of 400 values have a percent sign, which is passed over: 5% is read as 5; check"
    assert note in infer(path, "outcome").notes


def test_an_encoding_that_was_guessed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(
        loans().with_columns(town=pl.lit("Łódź") + pl.col("term").cast(pl.String)).write_csv().encode("cp1250")
    )
    inferred = infer(path, "outcome")
    assert "read as cp1252 (Western European): '£ódŸ" in inferred.notes[0]
    assert f"# CHECK {inferred.notes[0]}" in inferred.text
    corrected = Contract.from_text(inferred.text.replace("cp1252}", "cp1250}"), "loans.yaml")
    assert scan(path, corrected.source.format).collect()["town"][0].startswith("Łódź")


def test_more_columns_than_a_contract_names_are_refused_at_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditrisk.data.onboarding.infer.profile", lambda frame: pytest.fail("it was looked at"))
    path = write(pl.DataFrame({f"c{place}": [1, 2] for place in range(2_001)}))
    with pytest.raises(DataError, match=r"it has 2,001 columns, and a contract names 2,000 at most; leave out"):
        infer(path, "c0")


def test_a_table_of_broken_lines_alone_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("note,outcome\n" + '"say \\"hi\\" now",paid\n' * 20)
    with pytest.raises(DataError, match=r"no row that can be read: 20 broken lines .* quotation marks in pairs"):
        infer(path, "outcome")


@pytest.mark.parametrize("line", ["Report of 2024,,,,,\n", "# of 2024\n", None])
def test_a_first_line_that_is_no_header_row_is_asked_about(tmp_path: Path, line: str | None) -> None:
    path = tmp_path / "loans.csv"
    text = loans().write_csv()
    path.write_text(line + text if line else text.split("\n", 1)[1])
    with pytest.raises(DataError, match=r"no column 'outcome' for --target\. Is its first line the header row[?,]"):
        infer(path, "outcome")


def test_wrong_requests_get_a_sentence(tmp_path: Path, write: Write) -> None:
    path = write(loans())
    with pytest.raises(DataError, match=r"no column 'outcom' for --target\. Did you mean 'outcome'\?"):
        infer(path, "outcom")
    with pytest.raises(ContractError, match="--name '2nd try' is no portfolio's name"):
        infer(path, "outcome", name="2nd try")
    with pytest.raises(SourceError, match="no such file"):
        infer(tmp_path / "absent.csv", "outcome")
    one_class = tmp_path / "one.csv"
    loans().with_columns(outcome=pl.lit("paid")).write_csv(one_class)
    with pytest.raises(DataError, match=r"needs two outcomes, but the only value is 'paid' \(400\)"):
        infer(one_class, "outcome")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(SourceError, match="empty"):
        infer(empty, "outcome")
    header = tmp_path / "header.csv"
    header.write_text("amount,outcome\n")
    with pytest.raises(DataError, match="no rows below it"):
        infer(header, "outcome")
    alone = tmp_path / "alone.csv"
    alone.write_text("outcome,currency\n0,EUR\n1,EUR\n0,EUR\n")
    with pytest.raises(
        DataError, match=r"no column is left to learn from: currency \(constant: 'EUR' in every row\)\."
    ):
        infer(alone, "outcome")
    alone.write_text("outcome\n0\n1\n0\n")
    with pytest.raises(DataError, match=r"no column is left to learn from\. Bring"):
        infer(alone, "outcome")


def test_tables_of_one_and_two_rows(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("amount,kind,bad\n5,a,1\n7,b,0\n")
    contract, report, _ = used(infer(path, "bad"), path)
    assert report.rows_kept == 2
    assert contract.columns["amount"].type == "integer"
    path.write_text("amount,kind,bad\n5,a,1\n")
    with pytest.raises(DataError, match="only value is '1'"):
        infer(path, "bad")


def test_broken_lines_are_counted_and_do_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    lines = ["amount,kind,bad", *(f"{100 + 7 * row % 900},{'ab'[row % 2]},{int(row % 5 == 0)}" for row in range(200))]
    lines.insert(50, "1,2,3,4,5")
    path.write_text("\n".join(lines) + "\n")
    (note,) = (note for note in infer(path, "bad").notes if "broken" in note)
    assert "1 broken line goes to quarantine; row 50: expected 3 fields as in the header, found 5 (line 51)" in note
    assert "'1,2,3,4,5'" in note


def test_a_quotation_mark_that_nobody_closed_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "quote.csv"
    lines = ["amount,kind,bad", *(f'{100 + 7 * row % 900},"{"ab"[row % 2]}",{int(row % 5 == 0)}' for row in range(200))]
    lines[120] = lines[120].replace('",', ",")
    path.write_text("\n".join(lines) + "\n")
    (note,) = (note for note in infer(path, "bad").notes if "broken" in note)
    assert "line 121" in note
    assert "quotation marks" in note


def test_the_path_is_relative_to_the_project_where_the_table_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "my loans.csv"
    loans(50).write_csv(path)
    inside = Contract.from_text(infer(path, "outcome", root=tmp_path).text, "x")
    outside = Contract.from_text(infer(path, "outcome", root=tmp_path / "other").text, "x")
    assert inside.source.url == "tables/my loans.csv"
    assert outside.source.url == str(path)


_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"'), max_size=8)
_CELL = st.one_of(
    st.none(), st.integers(-1000, 10**9).map(str), st.floats(-1e6, 1e6).map(str), _TEXT,
    st.sampled_from(["NA", "yes", "no", "2020-01-31", "31/12/2020", "?", "-999", "TRUE", "1e5", "0x1", "1,234", " x "]),
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_table_gives_a_contract_that_reads_it(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 30))
    names = data.draw(st.lists(_TEXT.filter(str.strip), min_size=1, max_size=4, unique=True))
    names = [name for name in names if name not in ("y", "_broken", "_broken_text", "steady") and not is_pattern(name)]
    table = pl.DataFrame(
        {name: data.draw(st.lists(_CELL, min_size=rows, max_size=rows)) for name in names}
        | {"steady": [f"{row * 37 % 11}" for row in range(rows)], "y": [str(row % 2) for row in range(rows)]},
        schema=dict.fromkeys([*names, "steady", "y"], pl.String),
    )
    path = tmp_path / "any.csv"
    table.write_csv(path, quote_style="always")
    contract = Contract.from_text(infer(path, "y").text, "any")
    cleaned = clean_training(scan(path, contract.source.format), contract)
    made = inputs_frame(add_characteristics(cleaned.marked, contract), contract).collect()
    assert made.height == rows
    assert cleaned.quarantine.collect().height <= 0.01 * rows * (len(names) + 1)


def test_the_name_under_which_rows_are_numbered_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"loans\.csv: The table has a column '_row': _row is the project's own"):
        infer(write(loans().with_columns(_row=1)), "outcome")


@pytest.mark.parametrize("name", ["*", "^a.*$"])
def test_names_that_are_patterns_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "patterns.csv"
    pl.DataFrame({name: ["1", "2"], "a1": ["3", "4"], "y": ["0", "1"]}).write_csv(path)
    with pytest.raises(DataError, match=r"are patterns\. Rename"):
        infer(path, "y")


def test_decimal_commas_are_read_and_points_part_thousands(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    rows = 400
    income, bad = random.lognormal(8, 0.6, rows).round(2), random.random(rows) < 0.25
    amount = random.integers(200, 90_000, rows)
    recovered = np.where(bad, random.uniform(10, 5_000, rows), 0.0)

    def german(value: float, places: int) -> str:
        return f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))

    lines = ["Einkommen;Betrag;Erlös;Quote;Ausfall"]
    for row in range(rows):
        money = f"{german(income[row], 2)};{german(amount[row], 0)};{german(recovered[row], 2)} €"
        lines.append(f"{money};{0.001 * (row % 89 + 1):.3f};{'ja' if bad[row] else 'nein'}")
    path = tmp_path / "kredite.csv"
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    inferred = infer(path, "Ausfall", bad="ja")
    contract, report, inputs = used(inferred, path)
    assert contract.columns["Einkommen"].decimal == contract.columns["Betrag"].decimal == ","
    assert contract.columns["Quote"].decimal == "."
    assert contract.columns["Erlös"].role == "ignore"
    assert "suspected leakage" in contract.columns["Erlös"].note
    assert report.rows_quarantined == 0
    assert inputs["Einkommen"].to_list() == income.tolist()
    assert inputs["Betrag"].to_list() == amount.tolist()


def test_a_table_without_decimal_commas_keeps_its_points(write: Write) -> None:
    thousands = ["1,234", "12,500", "1,000,000", "999"] * 100
    table = loans().with_columns(pl.Series("rate", [f"{1 + row % 97}.125" for row in range(400)]))
    inferred = infer(write(table.with_columns(pl.Series("balance", thousands))), "outcome")
    assert "decimal:" not in inferred.text


@pytest.mark.parametrize("written", ["%b-%Y", "%m/%Y"])
def test_where_the_application_is_known_by_its_month_its_days_are_no_leakage(write: Write, written: str) -> None:
    start = pl.Series(np.datetime64("2019-01-01", "ms") + np.arange(400).astype("timedelta64[D]"))
    table = loans().with_columns(
        applied=start.dt.to_string(written),
        signed=start.dt.to_string("%Y-%m-%d"),
        paid_out=start.dt.offset_by("40d").dt.to_string("%Y-%m-%d"),
    )
    contract = Contract.from_text(infer(write(table), "outcome", time="applied").text, "loans.yaml")
    assert "leakage" not in contract.columns["signed"].note
    assert "of its dates lie after the application" in contract.columns["paid_out"].note


def test_money_with_signs_that_tells_the_outcome_is_leakage(write: Write) -> None:
    table = loans()
    fee = [f"${row + 1}.50" if bad == "default" else "$0.00" for row, bad in enumerate(table["outcome"])]
    path = write(table.with_columns(pl.Series("surcharge", fee)))
    contract = Contract.from_text(infer(path, "outcome").text, "x")
    assert contract.columns["surcharge"].role == "ignore"
    assert "suspected leakage" in contract.columns["surcharge"].note


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
@pytest.mark.parametrize(("decimal", "sign"), [(".", ""), (",", ""), (".", " €"), (",", "\u00a0€")])
def test_money_whose_thousands_a_space_parts_is_a_number(write: Write, space: str, decimal: str, sign: str) -> None:
    price = [f"{1 + row % 9}{space}{row:03d}{decimal}50{sign}" for row in range(400)]
    path = write(loans().with_columns(pl.Series("price", price)))
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert (contract.columns["price"].role, contract.columns["price"].type) == ("feature", "number")
    assert report.rows_quarantined == 0
    assert inputs["price"].to_list() == [(1 + row % 9) * 1_000 + row + 0.5 for row in range(400)]


def test_spaces_that_part_no_thousands_make_no_number(write: Write) -> None:
    path = write(loans().with_columns(pl.Series("flat", [f"{row % 7} {row % 12}" for row in range(400)])))
    contract, report, _ = used(infer(path, "outcome"), path)
    assert contract.columns["flat"].type == "open_category"
    assert report.rows_quarantined == 0


def test_numbers_too_large_for_training_are_clipped(write: Write) -> None:
    path = write(loans().with_columns(pl.Series("huge", [(row % 7 - 3) * 1e307 for row in range(400)])))
    contract, report, inputs = used(infer(path, "outcome"), path)
    assert contract.columns["huge"].max == np.abs(inputs["huge"].to_numpy()).max() == LARGEST
    assert np.isfinite(inputs["huge"].to_numpy().astype(np.float32)).all()
    assert report.rows_quarantined == 0
