"""Columns of tables: the model."""

from __future__ import annotations

from dataclasses import field

from chameleondb.frozen import frozen
from chameleondb.kinds.sequence import SequenceOptions
from chameleondb.names import Identity


@frozen(kw_only=True)
class NotNull:
    """NOT NULL. From PostgreSQL 18 it is a constraint with a name; None is the default name or an older server."""

    name: str | None = None
    inherit: bool = True
    validated: bool = True


@frozen(kw_only=True)
class Generated:
    """A generated column's expression; virtual columns exist from PostgreSQL 18."""

    expression: str
    stored: bool = True


@frozen(kw_only=True)
class IdentityColumn:
    """GENERATED … AS IDENTITY: `always` or by default, and how its own sequence counts.

    `sequence` is that sequence's name when it is not the default ``<table>_<column>_seq``.
    """

    always: bool = False
    options: SequenceOptions = SequenceOptions()
    sequence: str | None = None


@frozen(kw_only=True)
class Column:
    """A column, ``column/<schema>/<table>/<name>``. None always means PostgreSQL's default."""

    id: Identity
    type: str
    collation: str | None = None
    not_null: NotNull | None = None
    default: str | None = None
    generated: Generated | None = None
    identity: IdentityColumn | None = None
    storage: str | None = None  # plain, external, extended, main; None: the type's own
    compression: str | None = None  # pglz, lz4
    statistics: int | None = None
    options: tuple[str, ...] = ()  # n_distinct=…, sorted
    # Where it stands in the table: columns cannot be moved, so a difference is none.
    position: int = field(default=0, compare=False)


def is_retyped(old: Column, new: Column) -> bool:
    """Whether a column gets another type or collation, with which its values are stored and compared anew."""
    return (old.type, old.collation) != (new.type, new.collation)
