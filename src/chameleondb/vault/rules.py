"""What a line may say after those before it: versions in order, receipts of known versions, signed keys and modes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chameleondb.findings import Finding
from chameleondb.modes.change import ModeChange, is_sound
from chameleondb.modes.key import PublicKey, is_rotation_sound
from chameleondb.vault import layout
from chameleondb.vault.files import RESTORE
from chameleondb.vault.history import mode_change
from chameleondb.vault.log import Line


def check(lines: Iterable[Line]) -> tuple[Finding, ...]:
    """Return what is wrong with the lines of a sound chain."""
    return tuple(_Rules().check(lines))


class _Rules:
    """What has been said so far."""

    def __init__(self) -> None:
        self.vault = ""
        self.versions: dict[str, str] = {}  # id to label
        self.newest = layout.NONE
        self.key: PublicKey | None = None
        self.mode: ModeChange | None = None
        self.time = ""

    def check(self, lines: Iterable[Line]) -> Iterator[Finding]:
        for line in lines:
            if line.time < self.time:
                yield _finding(
                    "CLOCK_BACKWARD",
                    line,
                    "the clock went back",
                    expected=self.time,
                    actual=line.time,
                    hint="nothing to do",
                )
            self.time = line.time
            match line.action:
                case "INIT":
                    self.vault = line.fields["vault"]
                case "REGISTER":
                    yield from self._register(line)
                case "APPLIED" | "REPAIR":
                    yield from self._receipt(line)
                case "SUPERSEDE":
                    if line.fields["new"] not in self.versions:
                        yield _finding("LOG_BAD_FIELDS", line, "supersedes by a version that is not registered")
                case "AUTH_SET":
                    yield from self._key(line)
                case "MODE":
                    yield from self._mode(line)
                case _:
                    pass

    def _register(self, line: Line) -> Iterator[Finding]:
        label, expected = line.fields["version"], layout.label(len(self.versions) + 1)
        if label != expected or line.fields["hash"] in self.versions:
            yield _finding("BAD_VERSION_NAME", line, "not the next version", expected=expected, actual=label)
        if line.fields["parent"] != self.newest:
            yield _finding(
                "PARENT_MISMATCH",
                line,
                f"{label} does not follow the version before it",
                expected=self.newest,
                actual=line.fields["parent"],
            )
        self.newest = line.fields["hash"]
        self.versions[self.newest] = label

    def _receipt(self, line: Line) -> Iterator[Finding]:
        label, id = line.fields["version"], line.fields["hash"]
        if line.fields.get("what") == "password":
            if (label, id) != (layout.NONE, layout.NONE):
                yield _finding("LOG_BAD_FIELDS", line, "a reset of the password names a version")
            self.key = None
            yield _finding(
                "PASSWORD_RESET",
                line,
                "the mode password was reset by the owner of a database",
                hint="if you know of it, nothing to do",
            )
        elif self.versions.get(id) != label or line.fields["ledger"] == layout.NONE:
            yield _finding("LOG_BAD_FIELDS", line, f"a receipt of a version that is not registered: {label}")

    def _key(self, line: Line) -> Iterator[Finding]:
        try:
            key = PublicKey.read(line.fields)
        except ValueError as error:
            yield _finding("LOG_BAD_FIELDS", line, str(error))
            return
        if not is_rotation_sound(self.key, key, place=layout.VAULT, vault=self.vault, prev=line.prev):
            yield _finding(
                "AUTH_ROTATED_WITHOUT_OLD_KEY",
                line,
                "the password was changed by somebody who did not know the old one",
            )
        self.key = key

    def _mode(self, line: Line) -> Iterator[Finding]:
        change = mode_change(line, self.vault)
        if not is_sound(change, self.mode, self.key):
            yield _finding(
                "MODE_UPGRADE_UNSIGNED", line, f"the change to {change.to.label} was made without the password"
            )
        self.mode = change


def _finding(
    code: str, line: Line, message: str, *, expected: str | None = None, actual: str | None = None, hint: str = RESTORE
) -> Finding:
    place = f"{layout.LOG}:{line.seq}"
    return Finding(code=code, place=place, message=message, expected=expected, actual=actual, hint=hint)
