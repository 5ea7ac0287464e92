"""One style for `.cham`: only what stands between tokens changes, and the commas after last members.

Four spaces, one member a line, one blank line at most, SQL in parentheses and every comment as the user wrote them. The
result is read again and compared token by token before anyone gets it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from chameleondb.diagnostics import Diagnostics, Source
from chameleondb.errors import ChameleonError
from chameleondb.grammar import grammar
from chameleondb.syntax.parser import parse
from chameleondb.syntax.tokens import COMMENT, Tokens, is_string, is_word, tokenize
from chameleondb.syntax.tree import Declaration, Field, RawSql, Tree

LINE_MAX = 100
"""A list of values stays on one line up to this length."""

_INDENT = "    "


# What is surely in style: words divided by one blank; in parentheses either a list of names, or something with a
# character that no list of names has, and then it is SQL, which stays as it is.
_WORD = r'(?:[A-Za-z_]\w*+|[0-9]++(?:\.[0-9]++)?+(?!\w)|"[^"\\\r\n]++"(?!"))'
_SQL = r"""(?:[^()'"\\$/\r\n-]|-(?!-)|/(?![/*])|'[^'\\\r\n]*+'|"[^"\\\r\n]++"(?!"))"""
_NESTED = rf"\((?:{_SQL}++|\((?:{_SQL}++|\({_SQL}*+\))*+\))*+\)"
_LIST = rf"\({_WORD}(?:,?\ {_WORD})*+\)"
_PARENTHESES = rf"(?:{_LIST}|(?=\([^\s)])(?=\([^)\"]*['(=<>:+*|&]){_NESTED}(?<!\s\)))"
_TYPE = rf"[A-Za-z_]\w*+(?:{_LIST})?+(?:\[\])?+\??+"
_DEFAULT = rf"default\ (?!default\b)(?:{_PARENTHESES}|{_WORD}(?:\(\)|(?!\ ?\()))"
_CLAUSE = rf"(?:check|generated|identity|include|via|where|with)\ {_PARENTHESES}"
_START = rf"(?:{_WORD}:\ {_TYPE}(?!\ \()|[a-z]++(?:\ {_PARENTHESES})?)"
_IN_STYLE = re.compile(rf"{_START}(?:\ {_DEFAULT}|\ {_CLAUSE}|\ (?!default\b){_WORD}(?!\ ?[(\[]))*+", re.ASCII)


def is_in_style(text: str) -> bool:
    """Whether a member without its comma, or a head, surely is as `reformat` writes it; False if unsure."""
    return _IN_STYLE.fullmatch(text) is not None


def reformat(source: Source) -> str:
    """Return the text of a source in the one style; formatting it again changes nothing.

    Raises:
        SchemaError: the source does not parse; a broken file is left alone.
    """
    diagnostics = Diagnostics()
    tree = parse(source, grammar(), diagnostics)
    diagnostics.raise_errors()
    assert tree is not None
    text = _Formatter(tree).run()
    if _essence(tokenize(Source(source.name, text))) != _essence(tree.tokens):
        raise ChameleonError(
            "CHM9001", f"{source.name} cannot be formatted without changing it", hint="report this file"
        )
    first_line = source.text.partition("\n")[0]
    return text.replace("\n", "\r\n") if first_line.endswith("\r") else text


def _essence(tokens: Tokens) -> tuple[list[str], list[str]]:
    """Return what formatting must not change: tokens without last commas, and comments."""
    texts = [
        t.replace("\r", "").rstrip() for t, after in pairwise([*tokens.texts, ""]) if not (t == "," and after == "}")
    ]
    gaps = map(tokens.gap, range(len(tokens.texts)))
    comments = [c.replace("\r", "").rstrip() for gap in gaps for c in COMMENT.findall(gap)]
    return texts, comments


class _Comment(NamedTuple):
    text: str
    newlines: int  # before it


@dataclass(slots=True)
class _Gap:
    comments: list[_Comment]
    newlines: int  # after the last comment


def _gap(text: str) -> _Gap:
    comments: list[_Comment] = []
    at = 0
    for match in COMMENT.finditer(text):
        comments.append(_Comment(match[0].rstrip().replace("\r", ""), text.count("\n", at, match.start())))
        at = match.end()
    return _Gap(comments, text.count("\n", at))


class _Formatter:
    def __init__(self, tree: Tree) -> None:
        self.tokens = tree.tokens
        self.texts = tree.tokens.texts
        self.items: list[Declaration | RawSql] = sorted((*tree.declarations, *tree.blocks), key=lambda item: item.first)
        self.in_type = {
            index
            for declaration in tree.declarations
            for member in declaration.members
            if isinstance(member, Field)
            for index in range(member.first + 2, member.type_last + 1)
        }
        self.lines: list[str] = []
        self.pending: list[_Comment] = []  # comments that stand before the next token
        self.newlines = 0  # after them

    def run(self) -> str:
        for number, item in enumerate(self.items):
            start = self.docs_start(item.first)
            self.take_gap(start, trailing=number > 0)
            self.leading("", first=number == 0, apart=self.is_apart(number))
            for index in range(start, item.first):
                self.docs_line("", index)
            self.item(item)
        self.take_gap(len(self.texts) - 1, trailing=bool(self.items))
        self.leading("", first=not self.items, at_end=True)
        return "\n".join(self.lines) + "\n" if self.lines else ""

    def is_apart(self, number: int) -> bool:
        """Whether a blank line must stand between this declaration and the one before."""
        return number > 0 and any(
            "{" in self.head(item) or isinstance(item, RawSql) for item in self.items[number - 1 : number + 1]
        )

    def head(self, item: Declaration | RawSql) -> list[str]:
        return self.texts[item.first : item.last + 1] if isinstance(item, Declaration) else []

    def docs_start(self, first: int) -> int:
        while first and self.texts[first - 1].startswith("///"):
            first -= 1
        return first

    # --- comments and blank lines ---

    def take_gap(self, index: int, *, trailing: bool) -> None:
        """Read the gap before a token; comments on the line of what was printed last stay there."""
        gap = _gap(self.tokens.gap(index))
        comments = self.pending + gap.comments
        if trailing:
            while comments and not comments[0].newlines:
                comment = comments.pop(0)
                self.lines[-1] += f"  {comment.text}"
                if comment.text.startswith("//"):
                    break
        self.pending, self.newlines = comments, gap.newlines

    def leading(self, indent: str, *, first: bool, apart: bool = False, at_end: bool = False) -> None:
        """Print pending comments on lines of their own; blank lines are kept, one at most, none at the edges."""
        blank = apart
        for comment in self.pending:
            if (blank or comment.newlines > 1) and not first:
                self.lines.append("")
            self.lines.append(indent + comment.text)
            first = blank = False
        if (blank or self.newlines > 1) and not first and not at_end:
            self.lines.append("")
        self.pending, self.newlines = [], 0

    def docs_line(self, indent: str, index: int) -> None:
        """Print a line of a description, and the comments between it and what follows."""
        self.lines.append(indent + self.texts[index].rstrip("\r"))
        comments = _gap(self.tokens.gap(index + 1)).comments
        self.lines += [indent + comment.text for comment in comments]

    # --- declarations ---

    def item(self, item: Declaration | RawSql) -> None:
        if isinstance(item, RawSql):
            self.lines.append(self.inline(item.first, item.first))
            return
        last = item.last
        texts = self.texts
        if texts[last] != "}":
            self.lines.append(self.inline(item.first, last))
            return
        opening = next(i for i in range(item.first, last + 1) if texts[i] == "{")
        head = self.inline(item.first, opening)
        if not grammar().leads[item.word].has_members:
            whole = self.one_line(head, opening, last)
            if whole:
                self.lines.append(whole)
                return
        self.lines.append(head)
        self.body(opening, last)

    def one_line(self, head: str, opening: int, last: int) -> str | None:
        if any(_gap(gap).comments for gap in map(self.tokens.gap, range(opening + 1, last + 1))):
            return None
        end = last - 1 if self.texts[last - 1] == "," else last
        if opening + 1 == end:
            return head + "}"
        whole = f"{head} {self.inline(opening + 1, end - 1)} }}"
        return whole if len(whole) <= LINE_MAX else None

    def body(self, opening: int, last: int) -> None:
        index, first = opening + 1, True
        head = self.lines[-1]
        while index < last:
            self.take_gap(index, trailing=True)
            self.leading(_INDENT, first=first)
            first = False
            while self.texts[index].startswith("///"):
                self.docs_line(_INDENT, index)
                index += 1
            end = self.member_end(index, last)
            self.lines.append(_INDENT + self.inline(index, end) + ",")
            index = end + 1
            if self.texts[index] == ",":
                self.pending = [c._replace(newlines=0) for c in _gap(self.tokens.gap(index)).comments]
                index += 1
        self.take_gap(last, trailing=True)
        self.leading(_INDENT, first=first, at_end=True)
        if self.lines[-1] is head:
            self.lines[-1] += "}"
        else:
            self.lines.append("}")

    def member_end(self, index: int, last: int) -> int:
        """Return the last token before the comma or brace that ends a member."""
        depth, at = 0, index
        while at < last:
            text = self.texts[at]
            if text == "," and not depth:
                return at - 1
            depth += (text == "[") - (text == "]")
            at = self.closing(at) + 1 if text == "(" else at + 1  # in SQL, brackets need not match
        return last - 1

    # --- within a line ---

    def inline(self, first: int, last: int) -> str:
        """Return tokens on one line; only SQL and `//` comments break it."""
        parts: list[str] = []
        index = first
        while index <= last:
            text = self.texts[index]
            if index > first:
                parts.append(self.between(index))
            if text == "(":
                closing = self.closing(index)
                parts.append(self.parentheses(index, closing))
                index = closing
            else:
                parts.append(text.replace("\r\n", "\n"))
            index += 1
        return "".join(parts)

    def between(self, index: int) -> str:
        comments = _gap(self.tokens.gap(index)).comments
        if not comments:
            return " " if self.is_spaced(index) else ""
        text = ""
        for comment in comments:
            text += f" {comment.text}" if not text.endswith("\n") else f"{_INDENT * 2}{comment.text}"
            if comment.text.startswith("//"):
                text += "\n"
        return text + (_INDENT * 2 if text.endswith("\n") else " ")

    def is_spaced(self, index: int) -> bool:
        before, text = self.texts[index - 1], self.texts[index]
        if text in {",", ":", "?", ")", "]", "."} or before in {"(", "[", ".", "@", "-", "+"}:
            return False
        if text == "(":
            is_call = is_word(before) and index > 1 and self.texts[index - 2] in {"default", "."}
            return not ((is_word(before) and index in self.in_type) or is_call)
        if text == "[":
            return index not in self.in_type or before in {":", "["}
        return True

    def closing(self, opening: int) -> int:
        depth = 0
        for index in range(opening, len(self.texts)):
            depth += (self.texts[index] == "(") - (self.texts[index] == ")")
            if not depth:
                return index
        raise AssertionError("the parser accepts matched parentheses only")

    def parentheses(self, opening: int, closing: int) -> str:
        """Return a list of words in our style, anything else as it stands."""
        inner = range(opening + 1, closing)
        if all(self.is_simple(index, index == opening + 1) for index in inner) and not self.tokens.gap(closing).strip():
            end = closing - 1 if self.texts[closing - 1] == "," else closing
            if end == closing:
                return f"({self.inline(opening + 1, closing - 1)})" if inner else "()"
        start, stop = self.tokens.starts[opening] + 1, self.tokens.starts[closing]
        text = self.tokens.source.text[start:stop].replace("\r\n", "\n")
        ends_in_comment = "//" in self.tokens.gap(closing) or self.texts[closing - 1][:2] == "--"
        return f"({text if ends_in_comment else text.strip()})"

    def is_simple(self, index: int, first: bool) -> bool:
        text, gap = self.texts[index], self.tokens.gap(index)
        if gap.strip():
            return False
        if text == "," or first or self.texts[index - 1] == ",":
            return text == "," or is_word(text) or is_string(text) or text.isdecimal()
        return bool(gap) and re.match(r"[\w\"]", text) is not None
