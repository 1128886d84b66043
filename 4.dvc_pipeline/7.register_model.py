"""Stage 7 of the pipeline; the work is in creditrisk.pipeline.register_model."""

from creditrisk.pipeline.register_model import register_model
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(register_model)
