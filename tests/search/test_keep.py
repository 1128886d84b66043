"""The choice written to params.yaml: every comment stays, and a file that would be wrong is not written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT

from creditrisk.errors import ContractError
from creditrisk.params import Params
from creditrisk.search.keep import keep

COMMITTED = (ROOT / "4.dvc_pipeline" / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED, encoding="utf-8")
    return path


def comments(text: str) -> list[str]:
    return [re.sub(r"; kept from .*", "", found) for found in re.findall(r"#.*", text)]


def test_only_what_is_kept_changes(path: Path) -> None:
    assert keep(path, "ebm", {"ebm": {"bags": 8, "rounds": 900}}, "run abc, AUC 0.7012 ± 0.0034 in 3 folds")
    after = path.read_text(encoding="utf-8")
    params = Params.from_yaml(path)
    assert (params.model.family, params.model.ebm.bags, params.model.ebm.rounds) == ("ebm", 8, 900)
    before = Params.from_text(COMMITTED, "committed")
    changed = {"family": "ebm", "ebm": params.model.ebm}
    assert params == before.model_copy(update={"model": before.model.model_copy(update=changed)})
    assert comments(after) == comments(COMMITTED)
    lines = [(a, b) for a, b in zip(COMMITTED.splitlines(), after.splitlines(), strict=True) if a != b]
    assert [new.split(":")[0].strip() for _, new in lines] == ["family", "ebm"]
    assert lines[0][1].endswith("; kept from run abc, AUC 0.7012 ± 0.0034 in 3 folds")


def test_a_second_choice_takes_the_place_of_the_first(path: Path) -> None:
    keep(path, "ebm", {"ebm": {"bags": 8}}, "run abc")
    keep(path, "catboost", {"catboost": {"rounds": 300}}, "run xyz")
    text = path.read_text(encoding="utf-8")
    assert text.count("kept from") == 1
    assert "kept from run xyz" in text
    assert Params.from_yaml(path).model.ebm.bags == 8


def test_the_same_choice_changes_nothing(path: Path) -> None:
    assert keep(path, "ebm", {"ebm": {"bags": 8}}, "run abc")
    before = path.read_bytes()
    assert not keep(path, "ebm", {"ebm": {"bags": 8}}, "run abc")
    assert path.read_bytes() == before


def test_a_blend_is_kept_with_its_members(path: Path) -> None:
    blend = {"members": ["ebm", "catboost"], "weights": [0.4, 0.6], "intercept": 0.01}
    keep(path, "blend", {"ebm": {"bags": 8}, "catboost": {"depth": 4}, "blend": blend}, "run abc")
    model = Params.from_yaml(path).model
    assert (model.family, model.blend.weights, model.catboost.depth) == ("blend", (0.4, 0.6), 4)
    assert "members: [ebm, catboost]" in path.read_text(encoding="utf-8")
    assert comments(path.read_text(encoding="utf-8")) == comments(COMMITTED)


def test_a_choice_that_params_refuse_leaves_the_file(path: Path) -> None:
    with pytest.raises(ContractError, match=r"model\.ebm\.bags.*left as it was"):
        keep(path, "ebm", {"ebm": {"bags": 0}}, "run abc")
    assert path.read_text(encoding="utf-8") == COMMITTED


def test_a_params_file_in_another_form_is_kept_in_it(path: Path) -> None:
    path.write_text("model:\n  # which one\n  family: auto\n\nseed: 3   # of everything\n", encoding="utf-8")
    keep(path, "ebm", {"ebm": {"bags": 8}}, "run abc")
    text = path.read_text(encoding="utf-8")
    assert "  # which one\n  family: ebm" in text
    assert "\n\nseed: 3   # of everything" in text.replace("  ebm:\n    bags: 8\n", "")
    assert Params.from_yaml(path).seed == 3
