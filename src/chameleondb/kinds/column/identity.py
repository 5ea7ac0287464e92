"""Identity of a column: its words, and the ways to and from it; what the sequence has given out is never lost."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from chameleondb.kind import Context
from chameleondb.kinds.clauses import exclusive
from chameleondb.kinds.column.model import Column
from chameleondb.kinds.column.not_null import alter_step
from chameleondb.kinds.counting import counter, go_on, handed_on
from chameleondb.kinds.sequence import (
    changed_options,
    continue_counting,
    may_stand_outside,
    options_sql,
    widest,
)
from chameleondb.names import Identity, name_aside, qualified, quote, relation
from chameleondb.steps import Hazard, HazardName, Lock, LockMode, Step


def identity_sql(obj: Column) -> str:
    """Return the identity as it stands behind a type."""
    assert obj.identity is not None
    options = options_sql(obj.identity.options).strip()
    if obj.identity.sequence:
        name = f"SEQUENCE NAME {qualified((obj.id.path[0], obj.identity.sequence))}"
        options = f"{name} {options}".strip()
    word = "ALWAYS" if obj.identity.always else "BY DEFAULT"
    return f"GENERATED {word} AS IDENTITY" + (f" ({options})" if options else "")


def set_identity(old: Column, new: Column, context: Context) -> list[Step]:
    """Return the steps that take the identity away, or change it within the type that it has."""
    if new.identity is None:
        return _drop_identity(old, new, context)
    return [] if old.identity is None or _is_widened(old, new) else _alter_identity(old, new, context)


def finish_identity(old: Column, new: Column, context: Context) -> list[Step]:
    """Return the steps to an identity that needs the column's new type, or one that is new: it must be required."""
    if new.identity is None:
        return []
    if old.identity is None:
        return _add_identity(new, context)
    return _alter_identity(old, new, context) if _is_widened(old, new) else []


def _is_widened(old: Column, new: Column) -> bool:
    return widest(old.type, 1) < widest(new.type, 1)


def _alter_identity(old: Column, new: Column, context: Context) -> list[Step]:
    assert old.identity is not None
    assert new.identity is not None
    actions = []
    if old.identity.always != new.identity.always:
        actions.append(f"SET GENERATED {'ALWAYS' if new.identity.always else 'BY DEFAULT'}")
    actions += [f"SET {clause}" for clause in changed_options(old.identity.options, new.identity.options)]
    hazards = may_stand_outside(counter(old), new.id, old.identity.options, new.identity.options)
    alter = alter_step(new, " ".join(actions), hazards=hazards)
    counting = Lock(counter(old), LockMode.SHARE_ROW_EXCLUSIVE)
    steps = [replace(alter, locks=(*alter.locks, counting))] if actions else []
    if old.identity.sequence != new.identity.sequence:
        steps += _rename_counter(counter(old), counter(new), new, context)
    return steps


def _add_identity(new: Column, context: Context) -> list[Step]:
    """Give a column an identity. Its sequence is made beside one whose name it takes, and goes on where that ends."""
    assert new.identity is not None
    options, taken_over, name = new.identity.options, handed_on(new.id, context), counter(new)
    if taken_over is None:
        add = replace(alter_step(new, f"ADD {identity_sql(new)}"), creates=(name,))
        return [add, *continue_counting(name, options, new.id, context)]
    before = taken_over[0]
    made = relation(name.path[0], name_aside(name.name)) if before == name else name
    named = replace(new, identity=replace(new.identity, sequence=made.name)) if before == name else new
    steps = [
        replace(alter_step(new, f"ADD {identity_sql(named)}"), creates=(made,)),
        go_on(made, before, options.increment, new.id),
    ]
    return [*steps, _name_counter(made, name, new, creates=(name,))] if made != name else steps


def _drop_identity(old: Column, new: Column, context: Context) -> list[Step]:
    """Take an identity away; a sequence in its place goes on where that ends, which nobody may draw from then."""
    name, taken_over = counter(old), handed_on(new.id, context)
    drop = alter_step(new, "DROP IDENTITY")
    if taken_over is None:
        what = f"the identity of {new.id} is dropped with its sequence's current value"
        return [replace(drop, drops=(name,), hazards=(Hazard(HazardName.DROPS_OBJECT, new.id, what),))]
    assert old.identity is not None
    after, drop = taken_over[1], replace(drop, rebuilds=(name,))
    increment = increment_of(after, context)
    if after in context.source:
        return [go_on(after, name, increment, new.id), replace(drop, drops=(name,))]
    aside = relation(name.path[0], name_aside(name.name))
    return [_name_counter(name, aside, new, drops=(name,)), go_on(after, aside, increment, new.id), drop]


def increment_of(sequence: Identity, context: Context) -> int:
    """Return by how much a sequence of the target counts on."""
    obj: Any = context.target.get(sequence)
    return obj.options.increment if obj is not None else 1


def _counters(context: Context) -> frozenset[Identity]:
    columns = (o for o in context.source.objects.values() if isinstance(o, Column) and o.identity is not None)
    return frozenset(map(counter, columns))


def _rename_counter(old: Identity, new: Identity, obj: Column, context: Context) -> list[Step]:
    """Rename the sequence of an identity column; by way of a name set aside if another sequence has the new name."""
    names = [old.name, new.name]
    if new in context.once(_counters) or new in context.source:
        names.insert(1, name_aside(old.name))
    return [
        _name_counter(
            relation(old.path[0], a),
            relation(old.path[0], b),
            obj,
            drops=(old,) if a == old.name else (),
            creates=(new,) if b == new.name else (),
        )
        for a, b in itertools.pairwise(names)
    ]


def _name_counter(
    old: Identity,
    new: Identity,
    obj: Column,
    *,
    drops: tuple[Identity, ...] = (),
    creates: tuple[Identity, ...] = (),
) -> Step:
    sql = f"ALTER SEQUENCE {qualified(old.path)} RENAME TO {quote(new.name)}"
    return Step(sql=sql, drops=drops, creates=creates, needs=(obj.id,), locks=exclusive(old))
