"""What is recorded of SQL that a user ran: its words, never its data or secrets.

Statements that define something are kept as they are, without comments. In all others, and wherever a secret may be
meant, texts and numbers are masked, and the hash is that of the masked text: what is short could be guessed from one.
The value of a setting may be a secret without quotes, and is masked to the end of the statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"

_DEFINES = re.compile(
    "alter|analyze|cluster|comment|create|drop|grant|import|lock|reassign|refresh|reindex|revoke|security|truncate"
)
_SETS = re.compile("set|alter|create")

# Names, wherever they stand; then those that other words hold, too, as words or parts of snake_case and camelCase;
# then how keys of well-known services begin, logins in URLs, and what looks drawn by lot.
_SECRET = re.compile(
    r"""(?i: passw | passphrase | passcode | pwd | secret | token | credential | crypt | connection | jwt | bearer
          | oauth | cookie | hmac | signature | user\s+mapping | standard_conforming_strings
          | (?: api | access | private | signing | master | auth | license | account | shared ) [_\s-]? key )
      | (?<![^\W\d_]) (?i: pw | pass | creds? | auth | otp | totp | mfa | pin | salt | seed ) (?![^\W\d_])
      | (?<=[a-z0-9]) (?: Pw | Pass | Creds? | Auth | Otp | Pin | Salt | Seed ) (?![a-z])
      | (?<![A-Za-z0-9])
        (?: [srp]k_(?:live|test)_ | whsec_ | sk- | gh[opsur]_ | github_pat_ | glpat- | xox[a-z]- | xapp- | AKIA | ASIA
          | AIza | ya29\. | eyJ | SG\. | npm_ | pypi- | hf_ | hvs\. | do[opr]_v1_ | shp[a-z]{2}_ | sq0[a-z]{3}-
          | -----BEGIN )
        [\w. -]{4}
      | ://[^/\s']*:[^/\s']*@
      | (?<![0-9A-Fa-f]) [0-9A-Fa-f]{32}
      | ' (?=[^']*[a-z]) (?=[^']*[A-Z]) (?=[^']*[0-9]) [\w+/=.-]{20,} '
    """,
    re.VERBOSE,
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
    end = _secret_setting(tokens) if _SETS.fullmatch(first) else None
    shown = "".join(_shown(kind, text, is_masked=is_masked) for kind, text in tokens[:end]).strip()
    return shown if end is None else f"{shown} {MASK}"


def may_hold_secret(text: str) -> bool:
    """Tell whether SQL is about something that nobody else is to see."""
    return _SECRET.search(text) is not None


def without_quoted(message: str) -> str:
    """Return a message of the server without what it quotes: that may be any word of the statement."""
    return re.sub('".*"', '"…"', message, flags=re.DOTALL)


def first_words(statement: str) -> tuple[str, ...]:
    """Return the words of a statement that are no texts, in lower case."""
    return tuple(text.lower() for kind, text in _tokens(statement) if kind == "name")


def _secret_setting(tokens: list[tuple[str, str]]) -> int | None:
    """Return where the value of the first setting begins that may be a secret: any that PostgreSQL has no use for."""
    for start, (_, word) in enumerate(tokens, 1):
        if word.lower() != "set":
            continue
        name = ""
        for at, (kind, text) in enumerate(tokens[start:], start + 1):
            if text == "=" or text.lower() == "to":
                if may_hold_secret(name) or any(c in name for c in ".&"):
                    return at
                break
            if kind not in ("space", "name") and text not in (".", "&"):
                break
            name += text
    return None


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
