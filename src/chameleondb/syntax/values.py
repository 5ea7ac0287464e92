"""Default values: what people write, as SQL."""

from __future__ import annotations

from typing import NamedTuple

from chameleondb.names import literal
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import is_string, is_word

KEYWORDS = {
    word: word.upper()
    for word in (
        "current_timestamp",
        "current_date",
        "current_time",
        "localtimestamp",
        "localtime",
        "current_user",
        "session_user",
        "current_role",
        "current_catalog",
        "current_schema",
    )
} | {"true": "true", "false": "false", "null": "NULL"}
"""Words that are values, and their SQL."""

_FUNCTIONS = {"uuid": "gen_random_uuid", "uuid_v4": "gen_random_uuid"}


class Value(NamedTuple):
    """A value as SQL; `label` is set for a bare word, which must be a label of the field's enum.

    `is_array` is set for ``[…]``, whose SQL would mean something else as a value of another type.
    """

    sql: str
    label: str | None = None
    is_array: bool = False


def value(cursor: Cursor) -> Value:
    """value = string | number | keyword | call | label | "[" { value "," } "]" | "(" SQL ")"."""
    text = cursor.text
    if is_string(text):
        return Value(literal(cursor.string("a value")))
    if text == "(":
        return Value(cursor.raw("before a value"))
    if text == "[":
        return Value(literal(_array(cursor)), is_array=True)
    if is_word(text):
        return _word(cursor)
    return Value(_number(cursor))


def _number(cursor: Cursor) -> str:
    sign = "-" if cursor.accept("-") else ""
    if not sign:
        cursor.accept("+")
    if not cursor.text[:1].isdecimal():
        cursor.fail(
            "expected a value", help="a text in double quotes, a number, true, false, null, a call like now(), or (SQL)"
        )
    return sign + cursor.advance()


def _word(cursor: Cursor) -> Value:
    first = cursor.at
    word = cursor.advance()
    if cursor.text == "." and is_word(cursor.peek()):
        cursor.advance()
        word += "." + cursor.advance()
    if cursor.text == "(":
        name = _FUNCTIONS.get(word, word)
        return Value(f"{name}({_call_arguments(cursor)})")
    if word in KEYWORDS:
        return Value(KEYWORDS[word])
    if "." in word:
        cursor.fail(f"`{word}` is no value", help="write SQL in parentheses", span=cursor.span_since(first))
    return Value(literal(word), word)


def _call_arguments(cursor: Cursor) -> str:
    if cursor.accept("(", ")"):
        return ""
    return cursor.raw("after the name of a function")


def _array(cursor: Cursor) -> str:
    """An array literal, nested as deep as one likes, without recursion."""
    parts: list[str] = []
    depth, first = 0, cursor.at
    after_item = False
    while True:
        text = cursor.text
        if text == "[" and not after_item:
            depth += 1
            parts.append("{")
            cursor.advance()
        elif text == "]":
            depth -= 1
            parts.append("}")
            cursor.advance()
            after_item = True
            if not depth:
                # A last comma is allowed here, PostgreSQL does not know it.
                return "".join(parts).replace("\0}", "}").replace("\0", ",")
        elif text == "," and after_item:
            parts.append("\0")
            cursor.advance()
            after_item = False
        elif not after_item and text and text not in {"{", "}", "(", ")", ","}:
            parts.append(_element(cursor))
            after_item = True
        else:
            if not text:
                cursor.fail("an array is never closed", help="add `]`", span=cursor.span(first, first), code="CHM0113")
            cursor.fail("expected `,` or `]`" if after_item else "expected an element")


def _element(cursor: Cursor) -> str:
    if is_string(cursor.text):
        text = cursor.string("an element")
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if is_word(cursor.text):
        word = cursor.advance()
        return word if word in {"true", "false", "null"} else f'"{word}"'
    return _number(cursor)
