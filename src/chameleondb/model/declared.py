"""What the `.cham` files say, after all names are resolved and before PostgreSQL has elaborated it.

Objects here are of the same classes as those read from a catalog, but their expressions are the user's own text and a
constraint without a name has a provisional one (`names.provisional`).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import field

from chameleondb.diagnostics import Source, Span
from chameleondb.frozen import frozen
from chameleondb.model.schema import Object
from chameleondb.names import Identity


@frozen(kw_only=True)
class Hint:
    """How to get somewhere: facts about the way, not about the result. They never make two schemas differ."""

    was: tuple[str, ...] = ()  # former names, newest first
    backfill: str | None = None  # expression that fills a required column of existing rows
    using: str | None = None  # expression that converts a column's old value to its new type


@frozen()
class Unit:
    """One top-level declaration: the grain of the elaboration cache."""

    key: Identity
    objects: tuple[Object, ...]


@frozen()
class SqlBlock:
    """A statement in PostgreSQL's own words, from a `sql` block or a .sql file."""

    sql: str
    span: Span


class Places:
    """Where objects are declared. There is one for every object, and hardly ever one is looked up."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._identities: list[Identity] = []
        self._numbers = array("L")

    def add(self, identity: Identity, span: Span) -> None:
        """Note the place of an object."""
        if not self._sources or self._sources[-1] is not span.source:
            self._sources.append(span.source)
        self._identities.append(identity)
        self._numbers.extend((len(self._sources) - 1, span.start, span.end))

    def get(self, identity: Identity) -> Span | None:
        """Return where an object is declared."""
        if identity not in self._identities:
            return None
        number = 3 * self._identities.index(identity)
        source, start, end = self._numbers[number : number + 3]
        return Span(self._sources[source], start, end)


@frozen(kw_only=True)
class Declared:
    """A checked schema: every relation, type and key has been resolved."""

    units: tuple[Unit, ...] = ()
    blocks: tuple[SqlBlock, ...] = ()
    hints: Mapping[Identity, Hint] = field(default_factory=dict)
    places: Places = field(default_factory=Places, compare=False)
    labels: Mapping[Identity, str] = field(default_factory=dict)  # what the user calls a declaration: `User`

    @property
    def objects(self) -> dict[Identity, Object]:
        """Every declared object, in declaration order."""
        return {o.id: o for unit in self.units for o in unit.objects}
