"""Statements of a user's own, run in the transaction that records them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chameleondb.errors import DatabaseError, NotSupported
from chameleondb.frozen import frozen
from chameleondb.postgres.ledger import Head, Position, Registered, record
from chameleondb.postgres.session import Connection, translated

_ACTIVE_TRANSACTION = "25001"
_TERMINATION = "2D000"  # COMMIT in a procedure


@frozen(kw_only=True)
class Result:
    """What a statement gave: its command tag, e.g. ``UPDATE 3``, and rows as the server prints them if it has any."""

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


def run_recorded(
    connection: Connection, statements: Sequence[str], head: Head, body: Mapping[str, Any], registered: Registered
) -> tuple[Position, tuple[Result, ...]]:
    """Run all statements or none, together with one ledger row after `head`; return the row and the results.

    The row comes first, so that no setting of a statement has a say in it. Raises: NotSupported CHM4015 for what cannot
    be in a transaction; DatabaseError; as `ledger.record`.
    """
    with translated(), connection.transaction():
        position = record(connection, head, body, registered)
        return position, tuple([_run(connection, sql) for sql in statements])


def _run(connection: Connection, sql: str) -> Result:
    try:
        with translated(sql):
            cursor = connection.execute(sql.encode())
    except DatabaseError as error:
        if error.sqlstate not in (_ACTIVE_TRANSACTION, _TERMINATION):
            raise
        raise NotSupported(
            "CHM4015",
            f"this cannot share a transaction with its record: {error.message}",
            hint="run it with psql, and write down that you did",
            sqlstate=error.sqlstate,
            statement=sql,
        ) from None
    found = cursor.pgresult
    assert found is not None
    tag = (found.command_status or b"").decode()
    if cursor.description is None:
        return Result(tag=tag)
    width = range(found.nfields)
    return Result(
        tag=tag,
        columns=tuple((found.fname(i) or b"").decode() for i in width),
        rows=tuple(tuple(_text(found.get_value(n, i)) for i in width) for n in range(found.ntuples)),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()
