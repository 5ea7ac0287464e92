"""The scene of an attack: a project with three versions on a database, another project beside it, and copies of both
as they were before. Commands run in this process, which takes milliseconds."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chameleondb.cli.app import run
from tests.attacks.forge import OwnedLedger
from tests.command import Chameleon

FIELDS = ("email: string", "age: int?", "city: string?", "late: string?")
VIOLATED = 5


def schema(count: int) -> str:
    """Return a schema of so many fields."""
    return "entity User {\n    id: bigint primary,\n" + "".join(f"    {f},\n" for f in FIELDS[:count]) + "}\n"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


class Project(Chameleon):
    """A project whose commands run in this process."""

    @property
    def vault(self) -> Path:
        return self.folder / ".chameleon" / "vault"

    def say(self, *arguments: str) -> Said:
        """Run a command, whatever its end."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run([*arguments, "-C", str(self.folder), "--database-url", self.url])
        return Said(status, out.getvalue(), err.getvalue())

    def do(self, *arguments: str, status: int = 0) -> Said:
        """Run a command that is expected to end with `status`."""
        said = self.say(*arguments)
        assert said.status == status, said.out + said.err
        return said

    def findings(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what `verify` finds; its status must be that of the worst."""
        said = self.say("verify", "--format", "json", *arguments)
        document = said.json
        assert "findings" in document, said.out
        found: list[dict[str, Any]] = document["findings"]
        severities = {f["severity"] for f in found}
        assert (said.status == VIOLATED) == ("violation" in severities), said.out
        assert document["ok"] == ("violation" not in severities)
        return found

    def apply(self, count: int) -> None:
        """Make a version of a schema of so many fields."""
        self.write(schema(count))
        self.do("migrate", "--apply")


@dataclass(frozen=True, slots=True)
class Scene:
    """The project under attack; `pending` of its fields are in the files only. `other` belongs to somebody else."""

    victim: Project
    other: Project
    backups: Path  # v001, v002: the vault after each version
    ledgers: dict[str, OwnedLedger]  # the same for the ledger
    state: Path  # the memory of a user who saw v003

    def restore(self, label: str) -> None:
        """Put the vault back to what it was after a version."""
        shutil.rmtree(self.victim.vault)
        shutil.copytree(self.backups / label, self.victim.vault)

    def copied_to(self, folder: Path) -> Scene:
        """Return the scene with copies of the files, on the same databases."""
        copies = {name: folder / name for name in ("victim", "other", "state")}
        for name, source in (("victim", self.victim.folder), ("other", self.other.folder), ("state", self.state)):
            shutil.copytree(source, copies[name])
        return Scene(
            Project(copies["victim"], self.victim.url),
            Project(copies["other"], self.other.url),
            self.backups,
            self.ledgers,
            copies["state"],
        )


def build(folder: Path, url: str, other: Project) -> Scene:
    """Make a scene on an empty database."""
    victim = Project(folder / "victim", url)
    victim.folder.mkdir()
    backups, ledgers = folder / "backups", {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        for count in (1, 2, 3):
            victim.apply(count)
            label = f"v00{count}"
            shutil.copytree(victim.vault, backups / label)
            ledgers[label] = OwnedLedger(url)
            if count == 1:
                victim.unlock()
    victim.write(schema(4))
    return Scene(victim, other, backups, ledgers, folder / "state")


def build_other(folder: Path, url: str) -> Project:
    """Make somebody else's project on an empty database."""
    other = Project(folder / "other", url)
    other.folder.mkdir()
    other.apply(1)
    return other
