"""Enum types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.errors import PlanError
from chameleondb.frozen import frozen
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds.clauses import alter_table, exclusive, follow, rename_or_move
from chameleondb.kinds.column import Column
from chameleondb.kinds.column.storage import store_as_said
from chameleondb.language import Line, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Schema
from chameleondb.names import (
    DEFAULT_NAMESPACE,
    Identity,
    label,
    literal,
    namespace,
    object_name,
    qualified,
    qualified_type,
    quote,
    type_,
)
from chameleondb.plurals import pascal_case, type_name
from chameleondb.scope import Scope
from chameleondb.steps import Effort, Hazard, HazardName, Step, Transaction
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.parser import Lead
from chameleondb.syntax.tokens import enquote, name_text
from chameleondb.syntax.tree import Declaration

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Enum:
    """An enum type, ``type/<schema>/<name>``, and its labels in sort order."""

    id: Identity
    values: tuple[str, ...]


# --- Syntax --------------------------------------------------------------------------------------------------------


def _type(cursor: Cursor) -> tuple[str, str]:
    cursor.advance()
    return "type", cursor.name("a type name")


def _was(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    cursor.advance()
    return "was", productions.former_names(cursor, lambda name, _quoted: (type_name(name), name))


def _value(cursor: Cursor) -> tuple[str, str | None, int]:
    at = cursor.at
    value = _text(cursor, "a value")
    return value, _text(cursor, "a former value") if cursor.accept("was") else None, at


def _text(cursor: Cursor, expected: str) -> str:
    """Read the text of a value, which unlike a name may be empty."""
    if cursor.text != '""':
        return cursor.name(expected)
    cursor.advance()
    return ""


def _declaration(cursor: Cursor) -> dict[str, Any]:
    """["in" name] ["type" name] ["was" names] "{" value ["was" value] { "," … } "}"."""
    head = {"in": productions.in_namespace, "type": _type, "was": _was}
    values: dict[str, Any] = productions.options(cursor, head)
    cursor.expect("{", "before the values of an enum")
    empty = cursor.accept("}")
    values["values"] = () if empty else cursor.listed(lambda: _value(cursor), "}", "or `,` after a value")
    return values


def _enter(scope: Scope, node: Declaration) -> None:
    if not scope.claim(("name", node.name), node.name_span, "CHM0201", f"`{node.name}` is declared twice"):
        return
    schema = scope.use_namespace(node.values.get("schema"), node.name_span)
    identity = type_(schema, node.values.get("type") or type_name(node.name))
    scope.claim((identity.space, *identity.path), node.name_span, "CHM0203", f"two types are called `{identity}`")
    labels: dict[str, int] = {}
    for value, _, at in node.values["values"]:
        span = node.tokens.span(at, at)
        scope.claim(("value", node.name, value), span, "CHM0204", f"enum `{node.name}` has the value `{value}` twice")
        labels[value] = at
    scope.named_types[node.name] = qualified_type(identity.path)
    scope.type_labels[qualified_type(identity.path)] = tuple(labels)
    scope.add(scope.draft(identity), Enum(id=identity, values=tuple(labels)), node.name_span, node.name, node.docs)
    if "was" in node.values:
        scope.hint(identity, "enum", node.name_span, was=node.values["was"])
    for value, was, at in node.values["values"]:
        if was is not None:
            scope.hint(label(identity, value), "value", node.tokens.span(at, at), was=(was,))


def _print(obj: Enum, page: Page) -> list[Line]:
    title = page.title(obj.id)
    assert title is not None
    head = f"enum {name_text(title)}"
    if obj.id.path[0] != DEFAULT_NAMESPACE:
        head += f" in {name_text(obj.id.path[0])}"
    if type_name(title) != obj.id.name:
        head += f" type {enquote(obj.id.name)}"
    return [Line(obj.id, f"{head} {{ {', '.join(map(name_text, obj.values))} }}" if obj.values else f"{head} {{}}")]


SYNTAX = Syntax(
    model=Enum,
    leads={"enum": Lead(_declaration, "an enum name")},
    enter=_enter,
    print=_print,
    title=lambda obj: pascal_case(obj.id.name),
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(_version: int) -> str:
    return """
        SELECT t.oid, n.nspname, t.typname,
               ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
                      WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
          FROM pg_catalog.pg_type t
          JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
         WHERE t.typtype = 'e' AND t.typnamespace = ANY(%(namespaces)s)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                            WHERE e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
         ORDER BY n.nspname, t.typname"""


def _decode(row: tuple[Any, ...], _oids: Oids) -> Enum:
    return Enum(id=type_(row[1], row[2]), values=tuple(row[3]))


# --- Changes -------------------------------------------------------------------------------------------------------


def _create(obj: Enum, _context: Context) -> list[Step]:
    labels = ", ".join(map(literal, obj.values))
    sql = f"CREATE TYPE {qualified_type(obj.id.path)} AS ENUM ({labels})"
    return [Step(sql=sql, creates=(obj.id,), needs=(namespace(obj.id.path[0]),))]


def _drop(obj: Enum, _context: Context) -> list[Step]:
    hazard = Hazard(
        HazardName.DROPS_OBJECT, obj.id, "the enum type is dropped; PostgreSQL refuses while a column uses it"
    )
    return [Step(sql=f"DROP TYPE {qualified_type(obj.id.path)}", drops=(obj.id,), hazards=(hazard,))]


def _set_values(old: Enum, new: Enum, context: Context) -> list[Step]:
    """Add the new labels where they belong; if one goes or moves, build the type anew. Renames are done by now."""
    if _is_rebuilt(old, new):
        held = context.facts.counts.get(new.id, 0)
        if held:
            raise PlanError(
                "CHM1008",
                f"{new.id} cannot lose {_gone(old, new)}: {held:,} value{'s hold' if held != 1 else ' holds'} it still",
                hint="give those rows another value first, or keep the label; `was` renames one",
            )
        return _rebuild(old, new, context)
    return _add_values(old.values, new)


def _add_values(values: tuple[str, ...], new: Enum) -> list[Step]:
    present, steps = list(values), []
    for i, value in enumerate(new.values):
        if value in present:
            continue
        place = ""
        if i < len(present):
            place = f" BEFORE {literal(present[i])}"
        present.insert(i, value)
        sql = f"ALTER TYPE {qualified_type(new.id.path)} ADD VALUE {literal(value)}{place}"
        hazard = Hazard(HazardName.NOT_REVERSIBLE, new.id, "PostgreSQL cannot take a label away again")
        # A new label must be committed before anything uses it, even a default (manual, ALTER TYPE).
        steps.append(Step(sql=sql, needs=(new.id,), transaction=Transaction.OWN, hazards=(hazard,)))
    return steps


def _rebuild(old: Enum, new: Enum, context: Context) -> list[Step]:
    """Set the old type aside, create the new one, convert every column, drop the old."""
    name = qualified_type(new.id.path)
    aside = type_(new.id.path[0], object_name(new.id.name, "", "old"))
    steps = [
        Step(sql=f"ALTER TYPE {name} RENAME TO {quote(aside.name)}", needs=(new.id,)),
        *[replace(s, creates=(), needs=(new.id,)) for s in _create(new, context)],
    ]
    for column in _columns(new, context.source, context.target):
        if column.generated is None:  # which gives way
            steps += _convert(column, _gone(old, new), context)
    return [*steps, Step(sql=f"DROP TYPE {qualified_type(aside.path)}", rebuilds=(new.id,))]


def _gone(old: Enum, new: Enum) -> str:
    return ", ".join(literal(value) for value in old.values if value not in new.values)


def _question(old: Enum, new: Enum, source: Schema, target: Schema) -> str | None:
    """How many values hold a label that goes away; not asked of a type, label or column that is being renamed."""
    gone, found = _gone(old, new), source.get(old.id)
    if not gone or found != old:
        return None
    counts = []
    for column in _columns(old, source, target):
        if column.generated is not None:
            continue  # computed anew
        name = quote(column.id.name)
        holds = f"{name}::text[] && ARRAY[{gone}]" if column.type.endswith("[]") else f"{name}::text IN ({gone})"
        counts.append(f"(SELECT count(*) FROM {qualified(column.id.path[:2])} WHERE {holds})")
    return f"SELECT {' + '.join(counts)}" if counts else None


def _columns(obj: Enum, source: Schema, target: Schema) -> list[Column]:
    """Return the columns of the type, or of arrays of it, that stay so: others never meet the new one."""
    name = qualified_type(obj.id.path)
    columns = (o for o in source.objects.values() if isinstance(o, Column) and o.type in (name, f"{name}[]"))
    return [o for o in columns if isinstance(new := target.get(o.id), Column) and new.type == o.type]


def _is_rebuilt(old: Enum, new: Enum) -> bool:
    """Whether a label goes or moves, which PostgreSQL does not do."""
    return list(old.values) != [v for v in new.values if v in old.values]


def _unsettles(old: Enum, new: Enum, context: Context) -> list[Identity]:
    """What compares with a label, such as the condition of an index, would go on comparing with the old type."""
    columns = _columns(new, context.source, context.target)
    return [new.id, *(column.id for column in columns)] if _is_rebuilt(old, new) else []


def _convert(column: Column, gone: str, context: Context) -> list[Step]:
    table, name = column.id.table, quote(column.id.name)
    alter = f"{alter_table(table)} ALTER COLUMN {name}"
    text = "text[]" if column.type.endswith("[]") else "text"
    target = context.target.get(column.id)
    assert isinstance(target, Column)
    hazard = Hazard(
        HazardName.MAY_FAIL_ON_DATA,
        column.id,
        f"rows that hold {gone} stop the change; update them first",
    )
    convert = Step(
        sql=f"{alter} TYPE {column.type} USING {name}::{text}::{column.type}",
        retypes=(column.id,),
        locks=exclusive(table),
        effort=Effort.REWRITE,
        hazards=(hazard,) if gone and context.table_facts(table).rows else (),
    )
    convert_and_store = [convert, *store_as_said(target)]
    if column.default is None:
        return convert_and_store
    steps = [Step(sql=f"{alter} DROP DEFAULT", locks=exclusive(table)), *convert_and_store]
    if target.default == column.default:  # another one is set by the column itself
        steps.append(Step(sql=f"{alter} SET DEFAULT {target.default}", locks=exclusive(table)))
    return steps


def _rename(old: Enum, new: Enum) -> Step:
    return rename_or_move(f"ALTER TYPE {qualified_type(old.id.path)}", old.id, new.id)


def _rename_label(obj: Enum, old: str, new: str) -> Step:
    hazard = Hazard(HazardName.BREAKS_CODE, obj.id, f"code that still says {old!r} fails")
    sql = f"ALTER TYPE {qualified_type(obj.id.path)} RENAME VALUE {literal(old)} TO {literal(new)}"
    return Step(sql=sql, needs=(obj.id,), hazards=(hazard,))


def _renamed(obj: Enum, ids: Renamed) -> Enum:
    return replace(obj, id=follow(obj.id, ids), values=tuple(follow(label(obj.id, v), ids).name for v in obj.values))


KIND = Kind(
    name="enum",
    plural="enums",
    model=Enum,
    catalog="pg_type",
    query=_query,
    decode=_decode,
    references=lambda o: [namespace(o.id.path[0])] if o.id.path[0] != DEFAULT_NAMESPACE else [],
    create=_create,
    drop=_drop,
    on_change={"values": Alter(_set_values)},
    unsettles=_unsettles,
    question=_question,
    rename=_rename,
    parts=lambda o: [label(o.id, value) for value in o.values],
    rename_part=_rename_label,
    renamed=_renamed,
    sql_name=lambda o: f"TYPE {qualified_type(o.id.path)}",
)
