"""``chameleon status`` where something is missing, wrong or different."""

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


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    return Chameleon(project, database_url)


@pytest.fixture
def applied(tool: Chameleon) -> Chameleon:
    tool.write(V1)
    tool.run("migrate", "--apply")
    return tool


def _execute(tool: Chameleon, *statements: str) -> None:
    with psycopg.connect(tool.url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def _lines(tool: Chameleon, status: int = 0) -> list[str]:
    return tool.run("status", status=status).stdout.splitlines()


def _document(tool: Chameleon, status: int = 0) -> dict[str, Any]:
    document = json.loads(tool.run("status", "--format", "json", status=status).stdout)
    assert document.pop("format_version") == "1.0"
    return dict(document)


def test_a_project_without_a_vault(tool: Chameleon) -> None:
    tool.write(V1)
    assert _lines(tool) == [
        "Schema:",
        "  Current version:  none",
        "  Status:          ⚠ 1 change pending: chameleon migrate shows it",
        "",
        "Vault:",
        "  Versions:        none (not initialized: chameleon init)",
    ]
    assert not (tool.folder / ".chameleon/vault").exists()
    vault = _document(tool)["vault"]
    assert (vault["initialized"], vault["versions"], vault["mode"]) == (False, 0, None)


def test_a_database_that_is_so_already_and_has_no_version(tool: Chameleon) -> None:
    _execute(tool, "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL)")
    tool.write(V1)
    assert _lines(tool)[2:4] == [
        "  Status:          ✓ Up to date",
        "                   ⚠ no version is applied to this database: chameleon migrate --apply",
    ]


def test_how_a_plan_would_be_run_is_for_migrate_to_tell(applied: Chameleon) -> None:
    applied.unlock()
    applied.write("enum Mood { low, high }\n" + V1)
    applied.run("migrate", "--apply")
    applied.write("enum Mood { low, high, top }\n" + V1.replace("}", "    mood: Mood default top,\n}"))
    assert "2 transactions: " in applied.run("migrate").stderr
    assert "transactions" not in applied.run("status").stderr


def test_without_a_database_url(applied: Chameleon) -> None:
    done = Chameleon(applied.folder, "").run("status")
    assert done.stdout.splitlines()[:3] == [
        "Schema:",
        "  Current version:  v001",
        "  Status:          ? not known: DATABASE_URL not set",
    ]
    assert done.stdout.endswith("  Integrity:       ✓ OK\n  Mode:            🔒 readonly (locked)\n")
    assert done.stderr.startswith('help: export DATABASE_URL="')
    document = _document(Chameleon(applied.folder, ""))
    assert document["problem"]["code"] == "CHM0501"
    assert document["schema"]["pending"] is None
    assert document["schema"]["drift_not_checked"] == "the database was not consulted"


def test_with_a_database_that_cannot_be_reached(applied: Chameleon) -> None:
    lost = Chameleon(applied.folder, NOWHERE)
    done = lost.run("status", status=8)
    assert "  Current version:  v001\n  Status:          ? not known: the database cannot be reached\n" in done.stdout
    assert "error[CHM4001]: cannot connect to postgresql://ann:***@127.0.0.1:1/none" in done.stderr
    assert "topsecret" not in done.stdout + done.stderr + json.dumps(_document(lost, status=8))


def test_with_a_broken_schema(applied: Chameleon) -> None:
    applied.write(V1.replace("string", "strng"))
    done = applied.run("status", status=1)
    assert "  Status:          ? not known: the schema has errors\n" in done.stdout
    assert "  Integrity:       ✓ OK\n" in done.stdout
    assert "error[CHM0301]: unknown type `strng`\n --> schema.cham:3:12" in done.stderr
    diagnostics = _document(applied, status=1)["problem"]["diagnostics"]
    assert [(d["code"], d["line"]) for d in diagnostics] == [("CHM0301", 3)]


def test_without_a_schema(applied: Chameleon) -> None:
    (applied.folder / "schema.cham").unlink()
    done = applied.run("status", status=64)
    assert "  Status:          ? not known: no schema found\n" in done.stdout
    assert done.stderr.startswith("help: write ")


def test_drift_is_named_and_has_a_status_of_its_own(applied: Chameleon) -> None:
    _execute(applied, "ALTER TABLE users DROP COLUMN email", "ALTER TABLE users ADD COLUMN mine int")
    assert _lines(applied, status=6)[1:5] == [
        "  Current version:  v001",
        "  Status:          ⚠ 1 change pending: chameleon migrate shows it",
        "  Drift:           ⚠ + column users.mine",
        "                   ⚠ - column users.email",
    ]
    document = _document(applied, status=6)
    assert document["schema"]["drift"] == ["+ column users.mine", "- column users.email"]
    assert {f["code"] for f in document["findings"]} >= {"DRIFT"}


def test_changes_are_counted(applied: Chameleon) -> None:
    applied.write(V2.replace("string,", "string?,"))
    assert "  Status:          ⚠ 2 changes pending: chameleon migrate shows them" in _lines(applied)
    assert _document(applied)["schema"]["pending"] is True


def test_what_is_not_managed_is_told(applied: Chameleon) -> None:
    _execute(applied, "CREATE TABLE mine (a int PRIMARY KEY)", "CREATE VIEW v AS SELECT 1 AS a")
    done = applied.run("status")
    assert "✓ Up to date" in done.stdout
    assert done.stderr.splitlines() == [
        "In the database but not in the schema, and never made by Chameleon: left alone",
        "  relation mine",
        "Not managed by Chameleon, left alone: 1 view; -v lists them",
    ]


def test_an_incomplete_migration_is_told_until_it_is_finished(applied: Chameleon) -> None:
    applied.unlock()
    _execute(applied, "INSERT INTO users VALUES (1, 'a'), (2, 'a')")
    applied.write(V1.replace("string", "string unique"))
    applied.run("migrate", "--apply", status=1)
    assert "  Status:          ⚠ v002 is incomplete: chameleon migrate --apply finishes it" in _lines(applied)
    assert _document(applied)["schema"]["interrupted"] == "v002"


def test_nothing_is_written(applied: Chameleon) -> None:
    vault = applied.folder / ".chameleon/vault"
    before = ({p: p.read_bytes() for p in vault.rglob("*") if p.is_file()}, _ledger(applied))
    applied.run("status")
    applied.run("verify")
    assert ({p: p.read_bytes() for p in vault.rglob("*") if p.is_file()}, _ledger(applied)) == before


def _ledger(tool: Chameleon) -> list[tuple[object, ...]]:
    return tool.rows("SELECT seq, hash FROM chameleon.ledger ORDER BY seq")
