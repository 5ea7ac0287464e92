"""Renames: carrying new names through a schema, and ordering the statements so that chains and swaps work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chameleondb.kind import Kind
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, shorten
from chameleondb.steps import Step

Kinds = Mapping[type[Any], Kind[Any]]


@dataclass(frozen=True, slots=True)
class Rename:
    """One object's old and new identity; `old` lies below the parent's old name."""

    old: Identity
    new: Identity


@dataclass(frozen=True, slots=True)
class RenameStep:
    """One statement of a rename; `final` is the identity in the target."""

    final: Identity
    step: Step


def follow_all(source: Schema, ids: Mapping[Identity, Identity], kinds: Kinds) -> Schema:
    """Return `source` as it looks after the renames in `ids`, children and expressions included."""
    if not ids:
        return source
    full = _expand(source, ids)
    objects = []
    for obj in source.objects.values():
        renamed = kinds[type(obj)].renamed
        objects.append(renamed(obj, full) if renamed else obj)
    edges = {
        full.get(i, i): frozenset(full.get(target, target) for target in targets) for i, targets in source.edges.items()
    }
    return Schema({o.id: o for o in objects}, edges, source.unmodelled)


def _expand(source: Schema, ids: Mapping[Identity, Identity]) -> dict[Identity, Identity]:
    """Add what lies below a renamed table: its columns and constraints."""
    full = dict(ids)
    for old, new in ids.items():
        if old.space == "relation":
            for child in source.children(old):
                full.setdefault(child.id, Identity(child.id.space, (*new.path, child.id.name)))
    for old, new in ids.items():
        if old.space in ("column", "constraint") and old.table in ids:
            full[old] = Identity(new.space, (*ids[old.table].path, new.name))
    return full


_ORDER = ("type", "relation", "column", "constraint")


def order_renames(renames: Iterable[Rename], target: Schema, kinds: Kinds) -> list[RenameStep]:
    """Return the statements in an order in which every new name is free; a swap goes through a name set aside.

    Tables come before their columns, so every statement uses the table's new name.
    """
    steps: list[RenameStep] = []
    for space in _ORDER:
        waiting = {r.old: r.new for r in renames if r.old.space == space}
        if space in ("column", "constraint"):  # the parent has its new name by now
            waiting = {Identity(o.space, (*n.path[:-1], o.name)): n for o, n in waiting.items()}
        steps += _in_order(waiting, target, kinds)
    return steps


def _in_order(waiting: dict[Identity, Identity], target: Schema, kinds: Kinds) -> Iterable[RenameStep]:
    finals: dict[Identity, Identity] = dict(waiting)
    while waiting:
        taken = set(map(_place, waiting))
        free = sorted(o for o, n in waiting.items() if _place(n) not in taken - {_place(o)})
        if free:
            old = free[0]
            new = waiting.pop(old)
            yield _statement(old, new, finals[old], target, kinds)
        else:
            old = min(waiting)
            aside = Identity(old.space, (*old.path[:-1], shorten(old.name, "__chameleon")))
            yield _statement(old, aside, finals[old], target, kinds)
            finals[aside] = finals[old]
            waiting[aside] = waiting.pop(old)


def _place(identity: Identity) -> tuple[str, ...]:
    """Return where a name must be the only one: keys have indexes, which share one namespace across tables."""
    return (identity.path[0], identity.name) if identity.space == "constraint" else identity.path


def _statement(old: Identity, new: Identity, final: Identity, target: Schema, kinds: Kinds) -> RenameStep:
    obj: Any = target.objects[final]
    rename = kinds[type(obj)].rename
    assert rename is not None, f"no rename for {final}"
    before: Object = replace(obj, id=old)
    after: Object = replace(obj, id=new)
    return RenameStep(final, rename(before, after))
