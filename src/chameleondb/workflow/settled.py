"""What is remembered of a moment when nothing was to do: as long as neither side changes, nothing is.

The database's side is a moment: its catalogs and its ledger as they are now. Both are looked at before anything else is
read, so what is remembered can be older than the moment it is remembered for, never newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chameleondb.canonical import plain, restore, sha256
from chameleondb.frozen import frozen
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Unmodelled
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.postgres.fingerprint import read_fingerprint
from chameleondb.postgres.ledger import Head
from chameleondb.postgres.session import Connection
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.elaboration import Elaboration, Known, plain_units, restored_units
from chameleondb.workflow.source import Files

_NAME = "settled"


@frozen()
class Settled:
    """A moment when nothing was to do."""

    _saved: Mapping[str, Any]

    @property
    def files(self) -> str:
        """The key of the files that the database agreed with."""
        return str(self._saved["files"])

    @property
    def plan(self) -> Plan:
        """The plan, without a step."""
        return Plan(
            unmanaged=tuple(restore(Identity, i) for i in self._saved["unmanaged"]),
            unmodelled=tuple(restore(Unmodelled, u) for u in self._saved["unmodelled"]),
            notes=tuple(self._saved["notes"]),
        )

    @property
    def has_blocks(self) -> bool:
        """Whether sql blocks made some of what the files declared: no unit tells what."""
        return bool(self._saved.get("blocks", True))

    @property
    def units(self) -> Mapping[Identity, Known]:
        """What the files declared, by unit."""
        return restored_units(self._saved["units"])

    @property
    def hints(self) -> Mapping[Identity, Hint]:
        """The hints that the files gave."""
        return {restore(Identity, i): restore(Hint, hint) for i, hint in self._saved["hints"]}


def read_moment(connection: Connection, head: Head) -> str | None:
    """Return what stands for the database as it is; None where it cannot be told from how it will be."""
    fingerprint = read_fingerprint(connection)
    return sha256(f"{head.hash} {head.readable}\n{fingerprint}") if fingerprint else None


def settle(cache: Cache, files: Files, moment: str, plan: Plan, found: Elaboration, *, has_blocks: bool) -> None:
    """Remember that there was nothing to do."""
    data = {
        "files": files.key,
        "moment": moment,
        "unmanaged": plain(plan.unmanaged),
        "unmodelled": plain(plan.unmodelled),
        "notes": list(plan.notes),
        "blocks": has_blocks,
        "units": plain_units(found.units),
        "hints": [[plain(i), plain(hint)] for i, hint in found.hints.items()],
    }
    cache.save(_NAME, data)


def recall(cache: Cache, moment: str) -> Settled | None:
    """Return what is remembered, if the database is as it was."""
    saved = cache.load(_NAME)
    return Settled(saved) if saved.get("moment") == moment else None
