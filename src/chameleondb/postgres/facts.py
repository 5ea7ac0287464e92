"""Facts about the target's data: sizes, row counts, NULLs. Read only for the tables that a plan touches."""

from __future__ import annotations

from collections.abc import Mapping

from chameleondb.errors import NotSupported
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT, Facts, TableFacts
from chameleondb.names import Identity, spelled
from chameleondb.postgres.session import Connection, translated


def read_facts(
    connection: Connection,
    tables: Mapping[Identity, Identity],
    questions: Mapping[Identity, str],
    *,
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT,
) -> Facts:
    """Return the facts; `tables` maps what a table will be called to what it is called now.

    Small tables are counted; for large ones, and those that the role may not read, the server's estimate is taken.
    """
    with translated():
        limits = connection.execute(
            "SELECT pg_catalog.current_setting('max_locks_per_transaction')::int"
            " * (pg_catalog.current_setting('max_connections')::int"
            " + pg_catalog.current_setting('max_prepared_transactions')::int)"
        ).fetchone()
        assert limits is not None
        found = {new: _table_facts(connection, old, small_table_bytes) for new, old in tables.items()}
        answers = {identity: _count(connection, sql) for identity, sql in questions.items()}
    return Facts(
        server_version=connection.info.server_version,
        tables={identity: facts for identity, facts in found.items() if facts is not None},
        counts={identity: n for identity, n in answers.items() if n is not None},
        small_table_bytes=small_table_bytes,
        locks_max=limits[0],
    )


def _table_facts(connection: Connection, table: Identity, small_table_bytes: int) -> TableFacts | None:
    name = spelled(table.path)
    row = connection.execute(
        "SELECT pg_catalog.pg_table_size(c.oid), c.reltuples::bigint FROM pg_catalog.pg_class c"
        " WHERE c.oid = pg_catalog.to_regclass(%s) AND c.relkind = 'r'",
        [name],
    ).fetchone()
    if row is None:
        return None
    size, estimate = row
    counted = None
    if size <= small_table_bytes or estimate < 0:
        counted = _count(connection, f"SELECT count(*) FROM {name}")
    # A table that may not be looked into counts as one with rows.
    return TableFacts(size, max(estimate, 1), exact=False) if counted is None else TableFacts(size, counted)


def _count(connection: Connection, sql: str) -> int | None:
    """Return the answer to a question, None where the role may not ask."""
    try:
        with translated():
            row = connection.execute(sql.encode()).fetchone()
    except NotSupported:
        return None
    assert row is not None
    return int(row[0])
