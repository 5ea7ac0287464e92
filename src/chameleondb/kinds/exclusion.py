"""Exclusion constraints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import REPLACE, Context, Kind
from chameleondb.kinds.clauses import (
    add_constraint,
    column_words,
    columns_of,
    constraint_sql_name,
    deferrability,
    deferrable_sql,
    drop_constraint,
    follow,
    follow_columns,
    follow_text,
    index_of,
    index_tail,
    may_fail,
    named,
    rename_constraint,
)
from chameleondb.language import Entry, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.model.renamed import Renamed
from chameleondb.names import Identity, constraint, quote
from chameleondb.scope import Entity, Scope
from chameleondb.sqltext import closing, shown, unwrap
from chameleondb.steps import Effort, Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import name_text
from chameleondb.syntax.tree import Member

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Exclusion:
    """An exclusion constraint, ``constraint/<schema>/<table>/<name>``."""

    id: Identity
    elements: str  # what stands in the parentheses: ``room WITH =, during WITH &&``
    method: str = "gist"
    include: tuple[str, ...] = ()
    where: str | None = None
    deferrable: str = "no"
    options: tuple[str, ...] = ()
    tablespace: str | None = None


# --- Syntax --------------------------------------------------------------------------------------------------------


_CLAUSES = {
    "name": productions.name,
    "include": productions.include,
    "where": productions.where,
    "deferrable": productions.deferrable,
    "with": productions.storage,
    "tablespace": productions.tablespace,
}


def _production(cursor: Cursor) -> dict[str, Any]:
    """ "exclude" ["using" method] "(" SQL ")" { clause }."""
    values: dict[str, Any] = dict([productions.using(cursor)]) if cursor.text == "using" else {}
    values["elements"] = cursor.raw("after `exclude`")
    return {**values, **productions.options(cursor, _CLAUSES)}


def _member(scope: Scope, entity: Entity, node: Member) -> None:
    values = dict(node.values)
    if scope.require_columns(entity, values.get("include", ()), node):
        identity = scope.constraint_id(entity, values.pop("name", None), node.span)
        scope.add(entity, Exclusion(id=identity, **values), node.span, docs=node.docs)


def _print(obj: Exclusion, _page: Page) -> list[Entry]:
    method = f" using {name_text(obj.method)}" if obj.method != "gist" else ""
    where = f" where ({obj.where})" if obj.where else ""
    tail = productions.indexed_text(obj) + productions.deferrable_text(obj.deferrable)
    name = productions.named_text(obj.id.name, default=False)
    return [Entry(obj.id.table, obj.id, f"exclude{method} ({obj.elements}){where}{tail}{name}")]


SYNTAX = Syntax(model=Exclusion, members={"exclude": _production}, member=_member, print=_print)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(_version: int) -> str:
    return """
        SELECT k.oid, k.conrelid, k.conname, k.conindid, pg_catalog.pg_get_constraintdef(k.oid), m.amname,
               x.indkey::int2[], x.indnkeyatts, pg_catalog.pg_get_expr(x.indpred, x.indrelid),
               k.condeferrable, k.condeferred, i.reloptions, s.spcname
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid
          JOIN pg_catalog.pg_class i ON i.oid = k.conindid
          JOIN pg_catalog.pg_am m ON m.oid = i.relam
          LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = i.reltablespace
         WHERE k.contype = 'x' AND k.conrelid = ANY(%(tables)s)
         ORDER BY k.conrelid, k.conname"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Exclusion:
    (_, relid, name, index, text, method, numbers, key_count, where, deferrable, deferred, options, tablespace) = row
    identity = constraint(oids.relation(relid), name)
    oids.objects["pg_class", index] = identity
    start = text.index("(")  # EXCLUDE USING method (elements) …
    return Exclusion(
        id=identity,
        elements=shown(text[start + 1 : closing(text, start)]),
        method=method,
        include=oids.column_names(relid, list(numbers)[key_count:]),
        where=None if where is None else unwrap(shown(where)),
        deferrable=deferrability(deferrable, deferred),
        options=tuple(sorted(options or ())),
        tablespace=tablespace,
    )


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: Exclusion) -> str:
    where = f" WHERE ({obj.where})" if obj.where is not None else ""
    tail = index_tail(obj.include, obj.options, obj.tablespace)
    return f"EXCLUDE USING {quote(obj.method)} ({obj.elements}){tail}{where}{deferrable_sql(obj.deferrable)}"


def _references(obj: Exclusion) -> tuple[Identity, ...]:
    table = obj.id.table
    return (table, *columns_of(table, obj.include), *column_words(table, obj.elements, obj.where))


def _create(obj: Exclusion, context: Context) -> list[Step]:
    if context.is_inline(obj, obj.id.table):
        return []
    hazards = may_fail(obj.id, obj.id.table, context, "rows that exclude each other")
    return [add_constraint(obj.id, _definition(obj), needs=_references(obj), effort=Effort.BUILD, hazards=hazards)]


def _renamed(obj: Exclusion, ids: Renamed) -> Exclusion:
    table = obj.id.table
    return replace(
        obj,
        id=follow(obj.id, ids),
        elements=follow_text(obj.elements, table, ids),
        include=follow_columns(obj.include, table, ids),
        where=None if obj.where is None else follow_text(obj.where, table, ids),
    )


KIND = Kind(
    name="exclusion",
    plural="exclusion constraints",
    model=Exclusion,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=_references,
    create=_create,
    drop=lambda o, _: [drop_constraint(o.id)],
    inline=lambda o, _: named(o.id) + _definition(o),
    twin=lambda o: o.id.space,  # any two: whether their expressions are equal only PostgreSQL knows
    parent=lambda o: o.id.table,
    on_change=dict.fromkeys(("elements", "method", "include", "where", "deferrable", "options", "tablespace"), REPLACE),
    rename=lambda old, new: rename_constraint(old.id, new.id),
    also_named=lambda o: [index_of(o.id)],
    inferred_rename=lambda _: True,
    renamed=_renamed,
    sql_name=lambda o: constraint_sql_name(o.id),
)
