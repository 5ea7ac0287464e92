"""The policy: four modes, and the least mode of each operation, in one table."""

from __future__ import annotations

import enum

from chameleondb.errors import ModeError, UsageError

_ALIASES = {"admin": "emergency"}


class Mode(enum.IntEnum):
    """What a project allows; each mode allows what those before it allow."""

    READONLY = 0
    STANDARD = 1
    PRIVILEGED = 2
    EMERGENCY = 3

    @property
    def label(self) -> str:
        """The name as users write it."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Mode:
        """Return the mode that a user names, in any case; `admin` means emergency. Raises: UsageError CHM2101."""
        word = text.strip().lower()
        name = _ALIASES.get(word, word).upper()
        if name not in cls.__members__:
            allowed = ", ".join(mode.label for mode in cls)
            raise UsageError("CHM2101", f'invalid mode "{text.strip()}" (allowed: {allowed})')
        return cls[name]


class Operation(enum.Enum):
    """What a mode can forbid; the value is how a message names it."""

    PREVIEW = "showing what would change"
    DRY_RUN = "printing the SQL"
    APPLY = "changing the schema"
    DESTRUCTIVE_APPLY = "changing the schema with loss of data"
    INTROSPECT_TO_FILE = "writing a schema file from the database"
    RAW_SQL = "running SQL of your own"
    SET_SCHEMA_PATHS = "changing schema-paths"
    SKIP_VERIFICATION = "skipping the verification"


LEAST: dict[Operation, Mode] = {
    Operation.PREVIEW: Mode.READONLY,
    Operation.DRY_RUN: Mode.READONLY,
    Operation.APPLY: Mode.STANDARD,
    Operation.DESTRUCTIVE_APPLY: Mode.STANDARD,
    Operation.INTROSPECT_TO_FILE: Mode.STANDARD,
    Operation.RAW_SQL: Mode.PRIVILEGED,
    Operation.SET_SCHEMA_PATHS: Mode.PRIVILEGED,
    Operation.SKIP_VERIFICATION: Mode.EMERGENCY,
}


def is_allowed(mode: Mode, operation: Operation) -> bool:
    """Tell whether `mode` allows `operation`."""
    return mode >= LEAST[operation]


def require(mode: Mode, operation: Operation) -> None:
    """Do nothing if `mode` allows `operation`. Raises: ModeError CHM2100, which says how to get the mode it needs."""
    if is_allowed(mode, operation):
        return
    least = LEAST[operation]
    message = f"{mode.label} mode: {operation.value} needs {least.label} mode or higher"
    if operation in (Operation.APPLY, Operation.DESTRUCTIVE_APPLY):
        message = f"{mode.label} mode: schema modifications blocked"
    raise ModeError(
        "CHM2100",
        message,
        hint=f"run `chameleon config auth set-password` (first time only), "
        f"then `chameleon config set mode={least.label}`",
    )
