"""Files are written whole or not at all."""

from __future__ import annotations

import os
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
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert _names(tmp_path) == ["a"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, bytes(data[:3])))
    disk.replace(tmp_path / "a", b"0123456789")
    disk.append(tmp_path / "b", b"0123456789")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        disk.replace(file, b"new")
    assert file.read_bytes() == b"old"
    assert _names(tmp_path) == ["a"]


def test_append(tmp_path: Path) -> None:
    disk.append(tmp_path / "log", b"1\n", mode=0o600)
    disk.append(tmp_path / "log", b"2\n")
    assert (tmp_path / "log").read_bytes() == b"1\n2\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_append_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        disk.append(tmp_path / "log", b"1\n")


def test_directories(tmp_path: Path) -> None:
    disk.make_directory(tmp_path / "a" / "b", mode=0o700)
    disk.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


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
