"""Productions that several kinds share: PostgreSQL's own clauses for constraints, indexes and storage.

A production of a table here reads one clause and returns the keyword of the model field and its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from chameleondb.names import is_provisional, literal
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import enquote, is_string, name_text, names_text

Option = Callable[[Cursor], tuple[str, Any]]


def options(cursor: Cursor, known: Mapping[str, Option]) -> dict[str, Any]:
    """Read clauses in any order as long as their first word is known; a repeated one is an error.

    A word with a colon behind it is the next field, whose comma is missing.
    """
    values: dict[str, Any] = {}
    while (option := known.get(cursor.text)) and cursor.peek() != ":":
        first = cursor.at
        key, value = option(cursor)
        if key in values:
            cursor.fail(f"`{cursor.texts[first]}` is given twice", code="CHM0118", span=cursor.span_since(first))
        values[key] = value
    return values


def name(cursor: Cursor) -> tuple[str, Any]:
    """``name "x"``."""
    cursor.advance()
    return "name", cursor.name("a name")


def former_names(cursor: Cursor, meant: Callable[[str, bool], Iterable[str]]) -> tuple[str, ...]:
    """former = place | "(" place { "," place } [ "," ] ")", place = [ name "." ] name: a namespace, if it was another.

    `meant` returns what a name may stand for, from it and whether it is quoted.
    """

    def one() -> tuple[str, ...]:
        before = ""
        if cursor.peek() == ".":
            before = f"{cursor.name('a former namespace')}."
            cursor.advance()
        quoted = is_string(cursor.text)
        return tuple(dict.fromkeys(before + name for name in meant(cursor.name("a former name"), quoted)))

    several = cursor.listed(one, ")", "or `,` after a name") if cursor.accept("(") else (one(),)
    return tuple(dict.fromkeys(name for names in several for name in names))


def include(cursor: Cursor) -> tuple[str, Any]:
    """``include (a, b)``."""
    cursor.advance()
    return "include", cursor.names("after `include`")


def deferrable(cursor: Cursor) -> tuple[str, Any]:
    """``deferrable [initially deferred | immediate]``."""
    cursor.advance()
    return "deferrable", timing(cursor)


def timing(cursor: Cursor) -> str:
    """What may follow ``deferrable``."""
    if cursor.accept("initially"):
        return cursor.one_of(("deferred", "immediate"), "`deferred` or `immediate`")
    return "immediate"


def storage(cursor: Cursor) -> tuple[str, Any]:
    """``with (name = value, …)``, as sorted ``name=value`` texts."""
    cursor.advance()
    return "options", parameters(cursor)


def parameters(cursor: Cursor) -> tuple[str, ...]:
    """What follows ``with``."""
    parts = cursor.raw_list("after `with`")
    for part, span in parts:
        if not _PARAMETER.match(part):
            cursor.fail("this is no parameter", code="CHM0120", span=span, help="write name = value: fillfactor = 70")
    return tuple(sorted(_parameter(part) for part, _ in parts))


_PARAMETER = re.compile(r"""[\w."]+\s*(?:=\s*(?:'.*'|[^\s{}][^{}]*))?\Z""", re.DOTALL)


def _parameter(text: str) -> str:
    key, equals, value = text.partition("=")
    return f"{key.strip()}={_unquoted(value.strip())}" if equals else f"{key.strip()}=true"


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == "'"
    return value[1:-1].replace("''", "'") if quoted else value


def tablespace(cursor: Cursor) -> tuple[str, Any]:
    """``tablespace fast``."""
    cursor.advance()
    return "tablespace", cursor.name("a tablespace")


def where(cursor: Cursor) -> tuple[str, Any]:
    """``where (condition)``."""
    cursor.advance()
    return "where", cursor.raw("after `where`")


def using(cursor: Cursor) -> tuple[str, Any]:
    """``using method``."""
    cursor.advance()
    return "method", cursor.name("an access method")


def nulls(cursor: Cursor) -> tuple[str, Any]:
    """``nulls [not] distinct``."""
    cursor.advance()
    distinct = not cursor.accept("not")
    cursor.expect("distinct", "after `nulls`")
    return "nulls_distinct", distinct


def without_overlaps(cursor: Cursor) -> tuple[str, Any]:
    """``without overlaps``."""
    cursor.advance()
    cursor.expect("overlaps", "after `without`")
    return "without_overlaps", True


def no_inherit(cursor: Cursor) -> tuple[str, Any]:
    """``no inherit``."""
    cursor.advance()
    cursor.expect("inherit", "after `no`")
    return "inherit", False


def negation(cursor: Cursor) -> tuple[str, Any]:
    """``not valid | not enforced``."""
    cursor.advance()
    word = cursor.one_of(("valid", "enforced"), "`valid` or `enforced` after `not`")
    return ("validated" if word == "valid" else "enforced"), False


NAMED: Mapping[str, Option] = {"name": name}

KEY: Mapping[str, Option] = {
    "name": name,
    "include": include,
    "deferrable": deferrable,
    "without": without_overlaps,
    "with": storage,
    "tablespace": tablespace,
}
"""Clauses of a primary key; a unique constraint has more."""


def in_namespace(cursor: Cursor) -> tuple[str, Any]:
    """``in blog``."""
    cursor.advance()
    return "schema", cursor.name("a namespace")


def unlogged(cursor: Cursor) -> tuple[str, Any]:
    """``unlogged``."""
    cursor.advance()
    return "unlogged", True


# --- and back to text ---


def named_text(name: str, default: bool) -> str:
    """Return the `name` clause, with a leading blank; nothing for a name that nobody chose."""
    return "" if default or is_provisional(name) else f" name {enquote(name)}"


def storage_text(options: tuple[str, ...]) -> str:
    """Return the `with` clause, with a leading blank."""
    if not options:
        return ""
    pairs = (option.partition("=") for option in options)
    return f" with ({', '.join(f'{key} = {_value_text(value)}' for key, _, value in pairs)})"


def _value_text(value: str) -> str:
    return value if re.fullmatch(r"[\w.+-]+", value) else literal(value)


def tablespace_text(name: str | None) -> str:
    """Return the `tablespace` clause, with a leading blank."""
    return f" tablespace {name_text(name)}" if name else ""


def negation_text(validated: bool, enforced: bool) -> str:
    """Return ``not valid`` and ``not enforced``, with leading blanks."""
    return ("" if validated else " not valid") + ("" if enforced else " not enforced")


def deferrable_text(word: str) -> str:
    """Return the `deferrable` clause, with a leading blank."""
    return {"no": "", "immediate": " deferrable", "deferred": " deferrable initially deferred"}[word]


class Indexed(Protocol):
    """The fields of every object that is or makes an index."""

    @property
    def include(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def options(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def tablespace(self) -> str | None: ...  # noqa: D102


def indexed_text(obj: Indexed) -> str:
    """Return the clauses that shape an index, with a leading blank."""
    included = f" include ({names_text(obj.include)})" if obj.include else ""
    return included + storage_text(obj.options) + tablespace_text(obj.tablespace)
