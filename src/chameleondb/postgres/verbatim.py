"""Objects of unmodelled kinds that tables need, as the statements that make them."""

from __future__ import annotations

from collections.abc import Sequence

from chameleondb.frozen import frozen
from chameleondb.postgres.catalog import snapshot
from chameleondb.postgres.session import Connection, translated


@frozen()
class Verbatim:
    """One needed object; `sql` is None where PostgreSQL has no way to print it, or where a kind models it."""

    type: str
    identity: str
    schema: str
    sql: str | None


# Relations `c` that no kind models: partitioned ones and partitions, those that inherit, those of a type, views.
_CARRIED = """(c.relkind IN ('p', 'v', 'm', 'f')
                    OR (c.relkind = 'r' AND (c.relispartition OR c.reloftype <> 0 OR EXISTS (
                            SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)))))"""

# What modelled objects depend on, followed through types, their constraints, functions and unmodelled tables. A table
# that others inherit from is what it is by them, so they come along.
_NEEDED = f"""
    WITH RECURSIVE carried AS (
        SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND {_CARRIED}
    ), tables AS (
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND n.nspname = ANY(%(namespaces)s) AND c.oid NOT IN (SELECT oid FROM carried)
    ), edges AS (
        SELECT classid, objid, refclassid, refobjid FROM pg_catalog.pg_depend
         WHERE deptype IN ('n', 'a', 'i') AND refobjid >= 16384
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, contypid, 'pg_catalog.pg_constraint'::regclass, oid
          FROM pg_catalog.pg_constraint WHERE contypid <> 0
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, oid, 'pg_catalog.pg_class'::regclass, typrelid
          FROM pg_catalog.pg_type WHERE typtype = 'c'
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, adrelid, 'pg_catalog.pg_attrdef'::regclass, oid
          FROM pg_catalog.pg_attrdef
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, conrelid, 'pg_catalog.pg_constraint'::regclass, oid
          FROM pg_catalog.pg_constraint WHERE contype IN ('p', 'u', 'x', 'c') AND conrelid <> 0
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, h.inhparent, 'pg_catalog.pg_class'::regclass, h.inhrelid
          FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent AND c.relkind = 'r'
    ), starts AS (
        SELECT 'pg_catalog.pg_class'::regclass::oid AS classid, oid AS objid FROM tables
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid
                    FROM pg_catalog.pg_index i JOIN tables t ON t.oid = i.indrelid
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, a.oid
                    FROM pg_catalog.pg_attrdef a JOIN tables t ON t.oid = a.adrelid
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, k.oid
                    FROM pg_catalog.pg_constraint k JOIN tables t ON t.oid = k.conrelid AND k.conparentid = 0
    ), needed AS (
        SELECT e.refclassid AS classid, e.refobjid AS objid FROM starts s JOIN edges e USING (classid, objid)
         WHERE e.classid <> 'pg_catalog.pg_class'::regclass OR e.refclassid NOT IN (
                   'pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass)
        UNION
        SELECT e.refclassid, e.refobjid FROM needed n JOIN edges e USING (classid, objid)
         WHERE n.classid <> 'pg_catalog.pg_class'::regclass
            OR n.objid IN (SELECT oid FROM carried)
            OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = n.objid AND c.relkind = 'c')
    )
    SELECT n.classid::regclass::text, n.objid, i.type, i.identity, s.name
      FROM needed n
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(n.classid, n.objid, 0) i
     CROSS JOIN LATERAL (SELECT (pg_catalog.parse_ident(i.schema))[1]) s (name)
     WHERE (n.classid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass,
                          'pg_catalog.pg_collation'::regclass, 'pg_catalog.pg_operator'::regclass,
                          'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_opfamily'::regclass,
                          'pg_catalog.pg_ts_config'::regclass, 'pg_catalog.pg_ts_dict'::regclass)
            OR (n.classid = 'pg_catalog.pg_class'::regclass
                AND (n.objid IN (SELECT oid FROM carried)
                     OR (s.name <> ALL(%(namespaces)s) AND i.type IN ('table', 'sequence')))))
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = n.classid AND d.objid = n.objid AND d.deptype = 'e')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                        WHERE n.classid = 'pg_catalog.pg_type'::regclass AND t.oid = n.objid
                          AND ((t.typtype = 'e' AND s.name = ANY(%(namespaces)s)) OR t.typtype = 'm'
                               OR t.typelem <> 0 OR c.relkind <> 'c'))
     ORDER BY n.objid"""

# Following dependencies costs far more than seeing that there is nothing to find.
_ANY = f"""
    SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                    WHERE p.oid >= 16384 AND n.nspname <> 'chameleon')
        OR EXISTS (SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
                    WHERE t.oid >= 16384 AND (t.typtype IN ('d', 'r') OR (t.typtype = 'b' AND t.typelem = 0)
                                              OR (t.typtype = 'c' AND c.relkind = 'c')))
        OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_opclass WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_ts_dict WHERE oid >= 16384)
        OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND {_CARRIED})
        OR EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname <> ALL(%(namespaces)s) AND nspname !~ '^pg_'
                      AND nspname NOT IN ('chameleon', 'information_schema'))"""

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

# With its columns and keys, since others refer to them. What it has from its parents or its type, it gets from them.
_TABLE = """
    SELECT pg_catalog.concat_ws(' ',
               'CREATE' || CASE c.relpersistence WHEN 'u' THEN ' UNLOGGED' ELSE '' END || ' TABLE', c.oid::regclass,
               'OF ' || pg_catalog.format_type(NULLIF(c.reloftype, 0), NULL),
               CASE WHEN c.relispartition THEN 'PARTITION OF ' || h.parents END,
               CASE WHEN p.body <> '' OR (c.reloftype = 0 AND NOT c.relispartition)
                    THEN E'(\n' || p.body || ')' END,
               pg_catalog.pg_get_expr(c.relpartbound, c.oid),
               CASE WHEN NOT c.relispartition THEN 'INHERITS (' || h.parents || ')' END,
               'PARTITION BY ' || pg_catalog.pg_get_partkeydef(c.oid))
           || coalesce((SELECT pg_catalog.string_agg(E';\n' || pg_catalog.pg_get_indexdef(x.indexrelid), ''
                                                     ORDER BY x.indexrelid)
                          FROM pg_catalog.pg_index x
                         WHERE x.indrelid = c.oid
                           AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                            WHERE k.conindid = x.indexrelid AND k.contype <> 'f')
                           AND EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                        WHERE k.conindid = x.indexrelid AND k.contype = 'f')), '')
      FROM pg_catalog.pg_class c
     CROSS JOIN LATERAL (SELECT pg_catalog.string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                           FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) h (parents)
     CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.string_agg('    ' || part, E',\n' ORDER BY place, number) || E'\n', '') FROM (
            SELECT 1, a.attnum, pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname),
                       CASE WHEN c.reloftype <> 0 THEN 'WITH OPTIONS'
                            WHEN e.is_serial THEN pg_catalog.replace(y.typname::text, 'int', 'serial')
                            ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END,
                       CASE WHEN c.reloftype = 0 AND a.attcollation <> y.typcollation
                            THEN (SELECT pg_catalog.format('COLLATE %%I.%%I', n.nspname, l.collname)
                                    FROM pg_catalog.pg_collation l
                                    JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
                                   WHERE l.oid = a.attcollation) END,
                       CASE a.attgenerated WHEN 's' THEN 'GENERATED ALWAYS AS (' || e.text || ') STORED'
                                           WHEN 'v' THEN 'GENERATED ALWAYS AS (' || e.text || ') VIRTUAL'
                                           ELSE CASE WHEN NOT e.is_serial THEN 'DEFAULT ' || e.text END END,
                       CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                                          WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
                       CASE WHEN a.attnotnull THEN 'NOT NULL' END)
              FROM pg_catalog.pg_attribute a
              JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
              LEFT JOIN LATERAL (
                  SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                         c.reloftype = 0 AND y.typname IN ('int2', 'int4', 'int8') AND EXISTS (
                             SELECT FROM pg_catalog.pg_depend f JOIN pg_catalog.pg_depend o ON o.objid = f.refobjid
                              WHERE f.classid = 'pg_catalog.pg_attrdef'::regclass AND f.objid = d.oid
                                AND f.refclassid = 'pg_catalog.pg_class'::regclass AND o.classid = f.refclassid
                                AND o.deptype = 'a' AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum)
                    FROM pg_catalog.pg_attrdef d
                   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) e (text, is_serial) ON true
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal
            UNION ALL
            SELECT 2, pg_catalog.row_number() OVER (ORDER BY k.conname),
                   pg_catalog.format('CONSTRAINT %%I %%s', k.conname, pg_catalog.pg_get_constraintdef(k.oid))
              FROM pg_catalog.pg_constraint k
             WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x', 'c') AND k.conislocal) u (place, number, part)
     ) p (body)
     WHERE c.oid = %s AND c.relkind IN ('r', 'p')"""

_PRINTERS = {"pg_proc": _FUNCTION, "pg_type": _TYPE, "pg_collation": _COLLATION, "pg_class": _TABLE}


def read_needed(connection: Connection, namespaces: Sequence[str]) -> tuple[Verbatim, ...]:
    """Return what tables of the schemas need of functions, domains, unmodelled tables and the like, in creation order.

    Of other schemas, everything that they need is returned, tables, sequences and enums included.

    Raises: DatabaseError.
    """
    found = []
    with translated(), snapshot(connection):
        parameters = {"namespaces": list(namespaces)}
        if connection.execute(_ANY.encode(), parameters).fetchone() != (True,):
            return ()
        rows = connection.execute(_NEEDED.encode(), parameters).fetchall()
        for catalog, oid, word, identity, schema in rows:
            printer = _PRINTERS.get(catalog.removeprefix("pg_catalog."))
            text = connection.execute(printer.encode(), [oid]).fetchone() if printer else None
            sql = text[0] if text is not None else None
            found.append(Verbatim(word, identity or "", schema or "", sql.rstrip() if sql else None))
    return tuple(found)
