"""What objects of unmodelled kinds are, in words that are equal where two of them are alike.

The words are compared, to see whether the database has what an sql block says. Where PostgreSQL prints the statement
that makes an object, it is that. They are exact only with an empty search_path.
"""

from __future__ import annotations

_FUNCTION = """
    SELECT CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid)
                ELSE (SELECT pg_catalog.concat_ws(' ', a.aggkind, a.aggtransfn::regprocedure, a.aggtranstype::regtype,
                                 a.aggfinalfn::regprocedure, a.aggcombinefn::regprocedure, a.aggsortop::regoperator,
                                 a.aggfinalmodify, a.aggfinalextra, p.proparallel, a.agginitval)
                        FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid) END
      FROM pg_catalog.pg_proc p WHERE p.oid = o.objid"""

# Of tables, what they do not have from their parents; the order of columns means nothing.
_RELATION = """
    SELECT pg_catalog.concat_ws(' ', CASE
         WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid)
         WHEN c.relkind IN ('r', 'p', 'f') THEN pg_catalog.concat_ws(' ', c.relkind, c.relpersistence,
             (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname),
                         pg_catalog.format_type(a.atttypid, a.atttypmod),
                         CASE WHEN a.attcollation <> y.typcollation THEN a.attcollation::regcollation END,
                         pg_catalog.pg_get_expr(d.adbin, d.adrelid), NULLIF(a.attgenerated, ''),
                         NULLIF(a.attidentity, ''), CASE WHEN a.attnotnull THEN 'NOT NULL' END, a.attfdwoptions),
                         ', ' ORDER BY a.attname)
                FROM pg_catalog.pg_attribute a
                JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal),
             CASE WHEN c.reloftype <> 0 THEN 'OF ' || c.reloftype::regtype END,
             (SELECT 'FROM ' || pg_catalog.string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
             pg_catalog.pg_get_expr(c.relpartbound, c.oid), pg_catalog.pg_get_partkeydef(c.oid),
             (SELECT pg_catalog.concat_ws(' ', s.srvname, t.ftoptions)
                FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
               WHERE t.ftrelid = c.oid))
         END, (SELECT 'WITH ' || pg_catalog.string_agg(r, ', ' ORDER BY r) FROM unnest(c.reloptions) r))
      FROM pg_catalog.pg_class c WHERE c.oid = o.objid"""

_POLICY = """
    SELECT pg_catalog.concat_ws(' ', 'CREATE POLICY', pg_catalog.quote_ident(p.polname),
               'ON', p.polrelid::regclass, CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END,
               'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                       WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               'TO ' || (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END,
                                                      ', ' ORDER BY r)
                           FROM unnest(p.polroles) r),
               'USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
               'WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
      FROM pg_catalog.pg_policy p WHERE p.oid = o.objid"""

_TYPE = """
    SELECT CASE t.typtype
         WHEN 'd' THEN pg_catalog.concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod), t.typdefault,
                  CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation END,
                  CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                  (SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                     FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid))
         WHEN 'c' THEN (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname),
                                   pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation),
                                   ', ' ORDER BY a.attnum)
                          FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND NOT a.attisdropped)
         WHEN 'r' THEN (SELECT pg_catalog.concat_ws(' ', r.rngsubtype::regtype, r.rngcollation::regcollation,
                                   p.opcnamespace::regnamespace, p.opcname, r.rngcanonical, r.rngsubdiff)
                          FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass p ON p.oid = r.rngsubopc
                         WHERE r.rngtypid = t.oid) END
      FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE t.oid = o.objid"""

_OPERATOR = """
    SELECT pg_catalog.concat_ws(' ', p.oprcode, p.oprcom::regoperator, p.oprnegate::regoperator, p.oprrest, p.oprjoin,
                                p.oprcanmerge, p.oprcanhash)
      FROM pg_catalog.pg_operator p WHERE p.oid = o.objid"""

_OPERATOR_CLASS = """
    SELECT pg_catalog.concat_ws(' ', c.opcintype::regtype, c.opckeytype::regtype, c.opcdefault,
               (SELECT pg_catalog.string_agg(a.amopstrategy || ' ' || a.amopopr::regoperator, ', '
                                             ORDER BY a.amopstrategy, a.amopopr::regoperator::text)
                  FROM pg_catalog.pg_amop a WHERE a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype),
               (SELECT pg_catalog.string_agg(a.amprocnum || ' ' || a.amproc, ', '
                                             ORDER BY a.amprocnum, a.amproc::text)
                  FROM pg_catalog.pg_amproc a WHERE a.amprocfamily = c.opcfamily AND a.amproclefttype = c.opcintype))
      FROM pg_catalog.pg_opclass c WHERE c.oid = o.objid"""

_PUBLICATION = """
    SELECT pg_catalog.concat_ws(' ', pg_catalog.to_jsonb(p) - 'oid' - 'pubowner',
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.prrelid::regclass, (
                           SELECT pg_catalog.array_agg(a.attname ORDER BY a.attname) FROM pg_catalog.pg_attribute a
                            WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs)),
                           pg_catalog.pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid::regclass::text)
                  FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid),
               (SELECT pg_catalog.string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text)
                  FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid))
      FROM pg_catalog.pg_publication p WHERE p.oid = o.objid"""

_SEARCH = """
    SELECT pg_catalog.concat_ws(' ', p.prsname,
               (SELECT pg_catalog.string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ', '
                                             ORDER BY m.maptokentype, m.mapseqno)
                  FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid))
      FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser WHERE c.oid = o.objid"""

_DICTIONARY = """
    SELECT pg_catalog.concat_ws(' ', t.tmplname, d.dictinitoption)
      FROM pg_catalog.pg_ts_dict d JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate WHERE d.oid = o.objid"""

# Who granted it is whoever ran the statement.
_DEFAULT_PRIVILEGES = """
    SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE
                                 x.grantee::regrole::text END, x.privilege_type, x.is_grantable), ', '
                                 ORDER BY x.grantee = 0, x.grantee::regrole::text, x.privilege_type)
      FROM pg_catalog.pg_default_acl a CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) x WHERE a.oid = o.objid"""


def _row(catalog: str, *columns: str) -> str:
    return f"SELECT pg_catalog.concat_ws(' ', {', '.join(columns)}) FROM pg_catalog.{catalog} c WHERE c.oid = o.objid"


_PRINTERS = {
    "pg_class": _RELATION,
    "pg_proc": _FUNCTION,
    "pg_trigger": "SELECT pg_catalog.pg_get_triggerdef(o.objid)",
    "pg_rewrite": "SELECT pg_catalog.pg_get_ruledef(o.objid)",
    "pg_policy": _POLICY,
    "pg_type": _TYPE,
    "pg_statistic_ext": _row(
        "pg_statistic_ext", "pg_catalog.pg_get_statisticsobjdef(c.oid)", "NULLIF(c.stxstattarget, -1)"
    ),
    "pg_operator": _OPERATOR,
    "pg_opclass": _OPERATOR_CLASS,
    "pg_publication": _PUBLICATION,
    "pg_ts_config": _SEARCH,
    "pg_ts_dict": _DICTIONARY,
    "pg_default_acl": _DEFAULT_PRIVILEGES,
    "pg_collation": _row(
        "pg_collation", "pg_catalog.to_jsonb(c) - 'oid' - 'collnamespace' - 'collowner' - 'collversion'"
    ),
    "pg_cast": _row("pg_cast", "c.castfunc::regprocedure", "c.castcontext", "c.castmethod"),
    "pg_event_trigger": _row(
        "pg_event_trigger", "c.evtevent", "c.evtfoid::regprocedure", "c.evttags", "NULLIF(c.evtenabled, 'O')"
    ),
    "pg_foreign_data_wrapper": _row(
        "pg_foreign_data_wrapper", "c.fdwhandler::regproc", "c.fdwvalidator::regproc", "c.fdwoptions"
    ),
    "pg_foreign_server": _row("pg_foreign_server", "c.srvtype", "c.srvversion", "c.srvoptions"),
    "pg_conversion": _row("pg_conversion", "c.conproc", "c.conforencoding", "c.contoencoding", "c.condefault"),
    "pg_transform": _row("pg_transform", "c.trffromsql", "c.trftosql"),
}

_PUBLICATION_VERSION = 150000  # rows, columns and schemas of publications are of PostgreSQL 15


def definition(server_version: int) -> str:
    """Return the expression that is an object's definition; `o` has its catalog and OID.

    It is NULL for kinds of which nobody but C code knows more.
    """
    printers = dict(_PRINTERS)
    if server_version < _PUBLICATION_VERSION:
        del printers["pg_publication"]
    return "CASE o.catalog" + "".join(f" WHEN '{name}' THEN ({sql})" for name, sql in printers.items()) + " END"


PARTS = """CASE WHEN o.catalog = 'pg_class' THEN ARRAY(
         SELECT pg_catalog.format('constraint %%I on %%s: %%s', k.conname, k.conrelid::regclass,
                                  pg_catalog.pg_get_constraintdef(k.oid))
           FROM pg_catalog.pg_constraint k
          WHERE k.conrelid = o.objid AND k.contype IN ('p', 'u', 'x', 'c', 'f') AND k.conislocal
         UNION ALL
         SELECT pg_catalog.format('index %%s: %%s', x.indexrelid::regclass, pg_catalog.pg_get_indexdef(x.indexrelid))
           FROM pg_catalog.pg_index x
          WHERE x.indrelid = o.objid
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = x.indexrelid)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                             WHERE k.conindid = x.indexrelid AND k.contype <> 'f')) END"""
"""What a relation has of its own, and may have more of than anybody says: constraints and indexes."""
