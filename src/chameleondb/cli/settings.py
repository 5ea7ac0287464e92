"""The settings as ``chameleon config`` shows them, by the names of the configuration file or shorter ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chameleondb.cli.output import App
from chameleondb.config import CONFIG_FILE, SCHEMA_DIRECTORY, SCHEMA_FILE, Setting, Settings
from chameleondb.errors import UsageError

if TYPE_CHECKING:
    from chameleondb.workflow.in_force import Force
    from chameleondb.workflow.modes import Modes

KEYS = {
    "mode": "mode",
    "schema-paths": "schema-paths",
    "schema.paths": "schema-paths",
    "database-url": "database-url",
    "database.url": "database-url",
    "shadow-url": "shadow-url",
    "database.shadow_url": "shadow-url",
    "lock-timeout": "lock-timeout",
    "migration.lock_timeout": "lock-timeout",
    "lock-deadline": "lock-deadline",
    "migration.lock_deadline": "lock-deadline",
    "small-table": "small-table",
    "migration.small_table": "small-table",
}
"""What a user may write, and the key that it means."""

MODE_DEFAULT = "readonly"

_DEFAULT = "default"


def show(app: App, key: str) -> None:
    """Print one setting."""
    name = KEYS[key.strip().lower()]
    setting = _READ[name](app)
    if app.out.json_wanted:
        app.out.json({"key": name, "value": setting.value or None, "origin": setting.origin})
    else:
        app.out.result(setting.value)
        app.out.detail(f"from: {setting.origin}")


def show_all(app: App, look: Callable[[], Force | None]) -> None:
    """Print every setting with where it comes from."""
    found = {"mode": _mode(look), **{name: read(app) for name, read in _READ.items()}}
    if app.out.json_wanted:
        app.out.json({"settings": {n: {"value": s.value or None, "origin": s.origin} for n, s in found.items()}})
        return
    names = max(map(len, found))
    values = max(len(s.value) for s in found.values())
    for name, setting in found.items():
        app.out.result(f"{name:<{names}}  {setting.value:<{values}}  ({setting.origin})")


def change(app: App, key: str, value: str, modes: Callable[[], Modes]) -> None:
    """Set one setting. Raises: UsageError CHM0554 for one that is only written by hand; as `set_schema_paths`."""
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal
    from chameleondb.workflow.settings import set_schema_paths

    name = KEYS[key.strip().lower()]
    if name != "schema-paths":
        where = app.project.config_file.name if app.project.config_file else CONFIG_FILE
        raise UsageError("CHM0554", f"`{name}` is not set by a command", hint=f"write it into {where}")
    paths = [path.strip() for path in value.split(",") if path.strip()]
    if not paths:
        raise UsageError("CHM0550", "there is no path", hint="e.g. chameleon config set schema-paths=schemas,more")
    with Journal(app.project.local, now).recorded("config") as note:
        note.detail = f"set schema-paths={','.join(paths)}"
        file = set_schema_paths(app.project, modes(), paths)
    if app.out.json_wanted:
        app.out.json({"key": name, "value": ",".join(paths), "origin": file.name})
    else:
        app.out.result(f"✅ schema-paths set to {','.join(paths)} in {file.name}")


def _mode(look: Callable[[], Force | None]) -> Setting:
    try:
        force = look()
    except UsageError as error:
        return Setting(MODE_DEFAULT, error.message)
    if force is None:
        return Setting(MODE_DEFAULT, "the log cannot be read")
    return Setting(force.mode.label, "vault" if force.ledger is None else "the stricter of vault and ledger")


def _origin(app: App, name: str) -> str:
    """Return where a setting comes from, as far as its value tells."""
    file = app.project.config_file
    is_default = getattr(app.project.settings, name) == getattr(Settings(), name)
    return _DEFAULT if file is None or is_default else file.name


def _schema_paths(app: App) -> Setting:
    paths = app.project.settings.schema_paths or (SCHEMA_FILE, SCHEMA_DIRECTORY)
    return Setting(",".join(paths), _origin(app, "schema_paths"))


def _database_url(app: App) -> Setting:
    """Return the database as it may be shown: without a password."""
    from chameleondb.postgres.url import parse

    try:
        setting = app.setting
    except UsageError as error:
        if error.code != "CHM0501":
            raise
        return Setting("", "not set")
    return Setting(parse(setting.value, origin=setting.origin, folder=app.project.root).display, setting.origin)


def _shadow_url(app: App) -> Setting:
    from chameleondb.config import shadow_setting
    from chameleondb.postgres.url import parse

    setting = shadow_setting(app.project, dot_env=app.dot_env)
    if setting is None:
        return Setting("", "not set")
    return Setting(parse(setting.value, origin=setting.origin, folder=app.project.root).display, setting.origin)


def _lock_timeout(app: App) -> Setting:
    return Setting(_time(app.project.settings.lock_timeout_s), _origin(app, "lock_timeout_s"))


def _lock_deadline(app: App) -> Setting:
    return Setting(_time(app.project.settings.lock_deadline_s), _origin(app, "lock_deadline_s"))


def _small_table(app: App) -> Setting:
    return Setting(_size(app.project.settings.small_table_bytes), _origin(app, "small_table_bytes"))


_READ: dict[str, Callable[[App], Setting]] = {
    "schema-paths": _schema_paths,
    "database-url": _database_url,
    "shadow-url": _shadow_url,
    "lock-timeout": _lock_timeout,
    "lock-deadline": _lock_deadline,
    "small-table": _small_table,
}


def _time(seconds: float) -> str:
    """Return a duration in the largest unit that has no fraction, as the configuration file has it."""
    thousandths = round(seconds * 1000)
    sizes = {"h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
    return next(f"{thousandths // size}{unit}" for unit, size in sizes.items() if thousandths % size == 0)


def _size(count: int) -> str:
    units = {"TB": 1 << 40, "GB": 1 << 30, "MB": 1 << 20, "kB": 1 << 10, "B": 1}
    return next(f"{count // size}{unit}" for unit, size in units.items() if count % size == 0)
