"""``chameleon sql``: all or nothing, in the right mode only, and recorded without any data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chameleondb.modes.policy import Mode
from chameleondb.workflow.redaction import recorded
from tests.command import Chameleon

pytestmark = pytest.mark.server

USER = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
SECRET = "c4nary-pa55word"


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    tool = Chameleon(project, database_url)
    tool.write(USER)
    tool.run("migrate", "--apply")
    tool.unlock(Mode.PRIVILEGED)
    return tool


def _bodies(tool: Chameleon) -> list[str]:
    return [str(body) for (body,) in tool.rows("SELECT body FROM chameleon.ledger WHERE kind = 'SQL' ORDER BY seq")]


def test_rows_are_printed_and_never_recorded(tool: Chameleon) -> None:
    tool.run("sql", "INSERT INTO users VALUES (1, 'ann@example.org'), (2, E'tab\\there')")
    done = tool.run("sql", "SELECT id, email FROM users WHERE email <> 'bob@example.org' ORDER BY id")
    assert done.stdout == "id\temail\n1\tann@example.org\n2\ttab\\there\n"
    assert len(_bodies(tool)) == 2
    for body in _bodies(tool):
        assert "example.org" not in body
        assert "users" in body
    assert "example.org" not in (tool.folder / ".chameleon/local/journal.jsonl").read_text()
    tool.run("verify")


def test_json_has_rows_and_the_ledgers_row(tool: Chameleon) -> None:
    found = json.loads(tool.run("sql", "SELECT 1 AS one, NULL AS nothing", "--format", "json").stdout)
    assert found["results"] == [{"tag": "SELECT 1", "columns": ["one", "nothing"], "rows": [["1", None]]}]
    assert tool.rows("SELECT max(seq) FROM chameleon.ledger") == [(found["ledger"]["seq"],)]


def test_all_or_nothing(tool: Chameleon) -> None:
    (tool.folder / "fix.sql").write_text("INSERT INTO users VALUES (1, 'a');\nINSERT INTO users VALUES (1, 'b');\n")
    failed = tool.run("sql", "-f", "fix.sql", status=1)
    assert "duplicate key value" in failed.stderr
    assert tool.rows("SELECT count(*) FROM users") == [(0,)]
    assert _bodies(tool) == []
    errors = tool.run("journal", "errors").stdout
    assert "sql" in errors


@pytest.mark.parametrize("mode", [Mode.READONLY, Mode.STANDARD])
def test_it_needs_privileged_mode(tool: Chameleon, mode: Mode) -> None:
    tool.unlock(mode)
    refused = tool.run("sql", "DELETE FROM users", status=4)
    assert (
        f"error[CHM2100]: {mode.label} mode: running SQL of your own needs privileged mode or higher" in refused.stderr
    )
    assert _bodies(tool) == []


def test_a_vault_that_was_changed_stops_it(tool: Chameleon) -> None:
    version = tool.folder / ".chameleon/vault/versions/v001.json"
    version.chmod(0o644)
    version.write_bytes(version.read_bytes() + b"\n")
    refused = tool.run("sql", "SELECT 1", status=5)
    assert "v001.json: hash mismatch" in refused.stderr
    assert "No statement was run" in refused.stderr


@pytest.mark.parametrize(
    ("statement", "status"),
    [("COMMIT", 1), ("ROLLBACK", 1), ("BEGIN", 1), ("START TRANSACTION", 1), ("PREPARE TRANSACTION 'x'", 64)],
)
def test_the_transaction_is_not_the_users(tool: Chameleon, statement: str, status: int) -> None:
    done = tool.run("sql", "-f", _file(tool, f"INSERT INTO users VALUES (1, 'a'); {statement};"), status=status)
    assert "transaction" in done.stderr
    assert tool.rows("SELECT count(*) FROM users") == [(0,)]


def test_what_cannot_be_in_a_transaction_is_said(tool: Chameleon) -> None:
    refused = tool.run("sql", "VACUUM users", status=1)
    assert "error[CHM4015]: this cannot share a transaction with its record" in refused.stderr
    assert _bodies(tool) == []


def test_without_a_vault(project: Path, database_url: str) -> None:
    refused = Chameleon(project, database_url).run("sql", "SELECT 1", status=64)
    assert "error[CHM2002]: vault not initialized\nhelp: run `chameleon init`" in refused.stderr


def test_a_project_without_a_version_gets_a_ledger(project: Path, database_url: str) -> None:
    tool = Chameleon(project, database_url)
    tool.unlock(Mode.PRIVILEGED)
    tool.run("sql", "CREATE SCHEMA extra")
    assert tool.rows("SELECT kind FROM chameleon.ledger ORDER BY seq") == [("INIT",), ("SQL",)]
    tool.write(USER)
    tool.run("migrate", "--apply")
    assert json.loads(tool.run("verify", "--format", "json").stdout)["findings"] == []


def test_statements_come_from_standard_input_and_need_one_source(tool: Chameleon) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chameleondb", "sql", "-", "-q"],
        cwd=tool.folder,
        env={**os.environ, "DATABASE_URL": tool.url, "PYTHONUTF8": "1"},
        input="TABLE users; SELECT 'é'::text AS \"a;b\"; -- the end\n",
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "id\temail\n\na;b\né\n"
    assert "give one statement" in tool.run("sql", status=64).stderr
    assert "give one statement" in tool.run("sql", "SELECT 1", "-f", "x.sql", status=64).stderr
    assert "error[CHM0560]: there is no statement" in tool.run("sql", " -- nothing", status=64).stderr
    assert "error[CHM0562]" in tool.run("sql", "COPY users TO STDOUT", status=64).stderr
    assert "COPY FROM STDIN carries data" in tool.run("sql", "COPY users FROM STDIN", status=1).stderr
    assert "internal error" not in tool.run("sql", "-f", _file(tool, "SELECT 1\0; SELECT 2"), status=1).stderr


def test_a_procedure_cannot_end_the_transaction(tool: Chameleon) -> None:
    text = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p()"
    refused = tool.run("sql", "-f", _file(tool, text), status=1)
    assert "error[CHM4015]" in refused.stderr
    assert _bodies(tool) == []


def test_no_setting_of_a_statement_has_a_say_in_the_record(tool: Chameleon) -> None:
    user = tool.rows("SELECT session_user::text")
    tool.execute("DROP ROLE IF EXISTS chameleon_test_nobody", "CREATE ROLE chameleon_test_nobody")
    try:
        tool.run("sql", "-f", _file(tool, "SET search_path = pg_temp; SET ROLE chameleon_test_nobody; SELECT 1"))
    finally:
        tool.execute("DROP ROLE chameleon_test_nobody")
    assert tool.rows("SELECT who::text FROM chameleon.ledger WHERE kind = 'SQL'") == user
    assert json.loads(tool.run("verify", "--format", "json").stdout)["findings"] == []


def test_a_connection_that_ends_is_not_said_to_go_on(tool: Chameleon) -> None:
    refused = tool.run("sql", "SELECT pg_terminate_backend(pg_backend_pid())", status=8)
    assert "`chameleon journal last` tells; only then run it again" in refused.stderr


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER ROLE nobody_here PASSWORD '{SECRET}'",
        f"ALTER ROLE nobody_here PASSWORD {SECRET}",
        f"ALTER ROLE nobody_here PASSWORD '{SECRET}",
        f'UPDATE users SET email = "{SECRET}"',
        f"SELECT 1 AS a WHERE 'x' = '{SECRET}'::int",
    ],
)
def test_what_fails_leaves_no_secret(tool: Chameleon, statement: str) -> None:
    is_open = statement.count("'") % 2 == 1
    failed = tool.run("sql", "-f", _file(tool, f"SELECT 1;\n{statement}"), status=64 if is_open else 1)
    journal = tool.folder / ".chameleon/local/journal.jsonl"
    assert SECRET not in journal.read_text()
    assert SECRET.partition("-")[0] not in journal.read_text()
    if "PASSWORD" in statement:
        assert SECRET.partition("-")[0] not in failed.stdout + failed.stderr


def _file(tool: Chameleon, text: str) -> str:
    (tool.folder / "some.sql").write_text(text)
    return "some.sql"


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER ROLE mia PASSWORD '{SECRET}'",
        f"CREATE ROLE mia LOGIN ENCRYPTED PASSWORD E'{SECRET}'",
        f"create user mapping for mia server s options (user 'mia', password '{SECRET}')",
        f"SELECT dblink_connect('host=h password={SECRET}')",
        f"INSERT INTO users VALUES (1, $${SECRET}$$)",
        f"UPDATE users SET email = $tag${SECRET}$tag$",
        f"CREATE SUBSCRIPTION s CONNECTION 'host=h password={SECRET}' PUBLICATION p",
        f"SET standard_conforming_strings = off; SELECT '\\'{SECRET}'",
        f"/* {SECRET} */ SELECT 1 -- {SECRET}",
        f"DO $x$ BEGIN PERFORM '{SECRET}'; END $x$",
    ],
)
def test_no_secret_is_recorded(statement: str) -> None:
    assert SECRET not in recorded(statement)


BARE = "CanaryBird"


@pytest.mark.parametrize(
    "statement",
    [
        f"set my.password to {BARE}",
        f"SET LOCAL app.secret = {BARE}",
        f"set session app.anything = 'x', {BARE}",
        f'set "app.anything" = "{BARE}"',
        f"set app /* - */ . anything -- -\n to {BARE}",
        f'set U&"app!002eanything" to {BARE}',
        f"alter role bob set app.api_key to {BARE}",
        f"alter database p5 set app.token = {BARE}",
        f"create function f() returns int language sql set work_mem = 64 set app.anything = {BARE} as 'select 1'",
        f"create table tok(a text default 'sk_live_{BARE}')",
        f"create table tok(a text default $$ghp_{BARE}$$)",
        f"create table tok(a text default 'xoxb-{BARE}')",
        f"create table tok(a text default 'AKIA{BARE}')",
        f"create table tok(a text default 'postgresql://ann:{BARE}@host/db')",
        f"create table tok(a text default '{BARE}0123456789+/')",
        f"comment on table t is '{BARE} 0123456789abcdef0123456789ABCDEF'",
        *(
            f"create view vv as select '{BARE}'::text as {name}"
            for name in ("pw", "db_pwd", "pass", "userPass", "PASS_2", "jwt", "api_key", "credential", "auth_key")
        ),
    ],
)
def test_no_setting_and_no_key_is_recorded(statement: str) -> None:
    text = recorded(statement)
    assert BARE not in text
    assert text.startswith(statement.partition(" ")[0])
    assert "***" in text


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER ROLE bob SET search_path TO shop, public",
        "ALTER DATABASE shop SET work_mem = '64MB'",
        "ALTER TABLE bypassed ALTER COLUMN compassion SET DEFAULT 'spinach'",
        "ALTER TABLE passengers SET (fillfactor = 70)",
        "ALTER TABLE authors SET SCHEMA shop",
    ],
)
def test_settings_of_postgresql_and_words_that_hold_others_are_recorded(sql: str) -> None:
    assert recorded(sql) == sql


def test_no_setting_is_kept_in_a_file_or_the_ledger(tool: Chameleon) -> None:
    text = f"SET my.password TO {BARE}; CREATE TABLE tok (a text DEFAULT 'sk_live_{BARE}'); SET app.anything = {BARE}"
    tool.run("sql", "-f", _file(tool, text))
    for statement in text.split("; "):
        tool.run("sql", statement.replace(" tok ", " tok2 "))
    assert len(_bodies(tool)) == 4
    assert BARE not in "".join(_bodies(tool))
    assert BARE not in (tool.folder / ".chameleon/local/journal.jsonl").read_text()


def test_definitions_are_recorded_as_they_are() -> None:
    sql = "CREATE VIEW v AS SELECT 'x' AS a FROM users WHERE id > 3"
    assert recorded(sql) == sql
