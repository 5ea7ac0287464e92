"""Renames: which were declared, what they mean for a schema, and an order of statements for chains and swaps."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from chameleondb.errors import PlanError
from chameleondb.frozen import frozen
from chameleondb.kind import Kind
from chameleondb.model.declared import Hint
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, former_places, name_aside
from chameleondb.steps import Step

Kinds = Mapping[type[Any], Kind[Any]]


@frozen()
class Rename:
    """One object's old and new identity; `old` lies below the parent's old name."""

    old: Identity
    new: Identity


@frozen()
class RenameStep:
    """One statement of a rename, which makes `old` `new`; `final` is the identity in the target."""

    final: Identity
    old: Identity
    new: Identity
    step: Step


def unfollowed(
    hints: Mapping[Identity, Hint], followed: Mapping[Identity, tuple[str, ...]], known: Container[Identity]
) -> dict[Identity, Hint]:
    """Forget each `was` that has been `followed` already: a swap must not be undone by the next run.

    `known` is what the version has that followed them. There, what lies in something that is renamed only now lies
    below the former name of that.
    """
    found: dict[Identity, Identity] = {}
    for new, hint in hints.items():
        if new.space in ("relation", "type") and hint.was != followed.get(new):
            old = next((i for name in hint.was for i in former_places(new, name) if i in known), None)
            if old is not None:
                found[old] = new
    former = {new: old for old, new in effective(found, known).items()}

    def is_followed(identity: Identity, was: tuple[str, ...]) -> bool:
        place = _below(identity, former) if identity.space in _PARTS else identity
        return followed.get(place) == was

    return {i: replace(h, was=()) if h.was and is_followed(i, h.was) else h for i, h in hints.items()}


_PARTS = ("column", "label")
"""What lies in something that may be renamed, too."""


def _below(part: Identity, holders: Mapping[Identity, Identity]) -> Identity:
    """Return what a part is called if what it lies in is called as `holders` say."""
    holder = holders.get(part.holder)
    return part if holder is None else Identity(part.space, (*holder.path, part.name))


def gone_back(
    hints: Mapping[Identity, Hint],
    declared: Mapping[Identity, Hint],
    target: Container[Identity],
    renamed: Mapping[Identity, Identity],
    followed: Container[Identity],
) -> dict[Identity, Hint]:
    """Add the names that runs have given which were not finished: what the target calls as before is renamed back.

    `renamed` maps those names to the ones in the version, `followed` are those that a `was` asked for, and `declared`
    are the `hints` of the target with what was followed; its names are in `target`.

    Raises:
        PlanError: CHM1019 if the target has both names, and no `was` that leads from one to the other.
    """
    found = dict(hints)
    heirs = {place: new for new, h in declared.items() for name in h.was for place in former_places(new, name)}
    holders: dict[Identity, Identity] = {}
    for now, then in sorted(renamed.items(), key=lambda pair: (pair[0].space in _PARTS, pair)):
        place, back = now, then
        if now.space in _PARTS:
            place, back = (_below(Identity(now.space, (*now.path[:-1], n)), holders) for n in (now.name, then.name))
        if place == back or (now not in followed and back not in heirs):
            continue
        if place in target:
            if back in target and heirs.get(back) != place:
                raise _both_names(place, back)
            continue
        heir = heirs.get(back, back)
        if heir in target:
            name = now.name if now.space in _PARTS or not moves(now, heir) else f"{now.path[0]}.{now.name}"
            hint = found.get(heir, Hint())
            found[heir] = replace(hint, was=(name, *hint.was))
            holders[now] = heir
    return found


def _both_names(new: Identity, old: Identity) -> PlanError:
    return PlanError(
        "CHM1019",
        f"a run that was not finished has renamed {old} to {new}; the schema has both, and no `was` between them",
        hint=f"say `was {old.name}` of {new.name} until the version is applied, or leave one of the two out",
    )


def declared_renames(
    source: Schema, target: Schema, hints: Mapping[Identity, Hint], kinds: Kinds
) -> tuple[list[Rename], list[Rename]]:
    """Follow each `was` whose old name exists and whose new name does not, or is itself being renamed away.

    The second list has those whose old name exists and is declared no more, but whose new name is taken. What lies in
    something is looked for, and can be in the way, below the name that this has in `source`.
    """
    wanted = {i: hint.was for i, hint in hints.items() if hint.was}
    if not wanted:
        return [], []
    present, future = names_in(source, kinds), names_in(target, kinds)
    moved: dict[Identity, Identity] = {}
    blocked: list[Rename] = []
    for space in ("type", "relation", *_PARTS):
        holders = {new: old for old, new in moved.items()} if space in _PARTS else {}
        found: dict[Identity, Identity] = {}
        final: dict[Identity, Identity] = {}
        for new, names in wanted.items():
            if new.space != space or new not in future or _lies_in_new(new, moved, holders):
                continue
            place = _below(new, holders)
            there = (i for i in _former_names(place, names) if i in present)
            old = next((i for i in there if _alike(source.get(i), target.get(new))), None)
            if old is not None:
                found[old], final[place] = place, new
        followed = effective(found, present)
        left = {o: n for o, n in found.items() if o != n and o not in followed}
        blocked += [Rename(o, final[n]) for o, n in left.items() if _below(o, moved) not in future]
        moved.update((o, final[n]) for o, n in followed.items())
    return [Rename(old, new) for old, new in moved.items()], blocked


def _lies_in_new(part: Identity, moved: Container[Identity], holders: Container[Identity]) -> bool:
    """Whether a part lies in something new, which is called as something was that is called otherwise now."""
    return part.space in _PARTS and part.holder in moved and part.holder not in holders


def _former_names(place: Identity, names: Iterable[str]) -> Iterator[Identity]:
    """Yield what something may have been called, up to its present name: then only what it lies in is renamed."""
    for name in names:
        if place.space in _PARTS and name == place.name:
            return
        yield from former_places(place, name)


def _alike(old: Object | None, new: Object | None) -> bool:
    """Whether one could become the other by a new name; a sequence that is called like a former table is none."""
    return old is None or new is None or type(old) is type(new)


def names_in(schema: Schema, kinds: Kinds) -> set[Identity]:
    """Return what can be renamed: every object, and every part of one."""
    parts = ((kinds[type(o)].parts, o) for o in schema.objects.values())
    return {*schema.objects, *(part for of, obj in parts if of is not None for part in of(obj))}


def effective(found: Mapping[Identity, Identity], present: Container[Identity]) -> dict[Identity, Identity]:
    """Leave out renames whose new name is taken by something that stays where it is."""
    effective = {o: n for o, n in found.items() if o != n}
    while True:
        blocked = [o for o, n in effective.items() if n in present and n not in effective]
        if not blocked:
            return effective
        for old in blocked:
            del effective[old]


def follow_all(source: Schema, ids: Mapping[Identity, Identity], kinds: Kinds) -> Schema:
    """Return `source` as it looks after the renames in `ids`, children and expressions included."""
    if not ids:
        return source
    full = _expand(source, ids, kinds)
    objects = []
    for obj in source.objects.values():
        renamed = kinds[type(obj)].renamed
        objects.append(renamed(obj, full) if renamed else obj)
    edges = {
        full.get(i, i): frozenset(full.get(target, target) for target in targets) for i, targets in source.edges.items()
    }
    return Schema({o.id: o for o in objects}, edges, source.unmodelled)


def _expand(source: Schema, ids: Mapping[Identity, Identity], kinds: Kinds) -> Renamed:
    """Add what lies below a renamed table, its columns and constraints, and what moves to another schema with it."""
    full = Renamed(ids)
    moved = {old: new.path[0] for old, new in ids.items() if old.space == "relation" and moves(old, new)}
    for obj in source.objects.values() if moved else ():
        table = kinds[type(obj)].moves_with(obj)
        if table in moved:
            full.setdefault(obj.id, Identity(obj.id.space, (moved[table], *obj.id.path[1:])))
    for old, new in ids.items():
        if old.space == "relation":
            for child in source.children(old):
                full.setdefault(child.id, Identity(child.id.space, (*new.path, child.id.name)))
    for old, new in ids.items():
        if old.space in ("column", "constraint") and old.table in ids:
            full[old] = Identity(new.space, (*ids[old.table].path, new.name))
    return full


_ORDER = ("type", "relation", "column", "constraint", "label")


def order_renames(
    renames: Iterable[Rename], target: Schema, kinds: Kinds, present: Container[Identity] = ()
) -> list[RenameStep]:
    """Return the statements in an order in which every new name is free; a swap goes through a name set aside.

    Tables come before their columns, and types before their labels, so every statement uses the holder's new name.
    `present` is what exists: one statement gives a new name, another a new schema, and between the two nothing else may
    be called so.
    """
    steps: list[RenameStep] = []
    for space in _ORDER:
        waiting = {r.old: r.new for r in renames if r.old.space == space}
        if space in ("column", "constraint", "label"):  # the holder has its new name by now
            waiting = {Identity(o.space, (*n.path[:-1], o.name)): n for o, n in waiting.items()}
        for group in _after_moves(waiting, target, kinds):
            steps += _in_order(group, present, target, kinds)
    return steps


def _after_moves(
    renames: Mapping[Identity, Identity], target: Schema, kinds: Kinds
) -> Iterable[Mapping[Identity, Identity]]:
    """Put what moves to another schema with its table behind the tables: before, it is not called so."""
    if not any(moves(old, new) for old, new in renames.items()):
        return [renames]
    with_table = {
        old: new
        for old, new in renames.items()
        if (obj := target.get(new)) is not None and kinds[type(obj)].moves_with(obj) is not None
    }
    return [{old: new for old, new in renames.items() if old not in with_table}, with_table]


def _in_order(
    renames: Mapping[Identity, Identity], present: Container[Identity], target: Schema, kinds: Kinds
) -> Iterable[RenameStep]:
    routes = _Routes(renames, present)
    left = {old: routes.direct(old, new) for old, new in renames.items()}
    waiting = _Waiting()
    waiting.add({old: route[0] for old, route in left.items()})
    while waiting.new:
        old, is_free = waiting.next()
        waiting.leave(old)
        route = left.pop(old) if is_free else routes.around(old, left.pop(old)[-1])
        now, final = route[0], route[-1]
        found = _statement(old, now, final, target, kinds)
        # A name on the way nobody says, nor will.
        hazards = [replace(h, object=final) if h.object == now else h for h in found.step.hazards]
        yield replace(found, step=replace(found.step, hazards=tuple(hazards) if old in renames else ()))
        if now != final:
            left[now] = route[1:]
            waiting.add({now: route[1]})


Route = tuple[Identity, ...]  # what a thing is called after each statement that renames it; last, as in the target


class _Routes:
    """The routes from old names to new ones.

    Whatever stands on a route before its end is nobody else's place. So nobody waits for what is on its way, and what
    waits for each other in a circle has not left yet.
    """

    def __init__(self, renames: Mapping[Identity, Identity], present: Container[Identity]) -> None:
        self._places = {*renames, *renames.values()}
        self._present = present

    def direct(self, old: Identity, new: Identity) -> Route:
        """Return the shortest route: one statement gives a new name, another a new schema."""
        if not moves(old, new) or old.name == new.name:
            return (new,)
        for path in ((new.path[0], old.name), (old.path[0], new.name)):
            if self._are_free(stop := (Identity(old.space, path),)):
                return self._take((*stop, new))
        return self.around(old, new)

    def around(self, old: Identity, new: Identity) -> Route:
        """Return the route through a name set aside."""
        schemas = (old.path[0], new.path[0]) if moves(old, new) else (old.path[0],)
        names = (name_aside(old.name, number) for number in itertools.count())
        routes = (tuple(Identity(old.space, (s, *old.path[1:-1], name)) for s in schemas) for name in names)
        return self._take((*next(stops for stops in routes if self._are_free(stops)), new))

    def _are_free(self, stops: Route) -> bool:
        return not any(s in self._places or s in self._present for s in stops)

    def _take(self, route: Route) -> Route:
        self._places.update(route)
        return route


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

    def next(self) -> tuple[Identity, bool]:
        """Return the first one by name whose new name is free; if there is none, the first, and False."""
        if self._free:
            return heapq.heappop(self._free), True
        while self._all[0] not in self.new:
            heapq.heappop(self._all)
        return self._all[0], False

    def leave(self, old: Identity) -> None:
        """Give up the old name."""
        place = _place(old)
        self._taken[place] -= 1
        if not self._taken[place]:
            for freed in self._blocked.pop(place, ()):
                if freed in self.new:
                    heapq.heappush(self._free, freed)
        del self.new[old]


def moves(old: Identity, new: Identity) -> bool:
    """Return whether a table or a type goes to another schema; what lies in it goes with it."""
    return old.space in ("relation", "type") and old.path[0] != new.path[0]


def _place(identity: Identity) -> tuple[str, ...]:
    """Return where a name must be the only one: keys have indexes, which share one namespace across tables."""
    return (identity.path[0], identity.name) if identity.space == "constraint" else identity.path


def _statement(old: Identity, new: Identity, final: Identity, target: Schema, kinds: Kinds) -> RenameStep:
    obj: Any = target.get(final) or target.objects[final.holder]
    kind = kinds[type(obj)]
    if kind.rename_part is not None and obj.id != final:
        return RenameStep(final, old, new, kind.rename_part(obj, old.name, new.name))
    rename = kind.rename
    assert rename is not None, f"no rename for {final}"
    before: Object = replace(obj, id=old)
    after: Object = replace(obj, id=new)
    return RenameStep(final, old, new, rename(before, after))
