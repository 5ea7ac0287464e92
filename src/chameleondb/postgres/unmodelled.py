"""What a database holds beyond the modelled kinds: found generically, so that nothing is ignored in silence.

Every system catalog with an `oid` column either can hold users' objects, and is listed here, or cannot, and is listed
in `NOT_OBJECTS` with the reason. A test compares both lists with the server.
"""

from __future__ import annotations

from collections.abc import Iterator

from chameleondb.model.oids import Oids
from chameleondb.model.schema import Unmodelled
from chameleondb.postgres.definitions import PARTS, definition
from chameleondb.postgres.session import Connection
from chameleondb.postgres.traits import read_traits

FIRST_USER_OID = 16384  # FirstNormalObjectId of the server

# Catalog → the expression that gives the namespace, or None for objects that lie in no schema.
OBJECT_CATALOGS: dict[str, str | None] = {
    "pg_class": "relnamespace",
    "pg_type": "typnamespace",
    "pg_proc": "pronamespace",
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_statistic_ext": "stxnamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
    "pg_trigger": "(SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid = tgrelid)",
    "pg_rewrite": "(SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid = ev_class)",
    "pg_policy": "(SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid = polrelid)",
    "pg_cast": None,
    "pg_language": None,
    "pg_event_trigger": None,
    "pg_foreign_data_wrapper": None,
    "pg_foreign_server": None,
    "pg_publication": None,
    "pg_subscription": None,
    "pg_transform": None,
    "pg_am": None,
    "pg_default_acl": None,
}

NOT_OBJECTS: dict[str, str] = {
    "pg_namespace": "schemas outside the managed ones are out of scope",
    "pg_extension": "modelled",
    "pg_constraint": "belongs to a table or domain; those of modelled tables are modelled",
    "pg_attrdef": "belongs to a column",
    "pg_enum": "belongs to an enum",
    "pg_amop": "belongs to an operator family",
    "pg_amproc": "belongs to an operator family",
    "pg_publication_rel": "belongs to a publication",
    "pg_publication_namespace": "belongs to a publication",
    "pg_user_mapping": "belongs to a foreign server; needs rights to read",
    "pg_largeobject_metadata": "data",
    "pg_authid": "shared by all databases",
    "pg_auth_members": "shared by all databases",
    "pg_database": "shared by all databases",
    "pg_tablespace": "shared by all databases",
    "pg_parameter_acl": "shared by all databases",
}

# What comes and goes with another object is not reported: a table's row type, an index's operator class, a view's rule.
_PARTS = """
    SELECT FROM pg_catalog.pg_depend d
     WHERE d.classid = o.classid AND d.objid = o.objid AND d.objsubid = 0
       AND (d.deptype IN ('e', 'i', 'P', 'S')
            OR (d.deptype = 'a' AND (o.catalog = 'pg_opfamily' OR EXISTS (
               SELECT FROM pg_catalog.pg_class s
               WHERE o.catalog = 'pg_class' AND s.oid = o.objid AND s.relkind = 'S'))))"""


# Per catalog: rows that are parts of something else by their nature, left out before anything is compared.
_WHOLE = {
    "pg_subscription": "subdbid = (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname = pg_catalog.current_database())",
    # Indexes go with their tables, TOAST tables lie elsewhere, an identity column has a sequence.
    "pg_class": "relkind NOT IN ('i', 'I', 't') AND (relkind <> 'S' OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
    " WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = pg_class.oid AND d.deptype = 'i'))",
    "pg_trigger": "NOT tgisinternal",
    "pg_rewrite": "rulename <> '_RETURN'",  # a view
    # No arrays, no pseudo-types but those that are only announced, and row types only if they stand by themselves.
    "pg_type": "(typtype <> 'p' OR NOT typisdefined) AND NOT (typtype = 'b' AND typelem <> 0 AND typlen = -1)"
    " AND (typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = typrelid))",
}


def _candidates() -> str:
    branches = []
    for catalog, namespace in OBJECT_CATALOGS.items():
        conditions = [f"oid >= {FIRST_USER_OID}"]
        if namespace is not None:
            conditions.append(f"{namespace} = ANY(%(namespaces)s)")
        if catalog in _WHOLE:
            conditions.append(_WHOLE[catalog])
        branches.append(f"SELECT '{catalog}', oid FROM pg_catalog.{catalog} WHERE {' AND '.join(conditions)}")
    return " UNION ALL ".join(branches)


def _describe(server_version: int) -> str:
    return f"""
    SELECT i.type, i.identity, {definition(server_version)}, {PARTS}
      FROM (SELECT u.catalog, ('pg_catalog.' || u.catalog)::regclass::oid AS classid, u.objid
              FROM unnest(%(catalogs)s::text[], %(oids)s::oid[]) u (catalog, objid)) o
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, 0) i
     WHERE NOT EXISTS ({_PARTS})
     ORDER BY i.type, i.identity"""


def read_unmodelled(connection: Connection, oids: Oids, namespaces: list[int]) -> tuple[Unmodelled, ...]:
    """Return every object of the managed schemas, and every object in no schema, that no kind has claimed.

    What somebody has set on claimed ones beyond their models follows.
    """
    rows = connection.execute(_candidates().encode(), {"namespaces": namespaces}).fetchall()
    traits = read_traits(connection, oids, rows, namespaces)
    return (*_described(connection, [row for row in rows if row not in oids.objects]), *traits)


def _described(connection: Connection, rest: list[tuple[str, int]]) -> Iterator[Unmodelled]:
    if not rest:
        return
    parameters = {"catalogs": [catalog for catalog, _ in rest], "oids": [oid for _, oid in rest]}
    query = _describe(connection.info.server_version)
    for row in connection.execute(query.encode(), parameters):
        yield Unmodelled(row[0], row[1] or "", row[2] or "", tuple(row[3] or ()))


def read_oids(connection: Connection) -> set[tuple[str, int]]:
    """Return catalog and OID of everything users made: compare two of these to see what a statement created."""
    catalogs = [*OBJECT_CATALOGS, "pg_constraint", "pg_attrdef", "pg_namespace", "pg_extension"]
    query = " UNION ALL ".join(f"SELECT '{c}', oid FROM pg_catalog.{c} WHERE oid >= {FIRST_USER_OID}" for c in catalogs)
    return {(row[0], row[1]) for row in connection.execute(query.encode())}
