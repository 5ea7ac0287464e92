"""The ledger's SQL: what is created in a database, and how to tell whether it is still that.

    chameleon.ledger   seq gap-free · body canonical JSON, the hashed truth · prev, hash the chain · xid, at, who by the
                       server · the other columns copied from the body for queries and constraints
    hash               SHA-256("chameleon.ledger/1" LF seq LF prev LF body)

Rows are written only by chameleon.append(expected_prev, body), which refuses (40001) when `expected_prev` is not the
head, and (42501) a reset of the password by anybody but the owner of the database; triggers refuse UPDATE, DELETE and
TRUNCATE. A second child of one parent is impossible, and so is recording one step of a run twice.
"""

from __future__ import annotations

from chameleondb.canonical import sha256

FORMAT = "chameleon.ledger/1"
FIRST_PREV = "0" * 64
OWNER = "chameleon_owner"

COLUMNS = (
    "seq bigint, body text, prev text, hash text, xid xid8, at timestamp with time zone, who name, kind text, run uuid,"
    " step integer, version_id text, parent_id text, schema_hash text, vault_id text, log_seq bigint, log_sum text"
)

IS_THERE = """EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'chameleon'
    AND (EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'ledger')
         OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'append')))"""
"""Whether the database has the ledger or what is left of it: otherwise a schema of that name is somebody else's."""

# As the server prints them.
INDEXES = {
    "ledger_one_child": "CREATE UNIQUE INDEX ledger_one_child ON chameleon.ledger USING btree (vault_id, parent_id)"
    " WHERE (kind = 'APPLIED'::text)",
    "ledger_step_once": "CREATE UNIQUE INDEX ledger_step_once ON chameleon.ledger USING btree (run, step, kind)"
    " WHERE (step IS NOT NULL)",
}

REFUSE = """
BEGIN
    RAISE EXCEPTION 'chameleon.ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END """

APPEND = """
DECLARE
    head_seq bigint;
    head_hash text;
    fact jsonb := body::jsonb;
    new_hash text;
BEGIN
    PERFORM pg_advisory_xact_lock(4859229, 1);
    SELECT l.seq, l.hash INTO head_seq, head_hash FROM chameleon.ledger l ORDER BY l.seq DESC LIMIT 1;
    head_seq := coalesce(head_seq, 0);
    head_hash := coalesce(head_hash, repeat('0', 64));
    IF head_hash IS DISTINCT FROM expected_prev THEN
        RAISE EXCEPTION 'the ledger has moved on' USING ERRCODE = 'serialization_failure';
    END IF;
    IF fact->>'kind' = 'REPAIR' AND fact->>'version_id' IS NULL AND NOT (SELECT pg_has_role(session_user, d.datdba,
        'MEMBER') FROM pg_database d WHERE d.datname = current_database()) THEN
        RAISE EXCEPTION 'only the owner of the database may reset the mode password'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    new_hash := encode(sha256(convert_to(
        E'chameleon.ledger/1\\n' || (head_seq + 1) || E'\\n' || head_hash || E'\\n' || body, 'UTF8')), 'hex');
    INSERT INTO chameleon.ledger (seq, body, prev, hash, kind, run, step, version_id, parent_id, schema_hash, vault_id,
        log_seq, log_sum)
    VALUES (head_seq + 1, body, head_hash, new_hash, fact->>'kind', (fact->>'run')::uuid, (fact->>'step')::integer,
        fact->>'version_id', fact->>'parent_id', fact->>'schema_hash', fact->>'vault', (fact->>'log_seq')::bigint,
        fact->>'log_sum');
    RETURN new_hash;
END """

FUNCTIONS = {"append": sha256(APPEND), "refuse": sha256(REFUSE)}

CREATE = (
    """CREATE TABLE chameleon.ledger (
    seq bigint PRIMARY KEY,
    body text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL UNIQUE,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    who name NOT NULL DEFAULT session_user,
    kind text NOT NULL,
    run uuid,
    step integer,
    version_id text,
    parent_id text,
    schema_hash text,
    vault_id text NOT NULL,
    log_seq bigint NOT NULL,
    log_sum text NOT NULL
)""",
    *INDEXES.values(),
    "CREATE FUNCTION chameleon.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"
    f" AS $${REFUSE}$$",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chameleon.ledger"
    " FOR EACH STATEMENT EXECUTE FUNCTION chameleon.refuse()",
    "ALTER TABLE chameleon.ledger ENABLE ALWAYS TRIGGER append_only",
    "CREATE FUNCTION chameleon.append(expected_prev text, body text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER"
    f" SET search_path = pg_catalog, pg_temp AS $${APPEND}$$",
)

_OBJECTS = """
    SELECT 'SCHEMA chameleon' AS what, n.nspowner AS owner,
        coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) AS acl
    FROM pg_catalog.pg_namespace n WHERE n.nspname = 'chameleon'
    UNION ALL
    SELECT 'TABLE chameleon.ledger', c.relowner, coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'chameleon' AND c.relname = 'ledger'
    UNION ALL
    SELECT 'TABLE chameleon.ledger', c.relowner, a.attacl
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = 'chameleon' AND c.relname = 'ledger' AND a.attacl IS NOT NULL
    UNION ALL
    SELECT 'FUNCTION chameleon.' || p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', p.proowner,
        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'chameleon' AND p.proname IN ('append', 'refuse')
"""

# Who owns the schema, the table and the functions, and whether they can log in.
OWNERS = f"""
SELECT DISTINCT o.what, r.rolname::text, r.rolcanlogin
FROM ({_OBJECTS}) AS o JOIN pg_catalog.pg_roles r ON r.oid = o.owner ORDER BY 1"""

# Everybody else who may do something with them, and what; NULL is PUBLIC.
PRIVILEGES = f"""
SELECT o.what, CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee)::text END,
    pg_catalog.array_agg(DISTINCT a.privilege_type ORDER BY a.privilege_type)
FROM ({_OBJECTS}) AS o, pg_catalog.aclexplode(o.acl) AS a WHERE a.grantee <> o.owner GROUP BY 1, 2 ORDER BY 1, 2"""


def reader_grants(role: str) -> tuple[str, ...]:
    """Return the statements that let a role, given as SQL, read the ledger."""
    return f"GRANT USAGE ON SCHEMA chameleon TO {role}", f"GRANT SELECT ON chameleon.ledger TO {role}"


def writer_grants(role: str) -> tuple[str, ...]:
    """Return the statements that let a role, given as SQL, add to the ledger."""
    return *reader_grants(role), f"GRANT EXECUTE ON FUNCTION chameleon.append(text, text) TO {role}"


def hand_over(role: str, *, has_owner: bool) -> tuple[str, ...]:
    """Return what a superuser runs to take the ledger from a role, given as SQL, that shall only go on adding to it.

    `has_owner`: the server has the owner's role already, e.g. for the ledger of another database.
    """
    objects = ("SCHEMA chameleon", "TABLE chameleon.ledger")
    functions = ("FUNCTION chameleon.append(text, text)", "FUNCTION chameleon.refuse()")
    return (
        *(() if has_owner else (f"CREATE ROLE {OWNER} NOLOGIN",)),
        *(f"ALTER {what} OWNER TO {OWNER}" for what in (*objects, *functions)),
        *writer_grants(role),
    )
