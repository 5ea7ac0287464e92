"""A disk that remembers what was done to it, and which states a power cut may leave.

`Disk` stands in for the module `os` in `chameleondb.disk`: everything is done for real and noted. `states` then gives,
for a cut after each operation, every tree of files that may be found: of what was not synced, any part may be lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

ROOT = 0


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes added to the end of a file (or, with `size`, all but that many taken away)."""

    inode: int
    data: bytes = b""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of names, done at once: (directory, name, inode), None for a name that goes."""

    changes: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """From here on, what is in an inode is safe."""

    inode: int


Operation = Write | Entry | Sync


@dataclass(slots=True)
class Tree:
    """Files and directories by inode. A state of the disk."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[int, bytes] = field(default_factory=dict)

    def apply(self, operation: Operation) -> None:
        match operation:
            case Write(inode, data, None):
                self.files[inode] = self.files.get(inode, b"") + data
            case Write(inode, _, size):
                self.files[inode] = self.files.get(inode, b"")[:size]
            case Entry(changes):
                for folder, name, named in changes:
                    if named is None:
                        self.folders[folder].pop(name, None)
                    else:
                        self.folders[folder][name] = named
            case Sync():
                pass

    def key(self, inode: int = ROOT) -> Any:
        """Return what tells states apart: only what can be reached."""
        if inode in self.folders:
            return tuple((name, self.key(child)) for name, child in sorted(self.folders[inode].items()))
        return inode, self.files.get(inode, b"")

    def write(self, target: Path, modes: Mapping[int, int]) -> None:
        """Make this tree on the real disk."""
        self._write(ROOT, target, modes, {})

    def _write(self, inode: int, target: Path, modes: Mapping[int, int], made: dict[int, Path]) -> None:
        for name, child in self.folders[inode].items():
            path = target / name
            if child in self.folders:
                path.mkdir()
                self._write(child, path, modes, made)
            elif child in made:
                os.link(made[child], path)
            else:
                path.write_bytes(self.files.get(child, b""))
                made[child] = path
            os.chmod(path, modes.get(child, 0o600))


class Disk:
    """What `chameleondb.disk` takes for `os`. `forgets` tells which syncs of inodes do nothing: a fault to be found."""

    def __init__(self, root: Path, forgets: Callable[[bool], bool] = lambda _is_folder: False) -> None:
        self.root = root
        self.forgets = forgets
        self.operations: list[Operation] = []
        self.tree = Tree()
        self.modes: dict[int, int] = {}
        self.handles: dict[int, int] = {}
        self.count = ROOT
        self.before: dict[str, int] = {}

    def has_folder(self, name: str) -> None:
        """Note a directory that was there, and safe, before anything is done."""
        self.count += 1
        self.before[name] = self.tree.folders[ROOT][name] = self.count
        self.tree.folders[self.count] = {}
        self.modes[self.count] = 0o755

    def base(self) -> Tree:
        """Return what was there before, and a place for what is in each directory later."""
        return Tree({folder: dict(self.before) if folder == ROOT else {} for folder in self.tree.folders})

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        handle = os.open(path, flags, mode, dir_fd=dir_fd)
        found = self._find(path, dir_fd)
        if found is None:
            assert dir_fd is not None
            found = self._new(dir_fd, path, mode)
            self.tree.files[found] = b""
        self.handles[handle] = found
        return handle

    def close(self, handle: int) -> None:
        os.close(handle)

    def mkdir(self, name: str, mode: int, *, dir_fd: int) -> None:
        os.mkdir(name, mode, dir_fd=dir_fd)
        self.tree.folders[self._new(dir_fd, name, mode)] = {}

    def write(self, handle: int, data: Any) -> int:
        count = os.write(handle, data)
        self._note(Write(self.handles[handle], bytes(data[:count])))
        return count

    def ftruncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)
        self._note(Write(self.handles[handle], size=size))

    def fchmod(self, handle: int, mode: int) -> None:
        os.fchmod(handle, mode)
        self.modes[self.handles[handle]] = mode

    def fsync(self, handle: int) -> None:
        inode = self.handles[handle]
        if not self.forgets(inode in self.tree.folders):
            self._note(Sync(inode))

    def link(self, source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        os.link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)
        self._note(Entry(((self.handles[dst_dir_fd], target, self._find(source, src_dir_fd)),)))

    def replace(self, source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        inode = self._find(source, src_dir_fd)
        os.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        gone, come = (self.handles[src_dir_fd], source, None), (self.handles[dst_dir_fd], target, inode)
        self._note(Entry((gone, come)))

    def unlink(self, name: str, *, dir_fd: int) -> None:
        os.unlink(name, dir_fd=dir_fd)
        self._note(Entry(((self.handles[dir_fd], name, None),)))

    def _new(self, dir_fd: int, name: str, mode: int) -> int:
        self.count += 1
        self.modes[self.count] = mode
        self._note(Entry(((self.handles[dir_fd], name, self.count),)))
        return self.count

    def _find(self, path: Any, dir_fd: int | None) -> int | None:
        if dir_fd is not None:
            return self.tree.folders[self.handles[dir_fd]].get(path)
        inode = ROOT
        for part in Path(path).relative_to(self.root).parts:
            inode = self.tree.folders[inode][part]
        return inode

    def _note(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.tree.apply(operation)


def states(disk: Disk) -> Iterator[tuple[int, Tree]]:
    """Yield (operations done, tree) for every tree that may be found after a power cut, each once for each count."""
    for done in range(len(disk.operations) + 1):
        seen = set()
        for tree in _after(disk.operations[:done], disk.base()):
            key = tree.key()
            if key not in seen:
                seen.add(key)
                yield done, tree


def _after(operations: list[Operation], base: Tree) -> Iterator[Tree]:
    """Yield the trees: what was synced, and of the rest each change of names or none, a write whole, half or none."""
    choices = [_choices(operation, operations[at + 1 :]) for at, operation in enumerate(operations)]
    for chosen in product(*choices):
        tree = Tree({folder: dict(names) for folder, names in base.folders.items()})
        for operation in chosen:
            if operation is not None:
                tree.apply(operation)
        yield tree


def _choices(operation: Operation, later: list[Operation]) -> tuple[Operation | None, ...]:
    synced = {o.inode for o in later if isinstance(o, Sync)}
    match operation:
        case Write(inode, data, size):
            if inode in synced:
                return (operation,)
            half = (Write(inode, data[: len(data) // 2]),) if size is None else ()
            return (operation, *half, None)
        case Entry(changes):
            return (operation,) if synced & {folder for folder, _, _ in changes} else (operation, None)
        case Sync():
            return (None,)
