"""The command `chameleon`, also ``python -m chameleondb``."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its status."""
    # A schema is a million small objects without cycles: looking for some would take a quarter of the time, and
    # of the imports a part.
    gc.set_threshold(1_000_000)
    from chameleondb.cli.app import run

    status = run(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    # Everything is closed and flushed; to free every object and module one by one would take a while, for nothing.
    os._exit(status)


if __name__ == "__main__":
    main()
