"""What declared objects need, be it only for a word in an expression.

Expressions are the user's own text, which only PostgreSQL reads for certain: ``'x'::plan``, ``nextval('numbers')``. So
every type and every relation that a text could mean counts as needed; rather too many than one too few.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, get_type_hints

from chameleondb.canonical import canonical_json, sha256, telling
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Declared, Unit
from chameleondb.model.schema import Object
from chameleondb.names import Identity, quote

_CONSTANT = re.compile(r"'((?:[^']|'')*)'")
_LAST_NAME = re.compile(r'([^".\\]+)[\\"]*\Z')


_WITHIN = frozenset({"column", "constraint"})
"""Spaces of what lies in a relation: whose unit it is in says the relation's name."""


class References:
    """Finds what is needed among all that is declared."""

    def __init__(self, declared: Declared) -> None:
        self.units = {unit.key: unit for unit in declared.units}
        self.home = {o.id: unit.key for unit in declared.units for o in unit.objects if o.id.space not in _WITHIN}
        self._types: list[tuple[str, Identity]] = []
        self._relations: Mapping[str, list[Identity]] = defaultdict(list)
        for identity in self.home:
            if identity.space == "type":
                # Of a name with odd characters it is not certain how it is written.
                self._types.append((identity.name if quote(identity.name) == identity.name else "", identity))
            elif identity.space == "relation":
                self._relations[identity.name.lower()].append(identity)

    @cached_property
    def names(self) -> str:
        """A hash of all that can be needed: as long as it is the same, a unit that says the same needs the same."""
        return sha256(canonical_json([pair for pair in self.home.items() if pair[0].space != "comment"]))

    def near(self, unit: Unit, text: str) -> set[Identity]:
        """Return the other units that a unit needs; `text` is what `telling` says of it."""
        found = {home for home in map(self._home_of, self._needs(unit.objects, text)) if home is not None}
        return found - {unit.key}

    def closure(self, units: Iterable[Unit]) -> dict[Identity, Object]:
        """Return the objects of some units and all that they need: of other tables, the columns and the keys."""
        needed: dict[Identity, Object] = {}
        waiting = [o for unit in units for o in unit.objects]
        while waiting:
            obj = waiting.pop()
            if obj.id in needed:
                continue
            needed[obj.id] = obj
            for reference in self._needs([obj], telling([obj])):
                home = self._home_of(reference)
                if home is not None and reference not in needed:
                    whole = reference == home
                    objects = self.units[home].objects
                    waiting += [o for o in objects if o.id == reference or (whole and KIND_OF[type(o)].inline)]
        # Extensions bring types and operators that no reference names.
        everywhere = (unit for key, unit in self.units.items() if key.space in ("extension", "namespace"))
        needed.update((o.id, o) for unit in everywhere for o in unit.objects)
        return {o.id: o for unit in self.units.values() for o in unit.objects if o.id in needed}

    def _home_of(self, identity: Identity) -> Identity | None:
        return self.home.get(identity.table if identity.space in _WITHIN else identity)

    def _needs(self, objects: Sequence[Object], text: str) -> Iterator[Identity]:
        for obj in objects:
            references, links = _links(type(obj))
            yield from references(obj)
            for name in links:
                if (value := getattr(obj, name)) is not None:
                    yield value
        text = text.lower()
        for name, identity in self._types:
            if name in text:
                yield identity
        if "'" in text:
            for constant in _CONSTANT.findall(text):
                if last := _LAST_NAME.search(constant):
                    yield from self._relations.get(last[1], ())


@cache
def _links(model: type[Any]) -> tuple[Callable[[Any], Iterable[Identity]], tuple[str, ...]]:
    """Return what tells the references of a kind's objects, and the fields that hold the identity of another object."""
    links = (Identity, Identity | None)
    names = tuple(name for name, hint in get_type_hints(model).items() if hint in links and name != "id")
    return KIND_OF[model].references, names
