"""Names for what has none, where PostgreSQL's choice is not ours. All fit into 63 bytes."""

from __future__ import annotations

import re

from chameleondb.names import distinct, shorten


def joined_columns(columns: tuple[str, ...]) -> str:
    """Return column names as the server joins them for a default name (ChooseIndexColumnNames)."""
    return shorten("_".join(columns))


_WORD = re.compile(r"\w+")
_STRING = re.compile(r"'(?:[^']|'')*'|::\s*\"?\w+\"?")
_TAIL = re.compile(r"(?:\s+(?:asc|desc|nulls\s+first|nulls\s+last))+\s*\Z", re.IGNORECASE)


def index_name(table: str, keys: tuple[str, ...]) -> str:
    """Return ``idx_<table>_<words of the keys>``; a name that is too long ends in a hash of the whole."""
    words = [word for key in keys for word in key_words(key)]
    return distinct("_".join(("idx", table, *words)))


def key_words(key: str) -> list[str]:
    """Return the words of an index element without its order, collation and operator class."""
    text = _TAIL.sub("", key)
    if text.isascii() and text.isidentifier():
        return [text.lower()]
    if key.startswith('"'):
        end = re.match(r'"((?:[^"]|"")*)"', key)
        return _WORD.findall(end[1].lower()) if end else []
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character.isspace() and not text[position:].lstrip().startswith("("):
            text = text[:position]
            break
    return _WORD.findall(_STRING.sub(lambda m: " " + m[0].strip("'") if m[0][0] == "'" else "", text).lower())
