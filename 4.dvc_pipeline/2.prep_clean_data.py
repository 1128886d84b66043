"""Stage 2 of the pipeline; the work is in creditrisk.pipeline.prep_clean_data."""

from creditrisk.pipeline.prep_clean_data import prep_clean_data
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(prep_clean_data)
