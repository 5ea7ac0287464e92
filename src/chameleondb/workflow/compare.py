"""Two schemas, and what only the server knows of the way from one to the other.

Which questions are to be asked follows from a first difference; the second one is made with the answers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from chameleondb.diff import Action, Difference, difference_of, pair, present_name
from chameleondb.errors import PlanError
from chameleondb.kind import Context
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Hint
from chameleondb.model.facts import Companion, Facts
from chameleondb.model.schema import Schema
from chameleondb.names import Identity
from chameleondb.postgres.dependents import read_users
from chameleondb.postgres.facts import read_companions, read_facts, read_members
from chameleondb.postgres.ledger import Version
from chameleondb.postgres.losses import read_forgotten, read_losses
from chameleondb.postgres.mentions import read_mentions
from chameleondb.postgres.session import Connection


def compare(
    connection: Connection,
    source: Schema,
    target: Schema,
    hints: Mapping[Identity, Hint],
    version: Callable[[], Version],
    small_table_bytes: int,
    unfinished: frozenset[Identity],
) -> tuple[Difference, Facts]:
    """Look for the changes twice: first to learn which tables they touch, then with the facts about those."""
    pairing = pair(source, target, KIND_OF, managed=lambda: version().objects | version().begun, hints=hints)

    def difference_with(facts: Facts) -> Difference:
        context = Context(pairing.source, target, KIND_OF, facts, hints, unfinished)
        return difference_of(pairing, KIND_OF, context)

    facts = Facts(server_version=connection.info.server_version, small_table_bytes=small_table_bytes)
    difference = difference_with(facts)
    if not difference.changes and not difference.refused:
        return difference, facts
    facts = read_facts(
        connection,
        _touched(difference, source),
        _questions(difference, source, target),
        small_table_bytes=small_table_bytes,
    )
    companions = _companions(connection, difference, source)
    losses, gone = _losses(connection, difference, target, companions)
    facts = replace(
        facts,
        companions=companions,
        members=read_members(connection, _dropped(difference), small_table_bytes=small_table_bytes),
        losses=losses,
        gone=gone,
        mentions=read_mentions(connection, {**_unnamed_hereafter(difference), **pairing.named_anew}),
    )
    _require_unused(connection, difference, source, facts)
    return difference_with(facts), facts


def _require_unused(connection: Connection, difference: Difference, source: Schema, facts: Facts) -> None:
    """Refuse to drop, for good or to make it anew, a type that something unmodelled depends on.

    Raises: PlanError CHM1018, since PostgreSQL would refuse it, too.
    """
    present = _present(difference)
    steps = [step for change in difference.changes for step in change.steps]
    anew = {i for step in steps for i in step.rebuilds if i.space == "type"}
    gone = {i for step in steps for i in step.drops if i.space in ("type", "relation")}
    types = {present(i): i for i in sorted(anew | gone)}
    stays = {u.key for u in source.unmodelled}.difference(c.key for c in facts.lost)
    users = read_users(connection, types) if types and stays else ()
    for old, word, identity in users:
        if (word, identity) in stays:
            how = "made anew" if types[old] in anew else "dropped"
            raise PlanError(
                "CHM1018",
                f"{old} cannot be {how}: {word} {identity} depends on it",
                hint="change or drop what depends on it first, then put it back",
            )


def _present(difference: Difference) -> Callable[[Identity], Identity]:
    return functools.partial(present_name, source=difference.source, former=difference.former, kinds=KIND_OF)


def _dropped(difference: Difference) -> Iterable[Identity]:
    return (i for c in difference.changes if c.action is Action.DROP for step in c.steps for i in step.drops)


def _companions(
    connection: Connection, difference: Difference, source: Schema
) -> dict[Identity, tuple[Companion, ...]]:
    """Find what nobody declared and PostgreSQL would drop with a column or table."""
    present = _present(difference)
    dropped = {i: present(i) for i in _dropped(difference) if i.space in ("column", "relation")}
    unmanaged = {present(i): i for i in difference.unmanaged}
    keys = {u.key for u in source.unmodelled}
    found = read_companions(connection, dropped, {*unmanaged, *keys})
    named = {
        identity: [replace(c, id=unmanaged.get(c.id)) if c.id else c for c in companions]
        for identity, companions in found.items()
    }
    for identity in difference.unmanaged:  # a column that goes with its table depends on nothing
        if identity.space == "column" and identity.table in dropped:
            named.setdefault(identity.table, []).append(Companion("column", str(identity), identity))
    return {identity: tuple(companions) for identity, companions in named.items()}


def _losses(
    connection: Connection,
    difference: Difference,
    target: Schema,
    companions: Mapping[Identity, tuple[Companion, ...]],
) -> tuple[dict[Identity, tuple[Companion, ...]], tuple[Companion, ...]]:
    """Find what is set on the objects that the plan makes anew, by object, and on those that go for good."""
    steps = [step for change in difference.changes for step in change.steps]
    made = {*target.objects, *(i for step in steps for i in step.creates)}
    dropped = {i for step in steps for i in step.drops}
    dropped |= {c.id for c in difference.changes if c.action is Action.DROP}  # with what it is a part of, too
    dropped |= {c.id for found in companions.values() for c in found if c.id is not None}
    anew = {i for i in dropped if i in made} | {i for step in steps for i in step.rebuilds}
    present = _present(difference)
    losses = read_losses(connection, {i: present(i) for i in sorted(anew | dropped)})
    for identity, found in _comments(difference, anew | dropped).items():
        losses[identity] = (*losses.get(identity, ()), found)
    gone = tuple(c for i, found in losses.items() if i not in anew for c in found)
    retyped = {i: present(i) for step in steps for i in step.retypes}
    forgotten = read_forgotten(connection, retyped, {present(i) for i in dropped})
    return {i: found for i, found in losses.items() if i in anew} | forgotten, gone


def _comments(difference: Difference, lost: Container[Identity]) -> dict[Identity, Companion]:
    """Find the comments that nobody declared on what is `lost`."""
    found = {}
    for identity in difference.unmanaged:
        obj: Any = difference.source.get(identity)
        of = KIND_OF[type(obj)].parent(obj) if identity.space == "comment" else None
        if of is not None and of in lost:
            of_kind = KIND_OF[type(difference.source.objects[of])].name.replace("_", " ")
            found[of] = Companion("comment", f"on {of_kind} {of}", identity)
    return found


def _unnamed_hereafter(difference: Difference) -> dict[Identity, Identity]:
    """Map what code may call by its name, and no longer can, to that name: it goes, or is renamed."""
    present, found = _present(difference), {}
    for identity in (*_dropped(difference), *difference.former):
        obj: Any = difference.source.get(identity)
        if obj is not None and (KIND_OF[type(obj)].holds_data or identity.space == "type"):
            found[identity] = present(identity)
    return found


def _touched(difference: Difference, source: Schema) -> dict[Identity, Identity]:
    """Map each table that a step locks, or that a change belongs to, from its new name to its present one."""
    tables: set[Identity] = set()
    for change in difference.changes:
        obj: Any = change.new or change.old
        tables.update(lock.relation for step in change.steps for lock in step.locks)
        parent = KIND_OF[type(obj)].parent(obj) if obj is not None else None
        tables.update(i for i in (change.id, parent) if i is not None and i.space == "relation")
    present = {table: difference.former.get(table, table) for table in tables}
    return {new: old for new, old in present.items() if old in source}


def _questions(difference: Difference, source: Schema, target: Schema) -> dict[Identity, str]:
    """Return what is asked about the rows: the old form of an object is called what the database calls it."""
    present, questions = _present(difference), {}
    for change in difference.changes:
        obj, old = change.new, change.old
        ask: Any = KIND_OF[type(obj)].question if obj is not None else None
        if change.action is Action.ALTER and old is not None and ask and (name := present(old.id)) in source:
            sql = ask(replace(old, id=name), obj, source, target)
            if sql is not None:
                questions[change.id] = sql
    return questions
