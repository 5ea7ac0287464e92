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
from chameleondb.model.schema import Object
from chameleondb.names import Identity, quote

_CONSTANT = re.compile(r"'((?:[^']|'')*)'")
_LAST_NAME = re.compile(r'([^".\\]+)[\\"]*\Z')


class References:
    """Finds what is needed among all objects of a schema."""

    def __init__(self, everything: Iterable[Identity]) -> None:
        self._types: list[tuple[str, Identity]] = []
        self._relations: Mapping[str, list[Identity]] = defaultdict(list)
        for identity in everything:
            if identity.space == "type":
                # Of a name with odd characters it is not certain how it is written.
                self._types.append((identity.name if quote(identity.name) == identity.name else "", identity))
            elif identity.space == "relation":
                self._relations[identity.name.lower()].append(identity)

    def of(self, objects: Sequence[Object], text: str | None = None) -> set[Identity]:
        """Return what objects need; `text` is what `telling` says of them, if it is known."""
        found = {r for o in objects for r in KIND_OF[type(o)].references(o)}
        found.update(value for o in objects for name in _links(type(o)) if (value := getattr(o, name)) is not None)
        text = (telling(objects) if text is None else text).lower()
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
