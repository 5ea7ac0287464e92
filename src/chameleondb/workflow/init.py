"""Start a project, or complete one: whatever is there already stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chameleondb import disk
from chameleondb.config import DATA_DIRECTORY, SCHEMA_DIRECTORY, SCHEMA_FILE, Project, find_project
from chameleondb.errors import IntegrityError, UsageError
from chameleondb.findings import Severity, of_severity
from chameleondb.vault.store import Store

TEMPLATE = """\
// The database as it should be. `chameleon migrate --dry-run` shows what would change, `--apply` changes it.

/// A person who can sign in.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    name: string,
}
"""


@dataclass(frozen=True, slots=True)
class Initialized:
    """A project that is ready; `made` tells what is new, as the user would call it."""

    root: Path
    made: tuple[str, ...]


def init(start: Path, name: str | None, now: Callable[[], datetime]) -> Initialized:
    """Make what a project needs and does not have: a vault, a schema file, rules for git.

    Raises: UsageError where a path cannot be made; IntegrityError if there is a vault that was tampered with.
    """
    root = _root(start, name)
    disk.make_directory(root)
    made = []
    store = Store(root / DATA_DIRECTORY, now)
    with store.lock():
        verified = store.read(deep=True)
        violations = of_severity(verified.findings, Severity.VIOLATION)
        if violations:
            raise IntegrityError(violations, hint="restore .chameleon/vault from git or a backup")
        if verified.history is None:
            store.create()
            made += [f"{DATA_DIRECTORY}/ directory", "Schema Vault"]
        else:
            made += [f"{name} (repaired)" for name in store.repair(verified)]
    if _has_no_schema(root):
        disk.create(root / SCHEMA_FILE, TEMPLATE.encode())
        made.append(SCHEMA_FILE)
    if _ignore_env(root / ".gitignore"):
        made.append(".gitignore entry for .env")
    return Initialized(root, tuple(made))


def _root(start: Path, name: str | None) -> Path:
    if name is None:
        return _project_or(start).root
    root = start / name
    if root.exists() and not root.is_dir():
        raise UsageError("CHM0530", f"{root} is not a directory", hint="choose another name")
    return root.absolute()


def _project_or(start: Path) -> Project:
    return find_project(start)


def _has_no_schema(root: Path) -> bool:
    project = find_project(root)
    return project.settings.schema_paths is None and not any(
        (root / name).exists() for name in (SCHEMA_FILE, SCHEMA_DIRECTORY)
    )


def _ignore_env(path: Path) -> bool:
    """Have git ignore `.env`, which holds passwords; returns whether a line was added."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    if any(line.strip() in (".env", "/.env", ".env*", "*.env") for line in text.splitlines()):
        return False
    separator = "" if not text or text.endswith("\n") else "\n"
    disk.replace(path, f"{text}{separator}.env\n".encode("utf-8", "surrogateescape"))
    return True
