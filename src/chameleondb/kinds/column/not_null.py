"""NOT NULL of a column: its words, and the way to enforce it on rows that exist."""

from __future__ import annotations

import itertools
from dataclasses import replace

from chameleondb.kind import Context
from chameleondb.kinds.clauses import alter_table, exclusive, validate_constraint
from chameleondb.kinds.column.model import Column
from chameleondb.model.schema import Schema
from chameleondb.names import Identity, constraint, object_name, quote
from chameleondb.steps import Effort, Hazard, Step, Transaction


def alter_column(obj: Column) -> str:
    """Return the beginning of a statement about a column."""
    return f"{alter_table(obj.id.table)} ALTER COLUMN {quote(obj.id.name)}"


def alter_step(obj: Column, action: str, effort: Effort = Effort.CATALOG, hazards: tuple[Hazard, ...] = ()) -> Step:
    """Return a step ALTER TABLE … ALTER COLUMN …"""
    return Step(
        sql=f"{alter_column(obj)} {action}",
        needs=(obj.id,),
        locks=exclusive(obj.id.table),
        effort=effort,
        hazards=hazards,
    )


def _default_name(obj: Column) -> str:
    return object_name(obj.id.path[1], obj.id.name, "not_null")


def _names_itself(obj: Column, context: Context) -> bool:
    """Whether PostgreSQL chooses the name of the rule: it takes none that a constraint in the schema has.

    A table that was called like this one before may have it still; a copy of this one has it, too.
    """
    assert obj.not_null is not None
    name = _default_name(obj)
    if obj.not_null.name not in (None, name):
        return False
    return context.once(_holders_of_names).get((obj.id.path[0], name), obj.id.table) == obj.id.table


def _holders_of_names(context: Context) -> dict[tuple[str, str], Identity | None]:
    """Return which table has a name of a constraint; None where it has to give the name away."""
    given: dict[tuple[str, str], Identity | None] = {}
    for obj in context.target.objects.values():
        if isinstance(obj, Column):
            name = obj.not_null.name if obj.not_null and obj.not_null.name != _default_name(obj) else None
        else:
            name = obj.id.name if obj.id.space == "constraint" else None
        if name is not None:
            given[obj.id.path[0], name] = obj.id.table
    there = (o for o in context.source.objects.values() if isinstance(o, Column))
    return given | {(o.id.path[0], o.not_null.name): None for o in there if o.not_null and o.not_null.name}


def not_null_sql(obj: Column, context: Context) -> str:
    """Return NOT NULL as it stands behind a type."""
    rule = obj.not_null
    assert rule is not None
    inherit = "" if rule.inherit else " NO INHERIT"
    if context.facts.server_version < 180000:
        return f"NOT NULL{inherit}"  # a name is not kept; the server refuses the rest
    prefix = "" if _names_itself(obj, context) else f"CONSTRAINT {quote(rule.name or _default_name(obj))} "
    return f"{prefix}NOT NULL{inherit}"


def add_not_null(obj: Column, suffix: str = "") -> Step:
    """Return the step that adds NOT NULL as the constraint that it is from PostgreSQL 18 on."""
    rule = obj.not_null
    assert rule is not None
    name = rule.name or _default_name(obj)
    inherit = "" if rule.inherit else " NO INHERIT"
    return Step(
        sql=f"{alter_table(obj.id.table)} ADD CONSTRAINT {quote(name)} NOT NULL {quote(obj.id.name)}{inherit}{suffix}",
        needs=(obj.id,),
        locks=exclusive(obj.id.table),
        effort=Effort.CATALOG if suffix else Effort.SCAN,
    )


def enforce_not_null(obj: Column, context: Context, fill: Step | None = None) -> list[Step]:
    """Enforce NOT NULL: at once on a small table, without a locked scan on a large one.

    `fill` is what has filled a large table before: it is said again when no more rows can come that need it. A key that
    is made anew stays meanwhile: rows that break it would keep it from coming back.
    """
    return [step if step is fill else replace(step, spares=True) for step in _enforce(obj, context, fill)]


def _enforce(obj: Column, context: Context, fill: Step | None) -> list[Step]:
    table, rule = obj.id.table, obj.not_null
    assert rule is not None
    version = context.facts.server_version
    plain = version < 180000 or (_names_itself(obj, context) and rule.inherit)
    helper, left = _helper(obj, context.source)
    left = left and helper not in context.target
    drop = Step(sql=f"{alter_table(table)} DROP CONSTRAINT {quote(helper.name)}", locks=exclusive(table))
    if not context.is_large(table):
        enforce = [alter_step(obj, "SET NOT NULL", Effort.SCAN) if plain else add_not_null(obj)]
        return [*enforce, drop] if left else enforce
    if version >= 180000:
        name = rule.name or _default_name(obj)
        enforce = _online([add_not_null(obj, " NOT VALID")], constraint(table, name), fill)
        return [*enforce, drop] if left else enforce
    check = Step(
        sql=f"{alter_table(table)} ADD CONSTRAINT {quote(helper.name)}"
        f" CHECK ({quote(obj.id.name)} IS NOT NULL) NOT VALID",
        creates=(helper,),
        needs=(obj.id,),
        locks=exclusive(table),
    )
    # A valid CHECK proves it, so SET NOT NULL does not scan; with it goes the helper.
    return [*_online([] if left else [check], helper, fill), alter_step(obj, "SET NOT NULL"), drop]


def _online(add: list[Step], rule: Identity, fill: Step | None) -> list[Step]:
    """Return the steps that add a rule and look at the rows, each of them committed by itself."""
    *before, validate = (replace(step, transaction=Transaction.OWN) for step in (*add, validate_constraint(rule)))
    return [*before, *([fill] if fill else []), validate]


def _helper(obj: Column, source: Schema) -> tuple[Identity, bool]:
    """Return the CHECK that stands in for NOT NULL until the rows were looked at, and whether it is there already.

    A run that was interrupted may have left it; what is called so and says something else is somebody's own.
    """
    table = obj.id.table
    for number in itertools.count():
        helper = constraint(table, object_name(table.name, obj.id.name, f"filled{number or ''}"))
        found = source.get(helper)
        if found is None or getattr(found, "expression", None) == f"{quote(obj.id.name)} IS NOT NULL":
            return helper, found is not None
    raise AssertionError


def adopts(new: Column, source: Schema) -> Identity | None:
    """Return the helper that an interrupted run has left, where the steps that enforce NOT NULL take it away."""
    old, (helper, left) = source.get(new.id), _helper(new, source)
    is_enforced = new.not_null is not None and new.not_null.validated and isinstance(old, Column) and not old.not_null
    return helper if is_enforced and left else None
