"""Best Practices"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import Chameleon
from tests.guide.story import V1, V2, execute, vault


def test_s65_the_dry_run_is_always_possible(tool: Chameleon) -> None:
    """`migrate --dry-run` always works: before there is a vault, in readonly mode, while a migration is incomplete."""
    tool.write(V1)
    assert "CREATE TABLE users" in tool.run("migrate", "--dry-run").stdout
    tool.run("migrate", "--apply")
    execute(tool, "INSERT INTO users VALUES (gen_random_uuid(), 'a', 'Ann'), (gen_random_uuid(), 'b', 'Ann')")
    tool.unlock()
    tool.write(V1.replace("name: string", "name: string unique"))
    tool.run("migrate", "--apply", status=1)
    tool.run("config", "set", "mode=readonly")
    assert "users_name_key" in tool.run("migrate", "--dry-run").stdout


def test_s66_locking_needs_no_password(first: Chameleon) -> None:
    """`config set mode=readonly` locks, without a password."""
    first.unlock()
    assert first.run("config", "set", "mode=readonly").stdout == "✅ Mode downgraded to readonly\n"
    first.write(V2)
    first.run("migrate", "--apply", status=4)


def test_s67_the_history_can_be_read_regularly(second: Chameleon) -> None:
    """`journal schema` works in every mode and without a database, and says when the history is in doubt."""
    second.run("config", "set", "mode=readonly")
    offline = Chameleon(second.folder, "")
    assert "v002 (current) ✓" in offline.run("journal", "schema").stdout
    path = vault(second) / "versions" / "v001.json"
    path.chmod(0o644)
    path.write_text("{}")
    assert "warning: v001.json: hash mismatch" in offline.run("journal", "schema").stderr


def test_s68_a_copy_of_the_vault_is_a_backup(first: Chameleon) -> None:
    """`cp -r .chameleon/vault .chameleon/vault.backup` is a backup: it disturbs nothing, and put back it verifies.

    If the database went on since, that is noticed and said.
    """
    backup = shutil.copytree(vault(first), first.folder / ".chameleon" / "vault.backup")
    first.unlock()
    for command in (("verify",), ("status",), ("migrate",), ("init",), ("journal", "schema")):
        first.run(*command)
    _put_back(first, backup)
    assert first.run("verify").stdout.endswith("✅ All versions verified\n")
    first.unlock()
    first.write(V2)
    first.run("migrate", "--apply")
    _put_back(first, backup)
    behind = first.run("verify", status=5)
    assert "the database knows a log of at least" in behind.stdout
    assert "get the newest vault" in behind.stderr
    first.run("migrate", "--apply", status=5)


def _put_back(tool: Chameleon, backup: Path) -> None:
    shutil.rmtree(vault(tool))
    shutil.copytree(backup, vault(tool))


def test_s69_dot_env_is_ignored_by_git(tool: Chameleon) -> None:
    """DATABASE_URL belongs into `.env`, and `.env` into `.gitignore`: `init` sees to it."""
    Path(tool.folder, ".gitignore").write_text("node_modules/")
    tool.run("init")
    assert Path(tool.folder, ".gitignore").read_text() == "node_modules/\n.env\n"
    if shutil.which("git") is None:
        pytest.skip("needs git")
    git = ["git", "-C", str(tool.folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert subprocess.run([*git, "check-ignore", "--quiet", ".env"], check=False).returncode == 0
    assert subprocess.run([*git, "check-ignore", "--quiet", ".chameleon/vault/integrity.log"], check=False).returncode
