"""Canonical bytes: one JSON text per value, so that equal things have equal hashes.

ASCII only, keys sorted, no blanks, integers instead of floats. The same rules hold for the ledger, the cache and the
hash of a schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from sys import intern
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from chameleondb.model.schema import Object
from chameleondb.names import Identity


def canonical_json(value: Any) -> str:
    """Return `value`, made of dicts, lists, strings, integers, booleans and None, as canonical JSON."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any, *, all_fields: bool = False) -> Any:
    """Return a model value as JSON values: tuples as lists, dataclasses as objects of what is not default.

    Fields that do not count in comparisons are left out unless `all_fields`.
    """
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Identity):
        return [value.space, *value.path]
    if isinstance(value, tuple | list):
        return [v if isinstance(v, _SCALARS) else plain(v, all_fields=all_fields) for v in value]
    return {
        name: v if isinstance(v, _SCALARS) else plain(v, all_fields=all_fields)
        for name, default, compare in _fields(value.__class__)
        if (compare or all_fields) and (v := getattr(value, name)) != default
    }


_SCALARS = (str, int, NoneType)


@cache
def _fields(model: Any) -> tuple[tuple[str, Any, bool], ...]:
    return tuple((f.name, f.default, f.compare) for f in fields(model))


def telling(objects: Iterable[Object]) -> str:
    """Return a text that only equal objects have in common: quick to make, and different in other releases."""
    return _TELLING.encode(tuple(objects))


@cache
def _values_of(model: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter("__class__.__name__", *(name for name, _, compare in _fields(model) if compare))


_TELLING = json.JSONEncoder(
    ensure_ascii=True, separators=(",", ":"), check_circular=False, default=lambda o: _values_of(o.__class__)(o)
)


def schema_hash(objects: Iterable[Object]) -> str:
    """Return the SHA-256 that stands for a schema: over its objects in order of identity."""
    digest = hashlib.sha256(b"chameleon.schema/1\n")
    for obj in sorted(objects, key=attrgetter("id")):
        digest.update(canonical_json([type(obj).__name__, plain(obj)]).encode() + b"\n")
    return digest.hexdigest()


def restore(model: Any, data: Any) -> Any:
    """Return what `plain` made `data` from.

    Raises: ValueError, KeyError or TypeError if it was made from something else.
    """
    return _restorer(model)(data)


@cache
def _restorer(model: Any) -> Callable[[Any], Any]:
    """Build, once per type, the function that restores it."""
    if model is Identity:
        return lambda data: Identity(intern(data[0]), tuple(map(intern, data[1:])))
    if model is str:
        return intern  # the same few words and names, thousands of times
    origin, arguments = get_origin(model), get_args(model)
    if origin in (Union, UnionType):
        (inner,) = (_restorer(a) for a in arguments if a is not NoneType)
        return lambda data: None if data is None else inner(data)
    if origin is tuple:
        item = _restorer(arguments[0])
        return lambda data: tuple([item(d) for d in data])
    if is_dataclass(model) and isinstance(model, type):
        hints = get_type_hints(model)
        restorers = {f.name: _restorer(hints[f.name]) for f in fields(model)}
        simple = {name for name, r in restorers.items() if r is _same}
        return lambda data: model(**{k: v if k in simple else restorers[k](v) for k, v in data.items()})
    return _same


def _same(data: Any) -> Any:
    return data
