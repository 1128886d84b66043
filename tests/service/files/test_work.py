"""The work on a file, in this process."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from service.running import serving
from support import SMALL_CONTRACT, clashing_table, make_bundle, small_table

from creditrisk.errors import CreditRiskError
from creditrisk.model.bundle import verify
from creditrisk.model.scorer import Scorer
from creditrisk.service.files.chunks import chunks, folder_of
from creditrisk.service.files.job import Job
from creditrisk.service.files.work import answers_of, ready, work
from creditrisk.service.identifiers import Identifiers
from creditrisk.service.records import local

DAY = dt.date(2021, 3, 5)
"""When the file came: long ago, so that today would give other answers."""


def dated(rows: int) -> pl.DataFrame:
    start = dt.date(2015, 1, 1)
    days = [(start + dt.timedelta(days=row * 3)).isoformat() for row in range(rows)]
    born = [(start - dt.timedelta(days=9_000 + row * 37 % 4_000)).isoformat() for row in range(rows)]
    return small_table(rows).with_columns(applied=pl.Series(days), born=pl.Series(born))


@pytest.fixture(scope="module")
def dated_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard that looks at the years between birth and application."""
    contract: dict[str, Any] = SMALL_CONTRACT | {"time": "applied"}
    contract["columns"] = SMALL_CONTRACT["columns"] | {
        "applied": {"type": "date", "role": "time"},
        "born": {"type": "date"},
    }
    contract["characteristics"] = SMALL_CONTRACT["characteristics"] | {
        "years": {"sql": "MONTHS_BETWEEN(born, application_date) / 12", "reason": "The applicant is young"}
    }
    return make_bundle(tmp_path_factory.mktemp("dated") / "bundle", "scorecard", contract=contract, table=dated)


def job_of(state: Path, bundle: Path, frame: pl.DataFrame) -> Job:
    """A file that came on that day."""
    frame.write_csv(state / "upload.csv")
    return Job(
        Identifiers().make(1_700_000_000_000_000_000),
        str(state / "upload.csv"),
        "csv",
        verify(bundle).digest,
        "1",
        str(state),
        None,
        "decision",
        1,
        DAY,
        1 << 32,
    )


def kept_of(job: Job) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in chunks(folder_of(Path(job.state), job.file_id)))


@pytest.mark.parametrize("given", ["all", "some", "none"])
def test_rows_without_a_date_count_from_the_day_on_which_their_file_came_and_it_is_on_record(
    tmp_path: Path, dated_bundle: Path, given: str
) -> None:
    frame = dated(60).drop("outcome")
    own = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("applied"))
    frame = {"all": frame, "some": frame.with_columns(own), "none": frame.drop("applied")}[given]
    job = job_of(tmp_path, dated_bundle, frame)
    work(job, ready(dated_bundle, job.digest), io.BytesIO())
    expected = [DAY.isoformat()] * 60 if given == "none" else frame["applied"].fill_null(DAY.isoformat()).to_list()
    kept = kept_of(job)
    assert kept["_day"].to_list() == expected
    replayed = Scorer.load(dated_bundle).score_frame(frame.with_columns(applied=pl.Series(kept["_day"])))
    assert kept["answer:pd"].to_list() == replayed["pd"].to_list()
    if given == "none":
        today = Scorer.load(dated_bundle).score_frame(frame)
        assert today["pd"].to_list() != replayed["pd"].to_list(), "the day must matter"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pl.Series("applicant_id", ["SP-1 ", " SP-1", "", None]), ["SP-1", "SP-1", None, None]),
        (pl.Series("Applicant_ID", ["SP-1", "sp-1", "7", "8"]), ["SP-1", "sp-1", "7", "8"]),
        (pl.Series("applicant_id", [17.0, 17.5, None, 1e18]), ["17", "17.5", None, "1000000000000000000"]),
        (pl.Series("applicant_id", [17.0, float("nan"), -0.5, 2.0]), ["17", None, "-0.5", "2"]),
        (pl.Series("applicant_id", [17, 18, None, 20]), ["17", "18", None, "20"]),
        (
            pl.Series("applicant_id", [Decimal("17"), Decimal("1.5"), None, Decimal(10**30)], pl.Decimal(38, 6)),
            ["17", "1.500000", None, f"{10**30}.000000"],
        ),
    ],
)
def test_applicants_are_kept_as_an_erasure_names_them(
    tmp_path: Path, dated_bundle: Path, given: pl.Series, expected: list[str | None]
) -> None:
    frame = dated(4).drop("outcome").with_columns(given)
    job = job_of(tmp_path, dated_bundle, frame)
    frame.write_parquet(tmp_path / "upload.parquet")
    work(
        msgspec.structs.replace(job, upload=str(tmp_path / "upload.parquet"), kind="parquet"),
        ready(dated_bundle, job.digest),
        io.BytesIO(),
    )
    assert kept_of(job)["_applicant_id"].to_list() == expected


@pytest.mark.parametrize("given", [[["SP-1"]], [{"id": "SP-1"}], [b"\xff"]])
def test_applicants_that_no_erasure_could_name_are_refused(
    tmp_path: Path, small_bundle: Path, given: list[object]
) -> None:
    frame, upload = small_table(4).drop("outcome"), tmp_path / "upload.parquet"
    job = job_of(tmp_path, small_bundle, frame)
    frame.with_columns(applicant_id=pl.Series(given * 4)).write_parquet(upload)
    with pytest.raises(CreditRiskError, match=r"column 'applicant_id' of the table is of type .*; expected texts"):
        work(
            msgspec.structs.replace(job, upload=str(upload), kind="parquet"),
            ready(small_bundle, job.digest),
            io.BytesIO(),
        )


def test_a_file_that_is_scored_on_another_day_keeps_its_own(tmp_path: Path, dated_bundle: Path) -> None:
    content = dated(60).drop("outcome", "applied").write_csv()
    headers = {"content-type": "text/csv", "idempotency-key": "a"}
    with serving(tmp_path, "--bundle", str(dated_bundle)) as running, running.client() as client:
        first = client.post("/v1/score/file", content=content, headers=headers)
        path = tmp_path / "decisions.db"
        with local.opened(path) as connection, local.transaction(connection, path):
            ((begun,),) = connection.execute("SELECT request FROM events WHERE status = 'begun'").fetchall()
            assert dt.date.fromisoformat(json.loads(begun)["day"]) > DAY
            earlier = json.dumps(json.loads(begun) | {"day": DAY.isoformat()}).encode()
            connection.execute("UPDATE events SET request = ? WHERE status = 'begun'", (earlier,))
            connection.execute("DELETE FROM events WHERE status = 'ended'")
        folder = folder_of(tmp_path, first.headers["x-file-id"])
        (kept,) = chunks(folder)
        kept.unlink()
        again = client.post("/v1/score/file", content=content, headers=headers)
        assert again.headers["x-file-id"] == folder.name
        assert again.content != first.content
        assert pl.read_parquet(kept)["_day"].to_list() == [DAY.isoformat()] * 60


def test_a_model_that_knows_no_time_has_no_day_on_record(tmp_path: Path, small_bundle: Path) -> None:
    job = job_of(tmp_path, small_bundle, small_table(20).drop("outcome"))
    work(job, ready(small_bundle, job.digest), io.BytesIO())
    assert kept_of(job)["_day"].to_list() == [None] * 20


def test_a_file_parted_in_another_way_than_the_contracts_own_table_is_scored(
    tmp_path: Path, small_bundle: Path
) -> None:
    job, scorer = job_of(tmp_path, small_bundle, small_table(5)), ready(small_bundle, verify(small_bundle).digest)
    assert job.upload is not None
    small_table(5).write_csv(job.upload, separator=";")
    answered = io.BytesIO()
    work(job, scorer, answered)
    assert set(pl.read_csv(answered.getvalue())["verdict"]) == {"scored"}


def test_an_id_that_has_the_name_of_an_answer_is_kept_under_another(clashing_bundle: Path, tmp_path: Path) -> None:
    table, out = clashing_table(30), io.BytesIO()
    job = job_of(tmp_path, clashing_bundle, table)
    work(job, ready(clashing_bundle, job.digest), out)
    found = pl.read_csv(out.getvalue(), infer_schema=False)
    assert found.columns[:5] == ["row", "row (id)", "verdict (id)", "decision_id (id)", "decision_id"]
    assert set(found["verdict"]) == {"scored"}
    assert found["decision_id"][2] == f"{job.file_id}.3"
    for name in ("row", "verdict", "decision_id"):
        assert found[f"{name} (id)"].to_list() == table[name].to_list()
    (chunk,) = chunks(folder_of(tmp_path, job.file_id))
    assert set(answers_of(pl.read_parquet(chunk)).columns) == set(found.columns)


@pytest.mark.parametrize("told", [True, False])
def test_a_bundle_that_is_no_longer_what_it_was_scores_nothing(
    small_bundle: Path, tmp_path: Path, *, told: bool
) -> None:
    job = job_of(tmp_path, small_bundle, small_table(20).drop("outcome"))
    command = [sys.executable, "-m", "creditrisk.service.files.work", str(small_bundle), "0" * 64]
    done = subprocess.run(command, input=msgspec.json.encode(job) if told else b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert (b"changed since it was registered" in done.stderr) == told, "nobody listens where no job came"
    assert not folder_of(tmp_path, job.file_id).exists()
