"""What MLflow is told of a search: a parent run that any number of processes share, and a nested run for each trial."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from creditrisk.errors import TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.search.interruption import Whole
from creditrisk.search.outcome import Outcome
from creditrisk.tracking.experiments import experiment_id
from creditrisk.tracking.register import git_state
from creditrisk.tracking.store import connected, shown, tracking_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

STUDY, PORTFOLIO = "creditrisk.study", "portfolio"
MARGINS = "out_of_fold.npz"
DOTS = 130

Margins = tuple[NDArray[np.float64], ...]


@dataclass
class Journal:
    """The runs of one study."""

    client: MlflowClient
    experiment: str
    parent: str
    """Id of the parent run."""
    _margins: dict[str, Margins] = field(default_factory=dict)

    @contextlib.contextmanager
    def trial(self, name: str, settings: Mapping[str, Any]) -> Iterator[str]:
        """A nested run, ended as FAILED or KILLED where the block does not end by itself; yields its id."""
        from mlflow.entities import Param

        tags = {"mlflow.parentRunId": self.parent, "mlflow.runName": name}
        run = self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id
        try:
            self.client.log_batch(run, params=[Param(key, str(value)[:6000]) for key, value in settings.items()])
            yield run
        except BaseException as error:
            with contextlib.suppress(Exception):
                self.client.set_terminated(run, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        self.client.set_terminated(run, "FINISHED")

    def abandon(self, run: str) -> None:
        """End a run whose process was killed."""
        with contextlib.suppress(Exception):  # somebody may have removed it
            if self.client.get_run(run).info.status == "RUNNING":
                self.client.set_terminated(run, "KILLED")

    def record(self, run: str, outcome: Outcome) -> None:
        """Figures of a trial: each fold as a step, means and spreads, and the out-of-fold margins as a file."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        metrics = [
            Metric(f"fold_{name}", float(value), now, step)
            for step, fold in enumerate(outcome.by_fold())
            for name, value in fold.items()
        ]
        metrics += [Metric(name, float(value), now, 0) for name, value in outcome.summary().items()]
        tags = [RunTag("stopped", outcome.stopped)] if outcome.stopped else []
        self.client.log_batch(run, metrics=metrics, tags=tags)
        self._margins[run] = outcome.margins
        if not outcome.stopped:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / MARGINS
                np.savez(path, *outcome.margins)
                self.client.log_artifact(run, str(path))

    def margins(self, run: str) -> Margins:
        """Out-of-fold margins of a finished trial, this process's or another's.

        Raises:
            TrackingError: they are lost or damaged.
        """
        if run not in self._margins:
            try:
                self._margins[run] = self._stored(run)
            except (EOFError, ValueError, BadZipFile) as error:
                raise TrackingError(_lost(run, "damaged", error)) from error
            except Exception as error:
                if _is_absent(error):
                    raise TrackingError(_lost(run, "no longer there", error)) from error
                raise
        return self._margins[run]

    def _stored(self, run: str) -> Margins:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(self.client.download_artifacts(run, MARGINS, folder))
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                return tuple(stored[f"arr_{place}"] for place in range(len(stored.files)))

    def page(
        self, text: str, files: Mapping[str, str], pictures: Mapping[str, Figure], best: Mapping[str, float]
    ) -> None:
        """Renew what the parent's page shows: description, files, pictures and the best figures."""
        from mlflow.entities import Metric, RunTag

        for name, content in files.items():
            self.client.log_text(self.parent, content, name)
        for name, figure in pictures.items():
            self.client.log_figure(self.parent, figure, name, save_kwargs={"dpi": DOTS})
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in best.items()]
        self.client.log_batch(self.parent, metrics=metrics, tags=[RunTag("mlflow.note.content", text[:7500])])

    def working(self, *, going_on: bool) -> None:
        """Say whether anybody works on the search for now."""
        if going_on:
            self.client.update_run(self.parent, status="RUNNING")
        else:
            self.client.set_terminated(self.parent, "FINISHED")


@contextlib.contextmanager
def open_journal(
    project: Project, params: Params, study: str, facts: Mapping[str, Any], known: str | None = None
) -> Iterator[Journal]:
    """The journal of a study, begun where there is none.

    Args:
        project: whose tracking store it is.
        params: the portfolio and the experiment's name.
        study: its name.
        facts: parameters of a parent run that is begun.
        known: a parent run that the study was recorded under before.

    Raises:
        TrackingError: the tracking store does not answer, may not be written to, or is not the study's.
    """
    with connected(project) as client:
        experiment = experiment_id(client, project, params)
        if known is not None and not _holds(client, known):
            raise TrackingError(
                f"study {study!r}: its trials are recorded under the run {known} of another tracking store than "
                f"{shown(tracking_uri(project))}. Set MLFLOW_TRACKING_URI to the one it was begun with, or name "
                "another study with --study."
            )
        whole = cast("MlflowClient", Whole(client))
        yield Journal(whole, experiment, _parent(whole, experiment, project, params, study, facts))


def _is_absent(error: Exception) -> bool:
    """Whether MLflow says that a run or its file is not there, rather than that it gives no answer."""
    from mlflow.exceptions import MlflowException

    absent = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST" or "Failed to download" in str(error)
    return isinstance(error, MlflowException) and absent


def _lost(run: str, what: str, error: Exception) -> str:
    return (
        f"run {run}: the trial's {MARGINS} in the tracking store is {what} ({' '.join(str(error).split())[:200]}), and "
        "without it the trials of its study cannot be compared. Restore it, or begin another study with --study NAME."
    )


def _holds(client: MlflowClient, run: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _parent(
    client: MlflowClient, experiment: str, project: Project, params: Params, study: str, facts: Mapping[str, Any]
) -> str:
    """The oldest run of this study; two processes that begin it at once agree on one of the two."""
    from mlflow.entities import Param

    def oldest() -> str | None:
        found = client.search_runs(
            [experiment], f"tags.`{STUDY}` = '{study}'", order_by=["attributes.start_time ASC"], max_results=100
        )
        return min(((run.info.start_time, run.info.run_id) for run in found), default=(0, None))[1]

    if (there := oldest()) is not None:
        return there
    tags = {STUDY: study, PORTFOLIO: params.portfolio} | git_state(project.root)
    mine = str(client.create_run(experiment, run_name=f"search {study}", tags=tags).info.run_id)
    first = oldest()
    if first is not None and first != mine:
        client.delete_run(mine)
        return first
    client.log_batch(mine, params=[Param(name, str(value)) for name, value in facts.items()])
    return mine
