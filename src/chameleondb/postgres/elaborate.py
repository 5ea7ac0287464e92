"""Elaboration: PostgreSQL turns what the files say into what its catalogs would hold.

The declared objects are created in an empty shadow database and read back by the queries that read the target, so that
both sides of every comparison are PostgreSQL's own words. Statements in `sql` blocks and declared objects may need each
other in any order: what fails because something is not there yet is tried again in the next round.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chameleondb.diff import diff
from chameleondb.errors import DatabaseError, DatabaseUnreachable
from chameleondb.frozen import frozen
from chameleondb.kind import Kind
from chameleondb.model.declared import SqlBlock
from chameleondb.model.facts import Facts
from chameleondb.model.schema import Object, Schema, Unmodelled
from chameleondb.names import Identity, is_provisional, quote
from chameleondb.planner.graph import order, unnamed
from chameleondb.postgres.blocks import run_block, schemas_of
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.session import Connection, translated
from chameleondb.postgres.unmodelled import read_oids
from chameleondb.steps import Step
from chameleondb.syntax.tokens import name_text

Kinds = Mapping[type[Any], Kind[Any]]

# undefined_table, _column, _function, _object, _schema, undefined_parameter: it may come in a later round.
_UNDEFINED_OBJECT = "42704"
_NOT_YET = frozenset({"42P01", "42703", "42883", _UNDEFINED_OBJECT, "3F000", "42P02"})


@frozen()
class Failure:
    """A statement that PostgreSQL refused, and the declared object or block that it came from."""

    error: DatabaseError
    identity: Identity | None
    block: SqlBlock | None


@frozen()
class Block:
    """What an sql block made, by key, and in which round it could; in the first, nothing declared was there."""

    sql: str
    keys: tuple[tuple[str, str], ...]
    round: int


@frozen(kw_only=True)
class Elaborated:
    """The declared schema in PostgreSQL's words."""

    schema: Schema
    blocks: tuple[Block, ...] = ()
    late: Mapping[Identity, int] = field(default_factory=dict)  # the round of what could not be made in the first
    failures: tuple[Failure, ...] = ()


@dataclass(slots=True)
class _Item:
    sql: str
    step: Step | None = None
    block: SqlBlock | None = None
    made: set[tuple[str, int]] = field(default_factory=set)
    changed: set[tuple[str, str]] = field(default_factory=set)
    round: int = 0


def elaborate(
    connection: Connection,
    objects: Mapping[Identity, Object],
    blocks: Sequence[SqlBlock],
    kinds: Kinds,
    namespaces: Sequence[str],
    *,
    lenient: bool = False,
) -> Elaborated:
    """Create objects and run blocks in the empty database behind `connection`, and read back what it holds then.

    Failures of single statements are returned, not raised: they belong to places in the schema files. With `lenient`, a
    block may fail, if it needs what is not there.
    """
    declared_schema = Schema(objects)
    facts = Facts(server_version=connection.info.server_version)
    difference = diff(Schema(), declared_schema, kinds, facts=facts)
    steps = order(difference.changes, Schema(), declared_schema, kinds)
    items = [_Item(b.sql, block=b) for b in blocks] + [_Item(s.sql, step=s) for s in steps]
    with translated():
        connection.execute("SET synchronous_commit = off")
    rounds = _Rounds(connection, items, lambda: read_schema(connection, kinds.values(), namespaces), lenient=lenient)
    failures = rounds.run()
    if failures:
        return Elaborated(schema=Schema(), failures=tuple(_blame(failures, declared_schema)))
    # Only statements of blocks make what no kind claims.
    schema = read_schema(connection, kinds.values(), namespaces, unmodelled=bool(blocks))
    if blocks and not lenient:
        missed = (*_undone(objects, schema), *_out_of_sight(connection, items, namespaces))
        if missed:
            return Elaborated(schema=Schema(), failures=missed)
    made = _attribute(connection, items, schema)
    return Elaborated(schema=_settle(objects, schema, kinds), blocks=made, late=_late(items) if made else {})


def _undone(objects: Iterable[Identity], schema: Schema) -> Iterator[Failure]:
    """Yield what is declared and, after all blocks, not there: to take a block at its word would be to drop it."""
    gone = {i for i in objects if i not in schema and not is_provisional(i.name) and i.space != "comment"}
    for identity in sorted(gone):
        if identity.space in ("column", "constraint") and identity.table in gone:
            continue
        error = DatabaseError(
            "CHM0352",
            f"{identity} is declared, and after the sql blocks it is not there, or not as a kind that is managed",
            hint="take the statement out that drops it, renames it or, for a table, lets another one inherit from it",
        )
        yield Failure(error, identity, None)


def _out_of_sight(connection: Connection, items: Iterable[_Item], namespaces: Sequence[str]) -> Iterator[Failure]:
    """Yield blocks that make something in a schema that no file declares: nobody would look whether it is there."""
    for item in items:
        hidden = schemas_of(connection, item.made) - {*namespaces} if item.block else set()
        for name in sorted(hidden):
            error = DatabaseError(
                "CHM0354",
                f"what this statement makes lies in the schema {name}, which no file declares, so it would never run",
                hint="what is temporary is no part of a schema: take it out"
                if name.startswith("pg_")
                else f"declare the schema, outside of the block: namespace {name_text(name)}",
            )
            yield Failure(error, None, item.block)


# Statements about the session: they do nothing to a schema and are not missed.
_SESSION = re.compile(r"(?:SET|RESET|BEGIN|COMMIT)\b|SELECT\s+(?:pg_catalog\.)?set_config\b", re.IGNORECASE)


class _Rounds:
    """Runs items until all are done or none gets further; notes what each block made and in which round."""

    def __init__(
        self, connection: Connection, items: Sequence[_Item], seen: Callable[[], Schema], *, lenient: bool
    ) -> None:
        self.connection, self.items, self.seen, self.lenient = connection, items, seen, lenient
        # On a copy, blocks only stand in the way; nobody asks what they made.
        self.watched = not lenient and any(item.block for item in items)
        self.names = _Names(connection, (item.step for item in items if item.step))

    def run(self) -> list[tuple[_Item, DatabaseError]]:
        """Return the items that failed, with the errors that are to blame."""
        waiting = list(self.items)
        for number in itertools.count(1):
            if not waiting:
                break
            failed: list[tuple[_Item, DatabaseError]] = []
            for item in waiting:
                item.round = number
                error = self._try(item)
                if error is not None:
                    failed.append((item, error))
            fatal = [(i, e) for i, e in failed if e.sqlstate not in _NOT_YET and not (self.lenient and i.block)]
            if fatal or len(failed) == len(waiting):
                return _first_causes(fatal or [(i, e) for i, e in failed if not (self.lenient and i.block)])
            waiting = [item for item, _ in failed]
        return []

    def _try(self, item: _Item) -> DatabaseError | None:
        watched = self.watched and item.block is not None and not _SESSION.match(item.sql)
        known = read_oids(self.connection) if watched else set()
        # A statement that creates nothing may still change something, or nothing that we would ever see.
        before = self.seen() if watched and item.sql[:6].upper() != "CREATE" else None
        try:
            if item.step is None:
                run_block(self.connection, item.sql)
            else:
                with self.names.told_by(item.step) as sql:
                    self._execute(sql)
        except DatabaseError as error:
            if isinstance(error, DatabaseUnreachable):
                raise
            return error
        if watched:
            item.made = read_oids(self.connection) - known
        if before is not None:
            after = self.seen()
            item.changed = {u.key for u in set(after.unmodelled) - set(before.unmodelled)}
            if not item.made and not item.changed and after.objects == before.objects:
                return DatabaseError(
                    "CHM0351",
                    "this statement makes and changes nothing that Chameleon manages, so it would never run",
                    hint="leave it out if it says what is there already; if it is about a schema that no file declares,"
                    " declare that, outside of the block: namespace …"
                    if item.sql[:7].upper() == "COMMENT"
                    else "keep rows, privileges and owners in scripts of your own",
                )
        return None

    def _execute(self, sql: str) -> None:
        with translated(sql):
            self.connection.execute(sql.encode())


class _Names:
    """The names that PostgreSQL chooses for constraints, as far as a later step, such as a comment, needs to know."""

    def __init__(self, connection: Connection, steps: Iterable[Step]) -> None:
        self.connection = connection
        self.awaited = {i for step in steps for i in step.needs if is_provisional(i.name)}
        self.chosen: dict[Identity, str] = {}

    @contextmanager
    def told_by(self, step: Step) -> Iterator[str]:
        """Yield the statement with the names chosen so far; note the name that it makes PostgreSQL choose."""
        sql = step.sql
        for identity in self.awaited.intersection(step.needs):
            if identity not in self.chosen:
                raise DatabaseError("CHM0350", f"{identity.table} lacks a constraint", sqlstate=_UNDEFINED_OBJECT)
            sql = sql.replace(quote(identity.name), quote(self.chosen[identity]), 1)
        made = self.awaited.intersection(step.creates)
        before = {identity: self._present(identity) for identity in made}
        yield sql
        for identity, names in before.items():
            (self.chosen[identity],) = self._present(identity) - names

    def _present(self, identity: Identity) -> set[str]:
        """Return the names of a table's constraints; a key brings NOT NULL along, which has one of its own."""
        with translated():
            rows = self.connection.execute(
                "SELECT k.conname FROM pg_catalog.pg_constraint k"
                " JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = %s AND c.relname = %s AND k.contype <> 'n'",
                identity.path[:2],
            )
            return {row[0] for row in rows}


def _first_causes(failed: list[tuple[_Item, DatabaseError]]) -> list[tuple[_Item, DatabaseError]]:
    """Leave out what failed only because something before it had failed."""
    missing = {i for item, _ in failed if item.step for i in item.step.creates}
    causes = [(i, e) for i, e in failed if i.step is None or not missing.intersection(i.step.needs)]
    return causes or failed


def _blame(failed: Iterable[tuple[_Item, DatabaseError]], schema: Schema) -> Iterable[Failure]:
    for item, error in failed:
        identity = None
        if item.step is not None:
            created = item.step.creates or item.step.needs
            identity = created[0] if created else None
            if identity is not None and error.position is not None and len(created) > 1:
                identity = _line_owner(item.step, error.position) or identity
        if identity is not None and identity not in schema:
            identity = None
        yield Failure(error, identity, item.block)


def _line_owner(step: Step, position: int) -> Identity | None:
    """Return the part of a CREATE statement that stands on the line of the error: one part, one line."""
    line = step.sql.count("\n", 0, position - 1)
    return step.creates[line] if 0 < line < len(step.creates) else None


def _settle(declared: Mapping[Identity, Object], schema: Schema, kinds: Kinds) -> Schema:
    objects = []
    for obj in schema.objects.values():
        settle, said = kinds[type(obj)].settle, declared.get(obj.id)
        objects.append(settle(said, obj) if settle and said is not None else obj)
    return schema.with_objects(objects)


def _attribute(connection: Connection, items: Iterable[_Item], schema: Schema) -> tuple[Block, ...]:
    known = {u.key for u in schema.unmodelled}
    found = []
    for item in items:
        if item.block is not None:
            keys = sorted({*_identify(connection, item.made), *item.changed} & known)
            found.append(Block(item.sql, tuple(keys), item.round))
    return tuple(found)


def _late(items: Iterable[_Item]) -> dict[Identity, int]:
    found: dict[Identity, int] = {}
    for item in items:
        if item.step is not None and item.round > 1:
            for identity in item.step.creates:
                known_as = unnamed(identity) if is_provisional(identity.name) else identity
                found[known_as] = max(item.round, found.get(known_as, 1))
    return found


def _identify(connection: Connection, made: set[tuple[str, int]]) -> list[tuple[str, str]]:
    """Return what was made; an index or a constraint stands for its table, without which it cannot be."""
    pairs = sorted(made)
    with translated():
        connection.execute("SET search_path = ''")
        rows = connection.execute(
            "SELECT i.type, i.identity FROM unnest(%s::text[], %s::oid[]) o (catalog, oid) CROSS JOIN LATERAL ("
            " SELECT o.catalog, o.oid"
            " UNION SELECT 'pg_class', x.indrelid FROM pg_catalog.pg_index x"
            " WHERE o.catalog = 'pg_class' AND x.indexrelid = o.oid"
            " UNION SELECT 'pg_class', k.conrelid FROM pg_catalog.pg_constraint k"
            " WHERE o.catalog = 'pg_constraint' AND k.oid = o.oid AND k.conrelid <> 0) w (catalog, oid)"
            " CROSS JOIN LATERAL pg_catalog.pg_identify_object(('pg_catalog.' || w.catalog)::regclass, w.oid, 0) i",
            [[c for c, _ in pairs], [o for _, o in pairs]],
        ).fetchall()
        connection.execute("SET search_path = public")
    return [(row[0], row[1]) for row in rows if row[1] is not None]


def unplanned(source: Iterable[Unmodelled], target: Iterable[Unmodelled]) -> list[Unmodelled]:
    """Return the target's unmodelled objects that the source has with another definition, or lacking a part."""
    known = {u.key: u for u in source}
    return [u for u in target if u.key in known and not known[u.key].covers(u)]
