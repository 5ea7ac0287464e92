"""The production of types, in PostgreSQL's words and in ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import is_string, is_word
from chameleondb.syntax.tree import TypeName

_FOLLOWERS = {
    "double": ("precision",),
    "character": ("varying",),
    "char": ("varying",),
    "bit": ("varying",),
    "national": ("character", "char", "varying"),
}
_INTERVAL_FIELDS = frozenset({"year", "month", "day", "hour", "minute", "second"})
_ZONED = frozenset({"time", "timestamp"})
_FOLDED = (_FOLLOWERS.keys() | _ZONED | {"interval"}) - {""}


def type_name(cursor: Cursor, outside: Mapping[str, Callable[[Cursor], Any]]) -> TypeName:
    """type = { "[" } base { "]" } { "[" [ number ] "]" }; `outside` holds the productions of kinds by leading word."""
    many = 0
    while cursor.text == "[":
        cursor.advance()
        many += 1
    production = outside.get(cursor.text)
    if production and (is_word(cursor.peek()) or is_string(cursor.peek())):
        cursor.advance()
        result = TypeName("", outside=production(cursor))
    else:
        result = _base(cursor)
    result.many = many
    for _ in range(many):
        cursor.expect("]", "after the type of the elements")
    while cursor.text == "[":
        cursor.advance()
        if cursor.text.isdecimal():
            cursor.advance()
        cursor.expect("]", "after `[`")
        result.array += 1
    if cursor.text == "array":
        cursor.advance()
        result.array += 1
    return result


def _base(cursor: Cursor) -> TypeName:
    quoted = is_string(cursor.text)
    name = cursor.name("a type")
    schema = None
    if cursor.text == ".":
        cursor.advance()
        quoted = quoted or is_string(cursor.text)
        schema, name = name, cursor.name("a type")
    result = TypeName(name, schema, quoted)
    word = name.lower()
    special = not quoted and word in _FOLDED
    if special:
        while cursor.text.lower() in _FOLLOWERS.get(word, ()):
            result.name += " " + cursor.advance().lower()
    if cursor.text == "(":
        result.arguments = _arguments(cursor)
    if special and word in _ZONED:
        result.tail = _zone(cursor)
    elif special and word == "interval":
        result.tail = _fields(cursor)
    return result


def _arguments(cursor: Cursor) -> str:
    return ",".join(part for part, _ in cursor.raw_list("after a type"))


def _zone(cursor: Cursor) -> str:
    for word in ("with", "without"):
        if cursor.accept(word, "time", "zone"):
            return f"{word} time zone"
    return ""


def _fields(cursor: Cursor) -> str:
    words: list[str] = []
    while cursor.text in _INTERVAL_FIELDS or (cursor.text == "to" and words):
        words.append(cursor.advance())
    if words and words[-1] == "second" and cursor.text == "(":
        words[-1] += f"({_arguments(cursor)})"
    return " ".join(words)
