"""Proving a plan before it runs: on an empty copy of what it touches, and by reading back where it leads.

The copy is made from the model of the source, so that every statement meets the very objects it was planned for. The
proof holds for structure; what the rows say is known only when the plan runs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set

from chameleondb.diff import Action, diff
from chameleondb.errors import DatabaseError, PlanError
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF, KINDS
from chameleondb.model.declared import SqlBlock
from chameleondb.model.facts import Facts
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, relation
from chameleondb.planner.plan import Plan
from chameleondb.postgres.apply import ApplySession
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.elaborate import elaborate
from chameleondb.sqltext import identifiers, own_name
from chameleondb.steps import HazardName
from chameleondb.workflow.elaboration import OpenShadow


@frozen()
class Surroundings:
    """What no kind models and may be in the way: the statements that make it, and what it uses beside some tables.

    `positions` returns the statements that let sequences stand where those of the database do.
    """

    statements: tuple[SqlBlock, ...]
    beside: Callable[[Iterable[Identity]], Set[Identity]]
    positions: Callable[[Iterable[Identity]], Iterable[str]]


def prove(
    plan: Plan,
    source: Schema,
    target: Schema,
    around: Surroundings,
    open_shadow: OpenShadow,
    namespaces: tuple[str, ...],
    *,
    whole: bool = False,
) -> str | None:
    """Run the plan on a copy and compare. Return None if it is proven, or why it could not be tried.

    The copy has what the plan can meet; with `whole`, as for statements of sql blocks, that is everything. So it is
    where a statement speaks of something else, such as the table or function that rows are filled from.

    Raises: PlanError CHM1006 if a statement fails, CHM1007 if the plan leads elsewhere.
    """
    touched = _touched(plan)
    near = touched | _referred_to(plan, target) | _in_the_way(plan, source)
    near |= around.beside(i for i in touched if i.space == "relation")
    copied = source.objects if whole or _speaks_of_others(plan, source, near) else _copied(source, near)
    extensions = frozenset(i.name for s in (source, target) for i in s.objects if i.space == "extension")
    with open_shadow(extensions) as connection:
        made = elaborate(connection, copied, around.statements, KIND_OF, namespaces, lenient=True)
        if made.failures:
            return f"the copy could not be made: {made.failures[0].error.message}"
        session = ApplySession(connection)
        for sql in around.positions(i for i in touched if i.space == "relation"):
            session.execute_alone(sql, 0)
        _run(plan, session, _left_alone(plan, source, touched))
        result = read_schema(connection, KINDS, namespaces, unmodelled=False)
        version = connection.info.server_version
    _compare(result, target, touched.difference(plan.unmanaged), version)
    gone = sorted(i for i in made.schema.objects if i in target and i not in result)
    if gone:
        raise _astray(f"{gone[0]} would be gone")
    return None


def _touched(plan: Plan) -> frozenset[Identity]:
    """Return every identity that a change is about, with the tables they lie in."""
    found: set[Identity] = set()
    for change in plan.changes:
        for obj in (change.old, change.new):
            if obj is not None:
                parent = KIND_OF[type(obj)].parent(obj)
                found.update(i for i in (obj.id, parent) if i is not None)
        found.add(change.id)
    found |= {lock.relation for step in plan.steps for lock in step.locks}
    return frozenset(found)


def _referred_to(plan: Plan, target: Schema) -> set[Identity]:
    """Return what the new forms of objects, and the statements themselves, need, which the source may have."""
    new = [change.new for change in plan.changes if change.new is not None]
    referred_to = {i for obj in new for i in (*KIND_OF[type(obj)].references(obj), *target.edges.get(obj.id, ()))}
    return referred_to.union(*(step.needs for step in plan.steps))


def _in_the_way(plan: Plan, source: Schema) -> set[Identity]:
    """Return what refers to something that goes, for good or to be made anew: PostgreSQL may not let that go.

    What belongs to a table from which something goes would perhaps go along.
    """
    gone = {
        change.old.id
        for change in plan.changes
        if change.old and (change.action is Action.DROP or change.replaces or change.id.space == "type")
    }
    if not gone:
        return set()
    holders = {i.table for i in gone if i.space == "column"}
    return {
        i
        for i, obj in source.objects.items()
        if not gone.isdisjoint((*KIND_OF[type(obj)].references(obj), *source.edges.get(i, ())))
        or KIND_OF[type(obj)].moves_with(obj) in holders
    }


def _speaks_of_others(plan: Plan, source: Schema, near: Set[Identity]) -> bool:
    """Whether a statement has the name of something that is not near the plan, be it of no kind, as views are."""
    paths = (own_name(unmodelled.identity.partition("(")[0]) for unmodelled in source.unmodelled)
    tables = (i for i, o in source.objects.items() if KIND_OF[type(o)].owns_columns)
    others = {i.name for i in (*tables, *(relation(*path) for path in paths if path)) if i not in near}
    return bool(others) and any(not others.isdisjoint(identifiers(step.sql)) for step in plan.steps)


def _copied(source: Schema, near: Set[Identity]) -> dict[Identity, Object]:
    """Return part of the source: the tables near the plan whole, and what they refer to."""
    waiting = [o for i, o in source.objects.items() if i in near or i.space in ("type", "extension", "namespace")]
    by_table: dict[Identity, list[Object]] = {}
    for obj in source.objects.values():
        parent = KIND_OF[type(obj)].parent(obj)
        if parent is not None:
            by_table.setdefault(parent, []).append(obj)
    copied: dict[Identity, Object] = {}
    while waiting:
        obj = waiting.pop()
        if obj.id in copied:
            continue
        copied[obj.id] = obj
        kind = KIND_OF[type(obj)]
        holders = [i for i in (kind.parent(obj), kind.moves_with(obj)) if i is not None]
        needed = [*kind.references(obj), *source.edges.get(obj.id, ()), *holders]
        waiting += [source.objects[i] for i in needed if i in source.objects and i not in copied]
        waiting += by_table.get(obj.id, ())
    return {i: o for i, o in source.objects.items() if i in copied}


def _left_alone(plan: Plan, source: Schema, touched: Container[Identity]) -> list[str]:
    """Return what nobody declared on the tables of the plan: where a statement fails, it may be the reason."""
    objects = (source.objects[i] for i in plan.unmanaged if i in source.objects)
    return [str(o.id) for o in objects if KIND_OF[type(o)].parent(o) in touched]


# What PostgreSQL's message leaves to say, by SQLSTATE: cannot_coerce.
_WAYS_OUT = {"42846": "say how the values are to be converted: using (expression)"}


def _run(plan: Plan, session: ApplySession, left_alone: Sequence[str]) -> None:
    for step in plan.steps:
        try:
            session.execute_alone(step.sql, 0)
        except DatabaseError as error:
            doubts = "; ".join(h.detail for h in step.hazards if h.name is HazardName.MAY_FAIL_ON_DATA)
            way_out = error.hint or _WAYS_OUT.get(error.sqlstate or "") or doubts
            hint = way_out or "make the change in smaller steps; nothing was changed"
            if left_alone:
                hint += f"; what nobody declared may be in the way: {', '.join(left_alone)}"
            raise PlanError(
                "CHM1006",
                f"on an empty copy of the database this statement fails: {step.sql}: {error.message}",
                hint=hint,
            ) from None


def _compare(result: Schema, target: Schema, touched: frozenset[Identity], version: int) -> None:
    def part(schema: Schema) -> Mapping[Identity, Object]:
        return {i: o for i, o in schema.objects.items() if i in touched}

    reached, wanted = Schema(part(result), result.edges), Schema(part(target), target.edges)
    facts = Facts(server_version=version)
    everything = frozenset(reached.objects)
    rest = diff(reached, wanted, KIND_OF, managed=lambda: everything, facts=facts)
    left = [change for change in rest.changes if change.steps or change.replaces]
    if left:
        raise _astray(f"{left[0].id} would still differ")


def _astray(what: str) -> PlanError:
    return PlanError(
        "CHM1007",
        f"the plan would not lead to the declared schema: {what}",
        hint="this is a fault of Chameleon: please report the schema before and after; nothing was changed",
    )
