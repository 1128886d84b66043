"""``main.py experiment`` and ``store-best`` as a user types them."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import yaml
from search.lab import SPACE
from support import ROOT, Checkout, copy_project

from creditrisk.cli import build_parser, main
from creditrisk.commands import experiment
from creditrisk.commands.context import Context, set_params
from creditrisk.commands.experiment import check_jobs, chosen_families
from creditrisk.errors import DataError, ModelError, TrackingError
from creditrisk.params import Params
from creditrisk.paths import Project
from creditrisk.search.process import PROCESS
from creditrisk.search.space import Search
from creditrisk.search.storage import opened

SEARCH = Search.from_yaml(ROOT / "3.experiments" / "search.yaml")
MEMBERS = ("ebm", "catboost")


def test_families_where_none_are_named_are_those_of_the_file_and_their_blend() -> None:
    assert chosen_families(None, SEARCH, MEMBERS) == (*SEARCH.space, "blend")
    assert chosen_families(" ebm, catboost,ebm", SEARCH, MEMBERS) == ("ebm", "catboost")
    assert chosen_families("blend,ebm,catboost", SEARCH, MEMBERS) == ("blend", "ebm", "catboost")


def test_a_blend_that_the_file_has_no_members_for_is_not_promised() -> None:
    few = SEARCH.model_copy(update={"space": {"ebm": SEARCH.space["ebm"], "scorecard": SEARCH.space["scorecard"]}})
    assert chosen_families(None, few, MEMBERS) == ("ebm", "scorecard")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("lightgmb", r"unknown family 'lightgmb'\. Did you mean 'lightgbm'\?"),
        ("", "found none, expected some of"),
        ("blend", "a blend is made of the trials of ebm and catboost; name ebm and catboost too"),
        ("scorecard,ebm,blend", "name catboost too, or change model.blend.members"),
    ],
)
def test_a_wrong_family_is_named(given: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        chosen_families(given, SEARCH, MEMBERS)


def test_a_family_without_a_space_is_named() -> None:
    few = SEARCH.model_copy(update={"space": {"ebm": SEARCH.space["ebm"]}})
    with pytest.raises(DataError, match="scorecard has no search space; give it one under space"):
        chosen_families("scorecard", few, MEMBERS)


@pytest.mark.parametrize(
    ("package", "family"),
    [("optbinning", "scorecard"), ("interpret", "ebm"), ("catboost", "catboost"), ("xgboost", "xgboost")],
)
def test_a_family_whose_package_is_absent_says_what_to_type(
    package: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    for given in (family, None):
        with pytest.raises(
            ModelError, match=f"package {package} is not installed; type uv sync, or leave {family} out"
        ):
            chosen_families(given, SEARCH, MEMBERS)


def test_without_the_packages_of_training_there_is_a_sentence() -> None:
    code = "import sys; sys.modules['optuna'] = None; from creditrisk.cli import main; sys.exit(main(['experiment']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the package optuna is not installed; this command needs more packages than serving does. "
        "Type uv sync.\n"
    )


@pytest.mark.parametrize("kind", [ImportError, OSError, TrackingError])
def test_an_interruption_within_the_work_of_a_library_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    def interrupted(*arguments: Any) -> None:
        try:
            raise RuntimeError("could not be undone") from KeyboardInterrupt()
        except RuntimeError:
            raise kind("initialization failed") from None

    monkeypatch.setattr("creditrisk.commands.experiment.command_experiment", interrupted)
    assert main(["experiment"]) == 130
    assert capsys.readouterr().err.startswith("stopped; what was finished is kept")


def test_a_part_of_a_package_that_is_there_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(*arguments: Any) -> None:
        importlib.import_module("numpy.nosuch")

    monkeypatch.setattr("creditrisk.commands.experiment.command_experiment", asks)
    with pytest.raises(ModuleNotFoundError, match=r"numpy\.nosuch"):
        main(["experiment"])


def test_more_processes_than_cores_are_refused_before_any_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    check_jobs(4)
    with pytest.raises(DataError, match="--jobs 99999: expected 4 at most on this machine"):
        check_jobs(99_999)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    check_jobs(2)


def test_a_search_is_of_the_portfolio_that_it_began_with(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one may be made the current one once the rows are there, before the search and its processes start."""
    searched: list[str] = []
    opened_one = SimpleNamespace(
        deadline=math.inf, until=6, study=SimpleNamespace(study_name="s"), families=("ebm",), finish=lambda: None
    )

    def use_another(context: Context, *_: object) -> None:
        set_params(context.project.params, portfolio="other")

    def session(context: Context, params: Params, *_: object) -> AbstractContextManager[object]:
        searched.append(params.portfolio)
        return nullcontext(opened_one)

    def start(command: list[str], **_: object) -> NoReturn:
        searched.append(command[command.index("--portfolio") + 1])
        raise InterruptedError

    for place, name, stand_in in (
        (experiment, "_prepare", use_another),
        (experiment, "_session", session),
        (experiment, "subprocess", SimpleNamespace(Popen=start)),
    ):
        monkeypatch.setattr(place, name, stand_in)
    arguments = build_parser().parse_args(["experiment", "--jobs", "2"])
    with pytest.raises(InterruptedError):
        experiment.command_experiment(Context(Project(checkout.root), as_json=False), arguments)
    assert searched == ["small", "small"]


@pytest.mark.parametrize("wrong", [["--trials", "0"], ["--minutes", "soon"], ["--jobs", "-1"]])
def test_a_wrong_number_is_named(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["experiment", *wrong])
    assert f"{wrong[1]!r}, expected a number above 0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, Any]]:
    """A checkout after two processes searched six trials."""
    checkout = copy_project(tmp_path_factory.mktemp("searched"))
    narrow(checkout.root)
    done = checkout.main("experiment", "--trials", "6", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    return checkout, json.loads(done.stdout)


def narrow(root: Path) -> None:
    """A space in which each fit takes a fraction of a second."""
    text = yaml.safe_dump({"rows": 800, "small_folds": 2, "small_repeats": 1, "space": SPACE})
    (root / "3.experiments" / "search.yaml").write_text(text)


@pytest.mark.slow
def test_the_result_ranks_families_and_names_the_choice(searched: tuple[Checkout, dict[str, Any]]) -> None:
    checkout, result = searched
    families = {one["family"]: one for one in result["families"]}
    assert set(families) == {"scorecard", "ebm", "catboost", "blend"}
    assert result["chosen"] in families
    assert families[result["chosen"]]["within"]
    assert not (checkout.root / "1.data" / "tables" / "small" / "bundle").exists()
    _, trials = trials_of(file_of(checkout.root))
    assert sum(trial.params.get("family") != "blend" for trial in trials) in (6, 7)  # both may have begun at once


@pytest.mark.slow
def test_the_choice_is_stored_and_the_pipeline_retrains_only_what_changed(
    searched: tuple[Checkout, dict[str, Any]],
) -> None:
    checkout, _ = searched
    assert checkout.main("run").returncode == 0
    before = (checkout.pipeline / "params.yaml").read_text()
    done = checkout.run(sys.executable, "3.experiments/store_best.py", "--json", "--best")
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)
    params = yaml.safe_load((checkout.pipeline / "params.yaml").read_text())
    assert params["model"]["family"] == kept["family"]
    for family, values in kept["parameters"].items():
        assert {name: params["model"][family][name] for name in values} == values
    assert kept["run"] in (checkout.pipeline / "params.yaml").read_text() != before
    shown = checkout.run(sys.executable, "-m", "dvc", "status", folder="4.dvc_pipeline").stdout
    assert "train_model" in shown
    assert "split_data" not in shown
    ran = checkout.main("run")
    assert ran.returncode == 0, ran.stderr
    assert "split_data       unchanged" in ran.stdout
    training = json.loads((checkout.artifacts / "training.json").read_text())
    assert training["family"] == kept["family"]
    again = checkout.main("store-best", "--best", "--json")
    assert json.loads(again.stdout)["changed"] is False


@pytest.mark.slow
def test_a_killed_search_resumes_with_what_was_finished(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    narrow(checkout.root)
    environment = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "CREDITRISK_ROOT")}
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "main.py", "experiment", "--minutes", "5", "--families", "scorecard,catboost"]
    process = subprocess.Popen(command, cwd=checkout.root, env=environment | path, stdout=subprocess.DEVNULL)
    path_of_studies = checkout.root / "3.experiments" / "studies.db"
    try:
        wait_for_trials(path_of_studies, 3)
        stop_within_a_trial(process, path_of_studies)
    finally:
        process.kill()
        process.wait()
    done = checkout.main("experiment", "--trials", "1", "--families", "scorecard,catboost", "--json")
    assert done.returncode == 0, done.stderr
    _, trials = trials_of(file_of(checkout.root))
    assert sum("summary" in trial.user_attrs for trial in trials) >= 4
    assert not [trial.number for trial in trials if not trial.state.is_finished()], "the killed one is given up at once"


@pytest.mark.slow
def test_an_interrupted_search_shows_what_it_found(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    narrow(checkout.root)
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "main.py", "experiment", "--minutes", "5", "--jobs", "2"]
    process = subprocess.Popen(
        command, cwd=checkout.root, env=os.environ | path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_trials(checkout.root / "3.experiments" / "studies.db", 3)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "stopped; what was finished is kept" in error
    assert "Traceback" not in error
    stored = checkout.main("store-best", "--json")
    assert stored.returncode == 0, stored.stderr


@pytest.mark.slow
def test_two_processes_work_on_one_study_in_postgresql(tmp_path: Path, database: str) -> None:
    checkout = copy_project(tmp_path)
    narrow(checkout.root)
    done = checkout.main("experiment", "--trials", "1", "--jobs", "2", "--study-storage", database, "--json")
    assert done.returncode == 0, done.stderr
    assert "ended early" not in done.stderr
    done = checkout.main("experiment", "--trials", "7", "--jobs", "2", "--study-storage", database, "--json")
    assert done.returncode == 0, done.stderr
    assert "ended early" not in done.stderr
    _, trials = trials_of(database)
    own = [trial for trial in trials if trial.params.get("family") != "blend"]
    assert len(own) in (8, 9, 10)  # both may have begun at once
    assert all(trial.state.is_finished() for trial in own)


@pytest.mark.slow
def test_two_processes_work_on_one_study_in_a_file_of_a_relative_address(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    narrow(checkout.root)
    options = ["--trials", "4", "--jobs", "2", "--families", "scorecard", "--study-storage", "sqlite:///mine.db"]
    done = checkout.run(sys.executable, "run_experiments.py", *options, folder="3.experiments")
    assert done.returncode == 0, done.stderr
    assert not (checkout.root / "mine.db").exists()
    _, trials = trials_of(f"sqlite:///{checkout.root / '3.experiments' / 'mine.db'}")
    assert len(trials) in (4, 5)


def file_of(root: Path) -> str:
    """Where a checkout's studies are unless another place is named."""
    return f"sqlite:///{root / '3.experiments' / 'studies.db'}"


def trials_of(storage: str) -> tuple[str, list[Any]]:
    """Name and trials of a storage's only study."""
    import optuna

    with opened(storage) as found:
        (name,) = optuna.get_all_study_names(found)
        return name, optuna.load_study(study_name=name, storage=found).get_trials()


def stop_within_a_trial(process: subprocess.Popen[bytes], path: Path) -> None:
    """Halt the process at a moment at which a trial runs that bears its name."""
    running = "FROM trials JOIN trial_user_attributes USING (trial_id) WHERE state = 'RUNNING'"
    query = f"SELECT count(*) {running} AND key = '{PROCESS}'"
    end = time.monotonic() + 180
    while time.monotonic() < end:
        process.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(path, timeout=0)) as connection:
                if connection.execute(query).fetchone()[0]:
                    return
        except sqlite3.OperationalError:  # it was writing
            pass
        process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("no trial was found running")


def wait_for_trials(path: Path, count: int) -> None:
    """Until so many trials of the file have ended."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if path.is_file():
            try:
                with closing(sqlite3.connect(path)) as connection:
                    found = connection.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0]
            except sqlite3.OperationalError:  # it is just being made
                found = 0
            if found >= count:
                return
        time.sleep(0.2)
    raise AssertionError(f"{count} trials did not end")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["store-best"], "the pipeline has not split this portfolio yet"),
        (["experiment", "--families", "emb"], "Did you mean 'ebm'"),
        (["experiment", "--trials", "1", "--study-storage", "postgresql://x:secret@127.0.0.1:1/none"], "no answer"),
        (["experiment", "--families", "scorecard,blend"], "name ebm and catboost too"),
    ],
)
def test_wrong_input_gets_a_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    checkout = copy_project(tmp_path)
    done = checkout.main(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
