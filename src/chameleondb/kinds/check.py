"""Check constraints of tables."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check constraint, ``constraint/<schema>/<table>/<name>``."""

    id: Identity
    expression: str  # without the outer parentheses
    inherit: bool = True
    validated: bool = True
    enforced: bool = True  # NOT ENFORCED exists from PostgreSQL 18
