"""One project, its vault, and one or several databases: adoption, recovery, clones, copies and restores."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from chameleondb.cli.app import run
from chameleondb.vault import log, manifest
from chameleondb.vault.history import History, fold
from chameleondb.vault.store import Store
from tests.cluster import Databases
from tests.command import Chameleon, url_of

pytestmark = pytest.mark.server

USER = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
WITH_AGE = USER.replace("}", "    age: int?,\n}")
UNIQUE = USER.replace("}", "    unique (email),\n}")


@pytest.fixture
def first(project: Path, database_url: str) -> Chameleon:
    return Chameleon(project, database_url)


@pytest.fixture
def second(first: Chameleon, databases: Databases) -> Chameleon:
    """The same project on another, empty database."""
    return Chameleon(first.folder, url_of(databases.new()))


@pytest.fixture
def applied(first: Chameleon) -> Chameleon:
    first.write(USER)
    first.run("migrate", "--apply")
    first.unlock()
    return first


def _log(tool: Chameleon) -> list[str]:
    lines = (tool.folder / ".chameleon/vault/integrity.log").read_text().splitlines()
    return [line.split()[1].strip("[]") for line in lines]


def _labels(tool: Chameleon) -> list[str]:
    return [v["version"] for v in json.loads(tool.run("journal", "schema", "--format", "json").stdout)["versions"]]


def _kinds(tool: Chameleon) -> list[object]:
    return [kind for (kind,) in tool.rows("SELECT kind FROM chameleon.ledger ORDER BY seq")]


def test_a_database_is_adopted_without_touching_it(first: Chameleon) -> None:
    first.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL)", "INSERT INTO users VALUES (1, 'a')"
    )
    before = first.rows("SELECT xmin, oid FROM pg_class WHERE relname = 'users'")
    first.run("introspect")
    done = first.run("migrate", "--apply")
    assert "✓ Registered as v001" in done.stdout
    assert "📋 Nothing to run: the database is what the schema says already" in done.stdout
    assert "✅ Schema v001 locked in vault" in done.stdout
    assert first.rows("SELECT xmin, oid FROM pg_class WHERE relname = 'users'") == before
    assert first.rows("SELECT email FROM users") == [("a",)]


def test_a_second_database_is_brought_to_the_version_through_its_own_ledger(
    applied: Chameleon, second: Chameleon
) -> None:
    applied.write(WITH_AGE)
    applied.run("migrate", "--apply")
    done = second.run("migrate", "--apply")
    assert "📦 Schema version is registered already\n   ✓ v002" in done.stdout
    assert _labels(second) == ["v002", "v001"]
    assert _kinds(second) == ["INIT", "BEGIN", "STEP", "APPLIED"]
    assert _log(second).count("APPLIED") == 3
    assert "✓ Up to date" in second.run("status").stdout
    assert "✓ Up to date" in applied.run("status").stdout


def test_a_second_database_needs_the_mode(first: Chameleon, second: Chameleon) -> None:
    first.write(USER)
    first.run("migrate", "--apply")
    done = second.run("migrate", "--apply", status=4)
    assert "error[CHM2100]: readonly mode: schema modifications blocked" in done.stderr
    assert second.rows("SELECT count(*) FROM pg_class WHERE relname IN ('users', 'ledger')") == [(0,)]


def test_a_fresh_clone_knows_that_the_version_is_applied(
    applied: Chameleon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = Chameleon(tmp_path_factory.mktemp("clone"), applied.url)
    clone.write(USER)
    shutil.copytree(applied.folder / ".chameleon/vault", clone.folder / ".chameleon/vault")
    assert "Nothing to do" in clone.run("migrate", "--apply").stdout
    assert "✓ Up to date" in clone.run("status").stdout
    assert clone.run("verify").stdout.endswith("✅ All versions verified\n")


def test_a_clone_from_before_the_receipt_gets_it(applied: Chameleon, tmp_path_factory: pytest.TempPathFactory) -> None:
    # As when CI applied a version and could not push.
    clone = Chameleon(tmp_path_factory.mktemp("clone"), applied.url)
    applied.write(WITH_AGE)
    applied.run("migrate", "--apply", "--format", "json")
    vault = applied.folder / ".chameleon/vault"
    text = (vault / "integrity.log").read_text().splitlines(keepends=True)
    assert "[APPLIED] version=v002" in text[-1]
    clone.write(WITH_AGE)
    shutil.copytree(vault, clone.folder / ".chameleon/vault")
    shutil.copy(vault.with_name(".gitattributes"), clone.folder / ".chameleon")
    (clone.folder / ".chameleon/vault/integrity.log").write_text("".join(text[:-1]))
    history = fold(log.parse(line.rstrip("\n").encode()) for line in text[:-1])
    (clone.folder / ".chameleon/vault/manifest.json").write_bytes(manifest.encode(history))
    found = json.loads(clone.run("verify", "--format", "json").stdout)
    assert [f["code"] for f in found["findings"] if f["severity"] == "recoverable"] == ["RECEIPT_MISSING_ON_DISK"]
    clone.run("migrate", "--apply")
    assert "recovered=yes" in (clone.folder / ".chameleon/vault/integrity.log").read_text().splitlines()[-1]


def test_a_new_empty_database_with_old_files_is_known_to_be_empty(applied: Chameleon, second: Chameleon) -> None:
    done = second.run("status")
    assert "⚠ no version is applied to this database" in done.stdout
    assert "pending" in done.stdout
    second.run("migrate", "--check", status=2)


def test_a_failed_migration_is_finished_as_the_same_version(applied: Chameleon) -> None:
    applied.execute("INSERT INTO users VALUES (1, 'a'), (2, 'a')")
    applied.write(UNIQUE)
    failed = applied.run("migrate", "--apply", status=1)
    assert "✓ Registered as v002" in failed.stdout
    assert "could not create unique index" in failed.stderr
    assert "⚠ v002 is incomplete" in applied.run("status").stdout
    assert "Current version:  v001" in applied.run("status").stdout
    assert "v002 is incomplete: chameleon migrate --apply finishes it" in applied.run("migrate").stderr
    shown = json.loads(applied.run("migrate", "--dry-run", "--format", "json").stdout)
    assert (shown["interrupted"], shown["changes"]) == ("v002", ["+ unique users.users_email_key"])
    applied.execute("UPDATE users SET email = 'b' WHERE id = 2")
    done = applied.run("migrate", "--apply")
    assert done.stdout.splitlines()[-3:] == [
        "⚠️  Incomplete migration detected (v002)",
        "🔄 Attempting recovery...",
        "✅ Migration completed successfully",
    ]
    assert _labels(applied) == ["v002", "v001"]
    assert _kinds(applied).count("APPLIED") == 2
    assert "FAILED" in _kinds(applied)
    applied.run("verify")


def test_a_failed_migration_is_superseded_when_the_schema_is_mended_instead(applied: Chameleon) -> None:
    applied.execute("INSERT INTO users VALUES (1, 'a'), (2, 'a')")
    applied.write(UNIQUE)
    applied.run("migrate", "--apply", status=1)
    applied.write(USER)
    supersedes = "v002 is incomplete, and the schema has changed since: chameleon migrate --apply supersedes it"
    assert f"⚠ {supersedes}" in applied.run("status").stdout
    assert supersedes in applied.run("migrate", "--check").stderr
    applied.write(WITH_AGE)
    done = applied.run("migrate", "--apply")
    assert "⚠️  Incomplete migration detected (v002)" in done.stdout
    assert "✅ Schema v003 locked in vault" in done.stdout
    history = applied.run("journal", "schema").stdout
    assert "v003 (current) ✓" in history
    assert "v002 (superseded)" in history
    # What no database ever had is in the line of versions, and not in what was changed.
    assert "├─ Changes: Added age field to User\n└─ Parent: v002\n" in history
    assert "📝 Changes since v001:\n  + column users.age\n" in applied.run("journal", "schema", "v003").stdout
    assert json.loads(applied.run("journal", "schema", "v003", "--format", "json").stdout)["since"] == "v001"
    assert "SUPERSEDE" in _log(applied)
    applied.run("verify")
    assert "✓ Up to date" in applied.run("status").stdout


def test_a_first_apply_that_fails_is_retried_in_readonly_mode(first: Chameleon) -> None:
    first.write(USER + 'sql """ CREATE VIEW v AS SELECT 1/(SELECT count(*) FROM users) AS a """\n')
    first.execute("CREATE TABLE users (id bigint PRIMARY KEY, email text)", "INSERT INTO users VALUES (1, NULL)")
    first.write(USER.replace("email: string", "email: string(1)"))
    first.execute("UPDATE users SET email = 'longer'")
    failed = first.run("migrate", "--apply", "--allow", "*", status=1)
    assert "Registered as v001" in failed.stdout
    first.execute("UPDATE users SET email = 'a'")
    done = first.run("migrate", "--apply", "--allow", "*")
    assert "⚠️  Incomplete migration detected (v001)" in done.stdout
    assert _labels(first) == ["v001"]


def test_a_swap_is_no_repair_of_what_drifted(applied: Chameleon) -> None:
    two = USER.replace("email: string", "a: string,\n    b: string")
    applied.write(two)
    applied.run("migrate", "--apply", "--allow", "*")
    applied.execute("INSERT INTO users VALUES (1, 'x', 'y')")
    applied.write(two.replace("a: string", "a: string was b").replace("b: string", "b: string was a"))
    done = applied.run("migrate", "--apply")
    assert "🔧 Following what is renamed in v002" in done.stdout
    assert applied.rows("SELECT a, b FROM users") == [("y", "x")]
    assert _labels(applied) == ["v002", "v001"]


def test_drift_is_shown_and_brought_back(applied: Chameleon) -> None:
    applied.execute("ALTER TABLE users ALTER COLUMN email DROP NOT NULL", "ALTER TABLE users ADD COLUMN mine int")
    state = applied.run("status", status=6).stdout
    assert "⚠ ~ column users.email: " in state
    assert "⚠ + column users.mine" in state
    applied.run("verify", status=6)
    done = applied.run("migrate", "--apply")
    assert "🔧 Bringing the database back to v001" in done.stdout
    assert _labels(applied) == ["v001"]
    assert _kinds(applied)[-1] == "REPAIR"
    assert _log(applied)[-1] == "REPAIR"
    # What was left alone then is known from now on.
    assert "Drift" not in applied.run("status").stdout


def _copy_of(tool: Chameleon, databases: Databases) -> Chameleon:
    name = conninfo_to_dict(databases.new())["dbname"]
    source = tool.url.split("@/")[1].split("?")[0]
    with psycopg.connect(tool.url.replace(source, "postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"'.encode())
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'.encode())
    return Chameleon(tool.folder, tool.url.replace(source, str(name)))


def test_a_copy_is_noticed_and_needs_to_be_adopted(applied: Chameleon, databases: Databases) -> None:
    copy = _copy_of(applied, databases)
    found = json.loads(copy.run("verify", "--format", "json").stdout)
    assert "DATABASE_IS_A_COPY" in [f["code"] for f in found["findings"]]
    copy.run("migrate")
    refused = copy.run("migrate", "--apply", status=6)
    assert "chameleon migrate --apply --adopt" in refused.stderr
    copy.run("migrate", "--apply", "--adopt")
    copy.write(WITH_AGE)
    copy.run("migrate", "--apply")
    assert "ADOPT" in _kinds(copy)
    assert "ADOPT" in _log(copy)
    copy.run("verify")


def test_a_database_put_back_from_an_older_backup(applied: Chameleon) -> None:
    backup = applied.rows("SELECT body, prev, hash, kind FROM chameleon.ledger ORDER BY seq")
    applied.write(WITH_AGE)
    applied.run("migrate", "--apply")
    # What a restore does to it: the column and the rows of v002 are gone.
    applied.execute(
        "ALTER TABLE users DROP COLUMN age",
        "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
        f"DELETE FROM chameleon.ledger WHERE seq > {len(backup)}",
        "ALTER TABLE chameleon.ledger ENABLE ALWAYS TRIGGER append_only",
    )
    refused = applied.run("migrate", "--apply", status=5)
    assert "v002 was applied to this database, and its ledger does not know" in refused.stderr
    assert "❌ Migration aborted for safety" in refused.stderr
    done = applied.run("migrate", "--apply", "--adopt")
    assert "ALTER TABLE users ADD COLUMN age INTEGER" in done.stdout
    assert _labels(applied) == ["v002", "v001"]
    applied.run("verify")


def test_a_full_disk_at_the_receipt_says_that_the_migration_is_applied(
    first: Chameleon, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    first.write(USER)
    monkeypatch.setenv("DATABASE_URL", first.url)
    append = Store.append

    def full(store: Store, history: History, action: str, **fields: str) -> History:
        if action == "APPLIED":
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(store, history, action, **fields)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append", full)
        assert run(["migrate", "--apply"]) == 1
    assert "error[CHM2040]: v001 is applied, but its receipt could not be written" in capfd.readouterr().err
    assert first.rows("SELECT count(*) FROM users") == [(0,)]
    assert "put right: receipt of v001" in first.run("migrate", "--apply").stderr
    assert _kinds(first).count("APPLIED") == 1
    first.run("verify")


def test_a_database_learns_the_password_with_the_next_apply(applied: Chameleon) -> None:
    assert "AUTH" not in _kinds(applied)
    applied.run("migrate", "--apply")
    assert _kinds(applied).count("AUTH") == 1
    applied.run("migrate", "--apply")
    assert _kinds(applied).count("AUTH") == 1
    applied.run("verify")
