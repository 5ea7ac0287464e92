"""Whether the ledger is still protected from everybody but its owner."""

from __future__ import annotations

from chameleondb.postgres.ledger.tables import FUNCTIONS
from chameleondb.postgres.session import Connection, translated

_FUNCTIONS = """
SELECT p.proname, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex'),
    p.prosecdef, p.proconfig, l.lanname
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname = 'chameleon'
    AND (p.proname, pg_catalog.oidvectortypes(p.proargtypes)) IN (('append', 'text, text'), ('refuse', ''))"""


def replaced_functions(connection: Connection) -> tuple[str, ...]:
    """Return the names of the ledger's functions that are missing or not what we made. Raises: DatabaseError."""
    with translated():
        rows = connection.execute(_FUNCTIONS.encode()).fetchall()
    found = {
        name
        for name, body, is_definer, config, language in rows
        if body == FUNCTIONS[name]
        and is_definer == (name == "append")
        and config == ["search_path=pg_catalog, pg_temp"]
        and language == "plpgsql"
    }
    return tuple(name for name in FUNCTIONS if name not in found)
