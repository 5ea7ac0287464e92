"""Common Issues"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from tests.command import PASSWORD, Chameleon
from tests.guide.story import V1, columns, log, tamper, vault


def test_s61_readonly_mode(edited: Chameleon) -> None:
    """`readonly mode: schema modifications blocked`: a password and a higher mode are the way out."""
    refused = edited.run("migrate", "--apply", status=4)
    assert refused.stderr == (
        "error[CHM2100]: readonly mode: schema modifications blocked\n"
        "help: run `chameleon config auth set-password` (first time only), then `chameleon config set mode=standard`\n"
    )
    edited.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD)
    edited.run("config", "set", "mode=standard", CHAMELEON_MODE_PASSWORD=PASSWORD)
    edited.run("migrate", "--apply")
    assert columns(edited) == ["id", "email", "name", "age"]


def test_s62_database_url_not_set(tool: Chameleon) -> None:
    """`DATABASE_URL not set`: exporting it is the way out; nothing is written before it is known."""
    tool.write(V1)
    lost = Chameleon(tool.folder, "")
    refused = lost.run("migrate", "--apply", status=64)
    assert refused.stderr.startswith(
        'error[CHM0501]: DATABASE_URL not set\nhelp: export DATABASE_URL="postgresql://user:pass@host:5432/db"'
    )
    assert [p.name for p in tool.folder.iterdir()] == ["schema.cham"]
    tool.run("migrate", "--apply")


def test_s63_integrity_violation(edited: Chameleon) -> None:
    """`integrity violation detected`: the log tells what the hash was, a backup of the vault is the way out."""
    edited.unlock()
    backup = shutil.copytree(vault(edited), edited.folder / "backup")
    tamper(edited)
    assert "error[CHM2001]: integrity violation detected" in edited.run("migrate", "--apply", status=5).stderr
    registered = re.search(r"\[REGISTER\] version=v001 hash=([0-9a-f]{64}) ", log(edited))
    assert registered is not None
    path = Path("versions", "v001.json")
    assert hashlib.sha256((vault(edited) / path).read_bytes()).hexdigest() != registered[1]
    assert hashlib.sha256((backup / path).read_bytes()).hexdigest() == registered[1]
    shutil.rmtree(vault(edited))
    shutil.copytree(backup, vault(edited))
    edited.run("verify")
    edited.run("migrate", "--apply")


@pytest.mark.parametrize("command", [("verify",), ("journal", "schema"), ("config", "set", "mode=standard")])
def test_s64_vault_not_initialized(tool: Chameleon, command: tuple[str, ...]) -> None:
    """`vault not initialized`: `init` is the way out, also where there is a configuration file already."""
    settings = "database:\n  connection_string: ${DATABASE_URL}\n"
    Path(tool.folder, ".chameleon.yml").write_text(settings)
    refused = tool.run(*command, status=64)
    assert refused.stderr == "error[CHM2002]: vault not initialized\nhelp: run `chameleon init`\n"
    tool.run("init")
    tool.run("verify")
    assert Path(tool.folder, ".chameleon.yml").read_text() == settings
    assert "vault not initialized" not in Chameleon(tool.folder, tool.url).run("status").stdout
