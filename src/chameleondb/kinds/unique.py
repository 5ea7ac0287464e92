"""Unique constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chameleondb.kind import REPLACE, Context, Kind
from chameleondb.kinds.clauses import columns_of, constraint_sql_name, drop_constraint, named, rename_constraint
from chameleondb.kinds.keys import add_key, decode_key, key_list, key_query, key_tail, renamed_key
from chameleondb.model.oids import Oids
from chameleondb.names import Identity
from chameleondb.steps import Step

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
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
    return add_key(obj, _definition(obj), "UNIQUE", context, nulls_distinct=obj.nulls_distinct)


KIND = Kind(
    name="unique",
    plural="unique constraints",
    model=Unique,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=lambda o: columns_of(o.id.table, o.columns + o.include),
    create=_create,
    drop=lambda o, _: [drop_constraint(o.id)],
    inline=lambda o, _: named(o.id) + _definition(o),
    on_change=dict.fromkeys(
        ("columns", "include", "nulls_distinct", "deferrable", "without_overlaps", "options", "tablespace"), REPLACE
    ),
    rename=lambda old, new: rename_constraint(old.id, new.id),
    inferred_rename=lambda _: True,
    renamed=renamed_key,
    sql_name=lambda o: constraint_sql_name(o.id),
)
