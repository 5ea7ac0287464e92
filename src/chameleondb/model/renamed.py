"""New names by old ones, as identities and as the texts that PostgreSQL prints for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from chameleondb.names import Identity, comment, commented, literal, qualified_type, quote, spelled

Pair = tuple[Identity, Identity]
"""What something was called, and is called from then on."""


def after(identities: Iterable[Identity], renames: Iterable[Pair]) -> dict[Identity, Identity]:
    """Map identities to what they are called after renames, one after the other; what lies in something goes along."""
    present = {identity: identity for identity in identities}
    called: dict[Identity, set[Identity]] = defaultdict(set)  # what is, or lies in, what has a name at present
    for identity in present:
        for place in _places(identity):
            called[place].add(identity)
    for old, new in renames:
        for identity in called.pop(old, ()):
            now = present[identity]
            for place in _places(now):
                called[place].discard(identity)
            now = present[identity] = _called(now, old, new)
            for place in _places(now):
                called[place].add(identity)
    return present


_PARTS = ("column", "constraint", "label")


def _places(identity: Identity) -> tuple[Identity, ...]:
    if identity.space == "comment":
        return _places(commented(identity))
    return (identity, identity.holder) if identity.space in _PARTS else (identity,)


def _called(identity: Identity, old: Identity, new: Identity) -> Identity:
    if identity == old:
        return new
    if identity.space == "comment":
        return comment(_called(commented(identity), old, new))
    return Identity(identity.space, (*new.path, identity.name))


class Renamed(dict[Identity, Identity]):
    """Objects that are renamed, with all that lies below them."""

    def columns(self, table: Identity) -> Mapping[str, str]:
        """Return the names of a table's columns as expressions have them; `table` has its old name."""
        return self._columns.get(table.path, {})

    @cached_property
    def _columns(self) -> Mapping[tuple[str, ...], Mapping[str, str]]:
        found: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        for old, new in self.items():
            if old.space == "column" and old.name != new.name:
                found[old.path[:2]][quote(old.name)] = quote(new.name)
        return found

    @cached_property
    def relations(self) -> Mapping[str, str]:
        """The names of tables, indexes and sequences as a constant of type regclass has them, without its quotes."""
        return {_constant(old): _constant(new) for old, new in self.items() if old.space == "relation"}

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The names of types, with their schema."""
        return {qualified_type(old.path): qualified_type(new.path) for old, new in self.items() if old.space == "type"}

    @cached_property
    def labels(self) -> Mapping[tuple[str, str], str]:
        """The labels of enum types: new ones by type and old one, both with their quotes."""
        return {
            (qualified_type(old.path[:2]), literal(old.name)): literal(new.name)
            for old, new in self.items()
            if old.space == "label"
        }


def _constant(identity: Identity) -> str:
    return spelled(identity.path).replace("'", "''")
