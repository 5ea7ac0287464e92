"""The language as a whole: what all kinds add to it, merged into tables."""

from __future__ import annotations

from functools import cache

from chameleondb.kinds import SYNTAXES
from chameleondb.language import FieldClause, Syntax
from chameleondb.syntax.parser import ClauseRule, Grammar


@cache
def grammar() -> Grammar:
    """Return the productions of all kinds, as the parser wants them."""
    return Grammar(
        leads={word: lead for syntax in SYNTAXES for word, lead in syntax.leads.items()},
        members={word: production for syntax in SYNTAXES for word, production in syntax.members.items()},
        clauses=_rules(),
        types={word: production for syntax in SYNTAXES for word, production in syntax.types.items()},
    )


def _rules() -> dict[str, tuple[ClauseRule, ...]]:
    rules: dict[str, list[ClauseRule]] = {}
    for words, clause in field_clauses().items():
        parts = tuple(words.split())
        rules.setdefault(parts[0], []).append(ClauseRule(parts, clause.parse, clause.parentheses))
    return {word: tuple(sorted(found, key=lambda rule: -len(rule.words))) for word, found in rules.items()}


@cache
def field_clauses() -> dict[str, FieldClause]:
    """Return all clauses of fields, by their leading words."""
    return {words: clause for syntax in SYNTAXES for words, clause in syntax.clauses.items()}


@cache
def by_lead() -> dict[str, Syntax]:
    """Return the syntax that reads each leading word of a declaration."""
    return {word: syntax for syntax in SYNTAXES for word in syntax.leads}


@cache
def by_member() -> dict[str, Syntax]:
    """Return the syntax that reads each leading word of a member."""
    return {word: syntax for syntax in SYNTAXES for word in syntax.members}
