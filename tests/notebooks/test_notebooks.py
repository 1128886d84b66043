"""The notebooks: what is committed belongs to its code, and every cell runs from a clean state."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, copy_project

from creditrisk.exploration.execute import MARK, code_digest, execute

NAMES = ("eda", "cleaning", "fe")
LARGEST = 1_000_000


def committed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "2.notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return found


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def complaints(notebook: Any) -> list[Any]:
    """Outputs that are errors, warnings, or anything else on standard error."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    return [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]


def kinds(notebook: Any) -> list[list[str]]:
    """What each cell gave: names of streams and media types."""
    return [
        [output.get("name") or "+".join(sorted(output.get("data", {}))) for output in cell["outputs"]]
        for cell in code_cells(notebook)
    ]


def test_there_are_these_notebooks() -> None:
    assert {path.stem for path in (ROOT / "2.notebooks").glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_the_simulated_portfolios_and_of_this_code(name: str) -> None:
    notebook = committed(name)
    again = "run: uv run --group notebooks python -m creditrisk.exploration.execute"
    assert notebook["metadata"][MARK] == {"portfolio": "simulated", "code": code_digest(_joined(notebook))}, again
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), again
    assert complaints(notebook) == []
    assert any("image/png" in kind for kinds_ in kinds(notebook) for kind in kinds_)
    assert "portfolio: simulated" in json.dumps(notebook)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_small_and_tells_nothing_of_the_machine(name: str) -> None:
    path = ROOT / "2.notebooks" / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    notebook = committed(name)
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            output.get("data", {}).pop("image/png", None)
    text = json.dumps(notebook)
    assert str(Path.home()) not in text
    assert not re.search(r"(?<![\w.<:/])/(home|root|tmp|usr|var|work|Users|mnt|opt)/", text)
    assert not re.search(r"[A-Z]:\\\\", text)


def _joined(notebook: dict[str, Any]) -> dict[str, Any]:
    """Sources as single texts, as nbformat gives them."""
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def needs_the_group() -> None:
    for module in ("nbclient", "ipykernel", "pingouin", "seaborn", "statsmodels"):
        pytest.importorskip(module, reason=f"{module} is not installed: uv run --group notebooks pytest ...")


def run(name: str, portfolio: str, folder: Path) -> Any:
    """Run a copy in a checkout that holds contracts and params but no table."""
    needs_the_group()
    (folder / "4.dvc_pipeline").mkdir()
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / "4.dvc_pipeline" / file, folder / "4.dvc_pipeline" / file)
    shutil.copytree(ROOT / "1.data" / "portfolios", folder / "1.data" / "portfolios")
    (folder / "2.notebooks").mkdir()
    path = Path(shutil.copy(ROOT / "2.notebooks" / f"{name}.ipynb", folder / "2.notebooks"))
    done = execute(path, portfolio)
    assert sorted(p.name for p in folder.iterdir()) == ["1.data", "2.notebooks", "4.dvc_pipeline"]
    assert not (folder / "1.data" / "tables").exists()
    return done


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_the_simulated_portfolio(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.delenv("CREDITRISK_ROOT", raising=False)
    done = run(name, "simulated", tmp_path)
    assert complaints(done) == []
    assert kinds(done) == kinds(committed(name))


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(not os.environ.get("DATA_MIRROR"), reason="DATA_MIRROR names no folder with the real tables")
@pytest.mark.parametrize(
    ("name", "portfolio"),
    [*((name, "lending_club") for name in NAMES), ("cleaning", "south_german"), ("fe", "south_german")],
)
def test_it_runs_on_real_loans(name: str, portfolio: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LendingClub, and a portfolio without days of application that no idea is written down for."""
    monkeypatch.delenv("CREDITRISK_ROOT", raising=False)
    mirror = os.environ["DATA_MIRROR"]
    if "://" not in mirror:
        monkeypatch.setenv("DATA_MIRROR", str((ROOT / mirror).resolve()))
    done = run(name, portfolio, tmp_path)
    assert complaints(done) == []
    assert f"portfolio: {portfolio}" in json.dumps(done)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cleaning", "fe"])
def test_it_runs_on_a_first_contract_as_it_was_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No day of application, no direction, no idea."""
    needs_the_group()
    monkeypatch.delenv("CREDITRISK_ROOT", raising=False)
    checkout = copy_project(tmp_path)
    made = checkout.main("new-portfolio", "small.csv", "--target", "outcome", "--bad", "default", "--name", "mine")
    assert made.returncode == 0, made.stderr
    (tmp_path / "2.notebooks").mkdir()
    path = Path(shutil.copy(ROOT / "2.notebooks" / f"{name}.ipynb", tmp_path / "2.notebooks"))
    done = execute(path, "mine")
    assert complaints(done) == []
    assert "portfolio: mine" in json.dumps(done)
