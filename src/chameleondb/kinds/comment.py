"""Comments, a kind of its own that points at what it describes."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """COMMENT ON `target`; its identity is ``comment/<space>/<path…>``."""

    id: Identity
    target: Identity
    text: str
