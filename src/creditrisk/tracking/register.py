"""Registration: one run with everything worth knowing, and the bundle as a version, once for each digest."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from creditrisk import __version__
from creditrisk.contract import Contract
from creditrisk.errors import TrackingError
from creditrisk.model import golden
from creditrisk.model.blended import families_of
from creditrisk.model.bundle import Manifest, verify
from creditrisk.model.family import load_model
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.experiments import experiment_id
from creditrisk.tracking.registry import CHAIN, CHALLENGER, DIGEST, find_version, model_name
from creditrisk.tracking.store import connected, pyfunc

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

LOADER = "creditrisk.tracking.flavour"
DIRECT = ("numpy", "polars", "pydantic", "pyyaml", "sqlglot", "msgspec", "pandas", "pyarrow")
"""What the flavour needs beside MLflow and this package, and beside ``LIBRARIES``."""
LIBRARIES = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost-cpu", "xgboost")}
"""Packages that serve a family, by their names in different environments; others are served by this package."""
EXAMPLE_FROM, EXAMPLE_ROWS = 3, 3
"""The first three golden rows are edge cases."""
PARAMS_AT_ONCE, METRICS_AT_ONCE = 100, 1000
"""MLflow's limits for one batch."""


@dataclass(frozen=True)
class Registered:
    """Where a bundle stands in the registry."""

    model: str
    version: str
    digest: str
    run_id: str | None
    new: bool
    """False where the registry held this bundle already."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def register(
    project: Project,
    params: Params,
    bundle: Path,
    *,
    metrics: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
) -> Registered:
    """Put a bundle into the registry, with a run that says how it came about. The same bundle gives the same version.

    Args:
        bundle: the folder; it is verified first.
        metrics: nested numbers; other values are left out.
        settings: what was settled in training, logged as parameters beside ``params``.
        files: plots, report and the like, files or folders.

    Raises:
        BundleError: the bundle is not whole; TrackingError: the store does not take it.
    """
    manifest = verify(bundle)
    if manifest.portfolio != params.portfolio:
        raise TrackingError(f"{bundle}: it is of portfolio {manifest.portfolio!r}, not of {params.portfolio!r}.")
    found = find_version(project, params, manifest.digest)
    if found is not None:
        return Registered(model_name(params), found, manifest.digest, None, new=False)
    contract = Contract.from_text((bundle / "contract.yaml").read_text(encoding="utf-8"), f"{bundle}/contract.yaml")
    with connected(project) as client, _run(client, project, params, manifest) as run_id:
        _log_parameters(client, run_id, params, settings or {})
        client.log_inputs(run_id, [_dataset(project, manifest)])
        for path in files:
            (client.log_artifacts if path.is_dir() else client.log_artifact)(
                run_id, str(path), *([path.name] if path.is_dir() else [])
            )
        logged = _log_model(client, run_id, bundle, manifest, contract)
        _log_metrics(client, run_id, logged.model_id, metrics or {})
        number = _create_version(client, params, manifest, run_id, logged)
    return Registered(model_name(params), number, manifest.digest, run_id, new=True)


def signature(contract: Contract) -> ModelSignature:
    """Every column of the raw table, of any type.

    ``read_csv`` gives a column of whole numbers as int64, and with one value missing as float64; MLflow refuses the
    first where the other stands. The contract's own rules check the values. Columns that scoring reads are required,
    the outcome, protected and unused ones are not.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    needed = needed_columns(contract)
    names = list(dict.fromkeys([*contract.columns, contract.target.column]))
    inputs = [ColSpec(AnyType(), name, required=name in needed) for name in names]
    texts = [f"{kind}_{number}" for kind in ("reason", "characteristic") for number in range(1, 5)]
    outputs = [ColSpec(DataType.double, "pd"), ColSpec(DataType.double, "score", required=False)]
    outputs += [ColSpec(DataType.string, name, required=False) for name in ("decision", *texts)]
    outputs += [ColSpec(DataType.string, "verdict"), ColSpec(DataType.string, "warnings", required=False)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def example(bundle: Path) -> pd.DataFrame:
    """A few of the golden rows, which are of nobody, to show what goes in."""
    import pandas as pd

    rows = golden.read(bundle)[EXAMPLE_FROM : EXAMPLE_FROM + EXAMPLE_ROWS]
    return pd.DataFrame([row.raw for row in rows])


def needed_columns(contract: Contract) -> set[str]:
    """Raw names of the columns that scoring cannot do without: features, and those used by characteristics.

    The day of application is not among them: where a row has none, it is today.
    """
    from creditrisk.data.characteristics import parse_all

    used = {name for expression in parse_all(contract).characteristics.values() for name in expression.columns}
    used |= {item.name for item in contract.inputs}
    return {raw for clean, raw in contract.raw_names.items() if clean in used and clean != contract.time}


def requirements(*families: str) -> list[str]:
    """Pinned packages for an environment that serves these families; nothing is inferred, which takes MLflow 14 s."""
    names = [*DIRECT, "mlflow", *(name for family in families for name in LIBRARIES.get(family, ()))]
    return [f"creditrisk=={__version__}", *(f"{name}=={version(name)}" for name in names if _installed(name))]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _run(client: MlflowClient, project: Project, params: Params, manifest: Manifest) -> Iterator[str]:
    """A run that ends as FINISHED, or as FAILED where anything goes wrong in it."""
    tags = _tags(manifest) | git_state(project.root)
    name = f"{manifest.portfolio} {manifest.family} {manifest.digest[:8]}"
    run_id = client.create_run(experiment_id(client, project, params), run_name=name, tags=tags).info.run_id
    try:
        yield run_id
    except BaseException:
        with contextlib.suppress(Exception):
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _tags(manifest: Manifest) -> dict[str, str]:
    return {
        DIGEST: manifest.digest,
        "portfolio": manifest.portfolio,
        "family": manifest.family,
        "data_sha256": manifest.data_sha256,
        "params_sha256": manifest.params_sha256,
        "contract_sha256": manifest.contract_sha256,
        "package": manifest.package,
    }


def git_state(root: Path) -> dict[str, str]:
    """Commit of the checkout and whether it was changed since; nothing outside a git checkout."""

    def git(*arguments: str) -> str | None:
        try:
            found = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return found.stdout.strip() if found.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "git_dirty": str(bool(changed)).lower()}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values with joined names; ``{"auc": {"value": .7, "low": .6}}`` gives ``auc`` and ``auc.low``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = prefix.rstrip(".") if key == "value" and prefix else f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _log_parameters(client: MlflowClient, run_id: str, params: Params, settings: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    flat = flatten(params.model_dump(mode="json")) | flatten(settings, "settled.")
    entries = [Param(name[:250], str(value)[:6000]) for name, value in flat.items()]
    for start in range(0, len(entries), PARAMS_AT_ONCE):
        client.log_batch(run_id, params=entries[start : start + PARAMS_AT_ONCE])


def _log_metrics(client: MlflowClient, run_id: str, model_id: str, metrics: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    entries = [
        Metric(name[:250], float(value), now, 0, model_id=model_id)
        for name, value in flatten(metrics).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    for start in range(0, len(entries), METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=entries[start : start + METRICS_AT_ONCE])


def _dataset(project: Project, manifest: Manifest) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    short = manifest.data_sha256[:32]  # MLflow keeps 36 characters; the tag has them all
    source = f'{{"uri": "1.data/tables/{manifest.portfolio}/split"}}'
    return DatasetInput(
        Dataset(manifest.portfolio, short, "local", source), [InputTag("mlflow.data.context", "training")]
    )


def _log_model(client: MlflowClient, run_id: str, bundle: Path, manifest: Manifest, contract: Contract) -> LoggedModel:
    """Log the bundle as a pyfunc model; the same steps as ``mlflow.pyfunc.log_model`` on a client of our own."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(
        experiment, name="bundle", source_run_id=run_id, tags=_tags(manifest), model_type="credit-risk"
    )
    try:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        described = Model(
            artifact_path=logged.artifact_location,
            run_id=run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
            metadata={DIGEST: manifest.digest},
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            pyfunc().save_model(
                path=str(path),
                loader_module=LOADER,
                data_path=str(bundle),
                mlflow_model=described,
                signature=signature(contract),
                input_example=example(bundle),
                pip_requirements=requirements(*families_of(load_model(bundle / "model"))),
                model_config={DIGEST: manifest.digest},
            )
            client.log_model_artifacts(logged.model_id, str(path))
    except BaseException:
        with contextlib.suppress(Exception):
            client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    return logged


def _create_version(client: MlflowClient, params: Params, manifest: Manifest, run_id: str, logged: LoggedModel) -> str:
    from mlflow.exceptions import MlflowException

    name = model_name(params)
    try:
        client.create_registered_model(
            name,
            tags={"portfolio": manifest.portfolio, CHAIN: uuid.uuid4().hex},
            description=f"Probability of default for portfolio {manifest.portfolio}",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if CHAIN not in client.get_registered_model(name).tags:
            client.set_registered_model_tag(name, CHAIN, uuid.uuid4().hex)
    # Not models:/ID as the source: MLflow looks that up in the store of the whole process, which need not be this one.
    made = client.create_model_version(
        name, source=logged.artifact_location, run_id=run_id, tags=_tags(manifest), model_id=logged.model_id
    )
    client.set_registered_model_alias(name, CHALLENGER, str(made.version))
    return str(made.version)
