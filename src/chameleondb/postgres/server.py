"""What only the server knows: the time that it has, and whether a role stands in for the database's owner."""

from __future__ import annotations

from datetime import datetime

from chameleondb.frozen import frozen
from chameleondb.postgres.session import Connection, translated


@frozen(kw_only=True)
class Ownership:
    """Who owns the database, who is connected, and whether the one may act as the other."""

    owner: str
    role: str
    is_owner: bool


def read_time(connection: Connection) -> datetime:
    """Return the server's time. Raises: DatabaseError."""
    with translated():
        row = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert row is not None
    time: datetime = row[0]
    return time


def read_ownership(connection: Connection) -> Ownership:
    """Return who owns the database; a superuser counts as its owner. Raises: DatabaseError."""
    with translated():
        row = connection.execute(
            "SELECT pg_catalog.pg_get_userbyid(d.datdba)::text, current_user::text,"
            " pg_catalog.pg_has_role(d.datdba, 'USAGE')"
            " FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()"
        ).fetchone()
    assert row is not None
    return Ownership(owner=row[0], role=row[1], is_owner=row[2])
