"""CSV to rows: what pandas reads is read, and no broken line is lost."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditrisk.data.reading import delimited
from creditrisk.data.reading.delimited import Delimited
from creditrisk.data.reading.header import BROKEN, BROKEN_TEXT
from creditrisk.errors import SourceError


def read(text: bytes, separator: str = ",", encoding: str = "utf-8") -> pl.DataFrame:
    reader = Delimited(io.BytesIO(text), "loans.csv", separator, encoding)
    return pl.concat([pl.DataFrame(schema=reader.schema), *reader.frames()])


def rows(text: bytes, separator: str = ",", encoding: str = "utf-8") -> list[tuple[str | None, ...]]:
    return read(text, separator, encoding).drop(BROKEN, BROKEN_TEXT).rows()


def test_every_column_is_text_and_an_empty_field_is_null() -> None:
    assert rows(b"id,amount,note\n007,1e3,\n8,,x\n") == [("007", "1e3", None), ("8", None, "x")]


@pytest.mark.parametrize("text", [b"a,b\n1,2\n3,4", b"a,b\r\n1,2\r\n3,4\r\n", b"\xef\xbb\xbfa,b\n\n1,2\n\n3,4\n\n\n"])
def test_line_ends_byte_order_mark_and_empty_lines(text: bytes) -> None:
    assert rows(text) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (b"sep=;\r\n", b";"),
        (b"\xef\xbb\xbfsep=,\n", b","),
        (b"sep=\t\n", b"\t"),
        (b'"SEP=|"\n\n', b"|"),
        (b"sep=\\t\n", b"\t"),
    ],
)
def test_excels_first_line_says_the_separator_and_is_no_row(line: bytes, mark: bytes) -> None:
    text = line + b"a%b\n1%2\n3\n5%6\n".replace(b"%", mark)
    for said in (",", ";"):
        table = read(text, said)
        assert table["b"].to_list() == ["2", None, "6"]
        assert table[BROKEN][1] == f"2 fields as in the header, found 1 (line {line.count(10) + 3})"


@pytest.mark.parametrize("text", [b"sep=a,b\n1,2\n", b"a,b\nsep=;,2\n", b"sep,sep=;\n1,2\n"])
def test_a_header_or_row_that_looks_like_it_is_none(text: bytes) -> None:
    assert read(text).columns[:2] == text.split(b"\n")[0].decode().split(",")
    assert read(text).height == 1


def test_nothing_below_excels_first_line_is_an_empty_file() -> None:
    with pytest.raises(SourceError, match="the file is empty"):
        read(b"sep=;\n")


def test_quoted_fields_hold_separators_line_ends_and_quotation_marks() -> None:
    assert rows(b'a,b\r\n1,"x, ""y""\r\nz"\r\n"","2"\r\n') == [("1", 'x, "y"\r\nz'), ("", "2")]


def test_a_quotation_mark_inside_an_unquoted_field_stands_for_itself() -> None:
    assert rows(b'a,b\n3" pipe,x\n"p,q",y "z" y\n') == [('3" pipe', "x"), ("p,q", 'y "z" y')]


def test_latin_1_and_cp1252() -> None:
    assert rows("größe;b\né;1\n".encode("latin-1"), ";", "latin-1") == [("é", "1")]
    assert rows("a,b\n5 €,1\n".encode("cp1252"), ",", "cp1252") == [("5 €", "1")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"3,4,5", "2 fields as in the header, found 3 (line 3)"),
        (b"3", "2 fields as in the header, found 1 (line 3)"),
        (b'3,"4', "quotation marks in pairs around a field, found one that is not (line 3)"),
        (b'"3"x,4', "quotation marks in pairs around a field, found one that is not (line 3)"),
    ],
)
def test_a_broken_line_keeps_its_place_and_takes_no_other_with_it(line: bytes, expected: str) -> None:
    table = read(b"a,b\n1,2\n" + line + b'\n5,6\n7,"8"\n')
    assert table["a"].to_list() == ["1", None, "5", "7"]
    assert table[BROKEN].to_list() == [None, expected, None, None]
    assert table[BROKEN_TEXT][1] == line.decode()


soup = st.lists(st.text(st.sampled_from("ab1 ,,,\r"), max_size=6), min_size=1, max_size=9)


@settings(max_examples=150)
@given(soup, st.sampled_from(["\n", "\r\n"]), st.integers(4, 40))
def test_counting_a_blocks_separators_finds_what_looking_at_each_line_finds(
    lines: list[str], ending: str, size: int
) -> None:
    text = ending.join(["x,y,z", *lines, ""]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", size)
        quick = outcome_of(text)
        patch.setattr(Delimited, "_plain", lambda reader, data: None)
        assert quick == outcome_of(text)


def outcome_of(text: bytes) -> list[tuple[str | None, ...]] | str:
    try:
        return read(text).rows()
    except SourceError as error:
        return str(error)


def test_a_line_too_short_and_one_too_long_do_not_make_up_for_each_other() -> None:
    table = read(b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert table["a"].to_list() == ["1", None, None, "7"]
    assert [why and why[-12:] for why in table[BROKEN]] == [None, "d 1 (line 3)", "d 3 (line 4)", None]


def test_a_broken_record_over_several_lines_is_one() -> None:
    table = read(b'a,b\n"x\ny",2,3\n5,6\n7\n')
    assert table[BROKEN].to_list()[0] == "2 fields as in the header, found 3 (line 2)"
    assert table["a"].to_list() == [None, "5", None]
    assert table[BROKEN].to_list()[2] == "2 fields as in the header, found 1 (line 5)"


@pytest.mark.parametrize("size", [7, 33, 1 << 20])
def test_blocks_cut_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", size)
    text = b"a,b\n" + b'1,"x\n,""y"""\n2,z\n3\n4,"w\n5,6\n' * 30
    assert rows(text) == [("1", 'x\n,"y"'), ("2", "z"), (None, None), (None, None), ("5", "6")] * 30


def test_a_quotation_mark_never_closed_costs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 100)
    monkeypatch.setattr(delimited, "LONGEST", 200)
    table = read(b'a,b\n1,"open\n' + b"2,3\n" * 500)
    assert table[BROKEN].null_count() == 500
    assert table["a"].null_count() == 1


cells = st.text(st.sampled_from('ab1é ",;\n\r'), max_size=6)


@settings(max_examples=150)
@given(
    st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=12)),
    st.integers(3, 60),
)
def test_what_pythons_csv_writes_is_read_back(table: list[list[str]], size: int) -> None:
    out = io.StringIO()
    names = [f"c{place}" for place in range(len(table[0]))]
    csv.writer(out, lineterminator="\r\n").writerows([names, *table])
    before, delimited.BLOCK = delimited.BLOCK, size
    try:
        found = rows(out.getvalue().encode())
    finally:
        delimited.BLOCK = before
    assert [["" if value is None else value for value in row] for row in found] == table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "the file is empty"),
        (b"\n\r\n\n", "the file is empty"),
        (b"a,b,a\n1,2,3\n", "the column 'a' twice, in places 1 and 3"),
        (b"a;b\n1;2\n", "the separator seems to be ';'"),
        (b'a,"b\n1,2\n', "line 1: the header row cannot be read"),
        (b"a,b\n1,2\n3,\xe9\n", "row 2: the byte 0xe9 is not UTF-8"),
        (b"\xe9,b\n1,2\n", "the header row: the byte 0xe9 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"<!DOCTYPE html><p>a,b", "a web page"),
        (b"PK\x00\x00,", "not text"),
        (b"a,b\r1,2\r3,4", "carriage return alone"),
        (b"_broken,b\n1,2\n", "the project's own"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(text: bytes, expected: str) -> None:
    with pytest.raises(SourceError, match=r"^loans\.csv") as caught:
        read(text)
    assert expected in str(caught.value)


def test_a_byte_outside_the_encoding() -> None:
    with pytest.raises(SourceError, match="0x81 is not in cp1252"):
        read(b"a,b\n1,\x81\n", ",", "cp1252")


def test_mostly_broken_lines_mean_another_format() -> None:
    with pytest.raises(SourceError, match=r"1,000 of the first 1,000 lines are broken.*Row 1,000: expected 2 fields"):
        read(b"a,b\n" + b"1,2,3\n" * 2_000)


def test_a_separator_must_be_one_ascii_character() -> None:
    with pytest.raises(SourceError, match="expected one ASCII character"):
        read(b"a\n", separator="§")


def test_names_as_pandas_gives_them() -> None:
    assert read(b',"x y",\n1,2,3\n').columns[:3] == ["Unnamed: 0", "x y", "Unnamed: 2"]
