"""Text that is not UTF-8: only a database of the encoding SQL_ASCII, which checks nothing, can hold it."""

from __future__ import annotations

from chameleondb.errors import DatabaseError
from chameleondb.postgres.session import Connection, translated

INVALID_BYTES = "22021"
_SHOWN = 5

_TEXTS = """
    SELECT what, pg_catalog.convert_to(text, 'SQL_ASCII') FROM (
        SELECT 'schema', n.nspname::text FROM pg_catalog.pg_namespace n
        UNION ALL SELECT 'relation', c.relname::text FROM pg_catalog.pg_class c
        UNION ALL SELECT 'column', c.relname || '.' || a.attname
                    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
                   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attname ~ '[^ -~]'
        UNION ALL SELECT 'constraint', k.conname::text FROM pg_catalog.pg_constraint k
        UNION ALL SELECT 'type', t.typname::text FROM pg_catalog.pg_type t WHERE t.typtype NOT IN ('b', 'c')
        UNION ALL SELECT 'label', e.enumlabel::text FROM pg_catalog.pg_enum e
        UNION ALL SELECT 'function', p.proname::text FROM pg_catalog.pg_proc p
        UNION ALL SELECT 'comment', d.description FROM pg_catalog.pg_description d
    ) t (what, text)
     WHERE text ~ '[^ -~]'
     ORDER BY 1, 2"""


def not_utf8(connection: Connection, error: DatabaseError) -> DatabaseError:
    """Return the error of a query that met such text, with the places where there is some."""
    with translated():
        rows = connection.execute(_TEXTS.encode()).fetchall()
    found = [f"{what} {text.decode(errors='backslashreplace')}" for what, text in rows if not _is_utf8(text)]
    places = "; ".join(found[:_SHOWN]) + (f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return DatabaseError(
        "CHM4017",
        f"the database holds text that is not UTF-8: {places or error.message}",
        hint="its encoding is SQL_ASCII, which checks nothing: in psql, with `SET client_encoding = SQL_ASCII`, give it"
        " another text; or restore a dump (pg_dump --encoding=LATIN1, say) into a database of the encoding UTF8",
        sqlstate=error.sqlstate,
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
