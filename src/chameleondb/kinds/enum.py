"""Enum types."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enum type, ``type/<schema>/<name>``, and its labels in sort order."""

    id: Identity
    values: tuple[str, ...]
