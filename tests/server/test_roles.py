"""Roles with few rights: looking always works, changing names the right that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.test_migrate import AFTER, BEFORE
from tests.command import Chameleon

ROLE = "chameleon_reader"


@pytest.fixture
def reader(project: Path, database_url: str) -> Iterator[Chameleon]:
    """The tool as a role that can only read, on a database whose version v001 somebody else has applied."""
    owner = Chameleon(project, database_url)
    owner.write(BEFORE)
    owner.run("migrate", "--apply")
    owner.unlock()
    owner.write(AFTER)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA chameleon TO {ROLE}; GRANT SELECT ON chameleon.ledger TO {ROLE}")
        connection.execute(f"GRANT SELECT ON users TO {ROLE}")
        yield Chameleon(project, database_url.replace("postgres@", f"{ROLE}@"))
        connection.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def test_a_reader_sees_what_would_change(reader: Chameleon) -> None:
    assert "ALTER TABLE users ADD COLUMN age INTEGER;" in reader.run("migrate", "--dry-run").stdout
    reader.run("migrate", "--check", status=2)
    assert "entity User {" in reader.run("introspect", "-o", "-").stdout


def test_who_may_not_read_the_ledger_still_sees_and_is_told(reader: Chameleon) -> None:
    with psycopg.connect(reader.url.replace(f"{ROLE}@", "postgres@"), autocommit=True) as connection:
        connection.execute(f"REVOKE ALL ON SCHEMA chameleon FROM {ROLE}")
    done = reader.run("migrate", "--dry-run")
    assert "ALTER TABLE users ADD COLUMN age INTEGER;" in done.stdout
    assert "the role may not read the ledger" in done.stderr
    assert "error[CHM4013]" in reader.run("migrate", "--apply", status=1).stderr


def test_a_reader_changes_nothing_and_is_told_why(reader: Chameleon) -> None:
    done = reader.run("migrate", "--apply", status=1)
    assert "error[CHM4011]: permission denied for function append" in done.stderr
    assert f"GRANT EXECUTE ON FUNCTION chameleon.append(text, text) TO {ROLE}" in done.stderr
    assert reader.rows("SELECT count(*) FROM pg_attribute WHERE attname = 'age'") == [(0,)]


def test_who_may_not_record_a_version_may_not_make_one(project: Path, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN; GRANT CREATE ON SCHEMA public TO {ROLE}")
    try:
        tool = Chameleon(project, database_url.replace("postgres@", f"{ROLE}@"))
        tool.write(BEFORE)
        done = tool.run("migrate", "--apply", status=1)
        assert "error[CHM4012]: the role may not create the schema chameleon" in done.stderr
        assert tool.rows("SELECT count(*) FROM pg_class WHERE relname = 'users'") == [(0,)]
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def test_a_table_that_may_not_be_read_counts_as_one_with_rows(reader: Chameleon) -> None:
    with psycopg.connect(reader.url.replace(f"{ROLE}@", "postgres@"), autocommit=True) as connection:
        connection.execute(f"REVOKE ALL ON users FROM {ROLE}")
    reader.write(BEFORE.replace("    name: string,\n", ""))
    done = reader.run("migrate")
    assert "needs --allow drops-data:users.name" in done.stderr


def test_rows_hidden_by_policies_are_rows(project: Path, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN; GRANT ALL ON SCHEMA public TO {ROLE}")
        connection.execute(
            f"DO $$ BEGIN EXECUTE 'GRANT CREATE ON DATABASE ' || current_database() || ' TO {ROLE}'; END $$"
        )
    try:
        tool = Chameleon(project, database_url.replace("postgres@", f"{ROLE}@"))
        tool.write(BEFORE)
        tool.run("migrate", "--apply")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A')")
            connection.execute(
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY"
            )
        assert tool.rows("SELECT count(*) FROM users") == [(0,)]
        tool.write(BEFORE.replace("    name: string,\n", ""))
        assert "drops-data:users.name" in tool.run("migrate", "--apply", status=3).stderr
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")
