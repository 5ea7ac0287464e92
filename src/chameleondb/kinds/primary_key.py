"""Primary keys."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryKey:
    """A primary key, ``constraint/<schema>/<table>/<name>``. `deferrable` is ``no``, ``immediate`` or ``deferred``."""

    id: Identity
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    deferrable: str = "no"
    without_overlaps: bool = False  # the last column is a period (18+)
    options: tuple[str, ...] = ()
    tablespace: str | None = None
