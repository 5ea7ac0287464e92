"""Objects of unmodelled kinds that tables need, as the statements that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chameleondb.postgres.catalog import snapshot
from chameleondb.postgres.session import Connection, translated


@dataclass(frozen=True, slots=True)
class Verbatim:
    """One needed object; `sql` is None where PostgreSQL has no way to print it."""

    type: str
    identity: str
    sql: str | None


# What modelled objects depend on, followed through types, their constraints and functions.
_NEEDED = """
    WITH RECURSIVE tables AS (
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND n.nspname = ANY(%(namespaces)s) AND NOT c.relispartition
    ), edges AS (
        SELECT classid, objid, refclassid, refobjid FROM pg_catalog.pg_depend
         WHERE deptype IN ('n', 'a', 'i') AND refobjid >= 16384
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, contypid, 'pg_catalog.pg_constraint'::regclass, oid
          FROM pg_catalog.pg_constraint WHERE contypid <> 0
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, oid, 'pg_catalog.pg_class'::regclass, typrelid
          FROM pg_catalog.pg_type WHERE typtype = 'c'
    ), starts AS (
        SELECT 'pg_catalog.pg_class'::regclass::oid AS classid, oid AS objid FROM tables
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid
                    FROM pg_catalog.pg_index i JOIN tables t ON t.oid = i.indrelid
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, a.oid
                    FROM pg_catalog.pg_attrdef a JOIN tables t ON t.oid = a.adrelid
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, k.oid
                    FROM pg_catalog.pg_constraint k JOIN tables t ON t.oid = k.conrelid
    ), needed AS (
        SELECT e.refclassid AS classid, e.refobjid AS objid FROM starts s JOIN edges e USING (classid, objid)
        UNION
        SELECT e.refclassid, e.refobjid FROM needed n JOIN edges e USING (classid, objid)
         WHERE n.classid <> 'pg_catalog.pg_class'::regclass
            OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = n.objid AND c.relkind = 'c')
    )
    SELECT n.classid::regclass::text, n.objid, i.type, i.identity
      FROM needed n CROSS JOIN LATERAL pg_catalog.pg_identify_object(n.classid, n.objid, 0) i
     WHERE n.classid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass,
                         'pg_catalog.pg_collation'::regclass, 'pg_catalog.pg_operator'::regclass,
                         'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_opfamily'::regclass,
                         'pg_catalog.pg_ts_config'::regclass, 'pg_catalog.pg_ts_dict'::regclass)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = n.classid AND d.objid = n.objid AND d.deptype = 'e')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                        WHERE n.classid = 'pg_catalog.pg_type'::regclass AND t.oid = n.objid
                          AND (t.typtype IN ('e', 'm') OR t.typelem <> 0 OR c.relkind <> 'c'))
     ORDER BY n.objid"""

# Following dependencies costs far more than seeing that there is nothing to find.
_ANY = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                    WHERE p.oid >= 16384 AND n.nspname <> 'chameleon')
        OR EXISTS (SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                    WHERE t.oid >= 16384 AND (t.typtype IN ('d', 'r') OR (t.typtype = 'b' AND t.typelem = 0)
                                              OR (t.typtype = 'c' AND c.relkind = 'c')))
        OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_opclass WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_ts_dict WHERE oid >= 16384)"""

_FUNCTION = """
    SELECT CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END
      FROM pg_catalog.pg_proc p WHERE p.oid = %s"""

_TYPE = """
    SELECT CASE t.typtype
        WHEN 'd' THEN pg_catalog.format('CREATE DOMAIN %%s AS %%s', pg_catalog.format_type(t.oid, NULL),
                                        pg_catalog.format_type(t.typbasetype, t.typtypmod))
            || CASE WHEN t.typcollation <> b.typcollation THEN (
                    SELECT pg_catalog.format(' COLLATE %%I.%%I', n.nspname, c.collname)
                      FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                     WHERE c.oid = t.typcollation) ELSE '' END
            || coalesce(' DEFAULT ' || pg_catalog.pg_get_expr(t.typdefaultbin, 0), '')
            || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
            || coalesce((SELECT pg_catalog.string_agg(
                                  pg_catalog.format(' CONSTRAINT %%I %%s', k.conname,
                                                    pg_catalog.pg_get_constraintdef(k.oid)),
                                  '' ORDER BY k.conname)
                           FROM pg_catalog.pg_constraint k
                          WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated), '')
            || coalesce((SELECT pg_catalog.string_agg(
                                  pg_catalog.format(E';\nALTER DOMAIN %%s ADD CONSTRAINT %%I %%s',
                                                    pg_catalog.format_type(t.oid, NULL), k.conname,
                                                    pg_catalog.pg_get_constraintdef(k.oid)),
                                  '' ORDER BY k.conname)
                           FROM pg_catalog.pg_constraint k
                          WHERE k.contypid = t.oid AND k.contype = 'c' AND NOT k.convalidated), '')
        WHEN 'c' THEN pg_catalog.format('CREATE TYPE %%s AS (%%s)', pg_catalog.format_type(t.oid, NULL),
            (SELECT pg_catalog.string_agg(pg_catalog.format('%%I %%s', a.attname,
                                                            pg_catalog.format_type(a.atttypid, a.atttypmod))
                       || CASE WHEN a.attcollation <> y.typcollation
                               THEN (SELECT pg_catalog.format(' COLLATE %%I.%%I', n.nspname, c.collname)
                                       FROM pg_catalog.pg_collation c
                                       JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                                      WHERE c.oid = a.attcollation) ELSE '' END, ', ' ORDER BY a.attnum)
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
        WHEN 'r' THEN (
            SELECT pg_catalog.format('CREATE TYPE %%s AS RANGE (%%s)', pg_catalog.format_type(t.oid, NULL),
                       pg_catalog.concat_ws(', ', 'SUBTYPE = ' || pg_catalog.format_type(r.rngsubtype, NULL),
                           (SELECT pg_catalog.format('SUBTYPE_OPCLASS = %%I.%%I', n.nspname, o.opcname)
                              FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
                             WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                           (SELECT pg_catalog.format('COLLATION = %%I.%%I', n.nspname, c.collname)
                              FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                             WHERE c.oid = r.rngcollation AND c.oid <> s.typcollation),
                           'SUBTYPE_DIFF = ' || NULLIF(r.rngsubdiff, 0)::regproc::text,
                           'MULTIRANGE_TYPE_NAME = ' || pg_catalog.format_type(  -- from 14
                               (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid, NULL)))
              FROM pg_catalog.pg_range r JOIN pg_catalog.pg_type s ON s.oid = r.rngsubtype
             WHERE r.rngtypid = t.oid AND r.rngcanonical = 0)
        END
      FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE t.oid = %s"""

# The columns that hold what makes a collation have other names in nearly every version.
_COLLATION = """
    SELECT pg_catalog.format('CREATE COLLATION %%I.%%I (%%s)', n.nspname, c.collname, pg_catalog.concat_ws(', ',
               'PROVIDER = ' || CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
               'LOCALE = ' || pg_catalog.quote_literal(CASE WHEN c.collprovider <> 'c' THEN coalesce(
                   j.c ->> 'colllocale', j.c ->> 'colliculocale', c.collcollate) END),
               'LC_COLLATE = ' || pg_catalog.quote_literal(CASE c.collprovider WHEN 'c' THEN c.collcollate END),
               'LC_CTYPE = ' || pg_catalog.quote_literal(CASE c.collprovider WHEN 'c' THEN c.collctype END),
               'RULES = ' || pg_catalog.quote_literal(j.c ->> 'collicurules'),
               CASE WHEN NOT c.collisdeterministic THEN 'DETERMINISTIC = false' END))
      FROM pg_catalog.pg_collation c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
     CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(c) AS c) j
     WHERE c.oid = %s"""

_PRINTERS = {"pg_proc": _FUNCTION, "pg_type": _TYPE, "pg_collation": _COLLATION}


def read_needed(connection: Connection, namespaces: Sequence[str]) -> tuple[Verbatim, ...]:
    """Return the functions, domains, composite types and the like that tables of the schemas need, in creation order.

    Raises: DatabaseError.
    """
    found = []
    with translated(), snapshot(connection):
        if connection.execute(_ANY.encode()).fetchone() != (True,):
            return ()
        rows = connection.execute(_NEEDED.encode(), {"namespaces": list(namespaces)}).fetchall()
        for catalog, oid, word, identity in rows:
            printer = _PRINTERS.get(catalog.removeprefix("pg_catalog."))
            text = connection.execute(printer.encode(), [oid]).fetchone() if printer else None
            sql = text[0] if text is not None else None
            found.append(Verbatim(word, identity or "", sql.rstrip() if sql else None))
    return tuple(found)
