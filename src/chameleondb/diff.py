"""Two schemas → the changes between them.

The differ knows no kind. It follows declared renames first, so that everything below a renamed object is compared under
its new name; then it pairs what differs in nothing but a name that carries no data; then it compares field by field.

Rules:
- an object that is in neither the target nor the managed set is *unmanaged*: reported, never dropped;
- dropping or replacing an object replaces what refers to it, unless that holds data: then PostgreSQL decides.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from chameleondb.errors import PlanError
from chameleondb.frozen import frozen
from chameleondb.kind import Context, Ignore, Kind, Refuse, Replace
from chameleondb.model.declared import Hint
from chameleondb.model.facts import Facts
from chameleondb.model.renamed import Pair
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, comment, commented
from chameleondb.renames import (
    Rename,
    RenameStep,
    declared_renames,
    follow_all,
    moves,
    names_in,
    order_renames,
)
from chameleondb.steps import Hazard, HazardName, Step

Kinds = Mapping[type[Any], Kind[Any]]


class Action(enum.Enum):
    """What happens to an object."""

    CREATE = "create"
    DROP = "drop"
    ALTER = "alter"
    RENAME = "rename"


@frozen(kw_only=True)
class Change:
    """One object's way from source to target. `steps` are in order; a drop that its parent covers has none."""

    action: Action
    id: Identity
    old: Object | None = None
    new: Object | None = None
    fields: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    replaces: bool = False  # half of a replacement
    unsettles: tuple[Identity, ...] = ()  # what its steps give another type
    renames: tuple[Pair, ...] = ()  # what the step of a rename gives another name


@frozen(kw_only=True)
class Difference:
    """Everything between two schemas; `source` is the source as it is called after the renames."""

    changes: tuple[Change, ...]
    source: Schema
    former: Mapping[Identity, Identity]  # new name → name in the database, of what is renamed
    unmanaged: tuple[Identity, ...] = ()
    unfollowed: tuple[Rename, ...] = ()  # declared, but what has the new name stays where it is
    refused: tuple[PlanError, ...] = ()


@frozen(kw_only=True)
class Pairing:
    """Two schemas side by side: what is renamed, what differs, what is left alone. No facts are needed for it."""

    before: Schema
    source: Schema  # as it is called after the renames
    visible: Schema  # `source` less what is left alone
    target: Schema
    differing: tuple[Object, ...]  # of the target: what the source has not, or not so
    dropped: frozenset[Identity]  # of the source
    renames: tuple[Rename, ...]
    former: Mapping[Identity, Identity]
    named_anew: Mapping[Identity, Identity]  # of these, what nobody has declared
    unmanaged: tuple[Identity, ...]
    unfollowed: tuple[Rename, ...]


def pair(
    source: Schema,
    target: Schema,
    kinds: Kinds,
    *,
    managed: Callable[[], frozenset[Identity]] = frozenset,
    hints: Mapping[Identity, Hint] | None = None,
) -> Pairing:
    """Find what of `source` is what of `target`.

    `managed` gives the identities that the current version holds; it is asked only if something could be dropped, or
    gets a name that nobody has asked for.
    """
    declared, blocked = declared_renames(source, target, hints or {}, kinds)
    before, source = source, follow_all(source, {r.old: r.new for r in declared}, kinds)
    inferred = _inferred_renames(source, target, kinds)
    former = {r.new: r.old for r in declared}
    found = {r.new: present_name(r.old, source, former, kinds) for r in inferred}
    source = follow_all(source, {r.old: r.new for r in inferred}, kinds)
    differing = tuple(o for i, o in target.objects.items() if source.objects.get(i) != o)
    adopted = {kinds[type(o)].adopts(o, source) for o in differing}
    gone = [i for i in source.objects if i not in target.objects and i not in adopted]
    owned = managed() if gone or inferred else frozenset()
    former = {**found, **former}
    unmanaged = tuple(i for i in gone if i not in owned and present_name(i, source, former, kinds) not in owned)
    kept = adopted.union(unmanaged)
    return Pairing(
        before=before,
        source=source,
        visible=source.with_objects(o for i, o in source.objects.items() if i not in kept) if kept else source,
        target=target,
        differing=differing,
        dropped=frozenset(gone).difference(unmanaged),
        renames=(*declared, *inferred),
        former=former,
        named_anew={r.new: found[r.new] for r in inferred if owned.isdisjoint((r.old, found[r.new]))},
        unmanaged=unmanaged,
        unfollowed=tuple(blocked),
    )


def difference_of(pairing: Pairing, kinds: Kinds, context: Context) -> Difference:
    """Return the changes that lead from one to the other; `context` is about the renamed source."""
    worker = _Differ(pairing.visible, pairing.target, kinds, context)
    renames = _rename_changes(pairing, kinds)
    return Difference(
        changes=(*renames, *worker.changes(pairing)),
        source=pairing.source,
        former=pairing.former,
        unmanaged=pairing.unmanaged,
        unfollowed=pairing.unfollowed,
        refused=tuple(worker.refused),
    )


def diff(
    source: Schema,
    target: Schema,
    kinds: Kinds,
    *,
    managed: Callable[[], frozenset[Identity]] = frozenset,
    hints: Mapping[Identity, Hint] | None = None,
    facts: Facts | None = None,
) -> Difference:
    """Return the changes that lead from `source` to `target`, as `pair` finds them, under facts known beforehand."""
    pairing = pair(source, target, kinds, managed=managed, hints=hints)
    context = Context(pairing.source, target, kinds, facts or Facts(), hints or {})
    return difference_of(pairing, kinds, context)


def present_name(identity: Identity, source: Schema, former: Mapping[Identity, Identity], kinds: Kinds) -> Identity:
    """Return what something of the renamed `source` is called in the database: its table may be renamed, or moved."""
    if identity in former:
        return former[identity]
    if identity.space == "comment":
        return comment(present_name(commented(identity), source, former, kinds))
    if identity.space in ("column", "constraint") and identity.table in former:
        return Identity(identity.space, (*former[identity.table].path, identity.name))
    obj = source.get(identity)
    moved = former.get(kinds[type(obj)].moves_with(obj) or identity) if obj is not None else None
    return Identity(identity.space, (moved.path[0], *identity.path[1:])) if moved else identity


def _inferred_renames(source: Schema, target: Schema, kinds: Kinds) -> list[Rename]:
    """Pair objects below one parent that differ in nothing but a name that carries no data.

    Such a name may go to another object in the same plan: PostgreSQL numbers the names of what nobody named.
    """

    def payload(obj: Object) -> tuple[Any, ...]:
        kind = kinds[type(obj)]
        values = tuple(getattr(obj, f.name) for f in fields(kind.model) if f.compare and f.name != "id")
        return (kind.name, obj.id.path[0], kind.parent(obj), *values)

    def candidates(of: Schema, other: Schema) -> Iterable[Object]:
        return (o for i, o in of.objects.items() if kinds[type(o)].inferred_rename(o) and other.objects.get(i) != o)

    free: dict[tuple[Any, ...], list[Identity]] = {}
    for obj in candidates(source, target):
        free.setdefault(payload(obj), []).append(obj.id)
    if not free:
        return []
    pairs = {}
    for obj in candidates(target, source):
        olds = free.get(payload(obj))
        if olds:
            pairs[olds.pop(0)] = obj.id
    return [Rename(old, new) for old, new in _unhindered(pairs, source, target, kinds).items()]


def _unhindered(
    renames: Mapping[Identity, Identity], source: Schema, target: Schema, kinds: Kinds
) -> dict[Identity, Identity]:
    """Leave out renames to a name that is another's, if that is not renamed with them: they run before all else."""

    def names(obj: Object) -> Iterable[Identity]:
        return (obj.id, *kinds[type(obj)].also_named(obj))

    holders = {name: obj.id for obj in source.objects.values() for name in names(obj)}
    hinders = {old: {holders.get(n, old) for n in names(target.objects[new])} - {old} for old, new in renames.items()}
    free = {old: new for old, new in renames.items() if all(h.space == old.space for h in hinders[old])}
    while blocked := [old for old in free if not hinders[old] <= free.keys()]:
        for old in blocked:
            del free[old]
    return free


def _rename_changes(pairing: Pairing, kinds: Kinds) -> Iterable[Change]:
    source, target = pairing.before, pairing.target
    former = {r.new: r.old for r in pairing.renames}
    names = names_in(target, kinds) if former else set()
    untold = dict(pairing.named_anew)
    along = _movable(source, kinds) if any(moves(r.old, r.new) for r in pairing.renames) else {}
    for rename in order_renames(pairing.renames, target, kinds, source.objects):
        old, new = _whole(former[rename.final], source), _whole(rename.final, target)
        step = rename.step
        finds = _found_instead(rename.final, former, names)
        if finds:
            hazards = (replace(h, detail=finds) if h.name is HazardName.BREAKS_CODE else h for h in step.hazards)
            step = replace(step, hazards=tuple(hazards))
        if rename.final in untold:
            step = step.with_hazards([_named_anew(untold.pop(rename.final), rename.final, finds)])
        pairs = ((rename.old, rename.new), *_moved_along(rename, along.get(former[rename.final], ())))
        yield Change(action=Action.RENAME, id=rename.final, old=old, new=new, steps=(step,), renames=pairs)


def _movable(source: Schema, kinds: Kinds) -> Mapping[Identity, list[Identity]]:
    """Map tables to what moves to another schema with them."""
    found: dict[Identity, list[Identity]] = {}
    for obj in source.objects.values():
        table = kinds[type(obj)].moves_with(obj)
        if table is not None:
            found.setdefault(table, []).append(obj.id)
    return found


def _moved_along(rename: RenameStep, movable: Iterable[Identity]) -> Iterable[Pair]:
    if moves(rename.old, rename.new):
        schema = rename.new.path[0]
        yield from ((old, Identity(old.space, (schema, *old.path[1:]))) for old in movable)


def _found_instead(new: Identity, former: Mapping[Identity, Identity], names: Container[Identity]) -> str | None:
    """Return what code comes to that goes on using the former name, if the target has that name, too."""
    old = _called(new, former)
    if old not in names:
        return None
    other = f"what was {_called(old, former)}" if old in former else f"a new {old}"
    return f"code that still says {old} does not fail but finds {other}: what it means is now called {new}"


def _called(new: Identity, former: Mapping[Identity, Identity]) -> Identity:
    """Return the former name of something, in what it lies in now."""
    old = former[new]
    return old if old.space in ("relation", "type") else Identity(old.space, (*new.path[:-1], old.name))


def _named_anew(old: Identity, new: Identity, finds: str | None) -> Hazard:
    why = f"the current version does not know {old}, and it is {new} but for the name"
    return Hazard(HazardName.BREAKS_CODE, new, f"{finds or f'code that still says {old} fails'}; {why}")


def _whole(identity: Identity, schema: Schema) -> Object | None:
    """Return an object, or that of which a part is called so."""
    return schema.get(identity) or schema.get(identity.holder)


class _Differ:
    """Compares two schemas whose common objects have the same identities."""

    def __init__(self, source: Schema, target: Schema, kinds: Kinds, context: Context) -> None:
        self.source, self.target, self.kinds, self.context = source, target, kinds, context
        self.refused: list[PlanError] = []

    def changes(self, pairing: Pairing) -> list[Change]:
        """Return the changes of what differs and what is dropped."""
        dropped = set(pairing.dropped)
        created = [o for o in pairing.differing if o.id not in self.source.objects]
        altered = self._altered(pairing.differing)
        replaced = {c.id for c in altered if c.replaces}
        replaced |= self._giving_way({i for c in altered for i in c.unsettles})
        if dropped or replaced:
            self._spread(dropped, replaced)
        replaced_objects = [o for i, o in self.target.objects.items() if i in replaced] if replaced else []
        context = self._without(replaced)
        creates = [self._create(o, context, o.id in replaced) for o in (*replaced_objects, *created)]
        drops = self._drops(dropped | replaced, replaced)
        alters = [c for c in altered if c.id not in replaced]
        return [*alters, *creates, *drops]

    def _without(self, replaced: set[Identity]) -> Context:
        """Rules ask whether a table is new; one that is replaced will be."""
        if not replaced:
            return self.context
        objects = self.context.source.objects
        rest = {i: o for i, o in objects.items() if i not in replaced}
        old = {i: objects[i] for i in replaced}
        return replace(self.context, source=Schema(rest, self.context.source.edges), replaced=old)

    def _altered(self, differing: Iterable[Object]) -> list[Change]:
        pairs = ((self.source.objects.get(new.id), new) for new in differing)
        changes = (self._alter(old, new) for old, new in pairs if old is not None)
        return [change for change in changes if change is not None]

    def _alter(self, old: Object, new: Object) -> Change | None:
        if type(old) is not type(new):
            return Change(action=Action.ALTER, id=new.id, old=old, new=new, replaces=True)
        kind = self.kinds[type(new)]
        names = tuple(n for n in kind.on_change if getattr(old, n) != getattr(new, n))
        steps: list[Step] = []
        later: list[Step] = []
        for name in names:
            rule = kind.on_change[name]
            if isinstance(rule, Ignore):
                continue
            if isinstance(rule, Refuse):
                self.refused.append(PlanError("CHM1004", f"{new.id}: {rule.why}", hint=rule.hint))
                continue
            more = None if isinstance(rule, Replace) else self._steps(rule.steps, old, new)
            if isinstance(rule, Replace) or more is None:
                return Change(action=Action.ALTER, id=new.id, old=old, new=new, fields=names, replaces=True)
            steps += more
            later += self._steps(rule.finish, old, new) or ()
        steps += later
        if not steps:
            return None
        unsettles = tuple(kind.unsettles(old, new, self.context))
        return Change(
            action=Action.ALTER, id=new.id, old=old, new=new, fields=names, steps=tuple(steps), unsettles=unsettles
        )

    def _steps(self, rule: Callable[..., Iterable[Step] | None], old: Object, new: Object) -> Iterable[Step] | None:
        try:
            return rule(old, new, self.context)
        except PlanError as error:
            self.refused.append(error)
            return ()

    def _giving_way(self, unsettled: set[Identity]) -> set[Identity]:
        """Return what PostgreSQL would not let stand while a type changes."""
        if not unsettled:
            return set()
        kept = (o for i, o in self.source.objects.items() if i in self.target)
        return {
            o.id
            for o in kept
            if any(r in unsettled and self.kinds[type(o)].gives_way(o, r) for r in self._references(o, self.source))
        }

    def _spread(self, dropped: set[Identity], replaced: set[Identity]) -> None:
        """Replace, too, what stands below a replaced object or refers to one that goes."""
        while True:
            gone = dropped | replaced
            more = set()
            for identity, obj in self.source.objects.items():
                if identity in gone or identity not in self.target:
                    continue
                kind = self.kinds[type(obj)]
                below = kind.parent(obj) in replaced
                refers = not kind.holds_data and any(r in gone for r in self._references(obj, self.source))
                if below or refers:
                    more.add(identity)
            if not more:
                return
            replaced |= more

    def _references(self, obj: Object, schema: Schema) -> Iterable[Identity]:
        yield from self.kinds[type(obj)].references(obj)
        yield from schema.edges.get(obj.id, ())

    def _create(self, obj: Object, context: Context, replaces: bool) -> Change:
        try:
            steps = tuple(self.kinds[type(obj)].create(obj, context))
        except PlanError as error:
            self.refused.append(error)
            steps = ()
        return Change(action=Action.CREATE, id=obj.id, new=obj, steps=steps, replaces=replaces)

    def _drops(self, gone: set[Identity], replaced: set[Identity]) -> list[Change]:
        found = []
        circles = _circles(self._tables_referred_to(gone))
        for identity in sorted(gone):
            obj = self.source.objects[identity]
            kind = self.kinds[type(obj)]
            covered = kind.parent(obj) in gone and not self._crosses(obj, circles)
            steps = () if covered else tuple(kind.drop(obj, self.context))
            change = Change(action=Action.DROP, id=identity, old=obj, steps=steps, replaces=identity in replaced)
            found.append(change)
        return found

    def _tables_referred_to(self, gone: set[Identity]) -> dict[Identity, set[Identity]]:
        """Map each dropped relation to the dropped relations that anything of it refers to."""
        found: dict[Identity, set[Identity]] = {i: set() for i in gone if i.space == "relation"}
        for identity in gone:
            obj = self.source.objects[identity]
            own = self.kinds[type(obj)].parent(obj)
            if own in found:
                found[own].update(r for r in self._references(obj, self.source) if r in found and r != own)
        return found

    def _crosses(self, obj: Object, circles: Mapping[Identity, int]) -> bool:
        """Whether a covered drop would have to happen before its own parent's, because the parent's is waited for.

        True for a reference from one dropped table to another that refers back: only dropping the reference first
        breaks the circle.
        """
        own = self.kinds[type(obj)].parent(obj)
        if own is None or own not in circles:
            return False
        return any(r != own and circles.get(r) == circles[own] for r in self._references(obj, self.source))


def _circles(edges: Mapping[Identity, Iterable[Identity]]) -> dict[Identity, int]:
    """Number the nodes such that those which reach each other, and only those, have the same number (Kosaraju)."""
    ended: list[Identity] = []
    seen: set[Identity] = set()
    for start in edges:
        path = [] if start in seen else [(start, iter(edges[start]))]
        seen.add(start)
        while path:
            node, rest = path[-1]
            follower = next((f for f in rest if f not in seen), None)
            if follower is None:
                ended.append(path.pop()[0])
            else:
                seen.add(follower)
                path.append((follower, iter(edges[follower])))
    back: dict[Identity, list[Identity]] = {node: [] for node in edges}
    for node, followers in edges.items():
        for follower in followers:
            back[follower].append(node)
    numbers: dict[Identity, int] = {}
    for number, start in enumerate(reversed(ended)):
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in numbers:
                numbers[node] = number
                waiting += back[node]
    return numbers
