"""Whether others changed what a snapshot shows, while it was being read.

The functions that print definitions (pg_get_expr, pg_get_indexdef) look at the catalogs of this moment, not of the
snapshot: where a table is dropped or altered meanwhile, they fail, print nothing or print a mixture. A row that the
snapshot shows and that a later transaction has replaced or deleted carries the number of that transaction (`xmax`).
"""

from __future__ import annotations

from collections.abc import Sequence

from chameleondb.postgres.session import Connection

# Catalog → the column that says whose a row is: of a schema, a relation or a type.
_CATALOGS = {
    "pg_class": "relnamespace",
    "pg_attribute": "attrelid",
    "pg_attrdef": "adrelid",
    "pg_constraint": "connamespace",
    "pg_index": "indrelid",
    "pg_trigger": "tgrelid",
    "pg_rewrite": "ev_class",
    "pg_sequence": "seqrelid",
    "pg_type": "typnamespace",
    "pg_enum": "enumtypid",
    "pg_proc": "pronamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_collation": "collnamespace",
    "pg_namespace": "oid",
    "pg_extension": "extnamespace",
}
_MARKS = " UNION ALL ".join(
    f"SELECT xmax, {owner} FROM pg_catalog.{catalog} WHERE xmax <> '0'" for catalog, owner in _CATALOGS.items()
)

# Of other schemas nothing counts: temporary tables come and go all the time. `xmax` lacks the upper half of a
# transaction's number: it is the one that is nearest to the snapshot.
_CHANGES = f"""
    WITH marked (mark, owner) AS MATERIALIZED ({_MARKS}),
         latest AS (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS number),
         numbered AS (
        SELECT DISTINCT l.number - 2147483648
               + (m.mark::text::bigint - l.number %% 4294967296 + 6442450944) %% 4294967296 AS number
          FROM marked m, latest l
         WHERE m.owner = ANY(%(namespaces)s)
            OR m.owner IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = ANY(%(namespaces)s))
            OR m.owner IN (SELECT oid FROM pg_catalog.pg_type WHERE typnamespace = ANY(%(namespaces)s)))
    SELECT number FROM numbered WHERE number > 2 AND pg_catalog.pg_xact_status(number::text::xid8) = 'committed'"""


def read_changes(connection: Connection, namespaces: Sequence[str]) -> set[int]:
    """Return the transactions that have changed what the snapshot of the open transaction shows of some schemas.

    One that only locked a row is among them, and will be again. Raises: psycopg.Error.
    """
    numbers = connection.execute(
        "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s)", [list(namespaces)]
    ).fetchall()
    rows = connection.execute(_CHANGES.encode(), {"namespaces": [row[0] for row in numbers]})
    return {row[0] for row in rows}
