from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from creditrisk.commands.fallback import alone, at_work, kept
from creditrisk.errors import DataError
from creditrisk.paths import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout with two tables, a report and a lock file."""
    project = Project(tmp_path)
    for path in (*tables(project), project.artifacts("small") / "report.html", project.pipeline / "dvc.lock"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    return project


def tables(project: Project) -> tuple[Path, Path]:
    folder = project.tables("small")
    return folder / "raw" / "raw.parquet", folder / "characteristics.parquet"


def files(project: Project) -> dict[str, str]:
    return {str(path): path.read_text() for path in project.root.rglob("*") if path.is_file() and path.name[0] != "."}


def work(project: Project) -> None:
    """As DVC and its stages do: remove, write anew, stop half-way."""
    raw, characteristics = tables(project)
    raw.unlink()
    raw.write_text("new")
    (raw.parent / "more.parquet").write_text("more")
    characteristics.unlink()
    (project.pipeline / "dvc.lock").write_text("new")


def spoilt(project: Project, error: type[BaseException]) -> None:
    with alone(project), kept(project, "small"):
        work(project)
        raise error


@pytest.mark.parametrize("error", [DataError, KeyboardInterrupt])
def test_what_comes_to_nothing_leaves_no_trace(project: Project, error: type[BaseException]) -> None:
    before = files(project)
    with pytest.raises(error):
        spoilt(project, error)
    assert files(project) == before


def test_what_ends_well_stays(project: Project) -> None:
    with alone(project), kept(project, "small"):
        work(project)
    raw, characteristics = tables(project)
    assert raw.read_text() == "new"
    assert not characteristics.exists()
    with alone(project), kept(project, "small"):
        pass
    assert not characteristics.exists()


KILLED = """
import os, sys
from pathlib import Path
from creditrisk.commands.fallback import alone, kept
from creditrisk.paths import Project
project = Project(Path(sys.argv[1]))
with alone(project), kept(project, "small"):
    (project.tables("small") / "characteristics.parquet").unlink()
    (project.pipeline / "dvc.lock").write_text("new")
    os._exit(9)
"""


def test_after_a_kill_the_next_run_puts_back(project: Project) -> None:
    before = files(project)
    assert subprocess.run([sys.executable, "-c", KILLED, str(project.root)], check=False).returncode == 9
    assert not tables(project)[1].exists()
    with alone(project), kept(project, "other"):
        assert {name: text for name, text in files(project).items() if ".before" not in name} == before
    assert files(project) == before


CHILD = """
import os, subprocess, sys
from pathlib import Path
from creditrisk.commands.fallback import alone, kept
from creditrisk.paths import Project
with alone(Project(Path(sys.argv[1]))) as lock, kept(Project(Path(sys.argv[1])), "small"):
    child = subprocess.Popen([sys.executable, "-c", "input()"], pass_fds=(lock,))
    os._exit(9)
"""


def test_while_a_child_of_a_killed_run_works_no_other_begins(project: Project) -> None:
    command = [sys.executable, "-c", CHILD, str(project.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.wait() == 9
        with pytest.raises(DataError, match="wait until it has ended"), alone(project), kept(project, "small"):
            pass
        run.communicate(b"end\n")  # the child's output ends with it
    with alone(project), kept(project, "small"):
        pass


def test_after_a_kill_nothing_is_put_back_over_what_was_made_since(project: Project) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(project.root)], check=False)
    tables(project)[1].write_text("made by dvc repro")
    with alone(project), kept(project, "small"):
        pass
    assert tables(project)[1].read_text() == "made by dvc repro"


def test_a_first_run_has_nothing_to_fall_back_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(DataError, match="max_share"), alone(project), kept(project, "small"):
        raise DataError("max_share")
    assert files(project) == {}


def test_two_runs_at_once_are_refused(project: Project) -> None:
    with (
        alone(project),
        kept(project, "small"),
        pytest.raises(DataError, match=r"another main\.py"),
        alone(project),
        kept(project, "small"),
    ):
        pass


def test_whether_a_run_is_at_work_is_found_out_without_a_trace(project: Project, tmp_path: Path) -> None:
    assert not at_work(Project(tmp_path / "empty"))
    assert not (tmp_path / "empty").exists()
    with alone(project), kept(project, "small"):
        assert at_work(project)
    assert not at_work(project)


def test_who_looks_whether_a_run_is_at_work_is_no_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands ask for the status at once, the second while the first holds what it looks at."""
    with alone(project), kept(project, "small"):
        pass
    real, second = fcntl.flock, []

    def held(*given: Any) -> None:
        real(*given)
        monkeypatch.undo()
        second.append(at_work(project))

    monkeypatch.setattr(fcntl, "flock", held)
    assert (at_work(project), second) == (False, [False])
