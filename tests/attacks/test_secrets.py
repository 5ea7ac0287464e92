"""No password is shown, written or handed on: a canary in every place where a user may put one, and no trace of it.

Looked for in what is printed, in every file below the project, the home, the state and the temporary folder, in the
ledger, in what the server shows of our sessions, and in the arguments of the programs that are started.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from chameleondb.cli.app import run
from chameleondb.cli.output import App
from chameleondb.postgres import session
from tests.cluster import Cluster, Databases, running_cluster

pytestmark = pytest.mark.server

CANARY = "kn1ghtmare"
PASSWORD = f"a {CANARY} in {CANARY} colours"  # long enough for a mode password
SCHEMA = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
NOWHERE = f"postgresql://u:{CANARY}@127.0.0.1:1/db"

LIFE = (
    "init",
    "validate",
    "migrate --dry-run",
    "-vv migrate --apply",
    "verify",
    "status --format json",
    "journal last",
    "config get",
    "config get database.url",
    "introspect -o -",
)
LOOK = ("-v status", "verify --format json", "-vv migrate --apply --debug", "config get", "introspect -o - --debug")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A server that asks one role, `canary`, for its password."""
    with running_cluster() as cluster:
        folder = Path(str(conninfo_to_dict(cluster.conninfo)["host"])) / "data"
        rules = folder / "pg_hba.conf"
        rules.write_text("local all canary scram-sha-256\n" + rules.read_text())
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE canary LOGIN CREATEDB PASSWORD '{CANARY}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield cluster


@dataclass(slots=True)
class Place:
    """Where a user works, on a database of their own; `told` are the files in which they wrote the password."""

    root: Path
    socket: str
    database: str
    admin: str
    told: set[Path] = field(default_factory=set)
    printed: str = ""
    started: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def url(self) -> str:
        return self.url_with(CANARY)

    def url_with(self, password: str) -> str:
        return f"postgresql://canary:{password}@/{self.database}?host={self.socket}"

    def tell(self, name: str, text: str) -> Path:
        """Write a file that holds the password, as a user does."""
        path = self.project / name
        path.write_text(text)
        path.chmod(0o600)
        self.told.add(path)
        return path

    def run(self, *lines: str) -> list[int]:
        """Run commands in this process; return their statuses."""
        return [self.call(*line.split()) for line in lines]

    def call(self, *arguments: str) -> int:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(arguments)
        self.printed += out.getvalue() + err.getvalue()
        return status

    def assert_silent(self) -> None:
        """Nothing of what happened shows the canary."""
        assert CANARY not in self.printed, [line for line in self.printed.splitlines() if CANARY in line]
        files = [p for p in self.root.rglob("*") if p.is_file() and p not in self.told]
        assert [p for p in files if CANARY.encode() in p.read_bytes() or CANARY in p.name] == []
        assert [words for words in self.started if CANARY in words] == []
        with psycopg.connect(self.admin) as connection:
            (there,) = connection.execute("SELECT to_regclass('chameleon.ledger') IS NOT NULL").fetchone() or (False,)
            if there:
                rows = connection.execute("SELECT l::text FROM chameleon.ledger l").fetchall()
                assert [row for (row,) in rows if CANARY in row] == []
            shown = connection.execute("SELECT datname, application_name, query FROM pg_stat_activity").fetchall()
            assert [row for row in shown if CANARY in str(row)] == []


@pytest.fixture
def place(guarded: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Databases(guarded)
    dsn = made.new()
    database = str(conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} OWNER TO canary".encode())
    found = Place(tmp_path, str(conninfo_to_dict(guarded.conninfo)["host"]), database, dsn)
    for folder, name in (("home", "HOME"), ("state", "XDG_STATE_HOME"), ("tmp", "TMPDIR")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))
    found.project.mkdir()
    (found.project / "schema.cham").write_text(SCHEMA)
    monkeypatch.chdir(found.project)
    _listen_to_programs(found, monkeypatch)
    yield found
    made.drop_all()


def _listen_to_programs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen.__init__

    def noted(self: Any, arguments: Any, *rest: Any, **words: Any) -> None:
        environment = words.get("env") or os.environ
        place.started.append(f"{arguments} {[v for n, v in environment.items() if 'MODE_PASSWORD' in n]}")
        start(self, arguments, *rest, **words)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)


Way = Callable[[Place, pytest.MonkeyPatch], tuple[str, ...]]
"""Tells the command the password in some way; returns options that must be given with every command."""


def _environment(name: str) -> Way:
    def tell(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
        patch.setenv(name, place.url)
        return ()

    return tell


def _option(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    return ("--database-url", place.url)


def _keywords(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("DATABASE_URL", f"host={place.socket} user=canary password={CANARY} dbname={place.database}")
    return ()


def _parameter(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("DATABASE_URL", f"postgresql:///{place.database}?host={place.socket}&user=canary&password={CANARY}")
    return ()


def _libpq(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    for name, value in (
        ("HOST", place.socket),
        ("USER", "canary"),
        ("PASSWORD", CANARY),
        ("DATABASE", place.database),
    ):
        patch.setenv(f"PG{name}", value)
    return ()


def _password_apart(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("PGPASSWORD", CANARY)
    patch.setenv("DATABASE_URL", f"postgresql://canary@/{place.database}?host={place.socket}")
    return ()


def _dot_env(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    place.tell(".env", f'DATABASE_URL="{place.url}"\n')
    return ()


def _configuration(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    place.tell(".chameleon.yml", f"database:\n  url: {place.url}\n")
    return ()


def _by_name(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("MINE", place.url)
    patch.setenv("DATABASE_URL", "env:MINE")
    return ()


def _by_file(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("DATABASE_URL", f"file:{place.tell('url', place.url)}")
    return ()


def _service(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    text = f"[mine]\nhost={place.socket}\nuser=canary\npassword={CANARY}\ndbname={place.database}\n"
    patch.setenv("PGSERVICEFILE", str(place.tell("services", text)))
    patch.setenv("DATABASE_URL", "service=mine")
    return ()


def _pgpass(place: Place, patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setenv("PGPASSFILE", str(place.tell("pgpass", f"*:*:*:canary:{CANARY}\n")))
    patch.setenv("DATABASE_URL", f"postgresql://canary@/{place.database}?host={place.socket}")
    return ()


WAYS: dict[str, Way] = {
    "DATABASE_URL": _environment("DATABASE_URL"),
    "CHAMELEON_DATABASE_URL": _environment("CHAMELEON_DATABASE_URL"),
    "--database-url": _option,
    "keywords": _keywords,
    "parameter": _parameter,
    "PG*": _libpq,
    "PGPASSWORD": _password_apart,
    ".env": _dot_env,
    ".chameleon.yml": _configuration,
    "env:NAME": _by_name,
    "file:PATH": _by_file,
    "service": _service,
    "pgpass": _pgpass,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_password_of_a_database_that_is_used(way: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    options = WAYS[way](place, monkeypatch)
    statuses = [place.call(*line.split(), *options) for line in LIFE]
    assert statuses == [0] * len(LIFE), place.printed
    place.assert_silent()


def test_the_password_of_an_argument(place: Place) -> None:
    assert place.call("introspect", place.url, "-o", "-") == 0
    assert place.call("-vv", "introspect", place.url_with("wrong")) != 0
    place.assert_silent()


@pytest.mark.parametrize("way", ["DATABASE_URL", "keywords", ".env", ".chameleon.yml", "file:PATH", "PGPASSWORD"])
def test_a_wrong_password(way: str, place: Place, guarded: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(guarded.dsn(), autocommit=True) as connection:
        connection.execute("ALTER ROLE canary PASSWORD 'another one'")
    try:
        WAYS[way](place, monkeypatch)
        statuses = place.run(*LOOK)
        assert statuses[2] == 8
        assert "password authentication failed" in place.printed
        place.assert_silent()
    finally:
        with psycopg.connect(guarded.dsn(), autocommit=True) as connection:
            connection.execute(f"ALTER ROLE canary PASSWORD '{CANARY}'".encode())


MALFORMED = (
    f"postgresql:/u:{CANARY}@h/db",
    f"postgresql://u:%ZZ{CANARY}@h/db",
    f"postgresql://u:{CANARY}@[::1/db",
    f"postgres//u:{CANARY}@h",
    f"postgresql://u:{CANARY}@h:port/db",
    f"postgresql://u:a@{CANARY}@h/db",
    f"postgresql://u:a/{CANARY}@h/db",
    f"postgresql://u:5/{CANARY}@h/db",
    f"postgresql://u:5?{CANARY}@h/db",
    f"postgresql://u:5?{CANARY}=1@h/db",
    f"postgresql://u:{CANARY}\n@127.0.0.1:1/db",
    f"postgresql://u@127.0.0.1:1:{CANARY}/db",
    f"postgresql://127.0.0.1:1/d?passwd={CANARY}",
    f"host=h password='{CANARY} dbname=x",
    f"host=h password={CANARY} port",
    f"mysql://u:{CANARY}@h/db",
    f"http://u:{CANARY}@h",
    f"jdbc:postgresql://127.0.0.1:1/d?user=u&password={CANARY}",
    f"u:{CANARY}@127.0.0.1:1/db",
    f"'{NOWHERE}'",
    f"export DATABASE_URL={NOWHERE}",
    f"{NOWHERE} -x",
)
UNREACHABLE = (
    NOWHERE,
    f"postgresql+asyncpg://u:{CANARY}@127.0.0.1:1/db",
    f"postgresql://u:{CANARY}@127.0.0.1:1,127.0.0.1:2/db",
    f"postgresql://:{CANARY}@127.0.0.1:1/db",
    f"postgresql://u:a#{CANARY}@127.0.0.1:1/db",
    f"postgresql://u:{CANARY}@%2Fnowhere/db",
    f"host=127.0.0.1 port=1 user=u password={CANARY} dbname=d",
    f"host=127.0.0.1 port=1 dbname={NOWHERE}",
    f"host={NOWHERE}",
    f"postgresql://127.0.0.1:1/d?user=u&password={CANARY}",
    f"postgresql://127.0.0.1:1/d?sslpassword={CANARY}",
    f"postgresql://127.0.0.1:1/d?schema={CANARY}",
)


@pytest.mark.parametrize("url", [*MALFORMED, *UNREACHABLE])
def test_a_url_that_leads_nowhere(url: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert set(place.run(*LOOK)) <= {0, 8, 64}
    monkeypatch.delenv("DATABASE_URL")
    assert place.call("introspect", url) in (8, 64)
    assert place.call("-vv", "migrate", "--apply", "--debug", "--database-url", url) in (8, 64)
    place.tell(".chameleon.yml", f"database:\n  url: {url!r}\n")
    assert set(place.run(*LOOK)) <= {0, 8, 64}
    assert "CHM9000" not in place.printed
    place.assert_silent()


@pytest.mark.parametrize("name", ["PGDATABASE", "PGHOST", "PGUSER"])
def test_a_url_in_the_wrong_variable(name: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PGHOST", "127.0.0.1")
        patch.setenv("PGPORT", "1")
        patch.setenv(name, NOWHERE)
        assert 8 in place.run(*LOOK)
    place.assert_silent()


@pytest.mark.parametrize(
    "words",
    [
        (NOWHERE,),
        ("migrate", "--apply", NOWHERE),
        ("status", "-C", NOWHERE),
        ("migrate", "--format", NOWHERE),
        ("config", "get", NOWHERE),
        ("config", "set", f"database.url={NOWHERE}"),
        ("config", "set", f"password={PASSWORD}"),
        ("config", "auth", PASSWORD),
        ("config", "auth", "set-password", PASSWORD),
        ("config", "auth", "set-password", "--format", "json", PASSWORD),
        ("check", NOWHERE),
        ("journal", "last", NOWHERE),
        ("init", NOWHERE),
    ],
    ids=" ".join,
)
def test_a_secret_where_none_is_expected(words: tuple[str, ...], place: Place) -> None:
    assert place.call(*words, "--debug") == 64
    assert place.call(*words, "--format", "json") == 64
    place.assert_silent()


@pytest.mark.parametrize("text", [NOWHERE, f"postgresql:/u:{CANARY}@h", "wrong"])
def test_the_password_of_a_shadow_server(text: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    monkeypatch.setenv("CHAMELEON_SHADOW_URL", place.url_with(CANARY.upper()) if text == "wrong" else text)
    assert place.call("-vv", "migrate", "--apply", "--debug") in (8, 64)
    place.run(*LOOK)
    place.assert_silent()
    assert CANARY.upper() not in place.printed


def _break_connecting(patch: pytest.MonkeyPatch) -> None:
    def broken(conninfo: str, **_: object) -> None:
        raise RuntimeError(f"cannot parse {conninfo!r}, sorry: {CANARY}")

    patch.setattr(psycopg, "connect", broken)


def _break_planning(patch: pytest.MonkeyPatch) -> None:
    def broken(app: App, *_: object, **__: object) -> None:
        url = app.setting.value  # a local variable, which no traceback is to show
        raise KeyError("nothing" if url else "")

    patch.setattr("chameleondb.cli.migrate.preview_of", broken)


@pytest.mark.parametrize("breakage", [_break_connecting, _break_planning])
@pytest.mark.parametrize("way", ["DATABASE_URL", "PGPASSWORD", ".env"])
def test_a_crash_with_a_traceback(
    breakage: Callable[[pytest.MonkeyPatch], None], way: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    WAYS[way](place, monkeypatch)
    with monkeypatch.context() as patch:
        breakage(patch)
        assert place.call("migrate", "--apply") == 1
        assert place.call("-vv", "migrate", "--apply", "--debug") == 1
        assert place.call("migrate", "--format", "json", "--debug") == 1
    assert "CHM9000" in place.printed
    assert "Traceback" in place.printed
    place.assert_silent()


def test_a_connection_that_is_lost(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    (place.project / "schema.cham").write_text(
        SCHEMA + 'sql """ CREATE FUNCTION f() RETURNS bool LANGUAGE sql AS $$ SELECT true $$ """\n'
    )
    prepare = session._prepare

    def cut(connection: session.Connection, *, read_only: bool) -> None:
        prepare(connection, read_only=read_only)
        with psycopg.connect(place.admin) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])

    with monkeypatch.context() as patch:
        patch.setattr(session, "_prepare", cut)
        assert place.run(*LOOK)[2] == 8
    place.assert_silent()


def test_ctrl_c_while_it_waits(place: Place) -> None:
    with psycopg.connect(place.admin, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [0x6368616D656C656F])
        child = subprocess.Popen(
            [sys.executable, "-m", "chameleondb", "-vv", "migrate", "--apply", "--debug"],
            env={**os.environ, "DATABASE_URL": place.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        _wait_for(holder, place.database)
        shown = holder.execute("SELECT application_name, query FROM pg_stat_activity").fetchall()
        assert CANARY not in str(shown)
        assert CANARY not in Path(f"/proc/{child.pid}/cmdline").read_text()
        child.send_signal(signal.SIGINT)
        place.printed += child.communicate(timeout=30)[0]
    assert child.returncode == 130
    assert "interrupted" in place.printed
    place.assert_silent()


def _wait_for(admin: psycopg.Connection[Any], database: str) -> None:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'chameleon%%'"
    end = time.monotonic() + 30
    while admin.execute(asked, [database]).fetchone() == (0,):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)


MODES = (
    "config auth set-password",
    "config set mode=standard",
    "-v config get",
    "config get mode --format json",
    "-vv migrate --apply",
    "config set mode=readonly",
    "journal last",
    "status",
    "verify",
)


@pytest.mark.parametrize("how", ["environment", "file"])
def test_the_mode_password(how: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    assert place.run("migrate --apply") == [0]
    file = place.tell("password", PASSWORD + "\n")
    (place.project / "schema.cham").write_text(SCHEMA.replace("}", "    age: int?,\n}"))
    for line in MODES:
        if how == "file":
            monkeypatch.setenv("CHAMELEON_MODE_PASSWORD_FILE", str(file))
        else:
            monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
        assert place.run(line) == [0], place.printed
        assert not [name for name in os.environ if "MODE_PASSWORD" in name]
    assert any("git" in words for words in place.started)
    place.assert_silent()


REFUSED = (
    ("config set mode=standard", {"MODE": f"wrong {CANARY} is wrong"}, 4),
    ("config set mode=standard", {"MODE": f"\udcff {CANARY} \udcff"}, 4),
    ("config auth set-password", {"MODE": f"wrong {CANARY} is wrong", "NEW": f"new {PASSWORD}"}, 4),
    ("config auth set-password", {"MODE": PASSWORD, "NEW": CANARY}, 4),
    ("config auth reset-password", {"MODE": CANARY}, 4),
    ("config set mode=standard --format json", {"MODE": f"{CANARY}", "NEW": CANARY}, 4),
)


@pytest.mark.parametrize(("line", "passwords", "status"), REFUSED)
def test_a_mode_password_that_is_refused(
    line: str, passwords: dict[str, str], status: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", f"right {PASSWORD}")
    assert place.run("init", "migrate --apply") == [0, 0]
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", f"right {PASSWORD}")
    assert place.run("config auth set-password") == [0]
    for name, value in passwords.items():
        monkeypatch.setenv({"MODE": "CHAMELEON_MODE_PASSWORD", "NEW": "CHAMELEON_NEW_MODE_PASSWORD"}[name], value)
    assert place.call(*line.split(), "--debug") == status, place.printed
    place.run("journal errors", "journal last --format json", "verify")
    place.assert_silent()


@pytest.mark.parametrize("problem", ["others may read it", "too large", "a directory"])
def test_a_password_file_that_is_refused(problem: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place.tell("password", PASSWORD * (1000 if problem == "too large" else 1))
    file.chmod(0o644 if problem == "others may read it" else 0o600)
    if problem == "a directory":
        (file := place.project / "folder").mkdir()
    assert place.run("init") == [0]
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD_FILE", str(file))
    assert place.call("config", "auth", "set-password", "--debug") == 64
    place.assert_silent()


def _at_terminal(place: Place, words: str, *typed: str) -> int:
    """Run a command with a person at a terminal, who types these lines, each when it is asked for."""
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, [sys.executable, "-m", "chameleondb", *words.split()], dict(os.environ))
    shown = b""
    answers = list(typed)
    while True:
        try:
            shown += os.read(terminal, 1024)
        except OSError:  # the other end is closed
            break
        if answers and shown.rstrip(b" ").endswith(b":"):
            shown += b"\n"
            os.write(terminal, answers.pop(0).encode() + b"\r")
    os.close(terminal)
    place.printed += shown.decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_passwords_that_are_typed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert place.run("init") == [0]
    assert _at_terminal(place, "config auth set-password", PASSWORD, PASSWORD) == 0
    assert _at_terminal(place, "config set mode=standard", PASSWORD) == 0
    assert _at_terminal(place, "-vv config set mode=privileged --debug", f"not {PASSWORD}") == 4
    assert "********" in place.printed
    place.assert_silent()


def _privileged(place: Place, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("DATABASE_URL", place.url)
    assert place.run("migrate --apply") == [0]
    for line in ("config auth set-password", "config set mode=privileged"):
        patch.setenv("CHAMELEON_MODE_PASSWORD", "nothing of the kind at all")
        assert place.run(line) == [0]


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        (f"ALTER ROLE canary PASSWORD '{CANARY}'", 0),
        (f"ALTER ROLE nobody_at_all PASSWORD '{CANARY}'", 1),
        (f"CREATE ROLE other PASSWORD '{CANARY}'", 1),
        (f"ALTER ROLE canary PASWORD '{CANARY}'", 1),
        (f"INSERT INTO users VALUES ('{CANARY}', 'x')", 1),
        (f"SELECT '{CANARY}'::int", 1),
    ],
)
def test_a_secret_in_a_statement(statement: str, status: int, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _privileged(place, monkeypatch)
    assert place.call("sql", statement) == status, place.printed
    # What the user has typed just now may be said to them once more; it is kept nowhere.
    place.printed = ""
    place.run("journal last", "journal errors --format json", "verify", "status")
    place.assert_silent()


def test_values_of_rows_are_not_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", place.url)
    assert place.run("migrate --apply") == [0]
    with psycopg.connect(place.admin, autocommit=True) as connection:
        connection.execute(f"INSERT INTO users VALUES (1, '{CANARY}'), (2, '{CANARY}')".encode())
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", "nothing of the kind at all")
    assert place.run("config auth set-password") == [0]
    monkeypatch.setenv("CHAMELEON_MODE_PASSWORD", "nothing of the kind at all")
    assert place.run("config set mode=standard") == [0]
    (place.project / "schema.cham").write_text(SCHEMA.replace("string,", "string unique,"))
    assert place.call("migrate", "--apply") == 1
    assert "could not create unique index" in place.printed
    (place.project / "schema.cham").write_text(SCHEMA.replace("string,", "int,"))
    assert place.call("migrate", "--apply", "--allow", "*") == 1
    place.printed = "" if "invalid input syntax" in place.printed else place.printed
    place.run("journal errors", "journal last --format json", "status")
    place.assert_silent()
