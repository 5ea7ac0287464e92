"""What sessions are doing, in words: for whoever waits for them, and for whoever waits for us.

Source: the manual, "Monitoring Database Activity": pg_stat_activity, pg_stat_progress_create_index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, LiteralString

from chameleondb.errors import ChameleonError
from chameleondb.postgres.session import Connection, connect, translated
from chameleondb.postgres.url import Target

_PROCESS: LiteralString = (
    "a.pid, a.usename::text, a.application_name, a.state,"
    " pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text"
)


def lock_holder(connection: Connection, relations: Sequence[str]) -> str | None:
    """Describe the session with the oldest transaction that holds a lock on a relation, by their quoted names.

    Raises: DatabaseError.
    """
    return _first_process(
        connection,
        "a.pid <> pg_catalog.pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks AS l"
        " WHERE l.granted AND l.relation IN"
        # A name from the middle of a plan may be unknown again, since the transaction was rolled back.
        " (SELECT pg_catalog.to_regclass(name) FROM pg_catalog.unnest(%s::text[]) AS name))",
        list(relations),
    )


class Onlooker:
    """Looks at a session through a connection of its own, made when it first looks.

    Looking is a courtesy: whatever goes wrong with it, nothing is seen, and nobody is disturbed.
    """

    def __init__(self, target: Target, session: Connection) -> None:
        self.target, self.pid = target, session.info.backend_pid
        self._connection: Connection | None = None

    def __call__(self) -> str | None:
        """Return whom the session waits for, and how far its statement has come; None if the server does not know."""
        try:
            if self._connection is None:
                self._connection = connect(self.target, purpose="progress", read_only=True)
            seen = (_build(self._connection, self.pid), _held_up(self._connection, self.pid))
        except ChameleonError:
            return None
        return ", ".join(filter(None, seen)) or None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(ChameleonError), translated():
                self._connection.close()


def _build(connection: Connection, pid: int) -> str | None:
    """Return how far a session is with an index."""
    row = _row(
        connection,
        "SELECT p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total"
        " FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.pid = %s",
        pid,
    )
    if row is None:
        return None
    phase, blocks, all_blocks, tuples, all_tuples = row
    # The counts of a phase are left standing in those after it that do not count.
    if "sorting" in phase or "waiting" in phase:
        return str(phase)
    done, total = (tuples, all_tuples) if "loading" in phase else (blocks, all_blocks)
    return f"{phase}, {100 * done // total} %" if total else str(phase)


def _held_up(connection: Connection, pid: int) -> str | None:
    who = _first_process(connection, "a.pid = ANY(pg_catalog.pg_blocking_pids(%s))", pid)
    return f"held up by {who}" if who else None


def _first_process(connection: Connection, condition: LiteralString, value: object) -> str | None:
    query: LiteralString = (
        f"SELECT {_PROCESS} FROM pg_catalog.pg_stat_activity AS a WHERE {condition} ORDER BY a.xact_start LIMIT 1"
    )
    row = _row(connection, query, value)
    if row is None:
        return None
    pid, user, application, state, age = row
    # To a role that may not know, the server tells neither state nor times.
    told = (application or "no application name", state, f"for {age}" if age else None)
    return f"process {pid} of {user} ({', '.join(filter(None, told))})"


def _row(connection: Connection, query: LiteralString, value: object) -> tuple[Any, ...] | None:
    with translated():
        return connection.execute(query, [value]).fetchone()
