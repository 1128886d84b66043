"""Stage 4 of the pipeline; the work is in creditrisk.pipeline.split_data."""

from creditrisk.pipeline.split_data import split_data
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(split_data)
