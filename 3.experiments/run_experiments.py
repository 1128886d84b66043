"""Search the families of the current portfolio with Optuna, tracked in MLflow; the same as main.py experiment."""

import sys

from creditrisk.cli import main

if __name__ == "__main__":
    sys.exit(main(["experiment", *sys.argv[1:]]))
