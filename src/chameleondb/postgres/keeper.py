"""The keeper: a process that stops an embedded server when its last user has left, however that user ended.

Started by `embedded.running` as ``python -m chameleondb.postgres.keeper HOME LOCK [temporary]``; LOCK is the inherited
descriptor of `keeper.lock`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from chameleondb import disk
from chameleondb.postgres.embedded import halt, remove_socket_directory


def main(home: Path, keeper_lock: int, *, is_temporary: bool) -> None:
    """Wait for the end of all users, then stop the server unless it is to be kept."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    users_lock = disk.open_lock(home / "users.lock", wait=True)
    if not (home / "kept").exists():
        halt(home, at_once=is_temporary)
        remove_socket_directory(home)
    if is_temporary:
        disk.remove_tree(home)
    # In this order: who gets `users.lock` next must find that there is no keeper.
    os.close(keeper_lock)
    if users_lock is not None:
        os.close(users_lock)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), is_temporary=sys.argv[3:] == ["temporary"])
