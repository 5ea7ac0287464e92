"""The only module that writes files.

Rules kept here: a reader sees the old file or the new one, never a half; what was reported as written survives a power
cut; bytes go out in a loop, since `os.write` may take fewer than it was given; a failed fsync is never tried again,
because the system may already have thrown the data away.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def replace(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write `data` to `path` in one step; an existing file keeps its permissions unless `mode` is given.

    A symbolic link is followed: its target is replaced, the link stays. Raises: OSError; `path` is then untouched.
    """
    path = path.resolve()
    if mode is None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    temporary = _write_beside(path, data, mode)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def create(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a new file in one step. Raises: FileExistsError, even when another process was quicker; OSError."""
    temporary = _write_beside(path, data, 0o666 & ~_umask() if mode is None else mode)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def append(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Add `data` to the end of a file, which is made if need be, and wait until it is safe. Raises: OSError."""
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        _sync_directory(path.parent)


def make_directory(path: Path, *, mode: int = 0o777) -> None:
    """Make a directory and those above it; `mode` (less the umask) is that of the new ones."""
    if path.is_dir():
        return
    make_directory(path.parent, mode=mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
        _sync_directory(path.parent)


def remove(path: Path) -> None:
    """Delete a file, if it is there."""
    path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Delete a directory and all in it, as far as possible."""
    shutil.rmtree(path, ignore_errors=True)


def move_directory(source: Path, target: Path) -> None:
    """Give a finished directory its final name. Raises: OSError if `target` is there and not empty."""
    os.rename(source, target)
    _sync_directory(target.parent)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory; symbolic links stay links. Raises: OSError."""
    shutil.copytree(source, target, symlinks=True)


def open_log(path: Path) -> int:
    """Open a file that another process appends to; returns a descriptor, to be closed by the caller."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)


def open_lock(path: Path, *, shared: bool = False, wait: bool = False) -> int | None:
    """Lock a file that is never deleted; returns its descriptor, or None if another process holds it.

    The lock lasts until the descriptor is closed by every process that has it. A killed process leaves nothing behind.
    """
    import fcntl

    handle = os.open(path, _LOCK, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold an exclusive lock for the time of the block; gives False, and no lock, if another process holds it."""
    handle = open_lock(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _write_beside(path: Path, data: bytes, mode: int) -> Path:
    # In the same directory, since a rename works only within one file system; random, since a killed run may have
    # left its own.
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, _NEW, 0o600)
    try:
        try:
            if sys.platform != "win32":
                os.fchmod(handle, mode)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync_directory(path: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The system only tells the umask to those who set it.
    current = os.umask(0o077)
    os.umask(current)
    return current
