"""What a terminal gets to see: harmless text, in colour if wanted, in characters it has.

Data can never colour, move the cursor or hide: control, bidirectional and zero-width characters are shown as escapes on
every stream (CVE-2021-25743, CVE-2021-42574). Colours are added afterwards, by us only.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Mapping
from typing import IO, NamedTuple

from chameleondb.names import is_hidden

ASCII_TWINS = {
    "✓": "ok",
    "✔": "ok",
    "✅": "[ok]",
    "✗": "x",
    "❌": "[x]",
    "⚠": "!",
    "ℹ": "i",
    "💡": "tip:",
    "🔍": "*",
    "🔐": "*",
    "🔒": "*",
    "🗂": "#",
    "📋": "#",
    "📖": "#",
    "📝": "#",
    "📂": "#",
    "🛡": "*",
    "⚙": "*",
    "👑": "*",
    "🚨": "!!",
    "→": "->",
    "±": "+/-",
    "·": "-",
    "←": "<-",
    "─": "-",
    "━": "=",
    "═": "=",
    "│": "|",
    "├": "|",
    "└": "`",
    "•": "*",
    "…": "...",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\ufe0f": "",
}
"""Every glyph that the program prints, and what stands for it on a terminal that lacks it."""

_TWIN_TABLE = str.maketrans(ASCII_TWINS)
_PLAIN_TEXT = re.compile(r"[ -~\n\t]*\Z")


class Style(enum.Enum):
    """What a piece of text means; the value is its SGR code."""

    GOOD = "32"
    BAD = "1;31"
    WARNING = "33"
    NOTE = "36"
    STRONG = "1"
    FAINT = "2"


class Styled(NamedTuple):
    """A piece of text with a style."""

    text: str
    style: Style


class Switch(enum.Enum):
    """The value of ``--color``."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Glyphs(enum.Enum):
    """The value of ``--glyphs``."""

    AUTO = "auto"
    UNICODE = "unicode"
    ASCII = "ascii"


def escape(text: str) -> str:
    r"""Show hidden characters as ``\uXXXX``; line breaks and tabs stay.

    >>> escape("a\x1b[31mb\u202e")
    'a\\u001b[31mb\\u202e'
    """
    if _PLAIN_TEXT.match(text):
        return text
    return "".join(_escape(c) if c not in "\n\t" and is_hidden(c) else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_LOGIN = re.compile(r"(\w:/+[^\s/:@]*):\S*@")


def mask_logins(text: str) -> str:
    """Hide the passwords of URLs, wherever in a text they stand; for what quotes the user's words or another program's.

    >>> mask_logins("no such command 'postgresql://ann:secret@host/db'")
    "no such command 'postgresql://ann:***@host/db'"
    """
    return _LOGIN.sub(r"\1:***@", text)


def wants_colour(switch: Switch, stream: IO[str], environment: Mapping[str, str] | None = None) -> bool:
    """Decide on colour: the option, NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, CLICOLOR, TERM, then the stream itself."""
    env = os.environ if environment is None else environment
    if switch is not Switch.AUTO:
        return switch is Switch.ALWAYS
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if env.get("CLICOLOR") == "0" or env.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a person looks at `stream`; a closed one has no spectators."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def has_glyphs(glyphs: Glyphs, stream: IO[str]) -> bool:
    """Decide whether `stream` gets Unicode glyphs: as told, or if it can encode them all."""
    if glyphs is not Glyphs.AUTO:
        return glyphs is Glyphs.UNICODE
    try:
        "".join(ASCII_TWINS).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def fit(text: str, stream: IO[str], *, unicode: bool) -> str:
    """Return `text` such that writing it to `stream` cannot fail: glyphs by their twins, the rest by ``?``."""
    if not unicode:
        text = text.translate(_TWIN_TABLE)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def paint(text: str, style: Style) -> str:
    """Add the colour of a style, line by line, so that a cut-off line does not colour what follows."""
    return "\n".join(f"\x1b[{style.value}m{line}\x1b[0m" if line else "" for line in text.split("\n"))
