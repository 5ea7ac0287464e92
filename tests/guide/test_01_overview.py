"""Overview"""

from __future__ import annotations

import json

from tests.command import Chameleon
from tests.guide.story import V1, columns, execute, log, tamper

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def test_s01_every_migration_registers_a_version(second: Chameleon) -> None:
    """Every migration registers a version of the schema by itself."""
    second.write(V1)
    second.run("migrate", "--apply", "--allow", "*")
    document = json.loads(second.run("journal", "schema", "--format", "json").stdout)
    assert [v["version"] for v in document["versions"]] == ["v003", "v002", "v001"]
    assert log(second).count("[REGISTER]") == 3


def test_s02_integrity_comes_first(edited: Chameleon) -> None:
    """Integrity is verified before anything is done: before the database is even asked."""
    tamper(edited)
    done = edited.run("migrate", "--apply", status=5, DATABASE_URL=NOWHERE)
    assert "integrity violation detected" in done.stderr
    assert "connect" not in done.stderr


def test_s03_readonly_blocks(edited: Chameleon) -> None:
    """Modes are enforced: `readonly` blocks a migration."""
    before = (columns(edited), log(edited))
    edited.run("migrate", "--apply", status=4)
    assert (columns(edited), log(edited)) == before


def test_s04_the_audit_trail_only_grows(second: Chameleon) -> None:
    """Every change of the schema is in an audit trail that is only ever added to."""
    before = log(second)
    second.write(V1)
    second.run("migrate", "--apply", "--allow", "*")
    assert log(second).startswith(before)
    assert [line.split()[1] for line in log(second).splitlines() if "version=" in line] == [
        "[REGISTER]",
        "[APPLIED]",
    ] * 3


def test_s05_a_failed_migration_is_recovered(first: Chameleon) -> None:
    """A migration that failed can be finished once its cause is gone."""
    first.unlock()
    execute(first, "INSERT INTO users VALUES (gen_random_uuid(), 'a', 'Ann'), (gen_random_uuid(), 'b', 'Ann')")
    first.write(V1.replace("name: string", "name: string unique"))
    first.run("migrate", "--apply", status=1)
    execute(first, "UPDATE users SET name = 'Bob' WHERE email = 'b'")
    first.run("migrate", "--apply")
    assert "✓ Up to date" in first.run("status").stdout
    assert first.rows("SELECT count(*) FROM pg_constraint WHERE conname = 'users_name_key'") == [(1,)]
