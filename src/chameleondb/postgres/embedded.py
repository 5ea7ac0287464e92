"""The embedded PostgreSQL: local servers from a wheel, started when needed and stopped when nobody needs them.

A server's home is `<project>/.chameleon/local/postgres/<name>-<major>`. Three lock files, which the kernel frees in
whatever way a process ends, say everything:

- `server.lock` is inherited by the server: it is held exactly as long as one of its processes lives;
- `users.lock` is shared by the commands that use the server;
- `keeper.lock` is held by the keeper, a small process that waits until no user is left, then stops the server. So no
  server outlives its users, even if they are killed. A file `kept` (``chameleon db start``) tells it to let it run.

PostgreSQL refuses to run as root, and its own user may not enter root's folders. As root the server is therefore given
its data directory as working directory and reaches it through /proc/self/cwd: no permission of a folder is changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import field, replace
from pathlib import Path

from chameleondb import disk
from chameleondb.errors import DatabaseUnreachable, UsageError
from chameleondb.frozen import frozen
from chameleondb.postgres.binaries import MAJOR_DEFAULT, majors, reachable_binaries, server_user
from chameleondb.postgres.url import Target

SUPERUSER = "postgres"
START_DEADLINE_S = 60.0

_SOCKET_PATH_BYTES_MAX = 103  # sun_path: 104 on macOS, 108 on Linux, with its NUL
_SOCKET_NAME = ".s.PGSQL.5432"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_locks_per_transaction": "256",  # a thousand new tables in one transaction
}
_SCRATCH_SETTINGS = {
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_locks_per_transaction": "2048",
    "max_connections": "20",
}
_TEMPORARY_SETTINGS = {**_SCRATCH_SETTINGS, "fsync": "off", "full_page_writes": "off"}

# Servers and keepers outlive the function that starts them; without a reference Python would warn about each.
_CHILDREN: dict[Path, list[subprocess.Popen[bytes]]] = {}


@frozen()
class Instance:
    """A local server: where it lives, its major version, and whether it is deleted when its last user leaves."""

    home: Path
    major: int = MAJOR_DEFAULT
    is_temporary: bool = False
    settings: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def socket_directory(self) -> Path:
        """Where clients find the socket: the data directory if its path is short enough for one."""
        data = os.fspath(self.data)
        if len(os.fsencode(data)) + 1 + len(_SOCKET_NAME) <= _SOCKET_PATH_BYTES_MAX and "," not in data:
            return self.data
        short = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        return Path("/tmp") / f"chameleon-{os.geteuid()}-{short}"

    @property
    def conninfo(self) -> str:
        """How to connect, once it runs."""
        from psycopg.conninfo import make_conninfo

        # Everything is said, so that no PG* variable of another server gets in.
        return make_conninfo(
            host=str(self.socket_directory),
            hostaddr="",
            port=5432,
            user=SUPERUSER,
            dbname="postgres",
            sslmode="disable",
        )

    @property
    def url(self) -> str:
        """The same as a URL, for other programs."""
        from urllib.parse import quote

        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(self.socket_directory), safe='/')}"

    @property
    def is_kept(self) -> bool:
        """Whether it runs until ``chameleon db stop``."""
        return (self.home / "kept").exists()

    def is_running(self) -> bool:
        """Whether a process of the server lives."""
        if not self.home.is_dir():
            return False
        with disk.locked(self.home / "server.lock") as was_free:
            return not was_free


def instance(name: str, local: Path, *, major: int | None = None) -> Instance:
    """Return the server of a name, of the version that its data has; a new one of the newest, or as in ``shop-16``.

    `local` is the project's `.chameleon/local`. Raises: UsageError if the version is not at hand.
    """
    at_hand = majors()
    if found := re.fullmatch(r"(.+)-(\d\d)", name):
        name, major = found[1], int(found[2])
    folder = local / "postgres"
    if major is None:
        there = [int(home.name.rpartition("-")[2]) for home in folder.glob(f"{name}-[0-9][0-9]")]
        major = next((m for m in at_hand if m in there), max(there, default=at_hand[0]))
    if major not in at_hand:
        raise UsageError(
            "CHM0541",
            f"PostgreSQL {major} is not part of the installed embedded PostgreSQL",
            hint=f"available: {', '.join(map(str, at_hand))}",
        )
    return Instance(folder / f"{name}-{major}", major)


def instances(local: Path) -> tuple[Instance, ...]:
    """Return all servers of a project that have data, sorted by name."""
    homes = sorted(home.parent for home in (local / "postgres").glob("*-[0-9][0-9]/data"))
    return tuple(Instance(home, int(home.name.rpartition("-")[2])) for home in homes)


@contextlib.contextmanager
def reached(target: Target, local: Path) -> Iterator[Target]:
    """Give a target that can be connected to: starts an embedded server for the time of the block, passes others on.

    Raises: UsageError if the extra is not installed, DatabaseUnreachable if the server does not start.
    """
    if target.embedded is None:
        yield target
        return
    chosen = instance(target.embedded, local)
    with running(chosen):
        yield replace(target, conninfo=chosen.conninfo, embedded=None)


@contextlib.contextmanager
def temporary_server(major: int = MAJOR_DEFAULT) -> Iterator[Target]:
    """Run an empty server that is deleted at the end of the block; nothing is kept safe on disk."""
    home = Path(tempfile.mkdtemp(prefix="chameleon-", dir="/tmp"))
    chosen = Instance(home, major, is_temporary=True, settings=_TEMPORARY_SETTINGS)
    try:
        with running(chosen):
            yield Target(chosen.conninfo, f"a temporary PostgreSQL {major}", "the embedded PostgreSQL")
    finally:
        for child in _CHILDREN.pop(home, []):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(30)
        disk.remove_tree(home)


def scratch_instance(local: Path, major: int) -> Instance:
    """Return the server for shadow databases: kept on disk to be quick, but nothing in it is worth keeping."""
    return replace(instance("shadow", local, major=major), settings=_SCRATCH_SETTINGS)


@contextlib.contextmanager
def running(chosen: Instance) -> Iterator[None]:
    """Let a server run at least for the time of the block. Raises: DatabaseUnreachable."""
    _make_home(chosen.home)
    with _used(chosen):
        _ensure_keeper(chosen)
        _ensure_server(chosen)
        yield


def start(chosen: Instance) -> None:
    """Start a server that runs until `stop`. Raises: DatabaseUnreachable."""
    with running(chosen):
        disk.replace(chosen.home / "kept", b"")


def stop(chosen: Instance, *, deadline_s: float = 30.0) -> bool:
    """Stop a server when its last user has left; returns whether it has stopped by the deadline."""
    if not chosen.home.is_dir():
        return True
    with _used(chosen):
        disk.remove(chosen.home / "kept")
        if chosen.is_running():
            _ensure_keeper(chosen)
    end = time.monotonic() + deadline_s
    while True:
        # The keeper holds this lock while it stops the server and tidies up.
        with disk.locked(chosen.home / "users.lock") as is_unused:
            if is_unused and not chosen.is_running():
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.02)


@contextlib.contextmanager
def _used(chosen: Instance) -> Iterator[None]:
    # Waits while a keeper stops the server.
    users = disk.open_lock(chosen.home / "users.lock", shared=True, wait=True)
    assert users is not None
    try:
        yield
    finally:
        os.close(users)


def halt(home: Path, *, at_once: bool) -> None:
    """End the server of a home now, users or not; for the keeper, which knows that there are none."""
    for number in (signal.SIGQUIT,) if at_once else (signal.SIGINT, signal.SIGQUIT):
        end = time.monotonic() + 30
        is_told = False
        while time.monotonic() < end:
            with disk.locked(home / "server.lock") as was_free:
                if was_free:
                    return
            # A server that has just been started has not written its number yet.
            pid = _postmaster(home / "data")
            if not is_told and pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                is_told = True
            time.sleep(0.02)


def _make_home(home: Path) -> None:
    is_of_project = home.parent.name == "postgres"
    disk.make_directory(home, mode=0o700, shared=home.parents[2] if is_of_project else None)
    ignore = home.parent / ".gitignore"
    if is_of_project and not ignore.exists():
        with contextlib.suppress(FileExistsError):
            disk.create(ignore, b"*\n")


def _ensure_keeper(chosen: Instance) -> None:
    if chosen.is_kept and chosen.is_running():
        return
    disk.remove(chosen.home / "kept")
    lock = disk.open_lock(chosen.home / "keeper.lock")
    if lock is None:
        return
    try:
        command = [sys.executable, "-P", "-m", "chameleondb.postgres.keeper", str(chosen.home), str(lock)]
        child = subprocess.Popen(
            command + ["temporary"] * chosen.is_temporary,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C is for the command, not for the server
        )
        _CHILDREN.setdefault(chosen.home, []).append(child)
    finally:
        os.close(lock)


def _ensure_server(chosen: Instance) -> None:
    end = time.monotonic() + START_DEADLINE_S
    child: subprocess.Popen[bytes] | None = None
    while time.monotonic() < end:
        lock = disk.open_lock(chosen.home / "server.lock") if child is None else None
        if lock is not None:
            # Nobody else can be starting it, and no process of it is left.
            try:
                child = _start(chosen, lock)
            finally:
                os.close(lock)
        if _answers(chosen):
            return
        if child is not None and child.poll() is not None:
            break
        time.sleep(0.01)
    raise DatabaseUnreachable(
        "CHM4030",
        f"the embedded PostgreSQL did not start: {_last_words(chosen.home / 'log')}",
        hint=f"see {chosen.home / 'log'}",
    )


def _start(chosen: Instance, lock: int) -> subprocess.Popen[bytes]:
    user = server_user()
    binaries = reachable_binaries(chosen.major, user)
    if not (chosen.data / "PG_VERSION").exists():
        _initialize(chosen, binaries, user)
    _make_socket_directory(chosen, user)
    # We hold `server.lock`, so these are left over from a crash, and their process numbers may be anybody's by now.
    disk.remove(chosen.data / "postmaster.pid")
    disk.remove(chosen.socket_directory / f"{_SOCKET_NAME}.lock")
    settings = {**_SETTINGS, **chosen.settings, "cluster_name": f"chameleon {chosen.home.name}"}
    settings["unix_socket_directories"] = (
        "." if chosen.socket_directory == chosen.data else str(chosen.socket_directory)
    )
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = disk.open_log(chosen.home / "log")
    try:
        child = _spawn([binaries / "postgres", "-D", _seen_from_inside(chosen.data), *options], chosen.data, log, lock)
    finally:
        os.close(log)
    _CHILDREN.setdefault(chosen.home, []).append(child)
    return child


def _initialize(chosen: Instance, binaries: Path, user: tuple[int, int] | None) -> None:
    for leftover in chosen.home.glob("data.*"):
        disk.remove_tree(leftover)
    fresh = chosen.home / f"data.{os.urandom(4).hex()}"
    disk.make_directory(fresh, mode=0o700)
    if user is not None:
        os.chown(fresh, *user)
    # Sorts by code point everywhere, yet knows the case of all letters (manual, 23.1.4).
    locale = (
        ["--locale=C"] if chosen.major < 17 else ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    )
    words = ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions", *locale]
    if chosen.is_temporary:
        words += ["--no-sync", "--wal-segsize=1"]
    log = disk.open_log(chosen.home / "log")
    try:
        done = _spawn([binaries / "initdb", "-D", _seen_from_inside(fresh), *words], fresh, log).wait(START_DEADLINE_S)
    finally:
        os.close(log)
    if done != 0:
        disk.remove_tree(fresh)
        raise DatabaseUnreachable(
            "CHM4031",
            f"the embedded PostgreSQL could not be set up: {_last_words(chosen.home / 'log')}",
            hint=f"see {chosen.home / 'log'}",
        )
    disk.move_directory(fresh, chosen.data)


def _spawn(command: list[str | Path], folder: Path, log: int, lock: int | None = None) -> subprocess.Popen[bytes]:
    user = server_user()
    return subprocess.Popen(
        [os.fspath(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,  # entered before the user changes
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        user=None if user is None else user[0],
        group=None if user is None else user[1],
        extra_groups=None if user is None else [],
        pass_fds=[] if lock is None else [lock],
        start_new_session=True,
    )


def _seen_from_inside(data: Path) -> str:
    return "/proc/self/cwd" if os.geteuid() == 0 and sys.platform == "linux" else str(data)


def _make_socket_directory(chosen: Instance, user: tuple[int, int] | None) -> None:
    folder = chosen.socket_directory
    if folder == chosen.data:
        return
    disk.make_directory(folder, mode=0o700)
    if user is not None and folder.lstat().st_uid == 0:
        os.chown(folder, *user)
    if not _is_private(folder):
        raise UsageError(
            "CHM0543", f"{folder} belongs to somebody else", hint="remove it, or shorten the project's path"
        )


def _is_private(folder: Path) -> bool:
    # Its name can be guessed, so somebody else may have made it.
    user = server_user()
    found = folder.lstat()
    owner = os.geteuid() if user is None else user[0]
    return stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077 and found.st_uid == owner


def remove_socket_directory(home: Path) -> None:
    """Delete the short folder that a stopped server had for its socket, if it had one."""
    chosen = Instance(home)
    folder = chosen.socket_directory
    if folder != chosen.data and folder.exists() and _is_private(folder):
        disk.remove_tree(folder)


def _postmaster(data: Path) -> int | None:
    lines = _pid_file(data)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _answers(chosen: Instance) -> bool:
    # The file alone may be that of a server that has crashed, and the socket alone opens before recovery is done.
    lines = _pid_file(chosen.data)
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(os.fspath(chosen.socket_directory / _SOCKET_NAME)) == 0


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-20:]
    except OSError:
        return "it left no message"
    said = [line for line in lines if re.search(r"FATAL|ERROR|error:", line)] or lines or ["it left no message"]
    return said[-1]
