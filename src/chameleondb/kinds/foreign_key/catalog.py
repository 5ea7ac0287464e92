"""Foreign keys: reading them from pg_constraint."""

from __future__ import annotations

from typing import Any

from chameleondb.kinds.clauses import (
    deferrability,
)
from chameleondb.kinds.foreign_key.model import ForeignKey
from chameleondb.model.oids import Oids
from chameleondb.names import constraint, relation

_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


def query(version: int) -> str:
    """Return the catalog query for a server version."""
    set_columns = "k.confdelsetcols" if version >= 150000 else "NULL::int2[]"
    enforced, period = ("k.conenforced", "k.conperiod") if version >= 180000 else ("true", "false")
    return f"""
        SELECT k.oid, k.conrelid, k.conname, k.conkey, n.nspname, c.relname, k.confrelid,
               CASE WHEN NOT k.confrelid = ANY(%(tables)s)
                    THEN ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (num, ord)
                                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
                                ORDER BY u.ord) END,
               k.confkey, k.confmatchtype::text, k.confupdtype::text, k.confdeltype::text, {set_columns},
               k.condeferrable, k.condeferred, k.convalidated, {enforced}, {period}
          FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'f' AND k.conrelid = ANY(%(tables)s)
           AND k.conparentid = 0 -- no copies of a key to a partitioned table, one for each partition
         ORDER BY k.conrelid, k.conname"""


def decode(row: tuple[Any, ...], oids: Oids) -> ForeignKey:
    """Return the foreign key of a row."""
    (_, relid, name, key, schema, target, target_oid, foreign_names, target_key, match, on_update, on_delete,
     set_columns, deferrable, deferred, validated, enforced, period) = row  # fmt: skip
    return ForeignKey(
        id=constraint(oids.relation(relid), name),
        columns=oids.column_names(relid, key),
        target=relation(schema, target),
        target_columns=tuple(foreign_names) if foreign_names else oids.column_names(target_oid, target_key),
        match="full" if match == "f" else "simple",
        on_update=_ACTIONS[on_update],
        on_delete=_ACTIONS[on_delete],
        set_columns=oids.column_names(relid, set_columns or []),
        deferrable=deferrability(deferrable, deferred),
        validated=validated or not enforced,
        enforced=enforced,
        period=period,
    )
