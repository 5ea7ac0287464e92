"""The declared schema in PostgreSQL's words, with as little work for a server as can be.

Each top-level declaration is elaborated once and kept in the project's cache under the hash of its text and of what it
refers to. Only declarations that the cache does not know go to a shadow, together with the tables and types that they
need; an unchanged schema needs no shadow at all. Statements in `sql` blocks can reach anything, so with them a change
anywhere elaborates everything.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from typing import Any

from chameleondb.canonical import plain, restore, sha256, telling
from chameleondb.diagnostics import Diagnostics
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Declared, Hint, Unit
from chameleondb.model.schema import Object, Schema, Unmodelled
from chameleondb.names import DEFAULT_NAMESPACE, Identity
from chameleondb.postgres.elaborate import Block, Elaborated, Failure
from chameleondb.postgres.elaborate import elaborate as elaborate_in
from chameleondb.postgres.session import Connection
from chameleondb.workflow.cache import DAMAGED, Cache, Shelf
from chameleondb.workflow.references import References
from chameleondb.workflow.source import Files

OpenShadow = Callable[[frozenset[str]], AbstractContextManager[Connection]]
"""Opens an empty database that offers the given extensions."""

FEATURE_NOT_SUPPORTED = "0A000"
SYNTAX_ERROR = "42601"
UNDEFINED_OBJECT = "42704"
UNDEFINED_TABLE = "42P01"
UNDEFINED_SCHEMA = "3F000"

_MODELS = {model.__name__: model for model in KIND_OF}
BLOCKS = Identity("", ())
"""The last unit: what statements in sql blocks make."""


@frozen(kw_only=True)
class Desired:
    """Where to go: the declared schema in PostgreSQL's words, with the hints on the way."""

    schema: Schema
    blocks: tuple[Block, ...]
    hints: Mapping[Identity, Hint]
    namespaces: tuple[str, ...]
    late: Mapping[Identity, int]  # the round of what could be made only after the first of statements in sql blocks


@frozen()
class Known:
    """A unit that has been elaborated: the key under which, a hash of its own text, the units that it refers to."""

    key: str
    own: str
    near: tuple[Identity, ...]


@frozen(kw_only=True)
class Elaboration:
    """The declared schema in PostgreSQL's words, unit by unit, on a shelf."""

    units: Mapping[Identity, Known]
    names: str  # `References.names`
    hints: Mapping[Identity, Hint]
    namespaces: tuple[str, ...]
    shelf: Shelf

    def desired(self, only: Container[Identity] | None = None) -> Desired:
        """Take it from the shelf, or only some of the units; those of sql blocks always. Raises: one of `DAMAGED`."""
        objects: dict[Identity, Object] = {}
        edges: dict[Identity, frozenset[Identity]] = {}
        wanted = [k.key for i, k in self.units.items() if only is None or i in only or i == BLOCKS]
        entry: dict[str, Any] = {}
        for entry in self.shelf.values(wanted):
            for name, data in entry["objects"]:
                obj = restore(_MODELS[name], data)
                objects[obj.id] = obj
            for own, targets in entry["edges"]:
                edges[restore(Identity, own)] = frozenset(restore(Identity, t) for t in targets)
        return Desired(
            schema=Schema(objects, edges, tuple(restore(Unmodelled, u) for u in entry["unmodelled"])),
            blocks=tuple(Block(sql, tuple((k[0], k[1]) for k in keys), n) for sql, keys, n in entry["blocks"]),
            hints=self.hints,
            namespaces=self.namespaces,
            late={restore(Identity, i): n for i, n in entry["late"]},
        )


def elaborate(files: Files, open_shadow: OpenShadow, *, major: int, cache: Cache) -> Desired:
    """Return the declared schema as a server of the given major version would hold it.

    Raises: SchemaError with the places that the checker or PostgreSQL refuses.
    """
    return Elaborator(files, open_shadow, major=major, cache=cache).desired()


class Elaborator:
    """Elaborates files, as far as the cache does not know what they say."""

    def __init__(self, files: Files, open_shadow: OpenShadow, *, major: int, cache: Cache) -> None:
        self.files, self.open_shadow, self.major, self.cache = files, open_shadow, major, cache
        self._name = f"elaborated-{major}"

    @cached_property
    def found(self) -> Elaboration:
        """What the cache holds now. Raises: SchemaError."""
        return self._bring_up_to_date(self.cache.load(self._name))

    def desired(self) -> Desired:
        """Return all of it. Raises: SchemaError."""
        with suppress(*DAMAGED):  # a damaged cache is no cache
            return self.found.desired()
        self.found = self._bring_up_to_date({})
        return self.found.desired()

    def _bring_up_to_date(self, saved: Mapping[str, Any]) -> Elaboration:
        with suppress(*DAMAGED):
            if saved["key"] == self.files.key:
                return self._restored(saved)
        declared, before = self.files.declared, None
        with suppress(*DAMAGED):
            before = self._restored(saved)
        shelf = before.shelf if before else self.cache.shelf(self._name, {})
        found = _refreshed(declared, self.open_shadow, self.major, shelf, before)
        self._save(found)
        return found

    def _restored(self, saved: Mapping[str, Any]) -> Elaboration:
        return Elaboration(
            units=restored_units(saved["units"]),
            names=saved["names"],
            hints={restore(Identity, i): restore(Hint, hint) for i, hint in saved["hints"]},
            namespaces=tuple(saved["namespaces"]),
            shelf=self.cache.shelf(self._name, {key: place for (_, key, _, _, *place) in saved["units"]}),
        )

    def _save(self, found: Elaboration) -> None:
        with suppress(*DAMAGED):
            places = found.shelf.store(known.key for known in found.units.values())
            data = {
                "key": self.files.key,
                "units": [[*row, *places[row[1]]] for row in plain_units(found.units)],
                "names": found.names,
                "hints": [[plain(i), plain(hint)] for i, hint in found.hints.items()],
                "namespaces": list(found.namespaces),
            }
            self.cache.save(self._name, data)


def plain_units(units: Mapping[Identity, Known]) -> list[list[Any]]:
    """Return units as JSON values, a list for each: identity, key, own hash, numbers of the units it refers to."""
    number = {identity: n for n, identity in enumerate(units)}
    return [[plain(i), known.key, known.own, [number[n] for n in known.near]] for i, known in units.items()]


def restored_units(rows: Iterable[list[Any]]) -> dict[Identity, Known]:
    """Return what `plain_units` made rows of; they may have more behind. Raises: one of `DAMAGED`."""
    rows = list(rows)
    identities = [restore(Identity, row[0]) for row in rows]
    return {
        i: Known(key, own, tuple([identities[n] for n in near]))
        for i, (_, key, own, near, *_) in zip(identities, rows, strict=True)
    }


def _refreshed(
    declared: Declared, open_shadow: OpenShadow, major: int, shelf: Shelf, before: Elaboration | None
) -> Elaboration:
    references = References(declared)
    namespaces = _namespaces(references.home)
    units = known_units(declared, references, major, before)
    missing = [unit for unit in declared.units if units[unit.key].key not in shelf]
    if missing or units[BLOCKS].key not in shelf:
        if declared.blocks:
            missing = list(declared.units)
        fresh = _elaborate(declared, references.closure(missing), open_shadow, namespaces)
        for identity, entry in _entries(fresh, missing).items():
            shelf.put(units[identity].key, entry)
    return Elaboration(units=units, names=references.names, hints=declared.hints, namespaces=namespaces, shelf=shelf)


def _namespaces(identities: Iterable[Identity]) -> tuple[str, ...]:
    spaces = {i.path[0] for i in identities if i.space in ("relation", "type", "namespace")}
    return tuple(sorted({DEFAULT_NAMESPACE, *spaces}))


def known_units(
    declared: Declared, references: References, major: int, before: Elaboration | None = None
) -> dict[Identity, Known]:
    """Return each unit under the hash of its objects, of those of the units it refers to, and of all sql blocks.

    What it refers to need not be looked up if it says what it said before, among the same names.
    """
    said = before.units if before and before.names == references.names else {}
    blocks = sha256("\0".join(b.sql for b in declared.blocks))
    own, near = {}, {}
    for unit in declared.units:
        text = telling(unit.objects)
        own[unit.key] = sha256(text)
        old = said.get(unit.key)
        if old is not None and old.own == own[unit.key]:
            near[unit.key] = old.near
        else:
            near[unit.key] = tuple(sorted(references.near(unit, text)))
    units = {}
    for key, others in near.items():
        parts = [str(major), blocks, own[key], *(own[k] for k in others)]
        units[key] = Known(sha256(" ".join(parts)), own[key], others)
    units[BLOCKS] = Known(sha256(" ".join([blocks, *(known.key for known in units.values())])), blocks, ())
    return units


def _elaborate(
    declared: Declared, objects: Mapping[Identity, Object], open_shadow: OpenShadow, namespaces: tuple[str, ...]
) -> Elaborated:
    extensions = frozenset(i.name for i in objects if i.space == "extension")
    with open_shadow(extensions) as connection:
        fresh = elaborate_in(connection, objects, declared.blocks, KIND_OF, namespaces)
        major = connection.info.server_version // 10000
    if fresh.failures:
        diagnostics = Diagnostics()
        for failure in fresh.failures:
            _diagnose(failure, declared, major, diagnostics)
        diagnostics.raise_errors()
    return fresh


def _diagnose(failure: Failure, declared: Declared, major: int, diagnostics: Diagnostics) -> None:
    """Lay the server's refusal at the place in the schema files that it is about."""
    own = declared.places.get(failure.identity) if failure.identity else None
    span = failure.block.span if failure.block else own
    if span is None:
        raise failure.error
    error = failure.error
    from_server = error.sqlstate is not None
    code, message = ("CHM0350", f"PostgreSQL: {error.message}") if from_server else (error.code, error.message)
    diagnostics.error(code, message, span, help=_way_out(failure, major) or error.hint)


def _way_out(failure: Failure, major: int) -> str | None:
    """Return what helps where something is missing: on the server, in its version, in the schema files."""
    error, about = failure.error, failure.identity
    if error.sqlstate == FEATURE_NOT_SUPPORTED and about is not None and about.space == "extension":
        return (
            "install it where the server runs, most come with PostgreSQL's contrib package; the embedded PostgreSQL has"
            " only `vector`: use another server then"
        )
    at = (error.statement or "")[error.position - 1 :] if error.position else ""
    if error.sqlstate == UNDEFINED_OBJECT and at.startswith("COLLATE"):
        return (
            "`SELECT collname FROM pg_collation` lists those of a server; the embedded PostgreSQL has none of ICU: use"
            " another server, or set database.shadow_url if it is the shadow only"
        )
    # A name within an expression has a position.
    if error.sqlstate in (UNDEFINED_SCHEMA, UNDEFINED_TABLE) and failure.block is None and not error.position:
        return (
            "no schema file makes it, whatever the database has: declare it, as `chameleon introspect -o -` writes it;"
            " or, if it is to be left alone, write its CREATE TABLE in a `sql` block, and its schema as a `namespace`"
        )
    if error.sqlstate == SYNTAX_ERROR and failure.block is None and major < 18:
        return (
            f"this server is PostgreSQL {major}; `virtual`, `without overlaps`, `period`, `not enforced`, and"
            " `no inherit` or `not valid` of a required field need 18"
        )
    return None


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
    entries[BLOCKS] = {
        "objects": [],
        "edges": [],
        "unmodelled": plain(fresh.schema.unmodelled),
        "blocks": [[made.sql, plain(made.keys), made.round] for made in fresh.blocks],
        "late": [[plain(i), number] for i, number in fresh.late.items()],
    }
    for obj in fresh.schema.objects.values():
        home = _home(obj, fresh.schema)
        # What stands in no unit was made by a block.
        key = unit_of.get(home) or (BLOCKS if fresh.blocks else None)
        if key is None:
            continue  # a table that was there only because another needs it
        entries[key]["objects"].append([type(obj).__name__, plain(obj, all_fields=True)])
        if obj.id in fresh.schema.edges:
            entries[key]["edges"].append([plain(obj.id), [plain(i) for i in sorted(fresh.schema.edges[obj.id])]])
    return entries
