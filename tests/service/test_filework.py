"""What the process that works on an uploaded file answers and records."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from support import clashing_table

from creditrisk.model.bundle import verify
from creditrisk.service.filejob import Job
from creditrisk.service.filerecords import chunks, folder_of
from creditrisk.service.filework import answers_of, work


def test_an_id_that_has_the_name_of_an_answer_is_kept_under_another(clashing_bundle: Path, tmp_path: Path) -> None:
    table = clashing_table(30)
    table.write_csv(tmp_path / "loans.csv")
    out = io.BytesIO()
    work(job(clashing_bundle, tmp_path, "0" * 26), out)
    found = pl.read_csv(out.getvalue(), infer_schema=False)
    assert found.columns[:5] == ["row", "row (id)", "verdict (id)", "decision_id (id)", "decision_id"]
    assert set(found["verdict"]) == {"scored"}
    assert found["decision_id"][2] == f"{'0' * 26}.3"
    for name in ("row", "verdict", "decision_id"):
        assert found[f"{name} (id)"].to_list() == table[name].to_list()
    (chunk,) = chunks(folder_of(tmp_path, "0" * 26))
    assert set(answers_of(pl.read_parquet(chunk)).columns) == set(found.columns)


def job(bundle: Path, state: Path, name: str) -> Job:
    """The table ``loans.csv`` in the folder of the state."""
    return Job(
        file_id=name,
        upload=str(state / "loans.csv"),
        kind="csv",
        bundle=str(bundle),
        digest=verify(bundle).digest,
        version="1",
        state=str(state),
        key_id=None,
        purpose="decision",
        at=0,
        max_memory_bytes=2**33,
    )
