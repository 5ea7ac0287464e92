"""The embedded server: starts when needed, is shared, survives crashes, leaves nothing running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chameleondb import disk
from chameleondb.errors import ChameleonError, DatabaseUnreachable, UsageError
from chameleondb.postgres import binaries, embedded
from chameleondb.postgres.embedded import Instance, instance, instances, reached, running, start, stop, temporary_server
from chameleondb.postgres.session import connect, describe
from chameleondb.postgres.url import Target, parse

pytestmark = pytest.mark.server


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Path]:
    """A project's `.chameleon/local`; its servers are stopped at the end."""
    folder = tmp_path / ".chameleon" / "local"
    yield folder
    for one in instances(folder):
        assert stop(one)


def _wait_until_stopped(one: Instance) -> None:
    end = time.monotonic() + 30
    while one.is_running():
        assert time.monotonic() < end, "the server still runs"
        time.sleep(0.02)


def _postmaster(one: Instance) -> int:
    return int((one.data / "postmaster.pid").read_text().split()[0])


def _execute(target: Target, sql: str) -> list[object]:
    with contextlib.closing(connect(target)) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def test_data_survive_and_the_server_does_not(local: Path) -> None:
    one = instance("main", local)
    with reached(parse("embedded"), local) as target:
        assert one.is_running()
        assert target.display == "embedded:main"
        _execute(target, "CREATE TABLE t AS SELECT 1 AS n")
    _wait_until_stopped(one)
    with reached(parse("embedded"), local) as target:
        assert _execute(target, "SELECT n FROM t") == [(1,)]


def test_other_targets_pass(local: Path) -> None:
    target = parse("host=db")
    with reached(target, local) as same:
        assert same is target
    assert not local.exists()


def test_variables_for_another_server_do_not_get_in(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "db",
        "HOSTADDR": "192.0.2.1",
        "PORT": "1",
        "USER": "ann",
        "SSLMODE": "require",
    }.items():
        monkeypatch.setenv(f"PG{name}", value)
    with reached(parse("embedded"), local) as target:
        assert _execute(target, "SELECT current_user::text") == [("postgres",)]


def test_git_does_not_see_the_data(local: Path) -> None:
    with running(instance("main", local)):
        assert (local / "postgres" / ".gitignore").read_text() == "*\n"


def test_letters_have_case_and_sort_by_code_point(local: Path) -> None:
    with reached(parse("embedded"), local) as target:
        assert _execute(target, "SELECT upper('é'), 'Z' < 'a', current_setting('TimeZone')") == [("É", True, "UTC")]


@pytest.mark.parametrize("major", [16, 18])
def test_versions(local: Path, major: int) -> None:
    with reached(parse(f"embedded:shop-{major}"), local) as target:
        connection = connect(target)
        assert describe(connection).major == major
        connection.close()
    # Data of a version are opened by that version.
    assert instance("shop", local).major == major


def test_a_version_that_is_not_there(local: Path) -> None:
    with pytest.raises(UsageError, match="PostgreSQL 12 is not part"):
        instance("shop-12", local)


def test_extensions() -> None:
    assert binaries.available_extensions(18) == {"plpgsql", "vector"}


def test_kept_until_stopped(local: Path) -> None:
    one = instance("main", local)
    start(one)
    with running(one):
        pass
    time.sleep(0.3)
    assert one.is_running()
    assert one.is_kept
    assert stop(one)
    assert not one.is_running()
    assert not one.is_kept
    assert stop(one)


def test_stop_waits_for_the_last_user(local: Path) -> None:
    one = instance("main", local)
    start(one)
    with running(one):
        assert not stop(one, deadline_s=0.2)
        assert one.is_running()
    _wait_until_stopped(one)


def test_on_demand_after_a_kept_one_was_killed(local: Path) -> None:
    one = instance("main", local)
    start(one)
    os.kill(_postmaster(one), signal.SIGKILL)
    _wait_until_stopped(one)
    with running(one):
        assert one.is_running()
    _wait_until_stopped(one)


def test_a_crashed_server_recovers(local: Path) -> None:
    one = instance("main", local)
    with reached(parse("embedded"), local) as target:
        _execute(target, "CREATE TABLE t AS SELECT 1 AS n")
        postmaster = next(child for child in embedded._CHILDREN[one.home] if child.pid == _postmaster(one))
        postmaster.kill()
        postmaster.wait()
        with reached(parse("embedded"), local) as again:
            assert _execute(again, "SELECT n FROM t") == [(1,)]


def test_a_lost_keeper_is_replaced(local: Path) -> None:
    one = instance("main", local)
    with running(one):
        keepers = [c for c in embedded._CHILDREN[one.home] if "chameleondb.postgres.keeper" in str(c.args)]
        keepers[-1].kill()
        keepers[-1].wait()
    assert one.is_running()
    with running(one):
        pass
    _wait_until_stopped(one)


def test_stale_files_of_a_power_cut(local: Path) -> None:
    one = instance("main", local)
    with running(one):
        pid_file = (one.data / "postmaster.pid").read_text()
    _wait_until_stopped(one)
    # Another process has the number now, and the file says that the server is ready.
    (one.data / "postmaster.pid").write_text(pid_file.replace(pid_file.split()[0], str(os.getpid()), 1))
    (one.home / "data.0badf00d").mkdir()
    with reached(parse("embedded"), local) as target:
        assert _execute(target, "SELECT 1") == [(1,)]


def test_a_half_made_data_directory_is_made_anew(local: Path) -> None:
    one = instance("main", local)
    (one.home / "data.0badf00d" / "base").mkdir(parents=True)
    with running(one):
        assert sorted(path.name for path in one.home.glob("data*")) == ["data"]


def test_long_paths(local: Path) -> None:
    deep = local / ("x" * 100)
    with reached(parse("embedded"), deep) as target:
        assert _execute(target, "SELECT 1") == [(1,)]
        folder = instance("main", deep).socket_directory
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert stop(instance("main", deep))
    assert not folder.exists()


def test_a_socket_directory_of_somebody_else(local: Path) -> None:
    one = instance("main", local / ("x" * 100))
    one.socket_directory.mkdir(mode=0o777)
    one.socket_directory.chmod(0o777)
    try:
        with pytest.raises(UsageError, match="belongs to somebody else"), running(one):
            pytest.fail("it started")
        time.sleep(0.3)  # the keeper must leave it alone
    finally:
        one.socket_directory.rmdir()
    assert not one.is_running()


def test_a_server_that_cannot_start_says_why(local: Path) -> None:
    one = instance("main", local)
    with running(one):
        pass
    _wait_until_stopped(one)
    (one.data / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(DatabaseUnreachable, match="did not start") as caught, running(one):
        pytest.fail("it started")
    assert "configuration file" in caught.value.message
    (one.data / "postgresql.conf").write_text("")


def test_not_installed(monkeypatch: pytest.MonkeyPatch, local: Path) -> None:
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_wheel")
    with pytest.raises(ChameleonError, match="is not installed") as caught:
        instance("main", local)
    assert caught.value.hint == "pip install 'chameleondb[embedded]'"


def test_a_temporary_server_is_gone_afterwards() -> None:
    with temporary_server() as target:
        _execute(target, "CREATE TABLE t ()")
        (folder,) = _execute(target, "SELECT current_setting('unix_socket_directories')")
        assert folder == (".",)
        home = next(home for home in embedded._CHILDREN if home.name.startswith("chameleon-"))
        assert home.is_dir()
    assert not home.exists()


# --- Several commands, and their ends ------------------------------------------------------------------------------

_USER = """
import sys, time
from pathlib import Path
from chameleondb.postgres.embedded import reached
from chameleondb.postgres.session import connect
from chameleondb.postgres.url import parse
with reached(parse("embedded"), Path(sys.argv[1])) as target:
    connect(target).execute("SELECT 1")
    print("ready", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def _user(local: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _USER, str(local), str(seconds)], stdout=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_end_of_a_command_leaves_a_server(local: Path, number: signal.Signals) -> None:
    with _user(local, 60) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"ready\n"
        user.send_signal(number)
    _wait_until_stopped(instance("main", local))


def test_an_end_in_the_middle_of_the_start(local: Path) -> None:
    with running(instance("main", local)):
        pass
    one = instance("main", local)
    for pause in (0.0, 0.01, 0.05):
        _wait_until_stopped(one)
        with _user(local, 60) as user:
            end = time.monotonic() + 20
            while not one.is_running() and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(pause)
            user.kill()
    _wait_until_stopped(one)


def test_many_commands_at_once(local: Path) -> None:
    users = [_user(local, 0.05 * number) for number in range(6)]
    for user in users:
        with user:
            assert user.stdout is not None
            assert user.stdout.read() == b"ready\n"
        assert user.returncode == 0
    _wait_until_stopped(instance("main", local))


def test_one_after_the_other_without_a_pause(local: Path) -> None:
    for _ in range(5):
        with _user(local, 0) as user:
            assert user.communicate()[0] == b"ready\n"
        assert user.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets folders that the server may not enter")
def test_private_folders_of_root() -> None:
    home = Path(tempfile.mkdtemp(prefix="private-", dir="/root"))
    try:
        one = instance("main", home / ".chameleon" / "local")
        with reached(parse("embedded"), home / ".chameleon" / "local") as target:
            assert _execute(target, "SELECT 1") == [(1,)]
        assert stop(one)
        assert home.stat().st_mode & 0o777 == 0o700
    finally:
        disk.remove_tree(home)


def _interpreter_for_all() -> str | None:
    # Ours may lie in root's home; then the system's does, if it is of the same version.
    for name in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
        path = Path(name).resolve()
        if path.exists() and all(folder.stat().st_mode & 0o001 for folder in path.parents):
            return name
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; others test this all the time")
def test_an_ordinary_user() -> None:
    interpreter = _interpreter_for_all()
    if interpreter is None:
        pytest.skip("no Python that other users may run")
    home = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/tmp"))
    local = home / ".chameleon" / "local"
    try:
        os.chown(home, 65534, 65534)
        done = subprocess.run(
            [interpreter, "-c", _USER, str(local), "0"],
            capture_output=True,
            check=False,
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (done.stdout, done.stderr) == (b"ready\n", b"")
        _wait_until_stopped(instance("main", local))
    finally:
        disk.remove_tree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has binaries that its server user cannot reach")
def test_binaries_in_a_private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, local: Path) -> None:
    wheel = binaries._wheel()
    private = Path(tempfile.mkdtemp(prefix="private-", dir="/root"))
    try:
        for source in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            disk.copy_tree(source, private / source.name)
        monkeypatch.setattr(binaries, "_wheel", lambda: private / wheel.name)
        found = binaries.reachable_binaries(18, binaries.server_user())
        assert found.is_relative_to("/var/cache/chameleondb")
        with running(instance("main", local)):
            pass
        assert binaries.reachable_binaries(18, binaries.server_user()) == found
        disk.remove_tree(found.parents[2])
    finally:
        disk.remove_tree(private)
