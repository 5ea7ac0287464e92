"""``chameleon verify``: what it rests on is said, and each verdict has its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.command import Chameleon

V1 = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
V2 = V1.replace("}", "    age: int?,\n}")
NOWHERE = "postgresql://ann:topsecret@127.0.0.1:1/none"
VERIFIED = """\
🔍 Verifying Schema Vault integrity...
   ✓ v001: hash verified
✅ All versions verified
"""


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    return Chameleon(project, database_url)


@pytest.fixture
def applied(tool: Chameleon) -> Chameleon:
    tool.write(V1)
    tool.run("migrate", "--apply")
    return tool


def _document(tool: Chameleon, *arguments: str, status: int = 0) -> dict[str, Any]:
    document = json.loads(tool.run("verify", *arguments, "--format", "json", status=status).stdout)
    assert document["format_version"] == "1.0"
    return dict(document)


def _codes(tool: Chameleon, *arguments: str, status: int = 0) -> list[str]:
    return [f["code"] for f in _document(tool, *arguments, status=status)["findings"]]


def test_what_was_consulted_is_said(applied: Chameleon) -> None:
    done = applied.run("verify")
    assert done.stdout == VERIFIED
    assert done.stderr.endswith("Checked against the database's ledger: 4 rows\n")
    document = _document(applied)
    assert document["ok"] is True
    assert document["drift"] == "none"
    assert document["anchors"] == dict.fromkeys(("database", "ledger", "memory"), "consulted")


def test_a_memory_that_was_not_consulted_is_said(applied: Chameleon, tmp_path: Path) -> None:
    for folder in ("/proc/nope", str(tmp_path / "new")):
        done = applied.run("verify", XDG_STATE_HOME=folder)
        assert done.stdout == VERIFIED
        assert f"Your memory not consulted ({folder}/chameleon/heads.json cannot be read, or has" in done.stderr
    assert "memory" not in applied.run("verify", XDG_STATE_HOME=str(tmp_path / "new")).stderr


@pytest.mark.parametrize("way_out", [("init",), ("migrate", "--apply")])
def test_rules_for_git_that_are_gone_are_found_and_put_back(applied: Chameleon, way_out: tuple[str, ...]) -> None:
    rules = applied.folder / ".chameleon/.gitattributes"
    assert rules.read_text() == "vault/** -text -merge\n"  # the first apply made the vault
    rules.unlink()
    done = applied.run("verify")
    assert done.stdout == VERIFIED
    assert "recoverable: .chameleon/.gitattributes: is missing: git may merge the vault by lines (" in done.stderr
    applied.run(*way_out)
    assert rules.read_text() == "vault/** -text -merge\n"
    assert _codes(applied) == []


def test_offline_is_no_failure_and_is_said(applied: Chameleon) -> None:
    lost = Chameleon(applied.folder, NOWHERE)
    done = lost.run("verify", "--offline")
    assert done.stdout == VERIFIED
    assert done.stderr.startswith("Database not consulted (--offline): that the newest versions were deleted")
    assert _document(lost, "--offline")["drift"] == "not checked"


def test_without_a_database_url(applied: Chameleon) -> None:
    done = Chameleon(applied.folder, "").run("verify")
    assert done.stdout == VERIFIED
    assert done.stderr.startswith("Database not consulted (DATABASE_URL not set): ")


def test_a_database_that_cannot_be_reached_is_a_failure(applied: Chameleon) -> None:
    lost = Chameleon(applied.folder, NOWHERE)
    done = lost.run("verify", status=8)
    assert done.stdout == VERIFIED
    assert "error[CHM4001]: cannot connect to" in done.stderr
    assert "topsecret" not in done.stderr
    assert _document(lost, status=8)["anchors"]["database"] == "not consulted"


def test_drift_has_a_status_of_its_own(applied: Chameleon) -> None:
    with psycopg.connect(applied.url) as connection:
        connection.execute("ALTER TABLE users DROP COLUMN email")
    done = applied.run("verify", status=6)
    assert done.stdout == f"{VERIFIED}   ⚠ drift: - column users.email\n"
    assert _document(applied, status=6)["drift"] == "found"


def test_a_violation_comes_before_everything_else(applied: Chameleon) -> None:
    path = applied.folder / ".chameleon/vault/versions/v001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    done = Chameleon(applied.folder, NOWHERE).run("verify", status=5)
    assert "   ✗ v001: hash mismatch\n❌ INTEGRITY VIOLATION DETECTED\n   • v001.json: hash mismatch\n" in done.stdout
    assert "✅" not in done.stdout
    assert "help: restore .chameleon/vault from git or a backup\n" in done.stderr


def test_a_version_that_is_missing_is_called_so(applied: Chameleon) -> None:
    (applied.folder / ".chameleon/vault/versions/v001.json").unlink()
    done = applied.run("verify", "--offline", status=5)
    assert "   ✗ v001: is missing\n❌ INTEGRITY VIOLATION DETECTED\n   • v001.json: is missing\n" in done.stdout


def test_what_is_in_the_place_of_the_vault_is_to_be_replaced(tool: Chameleon) -> None:
    (tool.folder / ".chameleon").write_text("")
    done = tool.run("verify", "--offline", status=5)
    assert "   • .chameleon: not a directory, or a link to one\n   🚨 Schema vault cannot be read!\n" in done.stdout
    way_out = "help: a symbolic link or a file has no place there: replace it by a directory"
    assert way_out in done.stderr
    assert way_out in tool.run("init", status=1).stderr


def test_no_vault(tool: Chameleon) -> None:
    for arguments in ((), ("--offline",)):
        done = tool.run("verify", *arguments, status=64)
        assert done.stderr == "error[CHM2002]: vault not initialized\nhelp: run `chameleon init`\n"


def test_a_vault_that_was_thrown_away_is_missed_by_the_database(applied: Chameleon) -> None:
    for path in sorted((applied.folder / ".chameleon").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert _codes(applied, status=5) == ["VAULT_MISSING"]
    assert "migrated from a vault that is not here" in applied.run("migrate", "--apply", status=5).stderr


def test_versions_that_were_cut_off_are_missed_by_the_memory(applied: Chameleon) -> None:
    vault = applied.folder / ".chameleon/vault"
    older = {p: p.read_bytes() for p in vault.rglob("*") if p.is_file()}
    applied.unlock()
    applied.write(V2)
    applied.run("migrate", "--apply")
    for path in vault.rglob("*"):
        if path.is_file():
            path.unlink()
    for path, data in older.items():
        path.write_bytes(data)
    assert _codes(applied, "--offline") == ["VAULT_UNLIKE_LAST_SEEN"]
    assert "VAULT_ROLLED_BACK" in _codes(applied, status=5)


def test_a_missing_hash_file_is_put_right_by_the_next_apply(applied: Chameleon) -> None:
    (applied.folder / ".chameleon/vault/hashes/v001.hash").unlink()
    done = applied.run("verify")
    assert "recoverable: hashes/v001.hash: is missing (`chameleon migrate --apply` puts it right)" in done.stderr
    assert "put right: hashes/v001.hash" in applied.run("migrate", "--apply").stderr
    assert _codes(applied) == []


def test_a_role_that_may_not_read_the_ledger(applied: Chameleon) -> None:
    role = f"reader_{applied.rows('SELECT oid FROM pg_database WHERE datname = current_database()')[0][0]}"
    with psycopg.connect(applied.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        user = applied.url.split("://")[1].split("@")[0]
        reader = Chameleon(applied.folder, applied.url.replace(f"://{user}@", f"://{role}@"))
        done = reader.run("verify")
        assert "The role may not read the ledger: what is applied was not checked" in done.stderr
        assert _document(reader)["anchors"]["ledger"] == "not consulted"
    finally:
        with psycopg.connect(applied.url, autocommit=True) as connection:
            connection.execute(f"DROP ROLE {role}".encode())
