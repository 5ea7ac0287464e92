"""Foreign keys, a kind too large for one file: its sections are modules."""

from __future__ import annotations

from chameleondb.kinds.foreign_key.changes import KIND
from chameleondb.kinds.foreign_key.model import ForeignKey
from chameleondb.kinds.foreign_key.syntax import SYNTAX

__all__ = ["KIND", "SYNTAX", "ForeignKey"]
