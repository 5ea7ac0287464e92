"""``chameleon init``: it makes what is missing and leaves alone what is there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.command import Chameleon

NEW = """\
✅ Created .chameleon/ directory
✅ Schema Vault initialized
✅ Created schema.cham
✅ Created .gitignore entry for .env
"""
NOTHING = "✓ Nothing to do: the project is initialized.\n"


@pytest.fixture
def tool(project: Path) -> Chameleon:
    return Chameleon(project, "")


def _files(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "local" not in p.parts}


def test_a_new_project(tool: Chameleon) -> None:
    done = tool.run("init")
    assert done.stdout == NEW
    assert "edit schema.cham, then chameleon migrate --dry-run" in done.stderr
    assert sorted(p.name for p in tool.folder.iterdir()) == [".chameleon", ".gitignore", "schema.cham"]
    assert (tool.folder / ".chameleon/.gitignore").read_text() == "local/\n"
    assert (tool.folder / ".chameleon/.gitattributes").read_text() == "vault/** -text -merge\n"
    tool.run("validate")
    tool.run("verify")


def test_twice_is_once(tool: Chameleon) -> None:
    tool.run("init")
    before = _files(tool.folder)
    assert tool.run("init").stdout == NOTHING
    assert _files(tool.folder) == before


def test_what_is_there_is_left_alone(tool: Chameleon) -> None:
    mine = {
        "schema.cham": "entity Mine { id: uuid primary }",
        ".chameleon.yml": "# mine\nversion: 0.1.4\n",
        "README.md": "mine",
        ".env": "SECRET=1",
        ".gitignore": "/.env\n",
    }
    for name, text in mine.items():
        (tool.folder / name).write_text(text)
    assert tool.run("init").stdout == "✅ Created .chameleon/ directory\n✅ Schema Vault initialized\n"
    assert {name: (tool.folder / name).read_text() for name in mine} == mine


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\r\nb\r\n", "caf\xe9\n", "#.env\n"])
def test_gitignore_only_grows(tool: Chameleon, text: str) -> None:
    path = tool.folder / ".gitignore"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o640)
    tool.run("init")
    separator = "" if not text or text.endswith("\n") else "\n"
    assert path.read_bytes() == f"{text}{separator}.env\n".encode("latin-1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert tool.run("init").stdout == NOTHING


def test_a_named_project(tool: Chameleon) -> None:
    assert tool.run("init", "shop").stdout == NEW
    assert [p.name for p in tool.folder.iterdir()] == ["shop"]
    assert f"the project {tool.folder}/shop is initialized" in tool.run("init", "shop").stdout
    assert json.loads(tool.run("init", "shop", "--format", "json").stdout)["made"] == []


@pytest.mark.parametrize("name", ["", " ", "file"])
def test_a_name_that_cannot_be(tool: Chameleon, name: str) -> None:
    (tool.folder / "file").touch()
    assert "error[CHM0575]" in tool.run("init", name, status=64).stderr
    assert [p.name for p in tool.folder.iterdir()] == ["file"]


def test_in_a_subfolder_of_a_project(tool: Chameleon) -> None:
    tool.run("init")
    inside = tool.folder / "src" / "deep"
    inside.mkdir(parents=True)
    assert Chameleon(inside, "").run("init").stdout == f"✓ Nothing to do: the project {tool.folder} is initialized.\n"
    assert list(inside.iterdir()) == []


def test_a_project_that_lacks_only_its_vault(tool: Chameleon) -> None:
    (tool.folder / "schemas").mkdir()
    (tool.folder / "schemas/shop.cham").write_text("entity Shop { id: uuid primary }")
    (tool.folder / ".gitignore").write_text(".env\n")
    done = tool.run("init")
    assert done.stdout == "✅ Created .chameleon/ directory\n✅ Schema Vault initialized\n"
    assert "edit schemas, then" in done.stderr


def test_a_project_of_the_original_tool(tool: Chameleon) -> None:
    # What its `init` leaves behind.
    (tool.folder / ".chameleon.yml").write_text("schema:\n  paths:\n    - ./schemas\n")
    for name in ("state/migrations", "journal", "backups"):
        (tool.folder / ".chameleon" / name).mkdir(parents=True)
    (tool.folder / ".chameleon/.gitignore").write_text("state/\njournal/\nbackups/")
    done = tool.run("init")
    assert done.stdout == (
        "✅ Schema Vault initialized\n"
        "✅ Created .gitignore entry for .env\n"
        "✅ Created .chameleon/.gitignore entry for local/\n"
    )
    assert "edit ./schemas, then" in done.stderr
    assert (tool.folder / ".chameleon/.gitignore").read_text() == "state/\njournal/\nbackups/\nlocal/\n"
    assert tool.run("init").stdout == NOTHING


def test_what_a_crash_has_left_is_put_right(tool: Chameleon) -> None:
    tool.run("init")
    manifest = tool.folder / ".chameleon/vault/manifest.json"
    before = manifest.read_bytes()
    (manifest.parent / f".manifest.json.{'0' * 16}.tmp").write_bytes(before[:10])
    assert tool.run("init").stdout.startswith("✅ Put right .manifest.json.")
    assert manifest.read_bytes() == before
    assert tool.run("init").stdout == NOTHING


def test_a_vault_that_was_changed_is_not_replaced(tool: Chameleon) -> None:
    tool.run("init")
    vault = tool.folder / ".chameleon/vault"
    shutil.move(vault, tool.folder / "vault")
    done = tool.run("init", status=5)
    assert "there was a vault here" in done.stderr
    assert "   ❌ Nothing was changed\n" in done.stderr
    assert not vault.exists()
    assert "  Versions:        ? not known\n" in tool.run("status", status=5).stdout


def test_in_a_git_repository_only_what_is_shared_is_offered(tool: Chameleon) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "--quiet", tool.folder], check=True)
    (tool.folder / ".env").write_text("DATABASE_URL=postgresql:///x")
    tool.run("init")
    shown = subprocess.run(
        ["git", "-C", tool.folder, "ls-files", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [
        ".chameleon/.gitattributes",
        ".chameleon/.gitignore",
        ".chameleon/vault/integrity.log",
        ".chameleon/vault/manifest.json",
        ".gitignore",
        "schema.cham",
    ]


@pytest.mark.parametrize("place", [".gitignore", ".chameleon/.gitignore", ".chameleon/.gitattributes"])
@pytest.mark.parametrize("content", [None, "mine", "mine\n.env\nlocal/\n"])
def test_a_link_is_not_followed(tool: Chameleon, tmp_path: Path, place: str, content: str | None) -> None:
    target = tmp_path / "outside"
    if content is not None:
        target.write_text(content)
    path = tool.folder / place
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    refused = tool.run("init", status=1)
    assert f"error[CHM2010]: cannot write {place}: it is a symbolic link, and git would not read it" in refused.stderr
    assert "help: a symbolic link has no place there: replace it by what it points to" in refused.stderr
    assert path.is_symlink()
    assert not (tool.folder / ".chameleon/vault").exists()
    assert target.exists() == (content is not None)
    assert content is None or target.read_text() == content


def test_a_schema_file_that_is_a_link_to_nothing_is_refused(tool: Chameleon) -> None:
    (tool.folder / "schema.cham").symlink_to("nowhere.cham")
    assert tool.run("init", status=64).stderr == (
        "error[CHM0575]: schema.cham is a link that leads nowhere\nhelp: make what it leads to, or delete the link\n"
    )
    assert not (tool.folder / "nowhere.cham").exists()
    (tool.folder / "nowhere.cham").write_text("")
    tool.run("init")


def test_a_pipe_in_the_place_of_rules_is_refused(tool: Chameleon) -> None:
    os.mkfifo(tool.folder / ".gitignore")
    refused = tool.run("init", status=1)
    assert "error[CHM2010]: cannot write .gitignore: it is not a regular file" in refused.stderr


def test_a_folder_in_the_place_of_rules_for_a_vault_that_is_there_is_refused(tool: Chameleon) -> None:
    tool.run("init")
    rules = tool.folder / ".chameleon/.gitattributes"
    rules.unlink()
    rules.mkdir()
    refused = tool.run("init", status=1)
    assert "error[CHM2010]: cannot write .chameleon/.gitattributes: it is not a regular file" in refused.stderr
    assert "move it away, then `chameleon init`" in tool.run("verify").stderr


def test_a_file_that_git_has_already_is_told(tool: Chameleon) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "--quiet", tool.folder], check=True)
    (tool.folder / ".env").write_text("DATABASE_URL=postgresql:///x")
    assert "warning" not in tool.run("init").stderr
    subprocess.run(["git", "-C", tool.folder, "add", "-f", ".env"], check=True)
    for _ in range(2):
        told = tool.run("init").stderr
        assert "warning: git tracks .env already, so that it is not ignored\nhelp: git rm --cached .env;" in told
    assert json.loads(tool.run("init", "--format", "json").stdout)["tracked"] == [".env"]
