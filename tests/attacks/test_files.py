"""Traps in the file system, at every place that a command reads or writes: refused and named before the database is
touched, or passed over where nothing depends on it. Nothing hangs, and nothing outside of the project is changed."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attacks.scene import VIOLATED, Project, Scene
from tests.attacks.test_attacks import everything

pytestmark = pytest.mark.server

SECONDS_MAX = 10
STRANGER = 12345  # a user that nobody is

# What a violation is called by, and where it is below the project.
VIOLATIONS = {
    ".chameleon/vault": ".chameleon/vault",
    "versions": ".chameleon/vault/versions",
    "hashes": ".chameleon/vault/hashes",
    "integrity.log": ".chameleon/vault/integrity.log",
    "manifest.json": ".chameleon/vault/manifest.json",
    "v003.json": ".chameleon/vault/versions/v003.json",
    "hashes/v003.hash": ".chameleon/vault/hashes/v003.hash",
    ".chameleon/local/journal.jsonl": ".chameleon/local/journal.jsonl",
    ".chameleon/local/cache": ".chameleon/local/cache",
}
# Without these nothing can be locked: refused even before the vault is read, if they are of another kind.
NEEDED = {".chameleon": ".chameleon", ".chameleon/local": ".chameleon/local", "local/lock": ".chameleon/local/lock"}
# Nothing depends on these.
PASSED_OVER = {"cached": ".chameleon/local/cache/elaborated-*.json", "memory": "../state/chameleon/heads.json"}

LOOKING = ("verify", "status", "migrate", "journal last", "journal schema", "config get mode", "introspect -o -")


def link(path: Path, outside: Path) -> None:
    shutil.move(path, outside / "it")
    path.symlink_to(outside / "it")


def dangling_link(path: Path, outside: Path) -> None:
    shutil.move(path, outside / "it")
    path.symlink_to(outside / "nothing")


def pipe(path: Path, outside: Path) -> None:
    shutil.move(path, outside / "it")
    os.mkfifo(path)


def another_kind(path: Path, outside: Path) -> None:
    was_file = path.is_file()
    shutil.move(path, outside / "it")
    if was_file:
        path.mkdir()
    else:
        path.write_text("x")


def hard_link(path: Path, outside: Path) -> None:
    if path.is_dir():
        pytest.skip("directories have none")
    os.link(path, outside / "it")


def another_owner(path: Path, outside: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def writable_for_all(path: Path, outside: Path) -> None:
    path.chmod(path.stat().st_mode | 0o022)


Trap = Callable[[Path, Path], None]
TRAPS: tuple[Trap, ...] = (
    link,
    dangling_link,
    pipe,
    another_kind,
    hard_link,
    another_owner,
    writable_for_all,
)
OTHER_KINDS = (link, dangling_link, pipe, another_kind)


class Hung(BaseException):
    """Something waits for ever; no error of the system, since those may be passed over."""


@contextmanager
def deadline() -> Iterator[None]:
    def late(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_MAX)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def outside(tmp_path: Path, on_disk: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that belongs to no project; the database and it are what they were before, when the test is over."""
    monkeypatch.setenv("XDG_STATE_HOME", str(on_disk.state))
    folder = tmp_path / "outside"
    folder.mkdir()
    state = everything(on_disk)[1:]
    yield folder
    assert everything(on_disk)[1:] == state


def _content(folder: Path) -> dict[Path, object]:
    return {p: p.read_bytes() if p.is_file() and not p.is_symlink() else None for p in sorted(folder.rglob("*"))}


def _spring(trap: Trap, path: Path, scene: Scene, outside: Path, command: str, *, status: int | None) -> str:
    """Set a trap, run a command and then all that only look; return what the first one said."""
    trap(path, outside)
    before = _content(outside)
    with deadline():
        said = scene.victim.say(*command.split())
        looks = [scene.victim.say(*words.split()) for words in LOOKING]
    assert status is None or said.status == status, said
    for one in (said, *looks):
        assert one.status in (0, 1, 2, 5), one
        assert "CHM9000" not in one.err
    assert _content(outside) == before
    return said.err


@pytest.mark.parametrize("place", VIOLATIONS)
@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_refused(place: str, trap: Trap, on_disk: Scene, outside: Path) -> None:
    path = on_disk.victim.folder / VIOLATIONS[place]
    told = _spring(trap, path, on_disk, outside, "migrate --apply", status=VIOLATED)
    assert f"• {place}: " in told
    assert place in [f["place"] for f in on_disk.victim.findings("--offline")]


@pytest.mark.parametrize("place", NEEDED)
@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_where_the_lock_is_kept_is_refused(place: str, trap: Trap, on_disk: Scene, outside: Path) -> None:
    path = on_disk.victim.folder / NEEDED[place]
    told = _spring(trap, path, on_disk, outside, "migrate --apply", status=None)
    assert place in told
    is_unlockable = trap in OTHER_KINDS or place == "local/lock"
    assert ("error[CHM2010]: cannot write .chameleon" if is_unlockable else "INTEGRITY VIOLATION DETECTED") in told


@pytest.mark.parametrize("trap", OTHER_KINDS)
def test_what_stands_in_the_place_of_local_files_is_to_be_deleted(trap: Trap, on_disk: Scene, outside: Path) -> None:
    told = _spring(trap, on_disk.victim.folder / ".chameleon/local", on_disk, outside, "status", status=VIOLATED)
    assert "help: delete .chameleon/local: it is made anew" in told
    assert "git or a backup" not in told


@pytest.mark.parametrize("place", PASSED_OVER)
@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_on_which_nothing_depends_is_passed_over(place: str, trap: Trap, on_disk: Scene, outside: Path) -> None:
    where = on_disk.victim.folder / PASSED_OVER[place]
    (path,) = where.parent.glob(where.name)
    _spring(trap, path, on_disk, outside, "verify", status=0)
    if place == "memory" and trap is not another_kind:
        assert path.is_file()  # in its place is a new one
        assert not path.is_symlink()


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Be a user without rights for a while; root is not stopped by permissions."""
    if os.geteuid() != 0:
        yield
        return
    nobody = pwd.getpwnam("nobody")
    os.setegid(nobody.pw_gid)
    os.seteuid(nobody.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def readable(on_disk: Scene) -> Iterator[Project]:
    """A copy of the project that nobody but its owner may change."""
    with tempfile.TemporaryDirectory(prefix="cham-", dir="/tmp") as folder:
        project = Path(folder, "project")
        shutil.copytree(on_disk.victim.folder, project)
        shutil.rmtree(project / ".chameleon" / "local")
        places = [Path(folder), project, *(p for p in project.rglob("*") if p.is_dir())]
        for place in places:
            place.chmod(0o555)
        yield Project(project, on_disk.victim.url)
        for place in places:
            place.chmod(0o755)


def test_somebody_who_may_only_read_looks_and_changes_nothing(
    readable: Project, on_disk: Scene, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (*LOOKING, "migrate --apply --plan 0"):  # whatever is imported late is not to be read by nobody
        on_disk.victim.say(*words.split())
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")
    with _as_nobody():
        for words in LOOKING:
            readable.do(*words.split())
        refused = readable.do("migrate", "--apply", status=1)
    assert "error[CHM2010]: cannot write .chameleon/local: Permission denied" in refused.err
    assert "help: check who owns .chameleon, and its permissions" in refused.err


def test_what_is_another_users_own_is_not_consulted_and_stops_no_look(
    readable: Project, on_disk: Scene, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else for a while")
    for words in LOOKING:
        on_disk.victim.say(*words.split())
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")
    local = readable.folder / ".chameleon" / "local"
    shutil.copytree(on_disk.victim.folder / ".chameleon" / "local", local)
    local.chmod(0o700)
    place = ".chameleon/local: is user 0's own, and was not consulted"
    with _as_nobody():
        for words in (*LOOKING, "migrate --dry-run"):
            assert "INTEGRITY" not in readable.do(*words.split()).err
        assert f"notice: {place}" in readable.do("verify").err
        found = readable.findings("--offline")
        refused = readable.do("migrate", "--apply", status=1)
    assert [(f["code"], f["severity"]) for f in found] == [("LOCAL_NOT_CONSULTED", "notice")]
    assert "error[CHM2010]: cannot write .chameleon/local" in refused.err
    local.chmod(0o755)


@pytest.mark.parametrize("size", [0, 1, 64, 1000, 4096, 65535])
def test_a_limit_to_the_size_of_files_stops_an_apply_before_the_database(
    size: int, on_disk: Scene, outside: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        said = on_disk.victim.say("migrate", "--apply")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said.status == 1
    assert "error[CHM2010]: cannot write .chameleon/" in said.err
    assert on_disk.victim.findings() == []
