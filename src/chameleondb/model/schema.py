"""A schema is a map from identity to object, plus the dependencies that only PostgreSQL knows.

Objects are values (`frozen`), one class per kind, each with `id` first. Equality, hashing, JSON and diff work on their
fields and are written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from chameleondb.frozen import frozen
from chameleondb.names import Identity


class Object(Protocol):
    """What every model class has."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def id(self) -> Identity:
        """The object's identity."""


@frozen()
class Unmodelled:
    """An object of a kind that Chameleon does not manage: reported, never touched."""

    type: str  # PostgreSQL's word, e.g. "trigger"
    identity: str  # pg_identify_object's text
    definition: str = ""  # what it is, in words that are equal where two of them are alike; empty where nobody knows
    parts: tuple[str, ...] = ()  # what it has of its own: "constraint …", "index …"

    @property
    def statement(self) -> str | None:
        """The statement that makes it, where its definition is enough for that."""
        if not self.definition:
            return None
        if self.type in ("view", "materialized view"):
            return f"CREATE {self.type.upper()} {self.identity} AS {self.definition}"
        return self.definition if self.definition.startswith("CREATE ") else None

    def covers(self, said: Unmodelled) -> bool:
        """Whether it is what is said, perhaps with parts that nobody speaks of."""
        return self.definition == said.definition and set(said.parts) <= set(self.parts)

    def beyond(self, said: Unmodelled) -> Iterator[Unmodelled]:
        """Yield the parts that nobody speaks of."""
        for part in sorted(set(self.parts).difference(said.parts)):
            word, _, identity = part.partition(" ")
            yield Unmodelled(word, identity)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same object in another database."""
        return (self.type, self.identity)


@frozen(slots=False)
class Schema:
    """Objects by identity.

    `edges` holds what PostgreSQL records in pg_depend beyond what the objects say themselves: an expression that calls
    a function, a column of an extension's type.
    """

    objects: Mapping[Identity, Object] = field(default_factory=dict)
    edges: Mapping[Identity, frozenset[Identity]] = field(default_factory=dict)
    unmodelled: tuple[Unmodelled, ...] = ()

    @cached_property
    def _children(self) -> dict[tuple[str, ...], tuple[Object, ...]]:
        found: dict[tuple[str, ...], list[Object]] = {}
        for identity, obj in self.objects.items():
            if identity.space in ("column", "constraint"):
                found.setdefault(identity.path[:2], []).append(obj)
        return {path: tuple(objects) for path, objects in found.items()}

    def __contains__(self, identity: Identity) -> bool:
        return identity in self.objects

    def get(self, identity: Identity) -> Object | None:
        """Return the object of that identity, or None."""
        return self.objects.get(identity)

    def children(self, table: Identity) -> tuple[Object, ...]:
        """Return the columns and constraints of a table, in reading order."""
        return self._children.get(table.path, ())

    def with_objects(self, objects: Iterable[Object]) -> Schema:
        """Return a schema with other objects and the same edges."""
        return Schema({o.id: o for o in objects}, self.edges, self.unmodelled)
