"""The whole project from one place: ``uv run main.py`` runs the lifecycle, ``--help`` shows the rest."""

import sys

from creditrisk.cli import main

if __name__ == "__main__":
    sys.exit(main())
