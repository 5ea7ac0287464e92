"""Connections: settings, refusals, errors in our own words, the lock between runs."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chameleondb import __version__
from chameleondb.errors import DatabaseError, DatabaseUnreachable, LockNotAcquired, NotSupported
from chameleondb.postgres import session
from chameleondb.postgres.session import Connection, connect, describe, run_lock, translated
from chameleondb.postgres.url import Target, parse


@pytest.fixture
def target(database: str) -> Target:
    """A fresh database."""
    return parse(database, origin="the test")


@pytest.fixture
def connection(target: Target) -> Iterator[Connection]:
    """A connection to it."""
    opened = connect(target, purpose="test")
    yield opened
    opened.close()


def _value(connection: Connection, sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("application_name", f"chameleon/{__version__} test"),
        ("client_encoding", "UTF8"),
        ("search_path", "public"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "1"),
        ("standard_conforming_strings", "on"),
        ("statement_timeout", "0"),
        ("lock_timeout", "10s"),
        ("default_tablespace", ""),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_deferrable", "off"),
        ("transform_null_equals", "off"),
        ("idle_session_timeout", "0"),
        ("default_transaction_read_only", "off"),
    ],
)
def test_settings_do_not_come_from_the_database(databases: Any, database: str, setting: str, value: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        name = admin.info.dbname
        for line in (
            "search_path = 'x'",
            "timezone = 'Asia/Tokyo'",
            "statement_timeout = 1234",
            "datestyle = 'German'",
            "default_tablespace = 'fast'",
            "default_transaction_isolation = 'serializable'",
            "default_transaction_deferrable = on",
            "transform_null_equals = on",
            "idle_session_timeout = 1234",
        ):
            admin.execute(f"ALTER DATABASE {name} SET {line}".encode())
    opened = connect(parse(database), purpose="test")
    assert _value(opened, f"SHOW {setting}") == value
    opened.close()


def test_what_a_server_is(connection: Connection, server_version: int) -> None:
    server = describe(connection)
    assert (server.version, server.major) == (server_version, server_version // 10000)
    assert (server.database, server.user) == (connection.info.dbname, connection.info.user)
    assert server.is_superuser
    assert server.may_create_databases
    assert not server.is_standby


def test_read_only(target: Target) -> None:
    opened = connect(target, read_only=True)
    with pytest.raises(DatabaseError, match="read-only transaction") as caught, translated("CREATE TABLE t ()"):
        opened.execute("CREATE TABLE t ()")
    opened.close()
    assert (caught.value.sqlstate, caught.value.statement) == ("25006", "CREATE TABLE t ()")


def test_a_second_statement_cannot_hide(connection: Connection) -> None:
    with pytest.raises(DatabaseError, match="multiple commands"), translated():
        connection.execute("SELECT 1; DROP TABLE t")


def test_errors_keep_their_fields_and_rows_apart(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (email text PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES ('ann@example.org')")
    with pytest.raises(DatabaseError) as caught, translated():
        connection.execute("INSERT INTO t VALUES ('ann@example.org')")
    error = caught.value
    assert (error.sqlstate, error.__cause__, error.__suppress_context__) == ("23505", None, True)
    assert "ann@" not in error.message
    assert "ann@" in str(error.detail)
    with pytest.raises(DatabaseError) as caught, translated():
        connection.execute("SELECT nonsense")
    assert caught.value.position == 8


def test_missing_rights_are_named(connection: Connection) -> None:
    role = f"nobody_{connection.info.dbname}"
    connection.execute(f"CREATE ROLE {role}".encode())
    try:
        connection.execute("CREATE TABLE t ()")
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(NotSupported, match="permission denied for"), translated():
            connection.execute("TABLE t")
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP ROLE {role}".encode())


def test_a_lost_connection(connection: Connection, target: Target) -> None:
    killer = connect(target)
    killer.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(DatabaseUnreachable, match="the connection was lost"), translated():
        connection.execute("SELECT 1")
    with pytest.raises(DatabaseUnreachable), translated():
        connection.execute("SELECT 1")
    killer.close()


# --- Refusals ------------------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://ann:s3cret@127.0.0.1:{unused.getsockname()[1]}/shop"
        with pytest.raises(DatabaseUnreachable) as caught:
            connect(parse(url, origin=".env"))
    said = f"{caught.value.message} {caught.value.hint}"
    assert "postgresql://ann:***@127.0.0.1:" in said
    assert "the URL comes from .env" in said
    assert "s3cret" not in said
    assert caught.value.__cause__ is None


def test_no_such_database(database: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="does not exist"):
        connect(parse(make_conninfo(database, dbname="no_such_database")))


class Relay(threading.Thread):
    """Stands between client and server and changes what the server says: a stand-in for poolers and other products."""

    def __init__(self, database: str, change: Callable[[bytes], bytes]) -> None:
        super().__init__(daemon=True)
        with psycopg.connect(database) as direct:
            self._upstream = f"{direct.info.host}/.s.PGSQL.{direct.info.port}"
        self._change = change
        # pytest's own folders are too long for a socket.
        self._folder = tempfile.TemporaryDirectory(prefix="relay-", dir="/tmp")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._listener.listen()
        self.target = parse(make_conninfo(database, host=self._folder.name, port=5432))
        self.start()

    def __enter__(self) -> Target:
        return self.target

    def __exit__(self, *_: object) -> None:
        self.join(10)
        self._listener.close()
        self._folder.cleanup()

    def run(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._upstream)
            answers = threading.Thread(target=_pass, args=(server, client, self._change), daemon=True)
            answers.start()
            _pass(client, server, bytes)
            answers.join()


def _pass(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(change(data))
        sink.shutdown(socket.SHUT_WR)


_local_only = pytest.mark.skipif("CHAMELEON_TEST_DSN" in os.environ, reason="needs a unix socket")


@_local_only
def test_another_product(database: str) -> None:
    with (
        Relay(database, lambda data: data.replace(b"PostgreSQL 1", b"Postgrexxx 1")) as target,
        pytest.raises(NotSupported, match="not PostgreSQL but Postgrexxx"),
    ):
        connect(target)


@_local_only
def test_an_old_server(database: str) -> None:
    with psycopg.connect(database) as direct:
        version = (direct.info.parameter_status("server_version") or "").encode()
    old = b"9." + b"6".rjust(len(version) - 2, b"0")
    with (
        Relay(database, lambda data: data.replace(b"server_version\0" + version, b"server_version\0" + old)) as target,
        pytest.raises(NotSupported, match="too old for Chameleon"),
    ):
        connect(target)


def _renumber(data: bytes) -> bytes:
    # A pooler gives out a process number of its own: BackendKeyData is K, length 12, number, key.
    at = data.find(b"K\0\0\0\x0c")
    return data if at < 0 else data[: at + 5] + b"\0\0\0\x07" + data[at + 9 :]


@_local_only
def test_a_pooler(database: str) -> None:
    with Relay(database, _renumber) as target, pytest.raises(NotSupported, match="through a pooler") as caught:
        connect(target)
    assert caught.value.hint is not None
    assert "5432" in caught.value.hint


def _kept_in(kept: list[Connection]) -> Callable[[Connection], None]:
    def close(connection: Connection) -> None:
        kept.append(connection)

    return close


@_local_only
def test_a_poolers_session_goes_to_the_next_application_as_it_was(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Connection] = []
    with Relay(database, _renumber) as target:
        monkeypatch.setattr(psycopg.Connection, "close", _kept_in(kept))
        with pytest.raises(NotSupported, match="through a pooler"):
            connect(target, read_only=True)
        monkeypatch.undo()
        shared = kept[0]
        assert _value(shared, "SHOW default_transaction_read_only") == "off"
        assert _value(shared, "SHOW lock_timeout") == "0"
        shared.close()


def test_a_standby_is_for_reading(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    # The question is exchanged instead of the answer: a real standby takes seconds to build.
    real = session._OneStatementCursor.execute

    def as_standby(self: Any, query: Any, *rest: Any, **words: Any) -> Any:
        if isinstance(query, str):
            query = query.replace("pg_catalog.pg_is_in_recovery()", "true")
        return real(self, query, *rest, **words)

    monkeypatch.setattr(session._OneStatementCursor, "execute", as_standby)
    with pytest.raises(NotSupported, match="is a standby"):
        connect(target)
    opened = connect(target, read_only=True)
    assert describe(opened).is_standby
    opened.close()


def test_a_database_that_is_read_only_by_default_is_for_reading(
    target: Target, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on".encode())
    with pytest.raises(NotSupported, match="default_transaction_read_only is on") as caught:
        connect(target)
    assert caught.value.code == "CHM4007"
    with contextlib.closing(connect(target, read_only=True)) as opened:
        assert describe(opened).is_read_only
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=off")
    with contextlib.closing(connect(target)) as opened:
        assert not describe(opened).is_read_only


# --- The lock between runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [1, -1, 2**63 - 1, -(2**63), 0x1234_5678_9ABC_DEF0])
def test_the_lock_names_its_holder(connection: Connection, target: Target, key: int) -> None:
    second = connect(target)
    with run_lock(connection, key, 0):
        with pytest.raises(LockNotAcquired) as caught, run_lock(second, key, 0.2):
            pytest.fail("both hold the lock")
        assert f"process {connection.info.backend_pid} of " in caught.value.message
        assert f"chameleon/{__version__} test" in caught.value.message
    with run_lock(second, key, 0):
        pass
    second.close()


def test_the_lock_is_given_back_after_a_failed_transaction(connection: Connection, target: Target) -> None:
    second = connect(target)

    def fail_in_transaction() -> None:
        with run_lock(connection, 7, 0), translated():
            connection.execute("BEGIN")
            connection.execute("SELECT 1 / 0")

    with pytest.raises(DatabaseError, match="division by zero"):
        fail_in_transaction()
    with run_lock(second, 7, 0):
        pass
    second.close()


def test_the_lock_is_waited_for(connection: Connection, target: Target) -> None:
    second = connect(target)
    got = threading.Event()

    def wait() -> None:
        with run_lock(second, 7, 20):
            got.set()

    waiter = threading.Thread(target=wait)
    with run_lock(connection, 7, 0):
        waiter.start()
        assert not got.wait(0.3)
        # The waiting session runs nothing, so it holds up no CREATE INDEX CONCURRENTLY.
        assert _value(connection, f"SELECT state FROM pg_stat_activity WHERE pid = {second.info.backend_pid}") == "idle"
    waiter.join(20)
    assert got.is_set()
    second.close()


def test_a_lost_connection_does_not_hide_the_error_of_the_block(connection: Connection, target: Target) -> None:
    killer = connect(target)

    def lose_connection() -> None:
        with run_lock(connection, 7, 0), translated():
            killer.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnreachable, match="the connection was lost"):
        lose_connection()
    killer.close()
