"""Migration Recovery"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg

from tests.command import Chameleon
from tests.guide.story import NULLABLE, columns, execute, log, seen, watch


def test_s53_recovery_is_printed_as_in_the_guide(first: Chameleon) -> None:
    """After a run was cut short, `migrate --apply` tells of it and finishes it, in the guide's three lines.

    Every apply tells of the verification and of its statements, and this story has neither: they go to stderr.
    """
    first.unlock()
    first.write(NULLABLE)
    _killed_while_it_waits(first)
    assert columns(first) == ["id", "email", "name"]
    assert "⚠ v002 is incomplete: chameleon migrate --apply finishes it" in first.run("status").stdout
    done = first.run("migrate", "--apply")
    assert done.stdout == (
        "⚠️  Incomplete migration detected (v002)\n🔄 Attempting recovery...\n✅ Migration completed successfully\n"
    )
    assert columns(first) == ["id", "email", "name", "age"]


def _killed_while_it_waits(tool: Chameleon) -> None:
    """Start an apply, and kill it at its first statement, which cannot lock the table."""
    with psycopg.connect(tool.url) as other:
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'Ann')")
        with tool.start("migrate", "--apply") as process:
            assert process.stderr is not None
            assert any("waiting for a lock" in line for line in process.stderr)
            process.kill()
    assert process.returncode == -9


def test_s54_recovery_finishes_the_same_version(first: Chameleon) -> None:
    """Recovery finishes the version that was begun: there is no v003, and what was done is not done again."""
    first.unlock()
    Path(first.folder, ".chameleon.yml").write_text("migration:\n  small_table: 0MB\n")  # one transaction per step
    execute(first, "INSERT INTO users VALUES (gen_random_uuid(), 'a', 'Ann'), (gen_random_uuid(), 'b', 'Ann')")
    watch(first)
    first.write(NULLABLE.replace("name: string", "name: string unique"))
    failed: subprocess.CompletedProcess[str] = first.run("migrate", "--apply", status=1)
    assert "✓ ALTER TABLE users ADD COLUMN age INTEGER\n" in failed.stdout
    assert 'could not create unique index "users_name_key"' in failed.stderr
    execute(first, "UPDATE users SET name = 'Bob' WHERE email = 'b'")
    first.run("migrate", "--apply")
    assert seen(first).count("ALTER TABLE users ADD COLUMN age INTEGER") == 1
    versions = json.loads(first.run("journal", "schema", "--format", "json").stdout)["versions"]
    assert [v["version"] for v in versions] == ["v002", "v001"]
    assert log(first).count("[REGISTER] version=v002") == log(first).count("[APPLIED] version=v002") == 1
    assert first.run("migrate").stdout.startswith("✓ Nothing to do")
    first.run("verify")
