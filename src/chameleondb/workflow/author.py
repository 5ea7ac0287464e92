"""Who makes a version: the name that history shows.

`CHAMELEON_AUTHOR`, then git's identity, then the user of the operating system. It is what somebody says of himself: the
ledger also records the role that the server knows.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

AUTHOR_CHARACTERS_MAX = 200


def author(folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return the author's name; ``unknown`` where nobody says."""
    env = os.environ if environment is None else environment
    name = env.get("CHAMELEON_AUTHOR") or _of_git(folder) or _of_system()
    # An environment holds bytes; those that are no text in UTF-8 cannot be kept in a file.
    name = name.encode("utf-8", "replace").decode("utf-8")
    return " ".join(name.split())[:AUTHOR_CHARACTERS_MAX] or "unknown"


def _of_git(folder: Path) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "-C", str(folder), "config", "user.name"],
            capture_output=True,
            check=False,
            timeout=5,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.decode("utf-8", "replace").strip()
    return ""


def _of_system() -> str:
    # A container may run as a number without a name.
    with contextlib.suppress(OSError, KeyError, ImportError):
        import getpass

        return getpass.getuser()
    return ""
