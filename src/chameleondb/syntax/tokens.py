"""Text to tokens, by one regular expression.

A token is its text: the first character tells its class, and whether a word is a keyword only its place decides. What
stands between tokens (blanks and comments) is the gap of the token that follows; only the formatter reads the gaps.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice

from chameleondb.diagnostics import BOM, Diagnostic, Problem, Source, Span
from chameleondb.frozen import frozen

SOURCE_BYTES_MAX = 8 * 1024 * 1024
"""A larger file is refused before it is read into tokens."""

# Strings and comments without an end run to the end of the line or text, so that no input makes the scan quadratic.
# SQL strings and comments are tokens because raw expressions stand between parentheses and may contain anything. A sql
# block is one token with its leading word: elsewhere three quotes are an SQL name that ends in a quote.
_MASTER = re.compile(
    r"""
    ( \s* (?: (?: //(?!/(?!/))[^\n]* | /\*[\s\S]*?\*/ ) \s* )* )
    (
      [,:(){}\[\]?]
    | [eE]'(?:[^'\\]+|\\[\s\S]|'')*'?
    | sql\s*""\"[\s\S]*?(?:""\"|\Z)
    | [^\W\d][\w$]*
    | "[^"\\\n]*(?:\\.[^"\\\n]*)*"?
    | [0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?
    | '(?:[^']+|'')*'?
    | ///[^\n]*
    | --[^\n]*
    | /\*[\s\S]*
    | \$([^\W\d]\w*|)\$[\s\S]{0,65536}?\$\3\$
    | \S
    | \Z
    )
    """,
    re.VERBOSE,
)

COMMENT = re.compile(r"//[^\n]*|/\*[\s\S]*?\*/")
"""A comment within a gap."""


@frozen()
class Tokens:
    """The tokens of a source; the last one is empty and stands for the end."""

    source: Source
    texts: list[str]
    starts: Sequence[int]

    def gap(self, index: int) -> str:
        """Return what stands before a token, back to the one before it."""
        if not index:
            return self.source.text[: self.starts[0]].removeprefix(BOM)
        return self.source.text[self.starts[index - 1] + len(self.texts[index - 1]) : self.starts[index]]

    def span(self, first: int, last: int) -> Span:
        """Return the span from the first to the last token, both included."""
        starts = self.starts
        return Span(self.source, starts[first], starts[last] + len(self.texts[last]))


def tokenize(source: Source) -> Tokens:
    """Split a source into tokens. Any text gives tokens; what makes no sense is left to the parser.

    Raises:
        Problem: the text is too large or has characters that no schema file can have.
    """
    _refuse_unreadable(source)
    text = source.text
    texts: list[str] = []
    starts = array("L")
    pool: dict[str, str] = {}  # the same few words, thousands of times
    for at, gaps, found in _scan(text, len(BOM) if text.startswith(BOM) else 0):
        lengths = chain.from_iterable(zip(map(len, gaps), map(len, found), strict=True))
        starts.extend(islice(accumulate(lengths, initial=at), 1, None, 2))
        texts += map(pool.setdefault, found, found)
    return Tokens(source, texts, starts)


_PORTION = 1 << 18


def _scan(text: str, at: int) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield gaps and tokens with their offset, portion by portion: in this form they take a multiple of the room."""
    # What a `$` begins may end far behind it, or else be no token at all. Any other token goes beyond the end of a line
    # only if it is a text, a comment or a block: cut there it is the last one, which is read again.
    size = len(text) if "$" in text else _PORTION
    while (end := text.find("\n", at + size) + 1) > 0:
        gaps, found = _split(text[at:end])
        token, next_at = "", end
        while found and not token:
            token = found.pop()
            next_at -= len(gaps.pop()) + len(token)
        if found:
            yield at, gaps, found
            at = next_at
        else:
            size *= 2
    gaps, found = _split(text[at:])
    if found[-2:] == ["", ""]:
        del gaps[-1], found[-1]
    yield at, gaps, found


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the gaps and the tokens of a text. Flat lists are made in half the time that a tuple a token takes."""
    pieces = _MASTER.split(text)  # nothing, a gap, a token, the tag of a `$` quote; and so on
    return pieces[1::4], pieces[2::4]


def _refuse_unreadable(source: Source) -> None:
    text = source.text
    message, at = "", 0
    if len(text) > SOURCE_BYTES_MAX:
        message = f"the file is larger than {SOURCE_BYTES_MAX // 1024 // 1024} MiB"
        # The text itself is not kept: showing a line of it could be as large.
        raise Problem(Diagnostic(code="CHM0111", message=message, span=Span(Source(source.name, ""), 0, 0)))
    if "\0" in text:
        message, at = "the file contains a NUL character", text.index("\0")
    elif not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message, at = "the file contains half of a surrogate pair", error.start
    if message:
        raise Problem(
            Diagnostic(
                code="CHM0112", message=message, span=Span(source, at, at + 1), help="schema files are text in UTF-8"
            )
        )


_ESCAPE = re.compile(r"\\(u\{[0-9A-Fa-f]{1,6}\}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def is_word(text: str) -> bool:
    """Whether a token is a word: an identifier or a keyword, as its place decides."""
    return text.isidentifier() or (text[:1].isidentifier() and "'" not in text and '"' not in text)


def is_string(text: str) -> bool:
    """Whether a token is a double-quoted string: a text or a quoted name."""
    return text[:1] == '"'


def unquote(text: str) -> str | None:
    """Return what a double-quoted token says, or None when its end is missing or an escape is unknown."""
    body = text[1:-1]
    if len(text) < 2 or text[-1] != '"':
        return None
    if "\\" not in body:
        return body
    valid = True

    def replace(match: re.Match[str]) -> str:
        nonlocal valid
        code = match[1]
        if code[0] == "u" and len(code) > 1:
            number = int(code[2:-1], 16)
            if 0 < number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                return chr(number)
        elif code in _ESCAPES:
            return _ESCAPES[code]
        valid = False
        return ""

    result = _ESCAPE.sub(replace, body)
    # An odd number of trailing backslashes escapes the closing quote.
    trailing = len(body) - len(body.rstrip("\\"))
    return result if valid and trailing % 2 == 0 else None


def enquote(text: str) -> str:
    """Return `text` as a double-quoted token: the inverse of `unquote`."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


_ESCAPED = {value: "\\" + key for key, value in _ESCAPES.items()}


def name_text(name: str) -> str:
    """Return a name as the language writes it: quoted where it is no plain word."""
    return name if name.isascii() and name.isidentifier() else enquote(name)


def names_text(names: Iterable[str]) -> str:
    """Return names as the language writes a list of them."""
    return ", ".join(map(name_text, names))
