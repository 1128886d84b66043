"""Stage 3 of the pipeline; the work is in creditrisk.pipeline.fe."""

from creditrisk.pipeline.fe import fe
from creditrisk.pipeline.stage import run

if __name__ == "__main__":
    run(fe)
