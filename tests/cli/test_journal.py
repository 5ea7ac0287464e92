"""``chameleon journal``: what was done, in words and for programs, also when there is nothing to tell."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chameleondb.modes.policy import Mode
from tests.command import Chameleon

V1 = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
UNIQUE = V1.replace("email: string", "email: string unique")


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    return Chameleon(project, database_url)


@pytest.fixture
def failed(tool: Chameleon) -> Chameleon:
    """A project whose second version could not be applied."""
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock()
    _execute(tool, "INSERT INTO users VALUES (1, 'a'), (2, 'a')")
    tool.write(UNIQUE)
    tool.run("migrate", "--apply", status=1)
    return tool


def _execute(tool: Chameleon, *statements: str) -> None:
    with psycopg.connect(tool.url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def _entries(tool: Chameleon, *arguments: str) -> list[dict[str, Any]]:
    document = json.loads(tool.run("journal", *arguments, "--format", "json").stdout)
    assert document["format_version"] == "1.0"
    return list(document["entries"])


def _told(tool: Chameleon, *arguments: str) -> list[tuple[str, str | None, str]]:
    return [(e["action"], e["version"], e["status"]) for e in _entries(tool, *arguments)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("last",), "✓ No journal entries found\n"),
        (("errors",), "✓ No errors found\n"),
        (("migrations",), "✓ No migration entries found\n"),
        (("search", "age"), "✓ Nothing found for age\n"),
    ],
)
def test_nothing_to_tell(tool: Chameleon, arguments: tuple[str, ...], says: str) -> None:
    assert tool.run("journal", *arguments).stdout == says
    assert _entries(tool, *arguments) == []


def test_a_vault_without_versions(tool: Chameleon) -> None:
    tool.run("init")
    done = tool.run("journal", "schema")
    assert done.stdout == "📖 Schema Version History\n"
    assert done.stderr == "No version yet: `chameleon migrate --apply` registers the first\n"
    assert json.loads(tool.run("journal", "schema", "--format", "json").stdout)["versions"] == []
    missing = tool.run("journal", "schema", "v001", status=64)
    assert missing.stderr == "error[CHM2004]: version v001 not found\nhelp: no version is registered yet\n"
    assert _told(tool, "last") == [("init", None, "done")]


def test_last_events_are_the_newest_and_the_oldest_comes_first(failed: Chameleon) -> None:
    assert _told(failed, "last", "3") == _told(failed, "last", "--limit", "3") == _told(failed, "last")[-3:]
    assert _told(failed, "last", "2") == [("migrate", "v002", "failed"), ("failed", "v002", "failed")]
    times = [e["at"] for e in _entries(failed, "last", "100")]
    assert times == sorted(times)
    failed.run("journal", "last", "0", status=64)


def test_lines_end_where_their_words_end(failed: Chameleon) -> None:
    lines = failed.run("journal", "last", "100").stdout.splitlines()
    assert lines[0].split() == ["Timestamp", "Action", "Version", "Status", "Duration", "Details"]
    assert [line for line in lines if line != line.rstrip()] == []


def test_errors_tell_what_failed_with_its_code(failed: Chameleon) -> None:
    text = failed.run("journal", "errors").stdout
    assert 'could not create unique index "users_email_key"' in text
    codes = {(e["source"], e["code"]) for e in _entries(failed, "errors")}
    assert len(codes) == 2
    assert all(code.startswith("CHM4") for _, code in codes)
    assert {source for source, _ in codes} == {"journal", "ledger"}


def test_errors_hold_no_rows_and_no_passwords(failed: Chameleon) -> None:
    # PostgreSQL's DETAIL quotes the row: Key (email)=(a) is duplicated.
    wrong = "postgresql://ann:topsecret@127.0.0.1:1/none"
    failed.run("migrate", "--apply", status=8, DATABASE_URL=wrong)
    told = failed.run("journal", "errors").stdout + (failed.folder / ".chameleon/local/journal.jsonl").read_text()
    assert "(a)" not in told
    assert "topsecret" not in told
    assert "ann:***@127.0.0.1" in told


def test_migrations_are_told_from_registration_to_the_end(failed: Chameleon) -> None:
    assert ("failed", "v002", "failed") in _told(failed, "migrations")
    _execute(failed, "UPDATE users SET email = 'b' WHERE id = 2")
    failed.run("migrate", "--apply")
    entries = _entries(failed, "migrations")
    # Across sources only seconds order them: a whole migration may take less.
    for source, events in (
        ("log", [("register", "done"), ("applied", "done")]),
        ("journal", [("migrate", "failed"), ("migrate", "done")]),
    ):
        told = [(e["action"], e["status"]) for e in entries if (e["source"], e["version"]) == (source, "v002")]
        assert told == events
    assert "mode" not in {action for action, _, _ in _told(failed, "migrations")}


def test_search_finds_in_every_field_and_in_any_case(failed: Chameleon) -> None:
    assert [e["version"] for e in _entries(failed, "search", "INITIAL schema")] == ["v001"]
    assert ("mode", None, "done") in _told(failed, "search", "→ standard")
    assert _told(failed, "search", "v002") == _told(failed, "search", "V002") != []


def test_one_version_with_its_changes_and_its_sql(failed: Chameleon) -> None:
    text = failed.run("journal", "schema", "v002").stdout
    assert text.startswith(f"📋 Schema Version: v002\n{'─' * 41}\nHash:       ")
    assert "\nStatus:     not applied\n" in text
    assert "\n📝 Changes:\n  + unique users.users_email_key\n" in text
    assert text.endswith("\n💾 SQL:\nALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);\n")
    first = failed.run("journal", "schema", "v001").stdout
    assert "\nStatus:     locked ✓\nApplied:    " in first
    document = json.loads(failed.run("journal", "schema", "v001", "--format", "json").stdout)
    assert (document["parent"], document["current"], len(document["applied"])) == (None, True, 1)
    for also in ("1", "V01"):
        assert failed.run("journal", "schema", also).stdout == first
    unknown = failed.run("journal", "schema", "v009", status=64)
    assert unknown.stderr == "error[CHM2004]: version v009 not found\nhelp: the versions are v001 to v002\n"


def test_a_repair_is_told_apart(tool: Chameleon) -> None:
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock()
    _execute(tool, "ALTER TABLE users DROP COLUMN email")
    tool.run("migrate", "--apply")
    assert "\nRepaired:   " in tool.run("journal", "schema", "v001").stdout


def test_a_database_that_was_so_already(tool: Chameleon) -> None:
    _execute(tool, "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL)")
    tool.write(V1)
    tool.run("migrate", "--apply")
    assert tool.run("journal", "schema", "v001").stdout.endswith("💾 SQL:\n-- none: the database was so already\n")


def test_a_log_that_does_not_hold_is_a_violation(failed: Chameleon) -> None:
    log = failed.folder / ".chameleon/vault/integrity.log"
    log.write_text(log.read_text().replace("Initial", "Unusual"))
    done = failed.run("journal", "schema", status=5)
    assert done.stderr.startswith("❌ INTEGRITY VIOLATION DETECTED\n   • integrity.log:2: ")
    # What the log cannot tell, the machine's own journal and the ledger still can.
    assert {e["source"] for e in _entries(failed, "last", "100")} == {"journal", "ledger"}


def test_an_older_vault_that_was_put_back_is_in_doubt(tool: Chameleon) -> None:
    tool.write(V1)
    tool.run("migrate", "--apply")
    vault, backup = tool.folder / ".chameleon/vault", tool.folder / ".chameleon/vault.backup"
    shutil.copytree(vault, backup)
    tool.unlock()
    tool.write(UNIQUE)
    tool.run("migrate", "--apply")
    assert tool.run("journal", "schema").stderr == ""
    shutil.rmtree(vault)
    backup.rename(vault)
    for version in ((), ("v001",)):
        told = tool.run("journal", "schema", *version)
        assert "warning: integrity.log: the database knows a log of at least" in told.stderr
        assert "✓" not in told.stdout.partition("Author")[0]
    found = json.loads(tool.run("journal", "schema", "--format", "json").stdout)["findings"]
    assert "VAULT_ROLLED_BACK" in {f["code"] for f in found}
    # Without the database, what this user has seen is left.
    lost = tool.run("journal", "schema", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none").stderr
    assert "The database's ledger was not consulted: cannot connect to" in lost
    for told_by in (lost, Chameleon(tool.folder, "").run("journal", "schema").stderr):
        assert "the vault is not the one that was seen here last, or an older one" in told_by


def test_a_ledger_that_could_not_be_asked_is_said(failed: Chameleon) -> None:
    done = failed.run("journal", "errors", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert "The database's ledger was not consulted: cannot connect to" in done.stderr
    quiet = Chameleon(failed.folder, "")
    assert quiet.run("journal", "errors").stderr == ""
    assert "not consulted: DATABASE_URL not set" in quiet.run("journal", "errors", "-v").stderr


def test_a_journal_that_was_cut_short_is_read_as_far_as_it_goes(failed: Chameleon) -> None:
    path = failed.folder / ".chameleon/local/journal.jsonl"
    before = _told(failed, "last", "100")
    path.write_bytes(path.read_bytes() + b'{"action":"migr\n[]\n"x"\n{"other":1}\n')
    assert _told(failed, "last", "100") == before
    lines = path.read_text().splitlines(keepends=True)
    for time in ('"2026-99-28T09:00:00Z"', '"soon"', "7"):
        path.write_text("".join([*lines, re.sub('"at":"[^"]*"', f'"at":{time}', lines[0])]))
        assert _told(failed, "last", "100") == before


def test_a_row_of_the_ledger_that_was_changed_hides_no_other(failed: Chameleon) -> None:
    before = _told(failed, "last", "100")
    _execute(failed, "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only")
    _execute(failed, "UPDATE chameleon.ledger SET body = '{' WHERE kind = 'FAILED'")
    assert _told(failed, "last", "100") == before
    (entry,) = [e for e in _entries(failed, "errors") if e["source"] == "ledger"]
    assert entry["detail"].endswith("cannot be read: see `chameleon verify`")


def test_control_characters_of_an_author_do_not_reach_the_terminal(tool: Chameleon) -> None:
    tool.write(V1)
    tool.run("migrate", "--apply", CHAMELEON_AUTHOR="mia\x1b[31m\u202e")
    text = tool.run("journal", "schema").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "├─ Author: mia\\u001b[31m" in text


def test_a_table_is_told_as_the_preview_told_it(tool: Chameleon) -> None:
    tool.write("entity User {\n    id: bigint primary,\n    email: string unique index check (email > ''),\n}\n")
    told = tool.run("migrate").stdout.splitlines()[1]
    assert told == "  + table users (2 columns, 1 primary key, 1 unique, 1 check)"
    tool.run("migrate", "--apply")
    assert told in tool.run("journal", "schema", "v001").stdout.splitlines()


def test_what_was_applied_unverified_is_told_with_what_was_found(tool: Chameleon) -> None:
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock(Mode.EMERGENCY)
    file = tool.folder / ".chameleon/vault/hashes/v001.hash"
    before = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(b"0" * len(before))
    tool.write(V1.replace("}", "    age: int?,\n}"))
    tool.run("migrate", "--apply", "--skip-verification")
    file.write_bytes(before)
    for arguments in (("last",), ("schema", "v002"), ("migrations",), ("search", "unverified")):
        assert ", unverified: HASH_FILE_MISMATCH\n" in tool.run("journal", *arguments).stdout, arguments
    assert [(e["action"], e["version"]) for e in _entries(tool, "search", "hash_file_mismatch")] == [
        ("applied", "v002")
    ]
    (applied,) = json.loads(tool.run("journal", "schema", "2", "--format", "json").stdout)["applied"]
    assert applied["unverified"] == ["HASH_FILE_MISMATCH"]
    assert "unverified" not in tool.run("journal", "schema", "v001").stdout
