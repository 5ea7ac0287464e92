"""What is remembered of a moment when nothing was to do: as long as neither side changes, nothing is.

The database's side is a moment: its catalogs and its ledger as they are now. Both are looked at before anything else is
read, so what is remembered can be older than the moment it is remembered for, never newer.
"""

from __future__ import annotations

from chameleondb.canonical import plain, restore, sha256
from chameleondb.model.schema import Unmodelled
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.postgres.fingerprint import read_fingerprint
from chameleondb.postgres.ledger import Head
from chameleondb.postgres.session import Connection
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.source import Files

_NAME = "settled"


def read_moment(connection: Connection, head: Head) -> str | None:
    """Return what stands for the database as it is; None where it cannot be told from how it will be."""
    fingerprint = read_fingerprint(connection)
    return sha256(f"{head.hash} {head.readable}\n{fingerprint}") if fingerprint else None


def settle(cache: Cache, files: Files, moment: str, plan: Plan) -> None:
    """Remember that there was nothing to do."""
    data = {
        "files": files.key,
        "moment": moment,
        "unmanaged": plain(plan.unmanaged),
        "unmodelled": plain(plan.unmodelled),
        "notes": list(plan.notes),
    }
    cache.save(_NAME, data)


def recall(cache: Cache, files: Files, moment: str) -> Plan | None:
    """Return the plan that does nothing, if there was nothing to do for these very files at this very moment."""
    saved = cache.load(_NAME)
    if saved.get("files") != files.key or saved.get("moment") != moment:
        return None
    return Plan(
        unmanaged=tuple(restore(Identity, i) for i in saved["unmanaged"]),
        unmodelled=tuple(restore(Unmodelled, u) for u in saved["unmodelled"]),
        notes=tuple(saved["notes"]),
    )
