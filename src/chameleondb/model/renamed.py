"""New names by old ones, as identities and as the texts that PostgreSQL prints for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from chameleondb.names import Identity, literal, qualified_type, quote, spelled


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
