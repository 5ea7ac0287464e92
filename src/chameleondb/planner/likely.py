"""What may be a rename that nobody has declared: told where values would be lost, never assumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chameleondb.diff import Action, Change
from chameleondb.kind import Kind
from chameleondb.model.schema import Object, Schema
from chameleondb.renames import Rename, moves
from chameleondb.syntax.tokens import enquote, name_text

Kinds = Mapping[type[Any], Kind[Any]]


def likely_renames(changes: Sequence[Change], source: Schema, target: Schema, kinds: Kinds) -> tuple[Rename, ...]:
    """Pair what is dropped with its data with the only thing created that resembles it.

    What has columns does so if most of them have the same names.
    """
    holders = [c for c in changes if not c.replaces and kinds[type(c.new or c.old)].resembles is not None]
    gone = [c.old for c in holders if c.action is Action.DROP and c.old is not None]
    fresh: dict[Any, list[Object]] = {}
    for change in holders if gone else ():
        if change.action is Action.CREATE and change.new is not None:
            fresh.setdefault(_group(change.new, kinds), []).append(change.new)
    found = []
    for old in gone:
        resembles = kinds[type(old)].resembles
        columns = _columns(old, source)
        alike = [
            new
            for new in fresh.get(_group(old, kinds), ())
            if resembles and resembles(old, new) and _are_alike(columns, _columns(new, target))
        ]
        if len(alike) == 1:
            found.append(Rename(old.id, alike[0].id))
    return tuple(found)


def rename_hints(renames: Iterable[Rename]) -> list[str]:
    """Return how to say in the schema that something was renamed, a clause for each."""
    return [f"if {r.old} is now called {r.new}, say so there: was {former_text(r)}" for r in renames]


def former_text(rename: Rename) -> str:
    """Return a former name as it stands behind `was`: with its schema if that was another."""
    old, new = rename.old, rename.new
    if old.space in ("column", "label"):
        return name_text(old.name)
    schema = f"{name_text(old.path[0])}." if moves(old, new) else ""
    return schema + enquote(old.name)


def _group(obj: Object, kinds: Kinds) -> Any:
    kind = kinds[type(obj)]
    return (kind.name, kind.parent(obj))


def _columns(obj: Object, schema: Schema) -> set[str]:
    return {child.id.name for child in schema.children(obj.id) if child.id.space == "column"}


def _are_alike(old: set[str], new: set[str]) -> bool:
    return 2 * len(old & new) >= max(len(old), len(new))
