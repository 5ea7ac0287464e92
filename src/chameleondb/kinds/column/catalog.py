"""Columns of tables: reading them from pg_attribute."""

from __future__ import annotations

from sys import intern
from typing import Any

from chameleondb.kinds.column.model import Column, Generated, IdentityColumn, NotNull
from chameleondb.kinds.sequence import decode_options
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, object_name
from chameleondb.sqltext import shown, unwrap

_STORAGE = {"p": "plain", "e": "external", "x": "extended", "m": "main"}
_COMPRESSION = {"": None, "p": "pglz", "l": "lz4"}


def query(version: int) -> str:
    """Return the catalog query for a server version."""
    named = version >= 180000  # NOT NULL constraints have names
    not_null = "k.conname, k.connoinherit, k.convalidated" if named else "NULL, false, true"
    join = (
        "LEFT JOIN pg_catalog.pg_constraint k "
        "ON k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]"
        if named
        else ""
    )
    return f"""
        SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attcollation <> t.typcollation
                    THEN (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname)
                            FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                           WHERE c.oid = a.attcollation) END,
               a.attnotnull, {not_null},
               a.attgenerated::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
               CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
               a.attcompression::text, a.attstattarget, a.attoptions,
               a.attidentity::text, i.relname, i.seqstart, i.seqincrement, i.seqmin, i.seqmax, i.seqcache, i.seqcycle
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_catalog.pg_attrdef d ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum
          {join}
          LEFT JOIN (SELECT p.refobjid, p.refobjsubid, c.relname, s.*
                       FROM pg_catalog.pg_depend p
                       JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.objid
                       JOIN pg_catalog.pg_class c ON c.oid = p.objid
                      WHERE p.classid = 'pg_catalog.pg_class'::regclass
                        AND p.refclassid = 'pg_catalog.pg_class'::regclass AND p.deptype = 'i') i
            ON a.attidentity <> '' AND i.refobjid = a.attrelid AND i.refobjsubid = a.attnum
         WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum"""


def decode(row: tuple[Any, ...], oids: Oids) -> Column:
    """Return the column of a row, and remember its name by its number."""
    (relid, number, name, type_text, collation, required, constraint_name, no_inherit, validated, generated, expression,
     storage, compression, statistics, options, identity, *sequence) = row  # fmt: skip
    table, name = oids.relation(relid), intern(name)  # names and types repeat from table to table
    oids.columns.setdefault(relid, {})[number] = name
    return Column(
        id=Identity("column", (*table.path, name)),
        type=intern(shown(type_text)),
        collation=collation,
        not_null=NotNull(name=constraint_name, inherit=not no_inherit, validated=validated)
        if required or constraint_name
        else None,
        default=None if generated or expression is None else shown(expression),
        generated=Generated(expression=unwrap(shown(expression)), stored=generated == "s") if generated else None,
        identity=_decode_identity(table, name, type_text, identity, sequence) if identity else None,
        storage=_STORAGE[storage] if storage else None,
        compression=_COMPRESSION[compression],
        statistics=None if statistics in (None, -1) else statistics,
        options=tuple(sorted(options or ())),
        position=number,
    )


def _decode_identity(table: Identity, column: str, type_: str, word: str, sequence: list[Any]) -> IdentityColumn:
    name, *options = sequence
    return IdentityColumn(
        always=word == "a",
        options=decode_options(type_, *options),
        sequence=None if name == object_name(table.name, column, "seq") else name,
    )
