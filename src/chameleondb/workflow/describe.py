"""A plan in words: one line per change and per locked table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chameleondb.diff import Action, Change
from chameleondb.kinds import KIND_OF
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.steps import Effort, LockMode

_MARKS = {Action.CREATE: "+", Action.DROP: "-", Action.ALTER: "~", Action.RENAME: ">"}


@dataclass(frozen=True, slots=True)
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
        lines.append(Line(_MARKS[change.action], _text(change, kind.name, contents)))
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
    return {
        parent: f" ({', '.join(_number(model, n) for model, n in counts.items())})" for parent, counts in inside.items()
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
    """Return, for each table, its strongest lock and what is done under it at most; weaker locks where more is done.

    A lock is held to the end of its transaction, so what others wait for is the strongest in each.
    """
    held: dict[str, dict[LockMode, int]] = {}
    for group in plan.groups:
        within: dict[str, tuple[LockMode, int]] = {}
        for step in group.steps:
            for name in {str(lock.relation) for lock in step.locks if lock.relation.space == "relation"}:
                mode = max(lock.mode for lock in step.locks if str(lock.relation) == name)
                known = within.get(name, (mode, 0))
                within[name] = (max(mode, known[0]), max(_EFFORTS.index(step.effort), known[1]))
        for name, (mode, effort) in within.items():
            modes = held.setdefault(name, {})
            modes[mode] = max(effort, modes.get(mode, 0))
    return tuple(f"{name}: {'; '.join(_efforts_told(modes))}" for name, modes in sorted(held.items()))


def _efforts_told(modes: Mapping[LockMode, int]) -> Iterator[str]:
    told = -1
    for mode, effort in sorted(modes.items(), reverse=True):
        if effort > told:
            yield f"{mode.label}, {_EFFORTS[effort].value}"
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
