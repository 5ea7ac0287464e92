"""Unique constraints."""

from __future__ import annotations

from typing import Any

from chameleondb.default_names import joined_columns
from chameleondb.frozen import frozen
from chameleondb.kind import REPLACE, Context, Kind
from chameleondb.kinds.clauses import columns_of, constraint_sql_name, index_of, named, rename_constraint
from chameleondb.kinds.keys import (
    add_key,
    adopted,
    decode_key,
    drop_key,
    key_list,
    key_query,
    key_tail,
    renamed_key,
    twin_key,
)
from chameleondb.language import Entry, FieldClause, Modifier, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, object_name
from chameleondb.scope import Entity, FieldDraft, Scope
from chameleondb.steps import Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import names_text
from chameleondb.syntax.tree import Member

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Unique:
    """A unique constraint, ``constraint/<schema>/<table>/<name>``; fields as in a primary key."""

    id: Identity
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    nulls_distinct: bool = True
    deferrable: str = "no"
    without_overlaps: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None


# --- Syntax --------------------------------------------------------------------------------------------------------


_CLAUSES = {**productions.KEY, "nulls": productions.nulls}
_INLINE = {**productions.NAMED, "nulls": productions.nulls}


def _production(cursor: Cursor) -> dict[str, Any]:
    """ "unique" "(" columns ")" { clause }."""
    columns = cursor.names("after `unique`")
    return {"columns": columns, **productions.options(cursor, _CLAUSES)}


def _apply(scope: Scope, draft: FieldDraft, values: dict[str, Any]) -> None:
    span = draft.node.head_span
    others = {key: value for key, value in values.items() if key != "name"}
    identity = scope.constraint_id(draft.entity, values.get("name"), span)
    draft.after.append((Unique(id=identity, columns=(draft.id.name,), **others), span))


def _member(scope: Scope, entity: Entity, node: Member) -> None:
    values = dict(node.values)
    if scope.require_columns(entity, (*values["columns"], *values.get("include", ())), node):
        identity = scope.constraint_id(entity, values.pop("name", None), node.span)
        scope.add(entity, Unique(id=identity, **values), node.span, docs=node.docs)


def _tail(obj: Unique) -> str:
    overlaps = " without overlaps" if obj.without_overlaps else ""
    return overlaps + productions.indexed_text(obj) + productions.deferrable_text(obj.deferrable)


def _print(obj: Unique, page: Page) -> list[Entry | Modifier]:
    default = obj.id.name == object_name(obj.id.path[1], joined_columns(obj.columns), "key")
    name = productions.named_text(obj.id.name, default)
    tail = _tail(obj)
    nulls = "" if obj.nulls_distinct else " nulls not distinct"
    entry = Entry(obj.id.table, obj.id, f"unique ({names_text(obj.columns)}){nulls}{tail}{name}")
    if len(obj.columns) == 1 and not tail and not page.is_described(obj.id):
        return [Modifier(Identity("column", (*obj.id.path[:2], obj.columns[0])), f"unique{nulls}{name}", entry)]
    return [entry]


SYNTAX = Syntax(
    model=Unique,
    members={"unique": _production},
    clauses={"unique": FieldClause(lambda cursor: productions.options(cursor, _INLINE), _apply)},
    member=_member,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(version: int) -> str:
    return key_query("u", version)


def _decode(row: tuple[Any, ...], oids: Oids) -> Unique:
    identity, facts, nulls_distinct = decode_key(row, oids)
    return Unique(id=identity, nulls_distinct=nulls_distinct, **facts)


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: Unique) -> str:
    nulls = "" if obj.nulls_distinct else " NULLS NOT DISTINCT"
    return f"UNIQUE{nulls} ({key_list(obj.columns, obj.without_overlaps)}){key_tail(obj)}"


def _create(obj: Unique, context: Context) -> list[Step]:
    return add_key(obj, _definition(obj), "UNIQUE", context)


KIND = Kind(
    name="unique",
    plural="unique constraints",
    model=Unique,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=lambda o: columns_of(o.id.table, o.columns + o.include),
    create=_create,
    drop=lambda o, _: [drop_key(o)],
    inline=lambda o, _: named(o.id) + _definition(o),
    twin=twin_key,
    parent=lambda o: o.id.table,
    on_change=dict.fromkeys(
        ("columns", "include", "nulls_distinct", "deferrable", "without_overlaps", "options", "tablespace"), REPLACE
    ),
    adopts=adopted,
    also_named=lambda o: [index_of(o.id)],
    rename=lambda old, new: rename_constraint(old.id, new.id),
    inferred_rename=lambda _: True,
    renamed=renamed_key,
    sql_name=lambda o: constraint_sql_name(o.id),
)
