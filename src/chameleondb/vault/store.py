"""Writing the vault. Each method leaves either what was there or what was asked for, and a killed one a vault that
`repair` puts right.

The order is what makes it so: a version's file, its hash, the line in the log, the manifest. A version exists when its
line is safe; the manifest never knows more than the log.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from chameleondb import disk
from chameleondb.disk import ChangedFile, Folder
from chameleondb.errors import ChameleonError, IntegrityError, LockNotAcquired
from chameleondb.findings import Finding
from chameleondb.vault import layout, log, manifest, snapshot
from chameleondb.vault.exchange import exchange
from chameleondb.vault.files import RESTORE, read_files, rules_hold
from chameleondb.vault.history import History, Version, fold
from chameleondb.vault.snapshot import Snapshot
from chameleondb.vault.strict_json import NotCanonical
from chameleondb.vault.verify import Verified, orphan_of, verify

LOCK_DEADLINE_S = 60.0
_POLL_S = 0.1
_ROOM_BYTES = 64 * 1024
_WAYS_OUT = disk.WAYS_OUT | {
    errno.EACCES: "check who owns .chameleon, and its permissions",
    errno.EPERM: "check who owns .chameleon, and its permissions",
    errno.ELOOP: "a symbolic link has no place there: replace it by what it points to",
    errno.ENOTDIR: "a symbolic link or a file has no place there: replace it by a directory",
}


class Store:
    """The vault of one project; `data` is its ``.chameleon``. Whoever writes holds the lock."""

    def __init__(self, data: Path, now: Callable[[], datetime]) -> None:
        self.data = Path(os.path.abspath(data))
        self._now = now

    @contextlib.contextmanager
    def lock(
        self, deadline_s: float = LOCK_DEADLINE_S, waiting: Callable[[str], None] = lambda _: None
    ) -> Iterator[None]:
        """Keep every other command from writing; `waiting` is told once who holds the lock.

        Raises: LockNotAcquired CHM2020 at the deadline; ChameleonError CHM2010 if nothing can be written here.
        """
        until = time.monotonic() + deadline_s
        is_told = False
        while (handle := self._try_lock()) is None:
            holder = self._holder()
            if not is_told:
                waiting(holder)
                is_told = True
            if time.monotonic() >= until:
                raise LockNotAcquired(
                    "CHM2020",
                    f"another command is writing the vault: {holder}",
                    hint="wait for it to end, and run the same command again",
                )
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            os.close(handle)

    def read(self, *, deep: bool = True) -> Verified:
        """Read and verify the vault; `deep` also parses the versions."""
        return verify(read_files(self.data, deep=deep), deep=deep)

    def load(self, version: Version) -> Snapshot:
        """Return a version; its bytes are hashed again before they are parsed. Raises: IntegrityError."""
        name = layout.version_file(version.label)

        def changed(code: str, message: str) -> IntegrityError:
            return IntegrityError((Finding(code=code, place=name, message=message, hint=RESTORE),), hint=RESTORE)

        try:
            with self._open() as data, data.enter(layout.VAULT) as vault, vault.enter(layout.VERSIONS) as versions:
                content = versions.read(name, versions.status(name), layout.VERSION_BYTES_MAX)
        except FileNotFoundError:
            raise changed("VERSION_MISSING", "is missing") from None
        except OSError as error:
            raise changed("UNREADABLE_FILE", f"cannot be read: {error.strerror}") from None
        if sha256(content).hexdigest() != version.id:
            raise changed("VERSION_HASH_MISMATCH", "hash mismatch")
        try:
            return snapshot.decode(content)
        except NotCanonical as error:
            raise changed("VERSION_NOT_CANONICAL", str(error)) from None

    def create(self) -> History:
        """Make a new vault, all at once.

        Raises: ChameleonError CHM2010, CHM2011 if there is any trace of one; IntegrityError if that cannot be told.
        """
        found = read_files(self.data, deep=False)
        if unreadable := tuple(f for f in found.findings if f.code == "UNREADABLE_FILE"):
            raise IntegrityError(unreadable)
        if found.exists:
            raise ChameleonError(
                "CHM2011", "there is a vault already", hint="`chameleon verify` says what state it is in"
            )
        identifier = str(uuid.uuid4())
        line = log.make("INIT", {"vault": identifier}, now=self._now(), seq=1, prev=log.genesis(identifier))
        history = fold((line,))
        with self.telling():
            disk.make_directory(self.data)
            with self._open() as data:
                _sweep(data, found.leftovers)
                if (mode := data.status().st_mode) & 0o022:
                    data.permit(mode=mode & 0o7755)
                fresh = disk.temporary_name(layout.VAULT)
                with data.made(fresh, mode=layout.DIRECTORY_MODE) as vault:
                    vault.make(layout.VERSIONS, mode=layout.DIRECTORY_MODE)
                    vault.make(layout.HASHES, mode=layout.DIRECTORY_MODE)
                    vault.create(layout.LOG, f"{line.text}\n".encode("ascii"), mode=layout.FILE_MODE)
                    vault.create(layout.MANIFEST, manifest.encode(history), mode=layout.FILE_MODE)
                data.move(fresh, data, layout.VAULT)
                _write_rules(data)
        return history

    def register(self, history: History, new: Snapshot) -> History:
        """Make `new` the next version: it exists when this returns.

        Raises: ChameleonError CHM2010, CHM2012 if it is too large, CHM2013 if the log is not `history`'s any more.
        """
        newest = history.newest
        expected = (history.vault, layout.label(len(history.versions) + 1), newest.id if newest else layout.NONE)
        assert (new.vault, new.version, new.parent) == expected
        content = new.encode()
        if len(content) > layout.VERSION_BYTES_MAX:
            raise ChameleonError(
                "CHM2012",
                f"the version would take {len(content):,} bytes",
                hint="divide the schema into several projects",
            )
        digest = sha256(content).hexdigest()
        with self.telling(), self._vault() as vault:
            with (
                vault.made(layout.VERSIONS, mode=layout.DIRECTORY_MODE) as versions,
                vault.made(layout.HASHES, mode=layout.DIRECTORY_MODE) as hashes,
            ):
                _put_version(versions, hashes, new.version, content)
                text = layout.hash_text(new.version, digest)
                hashes.replace(layout.hash_file(new.version), text, mode=layout.FIXED_MODE)
            return self._append(
                vault,
                history,
                "REGISTER",
                {
                    "version": new.version,
                    "hash": digest,
                    "parent": new.parent,
                    "schema": new.schema_hash,
                    "declared": new.declared_hash,
                    "author": new.author,
                    "summary": new.summary,
                },
            )

    def append(self, history: History, action: str, **fields: str) -> History:
        """Add one line to the log. Raises: ChameleonError CHM2010, CHM2013 if the log is not `history`'s any more."""
        with self.telling(), self._vault() as vault:
            return self._append(vault, history, action, _ordered(action, fields))

    def append_alone(self, history: History, action: str, **fields: str) -> History:
        """Add one line to the log, and leave the manifest as it is. Raises: as `append`."""
        with self.telling(), self._vault() as vault:
            return self._append_line(vault, history, action, _ordered(action, fields))

    def write_manifest(self, history: History) -> None:
        """Write the manifest that follows from a log. Raises: ChameleonError CHM2010."""
        with self.telling(), self._vault() as vault:
            vault.replace(layout.MANIFEST, manifest.encode(history), mode=layout.FILE_MODE)

    def repair(self, verified: Verified) -> tuple[str, ...]:
        """Put right what a killed command left; returns what was put right, as findings call it.

        Raises: IntegrityError if something else is wrong, and nothing is touched; ChameleonError CHM2010, CHM2013.
        """
        if verified.violations:
            raise IntegrityError(verified.violations)
        history = verified.history
        with self.telling():
            if history is None:
                return ()
            with self._open() as data:
                done = _sweep(data, verified.files.leftovers)
                done += _write_rules(data)
                with data.enter(layout.VAULT) as vault:
                    done += _cut_torn_tail(vault, verified)
                    done += _set_orphan_aside(vault, verified, history)
                    done += _write_hashes(vault, verified, history)
                    if verified.files.manifest != (fresh := manifest.encode(history)):
                        vault.replace(layout.MANIFEST, fresh, mode=layout.FILE_MODE)
                        done.append(layout.MANIFEST)
        return tuple(done)

    def exchange(self, files: Mapping[str, bytes]) -> None:
        """Make the vault hold `files`, by their paths below it; after a crash, the same again completes it.

        Raises: ChameleonError CHM2010.
        """
        with self.telling(), self._vault() as vault:
            exchange(vault, files)

    def probe(self) -> None:
        """Prove that the vault can be written, before anything is done that its log must know of.

        Raises: ChameleonError CHM2010 naming the file.
        """
        with self.telling(), self._vault() as vault:
            vault.try_append(layout.LOG)
            vault.try_create(_ROOM_BYTES)
            for name in (layout.VERSIONS, layout.HASHES):
                with vault.made(name, mode=layout.DIRECTORY_MODE) as folder:
                    folder.try_create(0)

    def _append(self, vault: Folder, history: History, action: str, fields: dict[str, str]) -> History:
        history = self._append_line(vault, history, action, fields)
        vault.replace(layout.MANIFEST, manifest.encode(history), mode=layout.FILE_MODE)
        return history

    def _append_line(self, vault: Folder, history: History, action: str, fields: dict[str, str]) -> History:
        last = history.lines[-1]
        line = log.make(action, fields, now=self._now(), seq=last.seq + 1, prev=last.sum)
        vault.append(layout.LOG, f"{line.text}\n".encode("ascii"), after=f"{last.text}\n".encode("ascii"))
        return history.followed_by(line)

    def _open(self) -> Folder:
        with Folder.at(self.data.parent) as project:
            return project.enter(self.data.name)

    @contextlib.contextmanager
    def _vault(self) -> Iterator[Folder]:
        with self._open() as data, data.enter(layout.VAULT) as vault:
            yield vault

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Turn errors of the system into ours. Raises: ChameleonError CHM2010, CHM2013."""
        try:
            yield
        except ChangedFile as error:
            raise ChameleonError(
                "CHM2013",
                f"{self._shown(error)} was changed while this command ran",
                hint="nothing was added to it; run `chameleon verify`",
            ) from error
        except OSError as error:
            hint = _WAYS_OUT.get(error.errno or 0, "correct that and run the same command again")
            raise ChameleonError(
                "CHM2010", f"cannot write {self._shown(error)}: {error.strerror}", hint=hint
            ) from error

    def _shown(self, error: OSError) -> str:
        path = Path(error.filename or self.data)
        return str(path.relative_to(self.data.parent) if path.is_relative_to(self.data.parent) else path)

    def _try_lock(self) -> int | None:
        started = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        command = " ".join([Path(sys.argv[0]).name, *(word for word in sys.argv[1:2] if word.isalpha())])
        note = f"process {os.getpid()} on {socket.gethostname()} since {started}: {command}\n"
        with self.telling():
            disk.make_directory(self.data)
            with self._open() as data, data.made(layout.LOCAL, mode=layout.PRIVATE_MODE) as local:
                return local.open_lock(layout.LOCK, note.encode("utf-8", "replace"))

    def _holder(self) -> str:
        """Return what the holder of the lock left in it."""
        with self.telling(), self._open() as data, data.enter(layout.LOCAL) as local:
            note = local.read(layout.LOCK, local.status(layout.LOCK), 1024)
            return note.decode("utf-8", "replace").strip() or "unknown"


def _ordered(action: str, fields: Mapping[str, str]) -> dict[str, str]:
    ordered = {name: fields[name] for name in log.ACTIONS[action]}
    assert len(ordered) == len(fields)
    return ordered


def _sweep(data: Folder, leftovers: Iterable[str]) -> list[str]:
    """Remove temporary files, and vaults that were never finished."""
    swept = []
    for path in leftovers:
        *folders, name = path.split("/")
        with contextlib.ExitStack() as stack:
            folder = data
            for step in folders:
                folder = stack.enter_context(folder.enter(step))
            folder.remove_tree(name)
        swept.append(path.removeprefix(f"{layout.VAULT}/"))
    return swept


def _put_version(versions: Folder, hashes: Folder, label: str, content: bytes) -> None:
    """Write a version's file. One that a killed run left is kept if it is the same, and else set aside."""
    name = layout.version_file(label)
    try:
        versions.create(name, content, mode=layout.FIXED_MODE)
        return
    except FileExistsError:
        old = versions.read(name, versions.status(name), layout.VERSION_BYTES_MAX)
    if old == content:
        versions.sync()
        return
    _set_aside(versions, hashes, label, sha256(old).hexdigest())
    versions.create(name, content, mode=layout.FIXED_MODE)


def _set_aside(versions: Folder, hashes: Folder, label: str, digest: str) -> None:
    # The hash first: without a file of its name it would look like something that was put there.
    hashes.remove(layout.hash_file(label))
    with versions.made(layout.ORPHANS, mode=layout.DIRECTORY_MODE) as orphans:
        versions.move(layout.version_file(label), orphans, f"{digest}.json")


def _set_orphan_aside(vault: Folder, verified: Verified, history: History) -> list[str]:
    orphan = orphan_of(verified.files, history)
    if orphan is None or orphan.version is None:
        return []
    with vault.enter(layout.VERSIONS) as versions, vault.made(layout.HASHES, mode=layout.DIRECTORY_MODE) as hashes:
        _set_aside(versions, hashes, orphan.version, orphan.sha256)
    return [layout.version_file(orphan.version)]


def _cut_torn_tail(vault: Folder, verified: Verified) -> list[str]:
    content = verified.files.log
    if content is None or verified.log_size == len(content):
        return []
    if vault.status(layout.LOG).st_size != len(content):
        raise ChangedFile(errno.ESTALE, os.strerror(errno.ESTALE), str(vault.path / layout.LOG))
    vault.cut(layout.LOG, verified.log_size)
    return [layout.LOG]


def _write_hashes(vault: Folder, verified: Verified, history: History) -> list[str]:
    missing = [v for v in history.versions if layout.hash_file(v.label) not in verified.files.hashes]
    if not missing:
        return []
    with vault.made(layout.HASHES, mode=layout.DIRECTORY_MODE) as hashes:
        for version in missing:
            text = layout.hash_text(version.label, version.id)
            hashes.replace(layout.hash_file(version.label), text, mode=layout.FIXED_MODE)
    return [f"{layout.HASHES}/{layout.hash_file(v.label)}" for v in missing]


def require_plain(path: Path) -> None:
    """Refuse a file that git would not read; a link could also lead out of the project. Raises: OSError."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if kind == stat.S_IFLNK:
        raise OSError(errno.ELOOP, "it is a symbolic link, and git would not read it", str(path))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, "it is not a regular file, and git would not read it", str(path))


def _write_rules(data: Folder) -> list[str]:
    """Write the rules for git: no file of the vault is converted or merged by lines. Lines of others stay."""
    done = []
    names = data.names()
    require_plain(data.path / layout.ATTRIBUTES)
    if layout.IGNORE not in names:
        data.create(layout.IGNORE, layout.IGNORE_TEXT, mode=layout.FILE_MODE)
        done.append(layout.IGNORE)
    if layout.ATTRIBUTES not in names:
        data.create(layout.ATTRIBUTES, layout.ATTRIBUTES_TEXT, mode=layout.FILE_MODE)
        done.append(layout.ATTRIBUTES)
    elif not rules_hold(data):
        old, status = b"", data.status(layout.ATTRIBUTES)
        if status.st_size <= layout.RULES_BYTES_MAX:
            old = data.read(layout.ATTRIBUTES, status, layout.RULES_BYTES_MAX)
        separator = b"" if not old or old.endswith(b"\n") else b"\n"
        data.replace(layout.ATTRIBUTES, old + separator + layout.ATTRIBUTES_TEXT, mode=layout.FILE_MODE)
        done.append(layout.ATTRIBUTES)
    return done
