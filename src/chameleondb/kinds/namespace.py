"""Schemas, which PostgreSQL's catalogs call namespaces."""

from __future__ import annotations

from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import Context, Kind
from chameleondb.language import Line, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import DEFAULT_NAMESPACE, LEDGER_NAMESPACE, Identity, namespace, quote
from chameleondb.names import namespace as namespace_id
from chameleondb.scope import Scope
from chameleondb.steps import Hazard, HazardName, Step
from chameleondb.syntax.parser import Lead
from chameleondb.syntax.tokens import name_text
from chameleondb.syntax.tree import Declaration

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Namespace:
    """A schema. Its identity is ``namespace/<name>``."""

    id: Identity


# --- Syntax --------------------------------------------------------------------------------------------------------


def _lower(scope: Scope, node: Declaration) -> None:
    identity = namespace(node.name)
    if not scope.claim(
        (identity.space, *identity.path), node.name_span, "CHM0208", f"namespace `{node.name}` is declared twice"
    ):
        return
    scope.use_namespace(node.name, node.name_span)
    if node.name != DEFAULT_NAMESPACE:  # which every database has
        scope.add(scope.draft(identity), Namespace(id=identity), node.name_span, node.name, node.docs)
    elif node.docs:
        scope.diagnostics.error(
            "CHM0110",
            f"a `///` comment cannot describe `{DEFAULT_NAMESPACE}`, which PostgreSQL has made and described",
            node.name_span,
            help=f'write it in PostgreSQL\'s words: sql """ COMMENT ON SCHEMA {DEFAULT_NAMESPACE} IS \'…\' """',
        )


def _finish(scope: Scope) -> None:
    """Declare the namespaces that are only used."""
    if LEDGER_NAMESPACE in scope.namespaces:
        scope.diagnostics.error(
            "CHM0211",
            f"the namespace `{LEDGER_NAMESPACE}` is that of Chameleon's ledger",
            scope.namespaces[LEDGER_NAMESPACE],
            help="choose another name; if a database has such a schema: ALTER SCHEMA chameleon RENAME TO …",
        )
    for name, span in scope.namespaces.items():
        identity = namespace(name)
        if name != DEFAULT_NAMESPACE and all(draft.key != identity for draft in scope.drafts):
            scope.add(scope.draft(identity), Namespace(id=identity), span, name)


def _print(obj: Namespace, page: Page) -> list[Line]:
    if obj.id.name == DEFAULT_NAMESPACE and not page.is_described(obj.id):
        return []  # it needs no declaration
    return [Line(obj.id, f"namespace {name_text(obj.id.name)}")]


SYNTAX = Syntax(
    model=Namespace,
    leads={"namespace": Lead(lambda _: {}, "a namespace")},
    lower=_lower,
    finish=_finish,
    print=_print,
)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(_version: int) -> str:
    return """
        SELECT n.oid, n.nspname
          FROM pg_catalog.pg_namespace n
         WHERE n.oid = ANY(%(namespaces)s) AND n.nspname <> 'public'
         ORDER BY n.nspname"""


def _decode(row: tuple[Any, ...], _oids: Oids) -> Namespace:
    return Namespace(id=namespace_id(row[1]))


# --- Changes -------------------------------------------------------------------------------------------------------


def _create(obj: Namespace, _context: Context) -> list[Step]:
    return [Step(sql=f"CREATE SCHEMA {quote(obj.id.name)}", creates=(obj.id,))]


def _drop(obj: Namespace, _context: Context) -> list[Step]:
    hazard = Hazard(
        HazardName.DROPS_OBJECT, obj.id, "the schema is dropped; PostgreSQL refuses if anything is left in it"
    )
    return [Step(sql=f"DROP SCHEMA {quote(obj.id.name)}", drops=(obj.id,), hazards=(hazard,))]


KIND = Kind(
    name="namespace",
    plural="schemas",
    model=Namespace,
    catalog="pg_namespace",
    query=_query,
    decode=_decode,
    references=lambda _: (),
    create=_create,
    drop=_drop,
    on_change={},
    sql_name=lambda o: f"SCHEMA {quote(o.id.name)}",
)
