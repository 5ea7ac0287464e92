"""Renames: carrying new names through a schema, and ordering the statements so that chains and swaps work."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chameleondb.kind import Kind
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, name_aside
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


def _expand(source: Schema, ids: Mapping[Identity, Identity]) -> Renamed:
    """Add what lies below a renamed table: its columns and constraints."""
    full = Renamed(ids)
    for old, new in ids.items():
        if old.space == "relation":
            for child in source.children(old):
                full.setdefault(child.id, Identity(child.id.space, (*new.path, child.id.name)))
    for old, new in ids.items():
        if old.space in ("column", "constraint") and old.table in ids:
            full[old] = Identity(new.space, (*ids[old.table].path, new.name))
    return full


_ORDER = ("type", "relation", "column", "constraint", "label")


def order_renames(renames: Iterable[Rename], target: Schema, kinds: Kinds) -> list[RenameStep]:
    """Return the statements in an order in which every new name is free; a swap goes through a name set aside.

    Tables come before their columns, and types before their labels, so every statement uses the holder's new name.
    """
    steps: list[RenameStep] = []
    for space in _ORDER:
        waiting = {r.old: r.new for r in renames if r.old.space == space}
        if space in ("column", "constraint", "label"):  # the holder has its new name by now
            waiting = {Identity(o.space, (*n.path[:-1], o.name)): n for o, n in waiting.items()}
        steps += _in_order(waiting, target, kinds)
    return steps


def _in_order(renames: Mapping[Identity, Identity], target: Schema, kinds: Kinds) -> Iterable[RenameStep]:
    finals = dict(renames)
    waiting = _Waiting()
    waiting.add(renames)
    while waiting.new:
        old, aside = waiting.next()
        new = waiting.leave(old)
        found = _statement(old, aside or new, finals[old], target, kinds)
        # Nobody says the name that was set aside, nor will.
        hazards = [replace(h, object=finals[old]) if h.object == aside else h for h in found.step.hazards]
        yield replace(found, step=replace(found.step, hazards=tuple(hazards) if old in renames else ()))
        if aside is not None:
            finals[aside] = finals[old]
            waiting.add({aside: new})


class _Waiting:
    """Renames that wait for their new names to be free."""

    def __init__(self) -> None:
        self.new: dict[Identity, Identity] = {}
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._free: list[Identity] = []
        self._blocked: dict[tuple[str, ...], list[Identity]] = defaultdict(list)  # by the place that they wait for
        self._all: list[Identity] = []

    def add(self, renames: Mapping[Identity, Identity]) -> None:
        """Let more of them wait."""
        self.new.update(renames)
        self._taken.update(map(_place, renames))
        for old, new in renames.items():
            place = _place(new)
            is_free = not self._taken[place] or place == _place(old)
            heapq.heappush(self._free if is_free else self._blocked[place], old)
            heapq.heappush(self._all, old)

    def next(self) -> tuple[Identity, Identity | None]:
        """Return the first one by name whose new name is free; if there is none, the first, and a name set aside."""
        if self._free:
            return heapq.heappop(self._free), None
        while self._all[0] not in self.new:
            heapq.heappop(self._all)
        old = self._all[0]
        return old, Identity(old.space, (*old.path[:-1], name_aside(old.name)))

    def leave(self, old: Identity) -> Identity:
        """Give up the old name, and return the new one."""
        place = _place(old)
        self._taken[place] -= 1
        if not self._taken[place]:
            for freed in self._blocked.pop(place, ()):
                if freed in self.new:
                    heapq.heappush(self._free, freed)
        return self.new.pop(old)


def _place(identity: Identity) -> tuple[str, ...]:
    """Return where a name must be the only one: keys have indexes, which share one namespace across tables."""
    return (identity.path[0], identity.name) if identity.space == "constraint" else identity.path


def _statement(old: Identity, new: Identity, final: Identity, target: Schema, kinds: Kinds) -> RenameStep:
    obj: Any = target.get(final) or target.objects[final.holder]
    kind = kinds[type(obj)]
    if kind.rename_part is not None and obj.id != final:
        return RenameStep(final, kind.rename_part(obj, old.name, new.name))
    rename = kind.rename
    assert rename is not None, f"no rename for {final}"
    before: Object = replace(obj, id=old)
    after: Object = replace(obj, id=new)
    return RenameStep(final, rename(before, after))
