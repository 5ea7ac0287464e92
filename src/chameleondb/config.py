"""The project: where it is, what its configuration says, and which database it means.

Only keys that have an effect are settings. An unknown key is a warning with its place; a value of the wrong type is an
error with its place. The environment is read and never written, `.env` is read from the project's root only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any, NoReturn

from chameleondb.configfile import Entry, read_text, read_toml, read_yaml
from chameleondb.diagnostics import closest
from chameleondb.errors import UsageError
from chameleondb.frozen import frozen
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT

CONFIG_FILE = ".chameleon.yml"
DATA_DIRECTORY = ".chameleon"
SCHEMA_FILE = "schema.cham"
SCHEMA_DIRECTORY = "schemas"
SCHEMA_SUFFIXES = (".cham", ".sql")
EMBEDDED_URL = "embedded"


def is_sql(name: str) -> bool:
    """Whether a schema file of that name holds statements in PostgreSQL's words."""
    return name.lower().endswith(".sql")


@frozen(kw_only=True)
class Settings:
    """What a configuration file can set. Durations in seconds, sizes in bytes."""

    schema_paths: tuple[str, ...] | None = None  # None: schema.cham and schemas/, whichever exist
    database_url: str | None = None  # may hold ${NAME}
    shadow_url: str | None = None  # may hold ${NAME}
    lock_timeout_s: float = 0.1  # one try to lock a table; others wait behind us for as long
    lock_deadline_s: float = 300.0  # all tries together
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT  # larger tables are changed in the online form


@frozen()
class Setting:
    """A value and where it comes from, e.g. ``.env`` or ``environment variable DATABASE_URL``."""

    value: str = field(repr=False)
    origin: str


@frozen(kw_only=True)
class Project:
    """A project on disk. `notes` are remarks about its configuration, for the user to read once."""

    root: Path
    config_file: Path | None = None
    settings: Settings = field(default_factory=Settings)
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """The directory of the vault and of local files."""
        return self.root / DATA_DIRECTORY

    @property
    def local(self) -> Path:
        """The directory of what belongs to this machine only: caches, embedded servers."""
        return self.data / "local"

    def schema_files(self) -> tuple[Path, ...]:
        """Return the schema files, sorted. Raises: UsageError if there is none or a configured path is missing."""
        paths = self.settings.schema_paths
        if paths is None:
            found = set(_expand([self.root / SCHEMA_FILE, self.root / SCHEMA_DIRECTORY], self.root))
        else:
            found = set(_expand([self._configured(path) for path in paths], self.root))
        if not found:
            raise UsageError(
                "CHM0502",
                "no schema found" if paths is None else f"no .cham or .sql file in {', '.join(paths)}",
                hint=f"write {self.root / SCHEMA_FILE}, run `chameleon introspect`, or name your files in schema.paths",
            )
        return tuple(sorted(found))

    @property
    def schema_places(self) -> tuple[str, ...]:
        """Where schema files are looked for, relative to the root."""
        return self.settings.schema_paths or (SCHEMA_FILE, f"{SCHEMA_DIRECTORY}/")

    def _configured(self, path: str) -> Path:
        full = Path(os.path.normpath(self.root / path))
        _require_inside(full, self.root, path)
        if not full.exists():
            raise UsageError("CHM0504", f"schema path {path} does not exist", hint=f"looked for {full}")
        return full


def find_project(start: Path) -> Project:
    """Find the project of a directory: the nearest one, upwards, that has a sign of Chameleon.

    The search ends at the root of the git repository or at the home directory; then `start` is the root.
    Raises: UsageError if `start` is not a directory or the configuration is wrong.
    """
    start = Path(os.path.abspath(start))
    if not start.is_dir():
        raise UsageError("CHM0505", f"{start} is not a directory")
    home = Path.home()
    for folder in (start, *start.parents):
        if (project := _project_at(folder)) is not None:
            return project
        if (folder / ".git").exists() or folder == home:
            break
    return Project(root=start)


def database_setting(
    project: Project, *, flag: str | None = None, environment: Mapping[str, str] | None = None, dot_env: bool = True
) -> Setting:
    """Return the database URL with the strongest claim: flag, environment, PG* variables, configuration, `.env`.

    An empty string as value means: libpq reads its PG* variables. Raises: UsageError CHM0501 if there is none.
    """
    env = os.environ if environment is None else environment
    if flag is not None:
        if not flag.strip():  # an unset shell variable must not lead to some other database
            raise UsageError("CHM0507", "the database URL is empty", hint="is the variable that you wrote there set?")
        return Setting(flag, "the command line")
    for name in ("CHAMELEON_DATABASE_URL", "DATABASE_URL"):
        if env.get(name):
            return Setting(env[name], f"environment variable {name}")
    if any(env.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")):
        return Setting("", "PG* environment variables")
    file_name, from_file = _dot_env(project, env) if dot_env else ("", {})
    known = {**from_file, **env}
    if project.settings.database_url and (value := _expand_names(project.settings.database_url, known)):
        named = project.settings.database_url.strip("${} ")
        return Setting(value, file_name if named in from_file else _origin_of(project))
    for name in ("CHAMELEON_DATABASE_URL", "DATABASE_URL"):
        if from_file.get(name):
            return Setting(from_file[name], file_name)
    raise UsageError(
        "CHM0501",
        "DATABASE_URL not set",
        hint='export DATABASE_URL="postgresql://user:pass@host:5432/db", or write that line without `export` into '
        f"{project.root / '.env'}, or try without a server: export DATABASE_URL={EMBEDDED_URL}",
    )


def shadow_setting(
    project: Project, *, environment: Mapping[str, str] | None = None, dot_env: bool = True
) -> Setting | None:
    """Return the URL of the shadow server, if one is configured: CHAMELEON_SHADOW_URL or `database.shadow_url`."""
    env = os.environ if environment is None else environment
    if env.get("CHAMELEON_SHADOW_URL"):
        return Setting(env["CHAMELEON_SHADOW_URL"], "environment variable CHAMELEON_SHADOW_URL")
    if not project.settings.shadow_url:
        return None
    _, from_file = _dot_env(project, env) if dot_env else ("", {})
    value = _expand_names(project.settings.shadow_url, {**from_file, **env})
    return Setting(value, _origin_of(project)) if value else None


def _origin_of(project: Project) -> str:
    return project.config_file.name if project.config_file else "configuration"


def _dot_env(project: Project, env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    named = env.get("CHAMELEON_ENV_FILE")
    path = project.root / (named or ".env")
    if named and not path.is_file():
        raise UsageError("CHM0506", f"CHAMELEON_ENV_FILE names {named}, which is not a file", hint=f"looked for {path}")
    if not path.is_file():
        return "", {}
    import io

    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    found = list(parse_stream(io.StringIO(read_text(path))))
    for line in found:
        # Lines for others are theirs to mend; this one would be missed without a word.
        if line.error and "DATABASE_URL" in line.original.string:
            where = f"{named or '.env'}:{line.original.line}"
            raise UsageError(
                "CHM0508", f"{where}: DATABASE_URL cannot be read", hint="write DATABASE_URL=… in one line"
            )
    readable = "".join(line.original.string for line in found if not line.error)
    values = dotenv_values(stream=io.StringIO(readable))
    return named or ".env", {name: value for name, value in values.items() if value}


_NAME = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def _expand_names(text: str, known: Mapping[str, str]) -> str | None:
    # A name without a value makes the whole setting absent: half a URL would lead to some other database.
    names = [first or second for first, second in _NAME.findall(text)]
    if any(not known.get(name) for name in names):
        return None
    return _NAME.sub(lambda found: known[found[1] or found[2]], text)


def _project_at(folder: Path) -> Project | None:
    if os.path.lexists(folder / CONFIG_FILE):
        project = _configured_project(folder, folder / CONFIG_FILE, read_yaml(_regular(folder / CONFIG_FILE)))
        with suppress(UsageError):  # what is wrong in a file that we do not need is no concern of ours
            if _in_pyproject(folder) is not None:
                return _beside_pyproject(project)
        return project
    entries = _in_pyproject(folder)
    if entries is not None:
        return _configured_project(folder, folder / "pyproject.toml", entries)
    if (folder / DATA_DIRECTORY).is_dir() or (folder / SCHEMA_FILE).is_file():
        return Project(root=folder)
    return None


def _in_pyproject(folder: Path) -> tuple[Entry, ...] | None:
    file = folder / "pyproject.toml"
    return read_toml(file, ("tool", "chameleon")) if file.is_file() else None


def _beside_pyproject(project: Project) -> Project:
    note = f"{project.root / 'pyproject.toml'}: [tool.chameleon] is not read, since there is {CONFIG_FILE}"
    return replace(project, notes=(*project.notes, note))


def _expand(paths: Iterable[Path], root: Path) -> Iterator[Path]:
    """Yield the schema files at paths. What cannot be read is none that is missing: its tables would be dropped.

    Links to directories are followed, within the project; every directory is read once, however many lead to it.
    """
    waiting, seen = list(paths), set[str]()
    for path in waiting:
        if not path.is_dir():
            if os.path.lexists(path):
                yield _regular(path)
            continue
        for folder, folders, files in os.walk(path, onerror=_refuse):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = [name for name in sorted(folders) if not name.startswith(".")]
            links = [link for link in (Path(folder, name) for name in folders) if link.is_symlink()]
            for link in links:
                _require_inside(link, root, os.path.relpath(link, root))
            waiting += links
            yield from (_regular(file) for file in (Path(folder, name) for name in files) if _is_wanted(file))


def _is_wanted(file: Path) -> bool:
    # A link to nothing may have led to a directory.
    is_named = file.name.lower().endswith(SCHEMA_SUFFIXES) or (file.is_symlink() and not file.exists())
    return is_named and not file.name.startswith(".")


def _require_inside(path: Path, root: Path, named: str) -> None:
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError("CHM0503", f"schema path {named} lies outside of the project", hint="move it into it")


def _refuse(error: OSError) -> NoReturn:
    name, reason = error.filename, (error.strerror or str(error)).lower()
    raise UsageError("CHM0521", f"cannot read {name}: {reason}") from None


def _regular(path: Path) -> Path:
    # A link is followed; a pipe would be waited for, and a device has no end.
    if not path.is_file():
        name, reason = path, "not a regular file" if path.exists() else "a link to nothing"
        raise UsageError("CHM0521", f"cannot read {name}: {reason}")
    return path


# What the original's files hold and no code ever read; its `features.*` and `safety.*` are all of this kind.
_WITHOUT_EFFECT = re.compile(
    r"version|created_at|database\.(driver|max_connections|connection_timeout|migration_timeout)"
    r"|schema\.(merged_output|validation_strict)|(features|safety|security|paranoia)\..+"
)


def _configured_project(root: Path, file: Path, entries: tuple[Entry, ...]) -> Project:
    settings = Settings()
    notes: list[str] = []
    idle: list[str] = []
    given: dict[str, str] = {}
    for entry in entries:
        if entry.key in _KEYS:
            name, decode = _KEYS[entry.key]
            first = given.setdefault(name, entry.key)
            if first != entry.key:
                message = f"{entry.place}: `{entry.key}` says the same as `{first}`, which is there, too"
                raise UsageError("CHM0518", message, hint="delete one of them")
            settings = replace(settings, **{name: decode(entry)})
        elif _WITHOUT_EFFECT.fullmatch(entry.key):
            idle.append(entry.key)
        elif below := [key for key in _KEYS if key.startswith(f"{entry.key}.")]:
            notes.append(f"{entry.place}: `{entry.key}` says nothing by itself; its settings are {', '.join(below)}")
        else:
            near = closest(entry.key, _KEYS)
            advice = f"; did you mean `{near}`?" if near else ""
            notes.append(f"{entry.place}: unknown key `{entry.key}`{advice}")
    if idle:
        notes.append(f"{file}: has no effect: {', '.join(idle)}")
    return Project(root=root, config_file=file, settings=settings, notes=tuple(notes))


def _wrong(entry: Entry, expected: str) -> UsageError:
    return UsageError("CHM0514", f"{entry.place}: `{entry.key}` must be {expected}")


def _text(entry: Entry) -> str:
    if not isinstance(entry.value, str) or not entry.value:
        raise _wrong(entry, "a text")
    return entry.value


def _texts(entry: Entry) -> tuple[str, ...]:
    values = entry.value if isinstance(entry.value, tuple) else (entry.value,)
    if not values or not all(isinstance(value, str) and value for value in values):
        raise _wrong(entry, "a list of paths")
    return values


_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION_MAX_S = 24 * 24 * 3600.0  # it counts milliseconds in 31 bits
_SIZES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_QUANTITY = re.compile(r"(\d+)\s*([A-Za-z]+)")


def _duration(entry: Entry) -> float:
    found = _QUANTITY.fullmatch(str(entry.value).strip())
    if found is None or found[2] not in _UNITS or int(found[1]) == 0:
        raise _wrong(entry, "a duration such as 100ms, 5s, 2min or 1h")
    seconds = int(found[1]) * _UNITS[found[2]]
    if seconds > _DURATION_MAX_S:
        raise _wrong(entry, "a duration of 24 days at most, which is what PostgreSQL takes")
    return seconds


def _size(entry: Entry) -> int:
    found = _QUANTITY.fullmatch(str(entry.value).strip())
    unit = found[2].lower().replace("ib", "b") if found else ""
    if found is None or unit not in _SIZES:
        raise _wrong(entry, "a size such as 8MB or 1GB")
    return int(found[1]) * _SIZES[unit]


_KEYS: dict[str, tuple[str, Callable[[Entry], Any]]] = {
    "schema.paths": ("schema_paths", _texts),
    "database.url": ("database_url", _text),
    "database.connection_string": ("database_url", _text),
    "database.shadow_url": ("shadow_url", _text),
    "migration.lock_timeout": ("lock_timeout_s", _duration),
    "migration.lock_deadline": ("lock_deadline_s", _duration),
    "migration.small_table": ("small_table_bytes", _size),
}
