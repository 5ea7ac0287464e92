"""Short ways to load schema text in tests."""

from __future__ import annotations

import re
from typing import Any

from chameleondb.diagnostics import Diagnostic, Source
from chameleondb.errors import SchemaError
from chameleondb.model.declared import Declared
from chameleondb.names import is_provisional
from chameleondb.workflow.source import Loaded, load


def loaded(*texts: str) -> Loaded:
    """Load texts as files ``1.cham``, ``2.cham``, …"""
    return load([Source(f"{number}.cham", text) for number, text in enumerate(texts, 1)])


def declared(*texts: str) -> Declared:
    return loaded(*texts).declared


def entity(members: str, head: str = "entity User") -> Declared:
    """Load one entity that has a primary key."""
    return declared(f"{head} {{ id: uuid primary, {members} }}")


def objects(schema: Declared, kind: str) -> list[Any]:
    """Return the declared objects of one class."""
    return [o for o in schema.objects.values() if type(o).__name__ == kind]


def only(schema: Declared, kind: str) -> Any:
    (found,) = objects(schema, kind)
    return found


def column(schema: Declared, name: str) -> Any:
    return next(o for o in objects(schema, "Column") if o.id.name == name)


def mistakes(*texts: str) -> list[Diagnostic]:
    """Return the diagnostics of a schema that is wrong."""
    try:
        loaded(*texts)
    except SchemaError as error:
        return [d for d in error.diagnostics if isinstance(d, Diagnostic) and d.is_error]
    raise AssertionError("the schema has no mistake")


def codes(*texts: str) -> list[str]:
    return [d.code for d in mistakes(*texts)]


def marked(diagnostic: Diagnostic) -> str:
    """Return the text that a diagnostic points at."""
    source, start, end = diagnostic.span
    return source.text[start:end]


_NUMBER = re.compile(r"\0\d+")


def comparable(schema: Declared) -> set[str]:
    """Return the objects with all names that PostgreSQL will choose made equal."""
    return {_NUMBER.sub("<unnamed>", repr(o).replace("\\x00", "\0")) for o in schema.objects.values()}


def is_unnamed(obj: Any) -> bool:
    return is_provisional(obj.id.name)
