"""The plan after a small edit, with as little in sight as it can be made from.

Where nothing was to do a moment ago, and the database has not changed since, it is what the declarations say that are
still the same. So only tables whose declarations changed are compared, in sight of all that refers to them or that they
refer to, then or now. Whatever would reach further is compared in full.
"""

from __future__ import annotations

from collections.abc import Mapping

from chameleondb.diff import Action
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.workflow.elaboration import BLOCKS, Desired, Elaboration, Known
from chameleondb.workflow.settled import Settled


@frozen()
class Edit:
    """What was edited: units of the same names as before, or new ones; `sight` are those that must be looked at."""

    changed: frozenset[Identity]
    sight: frozenset[Identity]
    hidden: frozenset[Identity]

    @property
    def tables(self) -> frozenset[Identity]:
        """The relations in sight."""
        return frozenset(i for i in self.sight if i.space == "relation")

    def is_small(self, desired: Desired) -> bool:
        """Whether the edit is about tables alone; statements in sql blocks could reach anything."""
        return not desired.blocks and all(_owns_columns(desired.schema.get(i)) for i in self.changed)

    def in_sight(self, source: Schema) -> Schema:
        """Return the schema without what lies in no table and is none of the edit's business."""
        return source.with_objects(o for o in source.objects.values() if _home(o, source) not in self.hidden)

    def contains(self, plan: Plan, source: Schema, settled: Plan) -> bool:
        """Whether the plan would be the same with everything in sight.

        What is created disturbs nobody. What is changed or dropped must lie in an edited table: all that refers to such
        a table is in sight, but not what refers to that.
        """
        if set(plan.unmanaged) != {i for i in settled.unmanaged if i in source}:
            return False
        return all(
            (change.action is Action.CREATE and not change.replaces)
            or any(_home(o, source) in self.changed for o in (change.new, change.old) if o is not None)
            for change in plan.changes
        )


def edit_since(settled: Settled, now: Elaboration) -> Edit | None:
    """Return what was edited; None if declarations may be gone or renamed, or hints of unchanged ones differ."""
    then = settled.units
    if settled.has_blocks or then.keys() - now.units.keys():
        return None
    changed = {i for i, known in now.units.items() if i != BLOCKS and (i not in then or then[i].key != known.key)}
    if _hints_beside(settled.hints, changed, now) != _hints_beside(now.hints, changed, now):
        return None
    sight = {i for i in now.units if i.space != "relation"} | changed
    for units in (then, now.units):
        sight |= _around(changed, units)
    return Edit(frozenset(changed), frozenset(sight), frozenset(now.units.keys() - sight))


def _hints_beside(hints: Mapping[Identity, Hint], changed: set[Identity], now: Elaboration) -> dict[Identity, Hint]:
    return {i: hint for i, hint in hints.items() if (i if i in now.units else i.holder) not in changed}


def _around(changed: set[Identity], units: Mapping[Identity, Known]) -> set[Identity]:
    """Return the units that refer to changed ones, and those that they refer to."""
    found = {near for identity in changed if identity in units for near in units[identity].near}
    return found | {identity for identity, known in units.items() if not changed.isdisjoint(known.near)}


def _owns_columns(obj: Object | None) -> bool:
    return obj is not None and KIND_OF[type(obj)].owns_columns


def _home(obj: Object, schema: Schema) -> Identity:
    """Return the identity of the top-level object that `obj` belongs to."""
    parent: Identity | None = KIND_OF[type(obj)].parent(obj)
    while parent is not None:
        above = schema.get(parent)
        if above is None:
            return parent
        obj, parent = above, KIND_OF[type(above)].parent(above)
    return obj.id
