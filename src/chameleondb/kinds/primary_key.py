"""Primary keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.diagnostics import Label, Span
from chameleondb.frozen import frozen
from chameleondb.kind import REPLACE, Context, Kind
from chameleondb.kinds.clauses import columns_of, constraint_sql_name, index_of, named, rename_constraint
from chameleondb.kinds.column.model import Column, is_retyped
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
from chameleondb.steps import Step, Transaction
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import names_text
from chameleondb.syntax.tree import Member

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class PrimaryKey:
    """A primary key, ``constraint/<schema>/<table>/<name>``. `deferrable` is ``no``, ``immediate`` or ``deferred``."""

    id: Identity
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    deferrable: str = "no"
    without_overlaps: bool = False  # the last column is a period (18+)
    options: tuple[str, ...] = ()
    tablespace: str | None = None


# --- Syntax --------------------------------------------------------------------------------------------------------


def _production(cursor: Cursor) -> dict[str, Any]:
    """ "primary" "(" columns ")" { clause }."""
    columns = cursor.names("after `primary`")
    return {"columns": columns, **productions.options(cursor, productions.KEY)}


def _take(scope: Scope, entity: Entity, columns: tuple[str, ...], span: Span) -> bool:
    if entity.primary is None:
        entity.primary, entity.primary_span = columns, span
        return True
    assert entity.primary_span is not None
    message = f"entity `{entity.name}` has two primary keys"
    help = f"a key of several fields is a member of its own: primary ({', '.join((*entity.primary, *columns))})"
    first = Label(entity.primary_span, "the first one is here")
    scope.diagnostics.error("CHM0407", message, span, "a second primary key", others=(first,), help=help)
    return False


def _apply(scope: Scope, draft: FieldDraft, values: dict[str, Any]) -> None:
    span, columns = draft.node.head_span, (draft.id.name,)
    if _take(scope, draft.entity, columns, span):
        identity = scope.constraint_id(draft.entity, values.get("name"), span)
        draft.after.append((PrimaryKey(id=identity, columns=columns), span))


def _member(scope: Scope, entity: Entity, node: Member) -> None:
    values = dict(node.values)
    if scope.require_columns(entity, (*values["columns"], *values.get("include", ())), node) and _take(
        scope, entity, values["columns"], node.span
    ):
        identity = scope.constraint_id(entity, values.pop("name", None), node.span)
        scope.add(entity, PrimaryKey(id=identity, **values), node.span, docs=node.docs)


def _tail(obj: PrimaryKey) -> str:
    overlaps = " without overlaps" if obj.without_overlaps else ""
    return overlaps + productions.indexed_text(obj) + productions.deferrable_text(obj.deferrable)


def _print(obj: PrimaryKey, page: Page) -> list[Entry | Modifier]:
    default = obj.id.name == object_name(obj.id.path[1], "", "pkey")
    name = productions.named_text(obj.id.name, default)
    tail = _tail(obj)
    entry = Entry(obj.id.table, obj.id, f"primary ({names_text(obj.columns)}){tail}{name}")
    if len(obj.columns) == 1 and not tail and not page.is_described(obj.id):
        return [Modifier(Identity("column", (*obj.id.path[:2], obj.columns[0])), f"primary{name}", entry)]
    return [entry]


SYNTAX = Syntax(
    model=PrimaryKey,
    members={"primary": _production},
    clauses={"primary": FieldClause(lambda cursor: productions.options(cursor, productions.NAMED), _apply)},
    member=_member,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(version: int) -> str:
    return key_query("p", version)


def _decode(row: tuple[Any, ...], oids: Oids) -> PrimaryKey:
    identity, facts, _ = decode_key(row, oids)
    return PrimaryKey(id=identity, **facts)


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: PrimaryKey) -> str:
    return f"PRIMARY KEY ({key_list(obj.columns, obj.without_overlaps)}){key_tail(obj)}"


def _create(obj: PrimaryKey, context: Context) -> list[Step]:
    """A table has one at a time: what was it before goes first, whatever its name, but not before an index is built.

    It does where the index needs a column that is made anew, or gets another type: then it is in the way.
    """
    before = (*context.source.children(obj.id.table), *context.replaced.values())
    former = tuple(o.id for o in before if isinstance(o, PrimaryKey) and o.id.table == obj.id.table)
    steps = add_key(obj, _definition(obj), "PRIMARY KEY", context)
    on_anew = any(_is_anew(column, context) for column in columns_of(obj.id.table, obj.columns + obj.include))
    kept = () if on_anew else former
    steps = [replace(step, frees=kept) if step.transaction is Transaction.OUTSIDE else step for step in steps]
    return [replace(step, awaits=former) if obj.id in step.creates else step for step in steps]


def _is_anew(column: Identity, context: Context) -> bool:
    old, new = context.source.get(column), context.target.get(column)
    if isinstance(old, Column) and isinstance(new, Column) and is_retyped(old, new):
        return True
    return column in context.replaced


KIND = Kind(
    name="primary_key",
    plural="primary keys",
    model=PrimaryKey,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=lambda o: columns_of(o.id.table, o.columns + o.include),
    create=_create,
    drop=lambda o, _: [drop_key(o)],
    inline=lambda o, _: named(o.id) + _definition(o),
    twin=twin_key,
    parent=lambda o: o.id.table,
    on_change=dict.fromkeys(("columns", "include", "deferrable", "without_overlaps", "options", "tablespace"), REPLACE),
    adopts=adopted,
    also_named=lambda o: [index_of(o.id)],
    rename=lambda old, new: rename_constraint(old.id, new.id),
    inferred_rename=lambda _: True,
    renamed=renamed_key,
    sql_name=lambda o: constraint_sql_name(o.id),
)
