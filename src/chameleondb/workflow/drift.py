"""Drift: what a database holds otherwise than the version that was applied to it."""

from __future__ import annotations

from collections.abc import Container

from chameleondb.kinds import KIND_OF
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.workflow.describe import Line, describe
from chameleondb.workflow.summary import changes_between


def drift(version: Schema, database: Schema, known: Container[Identity]) -> tuple[Line, ...]:
    """Return a line for each change that was made behind our back: of the version's objects and inside its tables.

    `known` are objects that were in the database and left alone when the version was applied. A table of its own that
    no version ever held is nobody's drift: it is reported as unmanaged.
    """
    now = version.with_objects(_settled(o, version) for o in database.objects.values() if _concerns(o, version, known))
    return describe(Plan(changes=changes_between(version, now, {})))


def _concerns(obj: Object, version: Schema, known: Container[Identity]) -> bool:
    if obj.id in version:
        return True
    parent = KIND_OF[type(obj)].parent(obj)
    return parent is not None and parent in version and obj.id not in known


def _settled(obj: Object, version: Schema) -> Object:
    """Forget what the version left open, such as the version of an extension."""
    applied, settle = version.get(obj.id), KIND_OF[type(obj)].settle
    if applied is None or settle is None or type(applied) is not type(obj):
        return obj
    settled: Object = settle(applied, obj)
    return settled
