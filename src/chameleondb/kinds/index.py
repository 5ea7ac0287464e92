"""Indexes that no constraint owns."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index, ``relation/<schema>/<name>``, of `table`.

    Each of `keys` is one element as CREATE INDEX takes it: ``created_at DESC``, ``lower(name) text_pattern_ops``.
    """

    id: Identity
    table: Identity
    keys: tuple[str, ...]
    include: tuple[str, ...] = ()
    unique: bool = False
    nulls_distinct: bool = True
    method: str = "btree"
    where: str | None = None
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    valid: bool = True  # False: left behind by a failed CREATE INDEX CONCURRENTLY
