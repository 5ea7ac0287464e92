"""The declared schema in PostgreSQL's words, with as little work for a server as can be.

Each top-level declaration is elaborated once and kept in the project's cache under the hash of its text and of what it
refers to. Only declarations that the cache does not know go to a shadow, together with the tables and types that they
need; an unchanged schema needs no shadow at all. Statements in `sql` blocks can reach anything, so with them a change
anywhere elaborates everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chameleondb import __version__, disk
from chameleondb.canonical import canonical_json, plain, restore, sha256
from chameleondb.diagnostics import Diagnostics
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Declared, Hint, Unit
from chameleondb.model.schema import Object, Schema, Unmodelled
from chameleondb.names import DEFAULT_NAMESPACE, Identity
from chameleondb.postgres.elaborate import Block, Elaborated, Failure
from chameleondb.postgres.elaborate import elaborate as elaborate_in
from chameleondb.postgres.session import Connection
from chameleondb.workflow.source import Files

OpenShadow = Callable[[frozenset[str]], AbstractContextManager[Connection]]
"""Opens an empty database that offers the given extensions."""

_MODELS = {model.__name__: model for model in KIND_OF}
_FORMAT = f"chameleon.elaborated/1 {__version__}"


class Cache:
    """What earlier runs found out, in files of the project's local directory. Losing it costs time, nothing else."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def load(self, name: str) -> dict[str, Any]:
        """Return what was saved; nothing where there is no file, or one that this release did not write."""
        if self.folder is None:
            return {}
        try:
            data = json.loads((self.folder / f"{name}.json").read_bytes())
            return dict(data) if data["format"] == _FORMAT else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def save(self, name: str, data: Mapping[str, Any]) -> None:
        """Keep data for the next run; on a read-only disk, go without."""
        if self.folder is None:
            return
        try:
            disk.make_directory(self.folder, mode=0o700)
            disk.replace(self.folder / f"{name}.json", canonical_json({"format": _FORMAT, **data}).encode())
        except OSError:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Where to go: the declared schema in PostgreSQL's words, with the hints on the way."""

    schema: Schema
    blocks: tuple[Block, ...]
    hints: Mapping[Identity, Hint]
    namespaces: tuple[str, ...]


def elaborate(files: Files, open_shadow: OpenShadow, *, major: int, cache: Cache) -> Desired:
    """Return the declared schema as a server of the given major version would hold it.

    Raises: SchemaError with the places that the checker or PostgreSQL refuses.
    """
    name = f"elaborated-{major}"
    saved = cache.load(name)
    if saved.get("key") == files.key:
        with suppress(KeyError, TypeError, ValueError, IndexError):  # a damaged cache is no cache
            return _restored(saved)
        saved = {}
    saved = _refreshed(files, open_shadow, major, saved.get("entries", {}))
    cache.save(name, saved)
    return _restored(saved)


def _refreshed(files: Files, open_shadow: OpenShadow, major: int, entries: dict[str, Any]) -> dict[str, Any]:
    """Elaborate what `entries` do not know; return all that the next run needs, as JSON values."""
    declared = files.declared
    namespaces = _namespaces(declared)
    keys = _keys(declared, major)
    missing = [unit for unit in declared.units if keys[unit.key] not in entries]
    if missing or keys[_BLOCKS] not in entries:
        if declared.blocks:
            missing = list(declared.units)
        fresh = _elaborate(declared, missing, open_shadow, namespaces)
        entries = {**entries, **{keys[unit]: entry for unit, entry in _entries(fresh, missing).items()}}
    order = [keys[key] for key in (*(unit.key for unit in declared.units), _BLOCKS)]
    return {
        "key": files.key,
        "entries": {key: entries[key] for key in order},
        "order": order,
        "hints": [[plain(i), plain(hint)] for i, hint in declared.hints.items()],
        "namespaces": list(namespaces),
    }


def _namespaces(declared: Declared) -> tuple[str, ...]:
    spaces = {i.path[0] for i in declared.objects if i.space in ("relation", "type", "namespace")}
    return tuple(sorted({DEFAULT_NAMESPACE, *spaces}))


_BLOCKS = Identity("", ())


def _keys(declared: Declared, major: int) -> dict[Identity, str]:
    """Return the cache key of each unit: its objects, those of the units it refers to, and all sql blocks."""
    texts = {u.key: canonical_json([[type(o).__name__, plain(o)] for o in u.objects]) for u in declared.units}
    home = {o.id: u.key for u in declared.units for o in u.objects}
    blocks = sha256("\0".join(b.sql for b in declared.blocks))
    keys = {}
    for unit in declared.units:
        near = {home[r] for o in unit.objects for r in KIND_OF[type(o)].references(o) if r in home} - {unit.key}
        keys[unit.key] = sha256("\0".join([str(major), blocks, texts[unit.key], *(texts[k] for k in sorted(near))]))
    keys[_BLOCKS] = sha256("\0".join([blocks, *(keys[u.key] for u in declared.units)]))
    return keys


def _elaborate(
    declared: Declared, units: Iterable[Unit], open_shadow: OpenShadow, namespaces: tuple[str, ...]
) -> Elaborated:
    objects = _closure(declared, units)
    extensions = frozenset(i.name for i in objects if i.space == "extension")
    with open_shadow(extensions) as connection:
        fresh = elaborate_in(connection, objects, declared.blocks, KIND_OF, namespaces)
    if fresh.failures:
        diagnostics = Diagnostics()
        for failure in fresh.failures:
            _diagnose(failure, declared, diagnostics)
        diagnostics.raise_errors()
    return fresh


def _diagnose(failure: Failure, declared: Declared, diagnostics: Diagnostics) -> None:
    """Lay the server's refusal at the place in the schema files that it is about."""
    own = declared.spans.get(failure.identity) if failure.identity else None
    span = failure.block.span if failure.block else own
    if span is None:
        raise failure.error
    error = failure.error
    from_server = error.sqlstate is not None
    code, message = ("CHM0350", f"PostgreSQL: {error.message}") if from_server else (error.code, error.message)
    diagnostics.error(code, message, span, help=error.hint)


def _closure(declared: Declared, units: Iterable[Unit]) -> dict[Identity, Object]:
    """Return the objects of some units and all that they need: of other tables, the columns and the keys."""
    everything = declared.objects
    schema = Schema(everything)
    needed: dict[Identity, Object] = {}
    waiting = [o for unit in units for o in unit.objects]
    while waiting:
        obj = waiting.pop()
        if obj.id in needed:
            continue
        needed[obj.id] = obj
        for reference in KIND_OF[type(obj)].references(obj):
            if reference in everything and reference not in needed:
                waiting.append(everything[reference])
                waiting += [c for c in schema.children(reference) if KIND_OF[type(c)].inline is not None]
    # Extensions bring types and operators that no reference names.
    return {i: o for i, o in everything.items() if i in needed or i.space in ("extension", "namespace")}


def _home(obj: Object, schema: Schema) -> Identity:
    """Return the identity of the top-level object that `obj` belongs to."""
    current: Object = obj
    while True:
        parent = KIND_OF[type(current)].parent(current)
        above = schema.get(parent) if parent is not None else None
        if above is None:
            return current.id
        current = above


def _entries(fresh: Elaborated, units: Iterable[Unit]) -> dict[Identity, Any]:
    """Return, for each unit and for the blocks, what the shadow held for them, as JSON values."""
    unit_of = {o.id: unit.key for unit in units for o in unit.objects}
    entries: dict[Identity, Any] = {unit.key: {"objects": [], "edges": []} for unit in units}
    entries[_BLOCKS] = {
        "objects": [],
        "edges": [],
        "unmodelled": plain(fresh.schema.unmodelled),
        "blocks": [[made.sql, plain(made.keys), made.early] for made in fresh.blocks],
    }
    for obj in fresh.schema.objects.values():
        home = _home(obj, fresh.schema)
        # What stands in no unit was made by a block.
        key = unit_of.get(home) or (_BLOCKS if fresh.blocks else None)
        if key is None:
            continue  # a table that was there only because another needs it
        entries[key]["objects"].append([type(obj).__name__, plain(obj, all_fields=True)])
        if obj.id in fresh.schema.edges:
            entries[key]["edges"].append([plain(obj.id), [plain(i) for i in sorted(fresh.schema.edges[obj.id])]])
    return entries


def _restored(saved: Mapping[str, Any]) -> Desired:
    objects: dict[Identity, Object] = {}
    edges: dict[Identity, frozenset[Identity]] = {}
    entries = [saved["entries"][key] for key in saved["order"]]
    for entry in entries:
        for name, data in entry["objects"]:
            obj = restore(_MODELS[name], data)
            objects[obj.id] = obj
        for own, targets in entry["edges"]:
            edges[restore(Identity, own)] = frozenset(restore(Identity, t) for t in targets)
    blocks = entries[-1]
    return Desired(
        schema=Schema(objects, edges, tuple(restore(Unmodelled, u) for u in blocks["unmodelled"])),
        blocks=tuple(Block(sql, tuple((k[0], k[1]) for k in keys), early) for sql, keys, early in blocks["blocks"]),
        hints={restore(Identity, i): restore(Hint, hint) for i, hint in saved["hints"]},
        namespaces=tuple(saved["namespaces"]),
    )
