"""Reading the SQL text that PostgreSQL itself prints (deparsed expressions and definitions), never a user's.

Such text is regular: strings are ``'…'`` with doubled quotes (``E'…'`` with backslashes), identifiers are quoted where
needed, there are no comments and no dollar quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_TOKEN = re.compile(
    r"""(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
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


def identifiers(text: str) -> set[str]:
    """Return every word of a text, unquoted."""
    found = set()
    for token in _tokens(text):
        if token.lastgroup == "word":
            found.add(token[0])
        elif token.lastgroup == "quoted":
            found.add(token[0][1:-1].replace('""', '"'))
    return found


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
