"""What one database says of itself: its ledger, and which database it is."""

from __future__ import annotations

from chameleondb.frozen import frozen
from chameleondb.postgres.ledger import DatabaseIdentity, Head, Row, read_head, read_identity, read_rows
from chameleondb.postgres.session import Connection


@frozen(kw_only=True)
class Ledgered:
    """A ledger that could be read; without a row where a database has none yet."""

    head: Head
    rows: tuple[Row, ...]
    identity: DatabaseIdentity


def read_ledger(connection: Connection) -> Ledgered | None:
    """Return what a database says of itself; None if the role may not read it. Raises: DatabaseError."""
    head = read_head(connection)
    if not head.readable:
        return None
    rows = read_rows(connection) if head.exists else ()
    return Ledgered(head=head, rows=rows, identity=read_identity(connection))
