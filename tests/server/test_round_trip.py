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
