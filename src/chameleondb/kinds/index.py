"""Indexes that no constraint owns."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

from chameleondb.default_names import index_name
from chameleondb.diagnostics import Span
from chameleondb.frozen import frozen
from chameleondb.kind import REPLACE, Alter, Context, Kind
from chameleondb.kinds.clauses import (
    column_words,
    columns_of,
    follow,
    follow_columns,
    follow_text,
    include_sql,
    keep_replica_identity,
    may_fail,
    set_options,
    with_sql,
)
from chameleondb.language import Entry, FieldClause, Modifier, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, name_aside, qualified, quote, relation, shorten
from chameleondb.scope import Entity, FieldDraft, Scope
from chameleondb.sqltext import closing, shown, split_list, unquoted, unwrap
from chameleondb.steps import Effort, Hazard, Lock, LockMode, Step, Transaction
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import name_text
from chameleondb.syntax.tree import Field, Member

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Index:
    """An index, ``relation/<schema>/<name>``, of `table`.

    Each of `keys` is one element as CREATE INDEX takes it: ``created_at DESC``, ``lower(name) text_pattern_ops``.
    """

    id: Identity
    table: Identity
    keys: tuple[str, ...]
    include: tuple[str, ...] = ()
    unique: bool = False
    nulls_distinct: bool = True
    method: str = "btree"
    where: str | None = None
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    valid: bool = True  # False: left behind by a failed CREATE INDEX CONCURRENTLY


# --- Syntax --------------------------------------------------------------------------------------------------------


def _unique(cursor: Cursor) -> tuple[str, bool]:
    cursor.advance()
    return "unique", True


_CLAUSES: dict[str, productions.Option] = {
    "name": productions.name,
    "unique": _unique,
    "where": productions.where,
    "using": productions.using,
    "include": productions.include,
    "nulls": productions.nulls,
    "with": productions.storage,
    "tablespace": productions.tablespace,
}


def _production(cursor: Cursor) -> dict[str, Any]:
    """ "index" "(" element { "," element } ")" { clause }; an element is SQL."""
    elements = cursor.raw_list("after `index`")
    return {"elements": elements, **productions.options(cursor, _CLAUSES)}


_PLAIN = re.compile(
    r'("(?:[^"]|"")+"|[^\W\d][\w$]*)((?:\s+(?:collate\s+\S+|[\w.]+(?:\s*\([^()]*\))?))*)\s*\Z', re.IGNORECASE
)
_ORDER = re.compile(r"\b(?:asc|desc|nulls\s+(?:first|last)|collate)\b", re.IGNORECASE)


def _key(scope: Scope, entity: Entity, text: str, span: Span) -> str:
    """Return an element as SQL; one that starts with a plain name must name a field."""
    match = _PLAIN.match(text)
    if match is None:
        return text
    name = match[1][1:-1].replace('""', '"') if match[1].startswith('"') else match[1]
    if name not in entity.columns:
        scope.no_field(entity, name, span)
    return quote(name) + _ORDER.sub(lambda m: m[0].upper(), match[2])


def _apply(scope: Scope, draft: FieldDraft, values: dict[str, Any]) -> None:
    pending = scope.pending.setdefault("index", [])
    pending.append((draft.entity, draft.node, {**values, "keys": (quote(draft.id.name),)}))


def _member(scope: Scope, entity: Entity, node: Member) -> None:
    values = dict(node.values)
    values["keys"] = tuple(_key(scope, entity, text, span) for text, span in values.pop("elements"))
    scope.require_columns(entity, values.get("include", ()), node)
    scope.pending.setdefault("index", []).append((entity, node, values))


def _finish(scope: Scope) -> None:
    """Names that users gave come first; the others make way."""
    pending: list[tuple[Entity, Field | Member, dict[str, Any]]] = scope.pending.get("index", [])
    for entity, node, values in pending:
        if "name" in values:
            scope.claim_relation(relation(entity.schema, values["name"]), node.head_span)
    for entity, node, values in pending:
        name = values.pop("name", None)
        identity = relation(entity.schema, name) if name else _free_name(scope, entity, values["keys"])
        docs = node.docs if isinstance(node, Member) else ()
        span = node.span if isinstance(node, Member) else node.head_span
        if not name:
            scope.claim_relation(identity, span)
        scope.add(entity, Index(id=identity, table=entity.key, **values), span, docs=docs)


def _free_name(scope: Scope, entity: Entity, keys: tuple[str, ...]) -> Identity:
    first = index_name(entity.table, keys)
    identity, number = relation(entity.schema, first), 1
    while scope.is_taken(identity):
        number += 1
        identity = relation(entity.schema, shorten(first, f"_{number}"))
    return identity


def _print(obj: Index, page: Page) -> list[Entry | Modifier]:
    name = productions.named_text(obj.id.name, obj.id.name == index_name(obj.table.name, obj.keys))
    tail = " unique" if obj.unique else ""
    tail += f" where ({obj.where})" if obj.where else ""
    tail += f" using {name_text(obj.method)}" if obj.method != "btree" else ""
    tail += "" if obj.nulls_distinct else " nulls not distinct"
    tail += productions.indexed_text(obj)
    entry = Entry(obj.table, obj.id, f"index ({', '.join(obj.keys)}){tail}{name}")
    if len(obj.keys) == 1 and not tail and not page.is_described(obj.id):
        (column,) = columns_of(obj.table, [unquoted(obj.keys[0])])
        if column in page.schema and quote(column.name) == obj.keys[0]:
            return [Modifier(column, f"index{name}", entry)]
    return [entry]


def _unique_index(cursor: Cursor) -> dict[str, Any]:
    """What follows ``unique index``."""
    return {"unique": True, **_production(cursor)}


SYNTAX = Syntax(
    model=Index,
    members={"index": _production, "unique index": _unique_index},
    clauses={"index": FieldClause(lambda cursor: productions.options(cursor, productions.NAMED), _apply)},
    member=_member,
    finish=_finish,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(version: int) -> str:
    nulls_distinct = "NOT x.indnullsnotdistinct" if version >= 150000 else "true"
    # The definition is deparsed only where a key is more than a column: pg_get_indexdef is half the cost of reading.
    return f"""
        SELECT x.indexrelid, n.nspname, i.relname, x.indrelid, x.indkey::int2[], x.indnkeyatts, x.indoption::int2[],
               x.indisunique, {nulls_distinct}, m.amname, pg_catalog.pg_get_expr(x.indpred, x.indrelid), i.reloptions,
               s.spcname, x.indisvalid,
               CASE WHEN x.indexprs IS NOT NULL
                         OR (NOT (x.indclass::oid[] <@ {_ORDINARY} AND 0 = ALL (x.indcollation::oid[])) AND EXISTS (
                           SELECT FROM unnest(x.indclass::oid[], x.indcollation::oid[], x.indkey::int2[])
                                         AS u (opclass, coll, attnum)
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.attnum
                             LEFT JOIN pg_catalog.pg_opclass o ON o.oid = u.opclass
                            WHERE u.opclass IS NOT NULL
                              AND (NOT o.opcdefault OR u.coll NOT IN (0, a.attcollation)
                                   OR (o.opcintype <> a.atttypid AND o.opcintype = 25 AND a.atttypid <> 1043))))
                         OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                     WHERE a.attrelid = x.indexrelid AND a.attoptions IS NOT NULL)
                    THEN pg_catalog.pg_get_indexdef(x.indexrelid) END
          FROM pg_catalog.pg_index x
          JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
          JOIN pg_catalog.pg_am m ON m.oid = i.relam
          LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = i.reltablespace
          LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')
         WHERE x.indrelid = ANY(%(tables)s) AND k.oid IS NULL
         ORDER BY x.indrelid, i.relname"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Index:
    (_, schema, name, relid, numbers, key_count, flags, unique, nulls_distinct, method, where, options, tablespace,
     valid, text) = row  # fmt: skip
    numbers = list(numbers)
    if text is None:
        columns = oids.column_names(relid, numbers[:key_count])
        keys = tuple(quote(c) + _KEY_ORDER[flag] for c, flag in zip(columns, flags, strict=True))
    else:
        start = text.index("(", text.index(" USING "))
        keys = split_list(shown(text[start + 1 : closing(text, start)]))
    return Index(
        id=relation(schema, name),
        table=oids.relation(relid),
        keys=keys,
        include=oids.column_names(relid, numbers[key_count:]),
        unique=unique,
        nulls_distinct=nulls_distinct,
        method=method,
        where=None if where is None else unwrap(shown(where)),
        options=tuple(sorted(options or ())),
        tablespace=tablespace,
        valid=valid,
    )


# With these operator classes and no collation, nothing is said but the columns: one look saves three for most indexes.
_ORDINARY = "ARRAY(SELECT o.oid FROM pg_catalog.pg_opclass o WHERE o.opcdefault AND o.opcintype <> 25)"

# indoption: 1 = descending, 2 = NULLs first; NULLs come first by default when descending.
_KEY_ORDER = {0: "", 1: " DESC NULLS LAST", 2: " NULLS FIRST", 3: " DESC"}


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: Index, concurrently: bool) -> str:
    words = (
        f"CREATE {'UNIQUE ' if obj.unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}{quote(obj.id.name)}"
    )
    method = "" if obj.method == "btree" else f" USING {quote(obj.method)} "
    nulls = "" if obj.nulls_distinct else " NULLS NOT DISTINCT"
    space = f" TABLESPACE {quote(obj.tablespace)}" if obj.tablespace else ""
    where = f" WHERE {obj.where}" if obj.where is not None else ""
    return (
        f"{words} ON {qualified(obj.table.path)}{method}({', '.join(obj.keys)})"
        f"{include_sql(obj.include)}{nulls}{with_sql(obj.options)}{space}{where}"
    )


def _references(obj: Index) -> tuple[Identity, ...]:
    return (obj.table, *columns_of(obj.table, obj.include), *column_words(obj.table, *obj.keys, obj.where))


def _create(obj: Index, context: Context) -> list[Step]:
    """Create the index; in the place of a large one, build it beside that first, so that queries never lack both."""
    old = context.replaced.get(obj.id)
    hazards = may_fail(obj.id, obj.table, context, f"duplicates of ({', '.join(obj.keys)})") if obj.unique else ()
    identity = keep_replica_identity(obj.id, obj.table, context)
    if not context.is_large(obj.table) or not isinstance(old, Index) or not old.valid:
        return [_build(obj, context, hazards), *identity]
    beside = replace(obj, id=name_beside(obj, context.source, context.target))
    take_place = replace(_rename(beside, obj), creates=(obj.id,), needs=(beside.id,))
    return [*build_or_adopt(beside, context, hazards), take_place, *identity]


def name_beside(wanted: Index, source: Schema, target: Schema | None = None) -> Identity:
    """Return the name that an index has until it takes the place of another: a free one, or what a run left behind."""
    for number in itertools.count():
        identity = relation(wanted.id.path[0], name_aside(wanted.id.name, number))
        taken = identity in source and not is_left_behind(source.get(identity), wanted)
        if not taken and (target is None or identity not in target):
            return identity
    raise AssertionError


def is_left_behind(found: Object | None, wanted: Index) -> bool:
    """Whether an interrupted run has built an index, whole or, if it is not valid, in part."""
    if not isinstance(found, Index) or (found.table, found.unique) != (wanted.table, wanted.unique):
        return False
    return not found.valid or found == replace(wanted, id=found.id)


def build_or_adopt(wanted: Index, context: Context, hazards: tuple[Hazard, ...]) -> list[Step]:
    """Build an index unless an interrupted run has; what it built in part is dropped."""
    left = context.source.get(wanted.id)
    build = _build(wanted, context, hazards)
    if not isinstance(left, Index) or not is_left_behind(left, wanted):
        return [build]
    return [] if left.valid else [*(replace(step, drops=()) for step in _drop(left, context)), build]


def _adopts(new: Index, source: Schema) -> Identity | None:
    if new.id not in source:
        return None
    beside = name_beside(new, source)
    return beside if beside in source else None


def _build(obj: Index, context: Context, hazards: tuple[Hazard, ...]) -> Step:
    online = context.is_large(obj.table)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if online else LockMode.SHARE
    return Step(
        sql=_definition(obj, online),
        creates=(obj.id,),
        needs=_references(obj),
        locks=() if context.is_new(obj.table) else (Lock(obj.table, mode),),
        effort=Effort.BUILD,
        transaction=Transaction.OUTSIDE if online else Transaction.INSIDE,
        hazards=hazards,
    )


def _drop(obj: Index, context: Context) -> list[Step]:
    online = context.is_large(obj.table)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if online else LockMode.ACCESS_EXCLUSIVE
    return [
        Step(
            sql=f"DROP INDEX {'CONCURRENTLY ' if online else ''}{qualified(obj.id.path)}",
            drops=(obj.id,),
            locks=(Lock(obj.table, mode),),
            transaction=Transaction.OUTSIDE if online else Transaction.INSIDE,
        )
    ]


def _alter(obj: Index) -> str:
    return f"ALTER INDEX {qualified(obj.id.path)}"


def _set_options(old: Index, new: Index, _context: Context) -> list[Step]:
    locks = (Lock(new.table, LockMode.SHARE_UPDATE_EXCLUSIVE),)
    return [Step(sql=sql, locks=locks) for sql in set_options(_alter(new), old.options, new.options)]


def _set_tablespace(_old: Index, new: Index, _context: Context) -> list[Step]:
    sql = f"{_alter(new)} SET TABLESPACE {quote(new.tablespace or 'pg_default')}"
    return [Step(sql=sql, locks=(Lock(new.table, LockMode.ACCESS_EXCLUSIVE),), effort=Effort.BUILD)]


def _rename(old: Index, new: Index) -> Step:
    locks = (Lock(new.table, LockMode.SHARE_UPDATE_EXCLUSIVE),)
    return Step(sql=f"{_alter(old)} RENAME TO {quote(new.id.name)}", locks=locks)


def _renamed(obj: Index, ids: Renamed) -> Index:
    return replace(
        obj,
        id=follow(obj.id, ids),
        table=follow(obj.table, ids),
        keys=tuple(follow_text(key, obj.table, ids) for key in obj.keys),
        include=follow_columns(obj.include, obj.table, ids),
        where=None if obj.where is None else follow_text(obj.where, obj.table, ids),
    )


KIND = Kind(
    name="index",
    plural="indexes",
    model=Index,
    catalog="pg_class",
    query=_query,
    decode=_decode,
    references=_references,
    create=_create,
    drop=_drop,
    parent=lambda o: o.table,
    on_change={
        **dict.fromkeys(("table", "keys", "include", "unique", "nulls_distinct", "method", "where", "valid"), REPLACE),
        "options": Alter(_set_options),
        "tablespace": Alter(_set_tablespace),
    },
    adopts=_adopts,
    rename=_rename,
    inferred_rename=lambda _: True,
    renamed=_renamed,
    moves_with=lambda o: o.table,
    sql_name=lambda o: f"INDEX {qualified(o.id.path)}",
)
