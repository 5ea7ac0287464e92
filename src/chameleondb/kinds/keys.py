"""What primary keys and unique constraints have in common: a unique index made by a constraint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, TypeVar

from chameleondb.kind import Context
from chameleondb.kinds.clauses import (
    add_constraint,
    alter_table,
    columns_of,
    deferrability,
    deferrable_sql,
    drop_constraint,
    exclusive,
    follow,
    follow_columns,
    index_of,
    index_tail,
    keep_replica_identity,
    may_fail,
)
from chameleondb.kinds.index import Index, build_or_adopt, is_left_behind, name_beside
from chameleondb.model.oids import Oids
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, constraint, is_provisional, quote, quote_all
from chameleondb.steps import Effort, Step, Transaction


class Key(Object, Protocol):
    """The fields that both kinds have."""

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def include(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def deferrable(self) -> str: ...  # noqa: D102
    @property
    def without_overlaps(self) -> bool: ...  # noqa: D102
    @property
    def options(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def tablespace(self) -> str | None: ...  # noqa: D102


K = TypeVar("K", bound=Key)


def key_query(contype: str, version: int) -> str:
    """Return the catalog query for constraints of one contype."""
    nulls_distinct = "NOT x.indnullsnotdistinct" if version >= 150000 else "true"
    period = "k.conperiod" if version >= 180000 else "false"
    return f"""
        SELECT k.oid, k.conrelid, k.conname, k.conindid, x.indkey::int2[], x.indnkeyatts, {nulls_distinct},
               k.condeferrable, k.condeferred, {period}, i.reloptions, s.spcname
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid
          JOIN pg_catalog.pg_class i ON i.oid = k.conindid
          LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = i.reltablespace
         WHERE k.contype = '{contype}' AND k.conrelid = ANY(%(tables)s)
         ORDER BY k.conrelid, k.conname"""


def decode_key(row: tuple[Any, ...], oids: Oids) -> tuple[Identity, dict[str, Any], bool]:
    """Return identity, common fields and whether NULLs are distinct; from now on the index is the constraint."""
    _, relid, name, index, numbers, key_count, nulls_distinct, deferrable, deferred, period, options, tablespace = row
    identity = constraint(oids.relation(relid), name)
    oids.objects["pg_class", index] = identity
    columns = oids.column_names(relid, list(numbers))
    facts = {
        "columns": columns[:key_count],
        "include": columns[key_count:],
        "deferrable": deferrability(deferrable, deferred),
        "without_overlaps": period,
        "options": tuple(sorted(options or ())),
        "tablespace": tablespace,
    }
    return identity, facts, nulls_distinct


def key_list(columns: tuple[str, ...], without_overlaps: bool) -> str:
    """Return the column list as it stands in the parentheses."""
    return quote_all(columns) + (" WITHOUT OVERLAPS" if without_overlaps else "")


def key_tail(obj: Key) -> str:
    """Return the clauses after the column list."""
    return index_tail(obj.include, obj.options, obj.tablespace) + deferrable_sql(obj.deferrable)


def add_key(obj: Key, definition: str, word: str, context: Context) -> list[Step]:
    """Add the constraint; on a large table by an index that is built without blocking writes."""
    table = obj.id.table
    if context.is_inline(obj, table):
        return []
    hazards = may_fail(obj.id, table, context, f"duplicates of ({', '.join(obj.columns)})")
    needs = columns_of(table, obj.columns + obj.include)
    wanted = _index(obj)
    if obj.id in context.replaced:  # built beside the old one, whose place it takes in one transaction
        wanted = replace(wanted, id=name_beside(wanted, context.source, context.target))
    left = is_left_behind(context.source.get(wanted.id), wanted)
    identity = keep_replica_identity(obj.id, table, context)
    if not left and (not context.is_large(table) or obj.without_overlaps or is_provisional(obj.id.name)):
        add = add_constraint(obj.id, definition, needs=needs, effort=Effort.BUILD, hazards=hazards)
        return [replace(add, creates=(obj.id, index_of(obj.id))), *identity]
    attach = Step(
        sql=f"{alter_table(table)} ADD CONSTRAINT {quote(obj.id.name)} {word} USING INDEX {quote(wanted.id.name)}"
        f"{deferrable_sql(obj.deferrable)}",
        creates=(obj.id, index_of(obj.id)),
        needs=(table, *needs),
        locks=exclusive(table),
        transaction=Transaction.INSIDE if obj.id in context.replaced else Transaction.OWN,
    )
    return [*build_or_adopt(wanted, context, hazards), attach, *identity]


def twin_key(obj: Key) -> object:
    """Return all that PostgreSQL compares of two keys in one CREATE TABLE."""
    return (obj.columns, obj.include, obj.deferrable, obj.without_overlaps, getattr(obj, "nulls_distinct", True))


def drop_key(obj: Key) -> Step:
    """Return the step that drops the constraint and with it the index of the same name."""
    return replace(drop_constraint(obj.id), drops=(obj.id, index_of(obj.id)))


def _index(obj: Key) -> Index:
    """Return the index of the constraint, as one that no constraint owns."""
    return Index(
        id=index_of(obj.id),
        table=obj.id.table,
        keys=tuple(map(quote, obj.columns)),
        include=obj.include,
        unique=True,
        nulls_distinct=getattr(obj, "nulls_distinct", True),
        options=obj.options,
        tablespace=obj.tablespace,
    )


def adopted(obj: Key, source: Schema) -> Identity | None:
    """Return the index that the constraint will take over or make way for itself."""
    wanted = _index(obj)
    identity = name_beside(wanted, source) if obj.id in source else wanted.id
    return identity if is_left_behind(source.get(identity), wanted) else None


def renamed_key(obj: K, ids: Renamed) -> K:
    """Return the constraint after renames of its table and columns."""
    table = obj.id.table
    changes: dict[str, Any] = {
        "id": follow(obj.id, ids),
        "columns": follow_columns(obj.columns, table, ids),
        "include": follow_columns(obj.include, table, ids),
    }
    return replace(obj, **changes)
