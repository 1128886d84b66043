import io
import json
from pathlib import Path

import httpx
import polars as pl
import pytest
from service.running import Running
from support import small_table

from creditrisk.model.scorer import Scorer
from creditrisk.service.filerecords import chunks, erase_applicant, find, folder_of

CSV = {"content-type": "text/csv"}


def table(rows: int = 300) -> pl.DataFrame:
    return small_table(rows).drop("outcome")


def answers(found: httpx.Response) -> pl.DataFrame:
    assert found.status_code == 200, found.text
    return pl.read_csv(io.BytesIO(found.content))


def as_csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_gets_the_scorers_own_answers(client: httpx.Client, small_bundle: Path, kind: str, form: bool) -> None:
    content = io.BytesIO()
    table().write_csv(content) if kind == "csv" else table().write_parquet(content)
    if form:
        found = client.post("/v1/score/file", files={"file": (f"loans.{kind}", content.getvalue())})
    else:
        media_type = "text/csv" if kind == "csv" else "application/vnd.apache.parquet"
        found = client.post("/v1/score/file", content=content.getvalue(), headers={"content-type": media_type})
    expected = Scorer.load(small_bundle).score_frame(table())
    got = answers(found)
    assert got["pd"].to_list() == expected["pd"].to_list()
    assert got["reason_1"].to_list() == expected["reason_1"].to_list()
    assert got["row"].to_list() == list(range(1, 301))
    assert got["loan"].to_list() == table()["loan"].to_list()


def test_each_row_is_recorded_under_its_decision_id(client: httpx.Client, running: Running) -> None:
    frame = table(20).with_columns(pl.lit("somebody").alias("applicant_id"))
    got = answers(client.post("/v1/score/file", content=as_csv(frame), headers=CSV))
    name = got["decision_id"][4]
    record = find(running.state, name)
    assert record is not None
    assert record["answer:pd"] == got["pd"][4]
    assert record["field:income"] == as_csv(frame).decode().splitlines()[5].split(",")[1]
    assert "field:age" not in record
    apart = chunks(folder_of(running.state, name.split(".")[0]))[0].with_name("00000.protected.parquet")
    assert pl.read_parquet(apart).columns == ["age", "_decision_id"]
    assert erase_applicant(running.state, "somebody") == 20
    assert find(running.state, name) is None
    assert pl.read_parquet(apart).height == 0


def test_a_broken_line_and_a_wrong_value_get_a_verdict_and_stop_nothing(client: httpx.Client) -> None:
    text = b"loan,income,amount,months,purpose\nA,1000,500,12,car\nB,1000,500\nC,1000,minus,12,car\nD,900,500,12,home\n"
    got = answers(client.post("/v1/score/file", content=text, headers=CSV))
    assert [verdict.split(":")[0] for verdict in got["verdict"]] == ["scored", "broken line", "amount", "scored"]
    assert got["pd"].is_null().to_list() == [False, True, True, False]


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "text/csv", 400),
        (b"a,b\n", "text/csv", 422),
        (b"PAR1 and nothing further", "text/csv", 422),
        (b"\x1f\x8b packed", "text/csv", 415),
        (b"{}", "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"no boundary at all", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"x", "multipart/form-data", 400),
    ],
)
def test_what_is_no_table_gets_a_problem(
    client: httpx.Client, running: Running, content: bytes, media_type: str, status: int
) -> None:
    found = client.post("/v1/score/file", content=content, headers={"content-type": media_type})
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), found.text
    assert "uploads" not in json.loads(found.content)["detail"]
    assert not list((running.state / "uploads").iterdir())
