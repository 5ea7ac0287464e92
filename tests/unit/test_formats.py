"""What was written once is read for ever, and docs/formats.md says how."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chameleondb.modes.key import PublicKey
from chameleondb.names import Identity
from chameleondb.postgres.ledger.bodies import (
    DatabaseIdentity,
    Registered,
    Renaming,
    Run,
    Version,
    Writer,
    anchor,
    encode,
    initial,
    row_hash,
)
from chameleondb.vault import layout, log, manifest, snapshot
from chameleondb.vault.files import read_files
from chameleondb.vault.verify import verify

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ROOT / "tests" / "formats"
PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")

VAULTS = sorted(FORMATS.glob("vault-*"))


def _checked_out(golden: Path, project: Path) -> Path:
    """Copy a golden vault as git would lay it down: no empty directories, permissions of its own."""
    shutil.copytree(golden, project / ".chameleon")
    for path in (project / ".chameleon").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return project / ".chameleon"


@pytest.mark.parametrize("golden", VAULTS, ids=lambda path: path.name)
def test_a_vault_of_every_release_verifies(golden: Path, tmp_path: Path) -> None:
    found = verify(read_files(_checked_out(golden, tmp_path)))
    assert found.findings == ()
    assert found.history is not None
    assert [v.label for v in found.history.versions] == ["v001", "v002", "v003"]


def test_there_is_a_golden_vault() -> None:
    assert [path.name for path in VAULTS] == ["vault-1"]


def test_the_golden_bytes_are_what_is_written_today(tmp_path: Path) -> None:
    data = _checked_out(FORMATS / "vault-1", tmp_path)
    for path in (data / "vault" / "versions").glob("*.json"):
        assert snapshot.decode(path.read_bytes()).encode() == path.read_bytes()
    found = verify(read_files(data))
    assert found.history is not None
    assert manifest.encode(found.history) == (data / "vault" / "manifest.json").read_bytes()
    text = "".join(f"{line.text}\n" for line in found.history.lines)
    assert text.encode() == (data / "vault" / "integrity.log").read_bytes()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_confirms_the_hashes(tmp_path: Path) -> None:
    command = re.search(r"^cd \.chameleon.*sha256sum.*$", PAGE, re.MULTILINE)
    assert command is not None
    _checked_out(FORMATS / "vault-1", tmp_path)
    done = subprocess.run(command[0], shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == 3


def _bodies() -> dict[str, str]:
    users = Identity("relation", ("public", "users"))
    nick, name = (Identity("column", ("public", "users", called)) for called in ("nick", "name"))
    version = Version(
        objects=frozenset([users, name]), namespaces=("public",), followed={name: ("nick",)}, unmanaged=frozenset()
    )
    registered = Registered(
        label="v002", version_id="2" * 64, vault="0b0d5a3e-8f6b-4d0e-9f3a-1c2d3e4f5a6b", log_seq=4, log_sum="3" * 64
    )
    run = Run(
        version=version,
        schema_hash="4" * 64,
        plan_hash="5" * 64,
        statements=("ALTER TABLE users RENAME COLUMN nick TO name", "CREATE INDEX CONCURRENTLY i ON users(name)"),
        renames={"ALTER TABLE users RENAME COLUMN nick TO name": Renaming(name, ((nick, name),))},
    )
    writer = Writer(run=run, run_id="6f1c9d1e-0000-4000-8000-000000000000", registered=registered, parent_id="1" * 64)
    repair = Writer(
        run=replace(run, is_repair=True, unverified=("LEDGER_GAP",)),
        run_id="6f1c9d1e-0000-4000-8000-000000000001",
        registered=registered,
        parent_id="2" * 64,
    )
    database = DatabaseIdentity(system_identifier="7445829610341234567", oid=16384, name="shop", timeline=1)
    bodies = {
        "INIT": initial(registered),
        "BEGIN": writer.begin(database, None),
        "START": writer.start(1, run.statements[1]),
        "STEP": writer.step(0, run.statements[:1]),
        "APPLIED": writer.end(),
        "FAILED": writer.failed(1, "CHM4010", "23505", 'could not create unique index "i"'),
        "REPAIR": repair.end(),
        **{body["kind"]: {**body, **anchor(registered)} for body in SINGLE},
    }
    return {kind: encode(body, tool="chameleon/0.1.0") for kind, body in bodies.items()}


SINGLE: tuple[dict[str, Any], ...] = (
    {"kind": "AUTH", **PublicKey(salt="00" * 16, key="6" * 64).fields()},
    {"kind": "MODE", "from": "readonly", "to": "standard", "until": "2026-11-24T12:30:00Z", "sig": "7" * 128},
    {"kind": "ADOPT", "reason": "copy"},
    {"kind": "REBASE", "version_id": "8" * 64, "parent_id": "2" * 64},
    {"kind": "SQL", "text": "ANALYZE users", "step_hashes": ["9" * 64]},
)


def test_ledger_bodies_are_written_as_ever() -> None:
    golden = FORMATS / "ledger-1.json"
    prev, rows = "0" * 64, {}
    for seq, (kind, body) in enumerate(_bodies().items(), 1):
        prev = row_hash(seq, prev, body)
        rows[kind] = {"body": body, "hash": prev}
    assert rows == json.loads(golden.read_text())


def test_the_page_lists_every_action_with_its_fields() -> None:
    rows = dict(
        re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", PAGE.partition("## The log")[2].partition("## ")[0], re.MULTILINE)
    )
    listed = {action: tuple(re.findall(r"`(\w+)`", fields)) for action, fields in rows.items()}
    assert listed == {action: tuple(fields) for action, fields in log.ACTIONS.items()}


def test_the_page_lists_every_key_of_a_version() -> None:
    section = PAGE.partition("## Versions")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == {"format", *snapshot._TYPES}


def test_the_page_lists_every_kind_of_row() -> None:
    section = PAGE.partition("## The ledger")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[A-Z][^|]*`) \|", section, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`([A-Z]+)`", cell)}
    written = {json.loads(body)["kind"] for body in _bodies().values()}
    sources = "".join(p.read_text() for p in (ROOT / "src" / "chameleondb").rglob("*.py"))
    written |= set(re.findall(r'"kind": "([A-Z]+)"', sources))
    assert listed >= written
    assert listed == written


def test_the_page_names_the_formats() -> None:
    for name in (snapshot.FORMAT, manifest.FORMAT, "chameleon.log/1", "chameleon.ledger/1", "chameleon.heads/1"):
        assert name in PAGE
    assert layout.ATTRIBUTES_TEXT.decode().strip() in PAGE
