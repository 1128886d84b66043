"""The experiment that runs are kept in, and the check before the first stage that it can be written to."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from creditrisk.errors import TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.store import (
    ANSWER_SECONDS,
    REMOTE,
    artifact_root,
    connected,
    keep_files_here,
    quiet,
    sentences,
    shown,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


def preflight(project: Project, params: Params) -> str:
    """See that the store answers and may be written to; make the SQLite one and the experiment where they are missing.

    Returns:
        The experiment's id.

    Raises:
        TrackingError: unreachable, read-only, refused, half-made, or its files cannot be written.
    """
    uri = tracking_uri(project)
    if urlsplit(uri).scheme in REMOTE:
        _answers(uri)
    with connected(project) as client:
        experiment = experiment_id(client, project, params)
        client.set_experiment_tag(experiment, "creditrisk.preflight", str(int(time.time())))
        _files_writable(client, experiment, uri)
    return experiment


def experiment_id(client: MlflowClient, project: Project, params: Params) -> str:
    """The experiment's id; made with an artifact location of its own where it is missing.

    Raises:
        TrackingError: it was deleted.
    """
    from mlflow.exceptions import MlflowException

    name = params.registry.experiment
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_root(project)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # somebody made it meanwhile
    if found is None or found.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking store {shown(tracking_uri(project))}: the experiment {name!r} was deleted. Restore it there, or "
            "name another under registry.experiment in params.yaml."
        )
    if found.artifact_location != artifact_root(project):
        keep_files_here(project)
    return str(found.experiment_id)


def _answers(uri: str) -> None:
    import requests

    quiet()
    with sentences(uri):
        # Any answer will do here: /health may be hidden behind a proxy, and rights are checked by writing.
        requests.get(f"{uri.rstrip('/')}/health", timeout=ANSWER_SECONDS)


def _files_writable(client: MlflowClient, experiment: str, uri: str) -> None:
    """Write a small file where the experiment keeps its own, and take it away again."""
    location = client.get_experiment(experiment).artifact_location
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        _folder_writable(Path(url2pathname(parts.path)))
        return
    run = client.create_run(experiment, run_name="preflight", tags={"creditrisk.preflight": "true"}).info.run_id
    try:
        client.log_text(run, "may be removed\n", "preflight.txt")
    finally:
        with contextlib.suppress(Exception):
            client.delete_run(run)


def _folder_writable(folder: Path) -> None:
    probe = folder / f".preflight.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("may be removed\n", encoding="utf-8")
    except OSError as error:
        raise TrackingError(
            f"{folder}: the tracking store keeps its files there, and it cannot be written to ({error.strerror}). "
            "Make it writable, or name another experiment under registry.experiment in params.yaml."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
