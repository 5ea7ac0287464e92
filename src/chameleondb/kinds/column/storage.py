"""How a column is stored: its strategy and its compression. With another type, PostgreSQL forgets both."""

from __future__ import annotations

from chameleondb.kind import Context
from chameleondb.kinds.column import types
from chameleondb.kinds.column.model import Column, is_retyped
from chameleondb.kinds.column.not_null import alter_step
from chameleondb.steps import Step


def store_as_said(obj: Column, *, compressed: bool = True) -> list[Step]:
    """Return the steps for a column that is stored as its type is; a new one is `compressed` as said already."""
    actions = [f"SET STORAGE {obj.storage.upper()}"] if obj.storage else []
    actions += [f"SET COMPRESSION {obj.compression}"] if obj.compression and compressed else []
    return [alter_step(obj, action) for action in actions]


def set_storage(old: Column, new: Column, context: Context) -> list[Step]:
    """Return the step to another strategy."""
    if is_retyped(old, new):
        return []
    if new.storage:
        return store_as_said(new, compressed=False)
    if context.facts.server_version >= 160000:
        return [alter_step(new, "SET STORAGE DEFAULT")]
    return [alter_step(new, f"SET STORAGE {types.default_storage(new.type)}")]


def set_compression(old: Column, new: Column, _context: Context) -> list[Step]:
    """Return the step to another compression."""
    if is_retyped(old, new):
        return []
    return [alter_step(new, f"SET COMPRESSION {new.compression or 'default'}")]
