"""Extensions."""

from __future__ import annotations

from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import Alter, Context, Kind
from chameleondb.language import Line, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import DEFAULT_NAMESPACE, Identity, literal, namespace, qualified_type, quote
from chameleondb.scope import Scope
from chameleondb.steps import Hazard, HazardName, Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.parser import Lead
from chameleondb.syntax.tokens import enquote, name_text
from chameleondb.syntax.tree import Declaration
from chameleondb.types import EXTENSION_TYPES

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Extension:
    """An installed extension, ``extension/<name>``. A `schema` or `version` of None was not declared: any will do."""

    id: Identity
    schema: str | None = None
    version: str | None = None


# --- Syntax --------------------------------------------------------------------------------------------------------


def _version(cursor: Cursor) -> tuple[str, str]:
    cursor.advance()
    return "version", cursor.string("a version")


def _head(cursor: Cursor) -> dict[str, Any]:
    return productions.options(cursor, {"in": productions.in_namespace, "version": _version})


def _enter(scope: Scope, node: Declaration) -> None:
    identity = Identity("extension", (node.name,))
    if not scope.claim(
        (identity.space, *identity.path), node.name_span, "CHM0208", f"extension `{node.name}` is declared twice"
    ):
        return
    schema, version = node.values.get("schema"), node.values.get("version")
    scope.use_namespace(schema, node.name_span)
    scope.extensions[node.name] = schema
    obj = Extension(id=identity, schema=schema, version=version)
    scope.add(scope.draft(identity), obj, node.name_span, node.name, node.docs)


def _finish(scope: Scope) -> None:
    """Declare the extensions whose types are used."""
    for name, span in scope.needed_extensions.items():
        identity = Identity("extension", (name,))
        scope.add(scope.draft(identity), Extension(id=identity), span, name)


def _print(obj: Extension, _page: Page) -> list[Line]:
    """The version is left out: a schema would be tied to what one server happens to have."""
    place = f" in {name_text(obj.schema)}" if obj.schema not in {None, DEFAULT_NAMESPACE} else ""
    return [Line(obj.id, f"extension {enquote(obj.id.name)}{place}")]


def _spell(sql: str, page: Page) -> str | None:
    name, bracket, arguments = sql.partition("(")
    bare = name.rpartition(".")[2].removesuffix("[]")
    extension = page.schema.get(Identity("extension", (EXTENSION_TYPES.get(bare, ""),)))
    if not isinstance(extension, Extension):
        return None
    own = qualified_type((extension.schema or DEFAULT_NAMESPACE, bare))
    return bare + name.removeprefix(own) + bracket + arguments if name.removesuffix("[]") == own else None


SYNTAX = Syntax(
    model=Extension,
    leads={"extension": Lead(_head, "the name of an extension")},
    enter=_enter,
    finish=_finish,
    print=_print,
    spell=_spell,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(_version: int) -> str:
    return """
        SELECT e.oid, e.extname, n.nspname, e.extversion
          FROM pg_catalog.pg_extension e
          JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname <> 'plpgsql'
         ORDER BY e.extname"""


def _decode(row: tuple[Any, ...], _oids: Oids) -> Extension:
    return Extension(id=Identity("extension", (row[1],)), schema=row[2], version=row[3])


# --- Changes -------------------------------------------------------------------------------------------------------


def _create(obj: Extension, _context: Context) -> list[Step]:
    sql = f"CREATE EXTENSION {quote(obj.id.name)}"
    if obj.schema is not None and obj.schema != DEFAULT_NAMESPACE:
        sql += f" SCHEMA {quote(obj.schema)}"
    if obj.version is not None:
        sql += f" VERSION {literal(obj.version)}"
    return [Step(sql=sql, creates=(obj.id,), needs=tuple(_references(obj)))]


def _references(obj: Extension) -> list[Identity]:
    return [namespace(obj.schema)] if obj.schema not in (None, DEFAULT_NAMESPACE) else []


def _drop(obj: Extension, context: Context) -> list[Step]:
    members = context.facts.members.get(obj.id)
    if members:
        what = f"extension {obj.id} is dropped with what belongs to it: {', '.join(members)}"
        hazard = Hazard(HazardName.DROPS_DATA, obj.id, what)
    else:
        hazard = Hazard(HazardName.DROPS_OBJECT, obj.id, "the extension's types and functions go with it")
    return [Step(sql=f"DROP EXTENSION {quote(obj.id.name)}", drops=(obj.id,), hazards=(hazard,))]


def _set_schema(_old: Extension, new: Extension, _context: Context) -> list[Step]:
    if new.schema is None:
        return []
    return [
        Step(sql=f"ALTER EXTENSION {quote(new.id.name)} SET SCHEMA {quote(new.schema)}", needs=tuple(_references(new)))
    ]


def _update(_old: Extension, new: Extension, _context: Context) -> list[Step]:
    if new.version is None:
        return []
    return [Step(sql=f"ALTER EXTENSION {quote(new.id.name)} UPDATE TO {literal(new.version)}")]


def _settle(declared: Extension, elaborated: Extension) -> Extension:
    """Any version and schema will do where none was declared: the shadow's default must not become a demand."""
    return Extension(
        id=elaborated.id,
        schema=None if declared.schema is None else elaborated.schema,
        version=None if declared.version is None else elaborated.version,
    )


KIND = Kind(
    name="extension",
    plural="extensions",
    model=Extension,
    catalog="pg_extension",
    query=_query,
    decode=_decode,
    references=_references,
    create=_create,
    drop=_drop,
    on_change={"schema": Alter(_set_schema), "version": Alter(_update)},
    sql_name=lambda o: f"EXTENSION {quote(o.id.name)}",
    settle=_settle,
)
