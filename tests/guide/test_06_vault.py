"""Schema Vault Integration"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import Chameleon
from tests.guide.story import NULLABLE, V1, log, stable, tamper, vault

HISTORY = """\
📖 Schema Version History

v002 (current) ✓
├─ Hash: 01234567...
├─ Date: 2026-02-20 15:45:00
├─ Author: dperalta
├─ Changes: Added age field to User
└─ Parent: v001

v001
├─ Hash: 01234567...
├─ Date: 2026-02-20 15:45:00
├─ Author: dperalta
├─ Changes: Initial schema
└─ Parent: none
"""


def test_s41_versions_are_immutable(second: Chameleon) -> None:
    """Each migration makes a version that never changes: nothing writes to it again, and an edit is detected."""
    path = vault(second) / "versions" / "v002.json"
    before = path.read_bytes()
    second.write(V1)
    second.run("migrate", "--apply", "--allow", "*")
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    tamper(second, "v002")
    assert "   ✗ v002: hash mismatch\n" in second.run("verify", status=5).stdout


def test_s42_the_files_of_the_vault(second: Chameleon) -> None:
    """The vault has the files that the guide shows, and no others."""
    assert sorted(str(p.relative_to(vault(second))) for p in vault(second).rglob("*")) == [
        "hashes",
        "hashes/v001.hash",
        "hashes/v002.hash",
        "integrity.log",
        "manifest.json",
        "versions",
        "versions/v001.json",
        "versions/v002.json",
    ]


def test_s43_the_manifest(second: Chameleon) -> None:
    """`manifest.json` has the current version and the history."""
    manifest = json.loads((vault(second) / "manifest.json").read_text())
    assert manifest["current_version"] == "v002"
    assert [(v["version"], v["parent"], v["locked"], v["summary"]) for v in manifest["versions"]] == [
        ("v001", None, True, "Initial schema"),
        ("v002", "v001", True, "Added age field to User"),
    ]


def test_s44_a_version_is_a_snapshot(second: Chameleon) -> None:
    """`versions/vNNN.json` is JSON and holds the whole schema and the SQL that leads to it."""
    version = json.loads((vault(second) / "versions" / "v002.json").read_text())
    assert version["entities"] == [["public", "users", "User"]]
    names = [thing["id"][-1] for kind, thing in version["schema"] if kind == "Column"]
    assert sorted(names) == ["age", "email", "id", "name"]
    assert [step["sql"] for step in version["plan"]] == ["ALTER TABLE users ADD COLUMN age INTEGER"]


def test_s45_hashes_can_be_checked_without_chameleon(second: Chameleon) -> None:
    """`hashes/vNNN.hash` is the SHA-256 of the version, in the form that `sha256sum -c` reads."""
    versions = vault(second) / "versions"
    for name in ("v001", "v002"):
        digest = hashlib.sha256((versions / f"{name}.json").read_bytes()).hexdigest()
        assert (vault(second) / "hashes" / f"{name}.hash").read_text() == f"{digest}  {name}.json\n"
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "../hashes/v001.hash", "../hashes/v002.hash"]
        assert subprocess.run(command, cwd=versions, capture_output=True, check=False).returncode == 0


def test_s46_the_log_is_text_and_only_grows(second: Chameleon) -> None:
    """`integrity.log` is readable with `cat`, a line per event; a line that is taken away is missed."""
    lines = log(second).splitlines(keepends=True)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[[A-Z_]+\] [ -~]+\n", line) for line in lines)
    assert "[REGISTER] version=v002" in log(second)
    assert 'author=dperalta summary="Added age field to User"' in log(second)
    (vault(second) / "integrity.log").write_text("".join(lines[:-1]))
    second.run("verify", status=5)


def test_s47_the_history_starts_with_the_newest(second: Chameleon) -> None:
    """`journal schema` has a heading, then the versions, newest first, a blank line before each."""
    parts = second.run("journal", "schema").stdout.split("\n\n")
    assert parts[0] == "📖 Schema Version History"
    assert [part.split()[0] for part in parts[1:]] == ["v002", "v001"]


def test_s48_the_current_version_is_marked(second: Chameleon) -> None:
    """The first line of the current version says `(current) ✓`; that of the others has the version alone."""
    lines = second.run("journal", "schema").stdout.splitlines()
    assert [line for line in lines if line.startswith("v")] == ["v002 (current) ✓", "v001"]


def test_s49_the_history_is_printed_as_in_the_guide(second: Chameleon) -> None:
    """Each version tells hash, date, author, changes and parent, to the letter as in the guide."""
    assert stable(second.run("journal", "schema").stdout) == HISTORY


def test_s50_the_first_version(first: Chameleon) -> None:
    """The first version is `Initial schema`, its parent is `none`."""
    lines = first.run("journal", "schema").stdout.splitlines()
    assert lines[-2:] == ["├─ Changes: Initial schema", "└─ Parent: none"]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("}", "    age: int?,\n}", "Added age field to User"),
        ("    name: string,\n", "", "Removed name field from User"),
        ("name: string,", "name: string?,", "Changed name field of User"),
        ("name: string,", "full_name: string was name,", "Renamed name field of User to full_name"),
        ("name: string,", "name: string index,", "Added idx_users_name index to User"),
        ("entity User {", "entity Post {\n    id: uuid primary,\n}\nentity User {", "Added Post"),
        ("entity User {", "entity Person was User {", "Renamed User to Person"),
        ("entity User {", "/// Somebody.\nentity User {", "Added comment to User"),
    ],
)
def test_s51_changes_are_described(first: Chameleon, old: str, new: str, changes: str) -> None:
    """`Changes` says what the version really changes."""
    first.unlock()
    first.write(V1.replace(old, new))
    first.run("migrate", "--apply", "--allow", "*")
    assert f"├─ Changes: {changes}\n" in first.run("journal", "schema").stdout


def test_s52_the_author_is_recorded(tool: Chameleon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The author is recorded: CHAMELEON_AUTHOR, else git's user, else that of the operating system."""
    nobody: dict[str, Any] = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LOGNAME": "mia"}
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock()
    monkeypatch.delenv("CHAMELEON_AUTHOR")
    tool.write(NULLABLE)
    tool.run("migrate", "--apply", **nobody)
    Path(tool.folder, "gitconfig").write_text("[user]\n    name = Ann Example\n")
    tool.write(V1)
    tool.run("migrate", "--apply", "--allow", "*", **{**nobody, "GIT_CONFIG_GLOBAL": str(tool.folder / "gitconfig")})
    versions = json.loads(tool.run("journal", "schema", "--format", "json").stdout)["versions"]
    assert [v["author"] for v in versions] == ["Ann Example", "mia", "dperalta"]
