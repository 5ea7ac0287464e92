"""Tokens to tree, by recursive descent over productions that the kinds bring.

schema      = { docs } ( declaration | "sql" raw )
declaration = leading word, then the production of its kind; with a body: "{" { member [ "," ] } "}"
member      = name ":" type { clause }  |  leading word, then the production of its kind

A mistake ends its member or declaration, and parsing goes on with the next one. A comma between members is required;
one that is missing is reported with the fix and costs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from chameleondb.diagnostics import Diagnostic, Diagnostics, Problem, Source, Span
from chameleondb.frozen import frozen
from chameleondb.syntax import habits
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import is_string, is_word, tokenize
from chameleondb.syntax.tree import Clause, Declaration, Field, Member, RawSql, Tree
from chameleondb.syntax.type_name import type_name

PROBLEMS_MAX = 100
"""After so many mistakes a source is not read further: what follows would be noise."""

Production = Callable[[Cursor], Any]


@frozen()
class Lead:
    """A top-level declaration: `parse` reads what follows the leading word up to the body and returns its values."""

    parse: Callable[[Cursor], dict[str, Any]]
    noun: str  # "an entity name"
    has_members: bool = False


@frozen()
class ClauseRule:
    """A clause of a field: its leading words, its production, whether ``(`` may follow the first word."""

    words: tuple[str, ...]
    parse: Production
    parentheses: bool = False


@frozen()
class Grammar:
    """All productions, by leading word."""

    leads: Mapping[str, Lead]
    members: Mapping[str, Production]
    clauses: Mapping[str, tuple[ClauseRule, ...]]  # by first word, the longest first
    types: Mapping[str, Production] = field(default_factory=dict)


def parse(source: Source, grammar: Grammar, diagnostics: Diagnostics) -> Tree | None:
    """Return the tree of a source; mistakes go to `diagnostics`. None if the source cannot be read at all."""
    try:
        tokens = tokenize(source)
    except Problem as problem:
        diagnostics.add(problem.diagnostic)
        return None
    return _Parser(Cursor(tokens, diagnostics), grammar).schema()


class _Parser:
    def __init__(self, cursor: Cursor, grammar: Grammar) -> None:
        self.cursor = cursor
        self.grammar = grammar
        self.tree = Tree(cursor.tokens)
        self.problems = 0
        self.member_first = 0

    def schema(self) -> Tree:
        cursor = self.cursor
        while cursor.text and self.problems < PROBLEMS_MAX:
            first = cursor.at
            try:
                self.declaration(self.docs())
            except Problem as problem:
                self.report(problem)
                self.skip_declaration(first)
        return self.tree

    def report(self, problem: Problem) -> None:
        self.problems += 1
        self.cursor.diagnostics.add(problem.diagnostic)

    def docs(self) -> tuple[str, ...]:
        cursor = self.cursor
        if cursor.text[:3] != "///":
            return ()
        first = cursor.at
        lines: list[str] = []
        while cursor.text[:3] == "///":
            lines.append(cursor.advance()[3:].removeprefix(" ").rstrip("\r"))
        if cursor.text in {"", "}"}:
            cursor.describes_nothing(cursor.span_since(first))
        return tuple(lines)

    def declaration(self, docs: tuple[str, ...]) -> None:
        cursor = self.cursor
        word, first = cursor.text, cursor.at
        lead = self.grammar.leads.get(word)
        if _is_sql(word) and not docs:
            self.sql()
            return
        if lead is None:
            known = ", ".join(f"`{w}`" for w in (*self.grammar.leads, "sql"))
            if is_word(word):
                help = habits.advice(word, (*self.grammar.leads, "sql"), habits.DECLARATIONS, cursor.diagnostics)
                help = help or f"a declaration starts with {known}"
                cursor.fail(f"unknown declaration `{word}`", code="CHM0107", help=help, span=cursor.span())
            help = habits.DECLARATIONS.get(word) or f"a declaration starts with {known}"
            cursor.fail("expected a declaration", help=help)
        cursor.advance()
        name_at = cursor.at
        name = cursor.name(lead.noun)
        values = lead.parse(cursor)
        node = Declaration(cursor.tokens, first, cursor.at - 1, docs, word, name, name_at, values)
        self.tree.declarations.append(node)
        if lead.has_members:
            self.body(node)
        node.last = cursor.at - 1

    def sql(self) -> None:
        cursor = self.cursor
        text = cursor.text
        opening = text.find('"""')
        if opening < 0:
            cursor.advance()
            cursor.fail('expected `"""` after `sql`', help='sql """ CREATE VIEW … """')
        start = cursor.starts[cursor.at]
        if len(text) < opening + 6 or text[-3:] != '"""':
            span = Span(cursor.tokens.source, start, start + opening + 3)
            cursor.fail("a sql block has no end", code="CHM0103", help='close it with `"""`', span=span)
        span = Span(cursor.tokens.source, start + opening + 3, start + len(text) - 3)
        self.tree.blocks.append(RawSql(text[opening + 3 : -3], span, cursor.at))
        cursor.advance()

    def body(self, node: Declaration) -> None:
        cursor = self.cursor
        cursor.expect("{", f"after the name of {node.word} `{node.name}`")
        opening, problems = cursor.at - 1, self.problems
        while cursor.text != "}":
            if not cursor.text or self.starts_declaration():
                # A text or comment without an end has swallowed the brace: that is one mistake.
                if cursor.text or self.problems == problems:
                    self.report(Problem(self.unclosed(node, opening)))
                return
            if self.problems >= PROBLEMS_MAX:
                return
            first = cursor.at
            try:
                node.members.append(self.member(self.docs()))
                self.separator()
            except Problem as problem:
                self.report(problem)
                if self.member_first >= first and cursor.texts[self.member_first + 1] == ":":
                    node.broken.add(cursor.texts[self.member_first].strip('"'))
                self.skip_member(first)
        cursor.advance()

    def unclosed(self, node: Declaration, opening: int) -> Diagnostic:
        return Diagnostic(
            code="CHM0106",
            message=f"{node.word} `{node.name}` has no closing brace",
            span=self.cursor.span(opening, opening),
            label="this brace is never closed",
            help="add `}` after its last member",
        )

    def separator(self) -> None:
        cursor = self.cursor
        if cursor.text == ",":
            cursor.advance()
        elif cursor.text != "}" and cursor.text and not self.starts_declaration():
            if not (is_word(cursor.text) or is_string(cursor.text) or cursor.text[:3] == "///"):
                cursor.fail("expected `,` or `}` after a member")
            self.missing_comma()

    def missing_comma(self) -> None:
        previous = self.cursor.span(self.cursor.at - 1, self.cursor.at - 1)
        place = Span(previous.source, previous.end, previous.end)
        self.report(
            Problem(
                Diagnostic(code="CHM0105", message="a comma is missing after this member", span=place, help="add `,`")
            )
        )

    def starts_declaration(self) -> bool:
        """Whether a declaration starts here although a brace is still open."""
        cursor = self.cursor
        if cursor.text not in self.grammar.leads or cursor.peek() == ":":
            return False
        gap = cursor.tokens.gap(cursor.at)
        return "\n" in gap and (is_word(cursor.peek()) or is_string(cursor.peek()))

    def member(self, docs: tuple[str, ...]) -> Field | Member:
        cursor = self.cursor
        first, word = cursor.at, cursor.text
        self.member_first = first
        if cursor.peek() != ":":
            pair = f"{word} {cursor.peek()}"
            production = self.grammar.members.get(pair)
            habit = habits.MEMBERS.get(pair.lower()) or habits.MEMBERS.get(word.lower())
            if habit:
                cursor.fail("expected a field or another member", help=habit)
            if production:
                cursor.advance()
                word = pair
            else:
                production = self.grammar.members.get(word)
            if production:
                cursor.advance()
                values = production(cursor)
                return Member(cursor.tokens, first, cursor.at - 1, docs, word, values)
            name = cursor.name("a field or `}`")
            help = f"{name}: {cursor.text if is_word(cursor.text) else 'string'}"
            cursor.fail(f"field `{name}` needs `:` and a type", help=help)
        name = cursor.name("a field name")
        cursor.advance()
        type = type_name(cursor, self.grammar.types)
        type_last = cursor.at - 1
        clauses = self.clauses()
        return Field(cursor.tokens, first, cursor.at - 1, docs, name, type, type_last, clauses)

    def clauses(self) -> list[Clause]:
        cursor = self.cursor
        clauses: list[Clause] = []
        while (word := cursor.text) != "," and word != "}":
            rules = self.grammar.clauses.get(word)
            follower = cursor.peek()
            if follower == ":" or not rules or (follower == "(" and not any(r.parentheses for r in rules)):
                self.refuse_clause(word, follower)
                break
            first = cursor.at
            rule = self.matching(rules)
            value = rule.parse(cursor)
            clauses.append(Clause(" ".join(rule.words), value, first, cursor.at - 1))
        return clauses

    def refuse_clause(self, word: str, follower: str) -> None:
        """Stop unless a new member or the end of the body starts here, where only a comma or brace is missing."""
        cursor = self.cursor
        is_member = follower == ":" or (word in self.grammar.members and follower in {"(", "index"})
        if not word or is_member or word[:3] == "///" or self.starts_declaration():
            return
        if is_word(word):
            if "\n" in cursor.tokens.gap(cursor.at):
                return
            help = habits.advice(word, self.grammar.clauses, habits.CLAUSES, cursor.diagnostics)
            cursor.fail(f"unknown modifier `{word}`", code="CHM0108", help=help, span=cursor.span())
        before = (cursor.texts[cursor.at - back] for back in range(3))  # as in `references teams(id)`
        help = next((habits.CLAUSES[text] for text in before if text in habits.CLAUSES), None)
        cursor.fail("expected `,`, `}` or a modifier", help=help)

    def matching(self, rules: tuple[ClauseRule, ...]) -> ClauseRule:
        cursor = self.cursor
        for rule in rules:
            if len(rule.words) == 1:  # the word that led here
                cursor.advance()
                return rule
            if cursor.accept(*rule.words):
                return rule
        cursor.advance()
        seconds = " or ".join(f"`{rule.words[1]}`" for rule in rules)
        raise cursor.problem(f"expected {seconds} after `{rules[0].words[0]}`")

    def skip_member(self, first: int) -> None:
        """Go to the next member: past a comma outside brackets, or to what must start one, or to the closing brace."""
        cursor, depth = self.cursor, 0
        while cursor.text:
            text = cursor.text
            if depth <= 0:
                if text == ",":
                    cursor.advance()
                    return
                if text == "}" or self.starts_declaration():
                    return
                if cursor.at > first and cursor.peek() == ":" and "\n" in cursor.tokens.gap(cursor.at):
                    return
            if text in {"(", "[", "{"}:
                depth += 1
            elif text in {")", "]", "}"}:
                depth -= 1
            cursor.advance()

    def skip_declaration(self, first: int) -> None:
        cursor = self.cursor
        while cursor.text:
            if cursor.at > first and self.starts_declaration_or_sql():
                return
            cursor.advance()

    def starts_declaration_or_sql(self) -> bool:
        cursor = self.cursor
        if _is_sql(cursor.text):
            return True
        return self.starts_declaration() or (cursor.text[:3] == "///" and cursor.texts[cursor.at - 1] == "}")


def _is_sql(text: str) -> bool:
    return text == "sql" or (text[:3] == "sql" and '"""' in text)
