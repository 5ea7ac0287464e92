"""Unique constraints."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """A unique constraint, ``constraint/<schema>/<table>/<name>``; fields as in a primary key."""

    id: Identity
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    nulls_distinct: bool = True
    deferrable: str = "no"
    without_overlaps: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None
