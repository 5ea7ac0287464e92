"""A plan in words: one line per change and per locked table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from chameleondb.diff import Action, Change
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF
from chameleondb.names import Identity
from chameleondb.planner.estimate import magnitude
from chameleondb.planner.plan import Group, Plan
from chameleondb.steps import Effort, LockMode

_MARKS = {Action.CREATE: "+", Action.DROP: "-", Action.ALTER: "~", Action.RENAME: ">"}


@frozen()
class Line:
    """One change: ``+`` created, ``-`` dropped, ``~`` changed, ``>`` renamed, ``±`` replaced."""

    mark: str
    text: str


def describe(plan: Plan) -> tuple[Line, ...]:
    """Return a line for every change; what stands inside a created table is told with it."""
    replaced = {c.id for c in plan.changes if c.replaces}
    created = {c.id for c in plan.changes if c.action is Action.CREATE and c.id not in replaced}
    dropped = {c.id for c in plan.changes if c.action is Action.DROP}
    contents = _contents(plan)
    lines = []
    for change in plan.changes:
        obj: Any = change.new or change.old
        kind = KIND_OF[type(obj)]
        parent = kind.parent(obj)
        if change.action is Action.CREATE and parent in created and not change.steps:
            continue
        if change.action is Action.DROP and parent in dropped and not change.steps:
            continue
        if change.id in replaced:
            if change.action is Action.CREATE:
                lines.append(Line("±", f"{_word(kind.name)} {change.id}: replaced"))
            continue
        text = _text(change, kind.name, contents)
        lines.append(Line(_MARKS[change.action], text.replace("\n", "\\n")))  # comments and CASE have several lines
    return tuple(lines)


def _text(change: Change, kind: str, contents: Mapping[Identity, str]) -> str:
    text = f"{_word(kind)} {change.id}"
    if change.action is Action.RENAME:
        return f"{text}: {change.steps[0].sql}"
    if change.action is Action.CREATE:
        return text + contents.get(change.id, "")
    if change.action is Action.ALTER:
        return f"{text}: {', '.join(_difference(change, name) for name in change.fields)}"
    return text


def _contents(plan: Plan) -> dict[Identity, str]:
    """Count what stands inside each CREATE statement: `` (6 columns, 1 check)``."""
    inside: dict[Identity, Counter[type[Any]]] = {}
    for change in plan.changes:
        if change.new is not None and change.action is Action.CREATE and not change.steps:
            parent = KIND_OF[type(change.new)].parent(change.new)
            if parent is not None:
                inside.setdefault(parent, Counter())[type(change.new)] += 1
    # In one order, whether they come from files, from a database or from a version.
    return {
        parent: f" ({', '.join(_number(model, counts[model]) for model in KIND_OF if model in counts)})"
        for parent, counts in inside.items()
    }


def _number(model: type[Any], count: int) -> str:
    kind = KIND_OF[model]
    return f"{count} {kind.plural if count > 1 else _word(kind.name)}"


def _difference(change: Change, name: str) -> str:
    old, new = getattr(change.old, name), getattr(change.new, name)
    if all(v is None or isinstance(v, str | int) for v in (old, new)):
        return f"{_word(name)} {_value(old)} → {_value(new)}"
    if old is None or new is None:
        return f"{_word(name)} {'removed' if new is None else 'added'}"
    return _word(name)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _word(name: str) -> str:
    return name.replace("_", " ")


_EFFORTS = tuple(Effort)


def lock_lines(plan: Plan) -> tuple[str, ...]:
    """Return, for each table, its strongest lock, what is done under it at most, and for how long; weaker locks where
    more is done. Of a large table, its size is told; one that is renamed is told by its new name.

    A lock is held to the end of its transaction, so what others wait for is the strongest in each.
    """
    held: dict[str, dict[LockMode, _Held]] = {}
    renamed = (c for c in plan.changes if c.action is Action.RENAME and c.old and c.id.space == "relation")
    renames = {step.sql: (c.old.id, c.id) for c in renamed if c.old for step in c.steps}
    for group in plan.groups:
        for name, own in _held(group, renames):
            modes = held.setdefault(name, {})
            known = modes.get(own.mode, own)
            modes[own.mode] = _Held(own.mode, max(own.effort, known.effort), max(own.seconds, known.seconds))
    sizes = {str(table): f" ({facts.text})" for table, facts in plan.large.items()}
    return tuple(
        f"{name}{sizes.get(name, '')}: {'; '.join(_told(modes.values()))}" for name, modes in sorted(held.items())
    )


class _Held(NamedTuple):
    """A lock in one transaction: its mode, the most that is done to its table, how long it is held in seconds."""

    mode: LockMode
    effort: int
    seconds: float


def _held(group: Group, renames: Mapping[str, tuple[Identity, Identity]]) -> Iterator[tuple[str, _Held]]:
    """Yield the locks of each table in a transaction: a new one with each step that takes a stronger one."""
    strongest: dict[str, _Held] = {}
    left = sum(step.seconds for step in group.steps)
    for step in group.steps:
        effort = _EFFORTS.index(step.effort)
        old, new = renames.get(step.sql, (None, None))
        modes: dict[str, LockMode] = {}
        for lock in step.locks:
            if lock.relation.space == "relation":
                name = str(new if lock.relation == old else lock.relation)
                modes[name] = max(lock.mode, modes.get(name, lock.mode))
        for name, mode in modes.items():
            known = strongest.get(name)
            if known is None or mode > known.mode:
                strongest[name] = _Held(mode, effort, left)
            else:
                strongest[name] = known._replace(effort=max(effort, known.effort))
            yield name, strongest[name]
        left -= step.seconds


def _told(held: Iterable[_Held]) -> Iterator[str]:
    told = -1
    for mode, effort, seconds in sorted(held, reverse=True):
        if effort > told:
            long = magnitude(seconds)
            yield f"{mode.label}, {_EFFORTS[effort].value}{f', for {long}' if long else ''}"
            told = effort


class Typed(Protocol):
    """Something of a kind that PostgreSQL has a word for."""

    @property
    def type(self) -> str:
        """PostgreSQL's word, e.g. "view"."""


def counted(objects: Iterable[Typed]) -> str:
    """Return e.g. ``3 functions, 1 view``."""
    counts = Counter(obj.type for obj in objects)
    return ", ".join(f"{n} {word if n == 1 else _plural(word)}" for word, n in sorted(counts.items()))


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
