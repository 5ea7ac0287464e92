"""Foreign keys: the steps that create, drop and change them."""

from __future__ import annotations

from dataclasses import replace

from chameleondb.kind import REPLACE, Alter, Context, Kind
from chameleondb.kinds.clauses import (
    add_constraint,
    alter_table,
    by_itself,
    columns_of,
    constraint_sql_name,
    deferrable_sql,
    drop_constraint,
    exclusive,
    follow,
    follow_columns,
    in_place,
    may_fail,
    rename_constraint,
    validate_constraint,
)
from chameleondb.kinds.foreign_key import catalog
from chameleondb.kinds.foreign_key.model import ForeignKey
from chameleondb.kinds.index import Index
from chameleondb.kinds.primary_key import PrimaryKey
from chameleondb.kinds.unique import Unique
from chameleondb.model.renamed import Renamed
from chameleondb.names import Identity, is_provisional, qualified, quote, quote_all
from chameleondb.steps import Effort, Hazard, Lock, LockMode, Step


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
    add, *more = _add(obj, context)
    return [replace(add, awaits=_former_keys(obj, context)), *more]


def _former_keys(obj: ForeignKey, context: Context) -> tuple[Identity, ...]:
    """Return what the key could be tied to before the plan: PostgreSQL chooses, be it what is to be dropped."""
    wanted = frozenset(columns_of(obj.target, obj.target_columns))
    keys = context.once(_keys).get(obj.target, {})
    return tuple(identity for identity, columns in keys.items() if wanted <= columns)


def _keys(context: Context) -> dict[Identity, dict[Identity, frozenset[Identity]]]:
    """Map each table to the keys and unique indexes that it has before the plan, with all their columns."""
    found: dict[Identity, dict[Identity, frozenset[Identity]]] = {}
    for obj in (*context.source.objects.values(), *context.replaced.values()):
        if isinstance(obj, PrimaryKey | Unique) or (isinstance(obj, Index) and obj.unique):
            kind = context.kinds[type(obj)]
            if table := kind.parent(obj):
                found.setdefault(table, {})[obj.id] = frozenset(kind.references(obj))
    return found


def _add(obj: ForeignKey, context: Context) -> list[Step]:
    needs, definition = _references(obj), _definition(obj)
    if not obj.validated:
        return [
            add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, locks=_locks(obj), effort=Effort.CATALOG)
        ]
    table = obj.id.table
    hazards = _may_fail(obj, context) if obj.enforced else ()
    if not _is_large(obj, context) or not obj.enforced or context.is_new(table) or is_provisional(obj.id.name):
        effort = Effort.SCAN if obj.enforced else Effort.CATALOG
        return [add_constraint(obj.id, definition, needs=needs, locks=_locks(obj), effort=effort, hazards=hazards)]
    add = add_constraint(obj.id, f"{definition} NOT VALID", needs=needs, locks=_locks(obj), effort=Effort.CATALOG)
    return in_place(add, _validate(obj, context), obj, context)


def _is_large(obj: ForeignKey, context: Context) -> bool:
    return context.is_large(obj.id.table) or context.is_large(obj.target)


def _may_fail(obj: ForeignKey, context: Context) -> tuple[Hazard, ...]:
    return may_fail(obj.id, obj.id.table, context, f"values without a row in {obj.target}")


def _validate(obj: ForeignKey, context: Context) -> Step:
    locks = (Lock(obj.id.table, LockMode.SHARE_UPDATE_EXCLUSIVE), Lock(obj.target, LockMode.ROW_SHARE))
    return validate_constraint(obj.id, locks).with_hazards(_may_fail(obj, context))


def _drop(obj: ForeignKey, _context: Context) -> list[Step]:
    return [drop_constraint(obj.id, also_locks=() if obj.target == obj.id.table else (obj.target,))]


def _alter(obj: ForeignKey, clause: str) -> Step:
    sql = f"{alter_table(obj.id.table)} ALTER CONSTRAINT {quote(obj.id.name)}{clause}"
    return Step(sql=sql, needs=(obj.id,), locks=exclusive(obj.id.table))


def _set_deferrable(_old: ForeignKey, new: ForeignKey, _context: Context) -> list[Step]:
    return [_alter(new, deferrable_sql(new.deferrable) or " NOT DEFERRABLE")]


def _set_validated(_old: ForeignKey, new: ForeignKey, context: Context) -> list[Step] | None:
    if not new.enforced:
        return []
    return by_itself([_validate(new, context)], new.id.table, context) if new.validated else None


def _set_enforced(_old: ForeignKey, new: ForeignKey, context: Context) -> list[Step] | None:
    """To enforce it looks at all rows under the locks of the change: a large table gets a new key, valid later."""
    if not new.enforced:
        locks = _locks(new, LockMode.ACCESS_EXCLUSIVE)
        return [replace(_alter(new, " NOT ENFORCED"), locks=locks)]
    if _is_large(new, context):
        return None
    locks = (*exclusive(new.id.table), Lock(new.target, LockMode.SHARE_ROW_EXCLUSIVE))
    return [replace(_alter(new, " ENFORCED"), locks=locks, effort=Effort.SCAN, hazards=_may_fail(new, context))]


def _renamed(obj: ForeignKey, ids: Renamed) -> ForeignKey:
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
    query=catalog.query,
    decode=catalog.decode,
    references=_references,
    create=_create,
    drop=_drop,
    parent=lambda o: o.id.table,
    gives_way=lambda _, referred: referred.space == "column",
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
