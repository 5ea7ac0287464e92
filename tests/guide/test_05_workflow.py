"""Complete Migration Workflow"""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from chameleondb.modes.policy import Mode
from tests.command import PASSWORD, Chameleon
from tests.guide.story import NULLABLE, V1, V2, columns, execute, log, stable, tamper, vault

APPLIED = """\
🔍 Verifying schema integrity...
   ✓ Current: v001 (01234567...)
   ✓ No tampering detected

📦 Registering new schema version...
   ✓ Registered as v002 (hash: 01234567...)
   ✓ Parent: v001

📋 Applying migration...
   ✓ ALTER TABLE users ADD COLUMN age INTEGER

✅ Migration applied successfully
✅ Schema v002 locked in vault
"""
VERIFIED, REGISTERED, RUN, CLOSED = APPLIED.removesuffix("\n").split("\n\n")


@pytest.fixture
def unlocked(edited: Chameleon) -> Chameleon:
    """Step 4 done: the field is new, nullable as in the guide's output, and the mode is standard."""
    edited.unlock()
    edited.write(NULLABLE)
    return edited


def _blocks(tool: Chameleon) -> list[str]:
    """What an apply tells, block by block."""
    return stable(tool.run("migrate", "--apply").stdout).removesuffix("\n").split("\n\n")


def test_s25_fields_are_added_removed_and_modified(first: Chameleon) -> None:
    """The schema is in `schema.cham`; entities and fields can be added, removed and modified there.

    The original's `init` makes a directory `schemas/` instead: both are read, and so is what `schema.paths` names.
    """
    first.unlock()
    post = "entity Post {\n    id: uuid primary,\n}\n"
    for text, expected in (
        (V2, ["id", "email", "name", "age"]),
        (V1 + post, ["id", "email", "name"]),
        (V1.replace("name: string,", "name: string?,"), ["id", "email", "name"]),
        (post, []),
    ):
        first.write(text)
        first.run("migrate", "--apply", "--allow", "*")
        assert columns(first) == expected
        assert first.run("migrate").stdout.startswith("✓ Nothing to do")


def test_s26_the_sample_is_understood_as_it_is(tool: Chameleon) -> None:
    """The sample parses as it is: a comma after each field, a comment after a comma, `←` in the comment."""
    assert "    age: int,  // ← New field\n}" in V2
    tool.write(V2)
    assert tool.run("check").stdout == "✅ Schema is valid\n"


def test_s27_validate_is_printed_as_in_the_guide(edited: Chameleon) -> None:
    """`validate` without arguments checks the schema and counts, to the letter as in the guide."""
    assert edited.run("validate").stdout == ("✅ Schema validated successfully\n   Entities: 1 (User)\n   Fields: 4\n")


def test_s28_entities_are_named_and_fields_counted(edited: Chameleon) -> None:
    """`Entities:` has the count and the names, `Fields:` the total; relations are not fields.

    The original's quick start has `Relations:` in that place; we follow the guide.
    """
    edited.write(
        V2.replace("}", "    posts: [Post] via author_id,\n}")
        + "entity Post {\n    id: uuid primary,\n    author_id: uuid,\n    author: User via author_id,\n}\n"
    )
    assert edited.run("validate").stdout.splitlines()[1:] == ["   Entities: 2 (User, Post)", "   Fields: 6"]


def test_s29_the_preview_works_in_readonly_mode(edited: Chameleon) -> None:
    """Step 3 comes before step 4: `--dry-run` works in readonly mode."""
    assert edited.run("config", "get", "mode").stdout == "readonly\n"
    assert "ALTER TABLE users ADD COLUMN age INTEGER;" in edited.run("migrate", "--dry-run").stdout


def test_s30_the_mode_can_be_asked_for(edited: Chameleon) -> None:
    """`config get mode` prints the mode in force."""
    assert edited.run("config", "get", "mode").stdout == "readonly\n"
    edited.unlock()
    assert edited.run("config", "get", "mode").stdout == "standard\n"


def test_s31_the_password_is_asked_for_and_masked(edited: Chameleon) -> None:
    """`config set mode=standard` asks `🔐 Enter mode password: ` and shows stars for what is typed."""
    edited.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD)
    screen = _on_a_terminal(edited, "config", "set", "mode=standard", answers=("🔐 Enter mode password: ", PASSWORD))
    assert f"🔐 Enter mode password: {'*' * len(PASSWORD)}\r\n" in screen
    assert PASSWORD not in screen
    assert edited.run("config", "get", "mode").stdout == "standard\n"


def _on_a_terminal(tool: Chameleon, *arguments: str, answers: tuple[str, str]) -> str:
    """Run a command on a terminal, type an answer at a prompt, and return what the screen shows."""
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "chameleondb", *arguments],
        cwd=tool.folder,
        env={**os.environ, "DATABASE_URL": tool.url, "PYTHONUTF8": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    prompt, answer = answers
    screen = b""
    while part := _read(keyboard):
        screen += part
        if answer and screen.decode(errors="replace").endswith(prompt):
            os.write(keyboard, f"{answer}\r".encode())
            answer = ""
    os.close(keyboard)
    assert process.wait() == 0, screen.decode()
    return screen.decode()


def _read(keyboard: int) -> bytes:
    try:
        return os.read(keyboard, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.PRIVILEGED, Mode.EMERGENCY])
def test_s32_standard_or_higher_is_needed(edited: Chameleon, mode: Mode) -> None:
    """Migrations are blocked in readonly, and allowed in standard or higher."""
    edited.run("migrate", "--apply", status=4)
    edited.unlock(mode)
    edited.run("migrate", "--apply")
    assert columns(edited) == ["id", "email", "name", "age"]


def test_s33_apply_first_tells_of_the_integrity(unlocked: Chameleon) -> None:
    """Apply, first block: integrity, the current version, no tampering."""
    assert _blocks(unlocked)[0] == VERIFIED


def test_s34_apply_then_tells_of_the_new_version(unlocked: Chameleon) -> None:
    """Apply, second block: the version, its hash, its parent."""
    assert _blocks(unlocked)[1] == REGISTERED


def test_s35_apply_tells_of_each_statement(unlocked: Chameleon) -> None:
    """Apply, third block: each statement that was run, without its semicolon.

    The guide's field is `int`, its output has no NOT NULL. It holds to the letter for `int?`, or an `int` in two lines.
    """
    unlocked.write(NULLABLE.replace("int?", "int? index"))
    assert _blocks(unlocked)[2] == f"{RUN}\n   ✓ CREATE INDEX idx_users_age ON users(age)"


def test_s36_apply_closes_with_two_lines(unlocked: Chameleon) -> None:
    """Apply ends with success and the version that is locked; nothing else is printed."""
    assert stable(unlocked.run("migrate", "--apply").stdout) == APPLIED
    assert APPLIED.endswith(f"\n\n{CLOSED}\n")


def test_s37_hashes_are_abbreviated(second: Chameleon) -> None:
    """A hash is shown as its first 8 hex digits and `...`."""
    full = (vault(second) / "hashes" / "v002.hash").read_text()[:64]
    assert f"├─ Hash: {full[:8]}...\n" in second.run("journal", "schema").stdout
    second.write(V1)
    assert f"✓ Current: v002 ({full[:8]}...)" in second.run("migrate", "--apply", "--allow", "*").stdout


def test_s38_verify_register_apply_lock(first: Chameleon) -> None:
    """The order is: verify, register, apply, lock. What stops it leaves the steps before done, and none after."""
    first.unlock()
    execute(first, "INSERT INTO users VALUES (gen_random_uuid(), 'a', 'Ann'), (gen_random_uuid(), 'b', 'Ann')")
    first.write(V1.replace("name: string", "name: string unique"))
    backup = (vault(first) / "versions" / "v001.json").read_bytes()
    tamper(first)
    first.run("migrate", "--apply", status=5)
    assert "v002" not in log(first)
    (vault(first) / "versions" / "v001.json").write_bytes(backup)
    first.run("migrate", "--apply", status=1)
    assert "[REGISTER] version=v002" in log(first)
    assert "[APPLIED] version=v002" not in log(first)
    execute(first, "UPDATE users SET name = 'Bob' WHERE email = 'b'")
    first.run("migrate", "--apply")
    assert "[APPLIED] version=v002" in log(first).splitlines()[-1]


def test_s39_versions_are_numbered(second: Chameleon) -> None:
    """Versions are `v` and three digits; the parent is the version before."""
    second.write(V1)
    done = second.run("migrate", "--apply", "--allow", "*").stdout
    assert "   ✓ Registered as v003 (hash: " in done
    assert "   ✓ Parent: v002\n" in done
    assert sorted(p.name for p in (vault(second) / "versions").iterdir()) == ["v001.json", "v002.json", "v003.json"]


def test_s40_verify_is_printed_as_in_the_guide(second: Chameleon) -> None:
    """`verify` names every version in order and the verdict, to the letter as in the guide."""
    assert second.run("verify").stdout == (
        "🔍 Verifying Schema Vault integrity...\n"
        "   ✓ v001: hash verified\n"
        "   ✓ v002: hash verified\n"
        "✅ All versions verified\n"
    )
