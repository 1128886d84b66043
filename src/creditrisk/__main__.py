"""``python -m creditrisk``: the command line, as ``main.py`` runs it."""

import sys

from creditrisk.cli import main

if __name__ == "__main__":
    sys.exit(main())
