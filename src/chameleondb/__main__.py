"""The command `chameleon`, also ``python -m chameleondb``."""

from __future__ import annotations

import sys

from chameleondb.cli.app import run


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
