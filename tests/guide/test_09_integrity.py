"""Integrity Verification"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.command import Chameleon
from tests.guide.story import columns, log, tamper, vault

VIOLATION = """\
❌ INTEGRITY VIOLATION DETECTED
   • v001.json: hash mismatch
   🚨 Schema vault has been modified!
   ❌ Migration aborted for safety
"""


@pytest.mark.parametrize("option", [(), ("--check",), ("--dry-run",), ("--apply",)])
def test_s57_every_migrate_verifies(edited: Chameleon, option: tuple[str, ...]) -> None:
    """Every `migrate`, whatever its option, verifies all hashes and stops at a violation."""
    edited.unlock()
    tamper(edited)
    done = edited.run("migrate", *option, status=5)
    assert "v001.json: hash mismatch" in done.stderr
    assert done.stdout == ""


def test_s58_a_violation_is_printed_as_in_the_guide(edited: Chameleon) -> None:
    """A violation is told to the letter as in the guide, and with an error that has a code and a way out.

    The guide heads the block in capitals and quotes the error in small letters: both are printed.
    """
    tamper(edited)
    assert edited.run("migrate", "--apply", status=5).stderr == (
        f"{VIOLATION}"
        "error[CHM2001]: integrity violation detected\n"
        "help: restore .chameleon/vault from git or a backup\n"
    )


def test_s59_an_abort_changes_nothing(edited: Chameleon) -> None:
    """After an abort nothing is registered, the database is untouched, and the exit status says so."""
    edited.unlock()
    tamper(edited)
    before = (columns(edited), log(edited), edited.rows("SELECT hash FROM chameleon.ledger"))
    edited.run("migrate", "--apply", status=5)
    assert (columns(edited), log(edited), edited.rows("SELECT hash FROM chameleon.ledger")) == before


def test_s60_verify_works_at_any_time(edited: Chameleon) -> None:
    """`verify` can be run at any time: locked, without a database, with a broken schema, on a copy of the vault."""
    edited.write("entity {")
    assert edited.run("verify").stdout.endswith("✅ All versions verified\n")
    offline = json.loads(Chameleon(edited.folder, "").run("verify", "--format", "json").stdout)
    assert (offline["ok"], offline["anchors"]["database"]) == (True, "not consulted")
    copy = Chameleon(edited.folder / "elsewhere", "")
    shutil.copytree(vault(edited), vault(copy))
    copy.run("verify")
    tamper(copy)
    copy.run("verify", status=5)
    edited.run("verify")
