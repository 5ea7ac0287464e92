"""Files are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chameleondb import disk


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replace_writes_and_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "a"
    disk.replace(file, b"one")
    disk.replace(file, b"two")
    assert file.read_bytes() == b"two"
    assert _names(tmp_path) == ["a"]


def test_replace_keeps_permissions_and_links(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_bytes(b"one")
    file.chmod(0o640)
    link.symlink_to(file)
    disk.replace(link, b"two")
    assert link.is_symlink()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"two", 0o640)


def test_a_given_mode_ignores_the_umask(tmp_path: Path) -> None:
    disk.replace(tmp_path / "a", b"", mode=0o666)
    disk.create(tmp_path / "b", b"", mode=0o600)
    assert [p.stat().st_mode & 0o777 for p in (tmp_path / "a", tmp_path / "b")] == [0o666, 0o600]


def test_create_refuses_an_existing_file(tmp_path: Path) -> None:
    disk.create(tmp_path / "a", b"one")
    with pytest.raises(FileExistsError) as caught:
        disk.create(tmp_path / "a", b"two")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "a"), None)
    assert (tmp_path / "a").read_bytes() == b"one"
    assert _names(tmp_path) == ["a"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, bytes(data[:3])))
    disk.replace(tmp_path / "a", b"0123456789")
    with disk.private(tmp_path) as folder:
        folder.add("b", b"0123456789")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        disk.replace(file, b"new")
    assert (caught.value.filename, caught.value.filename2) == (str(file), None)
    assert file.read_bytes() == b"old"
    assert _names(tmp_path) == ["a"]


def test_a_private_file_grows(tmp_path: Path) -> None:
    with disk.private(tmp_path / "own", make=True) as folder:
        folder.add("log", b"1\n")
        folder.add("log", b"2\n")
        with folder.open_own("log") as file:
            assert file.read() == b"1\n2\n"
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "own" / "log").stat().st_mode & 0o777 == 0o600


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def _hard_link(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"theirs")
    os.link(path.with_name("elsewhere"), path)


def _for_all(path: Path) -> None:
    path.touch()
    path.chmod(0o666)


@pytest.mark.parametrize("trap", [_link, _hard_link, _for_all, os.mkfifo, Path.mkdir])
def test_what_is_no_private_file_is_neither_read_nor_written(trap: Callable[[Path], object], tmp_path: Path) -> None:
    trap(tmp_path / "log")
    with disk.private(tmp_path) as folder:
        with pytest.raises(OSError, match=r"."):
            folder.add("log", b"1\n")
        with pytest.raises(OSError, match=r"."), folder.open_own("log") as file:
            file.read()
        with pytest.raises(OSError, match=r"."):
            folder.open_lock("log", b"note")
    elsewhere = tmp_path / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_bytes() == b"theirs"


def test_a_private_folder_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "own").symlink_to(tmp_path)
    with pytest.raises(OSError, match="own"):
        disk.private(tmp_path / "own", make=True)


def test_directories(tmp_path: Path) -> None:
    disk.make_directory(tmp_path / "a" / "b", mode=0o700)
    disk.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_private_directory_is_below_a_shared_one(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with disk.private(tmp_path / "a" / "b" / "c" / "d", make=True, shared=tmp_path / "a" / "b"):
            pass
    finally:
        os.umask(before)
    modes = [p.stat().st_mode & 0o777 for p in sorted(tmp_path.rglob("*"))]
    assert modes == [0o755, 0o755, 0o700, 0o700]


def test_locks(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with disk.locked(lock) as mine:
        assert mine
        with disk.locked(lock) as second:
            assert not second
        assert disk.open_lock(lock, shared=True) is None
    first, second_shared = disk.open_lock(lock, shared=True), disk.open_lock(lock, shared=True)
    assert first is not None
    assert second_shared is not None
    assert disk.open_lock(lock) is None
    os.close(first)
    os.close(second_shared)
