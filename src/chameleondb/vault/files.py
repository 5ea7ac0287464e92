"""Reading the vault: everything that is in its directory, as bytes, and what the file system itself shows to be wrong.

Directories are opened one inside the other and never through a link; a file is read once, and what was read is what is
hashed and parsed. Nothing found here raises: whatever cannot be read is a finding.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path

from chameleondb.disk import Folder
from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.vault import layout
from chameleondb.vault.snapshot import Glance, glance

RESTORE = "restore .chameleon/vault from git or a backup"
_IN_THE_WAY = "a symbolic link or a file has no place there: replace it by a directory; if it held a vault, " + RESTORE
_TRIES = 10


@frozen(kw_only=True)
class VaultFiles:
    """What is on disk. `exists` is true if there is any trace of a vault, `is_open` if its directory could be read."""

    exists: bool = True
    is_open: bool = True
    manifest: bytes | None = None
    log: bytes | None = None
    versions: Mapping[str, Glance] = field(default_factory=dict)  # by file name, as are hashes
    hashes: Mapping[str, bytes] = field(default_factory=dict)
    superseded: frozenset[str] = frozenset()  # ids of versions that a rebase took out of the chain
    leftovers: tuple[str, ...] = ()  # paths below the data directory of what a killed run left
    findings: tuple[Finding, ...] = ()


def read_files(data: Path, *, deep: bool = True) -> VaultFiles:
    """Read the vault of the data directory `data`; `deep` also parses the versions. Never raises for what it finds."""
    found = _Reader(data, deep=deep).read()
    for _ in range(_TRIES - 1):
        # Somebody may be writing just now; readers take no lock, since the disk may be read-only.
        if not found.was_moving:
            break
        found = _Reader(data, deep=deep).read()
    return found.files()


class _Reader:
    """One pass over the files, in the opposite order of writing: what one of them names is there in the next."""

    def __init__(self, data: Path, *, deep: bool) -> None:
        self.data = data
        self.deep = deep
        self.owners = _trusted_owners(data.parent)
        self.exists = True
        self.is_open = False
        self.was_moving = False
        self.single: dict[str, bytes | None] = {}
        self.versions: dict[str, Glance] = {}
        self.hashes: dict[str, bytes] = {}
        self.superseded: set[str] = set()
        self.leftovers: list[str] = []
        self.findings: list[Finding] = []

    def files(self) -> VaultFiles:
        return VaultFiles(
            exists=self.exists,
            is_open=self.is_open,
            manifest=self.single.get(layout.MANIFEST),
            log=self.single.get(layout.LOG),
            versions=self.versions,
            hashes=self.hashes,
            superseded=frozenset(self.superseded),
            leftovers=tuple(self.leftovers),
            findings=tuple(self.findings),
        )

    def read(self) -> _Reader:
        if not os.path.lexists(self.data):
            self.exists = False
            return self
        try:
            parent = Folder.at(self.data.parent)
        except OSError as error:
            self._unreadable(str(self.data.parent), error)
            return self
        with parent:
            self._enter(parent, self.data.name, ".chameleon", self._data, way_out=_IN_THE_WAY)
        return self

    def _data(self, folder: Folder, names: list[str]) -> None:
        self.leftovers += [name for name in names if layout.TEMPORARY.match(name)]
        if layout.LOCAL in names:
            self._own(folder)
        if layout.VAULT in names:
            self._enter(folder, layout.VAULT, ".chameleon/vault", self._vault)
            self._rules(folder, names)
        elif layout.ATTRIBUTES in names:
            self._add("VAULT_MISSING", ".chameleon/vault", "there was a vault here", hint=RESTORE)
        else:
            self.exists = False

    def _rules(self, data: Folder, names: list[str]) -> None:
        if layout.ATTRIBUTES in names and rules_hold(data):
            return
        what, first = "is missing", ""
        if layout.ATTRIBUTES in names:
            what = "does not end in its rule"
            if not stat.S_ISREG(data.status(layout.ATTRIBUTES).st_mode):
                what, first = "is not a regular file", "move it away, then "
        self._add(
            "GIT_RULES_MISSING",
            f".chameleon/{layout.ATTRIBUTES}",
            f"{what}: git may merge the vault by lines",
            hint=f"{first}`chameleon init`, or the next `chameleon migrate --apply`, puts it right",
        )

    def _own(self, data: Folder) -> None:
        """Look into `local`; another user's is closed on purpose, and who may not enter it uses nothing of it."""
        place = f".chameleon/{layout.LOCAL}"
        with contextlib.suppress(OSError):
            status = data.status(layout.LOCAL)
            if stat.S_ISDIR(status.st_mode) and status.st_uid != os.geteuid():
                try:
                    with data.enter(layout.LOCAL):
                        pass
                except PermissionError:
                    message = f"is user {status.st_uid}'s own, and was not consulted"
                    self._add("LOCAL_NOT_CONSULTED", place, message, hint="nothing of it is needed to read")
                    return
        self._enter(data, layout.LOCAL, place, self._local, way_out=f"delete {place}: it is made anew")

    def _local(self, folder: Folder, names: list[str]) -> None:
        """Look at what belongs to this machine only as far as writing to it could do harm elsewhere."""
        for name in names:
            try:
                status = folder.status(name)
            except OSError:
                continue  # its writer has just finished
            place = f".chameleon/local/{name}"
            is_file, is_folder = stat.S_ISREG(status.st_mode), stat.S_ISDIR(status.st_mode)
            is_right = name not in layout.LOCAL_FILES if is_folder else is_file and name != layout.CACHE
            if not is_right:
                self._add("UNSAFE_FILE", place, "not what Chameleon makes there", hint="delete it")
            elif is_file and status.st_nlink > 1:
                self._add("UNSAFE_FILE", place, "has another name somewhere else (a hard link)", hint="delete it")
            else:
                self._check_access(place, status)

    def _vault(self, folder: Folder, names: list[str]) -> None:
        self.is_open = True
        before = _marks(folder)
        known = {
            layout.MANIFEST: layout.MANIFEST_BYTES_MAX,
            layout.LOG: layout.LOG_BYTES_MAX,
        }
        for name, bytes_max in known.items():
            if name in names:
                self.single[name] = self._file(folder, name, name, bytes_max, names)
        folders = {layout.HASHES: self._hashes, layout.VERSIONS: self._versions}
        for name, read in folders.items():
            if name in names:
                self._enter(folder, name, name, read)
        self._rest(folder, "", [n for n in names if n not in known and n not in folders])
        self.was_moving = before != _marks(folder)

    def _versions(self, folder: Folder, names: list[str]) -> None:
        versions = [n for n in names if layout.is_version_file(n)]
        whole_lines = (self.single.get(layout.LOG) or b"").rpartition(b"\n")[0]
        for name in versions:
            data = self._file(folder, name, name, layout.VERSION_BYTES_MAX, names)
            if data is not None:
                self.versions[name] = found = glance(data, deep=self.deep)
                if name == versions[-1] and found.sha256.encode("ascii") not in whole_lines:
                    # It may be what a killed run left; only its content can tell.
                    self.versions[name] = glance(data, deep=True)
        kept = {layout.SUPERSEDED: self._superseded, layout.ORPHANS: self._orphans}
        for name, read in kept.items():
            if name in names:
                self._enter(folder, name, f"{layout.VERSIONS}/{name}", read)
        self._rest(folder, f"{layout.VERSIONS}/", [n for n in names if n not in versions and n not in kept])

    def _hashes(self, folder: Folder, names: list[str]) -> None:
        hashes = [n for n in names if layout.is_hash_file(n)]
        for name in hashes:
            data = self._file(folder, name, f"{layout.HASHES}/{name}", layout.HASH_BYTES_MAX, names)
            if data is not None:
                self.hashes[name] = data
        self._rest(folder, f"{layout.HASHES}/", [n for n in names if n not in hashes])

    def _superseded(self, folder: Folder, names: list[str]) -> None:
        self.superseded |= self._by_hash(folder, f"{layout.VERSIONS}/{layout.SUPERSEDED}/", names)

    def _orphans(self, folder: Folder, names: list[str]) -> None:
        self._by_hash(folder, f"{layout.VERSIONS}/{layout.ORPHANS}/", names)

    def _by_hash(self, folder: Folder, prefix: str, names: list[str]) -> set[str]:
        sound = set()
        for name in names:
            match = layout.BY_HASH.match(name)
            if match is None:
                continue
            data = self._file(folder, name, prefix + name, layout.VERSION_BYTES_MAX, names)
            if data is not None and sha256(data).hexdigest() == match[1]:
                sound.add(match[1])
            elif data is not None:
                self._add("VERSION_HASH_MISMATCH", prefix + name, "hash mismatch", hint=RESTORE)
        self._rest(folder, prefix, [n for n in names if not layout.BY_HASH.match(n)])
        return sound

    def _rest(self, folder: Folder, prefix: str, names: list[str]) -> None:
        for name in names:
            if layout.TEMPORARY.match(name):
                self._leftover(folder, prefix + name, name)
            else:
                self._add(
                    "UNKNOWN_FILE",
                    prefix + name,
                    "nothing of this name belongs in a vault",
                    hint=f"move it away from .chameleon/vault/{prefix}",
                )

    def _leftover(self, folder: Folder, place: str, name: str) -> None:
        try:
            if not stat.S_ISREG(folder.status(name).st_mode):
                self._add("UNSAFE_FILE", place, "not a regular file", hint="delete it")
                return
        except OSError:
            return  # its writer has just finished
        self.leftovers.append(f"{layout.VAULT}/{place}")

    def _enter(
        self,
        parent: Folder,
        name: str,
        place: str,
        read: Callable[[Folder, list[str]], None],
        way_out: str = RESTORE,
    ) -> None:
        try:
            status = parent.status(name)
            if not stat.S_ISDIR(status.st_mode):
                self._add("NOT_A_DIRECTORY", place, "not a directory, or a link to one", hint=way_out)
                return
            self._check_access(place, status)
            with parent.enter(name) as folder:
                read(folder, folder.names())
        except OSError as error:
            self._unreadable(place, error)

    def _file(self, folder: Folder, name: str, place: str, bytes_max: int, beside: list[str]) -> bytes | None:
        """Return a file's bytes; None if it is gone, and with a finding if it is not to be read."""
        for _ in range(_TRIES):
            try:
                status = folder.status(name)
                if problem := _why_unsafe(folder, status, beside):
                    self._add("UNSAFE_FILE", place, problem, hint=RESTORE)
                    return None
                data = folder.read(name, status, bytes_max) if status.st_size <= bytes_max else None
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno == errno.ESTALE:
                    continue  # a writer has just put another in its place
                self._unreadable(place, error)
                return None
            self._check_access(place, status)
            if data is None or len(data) > bytes_max:  # it may have grown meanwhile
                self._add("FILE_TOO_LARGE", place, f"larger than {bytes_max:,} bytes", hint=RESTORE)
                return None
            return data
        self._add("UNREADABLE_FILE", place, "changes all the time", hint="see what is writing to it")
        return None

    def _check_access(self, place: str, status: os.stat_result) -> None:
        if status.st_uid not in self.owners:
            self._add(
                "FOREIGN_OWNER",
                place,
                "belongs to another user",
                actual=f"user {status.st_uid}",
                hint="if you trust who made it: sudo chown -R $(id -u) .chameleon",
            )
        if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _is_private_group(status)):
            self._add(
                "PERMISSIVE_MODE",
                place,
                "others may write to it",
                actual=f"{stat.S_IMODE(status.st_mode):04o}",
                hint="chmod -R go-w .chameleon",
            )

    def _unreadable(self, place: str, error: OSError) -> None:
        self._add(
            "UNREADABLE_FILE", place, f"cannot be read: {error.strerror}", hint="check its permissions and the disk"
        )

    def _add(self, code: str, place: str, message: str, *, actual: str | None = None, hint: str) -> None:
        shown = place.encode("utf-8", "backslashreplace").decode()
        self.findings.append(Finding(code=code, place=shown, message=message, actual=actual, hint=hint))


def rules_hold(data: Folder) -> bool:
    """Whether git has the rule for the vault: the last one that fits counts. A link is not read by git either."""
    with contextlib.suppress(OSError):
        status = data.status(layout.ATTRIBUTES)
        if stat.S_ISREG(status.st_mode) and status.st_size <= layout.RULES_BYTES_MAX:
            lines = data.read(layout.ATTRIBUTES, status, layout.RULES_BYTES_MAX).split(b"\n")
            rules = [line.strip() for line in lines if line.strip() and not line.startswith(b"#")]
            return rules[-1:] == [layout.ATTRIBUTES_TEXT.strip()]
    return False


def _marks(folder: Folder) -> list[tuple[int, int, int] | None]:
    """Return what changes when a file does, or the names in a directory."""
    marks: list[tuple[int, int, int] | None] = []
    for name in (layout.MANIFEST, layout.LOG, layout.HASHES, layout.VERSIONS):
        try:
            status = folder.status(name)
            marks.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            marks.append(None)
    return marks


def _why_unsafe(folder: Folder, status: os.stat_result, beside: list[str]) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_nlink > 1 + _links_of_writer(folder, status, beside):
        return "has another name somewhere else (a hard link)"
    return None


def _links_of_writer(folder: Folder, status: os.stat_result, beside: list[str]) -> int:
    """Return how many names of a file are temporary ones beside it: its writer was killed before it removed them."""
    if status.st_nlink == 1:
        return 0
    count = 0
    for name in beside:
        if layout.TEMPORARY.match(name):
            with contextlib.suppress(OSError):
                count += os.path.samestat(folder.status(name), status)
    return count


def _trusted_owners(project: Path) -> set[int]:
    """Return whose files may be here: the user's, root's, and those of whoever owns the project."""
    owners = {0, os.geteuid()}
    with contextlib.suppress(OSError):
        owners.add(project.stat().st_uid)
    return owners


def _is_private_group(status: os.stat_result) -> bool:
    """Whether only the owner is in the file's group, as where each user has one of his own and umask 002."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return status.st_uid != 0 and user.pw_name == group.gr_name and set(group.gr_mem) <= {user.pw_name}
