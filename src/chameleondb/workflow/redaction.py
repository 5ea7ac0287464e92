"""What is recorded of SQL that a user ran: its words, never its data or secrets.

Statements that define something are kept as they are, without comments. In all others, and wherever a secret may be
meant, texts and numbers are masked, and the hash is that of the masked text: what is short could be guessed from one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"

_DEFINES = re.compile(
    "alter|analyze|cluster|comment|create|drop|grant|import|lock|reassign|refresh|reindex|revoke|security|truncate"
)
_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|crypt|connection|user\s+mapping|api_?key|standard_conforming_strings",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"""(?P<space>\s+ | --[^\n]*)
      | (?P<comment>/\*)
      | (?P<text>[eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*')
      | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
      | (?P<name>"(?:[^"]|"")*" | [^\W\d][\w$]*)
      | (?P<number>\.?[0-9][\w.]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def recorded(statement: str) -> str:
    """Return what is recorded of a statement."""
    tokens = list(_tokens(statement))
    first = next((text.lower() for kind, text in tokens if kind == "name"), "")
    if "standard_conforming_strings" in statement.lower():
        return f"{first.upper()} {MASK}"  # which changes what a text is
    is_masked = not _DEFINES.fullmatch(first) or may_hold_secret(statement)
    return "".join(_shown(kind, text, is_masked=is_masked) for kind, text in tokens).strip()


def may_hold_secret(text: str) -> bool:
    """Tell whether SQL is about something that nobody else is to see."""
    return _SECRET.search(text) is not None


def without_quoted(message: str) -> str:
    """Return a message of the server without what it quotes: that may be any word of the statement."""
    return re.sub('".*"', '"…"', message, flags=re.DOTALL)


def first_words(statement: str) -> tuple[str, ...]:
    """Return the words of a statement that are no texts, in lower case."""
    return tuple(text.lower() for kind, text in _tokens(statement) if kind == "name")


def _shown(kind: str, text: str, *, is_masked: bool) -> str:
    if kind == "space":
        return " "
    if is_masked and kind in ("text", "dollar"):
        return f"'{MASK}'"
    return MASK if is_masked and kind == "number" else text


def _tokens(statement: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each token; a comment is a space, a text in dollar quotes one token."""
    at = 0
    while match := _TOKEN.match(statement, at):
        kind, at = match.lastgroup or "", match.end()
        if kind == "comment":
            at = _comment_end(statement, match.start())
            yield "space", " "
        elif kind == "dollar":
            end = statement.find(match[0], at)
            at = len(statement) if end < 0 else end + len(match[0])
            yield kind, statement[match.start() : at]
        else:
            yield kind, match[0]


def _comment_end(statement: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(statement, start):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return len(statement)
