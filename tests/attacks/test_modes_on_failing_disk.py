"""A mode that is set while the disk refuses a file: what is said to be in force is what is in force."""

from __future__ import annotations

import errno
import json
import os
from typing import Any

import pytest

from chameleondb.disk import Folder
from tests.attacks.scene import Project, Scene
from tests.command import PASSWORD

pytestmark = pytest.mark.server

MANIFEST, LOG, LOCK = "manifest.json", "integrity.log", "lock"


@pytest.fixture
def project(own: Scene) -> Project:
    """A project whose vault and ledger are both in standard mode."""
    _set(own.victim, "standard")
    return own.victim


def _set(project: Project, mode: str, *more: str, status: int = 0) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
        said = project.do("config", "set", f"mode={mode}", *more, status=status)
    return said.out + said.err


def _modes(project: Project) -> tuple[str, str, str]:
    found = json.loads(project.do("config", "get", "mode", "--format", "json").out)
    return found["mode"], found["vault"], found["ledger"]


def _refuse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file of this name be written, as on a full disk."""
    for method in ("append", "replace", "open_lock"):
        real = getattr(Folder, method)

        def refusing(self: Folder, file: str, *rest: Any, real: Any = real, **options: Any) -> Any:
            if file == name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / file))
            return real(self, file, *rest, **options)

        monkeypatch.setattr(Folder, method, refusing)


@pytest.mark.parametrize("mode", ["readonly", "privileged"])
def test_a_mode_is_set_without_its_manifest(mode: str, project: Project) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _refuse(MANIFEST, patch)
        told = _set(project, mode)
        assert f"to {mode}" in told
        assert (
            "warning: cannot write .chameleon/vault/manifest.json: No space left on device; the log has it, so it is"
            " in force: put that right, and the next command that changes the vault does the rest\n" in told
        )
        assert _modes(project) == (mode,) * 3
        assert "cannot write" in _set(project, "readonly")  # what the first one left cannot be put right either
        assert _modes(project) == ("readonly",) * 3
    _set(project, "standard")
    assert project.findings() == []


def test_a_password_is_exchanged_without_its_manifest(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
    monkeypatch.setenv("CHAMELEON_NEW_MODE_PASSWORD", "another lizard, in eight")
    _refuse(MANIFEST, monkeypatch)
    said = project.do("config", "auth", "set-password")
    assert said.out == "✅ Mode password changed\n"
    assert "manifest.json: No space left on device; the log has it" in said.err


@pytest.mark.parametrize("file", [LOG, LOCK])
def test_an_upgrade_that_cannot_be_written_opens_nothing(file: str, project: Project) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _refuse(file, patch)
        told = _set(project, "privileged", status=1)
    assert "error[CHM2010]: cannot write .chameleon/" in told
    assert file == LOCK or "No space left on device; standard is in force\n" in told
    assert _modes(project) == ("standard",) * 3


@pytest.mark.parametrize("file", [LOG, LOCK])
def test_the_database_is_locked_where_the_vault_cannot_be_written(file: str, project: Project) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _refuse(file, patch)
        told = _set(project, "readonly", status=1)
    assert "✅" not in told
    assert "warning: the vault was not told: cannot write .chameleon/" in told
    assert "warning: readonly is in force with this database; by the vault alone, it is standard\n" in told
    assert _modes(project) == ("readonly", "standard", "readonly")
    _set(project, "readonly")
    assert _modes(project) == ("readonly",) * 3


def test_without_a_database_nothing_is_locked_then_and_it_says_so(project: Project) -> None:
    alone = Project(project.folder, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.MonkeyPatch.context() as patch:
        _refuse(LOG, patch)
        told = _set(alone, "readonly", status=1)
    assert "integrity.log: No space left on device; standard is in force\n" in told
