"""Where the mode password comes from: a file, the environment, or whoever sits at the terminal. Never an argument."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import field
from pathlib import Path

from chameleondb.cli.output import Output
from chameleondb.errors import ModeError, UsageError
from chameleondb.frozen import frozen

CURRENT = "CHAMELEON_MODE_PASSWORD"
NEW = "CHAMELEON_NEW_MODE_PASSWORD"
_FILE = "_FILE"
_BYTES_MAX = 4096


@frozen()
class Passwords:
    """What the environment has of passwords, by the names of its variables."""

    found: dict[str, str] = field(repr=False)

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Passwords:
        """Take the variables out of the environment, so that no program that is started inherits them."""
        names = (CURRENT, CURRENT + _FILE, NEW, NEW + _FILE)
        return cls({name: value for name in names if (value := environment.pop(name, ""))})

    def has(self, name: str) -> bool:
        """Whether a password, or the file of one, is named."""
        return name in self.found or name + _FILE in self.found

    def read(self, name: str) -> str:
        """Return the password of a name that is there. Raises: UsageError CHM2113, CHM2114."""
        if name not in self.found:
            return _in_file(name + _FILE, Path(self.found[name + _FILE]))
        if name + _FILE in self.found:
            raise UsageError("CHM2113", f"{name} and {name}{_FILE} are both set", hint="unset one of them")
        return self.found[name]

    def current(self, out: Output, prompt: str) -> str:
        """Return the present password, asking for it if need be. Raises: UsageError, ModeError CHM2105, CHM2116."""
        return self.read(CURRENT) if self.has(CURRENT) else _asked(out, prompt, CURRENT)

    def new(self, out: Output, *, is_only: bool) -> str:
        """Return the new password; `is_only`: no other is needed, so the usual variable will do.

        Raises: UsageError, ModeError CHM2105, CHM2111, CHM2116.
        """
        for name in (NEW, CURRENT) if is_only else (NEW,):
            if self.has(name):
                return self.read(name)
        wanted = CURRENT if is_only else NEW
        password = _asked(out, "Enter new password: ", wanted)
        if _asked(out, "Confirm password: ", wanted) != password:
            raise ModeError("CHM2111", "the two passwords differ", hint="nothing was changed; run it again")
        return password


def _asked(out: Output, prompt: str, name: str) -> str:
    password = out.secret(prompt)
    if password is None:
        raise ModeError(
            "CHM2105",
            "there is no terminal to ask for the password at",
            hint=f"set {name}{_FILE} to a file that only you can read, or {name}",
        )
    if not password:  # somebody who gives up, and no wrong password
        raise ModeError("CHM2116", "no password was given", hint="nothing was changed; run it again")
    return password


def _in_file(name: str, path: Path) -> str:
    def wrong(why: str, hint: str) -> UsageError:
        return UsageError("CHM2114", f"{name}: {why}", hint=hint)

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise wrong(f"cannot read {path}: {error.strerror}", "check the path, and who may read it") from None
    if os.name == "posix" and mode & 0o077:
        raise wrong(f"others can read {path}", f"chmod 600 {path}")
    if len(data) > _BYTES_MAX:
        raise wrong(f"{path} is too large for a password", "name a file that holds the password alone")
    # One line end is the editor's; blanks may be the password's.
    end = b"\r\n" if data.endswith(b"\r\n") else b"\n"
    text = data.removesuffix(end).decode("utf-8", "surrogateescape")
    if not text:
        raise wrong(f"{path} holds no password", "name a file that holds the password alone")
    return text
