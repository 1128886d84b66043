"""Stage 5 of the pipeline; the work is in creditrisk.pipeline.train_model."""

from creditrisk.pipeline.stage import run
from creditrisk.pipeline.train_model import train_model

if __name__ == "__main__":
    run(train_model)
