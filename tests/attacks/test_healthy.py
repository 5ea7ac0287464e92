"""No false alarm: whatever people do to a project by its own commands, `verify` finds nothing wrong after each step.

Walks are random, over real operations on a real server; the seed is the number of the walk.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.attacks.scene import Project
from tests.cluster import Databases
from tests.command import PASSWORD, url_of

pytestmark = pytest.mark.server

WALKS = int(os.environ.get("CHAMELEON_TEST_WALKS", "6"))
STEPS = 8


class Walk:
    """A project, its clones and databases; what a person may do to them next."""

    def __init__(self, seed: int, folder: Path, databases: Databases) -> None:
        self.random, self.root, self.databases = random.Random(seed), folder, databases
        self.count = 0
        self.fields: list[str] = []
        self.done: list[str] = []
        self.here = Project(folder / "first", url_of(databases.new()))
        self.here.folder.mkdir()
        self.urls = [self.here.url]
        self.new_version()
        self.here.unlock()

    def step(self) -> None:
        action = self.random.choice(self.actions())
        self.done.append(action.__name__)
        action()

    def actions(self) -> list[Callable[[], object]]:
        return [
            self.new_version,
            self.new_version,
            self.failed_apply,
            self.mode_change,
            self.clone,
            self.second_database,
            self.drift,
            self.adopted_copy,
            self.backup_put_back,
            self.finished_later,
        ]

    def check(self) -> None:
        wrong = [f for f in self.here.findings() if f["severity"] == "violation"]
        assert wrong == [], (self.done, wrong)
        offline = [f for f in self.here.findings("--offline") if f["severity"] == "violation"]
        assert offline == [], (self.done, offline)

    def _write(self, *more: str) -> None:
        lines = "".join(f"    {line},\n" for line in ("id: bigint primary", *self.fields, *more))
        self.here.write(f"entity User {{\n{lines}}}\n")

    def _apply(self, *more: str, status: int = 0) -> None:
        self.here.do("migrate", "--apply", "--allow", "*", *more, status=status)

    def new_version(self) -> None:
        self.count += 1
        if len(self.fields) > 3 and self.random.random() < 0.3:
            self.fields.remove(self.random.choice(self.fields))
        else:
            self.fields.append(f"f{self.count}: {self.random.choice(('int?', 'string?', 'bool?'))}")
        self._write()
        self._apply()

    def failed_apply(self) -> None:
        """The data forbids it; then the schema is mended."""
        self.here.execute("DELETE FROM users", "INSERT INTO users (id) VALUES (1)")
        self._write("bad: int check (bad > 0) default 0")
        self._apply(status=1)
        self.check()
        self.new_version()

    def mode_change(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHAMELEON_MODE_PASSWORD", f"not {PASSWORD}")
            self.here.do("config", "set", "mode=emergency", status=4)
        for mode in ("readonly", self.random.choice(("standard", "privileged"))):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
                self.here.do("config", "set", f"mode={mode}", "--for", "2h")

    def clone(self) -> None:
        """Work goes on in a clone, which has nothing of what belongs to one machine."""
        fresh = self.root / f"clone{len(self.done)}"
        shutil.copytree(self.here.folder, fresh, ignore=shutil.ignore_patterns("local"))
        self.here = Project(fresh, self.here.url)

    def second_database(self) -> None:
        self.here = Project(self.here.folder, url_of(self.databases.new()))
        self._write()
        self._apply()

    def drift(self) -> None:
        self.count += 1
        self.here.execute(
            f"ALTER TABLE users ADD COLUMN mine{self.count} int", "ALTER TABLE users ALTER COLUMN id TYPE int"
        )
        self.check()
        self._write()
        self._apply()

    def adopted_copy(self) -> None:
        source = str(conninfo_to_dict(self.here.url)["dbname"])
        copy = str(conninfo_to_dict(self.databases.new())["dbname"])
        with psycopg.connect(self.here.url.replace(source, "postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{copy}"'.encode())
            connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{source}"'.encode())
        self.here = Project(self.here.folder, self.here.url.replace(source, copy))
        self.check()
        self._apply("--adopt")

    def backup_put_back(self) -> None:
        """`cp -r` and back again, after nothing but looking."""
        backup = self.root / f"backup{len(self.done)}"
        shutil.copytree(self.here.vault, backup)
        self.here.do("status", "--format", "json")
        shutil.rmtree(self.here.vault)
        shutil.copytree(backup, self.here.vault)

    def finished_later(self) -> None:
        """The data forbids it; then the data is mended, and the same version is finished."""
        self.here.execute("DELETE FROM users", "INSERT INTO users (id) VALUES (1)")
        self._write("bad: int check (bad > 0) default 0")
        self._apply(status=1)
        self.here.execute("DELETE FROM users")
        self._apply()
        self.check()
        self.new_version()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(WALKS))
def test_a_walk_raises_no_alarm(seed: int, tmp_path: Path, databases: Databases) -> None:
    walk = Walk(seed, tmp_path, databases)
    for _ in range(STEPS):
        walk.step()
        walk.check()


def test_another_git_branch_gives_the_documented_answer(tmp_path: Path, databases: Databases) -> None:
    """An older commit of the vault is a violation where the database knows a newer one, and else a notice."""
    walk = Walk(0, tmp_path, databases)
    project = walk.here

    def git(*words: str) -> None:
        author = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", *author, *words], cwd=project.folder, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    git("add", ".")
    git("commit", "-m", "one")
    walk.new_version()
    git("add", ".")
    git("commit", "-m", "two")
    git("checkout", "HEAD~1")
    assert "VAULT_ROLLED_BACK" in {f["code"] for f in project.findings()}
    assert [f["code"] for f in project.findings("--offline")] == ["VAULT_UNLIKE_LAST_SEEN"]
    assert "git pull" in project.do("migrate", "--apply", status=5).err
    git("checkout", "main")
    assert project.findings() == []
    assert project.findings("--offline") == []
