"""Foreign keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chameleondb.kind import REPLACE, Alter, Context, Kind
from chameleondb.kinds.clauses import (
    add_constraint,
    alter_table,
    columns_of,
    constraint_sql_name,
    deferrability,
    deferrable_sql,
    drop_constraint,
    exclusive,
    follow,
    follow_columns,
    may_fail,
    rename_constraint,
    validate_constraint,
)
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, constraint, is_provisional, qualified, quote, quote_all, relation
from chameleondb.steps import Effort, Lock, LockMode, Step, Transaction

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key, ``constraint/<schema>/<table>/<name>``.

    Actions are ``no action``, ``restrict``, ``cascade``, ``set null``, ``set default``; `set_columns` limits the last
    two on delete; `deferrable` is ``no``, ``immediate`` or ``deferred``.
    """

    id: Identity
    columns: tuple[str, ...]
    target: Identity
    target_columns: tuple[str, ...]
    match: str = "simple"  # or "full"
    on_update: str = "no action"
    on_delete: str = "no action"
    set_columns: tuple[str, ...] = ()
    deferrable: str = "no"
    validated: bool = True
    enforced: bool = True  # NOT ENFORCED exists from PostgreSQL 18
    period: bool = False  # the last column pair is a PERIOD (18+)


# --- Catalog -------------------------------------------------------------------------------------------------------


_ACTIONS = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


def _query(version: int) -> str:
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
         ORDER BY k.conrelid, k.conname"""


def _decode(row: tuple[Any, ...], oids: Oids) -> ForeignKey:
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


# --- Changes -------------------------------------------------------------------------------------------------------


def _definition(obj: ForeignKey) -> str:
    target = qualified(obj.target.path)
    columns, target_columns = _key(obj.columns, obj.period), _key(obj.target_columns, obj.period)
    parts = [f"FOREIGN KEY ({columns}) REFERENCES {target}({target_columns})"]
    if obj.match == "full":
        parts.append("MATCH FULL")
    if obj.on_update != "no action":
        parts.append(f"ON UPDATE {obj.on_update.upper()}")
    if obj.on_delete != "no action":
        only = f" ({quote_all(obj.set_columns)})" if obj.set_columns else ""
        parts.append(f"ON DELETE {obj.on_delete.upper()}{only}")
    return " ".join(parts) + deferrable_sql(obj.deferrable) + ("" if obj.enforced else " NOT ENFORCED")


def _key(columns: tuple[str, ...], period: bool) -> str:
    if not period:
        return quote_all(columns)
    return (
        f"{quote_all(columns[:-1])}, PERIOD {quote(columns[-1])}" if len(columns) > 1 else f"PERIOD {quote(columns[0])}"
    )


def _locks(obj: ForeignKey, mode: LockMode = LockMode.SHARE_ROW_EXCLUSIVE) -> tuple[Lock, ...]:
    return tuple(Lock(table, mode) for table in dict.fromkeys((obj.id.table, obj.target)))


def _references(obj: ForeignKey) -> tuple[Identity, ...]:
    return (
        obj.id.table,
        obj.target,
        *columns_of(obj.id.table, obj.columns),
        *columns_of(obj.target, obj.target_columns),
    )


def _create(obj: ForeignKey, context: Context) -> list[Step]:
    needs, definition = _references(obj), _definition(obj)
    if not obj.validated:
        return [
            add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, locks=_locks(obj), effort=Effort.CATALOG)
        ]
    table = obj.id.table
    hazards = may_fail(obj.id, table, context, f"values without a row in {obj.target}") if obj.enforced else ()
    online = context.is_large(table) or context.is_large(obj.target)
    if not online or not obj.enforced or context.is_new(table) or is_provisional(obj.id.name):
        effort = Effort.SCAN if obj.enforced else Effort.CATALOG
        return [add_constraint(obj.id, definition, needs=needs, locks=_locks(obj), effort=effort, hazards=hazards)]
    add = add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, locks=_locks(obj), effort=Effort.CATALOG)
    return [replace(step, transaction=Transaction.OWN) for step in (add, _validate(obj).with_hazards(hazards))]


def _validate(obj: ForeignKey) -> Step:
    locks = (Lock(obj.id.table, LockMode.SHARE_UPDATE_EXCLUSIVE), Lock(obj.target, LockMode.ROW_SHARE))
    return validate_constraint(obj.id, locks)


def _drop(obj: ForeignKey, _context: Context) -> list[Step]:
    return [drop_constraint(obj.id, also_locks=() if obj.target == obj.id.table else (obj.target,))]


def _alter(obj: ForeignKey, clause: str) -> Step:
    sql = f"{alter_table(obj.id.table)} ALTER CONSTRAINT {quote(obj.id.name)}{clause}"
    return Step(sql=sql, needs=(obj.id,), locks=exclusive(obj.id.table))


def _set_deferrable(_old: ForeignKey, new: ForeignKey, _context: Context) -> list[Step]:
    return [_alter(new, deferrable_sql(new.deferrable) or " NOT DEFERRABLE")]


def _set_validated(_old: ForeignKey, new: ForeignKey, _context: Context) -> list[Step] | None:
    return [_validate(new)] if new.validated else None


def _set_enforced(_old: ForeignKey, new: ForeignKey, _context: Context) -> list[Step]:
    if not new.enforced:
        return [_alter(new, " NOT ENFORCED")]
    return [replace(_alter(new, " ENFORCED"), effort=Effort.SCAN)]


def _renamed(obj: ForeignKey, ids: Mapping[Identity, Identity]) -> ForeignKey:
    return replace(
        obj,
        id=follow(obj.id, ids),
        columns=follow_columns(obj.columns, obj.id.table, ids),
        target=follow(obj.target, ids),
        target_columns=follow_columns(obj.target_columns, obj.target, ids),
        set_columns=follow_columns(obj.set_columns, obj.id.table, ids),
    )


KIND = Kind(
    name="foreign_key",
    plural="foreign keys",
    model=ForeignKey,
    catalog="pg_constraint",
    query=_query,
    decode=_decode,
    references=_references,
    create=_create,
    drop=_drop,
    parent=lambda o: o.id.table,
    on_change={
        **dict.fromkeys(
            ("columns", "target", "target_columns", "match", "on_update", "on_delete", "set_columns", "period"), REPLACE
        ),
        "enforced": Alter(_set_enforced),
        "deferrable": Alter(_set_deferrable),
        "validated": Alter(_set_validated),
    },
    rename=lambda old, new: rename_constraint(old.id, new.id),
    inferred_rename=lambda _: True,
    renamed=_renamed,
    sql_name=lambda o: constraint_sql_name(o.id),
)
