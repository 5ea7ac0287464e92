"""Trees to a declared schema: every name is resolved, every mistake is reported with its place.

The order of passes, since names may be used before they are declared and across files: all declarations enter their
names; each becomes objects; fields are claimed by the kind that knows their type; members follow, when all fields are
known; last, what needs other entities (relations) or all names (indexes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from chameleondb.diagnostics import Diagnostics, Label
from chameleondb.grammar import by_lead, by_member, field_clauses
from chameleondb.kinds import SYNTAXES
from chameleondb.model.declared import Declared, SqlBlock, Unit
from chameleondb.scope import Entity, Scope
from chameleondb.syntax import sql
from chameleondb.syntax.tree import Declaration, Field, Member, Tree


def check(trees: Sequence[Tree], blocks: Iterable[SqlBlock], diagnostics: Diagnostics) -> Declared:
    """Return what the trees declare. Mistakes go to `diagnostics`; with errors the result is not complete."""
    blocks = tuple(blocks)
    describe = next(s.describe for s in SYNTAXES if s.describe)
    scope = Scope(diagnostics, cache(lambda: sql.words([block.sql for block in blocks])), describe)
    scope.clauses = {words: clause.apply for words, clause in field_clauses().items()}
    declarations = [declaration for tree in trees for declaration in tree.declarations]
    for declaration in declarations:
        enter = by_lead()[declaration.word].enter
        if enter:
            enter(scope, declaration)
    for declaration in declarations:
        lower = by_lead()[declaration.word].lower
        if lower:
            lower(scope, declaration)
    _check_members(scope)
    for syntax in SYNTAXES:
        if syntax.finish:
            syntax.finish(scope)
    return Declared(
        units=tuple(Unit(d.key, tuple(d.objects.values())) for d in scope.drafts),
        blocks=blocks,
        hints=scope.hints,
        places=scope.places,
        labels=scope.labels,
    )


def _check_members(scope: Scope) -> None:
    for entity in scope.entities.values():
        assert entity.node is not None
        _check_fields(scope, entity, entity.node)
    for entity in scope.entities.values():
        assert entity.node is not None
        for node in entity.node.members:
            if isinstance(node, Member):
                member = by_member()[node.word].member
                assert member is not None
                member(scope, entity, node)


def _check_fields(scope: Scope, entity: Entity, node: Declaration) -> None:
    seen: dict[str, Field] = {}
    claims = _claims()
    for field in node.members:
        if not isinstance(field, Field):
            continue
        first = seen.setdefault(field.name, field)
        if first is not field:
            scope.diagnostics.error(
                "CHM0202",
                f"entity `{entity.name}` has two fields `{field.name}`",
                field.head_span,
                "declared again here",
                others=(Label(first.head_span, "declared here first"),),
            )
            continue
        if len(field.clauses) > 1:
            _keep_the_last(scope, field)
        for claim in claims:
            if claim(scope, entity, field):
                break
        else:
            # Known from here on, so that what refers to it is not reported as well.
            entity.columns[field.name] = field
            entity.types[field.name] = "unknown"
            scope.unknown_type(field)


@cache
def _claims() -> tuple[Callable[[Scope, Entity, Field], bool], ...]:
    return tuple(syntax.claim for syntax in SYNTAXES if syntax.claim)


def _keep_the_last(scope: Scope, field: Field) -> None:
    """Each clause but `check` counts once, however often it is given."""
    last = {clause.words: clause for clause in field.clauses}
    kept = [clause for clause in field.clauses if clause.words == "check" or clause is last[clause.words]]
    if len(kept) == len(field.clauses):
        return
    words = [clause.words for clause in field.clauses]
    for number, clause in enumerate(field.clauses):
        if clause.words in words[:number] and clause.words != "check":
            message = f"`{clause.words}` is given twice; the last one counts"
            scope.diagnostics.warning("CHM0118", message, field.clause_span(clause), help="take one of them off")
    field.clauses = kept
