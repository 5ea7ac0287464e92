"""Introspect: an existing database as `.cham`, such that migrating to it has nothing to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from chameleondb import disk
from chameleondb.errors import IntegrityError, UsageError
from chameleondb.frozen import frozen
from chameleondb.kinds import KINDS
from chameleondb.model.schema import Schema, Unmodelled
from chameleondb.modes.policy import Operation, require
from chameleondb.names import DEFAULT_NAMESPACE
from chameleondb.postgres.catalog import read_schema, user_namespaces
from chameleondb.postgres.session import Connection
from chameleondb.postgres.verbatim import Verbatim, read_needed
from chameleondb.printer import print_files, print_schema
from chameleondb.vault.store import Store
from chameleondb.workflow.in_force import effective_mode

SCHEMA_SUFFIX = ".cham"
_PLAIN = re.compile(r"[A-Za-z0-9][\w-]*")


@frozen(kw_only=True, slots=False)
class Introspected:
    """A database in words, which are looked for once: they are most of the work."""

    schema: Schema
    carried: tuple[Verbatim, ...] = ()  # in sql blocks, since tables need them
    uncarried: tuple[Verbatim, ...] = ()  # needed, but PostgreSQL cannot print them
    elsewhere: tuple[Verbatim, ...] = ()  # needed, but in schemas that were not chosen
    left: tuple[Unmodelled, ...] = ()  # neither modelled nor needed

    @cached_property
    def text(self) -> str:
        """Return all of it as one schema file."""
        return "\n".join([print_schema(self.schema), *map(_block, self.carried)])

    @cached_property
    def files(self) -> dict[str, str]:
        """Return the same in parts, by file name: one for each schema, `_database.cham` for what lies in none."""
        files: dict[str, str] = {}
        taken: set[str] = set()
        for number, (name, text) in enumerate(print_files(self.schema).items()):
            # Only ours begin with a line: no two schemas may end in one file, which on some disks has no case.
            plain = _PLAIN.fullmatch(name) and name.lower() not in taken
            taken.add(name.lower())
            stem = name if plain else f"_schema_{number}" if name else "_database"
            files[f"{stem}{SCHEMA_SUFFIX}"] = text
        if self.carried:
            files["_carried.sql"] = "".join(f"{v.sql};\n\n" for v in self.carried)
        return files


def introspect(connection: Connection, namespaces: Sequence[str] | None = None) -> Introspected:
    """Read a database, all of its schemas unless some are named, and write it as `.cham`.

    Raises: UsageError if a named schema does not exist; DatabaseError.
    """
    known = user_namespaces(connection)
    for name in namespaces or ():
        if name not in known:
            raise UsageError("CHM0571", f"there is no schema {name}", hint=f"the database has: {', '.join(known)}")
    chosen = tuple(namespaces or known) or (DEFAULT_NAMESPACE,)
    schema = read_schema(connection, KINDS, chosen)
    needed = read_needed(connection, chosen)
    elsewhere = tuple(v for v in needed if v.schema not in chosen)
    carried = tuple(v for v in needed if v not in elsewhere and v.sql is not None and '"""' not in v.sql)
    uncarried = tuple(v for v in needed if v not in elsewhere and v not in carried)
    keys = {(v.type, v.identity) for v in needed}
    return Introspected(
        schema=schema,
        carried=carried,
        uncarried=uncarried,
        elsewhere=elsewhere,
        left=tuple(u for u in schema.unmodelled if u.key not in keys),
    )


def _block(needed: Verbatim) -> str:
    return f'sql """\n{needed.sql}\n"""\n'


def write_tree(folder: Path, files: Mapping[str, str], *, force: bool = False) -> None:
    """Write several files into a folder, or none.

    Raises: UsageError CHM0570 if one of them exists already and `force` is not given.
    """
    taken = [name for name in files if (folder / name).exists()]
    if taken and not force:
        raise UsageError("CHM0570", f"{folder / taken[0]} exists already", hint="name another folder, or use --force")
    disk.make_directory(folder)
    for name, text in files.items():
        write(folder / name, text, force=force)


def authorize(data: Path, connection: Connection, now: Callable[[], datetime]) -> None:
    """Allow to write schema files in the project whose vault is in `data`, where its mode does or it has no version.

    Raises: ModeError; IntegrityError, since a vault that was changed cannot tell its mode.
    """
    found = Store(data, now).read(deep=False)
    if found.violations:
        raise IntegrityError(found.violations, consequence="No file was written", hint="see `chameleon verify`")
    if found.history is not None and found.history.versions:
        require(effective_mode(found.history, connection, now), Operation.INTROSPECT_TO_FILE)


def write(path: Path, text: str, *, force: bool = False) -> None:
    """Write a schema file whole or not at all.

    Raises: UsageError CHM0570 if there is one already and `force` is not given, CHM0572 or CHM0573 if it has no place.
    """
    if path.is_dir():
        raise UsageError(
            "CHM0572", f"{path} is a directory", hint=f"name a file, or write {path}/ for one file per schema"
        )
    if not path.parent.is_dir():
        raise UsageError("CHM0573", f"there is no folder {path.parent}", hint="make it, or name another file")
    data = text.encode("utf-8", "surrogateescape")
    if force:
        disk.replace(path, data)
        return
    try:
        disk.create(path, data)
    except FileExistsError:
        raise UsageError(
            "CHM0570", f"{path} exists already", hint="name another file with -o, or overwrite it with --force"
        ) from None
