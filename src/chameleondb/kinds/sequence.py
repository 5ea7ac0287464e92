"""Sequences that stand by themselves or are owned by a column (serial); identity columns carry their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds.clauses import exclusive, rename_or_move
from chameleondb.kinds.counting import handed_on, successors
from chameleondb.language import Line, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import (
    DEFAULT_NAMESPACE,
    Identity,
    column,
    literal,
    namespace,
    object_name,
    qualified,
    quote,
    relation,
    spelled,
)
from chameleondb.scope import Scope
from chameleondb.steps import Effort, Hazard, HazardName, Lock, LockMode, Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.parser import Lead
from chameleondb.syntax.tokens import name_text
from chameleondb.syntax.tree import Declaration
from chameleondb.types import builtin, friendly

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class SequenceOptions:
    """How a sequence counts. None means PostgreSQL's default for the type and direction (CREATE SEQUENCE)."""

    type: str = "bigint"
    start: int | None = None
    increment: int = 1
    minimum: int | None = None
    maximum: int | None = None
    cache: int = 1
    cycle: bool = False


@frozen(kw_only=True)
class Sequence:
    """A sequence, ``relation/<schema>/<name>``; `owned_by` is the column with which it is dropped."""

    id: Identity
    options: SequenceOptions = SequenceOptions()
    owned_by: Identity | None = None
    unlogged: bool = False


# --- Syntax --------------------------------------------------------------------------------------------------------


def _number(key: str) -> productions.Option:
    def read(cursor: Cursor) -> tuple[str, int]:
        cursor.advance()
        return key, cursor.integer("a whole number")

    return read


def _cycle(cursor: Cursor) -> tuple[str, bool]:
    cursor.advance()
    return "cycle", True


COUNTING: dict[str, productions.Option] = {
    "start": _number("start"),
    "increment": _number("increment"),
    "min": _number("minimum"),
    "max": _number("maximum"),
    "cache": _number("cache"),
    "cycle": _cycle,
}
"""Clauses that say how a sequence counts."""


def counting_text(options: SequenceOptions) -> str:
    """Return the clauses that give these options."""
    words = {"start": options.start, "min": options.minimum, "max": options.maximum}
    parts = [f"{word} {value}" for word, value in words.items() if value is not None]
    parts += [f"increment {options.increment}"] if options.increment != 1 else []
    parts += [f"cache {options.cache}"] if options.cache != 1 else []
    return " ".join([*parts, *(["cycle"] if options.cycle else [])])


def _as(cursor: Cursor) -> tuple[str, str]:
    cursor.advance()
    found = builtin(cursor.text, None, "")
    if found not in _LIMITS:
        cursor.fail("expected `smallint`, `int` or `bigint`")
    cursor.advance()
    return "type", found


def _owned(cursor: Cursor) -> tuple[str, tuple[str, str]]:
    cursor.advance()
    cursor.expect("by", "after `owned`")
    entity = cursor.name("an entity")
    cursor.expect(".", "between entity and field")
    return "owned", (entity, cursor.name("a field"))


def _was(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    cursor.advance()
    return "was", productions.former_names(cursor, lambda name, _quoted: (name,))


_HEAD = {
    **COUNTING,
    "in": productions.in_namespace,
    "was": _was,
    "as": _as,
    "unlogged": productions.unlogged,
    "owned": _owned,
}


def _enter(scope: Scope, node: Declaration) -> None:
    identity = relation(scope.use_namespace(node.values.get("schema"), node.name_span), node.name)
    if scope.claim_relation(identity, node.name_span):
        scope.pending.setdefault("sequence", []).append((scope.draft(identity), node))


def _finish(scope: Scope) -> None:
    for draft, node in scope.pending.get("sequence", []):
        values = dict(node.values)
        values.pop("schema", None)
        unlogged = values.pop("unlogged", False)
        if "was" in values:
            scope.hint(draft.key, "sequence", node.name_span, was=values.pop("was"))
        owner = _owner(scope, node, *values.pop("owned")) if "owned" in values else None
        obj = Sequence(id=draft.key, options=SequenceOptions(**values), owned_by=owner, unlogged=unlogged)
        scope.add(draft, obj, node.name_span, node.name, node.docs)


def _owner(scope: Scope, node: Declaration, entity_name: str, field: str) -> Identity | None:
    entity = scope.entities.get(entity_name)
    if entity is None:
        scope.no_entity(entity_name, node.span_of(entity_name))
        return None
    if field not in entity.columns:
        scope.no_field(entity, field, node.span_of(field))
    return column(entity.key, field)


def serial_sequence(table: Identity, column_name: str, type_: str) -> Sequence:
    """Return the sequence that PostgreSQL makes for a serial column."""
    return Sequence(
        id=relation(table.path[0], object_name(table.name, column_name, "seq")),
        options=SequenceOptions(type=type_),
        owned_by=column(table, column_name),
    )


def next_value(sequence: Identity) -> str:
    """Return the default that draws from a sequence."""
    return f"nextval({literal(spelled(sequence.path))}::regclass)"


def is_serial(obj: Sequence, owner: Any) -> bool:
    """Whether a sequence and the column that owns it are what `serial` makes."""
    same = serial_sequence(owner.id.table, owner.id.name, owner.type) == obj
    return same and owner.default == next_value(obj.id) and owner.not_null is not None


def _print(obj: Sequence, page: Page) -> list[Line]:
    owner = page.schema.get(obj.owned_by) if obj.owned_by else None
    if owner is not None and is_serial(obj, owner) and not page.is_described(obj.id):
        return []
    parts = [f"sequence {name_text(obj.id.name)}"]
    parts += [f"in {name_text(obj.id.path[0])}"] if obj.id.path[0] != DEFAULT_NAMESPACE else []
    parts += [f"as {friendly(obj.options.type)}"] if obj.options.type != "bigint" else []
    parts += [counting_text(obj.options)] if counting_text(obj.options) else []
    parts += ["unlogged"] if obj.unlogged else []
    title = page.title(obj.owned_by.table) if obj.owned_by else None
    if obj.owned_by and title:
        parts.append(f"owned by {name_text(title)}.{name_text(obj.owned_by.name)}")
    return [Line(obj.id, " ".join(parts))]


SYNTAX = Syntax(
    model=Sequence,
    leads={"sequence": Lead(lambda cursor: productions.options(cursor, _HEAD), "a sequence name")},
    enter=_enter,
    finish=_finish,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}


def widest(type_: str, increment: int) -> tuple[int, int]:
    """Return the bounds that PostgreSQL chooses."""
    limit = _LIMITS[type_]
    return (1, limit - 1) if increment > 0 else (-limit, -1)


def decode_options(
    type_: str, start: int, increment: int, minimum: int, maximum: int, cache: int, cycle: bool
) -> SequenceOptions:
    """Return options as a user would write them: what equals PostgreSQL's default becomes None."""
    low, high = widest(type_, increment)
    return SequenceOptions(
        type=type_,
        start=None if start == (minimum if increment > 0 else maximum) else start,
        increment=increment,
        minimum=None if minimum == low else minimum,
        maximum=None if maximum == high else maximum,
        cache=cache,
        cycle=cycle,
    )


def _query(version: int) -> str:
    persistence = "c.relpersistence = 'u'" if version >= 150000 else "false"
    return f"""
        SELECT c.oid, n.nspname, c.relname, {persistence}, d.refobjid, d.refobjsubid,
               pg_catalog.format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
               s.seqcycle
          FROM pg_catalog.pg_sequence s
          JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_depend d
            ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
               AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
         WHERE c.relnamespace = ANY(%(namespaces)s) AND d.deptype IS DISTINCT FROM 'i'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
         ORDER BY n.nspname, c.relname"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Sequence | None:
    _, schema, name, unlogged, table, number, *options = row
    owner = None
    if table is not None:
        if ("pg_class", table) not in oids.objects:
            return None  # owned by a column of a table that we do not model
        owner = Identity("column", (*oids.relation(table).path, oids.columns[table][number]))
    return Sequence(id=relation(schema, name), options=decode_options(*options), owned_by=owner, unlogged=unlogged)


# --- Changes -------------------------------------------------------------------------------------------------------


def options_sql(options: SequenceOptions) -> str:
    """Return the options that differ from PostgreSQL's defaults, each with a leading blank, without the type."""
    parts = []
    if options.start is not None:
        parts.append(f"START WITH {options.start}")
    if options.increment != 1:
        parts.append(f"INCREMENT BY {options.increment}")
    if options.minimum is not None:
        parts.append(f"MINVALUE {options.minimum}")
    if options.maximum is not None:
        parts.append(f"MAXVALUE {options.maximum}")
    if options.cache != 1:
        parts.append(f"CACHE {options.cache}")
    if options.cycle:
        parts.append("CYCLE")
    return "".join(f" {part}" for part in parts)


def changed_options(old: SequenceOptions, new: SequenceOptions) -> list[str]:
    """Return the clauses that lead from `old` to `new`, spelled out, without the type."""
    parts = []
    turns = (old.increment > 0) != (new.increment > 0)  # its bounds stay, whatever the defaults for the other way
    if old.increment != new.increment:
        parts.append(f"INCREMENT BY {new.increment}")
    if old.minimum != new.minimum or turns:
        parts.append("NO MINVALUE" if new.minimum is None else f"MINVALUE {new.minimum}")
    if old.maximum != new.maximum or turns:
        parts.append("NO MAXVALUE" if new.maximum is None else f"MAXVALUE {new.maximum}")
    if _first(old) != _first(new):
        parts.append(f"START WITH {_first(new)}")
    if old.cache != new.cache:
        parts.append(f"CACHE {new.cache}")
    if old.cycle != new.cycle:
        parts.append("CYCLE" if new.cycle else "NO CYCLE")
    return parts


def may_stand_outside(
    sequence: Identity, about: Identity, old: SequenceOptions, new: SequenceOptions
) -> tuple[Hazard, ...]:
    """Return the hazard that a sequence stands where its new bounds do not reach: PostgreSQL refuses them then."""
    (was_low, was_high), (low, high) = _bounds(old), _bounds(new)
    if low <= was_low and high >= was_high:
        return ()
    what = f"sequence {sequence} must stand between {low} and {high}: where it does not, let it go on from there first"
    way_out = f"ALTER SEQUENCE {qualified(sequence.path)} RESTART WITH …"
    return (Hazard(HazardName.MAY_FAIL_ON_DATA, about, f"{what} ({way_out})"),)


def _bounds(options: SequenceOptions) -> tuple[int, int]:
    low, high = widest(options.type, options.increment)
    return (
        low if options.minimum is None else options.minimum,
        high if options.maximum is None else options.maximum,
    )


def _first(options: SequenceOptions) -> int:
    """Return the start value; the default is the bound at which counting begins."""
    if options.start is not None:
        return options.start
    if options.increment > 0:
        return 1 if options.minimum is None else options.minimum
    return -1 if options.maximum is None else options.maximum


def _create(obj: Sequence, context: Context) -> list[Step]:
    type_ = "" if obj.options.type == "bigint" else f" AS {obj.options.type.upper()}"
    kind = "UNLOGGED SEQUENCE" if obj.unlogged else "SEQUENCE"
    create = Step(
        sql=f"CREATE {kind} {qualified(obj.id.path)}{type_}{options_sql(obj.options)}",
        creates=(obj.id,),
        needs=(namespace(obj.id.path[0]),),
    )
    if obj.owned_by is None:
        return [create]
    if handed_on(obj.owned_by, context):
        return [create, own(obj, obj.owned_by)]
    return [create, own(obj, obj.owned_by), *continue_counting(obj.id, obj.options, obj.owned_by, context)]


def continue_counting(sequence: Identity, options: SequenceOptions, column: Identity, context: Context) -> list[Step]:
    """Let a new sequence begin after the greatest value in use, so that the first INSERT does not collide.

    Nothing is needed for a new column, whose rows the sequence fills, nor where no value in use is in its way.
    """
    owner: Any = context.target.get(column)
    facts = context.facts.tables.get(column.table)
    is_empty = facts is not None and facts.exact and facts.rows == 0
    if column not in context.source or is_empty or owner.type not in ("smallint", "integer", "bigint"):
        return []
    end, comparison = ("max", ">=") if options.increment > 0 else ("min", "<=")
    value = f"{end}({quote(column.name)})"
    name = literal(spelled(sequence.path))
    sql = (
        f"SELECT pg_catalog.setval({name}, {value}) FROM {qualified(column.table.path)}"
        f" HAVING {value} {comparison} {_first(options)}"
    )
    return [Step(sql=sql, needs=(column,), effort=Effort.SCAN)]


def own(obj: Sequence, owner: Identity | None) -> Step:
    """Return the step that gives a sequence an owner, or takes that away."""
    name = f"{qualified(owner.path[:2])}.{quote(owner.name)}" if owner else "NONE"
    return Step(
        sql=f"ALTER SEQUENCE {qualified(obj.id.path)} OWNED BY {name}",
        needs=(obj.id, owner) if owner else (),
        locks=_lock(obj),
        unseen=True,
        belongs_to=owner.table if owner else None,
    )


def keeping(column: Identity, context: Context) -> list[Sequence]:
    """Return the sequences that a column owns before the plan and after."""
    return context.once(_with_same_owner).get(column, [])


def _with_same_owner(context: Context) -> dict[Identity, list[Sequence]]:
    found: dict[Identity, list[Sequence]] = {}
    for obj in context.source.objects.values():
        new = context.target.get(obj.id)
        if isinstance(obj, Sequence) and isinstance(new, Sequence) and obj.owned_by == new.owned_by is not None:
            found.setdefault(new.owned_by, []).append(new)
    return found


def _change_owner(old: Sequence, new: Sequence, context: Context) -> list[Step]:
    """An owner that goes would take it along: that is left before, be it for none until the new one is there."""
    arrive = own(new, new.owned_by)
    if old.owned_by is None:
        return [arrive]
    frees = (old.owned_by,)
    if new.owned_by is None or new.owned_by in context.source or old.owned_by in context.target:
        return [replace(arrive, frees=frees)]
    return [replace(own(new, None), frees=frees), arrive]


def _lock(obj: Sequence) -> tuple[Lock, ...]:
    return (Lock(obj.id, LockMode.SHARE_ROW_EXCLUSIVE),)


def _drop(obj: Sequence, context: Context) -> list[Step]:
    if obj.owned_by is not None and obj.owned_by not in context.target:
        return []  # goes with its column
    # Where an owned one ends, its column stays and goes on counting elsewhere or not at all.
    name = HazardName.DROPS_DATA if obj.owned_by is None else HazardName.DROPS_OBJECT
    heirs = context.once(successors).get(obj.id)
    what = f"; {', '.join(map(str, heirs))} goes on counting from there" if heirs else " with its current value"
    hazard = Hazard(name, obj.id, f"sequence {obj.id} is dropped{what}")
    return [
        Step(
            sql=f"DROP SEQUENCE {qualified(obj.id.path)}",
            drops=(obj.id,),
            rebuilds=(obj.id,) if heirs else (),  # under another name
            frees=(obj.owned_by,) if obj.owned_by else (),  # it may be made anew
            locks=exclusive(obj.id),
            hazards=(hazard,),
        )
    ]


def _set_options(old: Sequence, new: Sequence, _context: Context) -> list[Step]:
    clauses = changed_options(old.options, new.options)
    if old.options.type != new.options.type:
        clauses.insert(0, f"AS {new.options.type.upper()}")
    if not clauses:
        return []
    hazards = may_stand_outside(new.id, new.id, old.options, new.options)
    sql = f"ALTER SEQUENCE {qualified(new.id.path)} {' '.join(clauses)}"
    return [Step(sql=sql, locks=_lock(new), hazards=hazards)]


def set_logged(obj: Sequence) -> list[Step]:
    """Return the step that makes a sequence logged or unlogged, as it is meant to be."""
    word = "UNLOGGED" if obj.unlogged else "LOGGED"
    return [Step(sql=f"ALTER SEQUENCE {qualified(obj.id.path)} SET {word}", locks=exclusive(obj.id))]


def _set_logged(old: Sequence, new: Sequence, context: Context) -> list[Step]:
    """Left to a table that changes likewise: it takes along what its columns own and sets again what is to differ."""
    table: Any = context.target.get(new.owned_by.table) if new.owned_by else None
    before: Any = context.source.get(table.id) if table else None
    if before is None or before.unlogged == table.unlogged:
        return set_logged(new)
    goes_along = old.owned_by is not None and old.owned_by.table == table.id
    return [] if goes_along or new.unlogged != table.unlogged else set_logged(new)


def _rename(old: Sequence, new: Sequence) -> Step:
    prefix, locks = f"ALTER SEQUENCE {qualified(old.id.path)}", exclusive(old.id)
    if new.owned_by is None:
        return rename_or_move(prefix, old.id, new.id, locks)
    return Step(sql=f"{prefix} RENAME TO {quote(new.id.name)}", locks=locks)  # nobody calls it by its name


KIND = Kind(
    name="sequence",
    plural="sequences",
    model=Sequence,
    catalog="pg_class",
    query=_query,
    decode=_decode,
    references=lambda o: [namespace(o.id.path[0])] if o.id.path[0] != DEFAULT_NAMESPACE else [],
    create=_create,
    drop=_drop,
    holds_data=True,
    on_change={
        "options": Alter(_set_options),
        "unlogged": Alter(_set_logged),
        "owned_by": Alter(_change_owner),
    },
    rename=_rename,
    resembles=lambda old, new: old.options == new.options and old.owned_by is None and new.owned_by is None,
    # An owned sequence is known by its column, whatever it is called.
    inferred_rename=lambda o: o.owned_by is not None,
    renamed=lambda o, ids: replace(
        o, id=ids.get(o.id, o.id), owned_by=ids.get(o.owned_by, o.owned_by) if o.owned_by else None
    ),
    moves_with=lambda o: o.owned_by.table if o.owned_by else None,
    sql_name=lambda o: f"SEQUENCE {qualified(o.id.path)}",
)
