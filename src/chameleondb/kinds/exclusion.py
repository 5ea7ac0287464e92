"""Exclusion constraints."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """An exclusion constraint, ``constraint/<schema>/<table>/<name>``."""

    id: Identity
    elements: str  # what stands in the parentheses: ``room WITH =, during WITH &&``
    method: str = "gist"
    include: tuple[str, ...] = ()
    where: str | None = None
    deferrable: str = "no"
    options: tuple[str, ...] = ()
    tablespace: str | None = None
