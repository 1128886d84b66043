from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from creditrisk.errors import TrackingError
from creditrisk.paths import Project
from creditrisk.tracking.store import check_sqlite, connected, sentences, shown, tracking_uri


def test_the_store_is_the_checkouts_own_unless_the_environment_names_another(
    bare: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(bare) == f"sqlite:///{bare.root}/3.experiments/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    assert tracking_uri(bare) == "http://localhost:1"


def test_a_password_is_never_shown() -> None:
    assert shown("postgresql://lender:secret@db:5432/mlflow") == "postgresql://***@db:5432/mlflow"
    assert shown("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"


def test_a_store_made_here_is_whole_and_leaves_no_draft(migrated: Path) -> None:
    check_sqlite(migrated)
    assert [path.name for path in migrated.parent.iterdir()] == ["mlflow.db"]


def test_a_store_may_lie_in_a_folder_of_any_name(migrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "a#b%41?mode=ro" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(migrated, path)
    check_sqlite(path)
    assert not (tmp_path / "a").exists()


def test_nothing_global_is_set(project: Project) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    with connected(project) as client:
        assert [item.name for item in client.search_experiments()] == ["Default"]
    assert mlflow.get_tracking_uri() == before
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_a_half_made_store_is_to_be_removed(bare: Project) -> None:
    path = bare.experiments / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    connection.close()
    with (
        pytest.raises(TrackingError, match=r"mlflow\.db: .* is half-made .* Remove the file"),
        connected(bare),
    ):
        pass


def test_a_store_killed_before_its_last_migration_is_half_made(project: Project) -> None:
    path = project.experiments / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM experiments")
    connection.close()
    with pytest.raises(TrackingError, match="half-made"):
        check_sqlite(path)


def test_a_file_that_is_no_database_is_said_so(bare: Project) -> None:
    (bare.experiments / "mlflow.db").write_bytes(b"these are not the tables you look for" * 200)
    with pytest.raises(TrackingError, match="not an SQLite database or is damaged"), connected(bare):
        pass


def test_a_locked_store_is_said_so(project: Project) -> None:
    holder = sqlite3.connect(project.experiments / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TrackingError, match="another program holds it locked"), connected(project):
            pass
    finally:
        holder.close()


def test_a_read_only_store_is_said_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not bind root, so what the system would answer is put in its mouth.
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("mlflow.db"))
    with (
        pytest.raises(TrackingError, match=r"is read-only\. Make the file"),
        connected(project),
    ):
        pass


def test_a_folder_that_takes_no_store_is_said_so(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(TrackingError, match=r"3\.experiments: may not be written to"), connected(bare):
        pass


def test_a_store_of_another_mlflow_is_to_be_upgraded(project: Project) -> None:
    with sqlite3.connect(project.experiments / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'cfd24bdc0731'")
    connection.close()
    with (
        pytest.raises(TrackingError, match=r"another version of MLflow .* mlflow db upgrade"),
        connected(project),
    ):
        pass


def test_an_error_of_ours_passes_through_unchanged(project: Project) -> None:
    with pytest.raises(TrackingError, match=r"^as it was$"), connected(project):
        raise TrackingError("as it was")


def test_a_full_disk_is_said_so(bare: Project) -> None:
    with (
        pytest.raises(TrackingError, match=r"mlflow\.db: the disk is full\. Make room there"),
        sentences(tracking_uri(bare)),
        closing(sqlite3.connect(bare.experiments / "small.db")) as database,
    ):
        database.executescript("PRAGMA max_page_count = 1; CREATE TABLE more (than INTEGER, one INTEGER)")


def test_what_the_database_refuses_is_a_sentence_without_a_traceback(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(project) as client:
        assert client.get_experiment("0").name == "Default"
    with closing(sqlite3.connect(project.experiments / "mlflow.db")) as database, database:
        database.execute("DROP TABLE experiment_tags")
    with pytest.raises(TrackingError, match="no such table: experiment_tags"), connected(project) as client:
        client.set_experiment_tag("0", "any", "value")
    assert "Traceback" not in capfd.readouterr().err
