"""Stage 6 of the pipeline; the work is in creditrisk.pipeline.evaluate_model."""

from creditrisk.pipeline.evaluate_model import evaluate_model
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(evaluate_model)
