"""Roles with few rights: looking always works, changing names the right that is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from chameleondb.postgres.session import connect
from chameleondb.postgres.url import Target
from chameleondb.workflow.migrate import missing_rights
from tests.cli.test_migrate import AFTER, BEFORE
from tests.command import Chameleon
from tests.migrating import Database

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


def test_the_rights_that_a_plan_takes_are_known_before_anything_is_registered(reader: Chameleon) -> None:
    with psycopg.connect(reader.url.replace(f"{ROLE}@", "postgres@"), autocommit=True) as connection:
        connection.execute(f"GRANT EXECUTE ON FUNCTION chameleon.append(text, text) TO {ROLE}")
    lacks = ["users belongs to postgres", "CREATE on schema public of pg_database_owner"]
    what = f"the role lacks rights that the plan takes: {'; '.join(lacks)}"
    assert f"warning: {what}" in reader.run("migrate", "--dry-run").stderr
    assert json.loads(reader.run("migrate", "--format", "json").stdout)["rights_missing"] == lacks
    assert f"error[CHM4016]: {what}" in reader.run("migrate", "--apply", status=1).stderr
    assert [path.name for path in (reader.folder / ".chameleon/vault/versions").iterdir()] == ["v001.json"]


PUBLIC = "CREATE on schema public of pg_database_owner"
OWN = 'entity Own table "own" { id: bigint primary'
RIGHTS = {
    f'{OWN} }} entity T table "t" {{ id: bigint primary, own: Own via id }}': {"t belongs to postgres"},
    f'{OWN}, t: T via id }} entity T table "t" {{ id: bigint primary }}': {"REFERENCES on t of postgres"},
    "entity U { id: bigint primary }": {PUBLIC},
    'entity T in b table "t" was "public.t" { id: bigint primary }': {
        "t belongs to postgres",
        "CREATE on schema b of postgres",
    },
    'entity V table "v" was "t" { id: bigint primary, n: int? }': {"t belongs to postgres", PUBLIC},
    'entity T table "t" { id: bigint primary, index (id) }': {"t belongs to postgres", PUBLIC},
    "enum K { a, b, c }": {"k belongs to postgres"},
    '/// A table.\nentity T table "t" { id: bigint primary }': {"t belongs to postgres"},
    "namespace c": {"CREATE on database {database} of postgres"},
    f"{OWN}, n: int?, check (n > 0) }}": set(),
}


@pytest.mark.parametrize("schema", RIGHTS)
def test_every_right_is_named_with_the_owner(schema: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.execute(
        "CREATE SCHEMA b",
        "CREATE TYPE k AS ENUM ('a', 'b')",
        "CREATE TABLE t (id bigint PRIMARY KEY)",
        "CREATE TABLE own (id bigint PRIMARY KEY)",
        f"CREATE ROLE {ROLE} LOGIN",
        f"ALTER TABLE own OWNER TO {ROLE}",
    )
    try:
        plan = db.plan(schema).plan
        assert plan.groups
        role = connect(Target(f"{database} user={ROLE}", "the test database", "a test"))
        name = role.info.dbname
        assert set(missing_rights(role, plan)) == {right.format(database=name) for right in RIGHTS[schema]}
        role.close()
        with db.session() as (connection, _):
            assert missing_rights(connection, plan) == ()
    finally:
        db.execute(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def test_a_sequence_is_made_by_who_owns_its_table(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.execute(f"CREATE ROLE {ROLE} LOGIN", "CREATE TABLE own (id bigint PRIMARY KEY)")
    db.execute(f"ALTER TABLE own OWNER TO {ROLE}", f"GRANT CREATE ON SCHEMA public TO {ROLE}")
    try:
        plan = db.plan(f"{OWN}, no: bigserial }}").plan
        lack = f"own belongs to {ROLE}, and so must the sequence that is to belong to it"
        with db.session() as (connection, _):
            assert missing_rights(connection, plan) == (lack,)
        role = connect(Target(f"{database} user={ROLE}", "the test database", "a test"))
        assert missing_rights(role, plan) == ()
        role.close()
    finally:
        db.execute(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


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
        assert not list(project.glob(".chameleon/vault/versions/*"))
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


def test_the_owner_of_a_schema_may_drop_what_others_own_in_it(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.run("entity T in b { id: bigint primary }")
    db.execute(f"CREATE ROLE {ROLE} LOGIN", f"ALTER SCHEMA b OWNER TO {ROLE}")
    try:
        plan = db.plan("").plan
        assert plan.sql == ("DROP TABLE b.ts", "DROP SCHEMA b")
        with closing(connect(Target(f"{database} user={ROLE}", "the test database", "a test"))) as role:
            assert missing_rights(role, plan) == ()
            role.execute("DROP TABLE b.ts")
    finally:
        db.execute(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def test_the_missing_right_on_a_schema_is_named(reader: Chameleon) -> None:
    with psycopg.connect(reader.url.replace(f"{ROLE}@", "postgres@"), autocommit=True) as connection:
        connection.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    said = reader.run("migrate", status=1).stderr
    assert "permission denied for schema public" in said
    assert "its owner can GRANT USAGE ON SCHEMA public" in said
