"""The connection to MLflow: which store, quietly, and its errors as sentences. Nothing global is set but the quiet."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from creditrisk.errors import TrackingError
from creditrisk.paths import Project

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Set where the user has not: no telemetry, no migration log, no copy of the lock file, no minutes of retries."""
SQLITE = "sqlite:///"
REMOTE = ("http", "https")
DATABASES = ("postgresql", "mysql")
ANSWER_SECONDS = 5
"""How long a server may take to say anything at all."""


def tracking_uri(project: Project) -> str:
    """MLFLOW_TRACKING_URI, else the SQLite file of the checkout."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{project.experiments / 'mlflow.db'}"


def shown(uri: str) -> str:
    """The address for a message, without a password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return parts._replace(netloc="***@" + parts.netloc.rsplit("@", 1)[1]).geturl()


def artifact_root(project: Project) -> str | None:
    """Where a new experiment keeps files; None where a server decides."""
    if urlsplit(tracking_uri(project)).scheme in REMOTE:
        return None
    return os.environ.get("MLFLOW_ARTIFACT_ROOT") or (project.experiments / "mlruns").resolve().as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The file behind an SQLite address."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


@contextlib.contextmanager
def connected(project: Project) -> Iterator[MlflowClient]:
    """A client of the store, made where it does not exist yet; what MLflow raises comes out as TrackingError."""
    quiet()
    uri = tracking_uri(project)
    with sentences(uri):
        if (path := sqlite_file(uri)) is not None:
            check_sqlite(path)
            if not path.exists():
                make_sqlite(path)
        elif urlsplit(uri).scheme.split("+")[0] in DATABASES:
            _try_database(uri)
        from mlflow import MlflowClient

        yield MlflowClient(tracking_uri=uri, registry_uri=uri)


def _try_database(uri: str) -> None:
    """Connect once: MLflow itself would try again for minutes, and print each failure."""
    import sqlalchemy as sa

    try:
        engine = sa.create_engine(uri, poolclass=sa.NullPool, connect_args={"connect_timeout": ANSWER_SECONDS})
        engine.connect().close()
    except ImportError as error:
        raise TrackingError(
            f"tracking store {shown(uri)}: the package {error.name} that talks to such a database is not installed; "
            "type uv sync --extra postgres for PostgreSQL."
        ) from None


def quiet() -> None:
    """Keep MLflow to warnings and off the network."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What its database refuses is logged with a traceback, and raised as well: the sentence is ours.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # It regrets that an environment made by uv has no pip.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)


def pyfunc() -> ModuleType:
    """``mlflow.pyfunc``, without the warning about types of its own that its import gives."""
    quiet()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        import mlflow.pyfunc

    return mlflow.pyfunc  # type: ignore[no-any-return]


def check_sqlite(path: Path) -> None:
    """See that the file can be made or written to and is a whole store.

    Raises:
        TrackingError: read-only, locked, no database at all, or left half-made.
    """
    folder = path.parent
    if not path.exists():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise TrackingError(
                f"{folder}: may not be written to, so no tracking store can be made there. Make it writable, or name "
                "another store in MLFLOW_TRACKING_URI."
            )
        return
    if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
        raise TrackingError(
            f"{path}: the tracking store is read-only. Make the file and its folder writable, or name another store in "
            "MLFLOW_TRACKING_URI."
        )
    if not _is_whole(path):
        raise TrackingError(
            f"{path}: the tracking store is half-made (its first migration was cut short). Remove the file and run "
            "again; it holds no runs."
        )


def _is_whole(path: Path) -> bool:
    address = f"{path.absolute().as_uri()}?mode=rw"  # quoted: a folder's name may hold what means something there
    connection = sqlite3.connect(address, uri=True, timeout=2.0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"alembic_version", "experiments", "registered_models"} <= names:
            return False
        # The default experiment is written when the last migration is done.
        return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM experiments)").fetchone()[0])
    finally:
        connection.close()


def keep_files_here(project: Project) -> None:
    """Let the checkout's own store keep new files in the checkout, also where that was moved or is a copy.

    MLflow writes an experiment's place down once, in full, and has no call that changes it.
    """
    path, here = sqlite_file(tracking_uri(project)), artifact_root(project)
    if path is None or path != project.experiments / "mlflow.db" or os.environ.get("MLFLOW_ARTIFACT_ROOT"):
        return
    with contextlib.closing(sqlite3.connect(path, timeout=ANSWER_SECONDS)) as store, store:
        store.execute(
            "UPDATE experiments SET artifact_location = ? WHERE artifact_location LIKE 'file://%/3.experiments/mlruns'",
            (here,),
        )


def make_sqlite(path: Path) -> None:
    """Make a store beside ``path`` and put it there when it is whole: being killed half-way leaves none behind."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        store = SqlAlchemyStore(f"{SQLITE}{draft}", (path.parent / "mlruns").resolve().as_uri())
        store.engine.dispose()
        with contextlib.suppress(FileExistsError):  # another process was quicker; its store is as good
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def sentences(uri: str) -> Iterator[None]:
    """Turn what MLflow, its database driver or its HTTP client raise into one sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:  # requests' errors are OSErrors
        raise TrackingError(_sentence(uri, error)) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("mlflow", "sqlalchemy", "alembic", "urllib3", "botocore"):
            raise TrackingError(_sentence(uri, error)) from error
        raise


def _sentence(uri: str, error: Any) -> str:
    where, text = f"tracking store {shown(uri)}", str(error)
    small = text.lower()
    if "readonly database" in small or "read-only" in small:
        return f"{where}: it is read-only. Make it writable, or name another store in MLFLOW_TRACKING_URI."
    if "disk is full" in small:
        return f"{where}: the disk is full. Make room there and type the same again."
    if "no space left" in small:  # perhaps not where the store lies, but where a model is written: the error says it
        return f"{where}: {text.splitlines()[0]}. Make room and type the same again."
    if "database is locked" in small:
        return f"{where}: another program holds it locked. Wait for it to end (an open mlflow page does not lock)."
    if "not a database" in small or "malformed" in small:
        return f"{where}: the file is not an SQLite database or is damaged. Restore it from a copy, or remove it."
    if "out-of-date database schema" in small:
        return f"{where}: another version of MLflow made it. Copy it away, then run: mlflow db upgrade {shown(uri)}"
    status = getattr(getattr(error, "response", None), "status_code", None) or _status(error, small)
    if status in (401, 403):
        return (
            f"{where}: it refused us ({status}): not allowed to read or write there. Check MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) and the account's rights."
        )
    if "permission denied for" in small or "command denied to" in small:
        denied = text[small.index("permission denied for" if "permission" in small else "command denied") :]
        return (
            f"{where}: it may not be written to with this account ({denied.splitlines()[0]}). Grant the account the "
            "right to write, or name another store in MLFLOW_TRACKING_URI."
        )
    if refused := re.search(r"FATAL: +(.+)|(Access denied for user .+|Unknown database .+)", text):
        said = (refused[1] or refused[2]).strip()
        return f"{where}: the database refused us: {said}. Check user, password and database in MLFLOW_TRACKING_URI."
    if any(sign in small for sign in UNREACHABLE):
        return (
            f"{where}: no answer. Is the server running and the address right? Unset MLFLOW_TRACKING_URI to use the "
            "local store."
        )
    return f"{where}: {' '.join(text.split())[:500]}"


UNREACHABLE = (
    "connection refused",
    "max retries exceeded",
    "failed to establish",
    "timed out",
    "name or service not known",
    "temporary failure in name resolution",
    "nodename nor servname",
    "connection reset",
    "connection aborted",
    "could not connect",
    "connection failed",
)


def _status(error: Any, text: str) -> int | None:
    code = getattr(error, "error_code", "")
    if code == "PERMISSION_DENIED" or "error code 403" in text or "too many 403" in text:
        return 403
    if code in ("UNAUTHENTICATED", "UNAUTHORIZED") or "error code 401" in text:
        return 401
    return None
