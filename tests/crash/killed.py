"""Run the command and end it with SIGKILL at one instant: ``python -m tests.crash.killed N COMMAND…``.

Instants are numbered from 1: each call of the system by which `disk` changes something (before it; in a write also
after half of the bytes), and each statement by which the target database is changed (before it is sent; and when it was
sent and nobody has waited for the answer). With N = 0 nothing is killed, and the last line of stderr tells how many
there were.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from chameleondb import disk
from chameleondb.cli.app import run
from chameleondb.postgres import session

_CALLS = ("fsync", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "truncate", "fchmod", "open")


class Instants:
    """Counts, and kills at the number that was asked for."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.count = fatal, 0

    def pass_by(self, last_words: Callable[[], object] = lambda: None) -> None:
        self.count += 1
        if self.count == self.fatal:
            last_words()
            os.kill(os.getpid(), signal.SIGKILL)


class _Os:
    """The module `os` as `disk` sees it."""

    def __init__(self, instants: Instants) -> None:
        for name in _CALLS:
            setattr(self, name, self._counted(getattr(os, name), instants))
        self._instants = instants

    def write(self, handle: int, data: Any) -> int:
        self._instants.pass_by()
        self._instants.pass_by(lambda: os.write(handle, bytes(data)[: len(data) // 2]))
        return os.write(handle, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    @staticmethod
    def _counted(call: Callable[..., Any], instants: Instants) -> Callable[..., Any]:
        @functools.wraps(call)
        def counted(*arguments: Any, **words: Any) -> Any:
            is_change = call is not os.open or (len(arguments) > 1 and arguments[1] & (os.O_CREAT | os.O_WRONLY))
            if is_change:
                instants.pass_by()
            return call(*arguments, **words)

        return counted


def _count_statements(instants: Instants, database: str) -> None:
    cursor: Any = session._OneStatementCursor
    send = cursor._execute_send

    def counted(self: Any, query: Any, **words: Any) -> None:
        text = query.query.decode() if isinstance(query.query, bytes) else str(query.query)
        changes = "chameleon.append" in text or not text.lstrip().upper().startswith(("SELECT", "WITH", "SHOW"))
        if self.connection.info.dbname != database or not changes:
            send(self, query, **words)
            return
        instants.pass_by()
        send(self, query, **words)
        # Sent, as far as the socket takes it; whether the server has it is its own affair.
        instants.pass_by(self.connection.pgconn.flush)

    cursor._execute_send = counted


def main() -> int:
    instants = Instants(int(sys.argv[1]))
    setattr(disk, "os", _Os(instants))  # noqa: B010
    _count_statements(instants, os.environ["KILLED_DATABASE"])
    status = run(sys.argv[2:])
    print(instants.count, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
