"""Check constraints of tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import REPLACE, Alter, Context, Kind
from chameleondb.kinds.clauses import (
    add_constraint,
    by_itself,
    column_words,
    constraint_sql_name,
    drop_constraint,
    follow,
    follow_text,
    in_place,
    may_fail,
    named,
    rename_constraint,
    validate_constraint,
)
from chameleondb.language import Entry, FieldClause, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.model.renamed import Renamed
from chameleondb.names import Identity, column, constraint, is_provisional, object_name, quote
from chameleondb.scope import Entity, FieldDraft, Scope
from chameleondb.sqltext import shown, unquoted, unwrap
from chameleondb.steps import Effort, Hazard, Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tree import Member

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Check:
    """A check constraint, ``constraint/<schema>/<table>/<name>``."""

    id: Identity
    expression: str  # without the outer parentheses
    inherit: bool = True
    validated: bool = True
    enforced: bool = True  # NOT ENFORCED exists from PostgreSQL 18


# --- Syntax --------------------------------------------------------------------------------------------------------


_CLAUSES = {**productions.NAMED, "no": productions.no_inherit, "not": productions.negation}


def _production(cursor: Cursor) -> dict[str, Any]:
    """ "check" "(" SQL ")" { "no inherit" | "not valid" | "not enforced" | "name" name }."""
    return {"expression": cursor.raw("after `check`"), **productions.options(cursor, _CLAUSES)}


def _inline_production(cursor: Cursor) -> dict[str, Any]:
    """As above without the `not` clauses, which in a field could be meant for the field."""
    return {"expression": cursor.raw("after `check`"), **productions.options(cursor, productions.NAMED)}


def _apply(scope: Scope, draft: FieldDraft, values: dict[str, Any]) -> None:
    identity = scope.constraint_id(draft.entity, values.get("name"), draft.node.head_span)
    draft.after.append((Check(id=identity, expression=values["expression"]), draft.node.head_span))


def _member(scope: Scope, entity: Entity, node: Member) -> None:
    values = dict(node.values)
    identity = scope.constraint_id(entity, values.pop("name", None), node.span)
    scope.add(entity, Check(id=identity, **values), node.span, docs=node.docs)


_STRING = re.compile(r"'(?:[^']|'')*'")
_IDENTIFIER = re.compile(r'"(?:[^"]|"")+"|[^\W\d][\w$]*')


def _print(obj: Check, page: Page) -> list[Entry]:
    words = {w: unquoted(w) for w in _IDENTIFIER.findall(_STRING.sub("", obj.expression))}
    used = [c for w, c in words.items() if quote(c) == w and column(obj.id.table, c) in page.schema]
    # PostgreSQL's own choice is certain only where exactly one column occurs.
    default = len(used) == 1 and obj.id.name == object_name(obj.id.path[1], used[0], "check")
    tail = ("" if obj.inherit else " no inherit") + productions.negation_text(obj.validated, obj.enforced)
    return [
        Entry(obj.id.table, obj.id, f"check ({obj.expression}){tail}{productions.named_text(obj.id.name, default)}")
    ]


SYNTAX = Syntax(
    model=Check,
    members={"check": _production},
    clauses={"check": FieldClause(_inline_production, _apply, parentheses=True)},
    member=_member,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(version: int) -> str:
    enforced = "k.conenforced" if version >= 180000 else "true"
    return f"""
        SELECT k.oid, k.conrelid, k.conname, pg_catalog.pg_get_expr(k.conbin, k.conrelid), k.connoinherit,
               k.convalidated, {enforced}
          FROM pg_catalog.pg_constraint k
         WHERE k.contype = 'c' AND k.conrelid = ANY(%(tables)s)
         ORDER BY k.conrelid, k.conname"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Check:
    _, relid, name, expression, no_inherit, validated, enforced = row
    return Check(
        id=constraint(oids.relation(relid), name),
        expression=unwrap(shown(expression)),
        inherit=not no_inherit,
        # PostgreSQL cannot validate what it does not enforce; that is no second fact.
        validated=validated or not enforced,
        enforced=enforced,
    )


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: Check) -> str:
    tail = "" if obj.inherit else " NO INHERIT"
    return f"CHECK ({obj.expression}){tail}{'' if obj.enforced else ' NOT ENFORCED'}"


def _inline(obj: Check, _context: Context) -> str | None:
    """CREATE TABLE takes NOT VALID and then marks the constraint valid, so such a one is added afterwards."""
    return named(obj.id) + _definition(obj) if obj.validated else None


def _create(obj: Check, context: Context) -> list[Step]:
    table, definition = obj.id.table, _definition(obj)
    needs = column_words(table, obj.expression)
    if not obj.validated:
        return [add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, effort=Effort.CATALOG)]
    if context.is_inline(obj, table):
        return []
    hazards = _may_fail(obj, context) if obj.enforced else ()
    if not context.is_large(table) or is_provisional(obj.id.name) or not obj.enforced:
        effort = Effort.SCAN if obj.enforced else Effort.CATALOG
        return [add_constraint(obj.id, definition, needs=needs, effort=effort, hazards=hazards)]
    add = add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, effort=Effort.CATALOG)
    return in_place(add, _validate(obj, context), obj, context)


def _may_fail(obj: Check, context: Context) -> tuple[Hazard, ...]:
    return may_fail(obj.id, obj.id.table, context, "rows that break the rule")


def _validate(obj: Check, context: Context) -> Step:
    return validate_constraint(obj.id).with_hazards(_may_fail(obj, context))


def _set_validated(_old: Check, new: Check, context: Context) -> list[Step] | None:
    return by_itself([_validate(new, context)], new.id.table, context) if new.validated else None


def _renamed(obj: Check, ids: Renamed) -> Check:
    return replace(obj, id=follow(obj.id, ids), expression=follow_text(obj.expression, obj.id.table, ids))


KIND = Kind(
    name="check",
    plural="checks",
    model=Check,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=lambda o: (o.id.table, *column_words(o.id.table, o.expression)),
    create=_create,
    drop=lambda o, _: [drop_constraint(o.id)],
    inline=_inline,
    parent=lambda o: o.id.table,
    on_change={
        "expression": REPLACE,
        "inherit": REPLACE,
        "enforced": REPLACE,
        "validated": Alter(_set_validated),
    },
    rename=lambda old, new: rename_constraint(old.id, new.id),
    inferred_rename=lambda _: True,
    renamed=_renamed,
    sql_name=lambda o: constraint_sql_name(o.id),
)
