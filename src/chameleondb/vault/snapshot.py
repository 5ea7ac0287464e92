"""A version's file: the schema as PostgreSQL elaborated it, the plan that led there, and who made it from what.

The format's name is among the hashed bytes, so that the hash of a version is never that of another kind of file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.vault import layout, strict_json
from chameleondb.vault.strict_json import NotCanonical, Problem, whole_characters

FORMAT = "chameleon.version/1"


@frozen(kw_only=True)
class Snapshot:
    """One version. What the vault does not look into (`schema`, `entities`, `followed` …) is any JSON value."""

    vault: str
    version: str
    parent: str
    schema: Sequence[Any]
    entities: Sequence[Sequence[str]]
    blocks: Sequence[str]
    followed: Sequence[Any]
    namespaces: Sequence[str]
    schema_hash: str
    declared_hash: str
    postgres: int
    sources: Sequence[Mapping[str, Any]]
    plan: Sequence[Mapping[str, Any]]
    plan_hash: str
    author: str
    claimed_at: str
    summary: str
    tool: str

    def encode(self) -> bytes:
        """Return the file. Raises: NotCanonical if a value cannot be kept."""
        return strict_json.write(
            {
                "format": FORMAT,
                **{name: getattr(self, name) for name in _TYPES},
                "author": whole_characters(self.author),
                "summary": whole_characters(self.summary),
                "sources": [{**source, "path": whole_characters(source["path"])} for source in self.sources],
            }
        )


_TYPES: dict[str, type] = {
    f.name: {"Mapping": dict, "Sequence": list, "int": int}.get(str(f.type).partition("[")[0], str)
    for f in fields(Snapshot)
}


def decode(data: bytes) -> Snapshot:
    """Return the snapshot that a file holds. Raises: NotCanonical."""
    return Snapshot(**_read(data))


@frozen(kw_only=True)
class Glance:
    """What there is to know of a version's file without keeping it; without a deep look only its hash."""

    sha256: str
    problem: str | None = None  # why it is no snapshot
    vault: str | None = None
    version: str | None = None
    parent: str | None = None


def glance(data: bytes, *, deep: bool) -> Glance:
    """Look at the bytes of a version's file; never raises."""
    digest = sha256(data).hexdigest()
    if not deep:
        return Glance(sha256=digest)
    try:
        found = _read(data)
    except NotCanonical as error:
        return Glance(sha256=digest, problem=str(error))
    return Glance(sha256=digest, vault=found["vault"], version=found["version"], parent=found["parent"])


def _read(data: bytes) -> dict[str, Any]:
    value = strict_json.read(data, bytes_max=layout.VERSION_BYTES_MAX)
    if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
        raise NotCanonical(Problem.FORM, f"not {FORMAT}")
    if value.keys() != _TYPES.keys():
        raise NotCanonical(Problem.FORM, f"other keys than those of {FORMAT}")
    for name, kind in _TYPES.items():
        if value[name].__class__ is not kind:
            raise NotCanonical(Problem.FORM, f"{name} is not of its type")
    return value
