"""BentoML's service of the LightGBM model."""

import os
from typing import Any

import bentoml
import lightgbm
from features import vector


@bentoml.service(workers=1)
class Score:
    """One endpoint."""

    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["BOOSTER"])

    @bentoml.api(route="/v1/score")
    def score(self, application: dict[str, Any]) -> dict[str, float]:
        """The probability alone."""
        return {"pd": float(self.booster.predict([vector(application)], num_threads=1)[0])}
