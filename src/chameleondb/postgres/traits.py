"""What modelled objects have beyond their models, found generically like the objects that no kind models.

A trait is reported like an object of its own. So a statement of an sql block may set it, and a database that has
another value than the block says is told from one that has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chameleondb.model.oids import Oids
from chameleondb.model.schema import Unmodelled
from chameleondb.postgres.session import Connection

_STATES = "CASE {} WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on replicas' ELSE 'always' END"

# What PostgreSQL stores by itself is left out everywhere: what is listed, somebody has set.
_SETTINGS = f"""
    SELECT 'row security setting', pg_catalog.format('%%I.%%I', n.nspname, c.relname),
           pg_catalog.concat_ws(', ', CASE WHEN c.relrowsecurity THEN 'enabled' END,
                                CASE WHEN c.relforcerowsecurity THEN 'forced' END)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.oid = ANY(%(namespaces)s) AND (c.relrowsecurity OR c.relforcerowsecurity)
    UNION ALL
    SELECT 'cluster mark', pg_catalog.format('%%I.%%I', n.nspname, c.relname), i.relname
      FROM pg_catalog.pg_index x
      JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.oid = ANY(%(namespaces)s) AND x.indisclustered
    UNION ALL
    SELECT 'statistics target', pg_catalog.format('%%I.%%I.%%I', n.nspname, i.relname, a.attname), a.attstattarget::text
      FROM pg_catalog.pg_index x
      JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.oid
     WHERE n.oid = ANY(%(namespaces)s) AND x.indexprs IS NOT NULL AND a.attstattarget >= 0
    UNION ALL
    SELECT 'sequence setting', pg_catalog.format('%%I.%%I', n.nspname, s.relname),
           CASE s.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
      JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
      JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
     WHERE n.oid = ANY(%(namespaces)s) AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'i'
       AND d.refclassid = 'pg_catalog.pg_class'::regclass AND s.relpersistence <> c.relpersistence
    UNION ALL
    SELECT DISTINCT 'trigger setting',
           pg_catalog.format('%%I on %%I.%%I', coalesce(k.conname, t.tgname), n.nspname, c.relname),
           {_STATES.format("t.tgenabled")}
      FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
     WHERE n.oid = ANY(%(namespaces)s) AND t.tgenabled <> 'O'
    UNION ALL
    SELECT 'rule setting', pg_catalog.format('%%I on %%I.%%I', r.rulename, n.nspname, c.relname),
           {_STATES.format("r.ev_enabled")}
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.oid = ANY(%(namespaces)s) AND r.ev_enabled <> 'O'"""

# Comments on tables and their columns are modelled, so they are not even looked at.
_TEXTS = """
    SELECT t.kind, c.relname, t.objoid, i.type, i.identity, t.text,
           (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = i.schema)
      FROM (SELECT 'comment' AS kind, classoid, objoid, objsubid, description AS text FROM pg_catalog.pg_description
             WHERE objoid <> ALL(%(tables)s)
            UNION ALL SELECT 'security label for ' || provider, classoid, objoid, objsubid, label
                        FROM pg_catalog.pg_seclabel) t
      JOIN pg_catalog.pg_class c ON c.oid = t.classoid
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(t.classoid, t.objoid, t.objsubid) i
     WHERE (t.objoid >= 16384 OR (t.objoid = ANY(%(namespaces)s) AND t.text <> 'standard public schema'))
       AND i.identity IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = t.classoid AND d.objid = t.objoid AND d.deptype = 'e')
     ORDER BY t.kind, i.type, i.identity"""


def read_traits(
    connection: Connection,
    oids: Oids,
    candidates: Iterable[tuple[str, int]],
    namespaces: list[int],
) -> Iterator[Unmodelled]:
    """Yield what somebody has set on objects of the managed schemas and no model holds.

    `oids` has the modelled objects, `candidates` are all that could be reported by themselves.
    """
    for row in connection.execute(_SETTINGS.encode(), {"namespaces": namespaces}):
        yield Unmodelled(*row)
    known = {*candidates, *oids.objects, *(("pg_namespace", oid) for oid in namespaces)}
    parameters = {"tables": oids.tables, "namespaces": namespaces}
    for kind, catalog, oid, type_, identity, text, home in connection.execute(_TEXTS.encode(), parameters):
        modelled = kind == "comment" and oids.described(catalog, oid) is not None
        if not modelled and ((catalog, oid) in known or home in namespaces):
            yield Unmodelled(kind, f"on {type_} {identity}", text)
