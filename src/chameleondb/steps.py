"""What a plan is made of: a step is one statement and every fact that ordering, review and execution need about it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import replace

from chameleondb.frozen import frozen
from chameleondb.names import Identity


class LockMode(enum.IntEnum):
    """Table-level lock modes, weakest first (manual, 13.3.1)."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def label(self) -> str:
        """PostgreSQL's own spelling, e.g. ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    @property
    def conflicts(self) -> tuple[LockMode, ...]:
        """The modes in which nobody else can hold a lock at the same time (manual, table 13.2)."""
        others = (m for m in LockMode if m >= _CONFLICTS_FROM[self])
        return tuple(m for m in others if not (self is m is LockMode.SHARE))  # which does not conflict with itself


_CONFLICTS_FROM = {
    LockMode.ACCESS_SHARE: LockMode.ACCESS_EXCLUSIVE,
    LockMode.ROW_SHARE: LockMode.EXCLUSIVE,
    LockMode.ROW_EXCLUSIVE: LockMode.SHARE,
    LockMode.SHARE_UPDATE_EXCLUSIVE: LockMode.SHARE_UPDATE_EXCLUSIVE,
    LockMode.SHARE: LockMode.ROW_EXCLUSIVE,
    LockMode.SHARE_ROW_EXCLUSIVE: LockMode.ROW_EXCLUSIVE,
    LockMode.EXCLUSIVE: LockMode.ROW_SHARE,
    LockMode.ACCESS_EXCLUSIVE: LockMode.ACCESS_SHARE,
}


@frozen()
class Lock:
    """A lock that a step takes on a relation that exists before the plan."""

    relation: Identity
    mode: LockMode


class Effort(enum.Enum):
    """What a step costs on the tables it locks."""

    CATALOG = "catalog only"
    SCAN = "scans the table"
    BUILD = "builds an index"
    REWRITE = "rewrites the table"


class Transaction(enum.Enum):
    """Where a step may run."""

    INSIDE = "inside"  # together with its neighbours
    OWN = "own"  # must be committed before what follows may use it or wait on it
    OUTSIDE = "outside"  # PostgreSQL refuses it inside a transaction block


class HazardName(enum.StrEnum):
    """The named hazards. A destructive one needs consent that names the object."""

    DROPS_DATA = "drops-data"
    DROPS_UNMANAGED = "drops-unmanaged"
    DROPS_OBJECT = "drops-object"
    REWRITES_TABLE = "rewrites-table"
    BLOCKS_WRITES = "blocks-writes"
    BLOCKS_READS = "blocks-reads"
    MAY_FAIL_ON_DATA = "may-fail-on-data"
    BREAKS_CODE = "breaks-code"
    FIRES_TRIGGERS = "fires-triggers"
    CHANGES_PRIVILEGES = "changes-privileges"
    NOT_REVERSIBLE = "not-reversible"

    @property
    def destructive(self) -> bool:
        """Whether a step with this hazard is refused without consent."""
        return self in _DESTRUCTIVE


_DESTRUCTIVE = {
    HazardName.DROPS_DATA,
    HazardName.DROPS_UNMANAGED,
    HazardName.CHANGES_PRIVILEGES,
    HazardName.FIRES_TRIGGERS,  # nobody but their author knows what they do to the rows
}


@frozen()
class Hazard:
    """One danger of one step: its name, the object it concerns and a sentence with the figures."""

    name: HazardName
    object: Identity
    detail: str

    @property
    def key(self) -> str:
        """The consent that allows it: ``drops-data:users.age``."""
        return f"{self.name}:{self.object}"


@frozen(kw_only=True)
class Step:
    """One SQL statement without its semicolon.

    `creates`, `drops`, `needs`, `awaits` and `frees` order the plan. If it goes, what is awaited goes before the step,
    and what its object is freed from after: it would take that along. `rebuilds` is what it ends the old form of while
    the new one has its name already, `retypes` the columns with which PostgreSQL makes anew what is built on them;
    `locks` name relations of the source only, since nobody waits for a table that is new. `seconds` is how long it
    takes on them, to an order of magnitude.
    """

    sql: str
    creates: tuple[Identity, ...] = ()
    drops: tuple[Identity, ...] = ()
    needs: tuple[Identity, ...] = ()
    awaits: tuple[Identity, ...] = ()
    frees: tuple[Identity, ...] = ()
    rebuilds: tuple[Identity, ...] = ()
    retypes: tuple[Identity, ...] = ()
    locks: tuple[Lock, ...] = ()
    effort: Effort = Effort.CATALOG
    seconds: float = 0.0
    transaction: Transaction = Transaction.INSIDE
    hazards: tuple[Hazard, ...] = ()
    # What refers to its object does not notice, and neither waits for it nor goes before.
    unseen: bool = False
    # What refers to its object waits for it, but may stay until then.
    spares: bool = False
    # The table that its object comes to belong to: PostgreSQL wants one owner for both.
    belongs_to: Identity | None = None
    # The table whose rows it changes, some pages at a time: it ends with a WHERE clause that leaves out what is done.
    batched: Identity | None = None
    # Needed no consent only because this table has no rows: to be made sure of, under lock, before the step runs.
    requires_empty: Identity | None = None

    def with_hazards(self, hazards: Iterable[Hazard]) -> Step:
        """Return the step with more hazards."""
        return replace(self, hazards=(*self.hazards, *hazards))
