"""``chameleon sql``: all or nothing, in the right mode only, and recorded without any data."""

from __future__ import annotations

import json
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


def test_definitions_are_recorded_as_they_are() -> None:
    sql = "CREATE VIEW v AS SELECT 'x' AS a FROM users WHERE id > 3"
    assert recorded(sql) == sql
