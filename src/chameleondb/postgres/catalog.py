"""Reading a database into a schema: one repeatable-read snapshot, a handful of bulk queries, an empty search_path.

No kind is named here: each brings its query and its decoder. Members of extensions are left out; whatever no kind
claims is returned as unmodelled. What others change while it is read is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from chameleondb.errors import DatabaseError, LockNotAcquired
from chameleondb.kind import Kind
from chameleondb.model.oids import Oids
from chameleondb.model.schema import Object, Schema, Unmodelled
from chameleondb.names import DEFAULT_NAMESPACE, Identity
from chameleondb.postgres.activity import who_keeps_from_reading
from chameleondb.postgres.changed import read_changes
from chameleondb.postgres.encoding import INVALID_BYTES, not_utf8
from chameleondb.postgres.ledger.tables import IS_THERE
from chameleondb.postgres.session import Connection, translated
from chameleondb.postgres.unmodelled import read_unmodelled

# Before the schema is read again since others were changing it.
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 0.0)


def read_schema(
    connection: Connection,
    kinds: Iterable[Kind[Any]],
    namespaces: Sequence[str] = (DEFAULT_NAMESPACE,),
    *,
    unmodelled: bool = True,
    tables: Iterable[Identity] | None = None,
) -> Schema:
    """Return what the database holds in the given schemas; with `tables`, of tables only those.

    What others change meanwhile is read again. Raises: DatabaseError, with the missing right named; CHM4024 if they do
    not come to an end; CHM4017 for text that is not UTF-8; LockNotAcquired, since to print an expression PostgreSQL
    locks its table.
    """
    try:
        return _read_at_rest(connection, list(kinds), namespaces, unmodelled=unmodelled, tables=tables)
    except LockNotAcquired as error:
        who = who_keeps_from_reading(connection)
        raise LockNotAcquired(
            error.code,
            f"the schema cannot be read: {'a table is locked by ' + who if who else error.message}",
            hint="wait for it, or end it; then run this again: nothing was changed",
            sqlstate=error.sqlstate,
        ) from None
    except DatabaseError as error:
        if error.sqlstate == INVALID_BYTES:
            raise not_utf8(connection, error) from None
        raise


def _read_at_rest(
    connection: Connection,
    kinds: Sequence[Kind[Any]],
    namespaces: Sequence[str],
    *,
    unmodelled: bool,
    tables: Iterable[Identity] | None,
) -> Schema:
    paths = None if tables is None else [table.path for table in tables]
    known: set[int] = set()  # of whom a snapshot knows that was taken after they were seen
    for pause_s in _PAUSES_S:
        with translated(), snapshot(connection):
            schema = _unless_gone(
                lambda: _read(connection, kinds, namespaces, paths, unmodelled=unmodelled),
                lambda: read_changes(connection, namespaces) - known,
                is_last=pause_s == 0,
            )
            changes = read_changes(connection, namespaces) if schema is not None else set()
        if schema is not None and changes <= known:
            return schema
        known.update(changes)
        time.sleep(pause_s)
    raise DatabaseError(
        "CHM4024", "others are changing the schema while it is read", hint="try again when they are done"
    )


def _unless_gone(read: Callable[[], Schema], changes: Callable[[], set[int]], *, is_last: bool) -> Schema | None:
    """Return what is read; None if it fails because something that was to be printed is gone."""
    try:
        return read()
    except pg.InternalError_:  # "cache lookup failed": nothing more can be asked in this snapshot
        if is_last:
            raise
    except psycopg.Error:
        raise
    except Exception:  # NULL in the place of a definition; without a change, the mistake is ours
        if not changes():
            raise
    return None


def _read(
    connection: Connection,
    kinds: Sequence[Kind[Any]],
    namespaces: Sequence[str],
    tables: Sequence[tuple[str, ...]] | None,
    *,
    unmodelled: bool,
) -> Schema:
    numbers = _namespaces(connection, namespaces)
    only = None if tables is None else _oids_of(connection, tables)
    oids = Oids()
    objects: list[Object] = []
    for kind in kinds:
        query = kind.query(connection.info.server_version)
        if kind.owns_columns and only is not None:
            query = f"SELECT t.* FROM ({query}) AS t (oid) WHERE t.oid = ANY(%(only)s)"
        parameters = {"namespaces": list(numbers), "tables": oids.tables, "only": only}
        rows = connection.execute(query.encode(), parameters).fetchall()
        if kind.owns_columns:
            oids.tables = [row[0] for row in rows]
        objects += _decode(kind, rows, oids)
    rest: tuple[Unmodelled, ...] = ()
    if unmodelled:
        rest = read_unmodelled(connection, oids, list(numbers))
    edges = _edges(connection, oids, whole=only is None)
    return Schema({o.id: o for o in objects}, edges, rest)


def _oids_of(connection: Connection, paths: Sequence[tuple[str, ...]]) -> list[int]:
    rows = connection.execute(
        "SELECT c.oid FROM unnest(%s::text[], %s::text[]) AS w (schema, name)"
        " JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema"
        " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name",
        [[schema for schema, _ in paths], [name for _, name in paths]],
    )
    return [row[0] for row in rows]


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Run the block in one read-only snapshot in which every name is printed with its schema."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        connection.execute("SET LOCAL search_path = ''")
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("ROLLBACK")


def _namespaces(connection: Connection, names: Sequence[str]) -> dict[int, str]:
    rows = connection.execute("SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s)", [list(names)])
    return {row[0]: row[1] for row in rows}


def _decode(kind: Kind[Any], rows: Iterable[tuple[Any, ...]], oids: Oids) -> Iterator[Object]:
    decode, catalog, known = kind.decode, kind.catalog, oids.objects
    for row in rows:
        obj = decode(row, oids)
        if obj is not None:
            known[catalog, row[0]] = obj.id
            yield obj


# Only what the objects do not say themselves: functions, sequences, types of extensions, the key behind a foreign key.
_EDGES = """
    SELECT d.classid::regclass::text, d.objid, d.objsubid, d.refclassid::regclass::text, d.refobjid, e.extname
      FROM pg_catalog.pg_depend d
      LEFT JOIN pg_catalog.pg_depend m
        ON m.classid = d.refclassid AND m.objid = d.refobjid AND m.objsubid = 0 AND m.deptype = 'e'
      LEFT JOIN pg_catalog.pg_extension e ON e.oid = m.refobjid AND m.refclassid = 'pg_catalog.pg_extension'::regclass
     WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype IN ('n', 'a')
       AND d.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_constraint'::regclass,
                         'pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_type'::regclass)
       AND (d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass,
                             'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_operator'::regclass,
                             'pg_catalog.pg_collation'::regclass)
            OR (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid = 0
                AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.refobjid AND c.relkind IN ('S', 'i'))))"""


# Of a part of the schema, only its own.
_EDGES_FROM = f"""{_EDGES}
       AND d.objid = ANY(%(objects)s::oid[]
                         || ARRAY(SELECT a.oid FROM pg_catalog.pg_attrdef a WHERE a.adrelid = ANY(%(tables)s)))"""


def _edges(connection: Connection, oids: Oids, *, whole: bool) -> dict[Identity, frozenset[Identity]]:
    edges: dict[Identity, set[Identity]] = {}
    defaults: dict[int, Identity] | None = None
    parameters = None if whole else {"objects": [oid for _, oid in oids.objects], "tables": oids.tables}
    rows = connection.execute((_EDGES if whole else _EDGES_FROM).encode(), parameters).fetchall()
    for catalog, oid, number, ref_catalog, ref_oid, extension in rows:
        if catalog == "pg_attrdef":
            defaults = _default_owners(connection, oids) if defaults is None else defaults
            own = defaults.get(oid)
        else:
            own = oids.objects.get((catalog, oid))
            if own is not None and number and oid in oids.columns:
                own = Identity("column", (*own.path, oids.columns[oid][number]))
        if extension is not None:
            target: Identity | None = Identity("extension", (extension,))
        else:
            target = oids.objects.get((ref_catalog, ref_oid))
        if own is not None and target is not None and own != target:
            edges.setdefault(own, set()).add(target)
    return {identity: frozenset(targets) for identity, targets in edges.items()}


def _default_owners(connection: Connection, oids: Oids) -> dict[int, Identity]:
    rows = connection.execute(
        "SELECT oid, adrelid, adnum FROM pg_catalog.pg_attrdef WHERE adrelid = ANY(%(tables)s)", {"tables": oids.tables}
    )
    return {
        oid: Identity("column", (*oids.relation(table).path, oids.columns[table][number]))
        for oid, table, number in rows
    }


def user_namespaces(connection: Connection) -> tuple[str, ...]:
    """Return the names of all schemas that are neither the server's nor an extension's nor our ledger's."""
    with translated():
        rows = connection.execute(
            "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_'"
            f" AND n.nspname <> 'information_schema' AND NOT (n.nspname = 'chameleon' AND {IS_THERE})"
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
            " WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')"
            " ORDER BY n.nspname"
        ).fetchall()
    return tuple(row[0] for row in rows)
