"""The ledger: an append-only, hash-chained table in the database, written in the transactions that do the work.

`tables` is its SQL, `creation` makes it, `bodies` is what its rows say, `reading` and `writing` use it, `protection`
tells who could change it behind our back.
"""

from __future__ import annotations

from chameleondb.postgres.ledger.bodies import DatabaseIdentity, Registered, Renaming, Run, Version, anchor
from chameleondb.postgres.ledger.creation import NotOurs, require_place
from chameleondb.postgres.ledger.protection import protection
from chameleondb.postgres.ledger.reading import (
    Head,
    Row,
    check_bodies,
    check_rows,
    malformed,
    read_body,
    read_head,
    read_identity,
    read_keys,
    read_modes,
    read_rows,
    read_unverified,
    read_version,
)
from chameleondb.postgres.ledger.tables import FIRST_PREV
from chameleondb.postgres.ledger.writing import RUN_LOCK_KEY, Ledger, Position, ensure_ours, record, unreadable

__all__ = [
    "FIRST_PREV",
    "RUN_LOCK_KEY",
    "DatabaseIdentity",
    "Head",
    "Ledger",
    "NotOurs",
    "Position",
    "Registered",
    "Renaming",
    "Row",
    "Run",
    "Version",
    "anchor",
    "check_bodies",
    "check_rows",
    "ensure_ours",
    "malformed",
    "protection",
    "read_body",
    "read_head",
    "read_identity",
    "read_keys",
    "read_modes",
    "read_rows",
    "read_unverified",
    "read_version",
    "record",
    "require_place",
    "unreadable",
]
