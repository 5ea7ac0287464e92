"""``chameleon migrate`` where the guide says nothing: consent, refusals, JSON, what is left alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.command import Chameleon

pytestmark = pytest.mark.server

BEFORE = """entity User {
    id: uuid primary,
    email: string unique,
    name: string,
}
"""
AFTER = BEFORE.replace("}", "    age: int index,  // ← New field\n}")


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    return Chameleon(project, database_url)


@pytest.fixture
def applied(tool: Chameleon) -> Chameleon:
    tool.write(BEFORE)
    tool.run("migrate", "--apply")
    tool.unlock()
    tool.write(AFTER)
    return tool


def test_a_preview_makes_only_what_is_this_machines_own_private(tool: Chameleon) -> None:
    tool.write(BEFORE)
    tool.run("migrate")
    data = tool.folder / ".chameleon"
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (data, data / "local", data / "local/cache")}
    shared = 0o777 & ~_umask()
    assert modes == {".chameleon": shared, "local": 0o700, "cache": 0o700}
    tool.run("migrate", "--apply")
    assert stat.S_IMODE(data.stat().st_mode) == shared


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def test_a_second_apply_has_nothing_to_do(applied: Chameleon) -> None:
    applied.run("migrate", "--apply")
    heads = applied.rows("SELECT hash FROM chameleon.ledger")
    done = applied.run("migrate", "--apply")
    assert done.stdout.endswith("\n✓ Nothing to do: the database is what the schema says.\n")
    assert applied.rows("SELECT hash FROM chameleon.ledger") == heads


def test_check_tells_pending_changes_by_its_exit_status(applied: Chameleon) -> None:
    applied.run("migrate", "--check", status=2)
    applied.run("migrate", "--apply")
    applied.run("migrate", "--check", status=0)


def test_a_required_field_that_nothing_fills_is_refused(applied: Chameleon) -> None:
    applied.rows("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A'), (gen_random_uuid(), 'b', 'B') RETURNING 1")
    done = applied.run("migrate", "--apply", status=1)
    assert done.stderr == (
        "error[CHM1002]: users.age is required, but users has 2 rows and nothing to fill it with\n"
        "help: add a default, add backfill (expression), or make it nullable: age: …?\n"
    )


def test_a_loss_needs_consent_by_name(applied: Chameleon) -> None:
    applied.rows("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A') RETURNING 1")
    applied.write(BEFORE.replace("    name: string,\n", ""))
    done = applied.run("migrate", "--apply", status=3)
    assert "help: if that is meant, add --allow drops-data:users.name\n" in done.stderr
    done = applied.run("migrate", "--apply", "--allow", "drops-data:users.email", status=3)
    assert "warning: --allow drops-data:users.email is not needed" in done.stderr
    assert applied.rows("SELECT name FROM users") == [("A",)]
    applied.run("migrate", "--apply", "--allow", "drops-data:users.name")
    assert applied.rows("SELECT email FROM users") == [("a",)]


def test_json_says_all_of_it(applied: Chameleon) -> None:
    document = json.loads(applied.run("migrate", "--format", "json").stdout)
    assert document["pending"] is True
    assert document["format_version"] == "1.0"
    assert [step["sql"] for group in document["groups"] for step in group["steps"]] == [
        "ALTER TABLE users ADD COLUMN age INTEGER",
        "ALTER TABLE users ALTER COLUMN age SET NOT NULL",
        "CREATE INDEX idx_users_age ON users(age)",
    ]
    assert document["groups"][0]["steps"][0]["locks"] == [{"relation": "users", "mode": "ACCESS EXCLUSIVE"}]
    done = json.loads(applied.run("migrate", "--apply", "--format", "json").stdout)
    assert (done["applied"], done["version"]) == (True, "v002")
    assert json.loads(applied.run("migrate", "--format", "json").stdout)["pending"] is False


def test_a_plan_that_is_not_the_reviewed_one_is_refused(applied: Chameleon) -> None:
    reviewed = json.loads(applied.run("migrate", "--format", "json").stdout)["plan_hash"]
    applied.write(AFTER.replace("age: int", "years: int"))
    done = applied.run("migrate", "--apply", "--plan", reviewed, status=6)
    assert "CHM1010" in done.stderr
    applied.write(AFTER)
    for too_short in ("", reviewed[:7]):
        done = applied.run("migrate", "--apply", "--plan", too_short, status=64)
        assert "at least 8 of its characters" in done.stderr
    applied.run("migrate", "--apply", "--plan", reviewed[:8])


@pytest.mark.parametrize(
    "arguments",
    [["--check", "--apply"], ["--dry-run", "--apply"], ["--allow", "*"], ["--plan", "00"], ["--format", "x"]],
)
def test_options_that_do_not_fit_are_refused(applied: Chameleon, arguments: list[str]) -> None:
    applied.run("migrate", *arguments, status=64)


def test_an_object_made_by_hand_is_reported_and_left_alone(applied: Chameleon) -> None:
    with psycopg.connect(applied.url) as connection:
        connection.execute(
            "CREATE TABLE mine (a int); CREATE INDEX by_hand ON users (name); CREATE VIEW v AS SELECT 1 AS a"
        )
    done = applied.run("migrate", "--apply", "--allow", "*")
    assert "  relation mine\n" in done.stderr
    assert "  relation by_hand\n" in done.stderr
    assert "left alone: 1 view" in done.stderr
    assert applied.rows("SELECT count(*) FROM pg_class WHERE relname IN ('mine', 'by_hand', 'v')") == [(3,)]


def test_what_was_added_by_hand_is_drift_until_an_apply_changes_something_and_is_left_alone(applied: Chameleon) -> None:
    added = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'extra'"
    applied.run("migrate", "--apply")
    applied.execute(
        "ALTER TABLE users ADD extra int", "CREATE INDEX by_hand ON users (extra)", "CREATE TABLE mine (a int)"
    )
    applied.run("migrate", "--apply")  # has nothing to do
    for command in ("status", "verify"):
        told = applied.run(command, status=6).stdout
        assert "extra" in told
        assert "by_hand" in told
    found = json.loads(applied.run("verify", "--format", "json", status=6).stdout)["findings"]
    assert {f["hint"].partition(" while")[0] for f in found} == {"left alone"}
    applied.execute("ALTER TABLE users ALTER name DROP NOT NULL")
    applied.run("migrate", "--apply")
    assert applied.rows(added) == [(1,)]
    assert "In the database but not in the schema" in applied.run("status").stderr
    assert json.loads(applied.run("verify", "--format", "json").stdout)["findings"] == []


def test_what_the_server_refuses_is_shown_at_its_place(applied: Chameleon) -> None:
    applied.write(BEFORE.replace("name: string", "name: string check (nmae <> '')"))
    done = applied.run("migrate", status=1)
    assert 'error[CHM0350]: PostgreSQL: column "nmae" does not exist\n --> schema.cham:4:' in done.stderr


@pytest.mark.parametrize(
    ("declared", "place", "help"),
    [
        ('extension "nowhere"\n', "1:11", "help: install it where the server runs"),
        (
            'entity T { id: int primary, a: string collate "xx-nowhere" }\n',
            "1:29",
            "help: `SELECT collname",
        ),
        (
            'entity T { id: int primary, u: table "auth"."users" (id) via id }\n',
            "1:29",
            "help: no schema file makes it",
        ),
        (
            'entity T { id: int primary, u: table "others" (id) via id }\n',
            "1:29",
            "help: no schema file makes it",
        ),
    ],
)
def test_what_is_missing_is_told_with_where_to_get_it(applied: Chameleon, declared: str, place: str, help: str) -> None:
    applied.write(declared + BEFORE)
    told = applied.run("migrate", status=1).stderr
    assert "error[CHM0350]: PostgreSQL: " in told
    assert f" --> schema.cham:{place}\n" in told
    assert help in told


def _wait_for(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


def test_a_second_run_says_for_whom_it_waits(applied: Chameleon, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = Chameleon(tmp_path_factory.mktemp("clone"), applied.url)
    shutil.copytree(applied.folder, clone.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("local"))
    with psycopg.connect(applied.url) as other:
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A')")
        with applied.start("migrate", "--apply") as first:
            held, pid = _wait_for(first, "waiting for a lock"), other.info.backend_pid
            with applied.start("migrate", "--apply") as second, clone.start("migrate", "--apply") as third:
                told = [_wait_for(process, "waiting for") for process in (second, third)]
                other.rollback()
                for process in (first, second, third):
                    process.communicate()
    assert f" held by process {pid} of " in held
    assert f"waiting for another command: process {first.pid} on " in told[0]
    assert re.search(r"waiting for another command: process \d+ of .* \(chameleon/.* migrate --apply\)", told[1])
    # The clone has not heard of the version that the database got meanwhile.
    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 5)
    assert applied.rows("SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'") == [(2,)]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_goes_away_does_not_stop_a_run_that_was_begun(applied: Chameleon, stream: str) -> None:
    with psycopg.connect(applied.url) as other:
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A')")
        with applied.start("migrate", "--apply", "-v") as process:
            _wait_for(process, "waiting for a lock")
            closed = getattr(process, stream)
            closed.close()
            setattr(process, stream, None)
            other.rollback()
            process.communicate()
    assert process.returncode == (141 if stream == "stdout" else 0)
    assert applied.rows("SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'") == [(2,)]
    assert "receipt" not in applied.run("verify").stderr


def test_verbose_tells_each_statement_once(applied: Chameleon) -> None:
    with psycopg.connect(applied.url) as other:
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A')")
        with applied.start("migrate", "--apply", "-v") as process:
            told = _wait_for(process, "(attempt 5)")
            other.rollback()
            _, rest = process.communicate()
    assert "waiting for a lock held by" in told
    assert rest.count("running: ALTER TABLE users ADD COLUMN age INTEGER\n") == 0
    assert rest.count("running: CREATE INDEX idx_users_age ON users(age)\n") == 1


def test_a_long_build_tells_how_far_it_is_and_who_holds_it_up(applied: Chameleon) -> None:
    (applied.folder / ".chameleon.yml").write_text("migration:\n  small_table: 0MB\n")
    applied.write(BEFORE.replace("name: string", "name: string index"))
    with psycopg.connect(applied.url) as other:
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'a', 'A')")
        other.commit()
        other.execute("INSERT INTO users VALUES (gen_random_uuid(), 'b', 'B')")
        with applied.start("migrate", "--apply") as process:
            told, pid = _wait_for(process, "held up by"), other.info.backend_pid
            other.rollback()
            _, rest = process.communicate()
    assert told.startswith(
        "   … CREATE INDEX CONCURRENTLY idx_users_name ON users(name): waiting for writers before build,"
        f" held up by process {pid} of "
    )
    assert process.returncode == 0, rest


def test_what_differs_from_its_block_is_no_success(tool: Chameleon) -> None:
    tool.write('entity User { id: int primary }\nsql """ CREATE VIEW v AS SELECT id FROM users """')
    tool.run("migrate", "--apply")
    tool.execute("CREATE OR REPLACE VIEW v AS SELECT id FROM users WHERE id > 1")
    for way in (["migrate", "--check"], ["migrate", "--dry-run"], ["migrate"]):
        done = tool.run(*way, status=2 if "--check" in way else 0)
        assert "Nothing that can be planned" in done.stdout
        assert "  view public.v" in done.stderr
    assert "1 object differs from its sql block: chameleon migrate names it" in tool.run("status").stdout
