from pathlib import Path

import pytest

from creditrisk.errors import ContractError
from creditrisk.params import Params

FILE = Path(__file__).parents[1] / "4.dvc_pipeline" / "params.yaml"


def test_the_file_states_every_key_and_each_default() -> None:
    """Every key is written out, so that DVC can watch it, with the default that the package has."""
    params = Params.from_yaml(FILE)
    absent = [key for key in Params.model_fields if key not in params.model_fields_set]
    assert absent == []
    assert params.model_copy(update={"portfolio": "simulated", "table": Params().table}) == Params()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modl: {}", "unknown key 'modl'. Did you mean 'model'?"),
        ("model: {famly: ebm}", "model: unknown key 'famly'. Did you mean 'family'?"),
        ("model: {family: xgb}", "model.family"),
        ("model: {blend: {members: [ebm]}}", "model.blend.members"),
        ("model: {blend: {members: [ebm, blend]}}", "model.blend.members"),
        ("model: {blend: {members: [ebm, ebm]}}", "name a family twice"),
        ("model: {blend: {weights: [1.0]}}", "1 weights for the 2 members"),
        ("model: {blend: {weights: [0, 0.0]}}", "all weights are 0"),
        ("model: {blend: {weights: [-1, 2]}}", "model.blend.weights"),
        ("model: {blend: {weights: [.inf, 2]}}", "model.blend.weights"),
        ("model: {blend: {intercept: 0.5}}", "intercept 0.5 is given without weights"),
        ("model: {xgboost: {leaves: 1}}", "model.xgboost.leaves"),
        ("model: {ebm: {one_hot_up_to: 1}}", "model.ebm.one_hot_up_to"),
        ("split: {test: 1.5}", "split.test"),
        ("split: {test: 0.8, calibration: 0.3}", "leave too little"),
        ("seed: -1", "seed"),
        ("gates: {calibration_slope: [2, 1]}", "calibration_slope [2, 1] is no interval"),
        ("gates: {calibration_in_the_large: -0.1}", "gates.calibration_in_the_large"),
        ("gates: {margin_brier: -0.001}", "gates.margin_brier"),
        ("gates: {margin_latency_ratio: 0}", "gates.margin_latency_ratio"),
    ],
)
def test_wrong_params_are_said(text: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        Params.from_text(text, "params.yaml")
    assert said in str(caught.value)
    assert "params.yaml" in str(caught.value)


def test_an_absent_file_is_brought_back_by_git_and_no_other_file_is_offered(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(ContractError, match=r"params\.yaml: no such file; in its folder, git checkout params\.yaml"):
        Params.from_yaml(tmp_path / "params.yaml")
