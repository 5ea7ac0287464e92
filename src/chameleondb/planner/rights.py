"""The rights that a plan takes: on what exists before it runs. Pure; whether the role has them is asked elsewhere."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from chameleondb.diff import Action, Change
from chameleondb.kind import Kind
from chameleondb.names import Identity, namespace

Kinds = Mapping[type[Any], Kind[Any]]


class Right(enum.StrEnum):
    """What a role must be, or must have been granted."""

    OWNER = "owner"
    SELF = "self"  # the owner itself, be it a member of that role
    DROP = "drop"  # the owner of the schema has it, too
    CREATE = "create"
    REFERENCES = "references"


class Need(NamedTuple):
    """A right on an object; an identity without a path is the database's."""

    right: Right
    of: Identity


DATABASE = Identity("database", ())


def needs(changes: Iterable[Change], kinds: Kinds) -> tuple[Need, ...]:
    """Return the rights that changes take, each once, by the names that the database has now.

    What does not exist yet is among them: nobody lacks a right to it.
    """
    changes = [change for change in changes if change.steps]
    former = {c.id: c.old.id for c in changes if c.action is Action.RENAME and c.old and c.old.id.space == c.id.space}
    return tuple(dict.fromkeys(need for change in changes for need in _needs(change, kinds, former)))


def _needs(change: Change, kinds: Kinds, former: Mapping[Identity, Identity]) -> Iterator[Need]:
    obj: Any = change.new or change.old
    holder = _holder(obj.id, obj, kinds)
    if holder != change.id or change.action is not Action.CREATE:
        is_drop = change.action is Action.DROP and holder == change.id
        yield Need(Right.DROP if is_drop else Right.OWNER, former.get(holder, holder))
    if change.action in (Action.CREATE, Action.RENAME) and change.id.space in ("relation", "type"):
        yield Need(Right.CREATE, namespace(change.id.path[0]))
    elif change.action is Action.CREATE and change.id.space == "namespace":
        yield Need(Right.CREATE, DATABASE)
    if change.action is Action.CREATE:
        for table in (step.belongs_to for step in change.steps if step.belongs_to):
            yield Need(Right.SELF, former.get(table, table))
        for other in kinds[type(obj)].references(obj):
            if other.space == "relation" and other != holder:
                yield Need(Right.REFERENCES, former.get(other, other))


def _holder(identity: Identity, obj: Any, kinds: Kinds) -> Identity:
    """Return what has an owner: the object itself, or what it is a part of."""
    parent = kinds[type(obj)].parent(obj) or identity
    return parent.holder if parent.space in ("column", "constraint", "label") else parent
