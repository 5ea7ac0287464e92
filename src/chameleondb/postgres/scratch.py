"""Scratch databases: empty, private, gone afterwards; and the choice of the server that holds the shadow.

A scratch database is called `chameleon_shadow_<token>`, and the session that makes it carries the token in its
application_name before it exists. So a database whose token no session carries is left over from a killed run: the next
run drops it, if it is of the same role. Nothing else is ever dropped.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from psycopg.conninfo import make_conninfo

from chameleondb.errors import DatabaseError, NotSupported, UsageError
from chameleondb.frozen import frozen
from chameleondb.names import literal, quote
from chameleondb.postgres import binaries
from chameleondb.postgres.embedded import reached, running, scratch_instance
from chameleondb.postgres.ledger.reading import read_identity
from chameleondb.postgres.session import Connection, connect, describe, run_lock, translated
from chameleondb.postgres.url import Target

PREFIX = "chameleon_shadow_"

_SHADOW_LOCK_KEY = 0x6368616D73686164
"""The advisory lock of whoever uses a configured database as its shadow."""
_SHADOW_DEADLINE_S = 300.0


@frozen()
class Shadow:
    """An empty database to try things in; `why` tells how it was chosen, `notices` what differs from the target."""

    target: Target
    major: int
    why: str
    notices: tuple[str, ...] = ()


@contextlib.contextmanager
def scratch_database(server: Target, *, like: Connection | None = None) -> Iterator[Target]:
    """Make an empty database on a server and drop it at the end, also at Ctrl-C or SIGTERM.

    It takes encoding and locale of the database of `like` where the server has them. Raises: DatabaseError.
    """
    token = secrets.token_hex(6)
    name = f"{PREFIX}{token}"
    maintenance = connect(server, purpose=token)
    try:
        with translated():
            _sweep(maintenance)
        try:
            _create(maintenance, name, like)
            yield replace(
                server,
                conninfo=make_conninfo(server.conninfo, dbname=name),
                display=f"scratch database {name} on {server.display}",
            )
        finally:
            _drop(maintenance, server, name)
    finally:
        maintenance.close()


def _sweep(connection: Connection) -> None:
    leftovers = connection.execute(
        "SELECT d.datname FROM pg_catalog.pg_database AS d"
        " JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba"
        f" WHERE r.rolname = current_user AND d.datname ~ '^{PREFIX}[0-9a-f]{{12}}$'"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a"
        " WHERE a.datname = d.datname OR pg_catalog.strpos(a.application_name,"
        f" pg_catalog.substr(d.datname, {len(PREFIX) + 1})) > 0)"
        " ORDER BY d.datname"
    ).fetchall()
    for (name,) in leftovers:
        # Another run may be sweeping the same one.
        with contextlib.suppress(DatabaseError), translated():
            connection.execute(f"DROP DATABASE IF EXISTS {quote(name)}".encode())


def _create(connection: Connection, name: str, like: Connection | None) -> None:
    plain = f"CREATE DATABASE {quote(name)} TEMPLATE template0"
    wanted = _locale(like) if like is not None else ""
    try:
        with translated():
            connection.execute(f"{plain}{wanted}".encode())
    except DatabaseError as error:
        # 22023, 42704, 42809, 0A000, 22026: this server lacks the locale or its provider.
        if not wanted or error.sqlstate not in ("22023", "42704", "42809", "0A000", "22026", "42601"):
            raise
        with translated():
            connection.execute(plain.encode())


def _locale(like: Connection) -> str:
    version = like.info.server_version
    builtin = "d.datlocale" if version >= 170000 else "d.daticulocale" if version >= 150000 else "NULL"
    provider = "d.datlocprovider::text" if version >= 150000 else "'c'"
    rules = "d.daticurules" if version >= 160000 else "NULL"
    with translated():
        row = like.execute(
            f"SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text,"
            f" {provider}, {builtin}::text, {rules}::text"
            " FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()".encode()
        ).fetchone()
    assert row is not None
    encoding, collate, ctype, kind, locale, icu_rules = row
    words = f" ENCODING {literal(encoding)} LC_COLLATE {literal(collate)} LC_CTYPE {literal(ctype)}"
    if kind == "i":
        words += f" LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}"
        words += f" ICU_RULES {literal(icu_rules)}" if icu_rules else ""
    elif kind == "b":
        words += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}"
    elif version >= 150000:
        words += " LOCALE_PROVIDER libc"
    return words


def _drop(connection: Connection, server: Target, name: str) -> None:
    statement = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)".encode()
    try:
        with translated():
            _await_leaving(connection, name)
            connection.execute(statement)
    except BaseException as error:
        # The session may have died with the run, or Ctrl-C has stopped this very statement. What cannot be dropped now
        # is swept by the next run.
        with contextlib.suppress(DatabaseError), contextlib.closing(connect(server)) as again, translated():
            again.execute(statement)
        if not isinstance(error, DatabaseError):
            raise


def _await_leaving(connection: Connection, name: str) -> None:
    """Wait, shortly, for sessions that were closed: DROP DATABASE looks only every 100 ms whether they are gone."""
    for _ in range(20):
        left = connection.execute("SELECT FROM pg_catalog.pg_stat_activity WHERE datname = %s LIMIT 1", [name])
        if left.fetchone() is None:
            break
        time.sleep(0.002)


@contextlib.contextmanager
def open_shadow(
    connection: Connection,
    target: Target,
    *,
    local: Path,
    configured: Target | None = None,
    extensions: frozenset[str] = frozenset(),
) -> Iterator[Shadow]:
    """Give an empty database that is as much like the target as possible, and drop it at the end.

    In this order: the configured server, the target's own server, the embedded one of the same major, another embedded
    one. `connection` is one to the target; `extensions` are those that the schema needs; `local` is the project's
    `.chameleon/local`.

    Raises:
        NotSupported: no shadow has all `extensions`; or the configured one cannot hold databases, and holds objects or
            is the target.
        UsageError: the embedded PostgreSQL would be needed and is not installed.
    """
    if configured is not None:
        with reached(configured, local) as server, _on_configured(server, connection, extensions) as shadow:
            yield shadow
        return
    reason = _why_not_on(connection, extensions)
    if reason is None:
        with scratch_database(target, like=connection) as scratch:
            yield Shadow(scratch, connection.info.server_version // 10000, "a scratch database on the target's server")
        return
    with _on_embedded(connection, local, extensions, reason) as shadow:
        yield shadow


def _why_not_on(connection: Connection, extensions: frozenset[str]) -> str | None:
    """Return why a scratch database on this server will not do, or None if it will."""
    server = describe(connection)
    if server.is_standby:
        return "the target is a standby"
    if server.is_read_only:
        return "the target's transactions are read-only by default"
    if not server.may_create_databases:
        return f"role {server.user} may not create databases"
    if not server.is_superuser and (locked := _superuser_extensions(connection, extensions)):
        return f"only a superuser may create {', '.join(locked)}"
    return None


def _superuser_extensions(connection: Connection, extensions: frozenset[str]) -> list[str]:
    with translated():
        rows = connection.execute(
            "SELECT e.name::text FROM pg_catalog.pg_available_extensions AS e"
            " JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = e.name AND v.version = e.default_version"
            " WHERE e.name = ANY(%s) AND v.superuser AND NOT v.trusted ORDER BY e.name",
            [sorted(extensions)],
        ).fetchall()
    return [row[0] for row in rows]


@contextlib.contextmanager
def _on_configured(server: Target, like: Connection, extensions: frozenset[str]) -> Iterator[Shadow]:
    with contextlib.closing(connect(server)) as connection:
        facts = describe(connection)
        lacking = extensions - _available(connection)
        if lacking:
            raise _lacking(f"the shadow {server.display}", lacking, "install them there")
        notices = _major_notice(facts.major, like)
        if not facts.may_create_databases:
            with _on_its_own(connection, server, like):
                yield Shadow(server, facts.major, "the configured shadow database", notices)
            return
    with scratch_database(server, like=like) as scratch:
        yield Shadow(scratch, facts.major, "a scratch database on the configured shadow server", notices)


@contextlib.contextmanager
def _on_its_own(connection: Connection, server: Target, like: Connection) -> Iterator[None]:
    """Have an empty database for oneself, and empty it at the end."""
    another = "name another, empty database in database.shadow_url, or let its role create databases (CREATEDB)"
    # The target may be empty too, until somebody makes a table in it that would be taken for the shadow's.
    if str(read_identity(connection)) == str(read_identity(like)):
        raise NotSupported("CHM4041", "the shadow database is the target itself", hint=another)
    with run_lock(connection, _SHADOW_LOCK_KEY, _SHADOW_DEADLINE_S):
        if found := _first_object(connection):
            left = "if a run that was killed has left that, and nothing in it is anybody's, create the database anew"
            raise NotSupported(
                "CHM4041", f"the shadow database is not empty: it holds {found}", hint=f"{another}; {left}"
            )
        try:
            yield
        finally:
            _empty(server)


@contextlib.contextmanager
def _on_embedded(connection: Connection, local: Path, extensions: frozenset[str], reason: str) -> Iterator[Shadow]:
    wanted = connection.info.server_version // 10000
    try:
        at_hand = binaries.majors()
    except UsageError as error:
        raise UsageError(
            "CHM4040",
            f"there is no place for a shadow database: {reason}, and {error.message}",
            hint=f"{error.hint}, or grant CREATEDB, or set database.shadow_url",
        ) from None
    major = wanted if wanted in at_hand else min(at_hand, key=lambda m: (abs(m - wanted), -m))
    if lacking := extensions - binaries.available_extensions(major):
        raise _lacking("the embedded PostgreSQL", lacking, f"{reason}; grant CREATEDB, or set database.shadow_url")
    chosen = scratch_instance(local, major)
    with running(chosen):
        server = Target(chosen.conninfo, f"the embedded PostgreSQL {major}", "the embedded PostgreSQL")
        with scratch_database(server, like=connection) as scratch:
            yield Shadow(scratch, major, f"the embedded PostgreSQL, since {reason}", _major_notice(major, connection))


def _available(connection: Connection) -> frozenset[str]:
    with translated():
        rows = connection.execute("SELECT e.name::text FROM pg_catalog.pg_available_extensions AS e").fetchall()
    return frozenset(row[0] for row in rows)


def _lacking(where: str, extensions: frozenset[str], remedy: str) -> NotSupported:
    names = ", ".join(f'"{name}"' for name in sorted(extensions))
    return NotSupported(
        "CHM4042", f"{where} has no extension {names}", hint=f"a shadow that has it is needed: {remedy}"
    )


def _major_notice(major: int, like: Connection) -> tuple[str, ...]:
    target = like.info.server_version // 10000
    if major == target:
        return ()
    return (f"the shadow is PostgreSQL {major}, the target {target}: details may be read differently",)


# What lies in a schema and is no part of an extension or of another object.
_OBJECTS = """
SELECT DISTINCT i.type, i.identity
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_namespace AS n ON n.oid = d.refobjid
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
AND d.deptype = 'n'
AND n.nspname !~ '^pg_'
AND n.nspname <> 'information_schema'
AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS e
    WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype IN ('e', 'i'))
ORDER BY i.type, i.identity
"""
_SCHEMAS = """
SELECT n.nspname::text
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
ORDER BY n.nspname
"""
_EXTENSIONS = "SELECT e.extname::text FROM pg_catalog.pg_extension AS e WHERE e.extname <> 'plpgsql' ORDER BY e.extname"


def _first_object(connection: Connection) -> str | None:
    with translated():
        objects = connection.execute(f"{_OBJECTS} LIMIT 1".encode()).fetchone()
        schemas = connection.execute(f"{_SCHEMAS} LIMIT 1".encode()).fetchone()
    if objects is not None:
        return f"{objects[0]} {objects[1]}"
    return None if schemas is None else f"schema {schemas[0]}"


def _empty(server: Target) -> None:
    """Drop everything in a database that was found empty before."""
    with contextlib.closing(connect(server)) as connection, translated():
        for (name,) in connection.execute(_EXTENSIONS).fetchall():
            connection.execute(f"DROP EXTENSION IF EXISTS {quote(name)} CASCADE".encode())
        for (name,) in connection.execute(_SCHEMAS).fetchall():
            connection.execute(f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE".encode())
        for kind, identity in connection.execute(_OBJECTS).fetchall():
            word = "type" if kind == "composite type" else kind
            connection.execute(f"DROP {word} IF EXISTS {identity} CASCADE".encode())
