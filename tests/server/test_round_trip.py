"""What introspect prints of a database says nothing else: nothing to do there, and elsewhere the same again."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from chameleondb.postgres.session import connect
from chameleondb.postgres.url import Target
from chameleondb.workflow.introspect import introspect
from tests.cases.driver import build, planned
from tests.cases.proof import dump
from tests.cluster import Databases
from tests.migrating import Database

DATABASES = {
    "several foreign keys on one column": """
        CREATE TABLE u (id int PRIMARY KEY);
        CREATE TABLE t (id int PRIMARY KEY, u_id int REFERENCES u ON DELETE SET NULL, t_id int REFERENCES t,
            CONSTRAINT f1 FOREIGN KEY (u_id) REFERENCES u,
            CONSTRAINT f2 FOREIGN KEY (u_id) REFERENCES u ON DELETE CASCADE,
            CONSTRAINT f3 FOREIGN KEY (t_id) REFERENCES t ON DELETE CASCADE)""",
    "an empty label": "CREATE TYPE e AS ENUM ('a', ''); CREATE TABLE t (e e DEFAULT '')",
    "rows as a type": "CREATE TABLE z (id int PRIMARY KEY); CREATE TABLE a (z z, more z[])",
    "a serial with a described sequence": "CREATE TABLE t (id serial); COMMENT ON SEQUENCE t_id_seq IS 'x'",
    "a domain with a rule for new rows only": """
        CREATE DOMAIN d AS text CHECK (length(VALUE) < 9); CREATE TABLE t (a d);
        ALTER DOMAIN d ADD CHECK (VALUE <> '') NOT VALID""",
    "ranges of one's own": """
        CREATE TYPE r AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = many);
        CREATE TYPE f AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
        CREATE TYPE p AS RANGE (SUBTYPE = varchar, SUBTYPE_OPCLASS = varchar_pattern_ops);
        CREATE TABLE t (r r, many many, f f, p p)""",
    "a collation of one's own": """
        CREATE COLLATION c (PROVIDER = libc, LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
        CREATE TABLE t (a text COLLATE c)""",
    "copies of tables, with the names of their constraints": """
        CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b text NOT NULL);
        CREATE TABLE a_copy (LIKE t INCLUDING ALL); CREATE TABLE z_copy (LIKE t);
        ALTER TABLE z_copy ALTER b DROP NOT NULL; CREATE TABLE check_ (b text);
        ALTER TABLE check_ ADD CONSTRAINT t_b_not_null CHECK (b IS NOT NULL)""",
    "numbers that the server quotes": """
        CREATE TABLE t (a int DEFAULT -1, b smallint DEFAULT -1, c bigint DEFAULT '-1', d int DEFAULT -2147483648,
            e bigint DEFAULT -2147483649, f bigint DEFAULT 9223372036854775807, g numeric DEFAULT -9223372036854775809,
            h numeric(5,2) DEFAULT -1.50, i numeric DEFAULT '-1', j float8 DEFAULT -0.5, k numeric DEFAULT '-007',
            l text DEFAULT '-1', m bigint DEFAULT -9223372036854775808, n numeric DEFAULT -1e30)""",
    "types that the server keeps for itself": "CREATE TABLE t (a gtsvector, b pg_node_tree, c pg_mcv_list)",
}


def _text(dsn: str) -> str:
    connection = connect(Target(dsn, "the test database", "a test"))
    try:
        return introspect(connection).text
    finally:
        connection.close()


def _made(dsn: str, statements: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.encode())
    return dsn


@pytest.mark.parametrize("name", DATABASES)
def test_what_is_printed_is_what_is_there(name: str, databases: Databases, tmp_path: Path) -> None:
    first, second = _made(databases.new(), DATABASES[name]), databases.new()
    text = _text(first)
    with planned(first, text, tmp_path) as change:
        assert change.statements == []
        assert not change.preview.pending
    build(second, text, tmp_path)
    assert dump(second) == dump(first)


NOT_MODELLED = {
    "a partitioned table": """
        CREATE TYPE k AS ENUM ('a', 'b');
        CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE TABLE p (id bigint GENERATED ALWAYS AS IDENTITY, k k NOT NULL, at date DEFAULT now(), n serial,
            a text COLLATE "C" CHECK (a <> ''), o int DEFAULT one(), g int GENERATED ALWAYS AS (1 + 1) STORED,
            PRIMARY KEY (id, k), UNIQUE (k, n)) PARTITION BY LIST (k);
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p2 PARTITION OF p DEFAULT;
        CREATE TABLE t (id bigint PRIMARY KEY, k k, n int, FOREIGN KEY (id, k) REFERENCES p ON DELETE CASCADE,
            FOREIGN KEY (k, n) REFERENCES p (k, n));
        ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES t""",
    "a partition of a partition": """
        CREATE TABLE p (id int, n int) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9) PARTITION BY HASH (n);
        CREATE TABLE p2 PARTITION OF p1 (n PRIMARY KEY) FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE t (n int REFERENCES p2)""",
    "tables that inherit": """
        CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT 1 CHECK (n > 0));
        CREATE TABLE b (id2 int UNIQUE) INHERITS (a);
        CREATE TABLE c () INHERITS (b);
        CREATE TABLE t (a int REFERENCES a, b int REFERENCES b (id2))""",
    "a table of a type": """
        CREATE TYPE y AS (id int, n text); CREATE TABLE o OF y (PRIMARY KEY (id), n WITH OPTIONS DEFAULT 'x');
        CREATE TABLE t (o int REFERENCES o)""",
    "a key that is only an index": """
        CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE UNIQUE INDEX i ON p (id);
        CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE TABLE t (id int REFERENCES p (id))""",
    "the rows of a partitioned table as a type": """
        CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE t (p p)""",
    "odd names": """
        CREATE SCHEMA "S 1"; CREATE TABLE "S 1"."T ""1" ("Id 1" int PRIMARY KEY) PARTITION BY RANGE ("Id 1");
        CREATE TABLE t (x int REFERENCES "S 1"."T ""1")""",
}


@pytest.mark.parametrize("name", NOT_MODELLED)
def test_what_tables_refer_to_is_carried(name: str, databases: Databases, tmp_path: Path) -> None:
    first, second = _made(databases.new(), NOT_MODELLED[name]), databases.new()
    text, before = _text(first), dump(first)
    with planned(first, text, tmp_path) as change:
        assert change.statements == []
        assert not change.preview.pending
        change.apply()
    assert dump(first) == before
    build(second, text, tmp_path)
    assert _text(second) == text


def test_a_change_beside_an_unmodelled_table_is_proven(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.execute("CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE t (p_id int REFERENCES p)")
    text = db.text()
    db.migrate(text)
    assert db.migrate(text.replace("p_id: int?", "p_id: int?, n: int?")) == ["ALTER TABLE t ADD COLUMN n INTEGER"]
    assert db.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 1


def test_a_replica_identity_whose_index_is_gone_is_none(database: str, tmp_path: Path) -> None:
    _made(
        database,
        "CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX i ON t (a);"
        " ALTER TABLE t REPLICA IDENTITY USING INDEX i; DROP INDEX i",
    )
    text = _text(database)
    assert "replica identity nothing" in text
    with planned(database, text, tmp_path) as change:
        assert change.statements == []
