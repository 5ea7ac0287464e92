"""Nothing is ignored in silence: every catalog that can hold users' objects is looked through."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from chameleondb.kinds import KINDS
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.unmodelled import NOT_OBJECTS, OBJECT_CATALOGS
from chameleondb.postgres.url import Target
from tests.cluster import Databases


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    opened = connect(Target(database, "the test database", "a test"))
    yield opened
    opened.close()


def test_every_catalog_with_oids_is_in_one_of_the_two_lists(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND a.attname = 'oid'"
    ).fetchall()
    known = OBJECT_CATALOGS.keys() | NOT_OBJECTS.keys()
    assert sorted(row[0] for row in rows if row[0] not in known) == []


def test_no_catalog_is_in_both_lists() -> None:
    assert OBJECT_CATALOGS.keys() & NOT_OBJECTS.keys() == set()


UNMODELLED = {
    "aggregate": "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
    "cast": "CREATE TYPE box2 AS (a int); CREATE CAST (box2 AS text) WITH INOUT",
    "collation": 'CREATE COLLATION mine FROM "C"',
    "composite type": "CREATE TYPE pair AS (a int, b int)",
    "domain": "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "event trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION e()",
    "foreign-data wrapper": "CREATE FOREIGN DATA WRAPPER w",
    "function": "CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1",
    "materialized view": "CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a",
    "operator": "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "operator class": "CREATE OPERATOR CLASS oc FOR TYPE int USING hash AS OPERATOR 1 =",
    "policy": "CREATE TABLE t (a int); CREATE POLICY p ON t USING (true)",
    "procedure": "CREATE PROCEDURE pr() LANGUAGE sql AS 'SELECT 1'",
    "publication": "CREATE PUBLICATION pub",
    "rule": "CREATE TABLE t (a int); CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
    "server": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
    "shell type": "CREATE TYPE shell",
    "statistics object": "CREATE TABLE t (a int, b int); CREATE STATISTICS st ON a, b FROM t",
    "table": "CREATE TABLE parent (a int) PARTITION BY LIST (a)",
    "text search configuration": "CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple)",
    "text search dictionary": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    "trigger": "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "view": "CREATE VIEW v AS SELECT 1 AS a",
}
_WORD = {"composite type": "type", "domain": "type", "shell type": "type"}


@pytest.mark.parametrize("kind", sorted(UNMODELLED))
def test_an_object_of_a_kind_we_do_not_model_is_reported(connection: Connection, database: str, kind: str) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute(UNMODELLED[kind].encode())
    schema = read_schema(connection, KINDS)
    assert _WORD.get(kind, kind) in {u.type for u in schema.unmodelled}


def test_a_subscription_of_this_database_is_reported(
    connection: Connection, database: str, databases: Databases
) -> None:
    make = b"CREATE SUBSCRIPTION %s CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE)"
    names = {database: "ours", databases.new(): "theirs"}
    for dsn, name in names.items():
        with psycopg.connect(dsn, autocommit=True) as made:
            made.execute(make % name.encode())
    try:
        found = [u.identity for u in read_schema(connection, KINDS).unmodelled if u.type == "subscription"]
    finally:
        for dsn, name in names.items():
            with psycopg.connect(dsn, autocommit=True) as made:
                made.execute(f"DROP SUBSCRIPTION {name}".encode())
    assert found == ["ours"]


def test_partitions_and_inheritance_children_are_reported_and_not_managed(
    connection: Connection, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute(
            "CREATE TABLE parent (a int PRIMARY KEY) PARTITION BY LIST (a);"
            " CREATE TABLE part PARTITION OF parent FOR VALUES IN (1);"
            " CREATE TABLE base (a int); CREATE TABLE child (b int) INHERITS (base)"
        )
    schema = read_schema(connection, KINDS)
    assert [u.identity for u in schema.unmodelled if u.type == "table"] == [
        "public.base",
        "public.child",
        "public.parent",
        "public.part",
    ]
    assert list(schema.objects) == []


def test_what_an_extension_owns_is_neither_read_nor_reported(connection: Connection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        available = made.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        if available != (1,):
            pytest.skip("this server lacks pgvector")
        made.execute("CREATE EXTENSION vector")
    schema = read_schema(connection, KINDS)
    assert schema.unmodelled == ()
    assert [str(i) for i in schema.objects] == ["vector"]


TRAITS = {
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY": ("row security setting", "public.t", "enabled"),
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY": (
        "row security setting",
        "public.t",
        "enabled, forced",
    ),
    "ALTER TABLE t CLUSTER ON t_pkey": ("cluster mark", "public.t", "t_pkey"),
    "ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 500": ("statistics target", "public.i.lower", "500"),
    "ALTER SEQUENCE t_id_seq SET UNLOGGED": ("sequence setting", "public.t_id_seq", "unlogged"),
    "ALTER TABLE t DISABLE TRIGGER tr": ("trigger setting", "tr on public.t", "disabled"),
    "ALTER TABLE t DISABLE TRIGGER ALL": ("trigger setting", "t_parent_id_fkey on public.t", "disabled"),
    "ALTER TABLE t DISABLE RULE r": ("rule setting", "r on public.t", "disabled"),
    "COMMENT ON INDEX t_pkey IS 'x'": ("comment", "on index public.t_pkey", "x"),
    "COMMENT ON SEQUENCE t_id_seq IS 'x'": ("comment", "on sequence public.t_id_seq", "x"),
    "COMMENT ON SCHEMA public IS 'x'": ("comment", "on schema public", "x"),
    "COMMENT ON TRIGGER tr ON t IS 'x'": ("comment", "on trigger tr on public.t", "x"),
    "COMMENT ON FUNCTION f() IS 'x'": ("comment", "on function public.f()", "x"),
    "COMMENT ON COLUMN v.a IS 'x'": ("comment", "on view column public.v.a", "x"),
    "COMMENT ON CONSTRAINT t_id_not_null ON t IS 'x'": (
        "comment",
        "on table constraint t_id_not_null on public.t",
        "x",
    ),
}
_TABLE = """
    CREATE TABLE t (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text, parent_id int REFERENCES t);
    CREATE INDEX i ON t (lower(name));
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;
    CREATE VIEW v AS SELECT 1 AS a"""


@pytest.mark.parametrize("statement", TRAITS)
def test_what_a_model_has_no_field_for_is_reported(
    connection: Connection, database: str, server_version: int, statement: str
) -> None:
    if "not_null" in statement and server_version < 180000:
        pytest.skip("NOT NULL has no name before 18")
    with psycopg.connect(database, autocommit=True) as made:
        made.execute(_TABLE.encode())
        before = read_schema(connection, KINDS)
        made.execute(statement.encode())
    after = read_schema(connection, KINDS)
    assert after.objects == before.objects
    new = [(u.type, u.identity, u.definition) for u in after.unmodelled if u not in before.unmodelled]
    assert TRAITS[statement] in new


def test_a_security_label_is_reported(connection: Connection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute("CREATE TABLE t (a int); SET allow_system_table_mods = on")
        # No provider can be loaded here; what one leaves behind is this row.
        made.execute("INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 1, 'mask', 'MASKED')")
    (found,) = read_schema(connection, KINDS).unmodelled
    assert (found.type, found.identity) == ("security label for mask", "on table column public.t.a")


def test_what_lies_in_schemas_that_are_not_managed_is_none_of_ours(connection: Connection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute("CREATE SCHEMA other; SET search_path = other")
        made.execute(_TABLE.encode())
        for statement in TRAITS:
            if "not_null" not in statement and "SCHEMA" not in statement:
                made.execute(statement.encode())
    assert read_schema(connection, KINDS).unmodelled == ()
