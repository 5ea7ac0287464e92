"""Source texts, spans and diagnostics: mistakes in a schema file are values, collected and shown together."""

from __future__ import annotations

import enum
import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import field
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

from chameleondb.errors import SchemaError
from chameleondb.frozen import frozen
from chameleondb.names import is_hidden

SHOWN_MAX = 20
"""Diagnostics shown per run: more would hide the first, which is the one to mend."""

SUGGESTIONS_MAX = 100
"""Words for which one that may have been meant is looked for: each is compared with all names of the schema."""

BOM = "\ufeff"
"""What some editors begin a file with; it has no column."""

FORMAT_VERSION = "1.0"


@frozen(slots=False)
class Source:
    """One schema text and what the user calls it (a path, or ``<stdin>``)."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> Sequence[int]:
        """The offset of each line."""
        return array("L", chain([0], (match.end() for match in re.finditer("\n", self.text))))

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its end or the mark at the beginning of the text."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        text = self.text[start : end if end >= 0 else None].rstrip("\r")
        return text.removeprefix(BOM) if number == 1 else text


class Span(NamedTuple):
    """A piece of a source, in characters: `start` inclusive, `end` exclusive."""

    source: Source
    start: int
    end: int


class Position(NamedTuple):
    """A place as an editor shows it: line and column count from 1, columns in characters."""

    line: int
    column: int


def position(source: Source, offset: int) -> Position:
    """Return the line and column of an offset."""
    line = bisect_right(source.line_starts, offset)
    column = offset - source.line_starts[line - 1] + 1
    if line == 1 and source.text.startswith(BOM):
        column = max(1, column - 1)
    return Position(line, column)


class Severity(enum.StrEnum):
    """An error makes the schema invalid; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Label(NamedTuple):
    """A second place that explains the first."""

    span: Span
    text: str


@frozen(kw_only=True)
class Diagnostic:
    """One mistake: a stable code, one sentence, the place, what stands there, other places, and the way out."""

    code: str
    message: str
    span: Span
    label: str = ""
    others: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether it makes the schema invalid."""
        return self.severity is Severity.ERROR


class Problem(Exception):
    """Carries a diagnostic out of a production to the place where the parser recovers."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Diagnostics:
    """Collects diagnostics; `raise_errors` raises one SchemaError for all of them."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._suggestions = 0

    def __len__(self) -> int:
        return len(self._found)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic."""
        self._found.append(diagnostic)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        help: str | None = None,
        others: Iterable[Label] = (),
    ) -> None:
        """Keep an error."""
        self.add(Diagnostic(code=code, message=message, span=span, label=label, others=tuple(others), help=help))

    def warning(self, code: str, message: str, span: Span, label: str = "", *, help: str | None = None) -> None:
        """Keep a warning."""
        self.add(Diagnostic(code=code, message=message, span=span, label=label, help=help, severity=Severity.WARNING))

    def did_you_mean(self, word: str, candidates: Iterable[str]) -> str | None:
        """Return a help sentence with the closest candidate; None if none is close, or after too many words."""
        self._suggestions += 1
        found = closest(word, candidates) if self._suggestions <= SUGGESTIONS_MAX else None
        return f"did you mean `{found}`?" if found else None

    @property
    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them without repetitions, in the order of sources and positions."""
        order = {source: number for number, source in enumerate(dict.fromkeys(d.span.source.name for d in self._found))}
        return tuple(
            sorted(dict.fromkeys(self._found), key=lambda d: (order[d.span.source.name], d.span.start, d.code))
        )

    def raise_errors(self) -> None:
        """Do nothing when there are only warnings.

        Raises:
            SchemaError: at least one error was found; it carries all diagnostics, sorted.
        """
        errors = sum(d.is_error for d in self._found)
        if errors:
            raise SchemaError(self.sorted, f"the schema has {errors} error" + ("s" if errors > 1 else ""))


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant, or None."""
    import difflib

    by_fold: dict[str, str] = {}
    for candidate in candidates:
        by_fold.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.7 if len(word) > 3 else 0.6)
    return by_fold[found[0]] if found else None


# --- Rendering -----------------------------------------------------------------------------------------------------


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as text for people, at most `SHOWN_MAX` of them, errors first if not all can be shown."""
    found = list(diagnostics)
    if len(found) > SHOWN_MAX:
        found.sort(key=lambda d: not d.is_error)
    parts = [_render_one(d) for d in found[:SHOWN_MAX]]
    if len(found) > SHOWN_MAX:
        parts.append(f"… and {len(found) - SHOWN_MAX} more\n")
    return "\n".join(parts)


def visible(text: str) -> str:
    """Return `text` with control and bidirectional characters escaped, so that it cannot deceive a terminal."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if is_hidden(c) and c != "\t" else c for c in text)


class _Mark(NamedTuple):
    line: int
    column: int
    width: int
    sign: str
    text: str


def _render_one(diagnostic: Diagnostic) -> str:
    at = position(diagnostic.span.source, diagnostic.span.start)
    marks = [_mark(diagnostic.span, "^", diagnostic.label)]
    marks += [_mark(o.span, "-", o.text) for o in diagnostic.others if o.span.source == diagnostic.span.source]
    margin = " " * len(str(max(m.line for m in marks)))
    lines = [
        f"{diagnostic.severity}[{diagnostic.code}]: {visible(_short(diagnostic.message))}",
        f"{margin}--> {visible(diagnostic.span.source.name)}:{at.line}:{at.column}",
        f"{margin} |",
        *_snippet(diagnostic.span.source, marks, margin),
    ]
    for other in diagnostic.others:
        if other.span.source != diagnostic.span.source:
            there = position(other.span.source, other.span.start)
            lines.append(f"{margin}::: {visible(other.span.source.name)}:{there.line}:{there.column}")
            lines += [f"{margin} |", *_snippet(other.span.source, [_mark(other.span, "-", other.text)], margin)]
    if diagnostic.help:
        lines += [f"{margin} |", f"help: {visible(diagnostic.help)}"]
    return "\n".join(lines) + "\n"


_MESSAGE_SHOWN = 500


def _short(text: str) -> str:
    return text if len(text) <= _MESSAGE_SHOWN else f"{text[:_MESSAGE_SHOWN]}…"


def _mark(span: Span, sign: str, text: str) -> _Mark:
    line, column = position(span.source, span.start)
    line_end = span.source.text.find("\n", span.start)
    end = min(span.end, line_end) if line_end >= 0 else span.end
    return _Mark(line, column, max(1, end - span.start), sign, text)


def _snippet(source: Source, marks: list[_Mark], margin: str) -> list[str]:
    lines: list[str] = []
    shown = (0, 0)
    for mark in sorted(marks):
        text = source.line(mark.line)
        start = 0 if len(text) <= _LINE_SHOWN else max(0, mark.column - 1 - _LINE_SHOWN // 3)
        text = text[start : start + _LINE_SHOWN]
        if shown != (mark.line, start):
            shown = (mark.line, start)
            lines.append(f"{mark.line:>{len(margin)}} | {visible(text)}")
        first = mark.column - 1 - start
        pad = "".join("\t" if c == "\t" else " " * _cells(c) for c in visible(text[:first]))
        width = sum(map(_cells, visible(text[first : first + mark.width]))) or 1
        lines.append(f"{margin} | {pad}{mark.sign * width} {visible(mark.text)}".rstrip())
    return lines


def _cells(character: str) -> int:
    """Return how many cells of a terminal a character takes (Unicode Standard Annex 11)."""
    if character.isascii():
        return 1
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# Of a longer line, only the part around the mark is shown.
_LINE_SHOWN = 180


def to_json(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """Return diagnostics as the documented JSON object, `format_version` 1.0."""
    found = list(diagnostics)
    return {
        "format_version": FORMAT_VERSION,
        "valid": not any(d.is_error for d in found),
        "errors": [_json_of(d) for d in found],
    }


def _json_place(span: Span) -> dict[str, Any]:
    start, end = position(span.source, span.start), position(span.source, span.end)
    return {
        "file": span.source.name,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    }


def _json_of(diagnostic: Diagnostic) -> dict[str, Any]:
    first = Label(diagnostic.span, diagnostic.label)
    labels = [first] if diagnostic.label else []
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        **_json_place(diagnostic.span),
        "labels": [{**_json_place(o.span), "text": o.text} for o in (*labels, *diagnostic.others)],
        "help": diagnostic.help,
    }
