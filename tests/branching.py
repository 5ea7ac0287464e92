"""Two developers: clones of one repository, each with a database of its own, or with a vault alone."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from tests.command import Chameleon
from tests.unit.vault.vaults import Clock, snapshot

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_EDITOR": "true",
}


def git(folder: Path, name: str, *arguments: str, fails: bool = False) -> str:
    """Run git as a user of this name; return what it says. `fails`: it must."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **GIT, "GIT_AUTHOR_NAME": name, "GIT_COMMITTER_NAME": name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


class Developer(Chameleon):
    """The command in a git checkout; `name` is who commits."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        super().__init__(folder, url)
        self.name = name

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Run git; return what it says. `fails`: it must."""
        return git(self.folder, self.name, *arguments, fails=fails)

    def run(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        return super().run(*arguments, status=status, **{**GIT, "CHAMELEON_AUTHOR": self.name, **environment})

    def commit(self, message: str) -> str:
        """Commit everything; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def apply(self, text: str) -> None:
        """Write the schema and apply it."""
        self.write(text)
        self.run("migrate", "--apply")

    def clone(self, folder: Path, url: str, name: str) -> Developer:
        """Return another developer, with a clone of this checkout and an empty database."""
        self.git("clone", "-q", str(self.folder), str(folder))
        return Developer(folder, url, name)

    @property
    def vault(self) -> Path:
        return self.folder / ".chameleon" / "vault"

    def log(self) -> list[str]:
        """Return the log's lines, without their sums."""
        return [line.partition(" prev=")[0] for line in (self.vault / "integrity.log").read_text().splitlines()]

    def kinds(self) -> list[object]:
        """Return the kinds of the ledger's rows."""
        return [kind for (kind,) in self.rows("SELECT kind FROM chameleon.ledger ORDER BY seq")]


def first_developer(folder: Path, url: str, text: str) -> Developer:
    """Return Ann, whose schema is v001 of her database; it is committed with the vault and the mode's password."""
    ann = Developer(folder, url, "ann")
    ann.git("init", "-q", "-b", "main")
    (ann.folder / ".gitignore").write_text(".env\n")
    ann.apply(text)
    ann.unlock()
    ann.commit("the first version")
    return ann


class Clone:
    """A git checkout that holds nothing but a vault; no server is needed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @classmethod
    def start(cls, folder: Path, name: str) -> Clone:
        """Make a repository with a vault that has v001."""
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, name, "init", "-q", "-b", "main")
        clone = cls(folder, name)
        clone.store.create()
        clone.register()
        clone.commit("v001")
        return clone

    def clone(self, folder: Path, name: str) -> Clone:
        """Return another developer's clone."""
        git(self.folder, name, "clone", "-q", str(self.folder), str(folder))
        return Clone(folder, name)

    @property
    def store(self) -> Store:
        """The vault, with a clock that begins anew."""
        return Store(self.folder / ".chameleon", Clock())

    @property
    def vault(self) -> Path:
        """Where the vault is."""
        return self.folder / ".chameleon" / "vault"

    @property
    def history(self) -> History:
        """What the vault holds; it must be sound."""
        found = self.store.read()
        assert found.history is not None
        assert found.violations == ()
        return found.history

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Run git; return what it says. `fails`: it must."""
        return git(self.folder, self.name, *arguments, fails=fails)

    def register(self) -> str:
        """Register a version; return its id."""
        history = self.history
        new = snapshot(history, author=self.name, text=f"{self.name} {len(history.lines)}")
        return self.store.register(history, new).versions[-1].id

    def apply(self) -> None:
        """Write the receipt of a database of one's own."""
        history = self.history
        newest = history.newest
        assert newest is not None
        row = f"{len(history.lines)}:{sha256(self.name.encode()).hexdigest()}"
        database = f"7:{int.from_bytes(self.name.encode()[:4])}"
        facts = {"version": newest.label, "hash": newest.id, "db": database, "ledger": row}
        self.store.append(history, "APPLIED", **facts, recovered="no")

    def commit(self, message: str) -> str:
        """Commit everything; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def run(self, *arguments: str, status: int = 0, module: str = "chameleondb", **environment: str) -> str:
        """Run a command; return what it says on both streams."""
        done = subprocess.run(
            [sys.executable, "-m", *module.split(), *arguments, "-C", str(self.folder)],
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, **GIT, "PYTHONUTF8": "1", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files(self) -> dict[str, bytes]:
        """Return every file of the vault."""
        return {
            p.relative_to(self.vault).as_posix(): p.read_bytes() for p in sorted(self.vault.rglob("*")) if p.is_file()
        }
