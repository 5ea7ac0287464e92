"""SQL text to single statements, without understanding them.

Semicolons within strings, quoted names, dollar quotes, comments, parentheses and ``BEGIN ATOMIC … END`` bodies do not
end a statement. What only psql understands is refused with its place, and so are transactions: Chameleon makes its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chameleondb.diagnostics import Diagnostics, Source, Span

_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<string> [eE]'(?:[^'\\]+|\\[\s\S]|'')*(?P<e_end>'?)
      | '(?:[^']+|'')*(?P<s_end>'?)
      | "(?:[^"]+|"")*(?P<q_end>"?) )
    | (?P<dollar> \$(?:[^\W\d]\w*)?\$ )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<open> [(\[] ) | (?P<close> [)\]] )
    | (?P<end> ; )
    | (?P<backslash> \\ )
    | (?P<other> [^\s] )
    """,
    re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_WORD = re.compile(r"\w+")
_TRANSACTION = frozenset({"begin", "commit", "rollback", "start", "savepoint", "release", "end", "abort"})


@dataclass(slots=True)
class _State:
    start: int = -1  # of the statement; -1 between statements
    depth: int = 0  # of brackets
    body: int = 0  # of BEGIN ATOMIC, CASE … END
    previous: str = ""
    first: str = ""
    copies: bool = False


def statements(
    source: Source, diagnostics: Diagnostics, *, start: int = 0, end: int | None = None
) -> Iterator[tuple[str, Span]]:
    """Yield each statement without its semicolon, and its place; mistakes go to `diagnostics`."""
    text = source.text
    end = len(text) if end is None else end
    if (at := text.find("\0", start, end)) >= 0:  # the server would be sent what stands before it
        message = "the file contains a NUL character"
        diagnostics.error("CHM0112", message, Span(source, at, at + 1), help="SQL is text without it")
        return
    at = start + (1 if text.startswith("\ufeff", start) else 0)
    state = _State()
    last = at
    while at < end:
        match = _TOKEN.match(text, at, end)
        assert match is not None
        kind, here = match.lastgroup, at
        at = match.end()
        if kind == "skip":
            continue
        if kind == "comment":
            at = _comment_end(text, here, end, source, diagnostics)
            continue
        if kind == "end" and not state.depth and not state.body:
            if state.start >= 0:
                yield from _finished(state, source, last, diagnostics)
            state = _State()
            continue
        if kind == "backslash":
            at = _refuse_psql(source, here, end, diagnostics)
            state = _State()
            continue
        if kind == "dollar":
            at = _dollar_end(match, end, source, diagnostics)
        elif kind in {"string", "e_end", "s_end", "q_end"} and "" in (match["e_end"], match["s_end"], match["q_end"]):
            diagnostics.error("CHM0103", "a text has no closing quote", Span(source, here, here + 1))
        _note(state, kind or "", match[0], here)
        last = at
    if state.start >= 0:
        yield from _finished(state, source, last, diagnostics)


def _note(state: _State, kind: str, text: str, here: int) -> None:
    if state.start < 0:
        state.start = here
    word = text.lower() if kind == "word" else ""
    if not state.first:
        state.first = word or "\0"
    if kind == "open":
        state.depth += 1
    elif kind == "close":
        state.depth = max(0, state.depth - 1)
    elif word == "atomic" and state.previous == "begin":
        state.body = 1
    elif state.body and word == "case":
        state.body += 1
    elif state.body and word == "end":
        state.body -= 1
    elif word == "stdin" and state.previous == "from" and state.first == "copy":
        state.copies = True
    state.previous = word


def _finished(state: _State, source: Source, end: int, diagnostics: Diagnostics) -> Iterator[tuple[str, Span]]:
    span = Span(source, state.start, end)
    if state.copies:
        diagnostics.error(
            "CHM0115", "COPY FROM STDIN carries data, not schema", span, help="leave data out of schema files"
        )
    elif state.first in _TRANSACTION:
        diagnostics.error(
            "CHM0116",
            f"`{state.first.upper()}` is not allowed here",
            span,
            help="leave it out: Chameleon makes the transactions",
        )
    elif state.body or state.depth:
        diagnostics.error("CHM0117", "the statement has no end", Span(source, state.start, state.start + 1))
    else:
        yield source.text[state.start : end], span


def _comment_end(text: str, start: int, end: int, source: Source, diagnostics: Diagnostics) -> int:
    """Return the end of a comment, which nests in SQL."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start, end):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    diagnostics.error("CHM0104", "a comment has no end", Span(source, start, start + 2), help="close it with `*/`")
    return end


def _dollar_end(match: re.Match[str], end: int, source: Source, diagnostics: Diagnostics) -> int:
    found = source.text.find(match[0], match.end(), end)
    if found >= 0:
        return found + len(match[0])
    diagnostics.error("CHM0103", f"a text has no closing `{match[0]}`", Span(source, match.start(), match.end()))
    return end


def _refuse_psql(source: Source, start: int, end: int, diagnostics: Diagnostics) -> int:
    line_end = source.text.find("\n", start, end)
    line_end = end if line_end < 0 else line_end
    diagnostics.error(
        "CHM0114", "commands of psql are not SQL", Span(source, start, line_end), help="leave it out; write SQL only"
    )
    return line_end


def words(texts: list[str]) -> frozenset[str]:
    """Return all words of SQL texts in lower case."""
    return frozenset(word for text in texts for word in _WORD.findall(text.lower()))
