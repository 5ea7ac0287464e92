"""What a kind adds to the language: the record behind the Syntax section of each kind's file.

Parsing needs `leads`, `members`, `clauses` and `types`; checking calls `enter` for all declarations, then `lower`,
`claim` and `member` within each, then `finish` once per kind; printing calls `print`. All are optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, NamedTuple, Protocol

from chameleondb.frozen import frozen
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity
from chameleondb.scope import Entity, FieldDraft, Scope
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.parser import Lead, Production
from chameleondb.syntax.tree import Declaration, Field, Member


@frozen()
class FieldClause:
    """A clause of a field. `apply` says what it means for a column; None if only relations may have it."""

    parse: Production
    apply: Callable[[Scope, FieldDraft, Any], None] | None = None
    parentheses: bool = False
    relation: bool = False  # a relation may have it


class Block(NamedTuple):
    """A printed declaration with a body, e.g. ``entity User``; its members are entries."""

    of: Identity
    head: str


class Line(NamedTuple):
    """A printed declaration without a body of members."""

    of: Identity
    text: str


class Entry(NamedTuple):
    """A printed member of a block; the modifiers of a field come between `text` and `tail`."""

    owner: Identity
    of: Identity
    text: str
    tail: str = ""
    is_field: bool = False


class Modifier(NamedTuple):
    """Words that a printed field gets, e.g. ``unique``; `otherwise` says the same where it has such words already."""

    owner: Identity
    text: str
    otherwise: Entry


class Doc(NamedTuple):
    """A printed description."""

    of: Identity
    text: str


Piece = Block | Line | Entry | Modifier | Doc


class Page(Protocol):
    """What the printer lends to the kinds: the schema and the names it chose."""

    schema: Schema

    def title(self, of: Identity) -> str | None:
        """Return the name of an entity or enum, None if the schema has no such object."""

    def is_described(self, of: Identity) -> bool:
        """Whether an object has a description, and so needs a line of its own."""

    def type_text(self, sql: str) -> str:
        """Return a type as the language spells it."""

    def field_name(self, table: Identity, wanted: Iterable[str]) -> str:
        """Take the first free name among the fields of a table; a number is added if none is free."""


@frozen(kw_only=True)
class Syntax:
    """The words of one kind, what they mean, and how its objects are printed."""

    model: type[Any]
    leads: Mapping[str, Lead] = field(default_factory=dict)
    members: Mapping[str, Production] = field(default_factory=dict)
    clauses: Mapping[str, FieldClause] = field(default_factory=dict)
    types: Mapping[str, Callable[[Cursor], Any]] = field(default_factory=dict)
    enter: Callable[[Scope, Declaration], None] | None = None
    lower: Callable[[Scope, Declaration], None] | None = None
    claim: Callable[[Scope, Entity, Field], bool] | None = None
    member: Callable[[Scope, Entity, Member], None] | None = None
    finish: Callable[[Scope], None] | None = None
    describe: Callable[[Identity, str], Object] | None = None
    print: Callable[[Any, Page], Iterable[Piece]] | None = None
    title: Callable[[Any], str] | None = None  # the wished name of an object that the language names itself
    spell: Callable[[str, Page], str | None] | None = None  # a type as the language spells it
