"""Columns of tables: the steps that create, drop and change them."""

from __future__ import annotations

import itertools
from dataclasses import replace

from chameleondb.errors import PlanError
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds.clauses import (
    alter_table,
    by_itself,
    column_words,
    exclusive,
    follow,
    follow_text,
    follow_types,
    locks_of_dependents,
    losing,
    may_fail,
    rename_constraint,
    set_options,
    validate_constraint,
)
from chameleondb.kinds.column import catalog, types
from chameleondb.kinds.column.identity import finish_identity, identity_sql, increment_of, set_identity
from chameleondb.kinds.column.model import Column, Generated, is_retyped
from chameleondb.kinds.column.not_null import (
    add_not_null,
    adopts,
    alter_column,
    alter_step,
    enforce_not_null,
    not_null_sql,
)
from chameleondb.kinds.column.storage import set_compression, set_storage, store_as_said
from chameleondb.kinds.counting import counter, drawn_from, go_on, handed_on, needs_usage
from chameleondb.kinds.sequence import keeping, own
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Schema
from chameleondb.names import Identity, constraint, name_aside, object_name, qualified, quote, relation, type_
from chameleondb.sqltext import own_name
from chameleondb.steps import Effort, Hazard, HazardName, Lock, LockMode, Step, Transaction


def _references(obj: Column) -> list[Identity]:
    """The table, the type (or table whose rows it is) if not of pg_catalog, a sequence that the default draws from."""
    found = [obj.id.table]
    if "." in obj.type and (path := own_name(obj.type)):
        found += [type_(*path), relation(*path)]
    if obj.identity is None and (sequence := drawn_from(obj)):
        found.append(sequence)
    if obj.generated:
        found += [c for c in column_words(obj.id.table, obj.generated.expression) if c != obj.id]
    return found


def definition(obj: Column, context: Context) -> str:
    """Return the column as it stands in CREATE TABLE and ADD COLUMN."""
    parts = [quote(obj.id.name), types.sql(obj.type)]
    if obj.compression:
        parts.append(f"COMPRESSION {obj.compression}")
    if obj.collation:
        parts.append(f"COLLATE {obj.collation}")
    if obj.generated:
        parts.append(_generated_sql(obj.generated))
    if obj.identity:
        parts.append(identity_sql(obj))
    if obj.default is not None:
        parts.append(f"DEFAULT {types.default_sql(obj.default)}")
    if obj.not_null and obj.not_null.validated:
        parts.append(not_null_sql(obj, context))
    return " ".join(parts)


def _generated_sql(generated: Generated) -> str:
    return f"GENERATED ALWAYS AS ({generated.expression}) {'STORED' if generated.stored else 'VIRTUAL'}"


def _inline(obj: Column, context: Context) -> str:
    return definition(obj, context)


def _create(obj: Column, context: Context) -> list[Step]:
    """What a column owns that is made anew is given back to it."""
    steps = [] if context.is_new(obj.id.table) else _add(obj, context)
    if obj.not_null and not obj.not_null.validated:
        steps.append(add_not_null(obj, " NOT VALID"))
    steps += store_as_said(obj, compressed=False)
    if obj.statistics is not None:
        steps.append(alter_step(obj, f"SET STATISTICS {obj.statistics}"))
    if obj.options:
        steps += [
            alter_step(obj, s.removeprefix(alter_column(obj) + " "))
            for s in set_options(alter_column(obj), (), obj.options)
        ]
    given_back = keeping(obj.id, context) if obj.id in context.replaced else ()
    return [*steps, *(own(sequence, obj.id) for sequence in given_back)]


def _add(obj: Column, context: Context) -> list[Step]:
    """Add a column to a table that exists: the recipe of docs/language.md, "Required fields"."""
    facts = context.table_facts(obj.id.table)
    backfill = context.hint(obj.id).backfill
    required = obj.not_null is not None and obj.not_null.validated
    computed = obj.generated is not None or obj.identity is not None
    stable = obj.default is not None and types.is_stable(obj.default)
    if computed or (facts.rows == 0 and facts.exact and obj.default is not None):
        return [
            _add_column(obj, context, Effort.CATALOG if obj.generated and not obj.generated.stored else Effort.REWRITE)
        ]
    # Where NULL is allowed, nothing would tell an interrupted backfill from a finished one: it is one transaction.
    at_once = stable or not required or not context.is_large(obj.id.table)
    if obj.default is not None and backfill is None and at_once:
        return [_add_column(obj, context, Effort.CATALOG if stable else Effort.REWRITE)]
    fill = backfill or obj.default
    if fill is None and isinstance(old := context.replaced.get(obj.id), Column) and old.generated:
        fill = old.generated.expression  # what readers saw in a virtual column
    bare = replace(obj, not_null=None, default=None)
    steps, again = [_add_column(bare, context, Effort.CATALOG)], None
    if obj.default is not None:
        steps.append(alter_step(obj, f"SET DEFAULT {obj.default}", hazards=needs_usage(obj, context)))
    if fill is not None and not (facts.rows == 0 and facts.exact):
        steps.append(_fill(obj, fill, context, batched=required))
        again = steps[-1] if steps[-1].batched and obj.default is None else None
    if required:
        if fill is None and not (facts.rows == 0 and facts.exact):
            raise PlanError(
                "CHM1002",
                f"{obj.id} is required, but {obj.id.table} has {facts.rows_text} and nothing to fill it with",
                hint=f"add a default, add backfill (expression), or make it nullable: {obj.id.name}: …?",
            )
        steps += enforce_not_null(obj, context, again)
    return steps


def _add_column(obj: Column, context: Context, effort: Effort) -> Step:
    return Step(
        sql=f"{alter_table(obj.id.table)} ADD COLUMN {definition(obj, context)}",
        creates=(obj.id,),
        needs=tuple(_references(obj)),
        locks=exclusive(obj.id.table),
        effort=effort,
        hazards=needs_usage(obj, context),
    )


def _fill(obj: Column, expression: str, context: Context, *, batched: bool = True) -> Step:
    """Fill the column of existing rows; in batches that commit one by one where the table is large."""
    _refuse_moving_sources(obj, expression, context)
    table, name = qualified(obj.id.path[:2]), quote(obj.id.name)
    update = f"UPDATE {table} SET {name} = ({expression}) WHERE {name} IS NULL"
    hazards = _fires(obj, context)
    if not batched or not context.is_large(obj.id.table):
        locks = () if batched else exclusive(obj.id.table)
        return Step(sql=update, needs=(obj.id,), locks=locks, effort=Effort.SCAN, hazards=hazards)
    return Step(
        # Without the second condition, an expression that yields NULL would never let the batches end.
        sql=f"{update} AND ({expression}) IS NOT NULL",
        needs=(obj.id,),
        locks=(Lock(obj.id.table, LockMode.ROW_EXCLUSIVE),),
        effort=Effort.SCAN,
        transaction=Transaction.OUTSIDE,
        batched=obj.id.table,
        hazards=hazards,
    )


def _fires(obj: Column, context: Context) -> tuple[Hazard, ...]:
    """Return the hazard of an UPDATE of rows: what runs on it may change other columns, or pass rows over."""
    found = context.table_facts(obj.id.table).on_update
    if not found:
        return ()
    what = f"{', '.join(found)} of {obj.id.table} may run on each row in which {obj.id.name} is filled"
    return (Hazard(HazardName.FIRES_TRIGGERS, obj.id, f"{what}, and change what it holds or leave it as it is"),)


def _drop(obj: Column, context: Context) -> list[Step]:
    table = obj.id.table
    sql = f"{alter_table(table)} DROP COLUMN {quote(obj.id.name)}"
    step = Step(sql=sql, drops=(obj.id,), locks=exclusive(table))
    released = [own(sequence, None) for sequence in keeping(obj.id, context)]  # it would take them along
    if obj.generated:  # its values can be computed again
        hazard = Hazard(HazardName.DROPS_OBJECT, obj.id, f"generated column {obj.id} is dropped")
        return [*released, step.with_hazards([hazard])]
    return [*released, losing(step, obj.id, table, context, f"column {obj.id} is dropped with its values")]


def _retype(old: Column, new: Column, context: Context) -> list[Step]:
    """Change type and collation together; a default that cannot follow is taken off before and put back after."""
    using = context.hint(new.id).using
    if using is None and _has_no_cast(old, new, context):
        name = quote(new.id.name)
        raise PlanError(
            "CHM1016",
            f"{new.id} is {old.type}: PostgreSQL cannot make {new.type} of that by itself",
            hint=f"say how, for example using ({f'ARRAY[{name}]' if types.is_array(new.type) else f'{name}[1]'})",
        )
    change = types.conversion(old.type, new.type)
    action = f"TYPE {types.sql(new.type)}"
    if new.collation:
        action += f" COLLATE {new.collation}"
    if using is not None:
        _refuse_moving_sources(new, using, context)
        action += f" USING ({using})"
    elif change.casts:
        action += f" USING {'::'.join((quote(new.id.name), *change.casts))}"
    effort = Effort.REWRITE if using is not None or change.rewrites else Effort.CATALOG
    counting = (Lock(counter(old), LockMode.SHARE_ROW_EXCLUSIVE),) if old.identity else ()
    locks = dict.fromkeys((*exclusive(new.id.table), *locks_of_dependents(new.id, context), *counting))
    step = replace(alter_step(new, action, effort), locks=tuple(locks), retypes=(new.id,))
    if using is None and change.lossy and not _keeps_labels(old, new, context):
        step = losing(step, new.id, new.id.table, context, change.lossy)
    if using is not None or change.may_fail:
        step = step.with_hazards(may_fail(new.id, new.id.table, context, f"values that are no {new.type}"))
    steps = [step, *store_as_said(new)]
    if _moves_default(old, new, context):
        steps.insert(0, alter_step(new, "DROP DEFAULT"))
        if new.default is not None:
            steps.append(alter_step(new, f"SET DEFAULT {new.default}"))
    return steps


def _refuse_moving_sources(obj: Column, expression: str, context: Context) -> None:
    """Refuse to read, for values of this column, what the same plan may have made another value by then.

    Raises:
        PlanError: CHM1017.
    """
    for other in column_words(obj.id.table, expression):
        old, new = context.source.get(other), context.target.get(other)
        if other == obj.id or not isinstance(old, Column) or not isinstance(new, Column):
            continue
        if not is_retyped(old, new):
            continue
        by = "its own using (…)" if context.hint(other).using else types.conversion(old.type, new.type).lossy
        if by:
            raise PlanError(
                "CHM1017",
                f"the values of {obj.id} are made from {other.name}, which changes in the same plan: {by}",
                hint="change one of the two first, apply that, then change the other",
            )


def _unsettles(old: Column, new: Column, _context: Context) -> list[Identity]:
    """A column computed from this one cannot stay meanwhile, however free the change is, nor a key that compares it."""
    return [new.id] if is_retyped(old, new) else []


def _has_no_cast(old: Column, new: Column, context: Context) -> bool:
    """Whether one is an array and the other is not: only texts are cast so, and what somebody made a cast for."""
    if types.is_array(old.type) == types.is_array(new.type) or types.is_text(old.type) or types.is_text(new.type):
        return False
    sides = ((old.type, context.source), (new.type, context.target))
    return all(own_name(name) is None or _is_modelled(name, schema) for name, schema in sides)


def _keeps_labels(old: Column, new: Column, context: Context) -> bool:
    """Whether texts or labels become labels: one is the same in another type, or the change fails."""
    is_label = types.is_exact_text(old.type) or _is_modelled(old.type, context.source)
    return is_label and _is_modelled(new.type, context.target)


def _is_modelled(name: str, schema: Schema) -> bool:
    path = own_name(name)
    return path is not None and type_(*path) in schema


def _moves_default(old: Column, new: Column, context: Context) -> bool:
    """Whether PostgreSQL could not carry the default over by itself: it does so only with an assignment cast."""
    explicit = context.hint(new.id).using is not None or bool(types.conversion(old.type, new.type).casts)
    return old.default is not None and old.type != new.type and explicit


def _recollate(old: Column, new: Column, context: Context) -> list[Step]:
    return [] if old.type != new.type else _retype(old, new, context)


def _set_default(old: Column, new: Column, context: Context) -> list[Step]:
    if _moves_default(old, new, context):
        return []
    if new.identity is not None and old.identity is None:
        return [alter_step(new, "DROP DEFAULT")]
    action = "DROP DEFAULT" if new.default is None else f"SET DEFAULT {new.default}"
    step = alter_step(new, action, hazards=needs_usage(new, context))
    taken_over = handed_on(new.id, context) if old.identity is None else None
    if taken_over is None:
        return [step]
    before, after = taken_over
    return [step, go_on(after, before, increment_of(after, context), new.id)]


def _set_generated(old: Column, new: Column, context: Context) -> list[Step] | None:
    """A stored column can become plain; from 17 an expression can change. All else is a new column."""
    if old.generated and new.generated and old.generated.stored == new.generated.stored:
        if context.facts.server_version >= 170000:
            effort = Effort.REWRITE if new.generated.stored else Effort.CATALOG
            step = alter_step(new, f"SET EXPRESSION AS ({new.generated.expression})", effort)
            return [replace(step, retypes=(new.id,))]
        return None
    if old.generated and old.generated.stored and new.generated is None:
        return [alter_step(new, "DROP EXPRESSION")]
    return None


def _set_not_null(old: Column, new: Column, context: Context) -> list[Step]:
    was, rule, table = old.not_null, new.not_null, new.id.table
    if rule is None:
        name = (constraint(table, was.name),) if was and was.name else ()  # that of another column may wait for it
        return [replace(alter_step(new, "DROP NOT NULL"), drops=name)]
    if was is None:
        return _require(new, context)
    steps = []
    if was.name != rule.name and was.name is not None and rule.name is not None:
        steps += _rename_not_null(new, was.name, rule.name, context)
    if was.inherit != rule.inherit:
        word = "INHERIT" if rule.inherit else "NO INHERIT"
        sql = f"{alter_table(table)} ALTER CONSTRAINT {quote(rule.name or '')} {word}"
        steps.append(Step(sql=sql, needs=(new.id,), locks=exclusive(table)))
    if rule.validated and not was.validated:
        steps += _fill_nulls(new, context)
        validate = replace(validate_constraint(constraint(table, rule.name or "")), needs=(new.id,))
        steps += by_itself([validate], table, context)
    elif was.validated and not rule.validated:
        steps += [alter_step(new, "DROP NOT NULL"), add_not_null(new, " NOT VALID")]
    return steps


def _rename_not_null(obj: Column, old: str, new: str, context: Context) -> list[Step]:
    """Rename the rule; by way of a name set aside if another column's has the new name, which may want this one's."""
    table = obj.id.table
    taken = any(isinstance(c, Column) and c.not_null and c.not_null.name == new for c in context.source.children(table))
    names = [old, name_aside(old), new] if taken else [old, new]
    return [
        replace(
            rename_constraint(constraint(table, a), constraint(table, b)),
            drops=(constraint(table, a),) if a == old else (),
            creates=(constraint(table, b),) if b == new else (),
            needs=(obj.id,),
        )
        for a, b in itertools.pairwise(names)
    ]


def _require(obj: Column, context: Context) -> list[Step]:
    assert obj.not_null is not None
    if not obj.not_null.validated:
        return [add_not_null(obj, " NOT VALID")]
    fill = _fill_nulls(obj, context)
    again = fill[0] if fill and fill[0].batched and obj.default is None else None
    return [*fill, *enforce_not_null(obj, context, again)]


def _fill_nulls(obj: Column, context: Context) -> list[Step]:
    """Fill the rows that stand in the way of a validated NOT NULL, if there are any."""
    nulls = context.facts.counts.get(obj.id, 0)
    backfill = context.hint(obj.id).backfill
    if backfill is None and obj.id in context.unfinished:
        backfill = obj.default  # what the interrupted run was filling with
    if nulls and backfill is None:
        raise PlanError(
            "CHM1003",
            f"{obj.id} cannot become required: {nulls:,} row{'s have' if nulls != 1 else ' has'} NULL in it",
            hint=f"fill it first with backfill (expression), or keep it nullable: {obj.id.name}: …?",
        )
    return [_fill(obj, backfill, context)] if nulls and backfill is not None else []


def _question(old: Column, new: Column, *_schemas: Schema) -> str | None:
    """How many rows stand in the way of NOT NULL."""
    if (old.not_null and old.not_null.validated) or new.not_null is None or not new.not_null.validated:
        return None
    return f"SELECT count(*) FROM {qualified(old.id.path[:2])} WHERE {quote(old.id.name)} IS NULL"


def _set_options(old: Column, new: Column, _context: Context) -> list[Step]:
    prefix = alter_column(new)
    return [alter_step(new, s.removeprefix(prefix + " ")) for s in set_options(prefix, old.options, new.options)]


def _rename(old: Column, new: Column) -> Step:
    hazard = Hazard(HazardName.BREAKS_CODE, new.id, f"code that still says {old.id} fails")
    sql = f"{alter_table(new.id.table)} RENAME COLUMN {quote(old.id.name)} TO {quote(new.id.name)}"
    return Step(sql=sql, locks=exclusive(new.id.table), hazards=(hazard,))


def _renamed(obj: Column, ids: Renamed) -> Column:
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
    query=catalog.query,
    decode=catalog.decode,
    references=_references,
    create=_create,
    drop=_drop,
    adopts=adopts,
    holds_data=True,
    unsettles=_unsettles,
    gives_way=lambda o, _: o.generated is not None,
    inline=_inline,
    parent=lambda o: o.id.table,
    on_change={
        "identity": Alter(set_identity, finish=finish_identity),
        "type": Alter(_retype),
        "collation": Alter(_recollate),
        "default": Alter(_set_default),
        "generated": Alter(_set_generated),
        "not_null": Alter(_set_not_null),
        "storage": Alter(set_storage),
        "compression": Alter(set_compression),
        "statistics": Alter(
            lambda _, new, _context: [
                alter_step(new, f"SET STATISTICS {-1 if new.statistics is None else new.statistics}")
            ]
        ),
        "options": Alter(_set_options),
    },
    question=_question,
    rename=_rename,
    renamed=_renamed,
    resembles=lambda old, new: old.type == new.type and old.generated == new.generated,
    sql_name=lambda o: f"COLUMN {qualified(o.id.path[:2])}.{quote(o.id.name)}",
    also_named=lambda o: [counter(o)] if o.identity else [],
    order=lambda o: o.position,
)
