"""Facts about the target's data: sizes, row counts, NULLs. Read only for the tables that a plan touches."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from chameleondb.errors import NotSupported
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT, Companion, Facts, TableFacts
from chameleondb.names import Identity, literal, relation, spelled
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


# Who may insert, less those whom ALTER DEFAULT PRIVILEGES gives what they need of a new sequence; what runs on UPDATE.
_TABLE = """
    SELECT pg_catalog.pg_table_size(c.oid), c.reltuples::bigint, ARRAY(
           SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC'
                  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END
             FROM (SELECT c.relacl
                   UNION ALL SELECT a.attacl FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid) s (acl)
            CROSS JOIN LATERAL pg_catalog.aclexplode(s.acl) x
            WHERE x.privilege_type = 'INSERT' AND x.grantee <> c.relowner
              AND NOT EXISTS (
                  SELECT FROM pg_catalog.pg_default_acl d
                   CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) y
                   WHERE d.defaclobjtype = 'S' AND d.defaclnamespace IN (0, c.relnamespace)
                     AND pg_catalog.pg_get_userbyid(d.defaclrole) = current_user
                     AND y.grantee IN (0, x.grantee) AND y.privilege_type IN ('USAGE', 'UPDATE'))
            GROUP BY x.grantee ORDER BY 1), ARRAY(
           SELECT 'trigger ' || pg_catalog.quote_ident(t.tgname) FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 16 <> 0
            UNION ALL
           SELECT 'rule ' || pg_catalog.quote_ident(r.rulename) FROM pg_catalog.pg_rewrite r
            WHERE r.ev_class = c.oid AND r.ev_type = '2' AND r.ev_enabled IN ('O', 'A')
            ORDER BY 1)
      FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(%s) AND c.relkind = 'r'"""


def _table_facts(connection: Connection, table: Identity, small_table_bytes: int) -> TableFacts | None:
    name = spelled(table.path)
    row = connection.execute(_TABLE.encode(), [name]).fetchone()
    if row is None:
        return None
    size, estimate, inserters, on_update = row
    rows = _rows(connection, name, size, estimate, small_table_bytes)
    return replace(rows, inserters=tuple(inserters), on_update=tuple(on_update))


def _rows(connection: Connection, name: str, size: int, estimate: int, small_table_bytes: int) -> TableFacts:
    counted = None
    if size <= small_table_bytes or estimate < 0:
        counted = _count(connection, f"SELECT count(*) FROM {name}")
    # A table that may not be looked into counts as one with rows.
    rows, exact = (max(estimate, 1), False) if counted is None else (counted, True)
    return TableFacts(size, rows, exact)


def _count(connection: Connection, sql: str) -> int | None:
    """Return the answer to a question, None where the role may not ask."""
    try:
        with translated():
            row = connection.execute(sql.encode()).fetchone()
    except NotSupported:
        return None
    assert row is not None
    return int(row[0])


# What holds data and belongs to an extension, be it by ALTER EXTENSION … ADD; ordinary tables by what they are called.
_MEMBERS = """
    SELECT w.number, CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'm' THEN 'materialized view' ELSE 'table' END,
           n.nspname, c.relname, CASE WHEN c.relkind <> 'S' THEN pg_catalog.pg_total_relation_size(c.oid) END,
           c.reltuples::bigint
      FROM unnest(%s::text[]) WITH ORDINALITY w (name, number)
      JOIN pg_catalog.pg_extension e ON e.extname = w.name
      JOIN pg_catalog.pg_depend d
        ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
           AND d.classid = 'pg_catalog.pg_class'::regclass
      JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm', 'S')
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     ORDER BY w.number, n.nspname, c.relname"""


def read_members(
    connection: Connection,
    dropped: Iterable[Identity],
    *,
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT,
) -> dict[Identity, tuple[str, ...]]:
    """Return the tables and sequences that belong to each dropped extension, and how many rows there are."""
    extensions = [identity for identity in dropped if identity.space == "extension"]
    if not extensions:
        return {}
    with translated():
        rows = connection.execute(_MEMBERS.encode(), [[e.name for e in extensions]]).fetchall()
    found: dict[Identity, tuple[str, ...]] = {}
    for number, word, schema, name, size, estimate in rows:
        text = f"{word} {relation(schema, name)}"
        if size is not None:
            facts = _rows(connection, spelled((schema, name)), size, estimate, small_table_bytes)
            text += f" ({facts.rows_text})" if facts.rows else ""
        extension = extensions[number - 1]
        found[extension] = (*found.get(extension, ()), text)
    return found


# What depends on a column or table so that PostgreSQL drops it without asking.
_COMPANIONS = """
    SELECT w.number, d.classid::regclass::text, i.type, i.identity, a.object_names
      FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY w (relation, attname, number)
      JOIN pg_catalog.pg_depend d
        ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = pg_catalog.to_regclass(w.relation)
           AND d.deptype = 'a'
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
     CROSS JOIN LATERAL pg_catalog.pg_identify_object_as_address(d.classid, d.objid, d.objsubid) a
     WHERE w.attname IS NULL OR d.refobjsubid = (
           SELECT c.attnum FROM pg_catalog.pg_attribute c WHERE c.attrelid = d.refobjid AND c.attname = w.attname)
     GROUP BY 1, 2, 3, 4, 5
     ORDER BY w.number, i.type, i.identity"""

_SPACES = {"pg_class": "relation", "pg_constraint": "constraint"}
_PARTS = ("pg_publication_rel",)  # of what stays, and is another without it


def read_companions(
    connection: Connection, dropped: Mapping[Identity, Identity], unmanaged: Container[Identity | tuple[str, str]]
) -> dict[Identity, tuple[Companion, ...]]:
    """Return what of `unmanaged`, identities and keys of unmodelled objects, would go with what is dropped.

    `dropped` maps what a table or column would be called to what it is called now.
    """
    if not dropped:
        return {}
    relations = [spelled(old.path[:2]) for old in dropped.values()]
    names = [old.name if old.space == "column" else None for old in dropped.values()]
    with translated():
        rows = connection.execute(_COMPANIONS.encode(), [relations, names]).fetchall()
    found: dict[Identity, tuple[Companion, ...]] = {}
    ids = list(dropped)
    for number, listed_in, word, text, path in rows:
        catalog = listed_in.removeprefix("pg_catalog.")
        space = _SPACES.get(catalog)
        companion = Companion(word, text, Identity(space, tuple(path)) if space else None)
        if companion.key in unmanaged or companion.id in unmanaged or catalog in _PARTS:
            identity = ids[number - 1]
            found[identity] = (*found.get(identity, ()), companion)
    return found


_SEQUENCES = b"""
    SELECT n.nspname, c.relname
      FROM unnest(%s::text[], %s::text[]) w (schema, name)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
     WHERE CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END"""

# On a copy that lacks it, this does nothing.
_STAND = """
    SELECT pg_catalog.setval(c.oid::pg_catalog.regclass, {value}, {is_called})
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind = 'S'"""


def read_positions(connection: Connection, relations: Iterable[Identity]) -> tuple[str, ...]:
    """Return the statements that let the sequences of a copy stand where these do. Raises: DatabaseError."""
    paths = [identity.path for identity in relations]
    sought = [schema for schema, _ in paths], [name for _, name in paths]
    found = []
    with translated():
        for schema, name in connection.execute(_SEQUENCES, sought).fetchall():
            query = f"SELECT last_value, is_called FROM {spelled((schema, name))}"
            ((value, is_called),) = connection.execute(query.encode()).fetchall()
            where = {"schema": literal(schema), "name": literal(name)}
            found.append(_STAND.format(value=value, is_called=is_called, **where))
    return tuple(found)
