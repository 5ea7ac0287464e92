"""Apply Migration"""

from __future__ import annotations

from tests.command import Chameleon
from tests.guide.story import V1, V2, columns, log


def test_s23_apply_changes_the_database(edited: Chameleon) -> None:
    """`migrate --apply` changes the database."""
    edited.unlock()
    edited.run("migrate", "--apply")
    assert columns(edited) == ["id", "email", "name", "age"]
    assert "✓ Up to date" in edited.run("status").stdout


def test_s24_the_first_apply_makes_the_vault(tool: Chameleon) -> None:
    """The first `migrate --apply` makes the vault and registers v001, without `init` and in readonly mode.

    Readonly mode blocks migrations, and the first must work: it may run, and be retried if it failed, until the vault
    or the ledger knows of an applied version.
    """
    tool.write(V1)
    assert [p.name for p in tool.folder.iterdir()] == ["schema.cham"]
    tool.run("migrate", "--apply")
    assert "[REGISTER] version=v001" in log(tool)
    assert columns(tool) == ["id", "email", "name"]
    tool.write(V2)
    tool.run("migrate", "--apply", status=4)
