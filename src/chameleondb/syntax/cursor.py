"""A position in the tokens, and what productions do with it: look, accept, expect.

`expect` and its kin word the error where the grammar knows what it wanted. Nothing here recurses on the input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn, TypeVar

from chameleondb.diagnostics import Diagnostic, Diagnostics, Problem, Span, visible
from chameleondb.names import NAME_BYTES_MAX, bytes_of
from chameleondb.syntax.tokens import COMMENT, Tokens, is_string, is_word, unquote

T = TypeVar("T")

_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Cursor:
    """Walks through the tokens of one source. `text` is the current token, empty at the end."""

    __slots__ = ("at", "diagnostics", "starts", "text", "texts", "tokens")

    def __init__(self, tokens: Tokens, diagnostics: Diagnostics) -> None:
        self.tokens = tokens
        self.texts = tokens.texts
        self.starts = tokens.starts
        self.diagnostics = diagnostics
        self.at = 0
        self.text = self.texts[0]

    def advance(self) -> str:
        """Return the current token and go to the next; the end stays."""
        text = self.text
        if text:
            self.at += 1
            self.text = self.texts[self.at]
        return text

    def peek(self, ahead: int = 1) -> str:
        """Return a token further on, empty beyond the end."""
        index = self.at + ahead
        return self.texts[index] if index < len(self.texts) else ""

    def accept(self, *words: str) -> bool:
        """Go over `words` if exactly they come next; before a colon, a word is the name of the next field."""
        if self.text != words[0]:
            return False
        if len(words) > 1 and any(self.peek(i) != word for i, word in enumerate(words)):
            return False
        if self.peek(len(words)) == ":":
            return False
        for _ in words:
            self.advance()
        return True

    def expect(self, word: str, where: str) -> None:
        """Go over `word`; `where` ends the sentence "expected `(` …"."""
        if self.text != word:
            self.fail(f"expected `{word}` {where}".rstrip())
        self.advance()

    def span(self, first: int | None = None, last: int | None = None) -> Span:
        """Return the span of tokens; by default of the current one."""
        first = self.at if first is None else first
        return self.tokens.span(first, max(first, self.at if last is None else last))

    def span_since(self, first: int) -> Span:
        """Return the span from token `first` to the one before the cursor."""
        return self.span(first, self.at - 1)

    def found(self) -> str:
        """Return the current token as words of an error message."""
        if not self.text:
            return "the end of the file"
        return f"`{visible(self.text if len(self.text) <= 40 else self.text[:39] + '…')}`"

    def fail(
        self, message: str, *, code: str = "CHM0101", help: str | None = None, span: Span | None = None
    ) -> NoReturn:
        """Stop the production.

        Raises:
            Problem: always; the parser recovers from it.
        """
        raise self.problem(message, code=code, help=help, span=span)

    def problem(
        self, message: str, *, code: str = "CHM0101", help: str | None = None, span: Span | None = None
    ) -> Problem:
        """Return what stops a production, worded with what was found instead."""
        if span is None and code == "CHM0101":
            self._refuse_broken_token()
            message = f"{message}, found {self.found()}"
            if self.text[:3] == "///":
                help = "`///` describes a declaration or member and stands before it; other comments start with `//`"
        return Problem(Diagnostic(code=code, message=message, span=span or self.span(), help=help))

    def _refuse_broken_token(self) -> None:
        text = self.text
        if text[:2] == "/*":
            self.fail("a comment has no end", code="CHM0104", help="close it with `*/`", span=self._first_line())
        if text[:1] in {"'", "$"} or text[:2] in {"E'", "e'"}:
            help = 'texts stand in double quotes: "…"; SQL stands in parentheses'
            self.fail("SQL is not allowed here", code="CHM0102", help=help, span=self._first_line())
        if text[:2] == "--":
            self.fail("comments start with `//`", code="CHM0102", help="`///` describes what follows, in the database")

    def _first_line(self) -> Span:
        source, start, end = self.span()
        return Span(source, start, start + len(self.text.partition("\n")[0])) if end > start else self.span()

    def string(self, expected: str) -> str:
        """Read a double-quoted text."""
        if not is_string(self.text):
            self.fail(f"expected {expected} in double quotes")
        return self._unquoted()

    def _unquoted(self) -> str:
        value = unquote(self.text)
        if value is None:
            if unquote(self.text + '"') is not None or len(self.text) < 2 or self.text[-1] != '"':
                self.fail(
                    "a text has no closing quote",
                    code="CHM0103",
                    help='close it with `"` on the same line',
                    span=self.span(),
                )
            help = r"known are \" \\ \n \t \r and \u{…} with a hexadecimal code point"
            self.fail("a text has an unknown escape", code="CHM0109", help=help, span=self.span())
        self.advance()
        return value

    def name(self, expected: str) -> str:
        """Read a name: a word or a quoted name; `expected` says what it names, e.g. "a field name"."""
        text = self.text
        if is_word(text):
            self.check_name(text)
            self.advance()
            return text
        if is_string(text):
            at = self.at
            value = self._unquoted()
            self.check_name(value, self.span(at, at))
            return value
        raise self.problem(f"expected {expected}")

    def check_name(self, name: str, span: Span | None = None) -> None:
        """Refuse names that the server would not keep as they are."""
        # Up to 15 characters always fit: UTF-8 takes at most 4 bytes for one.
        if name and len(name) <= NAME_BYTES_MAX // 4:
            return
        if not name:
            self.fail("a name is empty", code="CHM0209", span=span or self.span())
        if bytes_of(name) > NAME_BYTES_MAX:
            self.fail(
                f"a name has {bytes_of(name)} bytes",
                code="CHM0205",
                help=f"PostgreSQL keeps {NAME_BYTES_MAX} bytes and cuts the rest silently",
                span=span or self.span(),
            )

    def listed(self, item: Callable[[], T], close: str, where: str) -> tuple[T, ...]:
        """Read items separated by commas, and the closing bracket; the last comma is optional."""
        items = [item()]
        while self.accept(",") and self.text != close:
            items.append(item())
        self.expect(close, where)
        return tuple(items)

    def names(self, where: str) -> tuple[str, ...]:
        """Read ``(name, …)``."""
        if self.text != "(":
            self.fail(f"expected `(` {where}".rstrip(), help=self._in_parentheses())
        self.advance()
        return self.listed(lambda: self.name("a name"), ")", "or `,` after a name")

    def name_or_names(self, where: str) -> tuple[str, ...]:
        """Read ``name`` or ``(name, …)``."""
        return self.names(where) if self.text == "(" else (self.name(f"a name {where}"),)

    def integer(self, expected: str) -> int:
        """Read a whole number with an optional sign."""
        negative = self.accept("-")
        # int() refuses long digit strings; no setting of PostgreSQL has more than 19 digits.
        if not self.text.isdecimal() or len(self.text) > 20:
            self.fail(f"expected {expected}")
        value = int(self.advance())
        return -value if negative else value

    def raw(self, where: str) -> str:
        """Read SQL in parentheses and return what stands between them, without comments of ours."""
        if self.text != "(":
            self.fail(f"expected `(` {where}", help=self._in_parentheses())
        first = self.at
        last = self._matching(first)
        self.at = last
        self.advance()
        text = self._slice(first, last)
        if not text:
            self.fail("the parentheses are empty", code="CHM0113", span=self.span(first, last))
        return text

    def _in_parentheses(self) -> str | None:
        """Return the rest of the line, up to a comma, as it should have been written; with the word before it."""
        last = self.at
        while (
            last - self.at < 10
            and self.peek(last + 1 - self.at) not in {"", ",", "}"}
            and "\n" not in self.tokens.gap(last + 1)
        ):
            last += 1
        span = self.span(self.at, last)
        text = self.tokens.source.text[span.start : span.end]
        before = self.texts[self.at - 1]
        # After `with`, it is no list that was begun, but a `with time zone` with a mistake.
        return f"{before} ({text})" if is_word(self.text) and len(text) <= 40 and before != "with" else None

    def raw_list(self, where: str) -> tuple[tuple[str, Span], ...]:
        """Read SQL in parentheses, split at its commas outside brackets."""
        first = self.at
        if not self.raw(where):
            return ()
        last, depth, start = self.at - 1, 0, first
        parts: list[tuple[str, Span]] = []
        for index in range(first + 1, last + 1):
            text = self.texts[index]
            if index == last or (text == "," and depth == 0):
                span = self.span(min(start + 1, index), max(start + 1, index - 1))
                part = self._slice(start, index)
                if part:
                    parts.append((part, span))
                elif index != last:
                    self.fail("an element is missing", code="CHM0113", span=span)
                start = index
            elif text in _CLOSERS:
                depth += 1
            elif text in {")", "]", "}"}:
                depth -= 1
        return tuple(parts)

    def _slice(self, first: int, last: int) -> str:
        start, end = self.starts[first] + len(self.texts[first]), self.starts[last]
        text = self.tokens.source.text[start:end]
        if "//" in text or "--" in text:
            for index in range(first + 1, last):
                if self.texts[index][:3] == "///":
                    self.describes_nothing(self.span(index, index))
            # What follows in our statement must not become part of a comment, be it ours or SQL's.
            parts = [
                COMMENT.sub(" ", self.tokens.gap(i)) + (self.texts[i] if i < last and self.texts[i][:2] != "--" else "")
                for i in range(first + 1, last + 1)
            ]
            text = "".join(parts)
        return text.strip()

    def describes_nothing(self, span: Span) -> NoReturn:
        """Refuse a `///` comment that stands before nothing that could have it."""
        self.fail(
            "a `///` comment describes nothing",
            code="CHM0110",
            help="it stands before what it describes; other comments start with `//`",
            span=span,
        )

    def _matching(self, first: int) -> int:
        depth = 0
        for index in range(first, len(self.texts)):
            text = self.texts[index]
            if text == "(":
                depth += 1
            elif text == ")":
                depth -= 1
                if not depth:
                    return index
        raise self.problem(
            "a parenthesis is never closed", code="CHM0113", help="add `)`", span=self.span(first, first)
        )

    def one_of(self, words: Collection[str], expected: str) -> str:
        """Read one of several words."""
        if self.text not in words:
            self.fail(f"expected {expected}")
        return self.advance()
