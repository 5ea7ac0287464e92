"""What the parser makes of a source: declarations and their members, names not yet resolved.

A `Field` is neutral: whether ``x: Name`` is a column or a relation is known only when all names are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chameleondb.diagnostics import Span
from chameleondb.syntax.tokens import Tokens, is_string, unquote


@dataclass(slots=True)
class TypeName:
    """A type as written: ``name`` of several words is joined by spaces, `arguments` stood in parentheses.

    `many` counts the brackets of ``[t]``, `array` those of ``t[]``; `tail` is ``with time zone`` or interval fields.
    `outside` is set when a kind read the type by a production of its own.
    """

    name: str
    schema: str | None = None
    quoted: bool = False
    arguments: str | None = None
    tail: str = ""
    many: int = 0
    array: int = 0
    outside: Any = None


class Clause(NamedTuple):
    """A clause of a field: its leading words, what its production returned, its tokens."""

    words: str
    value: Any
    first: int
    last: int


@dataclass(slots=True)
class Node:
    """What every node knows of its place: token numbers, both included."""

    tokens: Tokens
    first: int
    last: int
    docs: tuple[str, ...]

    @property
    def span(self) -> Span:
        """The whole node."""
        return self.tokens.span(self.first, self.last)

    @property
    def head_span(self) -> Span:
        """The first token: a name or a leading word."""
        return self.tokens.span(self.first, self.first)

    def span_of(self, name: str) -> Span:
        """Return where `name` stands in the node, or the first token."""
        for index in range(self.first + 1, self.last + 1):
            text = self.tokens.texts[index]
            if text == name or (is_string(text) and unquote(text) == name):
                return self.tokens.span(index, index)
        return self.head_span


@dataclass(slots=True)
class Field(Node):
    """``name: type clauses``."""

    name: str
    type: TypeName
    type_last: int
    clauses: list[Clause]

    @property
    def type_span(self) -> Span:
        """The type."""
        return self.tokens.span(self.first + 2, self.type_last)

    def clause_span(self, clause: Clause) -> Span:
        """Return the place of one clause."""
        return self.tokens.span(clause.first, clause.last)

    def clause(self, words: str) -> Clause | None:
        """Return the last clause with these leading words."""
        return next((c for c in reversed(self.clauses) if c.words == words), None)


@dataclass(slots=True)
class Member(Node):
    """A member that starts with a word of its own: ``unique (a, b)``. `values` are what its production returned."""

    word: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class Declaration(Node):
    """A top-level declaration. `name_at` is the token of its name."""

    word: str
    name: str
    name_at: int
    values: Mapping[str, Any]
    members: list[Field | Member] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # fields that did not parse: what refers to them is no second mistake

    @property
    def name_span(self) -> Span:
        """The declared name."""
        return self.tokens.span(self.name_at, self.name_at)

    @property
    def fields(self) -> Iterator[Field]:
        """The members that are fields."""
        return (m for m in self.members if isinstance(m, Field))


@dataclass(slots=True)
class RawSql:
    """A `sql` block: its text, where that stands in the source, and the token of the leading word."""

    text: str
    span: Span
    first: int


@dataclass(slots=True)
class Tree:
    """One source after parsing."""

    tokens: Tokens
    declarations: list[Declaration] = field(default_factory=list)
    blocks: list[RawSql] = field(default_factory=list)
