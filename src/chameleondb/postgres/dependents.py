"""What no kind models and depends on tables and types: it may be in the way of a change."""

from __future__ import annotations

from collections.abc import Iterable

from chameleondb.names import Identity, relation, spelled
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
    """Return these relations, and the tables and sequences that are used by what uses them.

    Without these, no copy of views, functions and policies over the relations can be made. Raises: DatabaseError.
    """
    paths = [identity.path for identity in relations]
    with translated():
        rows = connection.execute(_BESIDE.encode(), [[schema for schema, _ in paths], [name for _, name in paths]])
        return frozenset(relation(schema, name) for schema, name in rows)


# Of types, rows of tables and arrays of both. A composite type depends by its columns, and is known as a type.
_USERS = """
    SELECT w.number, i.type, i.identity
      FROM unnest(%s::text[]) WITH ORDINALITY w (name, number)
      JOIN pg_catalog.pg_type t ON t.oid = pg_catalog.to_regtype(w.name)
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass
                                 AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a')
      LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
                                     AND c.relkind = 'c'
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(
               CASE WHEN c.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_type'::regclass END,
               coalesce(c.reltype, d.objid), 0) i
     GROUP BY 1, 2, 3
     ORDER BY 1, 2, 3"""


def read_users(connection: Connection, types: Iterable[Identity]) -> tuple[tuple[Identity, str, str], ...]:
    """Return what depends on types, or on tables as types: each with PostgreSQL's word and its text for the object.

    Raises: DatabaseError.
    """
    sought = list(types)
    with translated():
        rows = connection.execute(_USERS.encode(), [[spelled(i.path) for i in sought]]).fetchall()
    return tuple((sought[number - 1], word, identity) for number, word, identity in rows)
