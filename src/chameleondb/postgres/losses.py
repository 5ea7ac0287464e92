"""What somebody has set on an object beyond its model, and what is gone when the object is made anew."""

from __future__ import annotations

from collections.abc import Container, Mapping

from chameleondb.model.facts import PRIVILEGES, Companion
from chameleondb.names import Identity, relation
from chameleondb.postgres.session import Connection, translated

_RELATION = "'pg_catalog.pg_class'::regclass::oid"
_CONSTRAINT = "'pg_catalog.pg_constraint'::regclass::oid"
_TYPE = "'pg_catalog.pg_type'::regclass::oid"

# Each object with its address; a constraint's index goes with it, and a column's NOT NULL.
_ADDRESSES = f"""
    SELECT w.number, c.space, c.classid, c.objid, c.objsubid
      FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
           WITH ORDINALITY w (space, schema, name, part, number)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
     CROSS JOIN LATERAL (
           SELECT 'relation' AS space, {_RELATION} AS classid, c.oid AS objid, 0 AS objsubid
             FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = w.name
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid AND k.contype <> 'f')
           UNION ALL
           SELECT 'column', {_RELATION}, c.oid, a.attnum
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = n.oid AND c.relname = w.name AND a.attname = w.part
           UNION ALL
           SELECT 'column', {_CONSTRAINT}, k.oid, 0
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
             JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'n' AND k.conkey[1] = a.attnum
            WHERE c.relnamespace = n.oid AND c.relname = w.name AND a.attname = w.part
           UNION ALL
           SELECT 'constraint', a.classid, a.objid, 0
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
            CROSS JOIN LATERAL (VALUES ({_CONSTRAINT}, k.oid),
                                       ({_RELATION}, CASE WHEN k.contype <> 'f' THEN k.conindid END)) a (classid, objid)
            WHERE c.relnamespace = n.oid AND c.relname = w.name AND k.conname = w.part
           UNION ALL
           SELECT 'type', {_TYPE}, t.oid, 0
             FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid AND t.typname = w.name) c
     WHERE c.space = w.space"""

# The words and names are those of postgres/traits.py where an object with the trait is reported there, too.
_LOSSES = f"""
    WITH o AS ({_ADDRESSES})
    SELECT o.number, '{PRIVILEGES}', p.acl::text
      FROM o CROSS JOIN LATERAL (
           SELECT c.relacl FROM pg_catalog.pg_class c
            WHERE o.classid = {_RELATION} AND o.objsubid = 0 AND c.oid = o.objid
           UNION ALL SELECT a.attacl FROM pg_catalog.pg_attribute a
            WHERE o.classid = {_RELATION} AND a.attrelid = o.objid AND a.attnum = o.objsubid
           UNION ALL SELECT t.typacl FROM pg_catalog.pg_type t
            WHERE o.classid = {_TYPE} AND t.oid = o.objid) p (acl)
     WHERE p.acl IS NOT NULL
    UNION ALL
    SELECT o.number, 'owner', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(t.typowner))
      FROM o JOIN pg_catalog.pg_type t ON o.classid = {_TYPE} AND t.oid = o.objid
     WHERE pg_catalog.pg_get_userbyid(t.typowner) <> current_user
    UNION ALL
    SELECT o.number, 'cluster mark', pg_catalog.format('%%I.%%I', n.nspname, c.relname)
      FROM o JOIN pg_catalog.pg_index x ON o.classid = {_RELATION} AND x.indexrelid = o.objid
      JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE x.indisclustered
    UNION ALL
    SELECT o.number, 'statistics target', pg_catalog.format('%%I.%%I.%%I', n.nspname, i.relname, a.attname)
      FROM o JOIN pg_catalog.pg_class i ON o.classid = {_RELATION} AND i.oid = o.objid AND i.relkind = 'i'
      JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.oid
     WHERE a.attstattarget >= 0
    UNION ALL
    SELECT DISTINCT o.number, 'trigger setting',
           pg_catalog.format('%%I on %%I.%%I', k.conname, n.nspname, c.relname)
      FROM o JOIN pg_catalog.pg_trigger t ON o.classid = {_CONSTRAINT} AND t.tgconstraint = o.objid
      JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgenabled <> 'O'
    UNION ALL
    SELECT o.number, 'trigger setting', pg_catalog.format('%%I on %%I.%%I', t.tgname, n.nspname, c.relname)
      FROM o JOIN pg_catalog.pg_trigger t
        ON o.classid = {_RELATION} AND o.objsubid = 0 AND t.tgrelid = o.objid AND t.tgconstraint = 0
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgenabled <> 'O'
    UNION ALL
    SELECT o.number, 'rule setting', pg_catalog.format('%%I on %%I.%%I', r.rulename, n.nspname, c.relname)
      FROM o JOIN pg_catalog.pg_rewrite r ON o.classid = {_RELATION} AND o.objsubid = 0 AND r.ev_class = o.objid
      JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE r.ev_enabled <> 'O'
    UNION ALL
    SELECT o.number, 'row security setting', pg_catalog.format('%%I.%%I', n.nspname, c.relname)
      FROM o JOIN pg_catalog.pg_class c ON o.classid = {_RELATION} AND o.objsubid = 0 AND c.oid = o.objid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relrowsecurity OR c.relforcerowsecurity
    UNION ALL
    SELECT o.number, 'security label for ' || l.provider, 'on ' || i.type || ' ' || i.identity
      FROM o JOIN pg_catalog.pg_seclabel l
        ON (l.classoid, l.objoid, l.objsubid) = (o.classid, o.objid, o.objsubid)
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, o.objsubid) i
    UNION ALL
    SELECT o.number, 'comment', 'on ' || i.type || ' ' || i.identity
      FROM o JOIN pg_catalog.pg_description d
        ON (d.classoid, d.objoid, d.objsubid) = (o.classid, o.objid, o.objsubid)
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, o.objsubid) i
     WHERE (o.space = 'constraint' AND o.classid = {_RELATION}) OR (o.space = 'column' AND o.classid = {_CONSTRAINT})
    UNION ALL
    SELECT o.number, 'dependence on extension', pg_catalog.quote_ident(e.extname)
      FROM o JOIN pg_catalog.pg_depend d ON d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'x'
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     ORDER BY 1, 2, 3"""

# A key's index depends on the constraint, which depends on the columns.
_FORGOTTEN = f"""
    WITH o AS (
         SELECT w.number, d.classid, d.objid
           FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY w (schema, name, part, number)
           JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
           JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = w.part
           JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid, d.refobjsubid) = ({_RELATION}, c.oid, a.attnum)),
    i AS (
         SELECT DISTINCT o.number, i.oid, n.nspname, i.relname
           FROM o LEFT JOIN pg_catalog.pg_constraint k
             ON o.classid = {_CONSTRAINT} AND k.oid = o.objid AND k.contype <> 'f'
           JOIN pg_catalog.pg_class i
             ON i.oid = CASE o.classid WHEN {_RELATION} THEN o.objid ELSE k.conindid END AND i.relkind = 'i'
           JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace)
    SELECT i.number, 'statistics target', pg_catalog.format('%%I.%%I.%%I', i.nspname, i.relname, a.attname),
           i.nspname::text, i.relname::text
      FROM i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.oid WHERE a.attstattarget >= 0
    UNION ALL
    SELECT i.number, 'dependence on extension', pg_catalog.quote_ident(e.extname), i.nspname::text, i.relname::text
      FROM i JOIN pg_catalog.pg_depend d ON d.classid = {_RELATION} AND d.objid = i.oid AND d.deptype = 'x'
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    UNION ALL
    SELECT DISTINCT o.number, 'statistics target', pg_catalog.format('%%I.%%I', n.nspname, s.stxname), NULL, NULL
      FROM o JOIN pg_catalog.pg_statistic_ext s
        ON o.classid = 'pg_catalog.pg_statistic_ext'::regclass AND s.oid = o.objid
      JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
     WHERE s.stxstattarget >= 0
     ORDER BY 1, 2, 3"""


def read_losses(connection: Connection, lost: Mapping[Identity, Identity]) -> dict[Identity, tuple[Companion, ...]]:
    """Return what goes with each object that is dropped or made anew.

    `lost` maps what it is, or would be, called later to its name now. Comments are left to who knows the declared ones.
    """
    known = {new: old for new, old in lost.items() if old.space in ("relation", "column", "constraint", "type")}
    if not known:
        return {}
    places = [(i.space, *i.path[:2], i.path[2] if len(i.path) > 2 else None) for i in known.values()]
    with translated():
        rows = connection.execute(_LOSSES.encode(), [list(column) for column in zip(*places, strict=True)]).fetchall()
    found: dict[Identity, tuple[Companion, ...]] = {}
    ids = list(known)
    for number, word, text in rows:
        identity = ids[number - 1]
        found[identity] = (*found.get(identity, ()), Companion(word, text))
    return found


def read_forgotten(
    connection: Connection, columns: Mapping[Identity, Identity], dropped: Container[Identity]
) -> dict[Identity, tuple[Companion, ...]]:
    """Return what PostgreSQL forgets of the indexes and statistics over columns that are written anew.

    `columns` maps what each is called later to its name now; of indexes that are `dropped` anyway, nothing is said.
    """
    if not columns:
        return {}
    found: dict[Identity, tuple[Companion, ...]] = {}
    ids = list(columns)
    with translated():
        paths = zip(*(identity.path for identity in columns.values()), strict=True)
        rows = connection.execute(_FORGOTTEN.encode(), [list(names) for names in paths]).fetchall()
    for number, word, text, *index in rows:
        if index[0] is None or relation(*index) not in dropped:
            identity = ids[number - 1]
            found[identity] = (*found.get(identity, ()), Companion(word, text))
    return found
