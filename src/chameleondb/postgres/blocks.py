"""Statements of sql blocks in a database of their own: they must not reach beyond it, and what they make is told."""

from __future__ import annotations

import re

from psycopg import errors as pg

from chameleondb.errors import DatabaseError
from chameleondb.postgres.session import Connection, translated

_OURS = "keep roles, databases, tablespaces, privileges and settings of the server in scripts of your own"
_PRIVILEGES = re.compile(r"(?:GRANT|REVOKE)\b", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"\w+\s+SUBSCRIPTION\b", re.IGNORECASE)
_CONCURRENTLY = re.compile(
    r"(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\s+(?:INDEX|TABLE))\s+CONCURRENTLY\b", re.IGNORECASE
)

# Whoever changes roles and the like keeps a lock on their catalog, which belongs to no database, to the end of the
# transaction. That of dependencies on owners is let go at once by every statement that makes something.
_SHARED = """
    SELECT pg_catalog.min(l.relation::regclass::text) FROM pg_catalog.pg_locks l
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.database = 0
       AND l.mode = 'RowExclusiveLock' AND l.relation <> 'pg_catalog.pg_shdepend'::regclass"""


def run_block(connection: Connection, sql: str) -> None:
    """Run a statement, unless it changes what all databases of the server share. Nothing of it is left then.

    Raises: DatabaseError; CHM0351 for privileges, which no schema has; CHM0353.
    """
    if _PRIVILEGES.match(sql):
        raise DatabaseError("CHM0351", "privileges are no part of a schema, so this would never run", hint=_OURS)
    if _SUBSCRIPTION.match(sql):  # it lets its catalog go at once, and no database be dropped
        raise _beyond("it changes pg_subscription")
    try:
        with translated(sql), connection.transaction():
            connection.execute(sql.encode())
            row = connection.execute(_SHARED.encode()).fetchone()
            if row is not None and row[0] is not None:
                raise _beyond(f"it changes {row[0]}")
    except DatabaseError as error:
        if error.sqlstate != pg.ActiveSqlTransaction.sqlstate:
            raise
        if not runs_alone(sql):
            raise _beyond("it runs in no transaction") from None
        with translated(sql):
            connection.execute(sql.encode())


def runs_alone(sql: str) -> bool:
    """Whether PostgreSQL refuses a statement inside a transaction, as long as it is about one database."""
    return _CONCURRENTLY.match(sql) is not None


def _beyond(why: str) -> DatabaseError:
    message = f"this statement is about the server, not about one database ({why}), and was not run"
    return DatabaseError("CHM0353", message, hint=_OURS)


def schemas_of(connection: Connection, made: set[tuple[str, int]]) -> set[str]:
    """Return the schemas in which objects, given by catalog and OID, lie, or which they are.

    What an extension brings does not count, nor where PostgreSQL keeps long values.
    """
    pairs = sorted(made)
    with translated():
        rows = connection.execute(
            "SELECT DISTINCT (pg_catalog.parse_ident("
            "CASE o.catalog WHEN 'pg_namespace' THEN i.name ELSE i.schema END))[1]"
            " FROM unnest(%s::text[], %s::oid[]) o (catalog, oid)"
            " CROSS JOIN LATERAL (SELECT ('pg_catalog.' || o.catalog)::regclass::oid) c (classid)"
            " CROSS JOIN LATERAL pg_catalog.pg_identify_object(c.classid, o.oid, 0) i"
            " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
            " WHERE d.classid = c.classid AND d.objid = o.oid AND d.deptype = 'e')",
            [[catalog for catalog, _ in pairs], [oid for _, oid in pairs]],
        ).fetchall()
    return {row[0] for row in rows if row[0] is not None and not row[0].startswith("pg_toast")}
