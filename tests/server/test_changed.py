"""A schema that others change while it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from chameleondb.errors import DatabaseError, LockNotAcquired
from chameleondb.kinds import KINDS
from chameleondb.postgres import catalog
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import parse

pytestmark = pytest.mark.server

MADE = """
CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';
CREATE TABLE users (id int PRIMARY KEY, age int DEFAULT 3 CHECK (age > 0), t int DEFAULT twice(2));
CREATE TABLE posts (id int PRIMARY KEY, title text DEFAULT 'x', CHECK (title <> ''));
CREATE INDEX by_twice ON posts (twice(id)) WHERE title <> 'y';
"""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database) as admin:
        admin.execute(MADE)
    with contextlib.closing(connect(parse(database))) as opened:
        yield opened


@pytest.fixture
def meanwhile(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[str]], None]]:
    """Let somebody else run statements, one for each time that the schema is read, when its snapshot has been taken."""
    waiting: list[str] = []
    real = catalog._namespaces

    def read(*arguments: Any) -> Any:
        found = real(*arguments)
        if waiting:
            other.execute(waiting.pop(0).encode())
        return found

    monkeypatch.setattr(catalog, "_namespaces", read)
    with psycopg.connect(database, autocommit=True) as other:
        yield waiting.extend


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE posts",
        "DROP INDEX by_twice",
        "ALTER TABLE posts RENAME COLUMN title TO subject",
        "ALTER TABLE posts DROP COLUMN title",
        "ALTER TABLE users ALTER age DROP DEFAULT",
        "ALTER FUNCTION twice RENAME TO doubled",
        "ALTER TABLE users RENAME TO people",
    ],
)
def test_what_is_read_was_there_at_one_time(
    connection: Connection, meanwhile: Callable[[list[str]], None], statement: str
) -> None:
    meanwhile([statement])
    found = read_schema(connection, KINDS)
    assert found == read_schema(connection, KINDS)


def test_changes_without_an_end_are_told(
    connection: Connection, meanwhile: Callable[[list[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PAUSES_S", (0.0,) * 3)
    meanwhile(["ALTER TABLE users ALTER age SET DEFAULT 4"] * 3)
    with pytest.raises(DatabaseError, match="others are changing the schema") as caught:
        read_schema(connection, KINDS)
    assert caught.value.code == "CHM4024"


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN PERFORM FROM pg_class WHERE relname = 'users' FOR UPDATE; END $$",
        "DO $$ BEGIN CREATE TEMP TABLE t (id int PRIMARY KEY); DROP TABLE t; END $$",
        "DO $$ BEGIN ALTER TABLE users DROP COLUMN age; RAISE unique_violation; EXCEPTION WHEN OTHERS THEN END $$",
        "ANALYZE users",
    ],
)
def test_what_is_no_change_stops_nobody(
    connection: Connection, meanwhile: Callable[[list[str]], None], statement: str
) -> None:
    before = read_schema(connection, KINDS)
    meanwhile([statement] * 2)
    assert read_schema(connection, KINDS) == before


def test_who_lets_nobody_read_is_named(connection: Connection, database: str) -> None:
    connection.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(database, application_name="nightly load") as other:
        other.execute("LOCK TABLE posts")
        with pytest.raises(
            LockNotAcquired, match=r"the schema cannot be read: a table is locked by process \d+ .*load"
        ):
            read_schema(connection, KINDS)
    assert read_schema(connection, KINDS).objects
