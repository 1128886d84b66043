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
        ("split: {test: 1.5}", "split.test"),
        ("split: {test: 0.8, calibration: 0.3}", "leave too little"),
        ("seed: -1", "seed"),
    ],
)
def test_wrong_params_are_said(text: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        Params.from_text(text, "params.yaml")
    assert said in str(caught.value)
    assert "params.yaml" in str(caught.value)
