"""How a table that comes to be scored is read."""

from __future__ import annotations

import copy
import gzip
from pathlib import Path
from typing import Any

import pytest
from support import SMALL_CONTRACT, small_table

from creditrisk.contract import Contract
from creditrisk.data.layout import scoring_layout
from creditrisk.errors import SourceError


def contract(columns: dict[str, Any] | None = None, **layout: str) -> Contract:
    given = copy.deepcopy(SMALL_CONTRACT)
    given["source"]["format"] |= layout
    if columns is not None:
        given |= {"columns": columns, "characteristics": {}, "id": None}
    return Contract.model_validate(given)


def test_the_contracts_own_layout_holds_wherever_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("income|a;b,c d\n1|2\n")
    given = contract({"income": {"type": "number"}}, separator="|", encoding="latin-1")
    assert scoring_layout(path, given) == given.source.format.model_copy(update={"kind": "auto"})


def test_a_mark_that_is_not_usual_is_the_contracts_alone(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    small_table(3).write_csv(path, separator="~")
    assert scoring_layout(path, contract(separator="~")).separator == "~"


@pytest.mark.parametrize("mark", [";", "~"])
def test_a_mark_that_the_table_declares_holds(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "loans.csv"
    path.write_text(f"sep={mark}\n{small_table(3).write_csv(separator=mark)}")
    assert scoring_layout(path, contract()).separator == mark


def test_a_packed_table_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv.gz"
    path.write_bytes(gzip.compress(small_table(3).write_csv(separator="\t").encode(), mtime=0))
    assert scoring_layout(path, contract()).separator == "\t"


def test_a_table_that_lacks_columns_is_read_as_most_of_them_are_found(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    small_table(3).drop("income").write_csv(path, separator=";")
    assert scoring_layout(path, contract()).separator == ";"
    path.write_text("a,b;c\n1,2;3\n")
    assert scoring_layout(path, contract()).separator == ","


def test_utf8_is_seen_however_far_down_it_stands_and_only_where_all_of_it_is(tmp_path: Path) -> None:
    path, given = tmp_path / "loans.csv", contract(encoding="cp1252")
    text = small_table(2_000).write_csv()
    for end, found in (("Größe".encode(), "utf-8"), ("Größe".encode() + b"\xf6", "cp1252"), (b"plain", "cp1252")):
        path.write_bytes(text.encode() + end + b",1,1,1,car,40,paid\n")
        assert scoring_layout(path, given).encoding == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("income\n1\n".encode("utf-16"), "UTF-16"),
        (b"a;a\n1;2\n", "the column 'a' twice"),
        (b"", "the file is empty"),
        ("größe;income\n".encode("cp1252"), "is not UTF-8; save the table as UTF-8"),
    ],
)
def test_what_has_no_usable_header_under_any_mark_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said):
        scoring_layout(path, contract())


def test_a_typed_table_keeps_its_own_way(tmp_path: Path) -> None:
    path = tmp_path / "loans.parquet"
    small_table(3).write_parquet(path)
    assert scoring_layout(path, contract(separator=";"), "parquet").separator == ";"
