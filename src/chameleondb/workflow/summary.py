"""What a version changes, in one line for the history: ``Added age field to User``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from chameleondb.diff import Action, Change, diff
from chameleondb.kinds import KIND_OF
from chameleondb.kinds.comment import Comment
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity

INITIAL = "Initial schema"
SENTENCES_MAX = 6

_VERBS = {Action.CREATE: "Added", Action.DROP: "Removed", Action.ALTER: "Changed", Action.RENAME: "Renamed"}
_LINKS = {Action.CREATE: "to", Action.DROP: "from", Action.ALTER: "of", Action.RENAME: "of"}


def changes_between(source: Schema, target: Schema, hints: Mapping[Identity, Any]) -> tuple[Change, ...]:
    """Return the changes from one version to the next; every object of a version is managed."""
    return diff(source, target, KIND_OF, managed=lambda: frozenset(source.objects), hints=hints).changes


def summarize(changes: Iterable[Change], entities: Mapping[Identity, str]) -> str:
    """Return one line about changes. `entities` says what the user calls a table; of both versions."""
    changes = tuple(changes)
    whole = {c.id for c in changes if c.action in (Action.CREATE, Action.DROP)}
    renamed = {c.id for c in changes if c.action is Action.RENAME}
    groups: dict[tuple[Action, str, str], list[str]] = {}
    for change in _as_told(changes):
        if not _is_told_with_another(change, whole, renamed):
            action, noun, owner, name = _told(change, entities)
            groups.setdefault((action, noun, owner), []).append(name)
    sentences = list(_sentences(groups))
    left = len(sentences) - SENTENCES_MAX
    return "; ".join(sentences[:SENTENCES_MAX] + ([f"{left} more changes"] if left > 0 else []))


def _as_told(changes: Iterable[Change]) -> Iterator[Change]:
    """A replacement is one change of what is called so."""
    for change in changes:
        if not change.replaces:
            yield change
        elif change.action is not Action.DROP:
            yield replace(change, action=Action.ALTER)


def _sentences(groups: Mapping[tuple[Action, str, str], list[str]]) -> Iterator[str]:
    for (action, noun, owner), names in sorted(groups.items(), key=lambda group: group[0][1] == "comment"):
        verb, listed = _VERBS[action], ", ".join(dict.fromkeys(names))
        if not owner:
            yield f"{verb} {noun} {listed}".replace("  ", " ")
        else:
            nouns = noun if len(set(names)) == 1 else "indexes" if noun == "index" else f"{noun}s"
            yield f"{verb} {listed} {nouns} {_LINKS[action]} {owner}".replace("  ", " ")


def _told(change: Change, entities: Mapping[Identity, str]) -> tuple[Action, str, str, str]:
    """Return (action, noun, owner, name)."""
    obj: Any = change.new or change.old
    kind = KIND_OF[type(obj)]
    parent = kind.parent(obj)
    if kind.owns_columns:
        old, new = (entities.get(o.id, str(o.id)) if o else "" for o in (change.old, change.new))
        name = f"{old} to {new}" if change.action is Action.RENAME else new or old
        return change.action, "", "", name
    if isinstance(obj, Comment):
        return change.action, "comment", _place(obj.target, entities), ""
    if change.id != obj.id:  # a part of it
        return change.action, change.id.space, str(obj.id), change.id.name
    noun = "field" if change.id.space == "column" else kind.name.replace("_", " ")
    name = change.id.name
    owner = entities.get(parent, str(parent)) if parent is not None else ""
    if change.action is Action.RENAME and change.old is not None:
        before = change.old.id.name
        return (change.action, noun, *((f"{owner} to {name}", before) if owner else ("", f"{before} to {name}")))
    return change.action, noun, owner, name


def _place(target: Identity, entities: Mapping[Identity, str]) -> str:
    """Return what a comment is about: ``User``, ``User.email``, or another object's name."""
    if target.space == "column":
        return f"{entities.get(target.table, target.table.name)}.{target.name}"
    return entities.get(target, target.name)


def _is_told_with_another(change: Change, whole: set[Identity], renamed: set[Identity]) -> bool:
    """What belongs to a table or a column that comes or goes, or is renamed with it, is no news of its own."""
    if _renames_not_null(change):
        return True
    obj: Any = change.new or change.old
    if isinstance(obj, Comment):
        return obj.target in whole or (obj.target.space == "column" and obj.target.table in whole)
    parent = KIND_OF[type(obj)].parent(obj)
    if parent is not None and parent in whole:
        return True
    if change.id.space == "column":
        return False
    own = renamed if change.action is Action.RENAME else whole
    return any(r in own for r in _of_own_table(obj, parent)) or (own is renamed and parent in renamed)


def _renames_not_null(change: Change) -> bool:
    """Whether nothing changes but the name of a NOT NULL, as after a rename of its column."""
    if change.fields != ("not_null",):
        return False
    old, new = (getattr(o, "not_null", None) for o in (change.old, change.new))
    return old is not None and new is not None and replace(old, name=None) == replace(new, name=None)


def _of_own_table(obj: Object, parent: Identity | None) -> Iterator[Identity]:
    references = KIND_OF[type(obj)].references(obj)
    return (r for r in references if r.space == "column" and (parent is None or r.table == parent))
