"""What sessions are doing, in words: for whoever waits for them, and for whoever waits for us.

Source: the manual, "Monitoring Database Activity": pg_stat_activity, pg_stat_progress_create_index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from chameleondb.errors import ChameleonError
from chameleondb.frozen import frozen
from chameleondb.postgres.session import Connection, connect, translated
from chameleondb.postgres.url import Target
from chameleondb.steps import LockMode

_PROCESS: LiteralString = (
    "a.pid, a.usesysid IS NOT NULL, a.usename::text, a.backend_type, a.application_name, a.state,"
    " pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text,"
    " coalesce(a.query LIKE '%%(to prevent wraparound)', false)"
)
_HERE: LiteralString = (
    "l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())"
)
_AUTOVACUUM = "autovacuum worker"

# What the server needs beyond deadlock_timeout to end an autovacuum for whoever waits for it.
_MARGIN_S = 0.5


@frozen()
class Blockers:
    """Who holds locks: the oldest in words, and after how long a wait the server ends them, in seconds, if it does."""

    who: str
    yields_after_s: float | None


def lock_holders(connection: Connection, wanted: Sequence[tuple[str, LockMode]]) -> Blockers | None:
    """Return who holds locks on relations, by their quoted names, on which others are wanted; who is in the way first.

    Raises: DatabaseError.
    """
    names = [name for name, _ in wanted]
    modes = [" ".join(_spelled(m) for m in mode.conflicts) for _, mode in wanted]
    with translated():
        rows = connection.execute(
            f"SELECT held.is_in_the_way, {_PROCESS} FROM pg_catalog.pg_stat_activity AS a JOIN"
            " (SELECT l.pid, pg_catalog.bool_or(l.mode = ANY (pg_catalog.string_to_array(w.modes, ' ')))"
            " AS is_in_the_way FROM pg_catalog.pg_locks AS l"
            # A name from the middle of a plan may be unknown again, since the transaction was rolled back.
            " JOIN ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS w (name, modes)"
            " ON l.relation = pg_catalog.to_regclass(w.name)"
            # A copy of a database has tables of the same numbers.
            f" WHERE l.granted AND {_HERE} GROUP BY l.pid) AS held ON held.pid = a.pid"
            " WHERE a.pid <> pg_catalog.pg_backend_pid() ORDER BY held.is_in_the_way DESC, a.xact_start",
            [names, modes],
        ).fetchall()
    if not rows:
        return None
    in_the_way = [_Process(*row[1:]) for row in rows if row[0]]
    can_be_ended = bool(in_the_way) and all(p.is_autovacuum and not p.is_for_wraparound for p in in_the_way)
    return Blockers(str(_Process(*rows[0][1:])), _deadlock_timeout(connection) + _MARGIN_S if can_be_ended else None)


def who_keeps_from_reading(connection: Connection) -> str | None:
    """Return who has locked a table of the database so that nobody may even read it. Raises: DatabaseError."""
    return _first_process(
        connection,
        "a.pid <> pg_catalog.pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks AS l"
        f" WHERE l.granted AND l.mode = %s AND l.relation >= 16384 AND {_HERE})",
        _spelled(LockMode.ACCESS_EXCLUSIVE),
    )


def _spelled(mode: LockMode) -> str:
    """Return a mode as pg_locks has it."""
    return f"{mode.label.title().replace(' ', '')}Lock"


def _deadlock_timeout(connection: Connection) -> float:
    row = _row(connection, "SELECT extract(epoch FROM pg_catalog.current_setting(%s)::interval)", "deadlock_timeout")
    assert row is not None
    return float(row[0])


class _Process(NamedTuple):
    """A process of the server. To a role that may not know, it tells neither kind nor state nor times."""

    pid: int
    has_user: bool
    user: str | None
    kind: str | None
    application: str | None
    state: str | None
    age: str | None
    is_for_wraparound: bool

    @property
    def is_autovacuum(self) -> bool:
        # Of the processes that belong to no role, no other locks tables.
        return not self.has_user and self.kind in (_AUTOVACUUM, None)

    def __str__(self) -> str:
        kind = self.kind or _AUTOVACUUM
        who = f", {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        what = "to prevent wraparound" if self.is_for_wraparound else ""
        if self.has_user:
            who, what = f" of {self.user or 'a role that is gone'}", self.application or "no application name"
        told = ", ".join(filter(None, (what, self.state, f"for {self.age}" if self.age else None)))
        return f"process {self.pid}{who}" + (f" ({told})" if told else "")


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
    return None if row is None else str(_Process(*row))


def _row(connection: Connection, query: LiteralString, value: object) -> tuple[Any, ...] | None:
    with translated():
        return connection.execute(query, [value]).fetchone()
