"""What is said of a file whose work broke off."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from support import small_table

from creditrisk.model.bundle import verify
from creditrisk.service.files.child import FileChild
from creditrisk.service.files.chunks import chunks, folder_of
from creditrisk.service.files.job import Job
from creditrisk.service.problem import Problem
from creditrisk.service.settings import ServiceSettings

FILE = "01890000-0000-7000-8000-000000000001"


def test_what_was_recorded_before_the_work_broke_off_is_not_said_to_be_undecided(
    tmp_path: Path, small_bundle: Path
) -> None:
    """The process ends between its first record and the answers to it."""
    upload, folder = tmp_path / "upload.csv", folder_of(tmp_path, FILE)
    small_table(30).drop("outcome").write_csv(upload)
    digest, day = verify(small_bundle).digest, dt.date(2024, 1, 31)

    async def work() -> Problem:
        settings = ServiceSettings.model_validate({"state": tmp_path})
        child = await FileChild.start(settings, small_bundle, digest)
        job = Job(FILE, str(upload), "csv", digest, "1", str(tmp_path), None, "decision", 1, day, 1 << 31)
        child.tell(job, lambda _: child._process.kill())
        child._process.stdout = asyncio.StreamReader()  # what it still says is lost
        child._process.stdout.feed_eof()
        with pytest.raises(Problem) as caught:
            await child.first(asyncio.Event().wait())
        return caught.value

    problem = asyncio.run(work())
    assert sum(pl.read_parquet(path).height for path in chunks(folder)) == 30
    assert problem.status == 500
    assert "nothing was decided" not in problem.detail
    assert "Idempotency-Key" in problem.detail
