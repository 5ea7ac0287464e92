"""Columns of tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chameleondb.errors import PlanError
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds import column_types
from chameleondb.kinds.clauses import (
    alter_table,
    column_words,
    exclusive,
    follow,
    follow_text,
    follow_types,
    loses,
    may_fail,
    set_options,
    validate_constraint,
)
from chameleondb.kinds.sequence import SequenceOptions, changed_options, continue_counting, decode_options, options_sql
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, constraint, object_name, qualified, quote, relation, type_
from chameleondb.sqltext import unwrap
from chameleondb.steps import Effort, Hazard, HazardName, Step, Transaction

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNull:
    """NOT NULL. From PostgreSQL 18 it is a constraint with a name; None is the default name or an older server."""

    name: str | None = None
    inherit: bool = True
    validated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A generated column's expression; virtual columns exist from PostgreSQL 18."""

    expression: str
    stored: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityColumn:
    """GENERATED … AS IDENTITY: `always` or by default, and how its own sequence counts.

    `sequence` is that sequence's name when it is not the default ``<table>_<column>_seq``.
    """

    always: bool = False
    options: SequenceOptions = SequenceOptions()
    sequence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, ``column/<schema>/<table>/<name>``. None always means PostgreSQL's default."""

    id: Identity
    type: str
    collation: str | None = None
    not_null: NotNull | None = None
    default: str | None = None
    generated: Generated | None = None
    identity: IdentityColumn | None = None
    storage: str | None = None  # plain, external, extended, main; None: the type's own
    compression: str | None = None  # pglz, lz4
    statistics: int | None = None
    options: tuple[str, ...] = ()  # n_distinct=…, sorted
    # Where it stands in the table: columns cannot be moved, so a difference is none.
    position: int = field(default=0, compare=False)


# --- Catalog -------------------------------------------------------------------------------------------------------


_STORAGE = {"p": "plain", "e": "external", "x": "extended", "m": "main"}
_COMPRESSION = {"": None, "p": "pglz", "l": "lz4"}


def _query(version: int) -> str:
    named = version >= 180000  # NOT NULL constraints have names
    not_null = "k.conname, k.connoinherit, k.convalidated" if named else "NULL, false, true"
    join = (
        "LEFT JOIN pg_catalog.pg_constraint k "
        "ON k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]"
        if named
        else ""
    )
    return f"""
        SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attcollation <> t.typcollation
                    THEN (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname)
                            FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                           WHERE c.oid = a.attcollation) END,
               a.attnotnull, {not_null},
               a.attgenerated::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
               CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
               a.attcompression::text, a.attstattarget, a.attoptions,
               a.attidentity::text, i.relname, i.seqstart, i.seqincrement, i.seqmin, i.seqmax, i.seqcache, i.seqcycle
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_catalog.pg_attrdef d ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum
          {join}
          LEFT JOIN (SELECT p.refobjid, p.refobjsubid, c.relname, s.*
                       FROM pg_catalog.pg_depend p
                       JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.objid
                       JOIN pg_catalog.pg_class c ON c.oid = p.objid
                      WHERE p.classid = 'pg_catalog.pg_class'::regclass
                        AND p.refclassid = 'pg_catalog.pg_class'::regclass AND p.deptype = 'i') i
            ON a.attidentity <> '' AND i.refobjid = a.attrelid AND i.refobjsubid = a.attnum
         WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Column:
    (relid, number, name, type_text, collation, required, constraint_name, no_inherit, validated, generated, expression,
     storage, compression, statistics, options, identity, *sequence) = row  # fmt: skip
    table = oids.relation(relid)
    oids.columns.setdefault(relid, {})[number] = name
    return Column(
        id=Identity("column", (*table.path, name)),
        type=type_text,
        collation=collation,
        not_null=NotNull(name=constraint_name, inherit=not no_inherit, validated=validated)
        if required or constraint_name
        else None,
        default=None if generated else expression,
        generated=Generated(expression=unwrap(expression), stored=generated == "s") if generated else None,
        identity=_decode_identity(table, name, type_text, identity, sequence) if identity else None,
        storage=_STORAGE[storage] if storage else None,
        compression=_COMPRESSION[compression],
        statistics=None if statistics in (None, -1) else statistics,
        options=tuple(sorted(options or ())),
        position=number,
    )


def _decode_identity(table: Identity, column: str, type_: str, word: str, sequence: list[Any]) -> IdentityColumn:
    name, *options = sequence
    return IdentityColumn(
        always=word == "a",
        options=decode_options(type_, *options),
        sequence=None if name == object_name(table.name, column, "seq") else name,
    )


# --- Changes -------------------------------------------------------------------------------------------------------


def _references(obj: Column) -> list[Identity]:
    """The table, the type where it is not one of pg_catalog, and a sequence that the default draws from."""
    found = [obj.id.table]
    path = column_types.own_type(obj.type)
    if path:
        found.append(type_(*path))
    if obj.default and (match := _NEXTVAL.match(obj.default)):
        sequence = column_types.own_type(match[1].replace("''", "'"))
        if sequence:
            found.append(relation(*sequence))
    if obj.generated:
        found += [c for c in column_words(obj.id.table, obj.generated.expression) if c != obj.id]
    return found


_NEXTVAL = re.compile(r"nextval\('((?:[^']|'')*)'::regclass\)\Z")


def definition(obj: Column, version: int) -> str:
    """Return the column as it stands in CREATE TABLE and ADD COLUMN."""
    parts = [quote(obj.id.name), column_types.sql(obj.type)]
    if obj.compression:
        parts.append(f"COMPRESSION {obj.compression}")
    if obj.collation:
        parts.append(f"COLLATE {obj.collation}")
    if obj.generated:
        parts.append(_generated_sql(obj.generated))
    if obj.identity:
        parts.append(_identity_sql(obj))
    if obj.default is not None:
        parts.append(f"DEFAULT {obj.default}")
    if obj.not_null and obj.not_null.validated:
        parts.append(_not_null_sql(obj, version))
    return " ".join(parts)


def _generated_sql(generated: Generated) -> str:
    return f"GENERATED ALWAYS AS ({generated.expression}) {'STORED' if generated.stored else 'VIRTUAL'}"


def _identity_sql(obj: Column) -> str:
    assert obj.identity is not None
    options = options_sql(obj.identity.options).strip()
    if obj.identity.sequence:
        name = f"SEQUENCE NAME {qualified((obj.id.path[0], obj.identity.sequence))}"
        options = f"{name} {options}".strip()
    word = "ALWAYS" if obj.identity.always else "BY DEFAULT"
    return f"GENERATED {word} AS IDENTITY" + (f" ({options})" if options else "")


def _default_not_null_name(obj: Column) -> str:
    return object_name(obj.id.path[1], obj.id.name, "not_null")


def _not_null_sql(obj: Column, version: int) -> str:
    rule = obj.not_null
    assert rule is not None
    if version < 180000:
        return "NOT NULL"
    prefix = "" if rule.name in (None, _default_not_null_name(obj)) else f"CONSTRAINT {quote(rule.name or '')} "
    return f"{prefix}NOT NULL{'' if rule.inherit else ' NO INHERIT'}"


def _inline(obj: Column, context: Context) -> str:
    return definition(obj, context.facts.server_version)


def _alter_column(obj: Column) -> str:
    return f"{alter_table(obj.id.table)} ALTER COLUMN {quote(obj.id.name)}"


def _step(obj: Column, action: str, effort: Effort = Effort.CATALOG, hazards: tuple[Hazard, ...] = ()) -> Step:
    """Return a step ALTER TABLE … ALTER COLUMN …"""
    return Step(
        sql=f"{_alter_column(obj)} {action}",
        needs=(obj.id,),
        locks=exclusive(obj.id.table),
        effort=effort,
        hazards=hazards,
    )


def _create(obj: Column, context: Context) -> list[Step]:
    steps = [] if context.is_new(obj.id.table) else _add(obj, context)
    if obj.not_null and not obj.not_null.validated:
        steps.append(_add_not_null(obj, " NOT VALID"))
    if obj.storage:
        steps.append(_step(obj, f"SET STORAGE {obj.storage.upper()}"))
    if obj.statistics is not None:
        steps.append(_step(obj, f"SET STATISTICS {obj.statistics}"))
    if obj.options:
        steps += [
            _step(obj, s.removeprefix(_alter_column(obj) + " "))
            for s in set_options(_alter_column(obj), (), obj.options)
        ]
    return steps


def _add(obj: Column, context: Context) -> list[Step]:
    """Add a column to a table that exists: the recipe of docs/language.md, "Required fields"."""
    facts = context.table_facts(obj.id.table)
    backfill = context.hint(obj.id).backfill
    required = obj.not_null is not None and obj.not_null.validated
    computed = obj.generated is not None or obj.identity is not None
    stable = obj.default is not None and column_types.is_stable(obj.default)
    if computed or (facts.rows == 0 and facts.exact and obj.default is not None):
        return [
            _add_column(obj, context, Effort.CATALOG if obj.generated and not obj.generated.stored else Effort.REWRITE)
        ]
    if obj.default is not None and backfill is None and (stable or not context.is_large(obj.id.table)):
        return [_add_column(obj, context, Effort.CATALOG if stable else Effort.REWRITE)]
    fill = backfill or obj.default
    bare = replace(obj, not_null=None, default=None)
    steps = [_add_column(bare, context, Effort.CATALOG)]
    if obj.default is not None:
        steps.append(_step(obj, f"SET DEFAULT {obj.default}"))
    if fill is not None and not (facts.rows == 0 and facts.exact):
        steps.append(_fill(obj, fill, context))
    if required:
        if fill is None and not (facts.rows == 0 and facts.exact):
            raise PlanError(
                "CHM1002",
                f"{obj.id} is required, but {obj.id.table} has {facts.rows_text} and nothing to fill it with",
                hint=f"add a default, add backfill (expression), or make it nullable: {obj.id.name}: …?",
            )
        steps += _enforce_not_null(obj, context)
    return steps


def _add_column(obj: Column, context: Context, effort: Effort) -> Step:
    return Step(
        sql=f"{alter_table(obj.id.table)} ADD COLUMN {definition(obj, context.facts.server_version)}",
        creates=(obj.id,),
        needs=tuple(_references(obj)),
        locks=exclusive(obj.id.table),
        effort=effort,
    )


_BATCH_ROWS = 5000


def _fill(obj: Column, expression: str, context: Context) -> Step:
    """Fill the column of existing rows; in batches that commit one by one where the table is large."""
    table, name = qualified(obj.id.path[:2]), quote(obj.id.name)
    update = f"UPDATE {table} SET {name} = ({expression}) WHERE "
    if not context.is_large(obj.id.table):
        return Step(sql=f"{update}{name} IS NULL", needs=(obj.id,), effort=Effort.SCAN)
    batch = f"SELECT ctid FROM {table} WHERE {name} IS NULL LIMIT {_BATCH_ROWS} FOR UPDATE SKIP LOCKED"
    return Step(
        sql=f"{update}ctid = ANY(ARRAY({batch}))",
        needs=(obj.id,),
        effort=Effort.SCAN,
        transaction=Transaction.OUTSIDE,
        batched=True,
    )


def _add_not_null(obj: Column, suffix: str = "") -> Step:
    rule = obj.not_null
    assert rule is not None
    name = rule.name or _default_not_null_name(obj)
    inherit = "" if rule.inherit else " NO INHERIT"
    return Step(
        sql=f"{alter_table(obj.id.table)} ADD CONSTRAINT {quote(name)} NOT NULL {quote(obj.id.name)}{inherit}{suffix}",
        needs=(obj.id,),
        locks=exclusive(obj.id.table),
        effort=Effort.CATALOG if suffix else Effort.SCAN,
    )


def _enforce_not_null(obj: Column, context: Context) -> list[Step]:
    """Enforce NOT NULL: at once on a small table, without a locked scan on a large one."""
    table, rule = obj.id.table, obj.not_null
    assert rule is not None
    version = context.facts.server_version
    plain = version < 180000 or (rule.name in (None, _default_not_null_name(obj)) and rule.inherit)
    if not context.is_large(table):
        return [_step(obj, "SET NOT NULL", Effort.SCAN) if plain else _add_not_null(obj)]
    if version >= 180000:
        name = rule.name or _default_not_null_name(obj)
        return _online([_add_not_null(obj, " NOT VALID"), validate_constraint(constraint(table, name))])
    helper = constraint(table, object_name(table.name, obj.id.name, "filled"))
    check = Step(
        sql=f"{alter_table(table)} ADD CONSTRAINT {quote(helper.name)}"
        f" CHECK ({quote(obj.id.name)} IS NOT NULL) NOT VALID",
        needs=(obj.id,),
        locks=exclusive(table),
    )
    drop = Step(sql=f"{alter_table(table)} DROP CONSTRAINT {quote(helper.name)}", locks=exclusive(table))
    # A valid CHECK proves it, so SET NOT NULL does not scan.
    return _online([check, validate_constraint(helper), _step(obj, "SET NOT NULL"), drop])


def _online(steps: list[Step]) -> list[Step]:
    return [replace(step, transaction=Transaction.OWN) for step in steps]


def _drop(obj: Column, context: Context) -> list[Step]:
    hazard = loses(obj.id, obj.id.table, context, f"column {obj.id} is dropped with its values")
    sql = f"{alter_table(obj.id.table)} DROP COLUMN {quote(obj.id.name)}"
    return [Step(sql=sql, drops=(obj.id,), locks=exclusive(obj.id.table), hazards=(hazard,))]


def _retype(old: Column, new: Column, context: Context) -> list[Step]:
    """Change type and collation together; a default that cannot follow is taken off before and put back after."""
    using = context.hint(new.id).using
    change = column_types.conversion(old.type, new.type)
    action = f"TYPE {column_types.sql(new.type)}"
    if new.collation:
        action += f" COLLATE {new.collation}"
    if using is not None:
        action += f" USING ({using})"
    elif change.cast:
        action += f" USING {quote(new.id.name)}::{change.cast}"
    hazards = []
    facts = context.table_facts(new.id.table)
    if not (facts.rows == 0 and facts.exact) and using is None:
        if change.lossy:
            hazards.append(Hazard(HazardName.DROPS_DATA, new.id, f"{change.lossy} ({facts.rows_text})"))
        elif change.may_fail:
            hazards += may_fail(new.id, new.id.table, context, f"values that are no {new.type}")
    effort = Effort.REWRITE if using is not None or change.rewrites else Effort.CATALOG
    steps = [_step(new, action, effort, tuple(hazards))]
    if _moves_default(old, new, context):
        steps.insert(0, _step(new, "DROP DEFAULT"))
        if new.default is not None:
            steps.append(_step(new, f"SET DEFAULT {new.default}"))
    return steps


def _moves_default(old: Column, new: Column, context: Context) -> bool:
    """Whether PostgreSQL could not carry the default over by itself: it does so only with an assignment cast."""
    explicit = context.hint(new.id).using is not None or column_types.conversion(old.type, new.type).cast is not None
    return old.default is not None and old.type != new.type and explicit


def _recollate(old: Column, new: Column, context: Context) -> list[Step]:
    return [] if old.type != new.type else _retype(old, new, context)


def _set_default(old: Column, new: Column, context: Context) -> list[Step]:
    if _moves_default(old, new, context):
        return []
    return [_step(new, "DROP DEFAULT" if new.default is None else f"SET DEFAULT {new.default}")]


def _set_generated(old: Column, new: Column, context: Context) -> list[Step] | None:
    """A stored column can become plain; from 17 an expression can change. All else is a new column."""
    if old.generated and new.generated and old.generated.stored == new.generated.stored:
        if context.facts.server_version >= 170000:
            effort = Effort.REWRITE if new.generated.stored else Effort.CATALOG
            return [_step(new, f"SET EXPRESSION AS ({new.generated.expression})", effort)]
        return None
    if old.generated and old.generated.stored and new.generated is None:
        return [_step(new, "DROP EXPRESSION")]
    return None


def _set_identity(old: Column, new: Column, context: Context) -> list[Step]:
    if new.identity is None:
        return [_step(new, "DROP IDENTITY")]
    if old.identity is None:
        return [_step(new, f"ADD {_identity_sql(new)}"), *_continue_counting(new, context)]
    actions = []
    if old.identity.always != new.identity.always:
        actions.append(f"SET GENERATED {'ALWAYS' if new.identity.always else 'BY DEFAULT'}")
    actions += [f"SET {clause}" for clause in changed_options(old.identity.options, new.identity.options)]
    steps = [_step(new, " ".join(actions))] if actions else []
    if old.identity.sequence != new.identity.sequence:
        names = [i.sequence or object_name(new.id.path[1], new.id.name, "seq") for i in (old.identity, new.identity)]
        sql = f"ALTER SEQUENCE {qualified((new.id.path[0], names[0]))} RENAME TO {quote(names[1])}"
        steps.append(Step(sql=sql, needs=(new.id,)))
    return steps


def _continue_counting(obj: Column, context: Context) -> list[Step]:
    assert obj.identity is not None
    name = obj.identity.sequence or object_name(obj.id.path[1], obj.id.name, "seq")
    return continue_counting(relation(obj.id.path[0], name), obj.identity.options, obj.id, context)


def _set_not_null(old: Column, new: Column, context: Context) -> list[Step]:
    was, rule = old.not_null, new.not_null
    if rule is None:
        return [_step(new, "DROP NOT NULL")]
    table = new.id.table
    if was is None:
        return _require(new, context)
    steps = []
    if was.name != rule.name and was.name is not None and rule.name is not None:
        sql = f"{alter_table(table)} RENAME CONSTRAINT {quote(was.name)} TO {quote(rule.name)}"
        steps.append(Step(sql=sql, needs=(new.id,), locks=exclusive(table)))
    if was.inherit != rule.inherit:
        word = "INHERIT" if rule.inherit else "NO INHERIT"
        sql = f"{alter_table(table)} ALTER CONSTRAINT {quote(rule.name or '')} {word}"
        steps.append(Step(sql=sql, needs=(new.id,), locks=exclusive(table)))
    if rule.validated and not was.validated:
        steps.append(replace(validate_constraint(constraint(table, rule.name or "")), needs=(new.id,)))
    elif was.validated and not rule.validated:
        steps += [_step(new, "DROP NOT NULL"), _add_not_null(new, " NOT VALID")]
    return steps


def _require(obj: Column, context: Context) -> list[Step]:
    assert obj.not_null is not None
    if not obj.not_null.validated:
        return [_add_not_null(obj, " NOT VALID")]
    nulls = context.facts.counts.get(obj.id, 0)
    backfill = context.hint(obj.id).backfill
    if nulls and backfill is None:
        raise PlanError(
            "CHM1003",
            f"{obj.id} cannot become required: {nulls:,} row{'s have' if nulls != 1 else ' has'} NULL in it",
            hint=f"fill it first with backfill (expression), or keep it nullable: {obj.id.name}: …?",
        )
    fill = [_fill(obj, backfill, context)] if nulls and backfill is not None else []
    return [*fill, *_enforce_not_null(obj, context)]


def _question(old: Column, new: Column) -> str | None:
    """How many rows stand in the way of NOT NULL; not asked of a column that is being renamed."""
    if old.not_null is not None or new.not_null is None or not new.not_null.validated:
        return None
    return f"SELECT count(*) FROM {qualified(new.id.path[:2])} WHERE {quote(new.id.name)} IS NULL"


def _set_storage(_old: Column, new: Column, context: Context) -> list[Step]:
    if new.storage:
        return [_step(new, f"SET STORAGE {new.storage.upper()}")]
    if context.facts.server_version >= 160000:
        return [_step(new, "SET STORAGE DEFAULT")]
    return [_step(new, f"SET STORAGE {column_types.default_storage(new.type)}")]


def _set_options(old: Column, new: Column, _context: Context) -> list[Step]:
    prefix = _alter_column(new)
    return [_step(new, s.removeprefix(prefix + " ")) for s in set_options(prefix, old.options, new.options)]


def _rename(old: Column, new: Column) -> Step:
    hazard = Hazard(HazardName.BREAKS_CODE, new.id, f"code that still says {old.id} fails")
    sql = f"{alter_table(new.id.table)} RENAME COLUMN {quote(old.id.name)} TO {quote(new.id.name)}"
    return Step(sql=sql, locks=exclusive(new.id.table), hazards=(hazard,))


def _renamed(obj: Column, ids: Mapping[Identity, Identity]) -> Column:
    table, new_id = obj.id.table, follow(obj.id, ids)
    identity = obj.identity
    if identity is not None and new_id != obj.id and identity.sequence is None:
        # The sequence keeps its name, which is the default one no longer.
        identity = replace(identity, sequence=object_name(table.name, obj.id.name, "seq"))
    if identity is not None and identity.sequence == object_name(new_id.path[1], new_id.name, "seq"):
        identity = replace(identity, sequence=None)
    return replace(
        obj,
        id=new_id,
        type=follow_types(obj.type, ids),
        default=None if obj.default is None else follow_text(obj.default, table, ids),
        generated=replace(obj.generated, expression=follow_text(obj.generated.expression, table, ids))
        if obj.generated
        else None,
        identity=identity,
    )


KIND = Kind(
    name="column",
    plural="columns",
    model=Column,
    catalog="pg_attribute",
    query=_query,
    decode=_decode,
    references=_references,
    create=_create,
    drop=_drop,
    holds_data=True,
    inline=_inline,
    parent=lambda o: o.id.table,
    on_change={
        "identity": Alter(_set_identity),
        "type": Alter(_retype),
        "collation": Alter(_recollate),
        "default": Alter(_set_default),
        "generated": Alter(_set_generated),
        "not_null": Alter(_set_not_null),
        "storage": Alter(_set_storage),
        "compression": Alter(
            lambda _old, new, _context: [_step(new, f"SET COMPRESSION {new.compression or 'default'}")]
        ),
        "statistics": Alter(
            lambda _old, new, _context: [
                _step(new, f"SET STATISTICS {-1 if new.statistics is None else new.statistics}")
            ]
        ),
        "options": Alter(_set_options),
    },
    question=_question,
    rename=_rename,
    renamed=_renamed,
    sql_name=lambda o: f"COLUMN {qualified(o.id.path[:2])}.{quote(o.id.name)}",
    order=lambda o: o.position,
)
