"""Scratch databases leave nothing behind; the shadow is chosen in the documented order."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict as parse_conninfo
from psycopg.conninfo import make_conninfo

from chameleondb.errors import DatabaseError, DatabaseUnreachable, LockNotAcquired, NotSupported, UsageError
from chameleondb.postgres import binaries, scratch
from chameleondb.postgres.embedded import instances, stop
from chameleondb.postgres.scratch import PREFIX, open_shadow, scratch_database
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target, parse
from chameleondb.workflow.shadow import Shadows


@pytest.fixture
def target(database: str) -> Target:
    """A fresh database."""
    return parse(database)


@pytest.fixture
def connection(target: Target) -> Iterator[Connection]:
    """A connection to it."""
    with contextlib.closing(connect(target)) as opened:
        yield opened


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Path]:
    """A project's `.chameleon/local`; its servers are stopped at the end."""
    yield tmp_path / "local"
    for one in instances(tmp_path / "local"):
        assert stop(one)


@pytest.fixture
def modest(connection: Connection, target: Target) -> Iterator[Target]:
    """The same database for a role that may do little."""
    role = f"modest_{connection.info.dbname}"
    connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    connection.execute(f"GRANT ALL ON SCHEMA public TO {role}".encode())
    connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {role}".encode())
    yield parse(make_conninfo(target.conninfo, user=role, password="x"))
    connection.execute(f"DROP OWNED BY {role}".encode())
    connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture
def apart(modest: Target, databases: Any) -> Iterator[tuple[Target, Connection]]:
    """Another database for the modest role, and the superuser's connection to it."""
    dsn, role = databases.new(), parse_conninfo(modest.conninfo)["user"]
    with contextlib.closing(connect(parse(dsn))) as opened:
        opened.execute(f"GRANT ALL ON SCHEMA public TO {role}".encode())
        opened.execute(f"GRANT CREATE ON DATABASE {opened.info.dbname} TO {role}".encode())
        yield parse(make_conninfo(dsn, user=role, password="x")), opened
        opened.execute(f"DROP OWNED BY {role}".encode())


def _scratches(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]).fetchall()
    return [row[0] for row in rows]


def test_it_is_empty_private_and_gone(target: Target, connection: Connection) -> None:
    connection.execute("CREATE TABLE t ()")
    with scratch_database(target) as made, contextlib.closing(connect(made)) as inside:
        assert inside.info.dbname.startswith(PREFIX)
        assert inside.info.dbname in _scratches(connection)
        assert inside.execute("SELECT to_regclass('t')").fetchone() == (None,)
        name = inside.info.dbname
    assert name not in _scratches(connection)


def test_it_is_dropped_after_an_error_with_sessions_open(target: Target, connection: Connection) -> None:
    def fail() -> None:
        with scratch_database(target) as made:
            sessions.append(connect(made))
            raise ZeroDivisionError

    sessions: list[Connection] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert sessions[0].info.dbname not in _scratches(connection)
    sessions[0].close()


def test_it_is_dropped_although_its_session_was_killed(target: Target, connection: Connection) -> None:
    with scratch_database(target) as made:
        with contextlib.closing(connect(made)) as inside:
            name = inside.info.dbname
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
            [f"%{name.removeprefix(PREFIX)}"],
        )
    assert name not in _scratches(connection)


def test_it_is_dropped_although_the_drop_was_interrupted(
    target: Target, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scratch, "_await_leaving", interrupt)
    with pytest.raises(KeyboardInterrupt), scratch_database(target) as made:
        name = made.display.split()[2]
    assert name not in _scratches(connection)


def test_it_takes_encoding_and_locale(databases: Any, cluster: Any, connection: Connection) -> None:
    name = f"{connection.info.dbname}_latin"
    connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
    try:
        like = connect(parse(cluster.dsn(name)))
        with scratch_database(parse(cluster.dsn(name)), like=like) as made, contextlib.closing(connect(made)) as inside:
            row = inside.execute(
                "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        like.close()
        assert row == ("LATIN1", "C")
    finally:
        connection.execute(f"DROP DATABASE {name}".encode())


_RUN = """
import sys, time
from chameleondb.cli.app import _install_signal_handlers
from chameleondb.postgres.scratch import scratch_database
from chameleondb.postgres.url import parse
_install_signal_handlers()
with scratch_database(parse(sys.argv[1])) as made:
    print(made.display, flush=True)
    time.sleep(60)
"""


def _run_until(target: Target, number: signal.Signals) -> str:
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, target.conninfo], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        name = run.stdout.readline().split()[2]
        run.send_signal(number)
    assert name.startswith(PREFIX)
    return name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_nothing(target: Target, connection: Connection, number: signal.Signals) -> None:
    assert _run_until(target, number) not in _scratches(connection)


def test_the_next_run_sweeps_what_a_killed_one_left(target: Target, connection: Connection) -> None:
    left = _run_until(target, signal.SIGKILL)
    assert left in _scratches(connection)
    end = time.monotonic() + 20
    while left in _scratches(connection):
        assert time.monotonic() < end
        # The server may take a moment to see that the client is gone.
        with scratch_database(target):
            pass


def test_only_own_abandoned_databases_are_swept(target: Target, connection: Connection, modest: Target) -> None:
    names = [f"{PREFIX}00000000000{n}" for n in range(3)] + [f"{PREFIX}mine"]
    for name in names:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        role = f"modest_{connection.info.dbname}"
        connection.execute(f"ALTER DATABASE {names[1]} OWNER TO {role}".encode())
        in_use = connect(target, purpose="000000000002")
        with scratch_database(target):
            assert set(_scratches(connection)) >= set(names[1:])
            assert names[0] not in _scratches(connection)
        in_use.close()
    finally:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())


# --- The choice of a shadow ----------------------------------------------------------------------------------------


def test_first_the_server_of_the_target(target: Target, connection: Connection, local: Path) -> None:
    with open_shadow(connection, target, local=local) as shadow:
        assert shadow.why == "a scratch database on the target's server"
        assert shadow.notices == ()
    assert not local.exists()


def test_then_the_embedded_server(modest: Target, local: Path, server_version: int) -> None:
    major = server_version // 10000
    with contextlib.closing(connect(modest)) as connection, open_shadow(connection, modest, local=local) as shadow:
        role = connection.info.user
        with contextlib.closing(connect(shadow.target)) as inside:
            assert inside.info.server_version // 10000 == shadow.major
    assert shadow.why == f"the embedded PostgreSQL, since role {role} may not create databases"
    assert (shadow.major == major) is (major in binaries.majors())
    assert bool(shadow.notices) is (shadow.major != major)


def test_where_all_is_read_only_no_database_is_made(target: Target, connection: Connection, local: Path) -> None:
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on".encode())
    with (
        contextlib.closing(connect(target, read_only=True)) as reading,
        open_shadow(reading, target, local=local) as shadow,
    ):
        assert _scratches(connection) == []
    assert shadow.why == "the embedded PostgreSQL, since the target's transactions are read-only by default"


def test_another_major_is_said(modest: Target, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(connect(modest)) as connection:
        other = 16 if connection.info.server_version >= 180000 else 18
        monkeypatch.setattr(binaries, "majors", lambda: (other,))
        with open_shadow(connection, modest, local=local) as shadow:
            assert shadow.major == other
            assert f"the shadow is PostgreSQL {other}, the target " in shadow.notices[0]


def test_the_configured_one_comes_before_all(
    target: Target, connection: Connection, databases: Any, local: Path
) -> None:
    configured = parse(databases.new())
    with open_shadow(connection, target, local=local, configured=configured) as shadow:
        assert shadow.why == "a scratch database on the configured shadow server"


def test_a_configured_embedded_one(target: Target, connection: Connection, local: Path) -> None:
    with open_shadow(connection, target, local=local, configured=parse("embedded:try")) as shadow:
        assert shadow.why == "a scratch database on the configured shadow server"
    assert [one.home.name for one in instances(local)] == ["try-18"]


def test_a_configured_database_is_used_itself_and_emptied(
    connection: Connection, target: Target, apart: tuple[Target, Connection], local: Path
) -> None:
    configured, its_own = apart
    with open_shadow(connection, target, local=local, configured=configured) as shadow:
        assert shadow.target == configured
        with contextlib.closing(connect(shadow.target)) as inside:
            for statement in (
                "CREATE TYPE mood AS ENUM ('a')",
                "CREATE TYPE pair AS (a int, b int)",
                "CREATE DOMAIN positive AS int CHECK (value > 0)",
                "CREATE TABLE t (m mood, p positive, id int GENERATED ALWAYS AS IDENTITY)",
                "CREATE VIEW v AS SELECT * FROM t",
                "CREATE MATERIALIZED VIEW w AS SELECT * FROM t",
                "CREATE SEQUENCE s",
                "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "CREATE PROCEDURE g() LANGUAGE sql AS 'SELECT 1'",
                "CREATE AGGREGATE h(int) (SFUNC = int4pl, STYPE = int)",
                'CREATE COLLATION c FROM "C"',
                'CREATE SCHEMA "Other"',
                'CREATE TABLE "Other"."T" ()',
            ):
                inside.execute(statement.encode())
            assert scratch._first_object(inside) is not None
    assert scratch._first_object(its_own) is None


def test_a_configured_database_with_objects_is_refused(
    connection: Connection, target: Target, apart: tuple[Target, Connection], local: Path
) -> None:
    configured, its_own = apart
    its_own.execute("CREATE TABLE precious ()")
    with (
        pytest.raises(NotSupported, match=r"not empty: it holds table public\.precious"),
        open_shadow(connection, target, local=local, configured=configured),
    ):
        pytest.fail("it was used")
    assert its_own.execute("SELECT to_regclass('precious') IS NOT NULL").fetchone() == (True,)


def test_the_target_is_never_emptied_as_a_shadow(
    connection: Connection, target: Target, modest: Target, local: Path
) -> None:
    with (
        pytest.raises(NotSupported, match="the shadow database is the target itself"),
        open_shadow(connection, target, local=local, configured=modest),
    ):
        pytest.fail("it was used")


def test_a_configured_database_is_used_by_one_run_at_a_time(
    connection: Connection,
    target: Target,
    apart: tuple[Target, Connection],
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scratch, "_SHADOW_DEADLINE_S", 0.2)
    with (
        open_shadow(connection, target, local=local, configured=apart[0]),
        pytest.raises(LockNotAcquired, match="another run is at work"),
        open_shadow(connection, target, local=local, configured=apart[0]),
    ):
        pytest.fail("it was used twice")


def test_a_shadow_that_cannot_be_reached_is_told_as_one(modest: Target, connection: Connection, local: Path) -> None:
    role = parse_conninfo(modest.conninfo)["user"]
    connection.execute(f"ALTER ROLE {role} CREATEDB CONNECTION LIMIT 2".encode())
    with (
        contextlib.closing(connect(modest)) as limited,
        pytest.raises(DatabaseUnreachable, match="scratch database") as caught,
        Shadows(limited, modest, local)(frozenset()),
    ):
        pytest.fail("it was reached")
    assert "a scratch database on the target's server could be made" in (caught.value.hint or "")
    assert "database.shadow_url" in (caught.value.hint or "")


def test_extensions_that_no_shadow_has(modest: Target, target: Target, connection: Connection, local: Path) -> None:
    wanted = frozenset({"postgis_of_nowhere"})
    with (
        contextlib.closing(connect(modest)) as poor,
        pytest.raises(NotSupported, match='embedded PostgreSQL has no extension "postgis_of_nowhere"') as caught,
        open_shadow(poor, modest, local=local, extensions=wanted),
    ):
        pytest.fail("it was used")
    assert caught.value.hint is not None
    assert "grant CREATEDB, or set database.shadow_url" in caught.value.hint
    with (
        pytest.raises(NotSupported, match="has no extension"),
        open_shadow(connection, target, local=local, extensions=wanted, configured=target),
    ):
        pytest.fail("it was used")


def test_extensions_that_only_a_superuser_may_create(modest: Target, connection: Connection, local: Path) -> None:
    row = connection.execute(
        "SELECT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted ORDER BY name LIMIT 1"
    ).fetchone()
    if row is None:
        pytest.skip("this server has none")
    connection.execute(f"ALTER ROLE modest_{connection.info.dbname} CREATEDB".encode())
    with contextlib.closing(connect(modest)) as poor:
        reason = scratch._why_not_on(poor, frozenset({row[0]}))
        assert reason == f"only a superuser may create {row[0]}"
        assert scratch._why_not_on(poor, frozenset()) is None


def test_no_place_at_all(modest: Target, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_wheel")
    with (
        contextlib.closing(connect(modest)) as poor,
        pytest.raises(UsageError, match="there is no place for a shadow database") as caught,
        open_shadow(poor, modest, local=local),
    ):
        pytest.fail("it was used")
    assert caught.value.hint is not None
    assert all(way in caught.value.hint for way in ("pip install", "CREATEDB", "database.shadow_url"))


def test_a_server_that_refuses_is_told_in_our_words(modest: Target) -> None:
    with pytest.raises(DatabaseError, match="permission denied to create database"), scratch_database(modest):
        pytest.fail("it was made")
