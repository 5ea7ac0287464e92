"""Extensions."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An installed extension, ``extension/<name>``. A `schema` or `version` of None was not declared: any will do."""

    id: Identity
    schema: str | None = None
    version: str | None = None
