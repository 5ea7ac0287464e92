"""Reading the SQL text that PostgreSQL itself prints (deparsed expressions and definitions), never a user's.

Such text is regular: strings are ``'…'`` with doubled quotes (``E'…'`` with backslashes), identifiers are quoted where
needed, there are no comments and no dollar quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from chameleondb.names import literal, quote

_TOKEN = re.compile(
    r"""(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|(?:[uU]&)?'(?:[^']|'')*')
      | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
      | (?P<word>[^\W\d][\w$]*)
      | (?P<cast>::)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text)


def closing(text: str, start: int) -> int:
    """Return the offset of the parenthesis that closes the one at `start`, or -1."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token.lastgroup != "other":
            continue
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
            if depth == 0:
                return token.start()
    return -1


_ESCAPE = re.compile(r"\\(?:\\|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))")


def unquoted(text: str) -> str:
    """Return what an identifier or a string constant stands for, plain or with ``U&`` before its quotes."""
    mark = text[-1:]
    if mark not in ("'", '"'):
        return text
    start = text.index(mark)
    inner = text[start + 1 : -1].replace(mark * 2, mark)
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else "\\", inner) if start else inner


_NAME = r'(?:(?:[uU]&)?"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_OWN = re.compile(rf"({_NAME})\.({_NAME})")


def own_name(text: str) -> tuple[str, str] | None:
    """Return schema and name of what is outside pg_catalog; PostgreSQL prints that with its schema."""
    match = _OWN.match(text)
    return (unquoted(match[1]), unquoted(match[2])) if match else None


def shown(text: str) -> str:
    """Return deparsed text without hidden characters in names and strings: they are escaped as `names` escapes them.

    PostgreSQL prints a line break within a name as it is, where it could end a line of a plan or of a schema file.
    """
    return text if text.isprintable() else "".join(map(_shown_token, _tokens(text)))


def _shown_token(token: re.Match[str]) -> str:
    text = token[0]
    if text.isprintable():
        return text
    if token.lastgroup == "quoted":
        return quote(unquoted(text))
    if token.lastgroup == "string" and text.startswith("'"):
        return literal(unquoted(text))
    return text


def unwrap(text: str) -> str:
    """Take off the outer parentheses when they enclose the whole text."""
    while text.startswith("(") and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def split_list(text: str) -> tuple[str, ...]:
    """Split at the commas that lie in no parentheses, brackets or quotes."""
    parts, depth, start = [], 0, 0
    for token in _tokens(text):
        if token.lastgroup != "other":
            continue
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
        elif token[0] == "," and depth == 0:
            parts.append(text[start : token.start()].strip())
            start = token.end()
    return (*parts, text[start:].strip())


@lru_cache(maxsize=4096)  # the same few expressions in many tables
def identifiers(text: str) -> frozenset[str]:
    """Return every word of a text, unquoted."""
    found = set()
    for token in _tokens(text):
        if token.lastgroup == "word":
            found.add(token[0])
        elif token.lastgroup == "quoted":
            found.add(unquoted(token[0]))
    return frozenset(found)


def rename_identifiers(text: str, renames: Mapping[str, str]) -> str:
    """Replace bare column names in a deparsed expression of one relation.

    `renames` maps old to new names as PostgreSQL prints them. A word is a column unless a dot or a cast stands before
    it or an opening parenthesis or dot after it.
    """
    tokens = list(_tokens(text))
    out = []
    for i, token in enumerate(tokens):
        replacement = renames.get(token[0]) if token.lastgroup in ("word", "quoted") else None
        if replacement is not None:
            before = tokens[i - 1][0] if i else ""
            after = tokens[i + 1][0] if i + 1 < len(tokens) else ""
            if before in (".", "::") or after in ("(", "."):
                replacement = None
        out.append(token[0] if replacement is None else replacement)
    return "".join(out)
