"""Writing the ledger: the rows of a run, in the transactions that do its work, and single rows in their own."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chameleondb.canonical import sha256
from chameleondb.errors import ChameleonError, DatabaseError, NotSupported, StalePlan
from chameleondb.names import quote
from chameleondb.postgres.ledger.bodies import NONE, Registered, Run, Writer, anchor, encode, initial
from chameleondb.postgres.ledger.creation import create, not_ours
from chameleondb.postgres.ledger.protection import replaced_functions
from chameleondb.postgres.ledger.reading import Head, read_identity
from chameleondb.postgres.ledger.tables import FIRST_PREV, reader_grants, writer_grants
from chameleondb.postgres.session import Connection, translated

RUN_LOCK_KEY = 0x6368616D656C656F
"""The advisory lock of whoever applies, the same in every database; advisory locks are local to a database."""

_LOCK_TIMEOUT = "10s"


class Position(NamedTuple):
    """A row's number and hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class Ledger:
    """Records one run. It implements the executor's Book; every entry is written in the open transaction.

    `position` is that of the last row; after `applied`, the row that a receipt names.
    """

    def __init__(self, connection: Connection, head: Head, run: Run, registered: Registered | None = None) -> None:
        self.connection, self.start = connection, head
        parent = head.version_id or NONE
        if registered is None:
            # The same schema may come twice; its version is another one each time, since its parent is.
            version_id = sha256(f"chameleon.version/1\n{parent}\n{run.schema_hash}")
            registered = Registered(label=f"v{head.version + 1:03}", version_id=version_id)
        self.registered = registered
        self.writer = Writer(run=run, run_id=str(uuid.uuid4()), registered=registered, parent_id=parent)
        self.position = self._kept = Position(head.seq, head.hash)

    def begun(self) -> None:
        """Create the ledger if this is its first entry, then record the run.

        Raises: NotSupported CHM4011 to CHM4014 where the role or the schema chameleon does not let us.
        """
        if not self.start.readable:
            raise unreadable(self.connection)
        if self.start.exists:
            ensure_ours(self.connection)
        else:
            create(self.connection)
            self._append(initial(self.registered))
        resumes = self.start.open_run if self.start.open_version_id == self.registered.version_id else None
        self._append(self.writer.begin(read_identity(self.connection), resumes))

    def started(self, number: int, statement: str) -> None:
        """Record that the plan's step `number`, which cannot be in a transaction, is about to run."""
        self._append(self.writer.start(number, statement))

    def done(self, number: int, statements: Sequence[str]) -> None:
        """Record the steps of a group by the hashes of their statements."""
        self._append(self.writer.step(number, statements))

    def applied(self) -> None:
        """Record the version with what it holds."""
        self._append(self.writer.end())

    def failed(self, number: int | None, error: ChameleonError) -> None:
        """Record why the run stopped, if there is a ledger to record it in; nothing of the data is kept."""
        if self._kept.hash == FIRST_PREV:
            return
        sqlstate = error.sqlstate if isinstance(error, DatabaseError) else None
        self._append(self.writer.failed(number, error.code, sqlstate, without_data(error.message, sqlstate)))

    def kept(self) -> None:
        """The open transaction was committed: its entries are there."""
        self._kept = self.position

    def undone(self) -> None:
        """The open transaction was rolled back: its entries are gone."""
        self.position = self._kept

    def _append(self, body: Mapping[str, Any]) -> None:
        self.position = _append(self.connection, self.position, body)


def record(
    connection: Connection, head: Head, body: Mapping[str, Any], registered: Registered | None = None
) -> Position:
    """Add one row after `head`, in a transaction of its own, and return where it is; makes the ledger if there is none.

    `registered` is the version that the row is anchored at. Raises: StalePlan CHM1012 if `head` is not the head any
    more; NotSupported as `Ledger.begun`; LockNotAcquired; DatabaseError.
    """
    if not head.readable:
        raise unreadable(connection)
    position = Position(head.seq, head.hash)
    with translated(), connection.transaction():
        connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        if head.exists:
            ensure_ours(connection)
        else:
            create(connection)
            position = _append(connection, position, initial(registered))
        return _append(connection, position, {**body, **anchor(registered)})


# What is reported as recorded must survive a crash of the server, whatever the role's settings are.
_APPEND = """
SELECT chameleon.append(%s::text, %s::text),
    CASE WHEN pg_catalog.current_setting('synchronous_commit') = 'off'
    THEN pg_catalog.set_config('synchronous_commit', 'on', true) END"""


def _append(connection: Connection, head: Position, body: Mapping[str, Any]) -> Position:
    try:
        with translated():
            row = connection.execute(_APPEND, [head.hash, encode(body)]).fetchone()
    except NotSupported as error:
        error.hint = "; ".join(writer_grants(_role(connection)))
        raise
    except DatabaseError as error:
        if error.sqlstate == _UNIQUE_VIOLATION and "ledger_one_child" in error.message:
            raise _second_child() from None
        if error.sqlstate in (_UNIQUE_VIOLATION, _SERIALIZATION_FAILURE):
            raise _moved_on() from None
        raise
    assert row is not None
    return Position(head.seq + 1, row[0])


_SERIALIZATION_FAILURE = "40001"
_UNIQUE_VIOLATION = "23505"


def _moved_on() -> StalePlan:
    return StalePlan(
        "CHM1012",
        "the ledger has moved on: somebody else has recorded something meanwhile",
        hint="run it again: it starts from where the database is now",
    )


def _second_child() -> StalePlan:
    return StalePlan(
        "CHM1013",
        "this database has another version already that follows the same one: two branches registered one each",
        hint="git pull, then `chameleon vault rebase`, then `chameleon migrate --apply`",
    )


def ensure_ours(connection: Connection) -> None:
    """Make sure that the function that is going to be called is the one that we made: it could do anything, as us.

    Raises: NotSupported CHM4014.
    """
    replaced = replaced_functions(connection)
    if replaced:
        error = not_ours(f"the function chameleon.{replaced[0]}")
        error.hint = "find out who replaced it and why; then restore it from a backup of the database"
        raise error


def unreadable(connection: Connection) -> NotSupported:
    """Return the error for a ledger that the role may not read, with the statements that let it."""
    return NotSupported(
        "CHM4013",
        "the role may not read the ledger of this database",
        hint="; ".join(reader_grants(_role(connection))),
    )


def _role(connection: Connection) -> str:
    return quote(connection.info.user)


def without_data(message: str, sqlstate: str | None) -> str:
    """Return the server's message as far as it is about names: some quote a value, and functions say what they like."""
    if sqlstate is None:
        return message
    if sqlstate.startswith("22"):
        return re.sub('".*"', '"…"', message, flags=re.DOTALL)
    return message if sqlstate[:2] in _ABOUT_NAMES else ""


# Classes of errors whose message is the server's own and names objects, not values (manual, appendix A).
_ABOUT_NAMES = frozenset("08 0A 0B 23 25 26 28 2B 3D 3F 40 42 44 53 54 55 57 58 XX".split())  # noqa: SIM905
