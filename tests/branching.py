"""Two developers: clones of one repository, each with a database of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.command import Chameleon

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_EDITOR": "true",
}


class Developer(Chameleon):
    """The command in a git checkout; `name` is who commits."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        super().__init__(folder, url)
        self.name = name

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Run git; return what it says. `fails`: it must."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **GIT, "GIT_AUTHOR_NAME": self.name, "GIT_COMMITTER_NAME": self.name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

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
