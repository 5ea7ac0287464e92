"""A vault of many versions and a long log, made by the rules of docs/formats.md and not step by step."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from chameleondb.vault import layout, log, manifest
from chameleondb.vault.history import fold
from chameleondb.vault.log import Line
from chameleondb.vault.snapshot import Snapshot

VERSIONS, LINES = 1_000, 100_000
OBJECTS_PER_VERSION = 330
"""As many make a file of about 30 KB."""

_VAULT = "00000000-0000-4000-8000-000000000000"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_vault(folder: Path) -> None:
    """Write a vault below the project `folder`."""
    vault = folder / ".chameleon" / layout.VAULT
    for name in (layout.VERSIONS, layout.HASHES):
        (vault / name).mkdir(parents=True)
    lines = [log.make("INIT", {"vault": _VAULT}, now=_NOW, seq=1, prev=log.genesis(_VAULT))]
    parent = layout.NONE
    for number in range(1, VERSIONS + 1):
        label, data = layout.label(number), _version(number, parent).encode()
        id = sha256(data).hexdigest()
        (vault / layout.VERSIONS / layout.version_file(label)).write_bytes(data)
        (vault / layout.HASHES / layout.hash_file(label)).write_bytes(layout.hash_text(label, id))
        _add(lines, "REGISTER", version=label, hash=id, parent=parent, schema=id, declared=id, author="ann", summary="")
        for row in range(LINES // VERSIONS - 1):
            _add(lines, "APPLIED", version=label, hash=id, db="1:1", ledger=f"{row}:{id}", recovered="no")
        parent = id
    (vault / layout.LOG).write_text("".join(f"{line.text}\n" for line in lines), encoding="ascii")
    (vault / layout.MANIFEST).write_bytes(manifest.encode(fold(lines)))
    (vault.parent / layout.ATTRIBUTES).write_bytes(layout.ATTRIBUTES_TEXT)


def _add(lines: list[Line], action: str, **fields: str) -> None:
    lines.append(log.make(action, fields, now=_NOW, seq=len(lines) + 1, prev=lines[-1].sum))


def _version(number: int, parent: str) -> Snapshot:
    column = ["Column", {"id": ["column", "public", "things", "name"], "type": "text", "not_null": True}]
    return Snapshot(
        vault=_VAULT,
        version=layout.label(number),
        parent=parent,
        schema=[column] * OBJECTS_PER_VERSION,
        entities=[],
        blocks=[],
        followed=[],
        namespaces=["public"],
        schema_hash="0" * 64,
        declared_hash="0" * 64,
        postgres=18,
        sources=[],
        plan=[],
        plan_hash="0" * 64,
        author="ann",
        claimed_at="2026-01-01T00:00:00Z",
        summary="",
        tool="bench",
    )
