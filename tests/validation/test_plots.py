"""Curves, pictures and the files of both."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from creditrisk.params import EvaluationParams
from creditrisk.validation.curves import MAX_POINTS, curves, score_distribution
from creditrisk.validation.metrics import evaluate
from creditrisk.validation.plots import DATA_FILES, draw, write_plots
from creditrisk.validation.ranking import Outcomes

Floats = NDArray[np.float64]


def sample(rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Outcomes, PDs and scores."""
    random = np.random.default_rng(seed)
    margin = random.normal(-2, 1, rows)
    pd = 1 / (1 + np.exp(-margin))
    return (random.random(rows) < pd).astype(float), pd, np.floor(487 - 28.85 * margin)


def test_curves_are_thinned_and_keep_their_area_and_ends() -> None:
    y, pd, score = sample(20_000, 0)
    found = curves(Outcomes.check(y, pd), score)
    assert {f"{name}.json" for name in found} == {*DATA_FILES, "ks.json"}
    assert all(len(records) <= MAX_POINTS for records in found.values())
    x, t = (np.array([r[k] for r in found["roc"]]) for k in ("false_positive_rate", "true_positive_rate"))
    from sklearn.metrics import roc_auc_score

    assert np.trapezoid(t, x) == pytest.approx(roc_auc_score(y, pd), abs=2e-3)
    assert (x[0], t[0], x[-1], t[-1]) == pytest.approx((0, 0, 1, 1))
    assert (np.diff(x) >= 0).all()
    assert (np.diff(t) >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_thinned_curves_keep_the_largest_distance(seed: int) -> None:
    y, pd, _ = sample(20_000, seed)
    records = curves(Outcomes.check(y, pd))["ks"]
    shown = max(r["share_of_bads"] - r["share_of_goods"] for r in records)
    assert shown == pytest.approx(evaluate(y, pd, params=EvaluationParams(bootstrap=50)).ks.value, abs=1e-12)


def test_thinned_curves_follow_rare_bads() -> None:
    """Half of the bads are caught with the first five hundredth of the goods."""
    random = np.random.default_rng(0)
    y = np.repeat([1.0, 0.0], [400, 60_000])
    pd = np.clip(random.normal(0.4 + 0.2 * y, 0.06), 0.0, 1.0)
    for name, key in (("roc", "true_positive_rate"), ("gains", "share_of_bads"), ("ks", "share_of_bads")):
        records = curves(Outcomes.check(y, pd))[name]
        caught = [float(record[key]) for record in records]
        assert len(records) <= MAX_POINTS
        assert np.diff(caught).max() < 0.02


@pytest.mark.parametrize("score", [np.full(50, 600.0), np.arange(50.0), np.arange(50.0) * 1e3])
def test_every_score_is_in_a_bin(score: Floats) -> None:
    y = (np.arange(50) % 3 == 0).astype(float)
    found = score_distribution(y, score, np.ones(50))
    assert sum(r["share_of_bads"] for r in found) == pytest.approx(1)
    assert sum(r["share_of_goods"] for r in found) == pytest.approx(1)
    assert 1 <= len(found) <= 50


def test_files_are_those_named_and_hold_plain_records(tmp_path: Path) -> None:
    y, pd, score = sample(400, 1)
    weight = np.where(np.arange(400) < 10, 0.0, 1.0)
    drawn = draw(y, pd, score, weight)[-2:]
    written = write_plots(tmp_path / "plots", y, pd, score, weight, pictures=drawn)
    assert [path.name for path in written] == [*DATA_FILES, *(f"{d.name}.svg" for d in drawn)]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(path.name for path in written)
    for path in written[: len(DATA_FILES)]:
        records = json.loads(path.read_text(encoding="utf-8"))
        assert records
        assert all(isinstance(v, (int, float)) for record in records for v in record.values())
    for path in written[len(DATA_FILES) :]:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_nothing_of_a_former_run_stays_beside_the_new_files(tmp_path: Path) -> None:
    y, pd, score = sample(400, 1)
    drawn = draw(y, pd, score)[:3]
    write_plots(tmp_path / "plots", y, pd, score, pictures=drawn)
    written = write_plots(tmp_path / "plots", y, pd, score, pictures=drawn[:1])
    assert sorted((tmp_path / "plots").iterdir()) == sorted(written)
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np; from pathlib import Path; from creditrisk.validation.plots import write_plots;"
        "Path.rename = lambda *_: os._exit(9);"
        "write_plots(Path(sys.argv[1]), np.array([0.0, 1.0] * 20), *np.ones((2, 40)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "plots")], check=False).returncode == 9
    assert [path.name for path in tmp_path.iterdir()] != []
    y, pd, score = sample(400, 1)
    write_plots(tmp_path / "plots", y, pd, score)
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


@pytest.mark.parametrize("broken", ["write_bytes", "rename"])
def test_a_failed_write_leaves_the_former_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    y, pd, score = sample(400, 1)
    former = {path.name: path.read_bytes() for path in write_plots(tmp_path / "plots", y, pd, score)}
    real = getattr(Path, broken)

    def full(path: Path, *given: object) -> object:
        if path.name == DATA_FILES[2] or (broken == "rename" and path.name == ".plots.draft"):
            raise OSError(28, "No space left on device")
        return real(path, *given)

    monkeypatch.setattr(Path, broken, full)
    with pytest.raises(OSError, match="No space"):
        write_plots(tmp_path / "plots", y, 1 - pd, score)
    assert {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()} == former
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]


def test_pictures_have_words_axes_and_are_the_same_again() -> None:
    y, pd, score = sample(300, 2)
    first, second = draw(y, pd, score)[:2], draw(y, pd, score)[:2]
    for one, two in zip(first, second, strict=True):
        axes = one.figure.axes[0]
        assert one.title
        assert one.caption.endswith(".")
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert one.svg() == two.svg()
    assert first[0].png(50).startswith(b"\x89PNG")


def test_pictures_keep_no_global_state() -> None:
    code = (
        "import sys, numpy as np; from creditrisk.validation.plots import draw;"
        "draw(np.repeat([0.0, 1.0], 20), np.linspace(0.1, 0.9, 40)); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pd", [np.full(40, 0.25), np.repeat([0.0, 1.0], [30, 10])])
def test_odd_pds_are_drawn_as_well(pd: Floats) -> None:
    y = np.repeat([0.0, 1.0], [30, 10])
    assert len({d.name for d in draw(y, pd, np.full(40, 600.0)) if d.svg()}) == 8
