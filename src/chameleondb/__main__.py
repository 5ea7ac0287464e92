"""The command `chameleon`, also ``python -m chameleondb``."""

from __future__ import annotations

import gc
import sys

from chameleondb.cli.app import run


def main() -> None:
    """Run the command line and end the process with its status."""
    # A schema is a million small objects without cycles: looking for some would take a quarter of the time.
    gc.set_threshold(1_000_000)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
