"""Schemas, which PostgreSQL's catalogs call namespaces."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A schema. Its identity is ``namespace/<name>``."""

    id: Identity
