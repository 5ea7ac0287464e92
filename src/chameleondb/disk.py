"""The only module that writes files.

Rules kept here: a reader sees the old file or the new one, never a half; what was reported as written survives a power
cut, but for what may be lost (`durable=False`); bytes go out in a loop, since `os.write` may take fewer than it was
given; a failed fsync is never tried again, because the system may already have thrown the data away.

`Folder` does the same inside a directory that is held open, so that a link put in its path meanwhile diverts nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK
_LOCK = os.O_RDWR | os.O_CREAT | _NO_LINK

WAYS_OUT = {
    errno.ENOSPC: "make room on the disk and run the same command again",
    errno.EDQUOT: "your quota is used up: make room and run the same command again",
    errno.EROFS: "the disk is read-only: reading commands work, changes need one that can be written",
    errno.EIO: "check the disk; then run the same command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run the same command again",
}
"""What helps when the system refuses to write, by the number of its error."""


def replace(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write `data` to `path` in one step; an existing file keeps its permissions unless `mode` is given.

    A symbolic link is followed: its target is replaced, the link stays. Raises: OSError that names `path`, which is
    then untouched.
    """
    with _naming(path):
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
    """Write a new file in one step. Raises: FileExistsError, even when another process was quicker; OSError.

    They name `path`.
    """
    with _naming(path):
        temporary = _write_beside(path, data, 0o666 & ~_umask() if mode is None else mode)
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)


def make_directory(path: Path, *, mode: int = 0o777, shared: Path | None = None) -> None:
    """Make a directory and those above it; `mode` (less the umask) is that of the new ones.

    `shared` is one above, from which on upwards they are for everybody.
    """
    if path.is_dir():
        return
    if path == shared:
        mode = 0o777
    make_directory(path.parent, mode=mode, shared=shared)
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
    return _lock(os.open(path, _LOCK, 0o600), shared=shared, wait=wait)


def _lock(handle: int, *, shared: bool = False, wait: bool = False) -> int | None:
    import fcntl

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


def private(path: Path, *, make: bool = False, shared: Path | None = None) -> Folder:
    """Open the directory of private files, of which neither it nor they may be links; perhaps made before.

    Those above it are private, too, up to `shared`. Raises: OSError.
    """
    if make:
        make_directory(path, mode=0o700, shared=shared)
    with Folder.at(path.parent) as parent:
        return parent.enter(path.name)


class Folder:
    """A directory held open; names are looked up in it and never followed if they are symbolic links.

    What changes a name is safe when the call returns. Every OSError has the whole path of the file as its `filename`.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    @classmethod
    def at(cls, path: Path) -> Folder:
        """Open a directory by its path; links on the way to it are the user's own. Raises: OSError."""
        return cls(path, os.open(path, _DIRECTORY))

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def enter(self, name: str) -> Folder:
        """Open a directory in this one. Raises: OSError, also if it is a link to one."""
        with self._named(name):
            return Folder(self.path / name, os.open(name, _DIRECTORY | _NO_LINK, dir_fd=self._handle))

    def status(self, name: str | None = None) -> os.stat_result:
        """Return the status of a name, of a link itself if it is one, or of this directory. Raises: OSError."""
        if name is None:
            return os.fstat(self._handle)
        with self._named(name):
            return os.stat(name, dir_fd=self._handle, follow_symlinks=False)

    def names(self) -> list[str]:
        """Return what is in it, sorted. Raises: OSError."""
        with self._named():
            return sorted(os.listdir(self._handle))

    def read(self, name: str, expected: os.stat_result, bytes_max: int) -> bytes:
        """Return at most `bytes_max` + 1 bytes of the regular file that `status` gave `expected` for.

        Raises: OSError, also if another file has taken its name.
        """
        with self._named(name):
            # Non-blocking, since opening a pipe that has taken the name would wait for a writer.
            handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NO_LINK, dir_fd=self._handle)
            try:
                if not os.path.samestat(os.fstat(handle), expected):
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                return _read_all(handle, bytes_max + 1)
            finally:
                os.close(handle)

    def make(self, name: str, *, mode: int) -> None:
        """Make a directory, whatever the umask. Raises: OSError."""
        with self._named(name):
            os.mkdir(name, mode, dir_fd=self._handle)
            with self.enter(name) as made:
                os.fchmod(made._handle, mode)
            os.fsync(self._handle)

    def made(self, name: str, *, mode: int) -> Folder:
        """Open a directory in this one, made if need be: git keeps no empty ones. Raises: OSError."""
        with contextlib.suppress(FileExistsError):
            self.make(name, mode=mode)
        return self.enter(name)

    def permit(self, *, mode: int) -> None:
        """Set the permissions of this directory. Raises: OSError."""
        with self._named():
            os.fchmod(self._handle, mode)

    def create(self, name: str, data: bytes, *, mode: int) -> None:
        """Write a new file in one step. Raises: FileExistsError, even if another process was quicker; OSError."""
        temporary = self._write_beside(name, data, mode)
        with self._named(name):
            try:
                os.link(temporary, name, src_dir_fd=self._handle, dst_dir_fd=self._handle, follow_symlinks=False)
            finally:
                os.unlink(temporary, dir_fd=self._handle)
            os.fsync(self._handle)

    def replace(self, name: str, data: bytes, *, mode: int, durable: bool = True) -> None:
        """Write a file in one step, in the place of an older one if there is one. Raises: OSError.

        A power cut may leave one that is not `durable` empty or torn.
        """
        temporary = self._write_beside(name, data, mode, durable=durable)
        with self._named(name):
            try:
                os.replace(temporary, name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=self._handle)
                raise
            if durable:
                os.fsync(self._handle)

    def append(self, name: str, data: bytes, *, after: bytes) -> None:
        """Add to the end of a file that ends in `after`. Raises: ChangedFile if it does not; OSError."""
        with self._opened(name, os.O_RDWR | os.O_APPEND) as handle:
            if not _ends_in(handle, after):
                raise ChangedFile(errno.ESTALE, "it has changed meanwhile")
            _write_all(handle, data)
            os.fsync(handle)

    def add(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Add to the end of a private file, which is made if need be. Raises: OSError, also if it is not our own.

        A power cut may tear what is not `durable`.
        """
        with self._named(name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | _NO_LINK
            handle = os.open(name, flags, 0o600, dir_fd=self._handle)
            try:
                self._require_own(handle)
                _write_all(handle, data)
                if durable:
                    os.fsync(handle)
            finally:
                os.close(handle)

    def open_own(self, name: str) -> BinaryIO:
        """Open a private file to be read. Raises: OSError, also if it is not our own."""
        with self._named(name):
            handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NO_LINK, dir_fd=self._handle)
            try:
                self._require_own(handle)
            except BaseException:
                os.close(handle)
                raise
            return os.fdopen(handle, "rb")

    def cut(self, name: str, size: int) -> None:
        """Shorten a file. Raises: OSError."""
        with self._opened(name, os.O_WRONLY) as handle:
            os.ftruncate(handle, size)
            os.fsync(handle)

    def try_append(self, name: str) -> None:
        """Prove that a file could be added to. Raises: OSError."""
        with self._opened(name, os.O_WRONLY | os.O_APPEND):
            pass

    def try_create(self, size: int) -> None:
        """Prove that a file of `size` bytes could be made here. Raises: OSError."""
        temporary = self._write_beside("probe", bytes(size), 0o600)
        with self._named(temporary):
            os.unlink(temporary, dir_fd=self._handle)

    def move(self, name: str, to: Folder, new_name: str) -> None:
        """Give a file or directory another name, perhaps in another directory; a file there goes. Raises: OSError."""
        with self._named(name):
            os.replace(name, new_name, src_dir_fd=self._handle, dst_dir_fd=to._handle)
            os.fsync(to._handle)
            os.fsync(self._handle)

    def remove(self, name: str) -> None:
        """Delete a file, if it is there. Raises: OSError."""
        with self._named(name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._handle)
            os.fsync(self._handle)

    def remove_tree(self, name: str) -> None:
        """Delete a file, or a directory and all in it; links are not followed. Raises: OSError."""
        with self._named(name):
            if stat.S_ISDIR(os.stat(name, dir_fd=self._handle, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=self._handle)
                os.fsync(self._handle)
                return
        self.remove(name)

    def sync(self) -> None:
        """Wait until the names in it are safe. Raises: OSError."""
        with self._named():
            os.fsync(self._handle)

    def open_lock(self, name: str, note: bytes) -> int | None:
        """Lock a file that is never deleted, and leave a note in it on who holds it; see `disk.open_lock`.

        Raises: OSError.
        """
        with self._named(name):
            handle = _lock(os.open(name, _LOCK | getattr(os, "O_NONBLOCK", 0), 0o600, dir_fd=self._handle))
            if handle is not None:
                try:
                    self._require_own(handle)
                    os.ftruncate(handle, 0)
                    _write_all(handle, note)
                except BaseException:
                    os.close(handle)
                    raise
        return handle

    def _require_own(self, handle: int) -> None:
        """Refuse what is no file, or has another name somewhere else, or that others own or may write to."""
        found, folder = os.fstat(handle), os.fstat(self._handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if found.st_nlink > 1:
            raise OSError(errno.EMLINK, "it has another name somewhere else (a hard link)")
        if sys.platform != "win32" and found.st_uid not in (0, os.geteuid(), folder.st_uid):
            raise OSError(errno.EPERM, "it belongs to another user")
        if found.st_mode & stat.S_IWOTH:
            raise OSError(errno.EPERM, "others may write to it")

    @contextlib.contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        with self._named(name):
            if not stat.S_ISREG(os.stat(name, dir_fd=self._handle, follow_symlinks=False).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            handle = os.open(name, flags | getattr(os, "O_NONBLOCK", 0) | _NO_LINK, dir_fd=self._handle)
            try:
                yield handle
            finally:
                os.close(handle)

    def _write_beside(self, name: str, data: bytes, mode: int, *, durable: bool = True) -> str:
        temporary = temporary_name(name)
        with self._named(name):
            handle = os.open(temporary, _NEW, 0o600, dir_fd=self._handle)
            try:
                _fill(handle, data, mode, durable=durable)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=self._handle)
                raise
        return temporary

    def _named(self, name: str = "") -> AbstractContextManager[None]:
        return _naming(self.path / name)


class ChangedFile(OSError):
    """A file is not what this process left it as."""


def temporary_name(name: str) -> str:
    """Return a name beside `name`; random, since a killed run may have left its own."""
    return f".{name[:64]}.{secrets.token_hex(8)}.tmp"


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have every error of the block name a file, and no temporary one beside it."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _write_beside(path: Path, data: bytes, mode: int) -> Path:
    # In the same directory, since a rename works only within one file system.
    temporary = path.with_name(temporary_name(path.name))
    handle = os.open(temporary, _NEW, 0o600)
    try:
        _fill(handle, data, mode)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _fill(handle: int, data: bytes, mode: int, *, durable: bool = True) -> None:
    """Write a new file that is open, make it safe if it is to be, and close it."""
    try:
        if sys.platform != "win32":
            os.fchmod(handle, mode)
        _write_all(handle, data)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _read_all(handle: int, bytes_max: int) -> bytes:
    parts, rest = [], bytes_max
    while rest and (part := os.read(handle, min(rest, 1024 * 1024))):
        parts.append(part)
        rest -= len(part)
    return b"".join(parts)


def _ends_in(handle: int, end: bytes) -> bool:
    start = os.fstat(handle).st_size - len(end)
    return start >= 0 and os.pread(handle, len(end) + 1, start) == end


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
