"""What the planner knows about the data: never the rows themselves, only how many and how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from chameleondb.frozen import frozen
from chameleondb.names import Identity

SMALL_TABLE_BYTES_DEFAULT = 8 * 1024 * 1024


PRIVILEGES = "privileges"  # the type of a companion that is an access control list, as PostgreSQL prints it


@frozen()
class TableFacts:
    """Size of one table of the source. `rows` is exact when `exact`, otherwise the server's estimate."""

    bytes: int
    rows: int
    exact: bool = True
    on_update: tuple[str, ...] = ()  # triggers and rules that an UPDATE sets off
    inserters: tuple[str, ...] = ()  # roles other than the owner's that may insert, and not draw from a new sequence

    @property
    def text(self) -> str:
        """E.g. ``about 1,200,000 rows, 96 MiB``."""
        mebibytes = self.bytes / 1024 / 1024
        size = f"{mebibytes / 1024:,.1f} GiB" if mebibytes >= 1024 else f"{mebibytes:,.0f} MiB"
        return f"{self.rows_text}, {size}"

    @property
    def rows_text(self) -> str:
        """E.g. ``1 row``, ``about 1,200,000 rows``."""
        text = f"{self.rows:,} row" + ("" if self.rows == 1 else "s")
        return text if self.exact else f"about {text}"


@frozen()
class Companion:
    """What nobody declared and is gone, without a word, with what PostgreSQL drops: an object, or a trait of that."""

    type: str  # PostgreSQL's word and, in `identity`, its text for it (pg_identify_object), or as traits are called
    identity: str
    id: Identity | None = None  # where it is of a modelled kind

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same as an unmodelled object."""
        return (self.type, self.identity)

    @property
    def is_right(self) -> bool:
        """Whether it says who may do what."""
        return self.type in (PRIVILEGES, "owner")


@frozen(kw_only=True)
class Facts:
    """Facts about the target server. A table that is absent is treated as new and empty."""

    server_version: int = 180000
    tables: Mapping[Identity, TableFacts] = field(default_factory=dict)
    counts: Mapping[Identity, int] = field(default_factory=dict)  # answers to the kinds' questions
    companions: Mapping[Identity, tuple[Companion, ...]] = field(default_factory=dict)  # of what is to be dropped
    losses: Mapping[Identity, tuple[Companion, ...]] = field(default_factory=dict)  # of what is to be made anew
    gone: tuple[Companion, ...] = ()  # with what is to be dropped, and told with that
    members: Mapping[Identity, tuple[str, ...]] = field(default_factory=dict)  # with rows or counts, of what is dropped
    mentions: Mapping[Identity, tuple[str, ...]] = field(default_factory=dict)  # functions that may speak of it
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT
    locks_max: int = 64 * 100  # max_locks_per_transaction × (max_connections + max_prepared_transactions)

    @property
    def lost(self) -> Iterable[Companion]:
        """All that is gone with something else: none of it is left alone."""
        for each in (self.companions, self.losses):
            for companions in each.values():
                yield from companions
        yield from self.gone
