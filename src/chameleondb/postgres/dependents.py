"""What views, functions and policies over some tables use besides these: without that, no copy of them can be made."""

from __future__ import annotations

from collections.abc import Iterable

from chameleondb.names import Identity, relation
from chameleondb.postgres.session import Connection, translated

# Upwards from the tables to whatever is made over them, be it over several views; then down to what all that uses. A
# view depends on nothing itself: its rule does (manual, pg_rewrite).
_BESIDE = """
    WITH RECURSIVE uses (classid, objid, refclassid, refobjid) AS MATERIALIZED (
        SELECT CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::regclass::oid END,
               coalesce(r.ev_class, d.objid), d.refclassid, d.refobjid
          FROM pg_catalog.pg_depend d
          LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
         WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype IN ('n', 'a')
           AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass,
                             'pg_catalog.pg_policy'::regclass)
           AND d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
    ), above (classid, objid) AS (
        SELECT 'pg_catalog.pg_class'::regclass::oid, c.oid
          FROM unnest(%s::text[], %s::text[]) w (schema, name)
          JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
          JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
        UNION
        SELECT u.classid, u.objid FROM above a JOIN uses u ON u.refclassid = a.classid AND u.refobjid = a.objid
    ), used (classid, objid) AS (
        SELECT classid, objid FROM above
        UNION
        SELECT u.refclassid, u.refobjid FROM used b JOIN uses u ON u.classid = b.classid AND u.objid = b.objid
    )
    SELECT n.nspname, c.relname
      FROM used u
      JOIN pg_catalog.pg_class c ON u.classid = 'pg_catalog.pg_class'::regclass AND c.oid = u.objid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'S')"""


def read_beside(connection: Connection, relations: Iterable[Identity]) -> frozenset[Identity]:
    """Return these relations, and the tables and sequences that are used by what uses them. Raises: DatabaseError."""
    paths = [identity.path for identity in relations]
    with translated():
        rows = connection.execute(_BESIDE.encode(), [[schema for schema, _ in paths], [name for _, name in paths]])
        return frozenset(relation(schema, name) for schema, name in rows)
