"""From OIDs to identities: while a catalog is read, each kind registers its objects and later kinds look them up."""

from __future__ import annotations

from chameleondb.names import Identity


class Oids:
    """The objects read so far, by system catalog and OID; columns by table OID and attribute number."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, int], Identity] = {}
        self.tables: list[int] = []
        self.columns: dict[int, dict[int, str]] = {}

    def relation(self, oid: int) -> Identity:
        """Return the identity of a relation already read."""
        return self.objects["pg_class", oid]

    def described(self, catalog: str, oid: int) -> Identity | None:
        """Return the object whose comment one on `oid` is: the index of a constraint is part of it, but has its own."""
        found = self.objects.get((catalog, oid))
        return None if found is not None and catalog == "pg_class" and found.space == "constraint" else found

    def column_names(self, table: int, numbers: list[int]) -> tuple[str, ...]:
        """Return the names of a table's columns by attribute number."""
        names = self.columns[table]
        return tuple(names[n] for n in numbers)
