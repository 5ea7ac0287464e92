"""Connections: opened with known settings, to a server we know how to talk to, with errors in our own words.

Rules kept here:
- nothing of the driver leaves this package: `translated` turns its exceptions into `errors.DatabaseError`;
- every statement goes through the extended protocol, in which a second statement cannot hide behind the first;
- the session's settings are explicit, so that neither the role's nor the server's defaults change what is read or done;
- a lock between runs is asked for again and again, never waited for: a waiting session would stop CREATE INDEX
  CONCURRENTLY of the very run it waits for.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg

from chameleondb import __version__
from chameleondb.errors import DatabaseError, DatabaseUnreachable, LockNotAcquired, NotSupported
from chameleondb.frozen import frozen
from chameleondb.postgres.url import Target
from chameleondb.terminal import mask_logins

OLDEST_VERSION = 130000
OLDEST_TESTED_VERSION = 150000

# Settings that change what the catalog prints, what a statement means, or how long a mistake can hold others up.
_SETTINGS: dict[LiteralString, LiteralString] = {
    "search_path": "public",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "xmloption": "content",
    "default_tablespace": "",  # as pg_dump does: a table lies where its declaration says
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "quote_all_identifiers": "off",
    "row_security": "off",  # rather an error than rows that we do not see
    "client_min_messages": "warning",
    "jit": "off",  # catalog queries look expensive and are not
    "lock_timeout": "10s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "10min",
}

Connection = psycopg.Connection[Any]


@frozen(kw_only=True)
class Server:
    """What a session is connected to. `version` is e.g. 180004."""

    version: int
    database: str
    user: str
    is_superuser: bool
    may_create_databases: bool
    is_standby: bool
    is_read_only: bool
    """Whether transactions are read-only by default, whatever this session has set."""

    @property
    def major(self) -> int:
        """E.g. 18."""
        return self.version // 10000


class _OneStatementCursor(psycopg.Cursor[Any]):
    def _execute_send(self, query: Any, *, force_extended: bool = False, binary: bool | None = None) -> None:  # noqa: ARG002
        super()._execute_send(query, force_extended=True, binary=binary)


def connect(target: Target, *, purpose: str = "", read_only: bool = False) -> Connection:
    """Open an autocommit connection. `purpose` is added to its application_name, for whoever reads pg_stat_activity.

    The caller closes it. An embedded target must have been started (`embedded.reached`).

    Raises:
        DatabaseUnreachable: no connection.
        NotSupported: not PostgreSQL, too old, behind a pooler that shares sessions, or to be written and read-only.
    """
    name = f"chameleon/{__version__} {purpose}".strip()
    try:
        connection = psycopg.connect(
            target.conninfo,
            autocommit=True,
            prepare_threshold=None,  # a prepared plan does not survive the DDL that we run
            cursor_factory=_OneStatementCursor,
            application_name=name,
            client_encoding="UTF8",
        )
    except psycopg.Error as error:
        raise _unreachable(error, target) from None
    try:
        with translated():
            _prepare(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: Connection, *, read_only: bool) -> None:
    settings = dict(_SETTINGS)
    if read_only:
        settings["default_transaction_read_only"] = "on"
    version = connection.info.server_version
    if version < OLDEST_VERSION:
        raise NotSupported(
            "CHM4003",
            f"the server is PostgreSQL {connection.info.parameter_status('server_version')}, too old for Chameleon",
            hint="use PostgreSQL 13 or later",
        )
    if version >= 140000:
        settings["idle_session_timeout"] = "0"  # nothing is said to the target while a shadow is at work
    if version >= 170000:
        settings["transaction_timeout"] = "0"
    calls = ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in settings.items())
    backend = connection.info.backend_pid
    # A pooler would hand the session, with what we set in it, to the next application.
    row = connection.execute(
        "SELECT pg_catalog.version(), pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(),"
        " pg_catalog.current_setting('transaction_read_only') = 'on',"
        f" CASE WHEN pg_catalog.pg_backend_pid() = %s THEN ARRAY[{calls}] END",
        [backend],
    ).fetchone()
    assert row is not None
    product, answering, standby, locked = row[:4]
    if not product.startswith("PostgreSQL ") or "CockroachDB" in product:
        raise NotSupported("CHM4004", f"the server is not PostgreSQL but {product[:40]}", hint="use PostgreSQL")
    if answering != backend:
        raise NotSupported(
            "CHM4005",
            "the connection goes through a pooler: our settings and locks could end up in somebody else's session",
            hint="connect to the server's own port, often 5432 instead of 6432",
        )
    if standby and not read_only:
        raise NotSupported(
            "CHM4006",
            "the server is a standby and accepts no changes",
            hint="connect to the primary, or add target_session_attrs=read-write and all hosts to the URL",
        )
    if locked and not read_only:
        raise NotSupported(
            "CHM4007",
            "default_transaction_read_only is on: the role, the database or the server is meant for reading only",
            hint="connect with a role that may write; or, if you may, PGOPTIONS='-c default_transaction_read_only=off'",
        )


def describe(connection: Connection) -> Server:
    """Return what a connection is connected to. Raises: DatabaseError."""
    with translated():
        row = connection.execute(
            "SELECT pg_catalog.current_database()::text, current_user::text, r.rolsuper, r.rolcreatedb OR r.rolsuper,"
            " pg_catalog.pg_is_in_recovery(), (SELECT s.reset_val = 'on' FROM pg_catalog.pg_settings AS s"
            " WHERE s.name = 'default_transaction_read_only')"
            " FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user"
        ).fetchone()
    assert row is not None
    return Server(
        version=connection.info.server_version,
        database=row[0],
        user=row[1],
        is_superuser=row[2],
        may_create_databases=row[3],
        is_standby=row[4],
        is_read_only=row[5],
    )


@contextmanager
def translated(statement: str | None = None) -> Iterator[None]:
    """Turn the driver's exceptions, raised in the block, into ours; `statement` is what was being run."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, statement) from None


def translate(error: psycopg.Error, statement: str | None = None) -> DatabaseError:
    """Return our own error for one of the driver's."""
    diag = error.diag
    facts: dict[str, Any] = {
        "sqlstate": error.sqlstate,
        "statement": statement,
        "position": int(diag.statement_position) if diag.statement_position else None,
        "detail": diag.message_detail,
    }
    message = diag.message_primary or str(error).partition("\n")[0]
    if _is_lost(error):
        return DatabaseUnreachable(
            "CHM4002", f"the connection was lost: {message}", hint="run the command again: it goes on", **facts
        )
    hint = diag.message_hint
    # The server may speak another language than English.
    depends = isinstance(error, pg.DependentObjectsStillExist) or " depends on " in (diag.message_detail or "")
    if diag.message_detail and depends:
        # No row data here; and the server's own hint would be to drop what we have promised not to touch.
        message = f"{message}: {diag.message_detail.partition(chr(10))[0]}"
        hint = "change or drop what depends on it first, then put it back"
    if isinstance(error, pg.LockNotAvailable):
        return LockNotAcquired("CHM4020", message, hint=hint or "try again when the table is less busy", **facts)
    if isinstance(error, pg.InsufficientPrivilege):
        schema = re.search(r"schema (.+)", message)
        right = f"its owner can GRANT USAGE ON SCHEMA {schema[1]}, or CREATE; or" if schema else "ask the owner, or"
        return NotSupported("CHM4011", message, hint=hint or f"{right} connect as the owner", **facts)
    if isinstance(error, pg.ReadOnlySqlTransaction):
        hint = hint or "connect to the primary, with a role that may write"
    return DatabaseError("CHM4010", message, hint=hint, **facts)


# The server ends the session: it shuts down, has crashed, is not up yet; or a timeout of the session or transaction.
_ENDED = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"})


def _is_lost(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith("08") or error.sqlstate in _ENDED


def _unreachable(error: psycopg.Error, target: Target) -> DatabaseUnreachable:
    # The last line is the last attempt: with several addresses, libpq writes one line each.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no connection"]
    return DatabaseUnreachable(
        "CHM4001",
        f"cannot connect to {target.display}: {_without_password(lines[0], target)}",
        hint=f"check that the server runs and that host, port, user, password and database are right; "
        f"the URL comes from {target.origin or 'the caller'}",
        sqlstate=error.sqlstate,
    )


def _without_password(text: str, target: Target) -> str:
    for secret in target.secrets:
        text = text.replace(secret, "***")
    return mask_logins(text)


@contextmanager
def run_lock(
    connection: Connection, key: int, deadline_s: float, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold an advisory lock of the session for the time of the block; `key` is a signed 64-bit number.

    `waiting` is told once which session has it.

    Raises: LockNotAcquired after `deadline_s` seconds, with the name of that session.
    """
    end = time.monotonic() + deadline_s
    is_told = False
    while not _try_lock(connection, key):
        if not is_told:
            waiting(_holder(connection, key))
            is_told = True
        if time.monotonic() >= end:
            raise LockNotAcquired(
                "CHM4021",
                f"another run is at work: {_holder(connection, key)}",
                hint="wait until it ends, or stop it; then run this again",
            )
        time.sleep(min(random.uniform(0.1, 0.5), max(0.0, end - time.monotonic())))
    try:
        yield
    finally:
        # A lost connection has given the lock back already.
        if not connection.closed and not connection.broken:
            with translated():
                connection.rollback()
                connection.execute("SELECT pg_catalog.pg_advisory_unlock(%s::bigint)", [key])


def _try_lock(connection: Connection, key: int) -> bool:
    with translated():
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s::bigint)", [key]).fetchone()
    return bool(row and row[0])


def is_locked(connection: Connection, key: int) -> bool:
    """Return whether a session holds the advisory lock of `run_lock`. Raises: DatabaseError."""
    return _find_holder(connection, key) is not None


def _holder(connection: Connection, key: int) -> str:
    row = _find_holder(connection, key)
    if row is None:
        return "a session that has just ended"
    return f"process {row[0]} of {row[1]} ({row[2] or 'no application name'}), connected since {row[3]}"


def _find_holder(connection: Connection, key: int) -> tuple[Any, ...] | None:
    with translated():
        return connection.execute(
            "SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamptz(0)::text"
            " FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            " AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
            " WHERE d.datname = pg_catalog.current_database())"
            " AND l.classid::bigint = (%(key)s::bigint >> 32) & 4294967295"
            " AND l.objid::bigint = %(key)s::bigint & 4294967295",
            {"key": key},
        ).fetchone()
