"""The remembered answer "nothing to do" is given only for the very files, ledger and catalogs that it was found for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from chameleondb.diagnostics import Source
from chameleondb.postgres.fingerprint import _SERVER
from chameleondb.postgres.session import connect
from chameleondb.postgres.url import Target
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.migrate import Preview, preview
from chameleondb.workflow.shadow import Shadows
from chameleondb.workflow.source import Files
from tests.cases.driver import build

SCHEMA = """
/// People.
entity User { id: int primary, email: string unique, age: int default 1 check (age > 0), plan: Plan, index (age) }
enum Plan { free, pro }
sequence numbers
sql '''
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW v AS SELECT email FROM users;
'''
""".replace("'''", '"""')

CHANGES = {
    "column added": "ALTER TABLE users ADD COLUMN x int",
    "column dropped": "ALTER TABLE users DROP COLUMN age",
    "column renamed": "ALTER TABLE users RENAME age TO years",
    "default": "ALTER TABLE users ALTER age SET DEFAULT 2",
    "nullability": "ALTER TABLE users ALTER email DROP NOT NULL",
    "comment": "COMMENT ON TABLE users IS 'Persons.'",
    "constraint": "ALTER TABLE users DROP CONSTRAINT users_age_check",
    "enum label": "ALTER TYPE plan ADD VALUE 'team'",
    "enum label renamed": "ALTER TYPE plan RENAME VALUE 'pro' TO 'team'",
    "function body": "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "index": "DROP INDEX idx_users_age",
    "index parameter": "ALTER INDEX idx_users_age SET (fillfactor = 50)",
    "sequence": "ALTER SEQUENCE numbers INCREMENT 5",
    "table by hand": "CREATE TABLE mine (a int)",
    "trigger": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';"
    " CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f()",
    "tablespace": "ALTER TABLE users SET TABLESPACE fast",
    "view": "CREATE OR REPLACE VIEW v AS SELECT email FROM users WHERE age > 1",
    "what is changed and changed back": "ALTER TABLE users ALTER age SET DEFAULT 2; ALTER TABLE users ALTER age SET"
    " DEFAULT 1",
}


class Looking:
    """Previews that remember."""

    def __init__(self, dsn: str, local: Path) -> None:
        self.target = Target(dsn, "the test database", "a test")
        self.local, self.cache = local, Cache(local / "cache")
        self.connection = connect(self.target)

    def look(self, schema: str = SCHEMA) -> Preview:
        files = Files((Source("schema.cham", schema),))
        shadows = Shadows(self.connection, self.target, self.local)
        return preview(self.connection, files, shadows, cache=self.cache, recall=True)

    def recalls(self, schema: str = SCHEMA) -> bool:
        """Whether the answer comes without reading the schema."""
        with patch("chameleondb.workflow.migrate.read_schema", side_effect=LookupError):
            try:
                self.look(schema)
            except LookupError:
                return False
        return True


@pytest.fixture
def looking(database: str, tmp_path: Path) -> Iterator[Looking]:
    build(database, SCHEMA, tmp_path)
    eyes = Looking(database, tmp_path)
    assert not eyes.look().pending
    assert eyes.recalls()
    yield eyes
    eyes.connection.close()


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_any_change_of_the_catalog_is_seen(change: str, looking: Looking, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(CHANGES[change].encode())
    assert not looking.recalls()


def test_rows_and_statistics_are_none_of_it(looking: Looking, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO users SELECT i, i, i, 'pro' FROM generate_series(1, 1000) i")
        connection.execute("SELECT nextval('numbers')")
        connection.execute("VACUUM ANALYZE")
    assert looking.recalls()


def test_what_is_rolled_back_is_no_change(looking: Looking, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN x int")
        connection.rollback()
    assert looking.recalls()


def test_a_change_by_an_older_transaction_is_seen(looking: Looking, database: str) -> None:
    with psycopg.connect(database) as connection, psycopg.connect(database, autocommit=True) as other:
        connection.execute("ALTER TABLE users ALTER age SET DEFAULT 3")
        other.execute("CREATE TABLE newer (a int)")
        other.execute("DROP TABLE newer")
        looking.look()
        assert looking.recalls()
        connection.commit()
        assert not looking.recalls()


def test_another_server_process_remembers_nothing(looking: Looking) -> None:
    server = "pg_catalog.pg_postmaster_start_time()"
    with patch("chameleondb.postgres.fingerprint._SERVER", _SERVER.replace(server, "now()")):
        assert not looking.recalls()


def test_a_change_of_the_files_is_seen(looking: Looking) -> None:
    assert not looking.recalls(SCHEMA.replace("age > 0", "age > 1"))


def test_another_version_in_the_ledger_is_seen(looking: Looking, database: str, tmp_path: Path) -> None:
    build(database, SCHEMA.replace("default 1", "default 2"), tmp_path)
    build(database, SCHEMA, tmp_path)
    assert not looking.recalls()


def test_what_is_pending_is_not_remembered(looking: Looking) -> None:
    more = SCHEMA.replace("email: string unique", "email: string unique, more: int?")
    assert looking.look(more).pending
    assert not looking.recalls(more)


def test_what_is_left_alone_is_told_again(looking: Looking, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE mine (a int); CREATE VIEW w AS SELECT 1 AS a")
    first = looking.look()
    assert looking.recalls()
    again = looking.look()
    assert [str(i) for i in again.plan.unmanaged] == [str(i) for i in first.plan.unmanaged] != []
    assert again.plan.unmodelled == first.plan.unmodelled != ()
