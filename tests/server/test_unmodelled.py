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
    "statistics object": "CREATE TABLE t (a int, b int); CREATE STATISTICS st ON a, b FROM t",
    "table": "CREATE TABLE parent (a int) PARTITION BY LIST (a)",
    "text search configuration": "CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple)",
    "text search dictionary": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    "trigger": "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "view": "CREATE VIEW v AS SELECT 1 AS a",
}
_WORD = {"composite type": "type", "domain": "type"}


@pytest.mark.parametrize("kind", sorted(UNMODELLED))
def test_an_object_of_a_kind_we_do_not_model_is_reported(connection: Connection, database: str, kind: str) -> None:
    with psycopg.connect(database, autocommit=True) as made:
        made.execute(UNMODELLED[kind].encode())
    schema = read_schema(connection, KINDS)
    assert _WORD.get(kind, kind) in {u.type for u in schema.unmodelled}


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
