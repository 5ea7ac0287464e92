"""Schemas, which PostgreSQL's catalogs call namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chameleondb.kind import Context, Kind
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, quote
from chameleondb.names import namespace as namespace_id
from chameleondb.steps import Hazard, HazardName, Step

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A schema. Its identity is ``namespace/<name>``."""

    id: Identity


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
