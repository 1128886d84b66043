"""Sources of every kind to one raw table."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import little_space

from creditrisk.contract import Contract, Encoding, Format
from creditrisk.data.reading.local import inspect
from creditrisk.data.reading.pieces import pieces
from creditrisk.data.reading.source import BROKEN, RawReport, materialise, number_rows, scan
from creditrisk.errors import SourceError

TABLE = pl.DataFrame({"id": ["1", "2", "3"], "amount": ["10", "20.5", None], "note": ["a", "b, c", "é"]})
CSV = TABLE.write_csv().encode()


def contract(**source: Any) -> Contract:
    return Contract.model_validate(
        {
            "name": "small",
            "title": "Small",
            "source": source,
            "target": {"column": "note", "bad": ["a"], "good": ["b"]},
            "columns": {"id": {"type": "text"}},
        }
    )


def make(tmp_path: Path, **source: Any) -> RawReport:
    out = tmp_path / "out"
    return materialise(contract(**source), out / "raw.parquet", out / "broken.parquet", tmp_path, tmp_path / "cache")


def excel(*sheets: tuple[str, list[list[str | float]]]) -> bytes:
    """A minimal workbook."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    book, links, kinds, parts = "", "", "", {}
    for number, (name, lines) in enumerate(sheets, start=1):
        book += f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>'
        links += f'<Relationship Id="rId{number}" Type="{relations}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        kinds += f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kind}.worksheet+xml"/>'
        body = ""
        for at, line in enumerate(lines, start=1):
            row = ""
            for place, value in enumerate(line):
                cell = f"{chr(65 + place)}{at}"
                if isinstance(value, str):
                    row += f'<c r="{cell}" t="inlineStr"><is><t>{value}</t></is></c>'
                else:
                    row += f'<c r="{cell}"><v>{value}</v></c>'
            body += f'<row r="{at}">{row}</row>'
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
        )
    parts["xl/workbook.xml"] = f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{book}</sheets></workbook>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{package}/relationships">{links}</Relationships>'
    parts["_rels/.rels"] = (
        f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{relations}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>'
    )
    parts["[Content_Types].xml"] = (
        f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        f"{kinds}</Types>"
    )
    return zipped(**{name: text.encode() for name, text in parts.items()})


def zipped(packing: int = zipfile.ZIP_DEFLATED, /, **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members.items():
            # A fixed time, so that every worker of the tests names them alike.
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return out.getvalue()


def flipped(content: bytes, place: int) -> bytes:
    """The same with every bit of one byte turned round."""
    damaged = bytearray(content)
    damaged[place] ^= 255
    return bytes(damaged)


def parquet() -> bytes:
    out = io.BytesIO()
    TABLE.write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("t.csv", CSV, {}),
        ("t.csv.gz", gzip.compress(CSV, mtime=0), {}),
        ("t.data", gzip.compress(CSV, mtime=0), {}),
        ("t.zip", zipped(**{"in/t.csv": CSV}), {}),
        ("t.zip", zipped(**{"t.csv": CSV, "readme.txt": b"x"}), {"member": "t.csv"}),
        ("t.txt", CSV.replace(b'"b, c"', b"b, c").replace(b",", b";").replace(b"b; c", b"b, c"), {"separator": ";"}),
        ("t.csv", CSV.decode().encode("latin-1"), {"encoding": "latin-1"}),
        ("t.parquet", parquet(), {}),
        ("t.bin", parquet(), {}),
        ("t.parquet.gz", gzip.compress(parquet(), mtime=0), {}),
        ("t.zip", zipped(**{"t.parquet": parquet()}), {}),
    ],
)
def test_every_form_gives_the_same_table(name: str, content: bytes, layout: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    report = make(tmp_path, url=name, format=layout)
    assert (report.rows, report.columns, report.broken, report.origin) == (3, 3, 0, name)
    assert pl.read_parquet(tmp_path / "out" / "raw.parquet").equals(TABLE)
    assert scan(tmp_path / name, Format.model_validate(layout)).collect().equals(TABLE)


def test_excel_keeps_its_types_and_sheets_are_chosen_by_name(tmp_path: Path) -> None:
    first: list[list[str | float]] = [["id", "amount"], ["x", 1.5], ["y", 2]]
    (tmp_path / "t.xlsx").write_bytes(excel(("one", first), ("two", [["other"], ["z"]])))
    assert scan(tmp_path / "t.xlsx").collect().rows() == [("x", 1.5), ("y", 2.0)]
    assert scan(tmp_path / "t.xlsx", Format(sheet="two")).collect().columns == ["other"]
    with pytest.raises(SourceError, match=r"no sheet 'tow'\. Did you mean 'two'\? It has: one, two"):
        scan(tmp_path / "t.xlsx", Format(sheet="tow"))
    (tmp_path / "e.xlsx").write_bytes(excel(("one", [])))
    with pytest.raises(SourceError, match="it is empty"):
        scan(tmp_path / "e.xlsx")


def test_excel_loses_no_value_that_stands_below_others_of_another_type(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    numbers: list[list[str | float]] = [[row, row / 2, ""] for row in range(150)]
    rows: list[list[str | float]] = [["id", "amount", "empty"], *numbers, ["x150", "on request", ""]]
    (tmp_path / "t.xlsx").write_bytes(excel(("one", rows)))
    table = scan(tmp_path / "t.xlsx").collect()
    assert table.row(-1)[:2] == ("x150", "on request")
    assert table["amount"][3] == "1.5"
    assert capfd.readouterr().err == ""


def test_a_lazy_csv_takes_projections_filters_and_limits(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(CSV)
    table = scan(tmp_path / "t.csv")
    assert table.select(pl.len()).collect().item() == 3
    assert table.filter(pl.col("id") > "1").select("note").collect().rows() == [("b, c",), ("é",)]
    assert table.head(2).collect().height == 2
    assert table.with_row_index("row", offset=1).select("row").collect()["row"].to_list() == [1, 2, 3]
    assert sum(batch.height for batch in table.collect_batches(maintain_order=True)) == 3


def test_broken_lines_are_set_aside_with_row_text_and_rule(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,b\n1,2\n3\n"4",5\n6,7,8\n9,0\n')
    report = make(tmp_path, url="t.csv")
    assert (report.rows, report.broken) == (3, 2)
    raw, broken = (pl.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("raw", "broken"))
    assert raw.rows() == [("1", "2"), ("4", "5"), ("9", "0")]
    assert broken.columns == ["row", "column", "value", "rule", "expected"]
    assert broken.rows() == [
        (2, None, "3", "broken line", "2 fields as in the header, found 1 (line 3)"),
        (4, None, "6,7,8", "broken line", "2 fields as in the header, found 3 (line 5)"),
    ]
    assert number_rows(raw.lazy(), broken).collect()["_row"].to_list() == [1, 3, 5]
    assert number_rows(raw.lazy(), broken.clear()).collect()["_row"].to_list() == [1, 2, 3]


def test_what_systems_leave_in_an_archive_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("in/t.csv", "a,b\n1,2\n"), ("in/.DS_Store", "x"), ("__MACOSX/in/._t.csv", "x")):
            archive.writestr(name, text)
    assert scan(path).collect().rows() == [("1", "2")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize(
    ("content", "said"),
    [("a,b\n1,2\n".encode("utf-16"), "the text is UTF-16"), (b'[{"a": 1}]\n', "JSON"), (b'{"a": 1}\n', "JSON")],
)
def test_what_is_no_table_is_said_whatever_the_encoding(
    content: bytes, said: str, encoding: Encoding, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceError, match=said):
        scan(tmp_path / "t.csv", Format(encoding=encoding))


def test_scan_stops_at_a_broken_line_or_marks_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n3\n4,5\n")
    with pytest.raises(
        SourceError, match=r"t\.csv, row 2: a broken line: expected 2 fields .* found 1 \(line 3\): '3'"
    ):
        scan(tmp_path / "t.csv").collect()
    marked = scan(tmp_path / "t.csv", broken="mark").collect()
    assert marked["a"].to_list() == ["1", None, "4"]
    assert [row is not None for row in marked[BROKEN]] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "content", "layout", "expected"),
    [
        ("t.csv", b"", {}, "the file is empty"),
        ("t.csv", b"a,b\n", {}, "no row that can be read"),
        ("t.csv", b"a,b\n1\n", {}, "no row that can be read"),
        ("t.csv.gz", gzip.compress(CSV, mtime=0)[:-9], {}, "cannot be unpacked"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), {}, "the file is empty"),
        ("t.zip", zipped(**{"a.csv": CSV, "b.csv": CSV}), {}, "the archive holds 2 files; .* name .*a.csv, b.csv"),
        ("t.zip", zipped(**{"a.csv": CSV}), {"member": "b.csv"}, "no member 'b.csv'. Did you mean 'a.csv'"),
        ("t.zip", zipped(**{"a.csv": CSV})[:60], {}, "cannot be unpacked"),
        ("t.zip", flipped(zipped(zipfile.ZIP_BZIP2, **{"a.csv": CSV}), 50), {}, "cannot be unpacked"),
        ("t.zip", flipped(zipped(zipfile.ZIP_LZMA, **{"a.csv": CSV}), 60), {}, "cannot be unpacked"),
        ("t.zip", flipped(zipped(**{"a.csv": CSV}), -6), {}, "cannot be unpacked"),
        ("t.csv", CSV, {"member": "a.csv"}, "the file is no zip archive"),
        ("t.parquet", parquet()[:-20], {}, "cannot be read as parquet"),
        ("t.parquet", CSV, {"kind": "parquet"}, "kind says parquet, but the file begins with"),
        ("t.csv", parquet(), {"kind": "csv"}, "kind says csv, but the file begins with"),
        ("t.xlsx", b"no workbook", {}, "cannot be read as excel"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_and_leaves_nothing(
    name: str, content: bytes, layout: dict[str, str], expected: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=expected) as caught:
        make(tmp_path, url=name, format=layout)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_parquet_file_at_which_the_engine_panics_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*_: Any, **__: Any) -> None:
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")  # of a damaged page

    (tmp_path / "t.parquet").write_bytes(parquet())
    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", panic)
    with pytest.raises(SourceError, match=r"t\.parquet: cannot be read as parquet: assertion failed"):
        make(tmp_path, url="t.parquet")
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.setattr(pl.LazyFrame, "collect", panic)
    with pytest.raises(SourceError, match=r"t\.parquet, after row 0: cannot be read: assertion failed"):
        list(pieces(tmp_path / "t.parquet", 100, Format()))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a folder; expected the file of a table"):
        inspect(tmp_path, Format())


@pytest.mark.parametrize("source", [{"url": "t.csv"}, {"simulated": {"rows": 3_000}}])
def test_a_full_disk_leaves_the_former_table(source: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(20_000)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "raw.parquet").write_bytes(b"former")
    with little_space(20_000), pytest.raises(SourceError, match=r"cannot be written.*Is the disk full"):
        make(tmp_path, **source)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["raw.parquet"]
    assert (tmp_path / "out" / "raw.parquet").read_bytes() == b"former"


def test_a_disk_that_is_full_of_broken_lines_leaves_the_former_table(tmp_path: Path) -> None:
    broken = "".join(f"{n},{hashlib.sha256(str(n).encode()).hexdigest()},too many\n" for n in range(900))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n" + broken)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "raw.parquet").write_bytes(b"former")
    with (
        little_space(20_000),
        pytest.raises(SourceError, match=r"broken\.parquet: cannot be written.*Is the disk full"),
    ):
        make(tmp_path, url="t.csv")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["raw.parquet"]
    assert (tmp_path / "out" / "raw.parquet").read_bytes() == b"former"


def test_a_simulation_is_a_source_like_another(tmp_path: Path) -> None:
    report = make(tmp_path, simulated={"rows": 500})
    assert report.rows == 500
    assert report.simulation is not None
    assert pl.read_parquet(tmp_path / "out" / "raw.parquet").height == 500
    assert pl.read_parquet(tmp_path / "out" / "broken.parquet").is_empty()
