"""Start a project, or complete one: whatever is there already stays as it is."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from chameleondb import disk
from chameleondb.config import DATA_DIRECTORY, SCHEMA_DIRECTORY, SCHEMA_FILE, find_project
from chameleondb.disk import Folder
from chameleondb.errors import IntegrityError, UsageError
from chameleondb.findings import Severity, of_severity
from chameleondb.frozen import frozen
from chameleondb.vault.layout import ATTRIBUTES
from chameleondb.vault.store import Store, require_plain
from chameleondb.workflow import git

ENVIRONMENT, IGNORE = ".env", ".gitignore"
VAULT = "Schema Vault"
_RULES = (
    (".", b".env", {b".env", b"/.env", b".env*", b"*.env"}),
    (DATA_DIRECTORY, b"local/", {b"local/", b"/local/", b"local", b"/local", b"*"}),
)
TEMPLATE = """\
// The database as it should be. `chameleon migrate --dry-run` shows what would change, `--apply` changes it.

/// A person who can sign in.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    name: string,
}
"""


@frozen()
class Initialized:
    """A project that is ready; `made` and `repaired` tell what was done, `schema` has the paths of the schema.

    `tracked` are files that are ignored from now on, which git goes on keeping, since it has them already.
    """

    root: Path
    made: tuple[str, ...]
    repaired: tuple[str, ...]
    schema: tuple[str, ...]
    tracked: tuple[str, ...]


def init(start: Path, name: str | None, now: Callable[[], datetime]) -> Initialized:
    """Make what a project needs and does not have: a vault, a schema file, rules for git.

    Raises: UsageError where a path cannot be made; ChameleonError CHM2010 where rules for git cannot be written;
    IntegrityError if there is a vault that was tampered with.
    """
    root = _root(start, name)
    store = Store(root / DATA_DIRECTORY, now)
    with store.telling():
        for path in (root / IGNORE, store.data / IGNORE, store.data / ATTRIBUTES):
            require_plain(path)
    disk.make_directory(root)
    # A preview may have made the directory, for what is this machine's own.
    known = {path.name for path in (root / DATA_DIRECTORY).glob("*")} - {"local"}
    made = [] if known else [f"{DATA_DIRECTORY}/ directory"]
    with store.lock():
        verified = store.read(deep=True)
        violations = of_severity(verified.findings, Severity.VIOLATION)
        if violations:
            raise IntegrityError(violations, hint="restore .chameleon/vault from git or a backup")
        if verified.history is None:
            store.create()
            made.append(VAULT)
            repaired: tuple[str, ...] = ()
        else:
            repaired = store.repair(verified)
    schema = find_project(root).settings.schema_paths or _schema_at(root)
    if not schema:
        if (root / SCHEMA_FILE).is_symlink():
            raise UsageError(
                "CHM0575",
                f"{SCHEMA_FILE} is a link that leads nowhere",
                hint="make what it leads to, or delete the link",
            )
        disk.create(root / SCHEMA_FILE, TEMPLATE.encode())
        schema = (SCHEMA_FILE,)
        made.append(SCHEMA_FILE)
    with store.telling():
        for below, entry, usual in _RULES:
            if _ignore(root / below, entry, usual):
                made.append(f"{Path(below, IGNORE)} entry for {entry.decode()}")
    tracked = tuple(name for name in (ENVIRONMENT,) if git.is_tracked(root / name))
    return Initialized(root, tuple(made), repaired, schema, tracked)


def _root(start: Path, name: str | None) -> Path:
    if name is None:
        return find_project(start).root
    if not name.strip():  # an unset shell variable must not make a project of the directory that happens to be here
        raise UsageError("CHM0575", "the name of the project is empty", hint="leave it out to use this directory")
    if "://" in name:  # and it may hold a password, which nobody wants in a path
        raise UsageError("CHM0575", "a project has the name of a directory, not a URL", hint="set DATABASE_URL instead")
    root = start / name
    if root.exists() and not root.is_dir():
        raise UsageError("CHM0575", f"{root} is not a directory", hint="choose another name")
    return root.absolute()


def _schema_at(root: Path) -> tuple[str, ...]:
    return tuple(name for name in (SCHEMA_FILE, SCHEMA_DIRECTORY) if (root / name).exists())


def _ignore(path: Path, entry: bytes, usual: set[bytes]) -> bool:
    """Have git ignore something, if no line does so in one of the usual ways; return whether a line was added.

    Raises: OSError, also if the file has become a link.
    """
    with Folder.at(path) as folder:
        if IGNORE not in folder.names():
            disk.create(path / IGNORE, entry + b"\n")
            return True
        status = folder.status(IGNORE)
        text = folder.read(IGNORE, status, status.st_size)
        if any(line.strip() in usual for line in text.splitlines()):
            return False
        separator = b"" if not text or text.endswith(b"\n") else b"\n"
        folder.replace(IGNORE, text + separator + entry + b"\n", mode=stat.S_IMODE(status.st_mode) & 0o777)
    return True
