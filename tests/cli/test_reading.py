"""What only looks works everywhere: on a read-only disk, with a role that may only read, without a terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.command import Chameleon

V1 = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
V2 = V1.replace("}", "    age: int?,\n}")
READING = {
    "validate": 0,
    "check": 0,
    "fmt --check": 0,
    "migrate": 0,
    "migrate --dry-run": 0,
    "migrate --check": 2,
    "status": 0,
    "verify": 0,
    "journal schema": 0,
    "journal schema v001": 0,
    "journal last": 0,
    "journal errors": 0,
    "journal migrations": 0,
    "journal search v001": 0,
    "config get mode": 0,
    "introspect -o -": 0,
    "version": 0,
}
"""What looks, and its exit status where one column is pending."""


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    tool = Chameleon(project, database_url)
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.write(V2)
    return tool


@pytest.fixture
def reader(tool: Chameleon) -> Iterator[Chameleon]:
    """The same project, used by a role that owns nothing and may only read."""
    role = f"reader_{tool.rows('SELECT oid FROM pg_database WHERE datname = current_database()')[0][0]}"
    user = tool.url.split("://")[1].split("@")[0]
    _execute(tool, f"CREATE ROLE {role} LOGIN")
    yield Chameleon(tool.folder, tool.url.replace(f"://{user}@", f"://{role}@"))
    _execute(tool, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def _execute(tool: Chameleon, *statements: str) -> None:
    with psycopg.connect(tool.url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def _on_a_read_only_disk(tool: Chameleon, command: str) -> subprocess.CompletedProcess[str]:
    # chmod does not stop root; a read-only mount in a name space of its own does.
    places = [str(tool.folder), os.environ["XDG_STATE_HOME"]]
    mounts = [
        f"mount --bind {shlex.quote(p)} {shlex.quote(p)} && mount -o remount,ro,bind {shlex.quote(p)}" for p in places
    ]
    run = f"cd {shlex.quote(str(tool.folder))} && exec {shlex.quote(sys.executable)} -m chameleondb {command}"
    return subprocess.run(
        [
            "unshare",
            "--mount",
            *([] if os.geteuid() == 0 else ["--map-root-user"]),
            "sh",
            "-c",
            " && ".join([*mounts, run]),
        ],
        env={**os.environ, "DATABASE_URL": tool.url, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def read_only(tool: Chameleon) -> Chameleon:
    """The project, where a read-only mount can be made of it."""
    if shutil.which("unshare") is None or _on_a_read_only_disk(tool, "version").returncode:
        pytest.skip("cannot make a read-only mount here")
    return tool


@pytest.mark.parametrize("command", READING)
def test_on_a_read_only_disk(read_only: Chameleon, command: str) -> None:
    done = _on_a_read_only_disk(read_only, command)
    assert done.returncode == READING[command], done.stderr
    assert "warning" not in done.stderr


@pytest.mark.parametrize("command", READING)
def test_with_a_role_that_may_only_read(reader: Chameleon, command: str) -> None:
    reader.run(*command.split(), status=READING[command])


@pytest.mark.parametrize("command", READING)
def test_without_stdin(tool: Chameleon, command: str) -> None:
    done = subprocess.run(
        f"exec {shlex.quote(sys.executable)} -m chameleondb {command} <&-",
        shell=True,
        cwd=tool.folder,
        env={**os.environ, "DATABASE_URL": tool.url},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == READING[command], done.stderr


def test_what_changes_something_says_that_the_disk_is_read_only(read_only: Chameleon) -> None:
    for command in ("migrate --apply", "init"):
        done = _on_a_read_only_disk(read_only, command)
        assert done.returncode == 1
        assert done.stderr == (
            "error[CHM2010]: cannot write .chameleon/local/lock: Read-only file system\n"
            "help: the disk is read-only: reading commands work, changes need one that can be written\n"
        )
    assert read_only.rows("SELECT count(*) FROM chameleon.ledger") == [(4,)]


def test_a_reader_sees_as_much_as_it_was_given(tool: Chameleon, reader: Chameleon) -> None:
    assert "Drift not checked: the role may not read the ledger\n" in reader.run("status").stderr
    role = reader.url.split("://")[1].split("@")[0]
    _execute(
        tool, f"GRANT USAGE ON SCHEMA chameleon TO {role}", f"GRANT SELECT ON ALL TABLES IN SCHEMA chameleon TO {role}"
    )
    assert reader.run("status").stderr == ""
    assert reader.run("status").stdout == tool.run("status").stdout


def test_a_reader_cannot_apply(tool: Chameleon, reader: Chameleon) -> None:
    tool.unlock()
    refused = reader.run("migrate", "--apply", status=1)
    assert "may not read the ledger" in refused.stderr
    assert "GRANT" in refused.stderr
    assert tool.rows("SELECT count(*) FROM chameleon.ledger") == [(4,)]
