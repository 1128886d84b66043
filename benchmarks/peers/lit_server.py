"""LitServe's server of the LightGBM model."""

import os
import sys
from typing import Any

import lightgbm
import litserve
from features import vector


class Score(litserve.LitAPI):
    """One endpoint."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.booster = lightgbm.Booster(model_file=os.environ["BOOSTER"])

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        """The thirty numbers."""
        return vector(request["application"])

    def predict(self, x: list[float]) -> float:
        """The probability."""
        return float(self.booster.predict([x], num_threads=1)[0])

    def encode_response(self, output: float) -> dict[str, float]:
        """The probability alone."""
        return {"pd": output}


if __name__ == "__main__":
    server = litserve.LitServer(Score(api_path="/v1/score"), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning")
