"""What declared objects need, be it only for a word in an expression.

Expressions are the user's own text, which only PostgreSQL reads for certain: ``'x'::plan``, ``nextval('numbers')``. So
every type and every relation that a text could mean counts as needed; rather too many than one too few.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_type_hints

from chameleondb.canonical import telling
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Declared, Unit
from chameleondb.model.schema import Object
from chameleondb.names import Identity, quote

_CONSTANT = re.compile(r"'((?:[^']|'')*)'")
_LAST_NAME = re.compile(r'([^".\\]+)[\\"]*\Z')


class References:
    """Finds what is needed among all that is declared."""

    def __init__(self, declared: Declared) -> None:
        self.units = {unit.key: unit for unit in declared.units}
        self.home = {o.id: unit.key for unit in declared.units for o in unit.objects}
        self._types: list[tuple[str, Identity]] = []
        self._relations: Mapping[str, list[Identity]] = defaultdict(list)
        for identity in self.home:
            if identity.space == "type":
                # Of a name with odd characters it is not certain how it is written.
                self._types.append((identity.name if quote(identity.name) == identity.name else "", identity))
            elif identity.space == "relation":
                self._relations[identity.name.lower()].append(identity)

    def near(self, unit: Unit, text: str) -> set[Identity]:
        """Return the other units that a unit needs; `text` is what `telling` says of it."""
        home = self.home
        return {home[r] for r in self._needs(unit.objects, text) if r in home} - {unit.key}

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
                if reference in self.home and reference not in needed:
                    unit = self.units[self.home[reference]]
                    whole = reference == unit.key
                    waiting += [o for o in unit.objects if o.id == reference or (whole and KIND_OF[type(o)].inline)]
        # Extensions bring types and operators that no reference names.
        everywhere = (unit for key, unit in self.units.items() if key.space in ("extension", "namespace"))
        needed.update((o.id, o) for unit in everywhere for o in unit.objects)
        return {i: needed[i] for i in self.home if i in needed}

    def _needs(self, objects: Sequence[Object], text: str) -> set[Identity]:
        found = {r for o in objects for r in KIND_OF[type(o)].references(o)}
        found.update(value for o in objects for name in _links(type(o)) if (value := getattr(o, name)) is not None)
        text = text.lower()
        found.update(identity for name, identity in self._types if name in text)
        if "'" in text:
            for constant in _CONSTANT.findall(text):
                if name := _LAST_NAME.search(constant):
                    found.update(self._relations.get(name[1], ()))
        return found


@cache
def _links(model: type[Any]) -> tuple[str, ...]:
    """Return the fields that hold the identity of another object."""
    links = (Identity, Identity | None)
    return tuple(name for name, hint in get_type_hints(model).items() if hint in links and name != "id")
