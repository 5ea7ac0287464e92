"""The order of steps.

Every step is a node. The edges read as sentences:
- the steps of one change run in their own order;
- what a step needs is created, and has finished changing, before it;
- what refers to a dropped object is dropped or changed before it, and what would go with it is freed before;
- the dropped half of a replacement comes before the created half, and what a step awaits the end of before that step;
- a dependent is dropped before what it depends on changes, unless that is freed from it or spares it, and one that gets
  another type has it before the old goes; for steps that dependents do not see, none of them waits;
- what needs a part of the changing object itself, such as a new index, runs when that part is there, and no part waits
  for it;
- a statement of an sql block runs after what the shadow had when it took it, and before what the shadow took later.

Among the steps that are free, the smallest key runs first: creations and changes by kind and place, drops last. So the
order depends on nothing but the two schemas. Statements of sql blocks that need nothing declared come first of all,
others when nothing else is free: a view is best made of what its tables become.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from chameleondb.diff import Action, Change
from chameleondb.errors import PlanError
from chameleondb.frozen import frozen
from chameleondb.kind import Kind
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity
from chameleondb.steps import Step

Kinds = Mapping[type[Any], Kind[Any]]
Key = tuple[Any, ...]

# What is made anew waits for the drop of its old form, and something may for the name of what only goes; for the rest
# of that, nobody waits.
_MAKE, _REPLACE, _GIVE, _DROP = range(4)


@frozen()
class Rounds:
    """In which round the shadow took what: the statements of sql blocks to run, and declared objects after the first.

    In each round, the statements went before the objects.
    """

    blocks: Mapping[int, tuple[Step, ...]] = field(default_factory=dict)
    late: Mapping[Identity, int] = field(default_factory=dict)

    def of(self, identity: Identity) -> int:
        """Return the round of an object; of a constraint that it does not know by name, the last of its table's."""
        if identity.space == "constraint" and identity not in self.late:
            identity = unnamed(identity)
        return self.late.get(identity, 1)


def unnamed(identity: Identity) -> Identity:
    """Return what stands for all constraints of a table whose names PostgreSQL chooses."""
    return Identity("constraint", (*identity.table.path, ""))


NO_ROUNDS = Rounds()


def order(
    changes: Sequence[Change], source: Schema, target: Schema, kinds: Kinds, rounds: Rounds = NO_ROUNDS
) -> list[Step]:
    """Return the steps of all changes, and those of sql blocks, in the order in which they can run.

    Renames, already in order, come first, after what they need. Raises PlanError CHM1005 when the changes need each
    other in a circle.
    """
    renames = [s for c in changes if c.action is Action.RENAME for s in c.steps]
    needed = {i for step in renames for i in step.needs}
    before = {c.id: c for c in changes if c.action is Action.CREATE and c.id in needed}
    rest = [c for c in changes if c.action is not Action.RENAME and c.id not in before]
    graph = _Graph(rest, kinds)
    graph.connect(source, target)
    graph.insert(rounds)
    return [*(s for c in before.values() for s in c.steps), *renames, *graph.sorted()]


class _Graph:
    def __init__(self, changes: Sequence[Change], kinds: Kinds) -> None:
        self.kinds = kinds
        self.changes = changes
        self.steps: list[Step] = []
        self.keys: list[Key] = []
        self.after: defaultdict[int, set[int]] = defaultdict(set)  # node → nodes that must follow it
        self.first: dict[Identity, int] = {}  # of the steps that create it
        self.made: list[tuple[Identity, int, int]] = []  # what is created or changed, its first and its last step
        self.creates: dict[Identity, int] = {}
        self.drops: dict[Identity, int] = {}
        self.alters: dict[Identity, list[int]] = {}
        self.awaited: dict[Identity, list[int]] = {}  # of these, what others wait for
        self.unsettles: defaultdict[Identity, list[list[int]]] = defaultdict(list)  # the steps that do
        rank = {kind.model: n for n, kind in enumerate(kinds.values())}
        for change in changes:
            self._add(change, rank)

    def _add(self, change: Change, rank: Mapping[type[Any], int]) -> None:
        obj = change.new or change.old
        assert obj is not None
        drop = change.action is Action.DROP
        kind_rank = rank[type(obj)]
        place = self.kinds[type(obj)].order(obj)
        when = _MAKE if not drop else _REPLACE if change.replaces else _DROP
        nodes = []
        for number, step in enumerate(change.steps):
            node = len(self.steps)
            self.steps.append(step)
            table = change.id.path[:2]
            self.keys.append((when, -kind_rank if drop else kind_rank, table, place, change.id, number))
            for identity in step.creates:
                self.creates.setdefault(identity, node)
            for identity in step.drops:
                self.drops.setdefault(identity, node)
            nodes.append(node)
        for first, second in itertools.pairwise(nodes):
            self.after[first].add(second)
        if nodes and not drop:
            self.made.append((change.id, nodes[0], nodes[-1]))
        if change.action is Action.ALTER:
            self.alters[change.id] = nodes
            for identity in change.unsettles if nodes else ():
                self.unsettles[identity].append(nodes)
        elif change.action is Action.CREATE and nodes:
            self.first[change.id] = nodes[0]

    def connect(self, source: Schema, target: Schema) -> None:
        """Draw every edge."""
        self._find_awaited(target)
        self._pass_names_on(source)
        for node, step in enumerate(self.steps):
            for identity in step.needs:
                self._before(self.creates.get(identity), node)
            # A name is free when what had it is gone, be it with its table.
            for identity in (*step.creates, *step.awaits):
                self._before(self._dropping(identity, source), node)
            for identity in step.frees:
                self._before(node, self._dropping(identity, source))
        for change in self.changes:
            if change.action is Action.DROP:
                self._connect_drop(change, source)
            elif change.action is Action.CREATE and change.new is not None:
                self._connect_create(change, change.new, target)
            elif change.old is not None:
                self._connect_alter(change, source, target)
        for node, followers in self.after.items():
            if self.keys[node][0] == _DROP and any(self.keys[follower][0] == _MAKE for follower in followers):
                self.keys[node] = (_GIVE, *self.keys[node][1:])

    def _pass_names_on(self, source: Schema) -> None:
        """Let what else something is called go with it, and be free before something else is called so."""
        for change in self.changes:
            node = self._dropping(change.id, source) if change.action is Action.DROP else None
            if node is not None:
                for name in self._also_named(change):
                    self.drops.setdefault(name, node)
        for change in self.changes:
            if change.action is Action.CREATE:
                for name in self._also_named(change):
                    self._before(self._dropping(name, source), self.creates.get(name, self.creates.get(change.id)))

    def _also_named(self, change: Change) -> Iterable[Identity]:
        obj = change.new or change.old
        return self.kinds[type(obj)].also_named(obj) if obj is not None else ()

    def insert(self, rounds: Rounds) -> None:
        """Put the statements of sql blocks between the steps of what they need and of what needs them."""
        ends: list[tuple[int, int, int]] = []  # round, first and last node
        for number, steps in sorted(rounds.blocks.items()):
            nodes = range(len(self.steps), len(self.steps) + len(steps))
            self.steps += steps
            # Beyond every rank, or before.
            place = (_DROP, number) if number > 1 else (_MAKE, -1)
            self.keys += [(*place, n) for n in range(len(steps))]
            for first, second in itertools.pairwise(nodes):
                self.after[first].add(second)
            if ends:
                self.after[ends[-1][2]].add(nodes[0])
            ends.append((number, nodes[0], nodes[-1]))
        for identity, first, last in self.made if ends else ():
            own = rounds.of(identity)
            earlier = [end for number, _, end in ends if number <= own]
            if earlier:
                self.after[earlier[-1]].add(first)
            for node in range(first, last + 1):
                # What follows on its making may need what came later: a sequence gets an owner.
                own = max((own, *map(rounds.of, self.steps[node].needs)))
                later = [start for number, start, _ in ends if number > own]
                if later:
                    self.after[node].add(later[0])

    def _find_awaited(self, target: Schema) -> None:
        """Leave out, of the steps of a change, those that must themselves wait for a part of it, and the unseen."""
        for identity, nodes in self.alters.items():
            needed = [
                [n for n in self.steps[node].needs if self._is_changing_part(n, identity, target)] for node in nodes
            ]
            count = next((place for place, parts in enumerate(needed) if parts), len(nodes))
            seen = [node for node in nodes[:count] if not self.steps[node].unseen]
            if seen:
                self.awaited[identity] = seen
            for node, parts in zip(nodes, needed, strict=True):
                for part in parts:
                    self._before(self.alters.get(part, [None])[-1], node)

    def _is_changing_part(self, identity: Identity, whole: Identity, target: Schema) -> bool:
        obj = target.get(identity) if identity in self.creates or identity in self.alters else None
        return obj is not None and self.kinds[type(obj)].parent(obj) == whole

    def _before(self, first: int | None, second: int | None) -> None:
        if first is not None and second is not None and first != second:
            self.after[first].add(second)

    def _references(self, obj: Object, schema: Schema) -> Iterable[Identity]:
        yield from self.kinds[type(obj)].references(obj)
        yield from schema.edges.get(obj.id, ())

    def _connect_create(self, change: Change, obj: Object, target: Schema) -> None:
        # Some are built under another name before they take the place of what is dropped.
        self._before(self.drops.get(change.id), self.creates.get(change.id))
        first = self.first.get(change.id)
        # What stands inside the statement refers to something, too.
        inside = self.steps[first].needs if first is not None else ()
        for identity in (*self._references(obj, target), *inside):
            self._before(self.creates.get(identity), first)
            for nodes in self._changing(identity):
                self._before(nodes[-1], first)

    def _connect_drop(self, change: Change, source: Schema) -> None:
        assert change.old is not None
        own = self._dropping(change.id, source)
        for identity in self._references(change.old, source):
            self._before(own, self.drops.get(identity))
            if not any(own in self.after[node] for node in self.alters.get(identity, ())):
                for nodes in self._changing(identity):
                    self._before(own, next((node for node in nodes if not self.steps[node].spares), None))

    def _changing(self, identity: Identity) -> Iterable[list[int]]:
        """Yield the steps of each change of an object, be it that of its type."""
        own = self.awaited.get(identity)
        return [*([own] if own else []), *self.unsettles.get(identity, ())]

    def _dropping(self, identity: Identity, source: Schema) -> int | None:
        """Return the step that drops something, be it the one that drops its parent."""
        obj, own = source.get(identity), self.drops.get(identity)
        parent = self.kinds[type(obj)].parent(obj) if obj is not None else None
        return own if own is not None or parent is None else self.drops.get(parent)

    def _connect_alter(self, change: Change, source: Schema, target: Schema) -> None:
        nodes = self.alters.get(change.id, [])
        if not nodes or change.old is None or change.new is None:
            return
        kept = set(self._references(change.new, target))
        for identity in self._references(change.old, source):
            if identity not in kept:
                # One of the steps may create what takes the place of the dropped object.
                taker = self.creates.get(identity)
                self._before(nodes[nodes.index(taker) - 1 if taker in nodes[1:] else -1], self.drops.get(identity))
                for others in self.unsettles.get(identity, ()):
                    self._before(nodes[-1], others[-1])
        for identity in kept:
            giver = self.drops.get(identity)
            first = nodes.index(giver) + 1 if giver in nodes[:-1] else 0
            self._before(self.creates.get(identity), nodes[first])
            for node in self.awaited.get(identity, ())[-1:]:
                if identity != change.id:
                    self._before(node, nodes[0])

    def sorted(self) -> list[Step]:
        """Return the steps in topological order, smallest key first."""
        waits = [0] * len(self.steps)
        for followers in self.after.values():
            for node in followers:
                waits[node] += 1
        free = [(self.keys[n], n) for n in range(len(self.steps)) if waits[n] == 0]
        heapq.heapify(free)
        ordered = []
        while free:
            _, node = heapq.heappop(free)
            ordered.append(node)
            for follower in self.after[node]:
                waits[follower] -= 1
                if waits[follower] == 0:
                    heapq.heappush(free, (self.keys[follower], follower))
        if len(ordered) < len(self.steps):
            stuck = [self.steps[n].sql.partition("\n")[0] for n in range(len(self.steps)) if waits[n] > 0]
            raise PlanError(
                "CHM1005",
                f"{len(stuck)} statements need each other in a circle, among them: {stuck[0]}",
                hint="make the change in two steps",
            )
        return [self.steps[n] for n in ordered]
