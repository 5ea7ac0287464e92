"""Sequences that stand by themselves or are owned by a column (serial); identity columns carry their own."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceOptions:
    """How a sequence counts. None means PostgreSQL's default for the type and direction (CREATE SEQUENCE)."""

    type: str = "bigint"
    start: int | None = None
    increment: int = 1
    minimum: int | None = None
    maximum: int | None = None
    cache: int = 1
    cycle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence, ``relation/<schema>/<name>``; `owned_by` is the column with which it is dropped."""

    id: Identity
    options: SequenceOptions = SequenceOptions()
    owned_by: Identity | None = None
    unlogged: bool = False
