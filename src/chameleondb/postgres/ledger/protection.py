"""Whether the ledger is still protected from everybody but its owner, and its owner is nobody who could be tempted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chameleondb.findings import Finding
from chameleondb.names import quote
from chameleondb.postgres.ledger.tables import FUNCTIONS, INDEXES, OWNER, OWNERS, PRIVILEGES, hand_over
from chameleondb.postgres.session import Connection, translated

_FUNCTIONS = """
SELECT p.proname, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex'),
    p.prosecdef, p.proconfig, l.lanname
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname = 'chameleon'
    AND (p.proname, pg_catalog.oidvectortypes(p.proargtypes)) IN (('append', 'text, text'), ('refuse', ''))"""

# Who is a member of the owner's role can become it, and who administers it can make themselves a member: before
# PostgreSQL 16, that is everybody who may create roles.
_MEMBERS = """
SELECT DISTINCT m.rolname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_auth_members am ON am.roleid = c.relowner
JOIN pg_catalog.pg_roles m ON m.oid = am.member
WHERE n.nspname = 'chameleon' AND c.relname = 'ledger' AND NOT m.rolsuper
UNION
SELECT r.rolname::text FROM pg_catalog.pg_roles r
WHERE r.rolcreaterole AND NOT r.rolsuper AND pg_catalog.current_setting('server_version_num')::integer < 160000
ORDER BY 1"""

_HAS_OWNER = "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s"

_GUARDS = """
SELECT
    (SELECT t.tgenabled::text FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = c.oid AND t.tgname = 'append_only' AND t.tgtype = 58 AND t.tgqual IS NULL
        AND t.tgattr = ''::pg_catalog.int2vector AND p.proname = 'refuse' AND p.pronamespace = c.relnamespace),
    ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t
          WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname <> 'append_only' ORDER BY 1),
    c.relhasrules,
    c.relpersistence = 'p',
    ARRAY(SELECT pg_catalog.pg_get_indexdef(x.indexrelid) FROM pg_catalog.pg_index x
          WHERE x.indrelid = c.oid AND x.indisvalid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'chameleon' AND c.relname = 'ledger'"""

_HARMLESS = {
    "SCHEMA chameleon": {"USAGE"},
    "TABLE chameleon.ledger": {"SELECT"},
    "FUNCTION chameleon.append(text, text)": {"EXECUTE"},
    "FUNCTION chameleon.refuse()": {"EXECUTE"},
}
_ASK = "ask the owner of the schema chameleon why it is so"


def replaced_functions(connection: Connection) -> tuple[str, ...]:
    """Return the names of the ledger's functions that are missing or not what we made. Raises: DatabaseError."""
    with translated():
        rows = connection.execute(_FUNCTIONS.encode()).fetchall()
    found = {
        name
        for name, body, is_definer, config, language in rows
        if body == FUNCTIONS[name]
        and is_definer == (name == "append")
        and config == ["search_path=pg_catalog, pg_temp"]
        and language == "plpgsql"
    }
    return tuple(name for name in FUNCTIONS if name not in found)


def protection(connection: Connection) -> tuple[Finding, ...]:
    """Return what could let somebody change the ledger unseen; nothing if there is no ledger.

    What superusers can do is not among it: nothing in a database binds them. Raises: DatabaseError.
    """
    with translated():
        guards = connection.execute(_GUARDS.encode()).fetchone()
        if guards is None:
            return ()
        owners = connection.execute(OWNERS.encode()).fetchall()
        has_owner = connection.execute(_HAS_OWNER, [OWNER]).fetchone() is not None
        members = [name for (name,) in connection.execute(_MEMBERS.encode()).fetchall()]
        privileges = connection.execute(PRIVILEGES.encode()).fetchall()
    return (
        *_of_owners(owners, members, has_owner=has_owner),
        *_of_privileges(privileges),
        *_of_guards(*guards),
    )


def _of_owners(
    owners: Sequence[tuple[str, str, bool]], members: Iterable[str], *, has_owner: bool
) -> Iterator[Finding]:
    people: dict[str, list[str]] = {}
    for what, role, can_login in owners:
        if can_login:
            people.setdefault(role, []).append(what)
    for role, owned in people.items():
        hint = f"as a superuser: {'; '.join(hand_over(quote(role), has_owner=has_owner))}"
        yield _unprotected(_place(owned[-1]), f"belongs to {role}, who can log in and change it", hint)
    if not people:
        for role in members:
            yield _unprotected(
                "table chameleon.ledger",
                f"{role} can become its owner",
                f"as a superuser: REVOKE {quote(owners[0][1])} FROM {quote(role)};"
                f" before PostgreSQL 16 also ALTER ROLE {quote(role)} NOCREATEROLE",
            )


def _of_privileges(privileges: Iterable[tuple[str, str | None, list[str]]]) -> Iterator[Finding]:
    for what, grantee, granted in privileges:
        harmless = _HARMLESS.get(what, set())
        if grantee is None and "append" in what:
            harmless = set()
        harmful = [privilege for privilege in granted if privilege not in harmless]
        if harmful:
            who = "PUBLIC" if grantee is None else quote(grantee)
            rights = ", ".join(harmful)
            yield _unprotected(
                _place(what),
                f"{grantee or 'everybody'} has the right {rights}",
                f"REVOKE {rights} ON {what} FROM {who}",
            )


def _of_guards(
    enabled: str | None, triggers: list[str], has_rules: bool, is_permanent: bool, indexes: list[str]
) -> Iterator[Finding]:
    place = "table chameleon.ledger"
    if enabled is None:
        yield _unprotected(place, "its trigger append_only is missing, or not what Chameleon made", _ASK)
    elif enabled not in "OA":
        enable = "ALTER TABLE chameleon.ledger ENABLE ALWAYS TRIGGER append_only"
        yield _unprotected(place, "its trigger append_only is disabled", f"as its owner: {enable}")
    for name in triggers:
        yield _unprotected(place, f"has a trigger of somebody else: {name}", _ASK)
    if has_rules:
        yield _unprotected(place, "has rules", _ASK)
    if not is_permanent:
        hint = "as its owner: ALTER TABLE chameleon.ledger SET LOGGED"
        yield _unprotected(place, "is unlogged: a crash of the server would empty it", hint)
    for name, definition in INDEXES.items():
        if definition not in indexes:
            yield _unprotected(place, f"its unique index {name} is missing, or not what Chameleon made", _ASK)


def _place(what: str) -> str:
    kind, _, name = what.partition(" ")
    return f"{kind.lower()} {name}"


def _unprotected(place: str, message: str, hint: str) -> Finding:
    return Finding(code="LEDGER_UNPROTECTED", place=place, message=message, hint=hint)
