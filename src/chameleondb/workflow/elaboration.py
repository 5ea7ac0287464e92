"""The declared schema in PostgreSQL's words, with as little work for a server as can be.

Each top-level declaration is elaborated once and kept in the project's cache under the hash of its text and of what it
refers to. Only declarations that the cache does not know go to a shadow, together with the tables and types that they
need; an unchanged schema needs no shadow at all. Statements in `sql` blocks can reach anything, so with them a change
anywhere elaborates everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from chameleondb import __version__, disk
from chameleondb.canonical import canonical_json, plain, restore, sha256
from chameleondb.diagnostics import Diagnostics
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Declared, SqlBlock, Unit
from chameleondb.model.schema import Object, Schema, Unmodelled
from chameleondb.names import Identity
from chameleondb.postgres.elaborate import Block, Elaborated, Failure
from chameleondb.postgres.elaborate import elaborate as elaborate_in
from chameleondb.postgres.session import Connection

OpenShadow = Callable[[frozenset[str]], AbstractContextManager[Connection]]
"""Opens an empty database that offers the given extensions."""

_MODELS = {model.__name__: model for model in KIND_OF}
_FORMAT = f"chameleon.elaborated/1 {__version__}"


class Cache:
    """What was elaborated before, in one file of the project's local directory. Losing it costs time, nothing else."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def load(self, major: int) -> dict[str, Any]:
        """Return entries by key; nothing where there is no file, or one that this release did not write."""
        if self.folder is None:
            return {}
        try:
            data = json.loads(self._path(major).read_bytes())
            return dict(data["entries"]) if data["format"] == _FORMAT else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def save(self, major: int, entries: Mapping[str, Any]) -> None:
        """Keep entries; on a read-only disk, go without."""
        if self.folder is None:
            return
        try:
            disk.make_directory(self.folder, mode=0o700)
            disk.replace(self._path(major), canonical_json({"format": _FORMAT, "entries": entries}).encode())
        except OSError:
            return

    def _path(self, major: int) -> Path:
        assert self.folder is not None
        return self.folder / f"elaborated-{major}.json"


def elaborate(
    declared: Declared, open_shadow: OpenShadow, namespaces: tuple[str, ...], *, major: int, cache: Cache
) -> Elaborated:
    """Return the declared schema as a server of the given major version would hold it.

    Raises: SchemaError with the places that PostgreSQL refuses.
    """
    keys = _keys(declared, major)
    entries = cache.load(major)
    missing = [unit for unit in declared.units if keys[unit.key] not in entries]
    # What sql blocks make is one entry of its own, last in the chain of keys.
    if missing or keys[_BLOCKS] not in entries:
        if declared.blocks:
            missing = list(declared.units)
        fresh = _elaborate(declared, missing, open_shadow, namespaces)
        entries |= {keys[unit]: entry for unit, entry in _entries(fresh, missing).items()}
        entries = {key: entries[key] for key in keys.values()}
        cache.save(major, entries)
    return _restored([entries[keys[unit.key]] for unit in declared.units], entries[keys[_BLOCKS]], declared.blocks)


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
    diagnostics.error("CHM0350", f"PostgreSQL: {failure.error.message}", span, help=failure.error.hint)


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
        "blocks": [[plain(made.keys), made.early] for made in fresh.blocks],
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


def _restored(entries: Iterable[Any], blocks: Any, declared: Sequence[SqlBlock]) -> Elaborated:
    objects: dict[Identity, Object] = {}
    edges: dict[Identity, frozenset[Identity]] = {}
    for entry in (*entries, blocks):
        for name, data in entry["objects"]:
            obj = restore(_MODELS[name], data)
            objects[obj.id] = obj
        for own, targets in entry["edges"]:
            edges[restore(Identity, own)] = frozenset(restore(Identity, t) for t in targets)
    made = zip(declared, blocks["blocks"], strict=True)
    return Elaborated(
        schema=Schema(objects, edges, tuple(restore(Unmodelled, u) for u in blocks["unmodelled"])),
        blocks=tuple(Block(block, tuple((k[0], k[1]) for k in keys), early) for block, (keys, early) in made),
    )
