"""The database that studies are kept in: its address, its connection, and its errors as sentences."""

from __future__ import annotations

import contextlib
import logging
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.pool import NullPool

from creditrisk.errors import TrackingError
from creditrisk.paths import Project
from creditrisk.search.interruption import whole
from creditrisk.search.process import PROCESS, this_process
from creditrisk.tracking.store import ANSWER_SECONDS, SQLITE, UNREACHABLE, shown, sqlite_file

HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 90
"""A trial whose process has not been heard of for so long is taken for dead."""
LOOK_SECONDS = 1
"""How often the thread that says a trial is alive looks whether it is still wanted."""


class Storage(RDBStorage):
    """Optuna's, whose trials bear the name of their process from when they stop waiting, and whose threads end with it.

    Optuna starts a thread for each trial. An interruption that falls into the start leaves it without anybody to stop
    it, and the process would wait for it for ever.
    """

    closed = False
    """Set when nothing may be written any more."""
    _beats: tuple[int, float] = (-1, 0.0)
    """The trial last said to be alive, and when."""

    def get_heartbeat_interval(self) -> int:
        """Seconds until ``record_heartbeat`` is called again."""
        return LOOK_SECONDS

    def record_heartbeat(self, trial_id: int) -> None:
        """As Optuna's, every ``HEARTBEAT_SECONDS``; ends the calling thread where the storage is closed."""
        if self.closed:
            raise SystemExit
        trial, before = self._beats
        now = time.monotonic()
        if trial != trial_id or now - before >= HEARTBEAT_SECONDS:
            super().record_heartbeat(trial_id)
            self._beats = trial_id, now

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """As Optuna's; a trial that begins to run is named as well."""
        changed = super().set_trial_state_values(trial_id, state, values)
        if changed and state == TrialState.RUNNING:
            self.set_trial_user_attr(trial_id, PROCESS, this_process())
        return changed


# Broken off in a transaction, a process might keep the database locked, for itself as well.
for _name in (*sorted(BaseStorage.__abstractmethods__), "_get_stale_trial_ids"):
    setattr(Storage, _name, whole(getattr(Storage, _name)))


def storage_url(project: Project, given: str | None) -> str:
    """``--study-storage``, else the SQLite file beside the experiments; a file's address holds wherever it is read.

    Raises:
        TrackingError: it is no address, or an SQLite one of no plain file.
    """
    if given is None:
        project.experiments.mkdir(parents=True, exist_ok=True)
        return f"{SQLITE}{project.experiments / 'studies.db'}"
    try:
        url = make_url(given)
    except sa.ArgumentError as error:
        raise TrackingError(_sentence(given, error)) from error
    if url.get_backend_name() != "sqlite":
        return given
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:") or url.query:
        raise TrackingError(
            f"study storage {given}: expected sqlite:///FILE, so that every process finds the same file."
        )
    return f"{SQLITE}{Path(str(url.database)).resolve()}"


@contextlib.contextmanager
def sentences(url: str) -> Iterator[None]:
    """Turn what Optuna and its database driver raise into one sentence."""
    try:
        yield
    except (optuna.exceptions.OptunaError, sa.SQLAlchemyError) as error:
        raise TrackingError(_sentence(url, error)) from error


@contextlib.contextmanager
def opened(url: str) -> Iterator[Storage]:
    """The database, whose tables are made where they are missing; its connections end with the block."""
    try:
        with sentences(url):
            storage = _connect(url)
    except ImportError as error:
        raise TrackingError(_sentence(url, error)) from error
    except RuntimeError as error:  # Optuna's own, of a store that another version made
        raise TrackingError(f"study storage {shown(url)}: {error}") from error
    try:
        yield storage
    finally:
        storage.closed = True
        storage.remove_session()
        storage.engine.dispose()


def _connect(url: str) -> Storage:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # An interruption may fall into the closing of a cursor, which is then logged with its traceback and goes on.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    path = sqlite_file(url)
    if path is not None:
        if not path.parent.is_dir():
            raise TrackingError(f"study storage {path}: its folder does not exist. Make it, or correct the address.")
        arguments: dict[str, Any] = {"connect_args": {"timeout": 60}}  # two processes write by turns
    else:
        url = re.sub(r"^postgres(?:ql)?://", "postgresql+psycopg://", url)
        # No pool: the thread that says a trial is alive would leave its connection open in it.
        arguments = {"poolclass": NullPool}
        if url.startswith("postgresql"):
            arguments["connect_args"] = {"connect_timeout": ANSWER_SECONDS}
    _check_owner(url, arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = Storage(
            url, engine_kwargs=arguments, heartbeat_interval=HEARTBEAT_SECONDS, grace_period=GRACE_SECONDS
        )
    if path is not None:
        _lock_from_the_start(storage.engine)
    return storage


def _lock_from_the_start(engine: Engine) -> None:
    """Let each transaction on an SQLite file wait for the others before it reads, not only before it writes.

    A trial is claimed by reading that it waits and then writing that it runs. SQLite has no row locks, and Python's
    driver begins a transaction at the first write: two processes would read the same and both run the trial.
    (The way is SQLAlchemy's, "Serializable isolation / Savepoints / Transactional DDL" of its page on SQLite.)
    """

    def own_begin(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins none of its own accord

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # what was opened so far knows nothing of it
    event.listen(engine, "connect", own_begin)
    event.listen(engine, "begin", begin)


def _check_owner(url: str, arguments: dict[str, Any]) -> None:
    """Refuse a database in which MLflow keeps its runs: each would take the other's ``alembic_version`` for its own."""
    engine = create_engine(url, **arguments)
    try:
        tables = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if "alembic_version" in tables and "version_info" not in tables:
        raise TrackingError(
            f"study storage {shown(url)}: the database is another program's, as MLflow's. Give the studies one of "
            "their own (createdb studies)."
        )


def _sentence(url: str, error: Exception) -> str:
    where = f"study storage {shown(url)}"
    if isinstance(error, ImportError):
        return (
            f"{where}: the package that talks to such a database is not installed ({error.name or error}); "
            "type uv sync --extra postgres for PostgreSQL."
        )
    cause = error.__cause__ or error
    text = " ".join(str(cause).split())
    small = text.lower()
    if "could not parse" in small or "can't load plugin" in small or isinstance(cause, sa.ArgumentError):
        return f"{where}: not an address of a database. Expected postgresql://USER:PASSWORD@HOST:5432/NAME or sqlite:///FILE."
    if any(sign in small for sign in UNREACHABLE):
        return (
            f"{where}: no answer. Is the server running and the address right? Without --study-storage a file is used."
        )
    if "readonly" in small or "read-only" in small or "unable to open" in small:
        return f"{where}: it cannot be written to. Make the file and its folder writable, or name another storage."
    if "not a database" in small or "malformed" in small:
        return f"{where}: the file is not an SQLite database or is damaged. Restore it from a copy, or remove it."
    return f"{where}: {text[:400]}"
