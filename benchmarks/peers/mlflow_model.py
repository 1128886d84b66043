"""The LightGBM model for ``mlflow models serve``: run it to save the model, MLflow runs it to load the model."""

import os
import sys
from typing import Any

import lightgbm
import mlflow
import pandas as pd
from mlflow.models import set_model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema

NUMBERS = [f"n{i}" for i in range(20)]
CATEGORIES = [f"c{i}" for i in range(10)]


class Score(mlflow.pyfunc.PythonModel):
    """One probability for each row."""

    def load_context(self, context: Any) -> None:
        """Load the model."""
        self.booster = lightgbm.Booster(model_file=context.artifacts["booster"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[float]:
        """The probability alone."""
        codes = model_input[CATEGORIES].apply(lambda column: column.str[1:].astype(float))
        found: list[float] = self.booster.predict(
            pd.concat([model_input[NUMBERS], codes], axis=1).to_numpy(), num_threads=1
        ).tolist()
        return found


if __name__ == "__main__":
    inputs = [ColSpec("double", name) for name in NUMBERS] + [ColSpec("string", name) for name in CATEGORIES]
    mlflow.pyfunc.save_model(
        sys.argv[1],
        python_model=__file__,
        artifacts={"booster": os.environ["BOOSTER"]},
        signature=ModelSignature(Schema(inputs), Schema([ColSpec("double")])),
        pip_requirements=[],
    )
else:
    set_model(Score())
