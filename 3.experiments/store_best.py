"""Write the chosen family and its parameters to params.yaml; the same as main.py store-best."""

import sys

from creditrisk.cli import main

if __name__ == "__main__":
    sys.exit(main(["store-best", *sys.argv[1:]]))
