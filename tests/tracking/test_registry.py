from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lender import Lender
from support import SMALL_CONTRACT

from creditrisk.contract import Contract
from creditrisk.errors import BundleError, TrackingError
from creditrisk.model.bundle import MANIFEST, verify
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.tracking.experiments import preflight
from creditrisk.tracking.register import flatten, git_state, register, requirements, signature
from creditrisk.tracking.registry import (
    champion,
    download,
    fetch,
    find_version,
    local_place,
    model_name,
    standing,
    versions,
)
from creditrisk.tracking.store import connected, pyfunc


def test_the_default_portfolio_has_the_plain_name_and_others_their_own() -> None:
    assert model_name(Params()) == "CreditRiskModel"
    assert model_name(Params(portfolio="taiwan")) == "CreditRiskModel-taiwan"


def test_everything_worth_knowing_is_logged(project: Project, small: Params, lender: Lender, tmp_path: Path) -> None:
    report, plots = tmp_path / "report.html", tmp_path / "plots"
    report.write_text("<p>report</p>")
    plots.mkdir()
    (plots / "roc.csv").write_text("x,y\n")
    metrics = {"auc": {"value": 0.7, "low": 0.65, "high": 0.75}, "rows": 900, "deciles": [1, 2], "name": "x", "p": None}
    made = register(
        project, small, lender.bundle("fair"), metrics=metrics, settings={"rounds": 3}, files=[report, plots]
    )
    with connected(project) as client:
        run = client.get_run(made.run_id)
        files = {item.path for item in client.list_artifacts(made.run_id)}
    assert (made.model, made.version, made.new) == ("CreditRiskModel-small", "1", True)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auc": 0.7, "auc.low": 0.65, "auc.high": 0.75, "rows": 900.0}
    assert run.data.params["settled.rounds"] == "3"
    assert run.data.params["gates.min_auc"] == "0.6"
    assert run.data.params["portfolio"] == "small"
    assert run.data.tags["bundle_digest"] == made.digest == lender.manifest("fair").digest
    assert run.data.tags["data_sha256"] == "0" * 64
    assert run.inputs.dataset_inputs[0].dataset.digest == "0" * 32
    assert files == {"report.html", "plots"}
    assert not list((project.experiments / "mlruns").rglob("*.pkl"))


def test_the_same_bundle_is_one_version(project: Project, small: Params, lender: Lender) -> None:
    first = register(project, small, lender.bundle("fair"))
    again = register(project, small, lender.bundle("fair"))
    other = register(project, small, lender.bundle("good"))
    assert (again.version, again.new) == (first.version, False)
    assert (other.version, other.new) == ("2", True)
    assert find_version(project, small, first.digest) == "1"
    assert find_version(project, small, "f" * 64) is None
    assert [(item.version, item.aliases) for item in versions(project, small)] == [("1", ()), ("2", ("challenger",))]
    assert {item.family for item in versions(project, small)} == {"scorecard"}


def test_an_empty_registry_has_no_champion(project: Project, small: Params) -> None:
    assert champion(project, small) is None
    assert standing(project, small).versions == ()


def test_a_bundle_of_another_portfolio_is_refused(project: Project, lender: Lender) -> None:
    with pytest.raises(TrackingError, match="it is of portfolio 'small', not of 'taiwan'"):
        register(project, Params(portfolio="taiwan"), lender.bundle("fair"))


def test_a_changed_bundle_is_not_registered(project: Project, small: Params, lender: Lender, tmp_path: Path) -> None:
    shutil.copytree(lender.bundle("fair"), tmp_path / "bundle")
    flip(tmp_path / "bundle" / "policy.json")
    with pytest.raises(BundleError, match=r"policy\.json"):
        register(project, small, tmp_path / "bundle")


def test_a_failed_registration_leaves_a_failed_run_and_no_version(
    project: Project, small: Params, lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "elsewhere/model.json")

    monkeypatch.setattr(pyfunc(), "save_model", full)
    with pytest.raises(TrackingError, match=r"No space left on device: 'elsewhere/model\.json'\. Make room"):
        register(project, small, lender.bundle("fair"))
    assert versions(project, small) == ()
    with connected(project) as client:
        experiment = client.get_experiment_by_name("credit-risk")
        (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


def test_the_signature_takes_every_raw_column_and_is_not_empty() -> None:
    contract = Contract.model_validate(SMALL_CONTRACT)
    found = signature(contract)
    columns = {item.name: item for item in found.inputs.inputs}
    assert set(columns) == {*SMALL_CONTRACT["columns"], "outcome"}
    assert {name for name, item in columns.items() if item.required} == {"income", "amount", "months", "purpose"}
    assert {item.type.to_dict()["type"] for item in columns.values()} == {"any"}
    assert found.outputs.input_names()[:3] == ["pd", "score", "decision"]


def test_the_version_carries_the_signature(project: Project, small: Params, lender: Lender, tmp_path: Path) -> None:
    import mlflow.models

    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    found = mlflow.models.Model.load(str(fetch(project, version, tmp_path / "model")))
    names = [item.name for item in found.get_input_schema().inputs]
    assert names == [*SMALL_CONTRACT["columns"], "outcome"]
    assert found.flavors["python_function"]["loader_module"] == "creditrisk.tracking.flavour"


def test_requirements_are_pinned_and_name_this_package() -> None:
    found = requirements("scorecard")
    assert all("==" in line for line in found)
    assert {"creditrisk", "polars", "mlflow"} <= {line.split("==")[0] for line in found}
    assert not names(found) & {"lightgbm", "xgboost", "xgboost-cpu"}


def test_requirements_name_the_library_that_serves_a_family_or_a_member_of_a_blend() -> None:
    assert "lightgbm" in names(requirements("lightgbm"))
    assert len(names(requirements("xgboost")) & {"xgboost", "xgboost-cpu"}) == 1
    assert len(names(requirements("ebm", "lightgbm", "xgboost")) - names(requirements("ebm", "catboost"))) == 2


def names(requirements: list[str]) -> set[str]:
    return {line.split("==")[0] for line in requirements}


def test_a_download_is_verified_and_kept_by_its_digest(project: Project, small: Params, lender: Lender) -> None:
    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    kept = download(project, version)
    assert kept.name == version.digest
    assert verify(kept, version.digest) == lender.manifest("fair")
    shutil.rmtree(project.experiments / "mlruns")
    assert download(project, version) == kept


def test_a_kept_copy_that_was_changed_is_fetched_again(project: Project, small: Params, lender: Lender) -> None:
    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    flip(download(project, version) / "policy.json")
    verify(download(project, version), version.digest)


@pytest.mark.parametrize("name", ["model/model.json", "golden.json", "contract.yaml", MANIFEST])
def test_one_flipped_byte_is_refused(project: Project, small: Params, lender: Lender, name: str) -> None:
    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    flip(stored(project) / name)
    with pytest.raises(BundleError, match=f"{Path(name).name}: its SHA-256 is .* refused"):
        download(project, version)
    assert not (project.experiments / "bundles" / version.digest).exists()


def test_a_bundle_changed_with_its_manifest_is_refused(project: Project, small: Params, lender: Lender) -> None:
    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    shutil.copytree(lender.bundle("good"), stored(project), dirs_exist_ok=True)
    verify(stored(project))
    with pytest.raises(BundleError, match="changed since it was registered"):
        download(project, version)


def test_files_that_are_gone_are_said_so(project: Project, small: Params, lender: Lender) -> None:
    register(project, small, lender.bundle("fair"))
    (version,) = versions(project, small)
    shutil.rmtree(project.experiments / "mlruns")
    with pytest.raises(TrackingError, match=r"files of version 1 of CreditRiskModel-small are gone: .* not exist"):
        download(project, version)


def test_a_moved_project_finds_its_files(project: Project, small: Params, lender: Lender, tmp_path: Path) -> None:
    register(project, small, lender.bundle("fair"))
    shutil.copytree(project.experiments, tmp_path / "moved" / "3.experiments")
    shutil.rmtree(project.experiments / "mlruns")
    moved = Project(tmp_path / "moved")
    (version,) = versions(moved, small)
    assert verify(download(moved, version)) == lender.manifest("fair")


def test_a_copied_project_leaves_the_original_alone(
    project: Project, small: Params, lender: Lender, tmp_path: Path
) -> None:
    register(project, small, lender.bundle("fair"))
    shutil.copytree(project.experiments, tmp_path / "copy" / "3.experiments")
    before = sorted(project.experiments.rglob("*"))
    copy = Project(tmp_path / "copy")
    preflight(copy, small)
    register(copy, small, lender.bundle("good"))
    assert sorted(project.experiments.rglob("*")) == before
    with connected(copy) as client:
        for number in ("1", "2"):
            place = local_place(copy, client.get_model_version_download_uri(model_name(small), number))
            assert place is not None
            assert place.is_relative_to(copy.root)
            assert place.is_dir()


def test_nested_values_are_joined_by_dots() -> None:
    nested = {"auc": {"value": 1, "low": 0}, "a": {"b": {"c": 2}}, "value": 3}
    assert flatten(nested) == {"auc": 1, "auc.low": 0, "a.b.c": 2, "value": 3}


def test_inside_git_the_commit_is_logged(project: Project, small: Params, lender: Lender) -> None:
    def git(*arguments: str) -> str:
        own = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(project.root), *own, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (project.root / "kept.txt").write_text("kept\n")
    git("init", "-q")
    git("add", "kept.txt")
    git("commit", "-qm", "start")
    made = register(project, small, lender.bundle("fair"))
    with connected(project) as client:
        tags = client.get_run(made.run_id).data.tags
    assert (tags["mlflow.source.git.commit"], tags["git_dirty"]) == (git("rev-parse", "HEAD"), "false")
    (project.root / "kept.txt").write_text("changed\n")
    assert git_state(project.root)["git_dirty"] == "true"


def test_outside_git_nothing_is_said_of_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == {}


def stored(project: Project) -> Path:
    """The bundle's folder as the registry keeps it."""
    (found,) = (project.experiments / "mlruns").rglob(MANIFEST)
    return found.parent


def flip(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
