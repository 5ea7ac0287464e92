"""Check Migration Status"""

from __future__ import annotations

import json

from chameleondb.modes.policy import Mode
from tests.command import Chameleon
from tests.guide.story import V2, columns, execute, tamper

STATUS = """\
Schema:
  Current version:  v001
  Status:          ✓ Up to date

Vault:
  Versions:        1 registered
  Integrity:       ✓ OK
  Mode:            🔒 readonly (locked)
"""


def test_s06_status_looks_at_the_database(first: Chameleon) -> None:
    """`status` tells of the database as it is, not only of files."""
    execute(first, "ALTER TABLE users DROP COLUMN name")
    done = first.run("status", status=6)
    assert "⚠ - column users.name" in done.stdout
    assert "✓ Up to date" not in done.stdout


def test_s07_status_is_printed_as_in_the_guide(first: Chameleon) -> None:
    """`status` prints two blocks, to the letter as the guide does."""
    assert first.run("status").stdout == STATUS


def test_s08_the_current_version_is_the_vaults(second: Chameleon) -> None:
    """`Current version:` is that of the vault."""
    assert "  Current version:  v002\n" in second.run("status").stdout


def test_s09_up_to_date_means_that_nothing_is_pending(first: Chameleon) -> None:
    """`Status:` is `✓ Up to date` when nothing is pending, and only then."""
    assert "  Status:          ✓ Up to date\n" in first.run("status").stdout
    first.write(V2)
    assert "  Status:          ⚠ 1 change pending: chameleon migrate shows it\n" in first.run("status").stdout


def test_s10_versions_are_counted(second: Chameleon) -> None:
    """`Versions:` says how many are registered."""
    assert "  Versions:        2 registered\n" in second.run("status").stdout


def test_s11_integrity_is_checked(first: Chameleon) -> None:
    """`Integrity:` is `✓ OK` when all hashes verify, and only then."""
    assert "  Integrity:       ✓ OK\n" in first.run("status").stdout
    tamper(first)
    done = first.run("status", status=5)
    assert "  Integrity:       ✗ 1 violation\n                   • v001.json: hash mismatch\n" in done.stdout


def test_s12_the_mode_has_an_icon(first: Chameleon) -> None:
    """`Mode:` has an icon and a name, for readonly `🔒 readonly (locked)`."""
    assert "  Mode:            🔒 readonly (locked)\n" in first.run("status").stdout
    for mode, icon in ((Mode.STANDARD, "🛡️"), (Mode.PRIVILEGED, "👑"), (Mode.EMERGENCY, "🚨")):
        first.unlock(mode)
        assert f"  Mode:            {icon} {mode.label} (until " in first.run("status").stdout


def test_s13_the_first_apply_does_not_unlock(first: Chameleon) -> None:
    """After the first apply there is one version, and the mode is still readonly."""
    document = json.loads(first.run("status", "--format", "json").stdout)
    assert (document["vault"]["versions"], document["vault"]["mode"]) == (1, "readonly")
    assert columns(first) == ["id", "email", "name"]
