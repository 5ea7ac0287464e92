"""Canonical bytes: one JSON text per value, so that equal things have equal hashes.

ASCII only, keys sorted, no blanks, integers instead of floats. The same rules hold for the ledger, the cache and the
hash of a schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from chameleondb.model.schema import Object
from chameleondb.names import Identity


def canonical_json(value: Any) -> str:
    """Return `value`, made of dicts, lists, strings, integers, booleans and None, as canonical JSON."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any) -> Any:
    """Return a model value as JSON values: dataclasses as objects without what is None, identities and tuples as lists.

    Fields that do not count in comparisons are left out.
    """
    if isinstance(value, Identity):
        return [value.space, *value.path]
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        values = ((f.name, getattr(value, f.name)) for f in fields(value) if f.compare)
        return {name: plain(v) for name, v in values if v is not None}
    return value


def schema_hash(objects: Iterable[Object]) -> str:
    """Return the SHA-256 that stands for a schema: over its objects in order of identity."""
    digest = hashlib.sha256(b"chameleon.schema/1\n")
    for obj in sorted(objects, key=lambda o: o.id):
        digest.update(canonical_json([type(obj).__name__, plain(obj)]).encode() + b"\n")
    return digest.hexdigest()
