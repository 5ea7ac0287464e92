"""Next Steps"""

from __future__ import annotations

import re
from pathlib import Path

from chameleondb.modes.policy import Mode
from tests.command import PASSWORD, Chameleon
from tests.guide.story import V1, execute

DOCS = Path(__file__).resolve().parents[2] / "docs"
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_s70_introspection(tool: Chameleon) -> None:
    """Introspection: a schema is made from a database that exists, and then nothing differs."""
    execute(tool, "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL)")
    tool.run("introspect")
    assert (tool.folder / "schema.cham").read_text() == V1
    assert tool.run("migrate").stdout.startswith("✓ Nothing to do")


def test_s71_mode_management(first: Chameleon) -> None:
    """Mode management: modes control who may change the schema; the guide to them names each."""
    first.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD)
    first.run("config", "set", "mode=standard", status=4, CHAMELEON_MODE_PASSWORD="a wrong one, long enough")
    first.run("config", "set", "mode=standard", CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert first.run("config", "get", "mode").stdout == "standard\n"
    assert all(f"`{mode.label}`" in _page("modes.md") for mode in Mode)


def test_s72_debugging(first: Chameleon) -> None:
    """Debugging: what went wrong can be found out, with the commands that the guide to it names.

    The guide speaks of queries, too: those of an application are not Chameleon's, and the page says so.
    """
    first.run("migrate", "--apply", status=64, DATABASE_URL="postgresql:///x?nonsense=1")
    assert "[CHM" in first.run("journal", "errors").stdout
    named = set(re.findall(r"`chameleon (\w+)", _page("debugging.md")))
    assert named >= {"status", "verify", "journal", "migrate"}
    for command in named:
        first.run(command, "--help")


def test_s73_architecture() -> None:
    """Architecture: the Schema Vault is explained."""
    assert "\n## The Schema Vault\n" in _page("architecture.md")


def test_s74_an_index_for_machines() -> None:
    """There is an index of the documentation for machines, `llms.txt`, with every page and no dead link."""
    index = _page("llms.txt")
    assert index.startswith("# Chameleon\n\n> ")
    links = set(_LINK.findall(index))
    assert [link for link in links if not (DOCS / link).is_file()] == []
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert pages - links == set()
