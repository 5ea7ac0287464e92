"""Columns of tables, a kind too large for one file: its sections are modules."""

from __future__ import annotations

from chameleondb.kinds.column.changes import KIND
from chameleondb.kinds.column.model import Column, Generated, IdentityColumn, NotNull
from chameleondb.kinds.column.syntax import SYNTAX

__all__ = ["KIND", "SYNTAX", "Column", "Generated", "IdentityColumn", "NotNull"]
