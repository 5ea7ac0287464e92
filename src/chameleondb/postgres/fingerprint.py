"""Whether anything in the catalogs has changed since an earlier look, without reading what they say.

A change of a catalog writes a row anew, by a transaction (`xmin`) and in a place (`ctid`) that no row has had together
while the server runs. So a hash over those two of all rows stays the same as long as the rows do. A server that was
stopped may go on with an older copy of its files, and use the same numbers again: what it said before counts no more.
"""

from __future__ import annotations

from chameleondb.postgres.session import Connection, translated

# hash_record_extended() is new in 14. Before that, some changes of pg_index were made in place, too.
_OLDEST_VERSION = 140000

# Statistics and data, which come and go without a change of any definition.
_NO_DEFINITIONS = ("pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_subscription_rel")

# The planner would ask for the privileges of every user's table first.
_CATALOGS = """
    WITH catalogs AS MATERIALIZED (
        SELECT c.oid, c.relname FROM pg_catalog.pg_class c
         WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.relname <> ALL(%s)
           AND (NOT c.relisshared OR c.relname = 'pg_tablespace'))
    SELECT relname FROM catalogs WHERE pg_catalog.has_table_privilege(oid, 'SELECT') ORDER BY relname"""

_SERVER = """
    SELECT pg_catalog.version() || ' ' || pg_catalog.pg_postmaster_start_time() || ' '
        || (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"""


def read_fingerprint(connection: Connection) -> str | None:
    """Return a text that stays the same only while no catalog changes; None where the server is too old to tell.

    It covers what it is followed by: read it before the catalogs that it stands for. Raises: DatabaseError.
    """
    if connection.info.server_version < _OLDEST_VERSION:
        return None
    rows = _ROWS_18 if connection.info.server_version >= 180000 else _ROWS
    with translated():
        names = [row[0] for row in connection.execute(_CATALOGS.encode(), [list(_NO_DEFINITIONS)])]
        parts = [f"({_SERVER})", *(f"(SELECT {rows} FROM pg_catalog.{name})" for name in names)]
        row = connection.execute(f"SELECT pg_catalog.concat_ws(E'\\n', {', '.join(parts)})".encode()).fetchone()
    assert row is not None
    return "\n".join([*names, row[0]])


_ROWS = "count(*) || ' ' || sum(pg_catalog.hash_record_extended(ROW(xmin, ctid), 0))"
# In half the time; hashxidextended() is new.
_ROWS_18 = "count(*) || ' ' || sum(pg_catalog.hashtidextended(ctid, pg_catalog.hashxidextended(xmin, 0)))"
