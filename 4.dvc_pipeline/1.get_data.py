"""Stage 1 of the pipeline; the work is in creditrisk.pipeline.get_data."""

from creditrisk.pipeline.get_data import get_data
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(get_data)
