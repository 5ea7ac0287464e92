"""The keys of an index are read without asking the server to print it; where that says too little, it is asked."""

from __future__ import annotations

import psycopg
import pytest

from chameleondb.kinds import KINDS
from chameleondb.names import relation
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.session import connect
from chameleondb.postgres.url import Target

TABLE = 'CREATE TABLE t (a int, b text, c varchar(9), d char(3), e text COLLATE "C", f char(3) COLLATE "C", g int[])'

# What is written, and how PostgreSQL prints it.
KEYS = {
    "a": "a",
    "a DESC": "a DESC",
    "a NULLS FIRST": "a NULLS FIRST",
    "a, g": "a, g",
    "b": "b",
    "b text_pattern_ops": "b text_pattern_ops",
    'b COLLATE "C"': 'b COLLATE "C"',
    "c": "c",
    "c varchar_pattern_ops": "c varchar_pattern_ops",
    "d": "d",
    'd COLLATE "C"': 'd COLLATE "C"',
    "e": "e",
    'e COLLATE "default"': 'e COLLATE "default"',
    "f": "f",
    'f COLLATE "default"': 'f COLLATE "default"',
    "a, d, f": "a, d, f",
    "(a + 1)": "((a + 1))",
    "lower(b)": "lower(b)",
}


@pytest.fixture
def keys(database: str) -> dict[str, tuple[str, ...]]:
    target = Target(database, "the test database", "a test")
    with psycopg.connect(database) as connection:
        connection.execute(TABLE.encode())
        for number, written in enumerate(KEYS):
            connection.execute(f"CREATE INDEX i{number} ON t ({written})".encode())
    with connect(target) as connection:
        schema = read_schema(connection, KINDS)
    found = {written: schema.get(relation("public", f"i{number}")) for number, written in enumerate(KEYS)}
    return {written: getattr(index, "keys", ()) for written, index in found.items()}


def test_keys_are_read_as_postgresql_prints_them(keys: dict[str, tuple[str, ...]]) -> None:
    plain = {written: ", ".join(found).replace("pg_catalog.", "") for written, found in keys.items()}
    assert plain == KEYS
