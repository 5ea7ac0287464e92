"""The error tree, split by who must act; each class fixes the exit status.

ChameleonError
├─ UsageError             the command line or configuration is wrong              64
├─ SchemaError            the `.cham` files are wrong; carries diagnostics        1
├─ PlanError              the change cannot be planned as asked                   1
│  └─ ConsentNeeded       a destructive step needs a decision                     3
├─ DatabaseError          the server refused a statement                          1
│  ├─ NotSupported        the server, role or set-up cannot do this               1
│  ├─ DatabaseUnreachable no connection                                           8
│  └─ LockNotAcquired     a lock was not free in time                             7
├─ ModeError              the mode forbids it, or the password is wrong           4
├─ IntegrityError         the vault or the ledger was changed; carries findings   5
└─ StalePlan              the database changed since the plan was made            6

A message is one clause without blame; `hint` is the way out. psycopg's exceptions do not leave `postgres/`.
"""

from __future__ import annotations

from typing import ClassVar

from chameleondb.findings import Finding


class ChameleonError(Exception):
    """Anything a user can be told about. `code` is stable for ever, `hint` says what to do."""

    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(ChameleonError):
    """The command line, the environment or a configuration file is wrong."""

    exit_status = 64


class SchemaError(ChameleonError):
    """The declared schema is wrong. The diagnostics were already sorted; raised once for all of them."""

    def __init__(self, diagnostics: tuple[object, ...], message: str) -> None:
        super().__init__("CHM0001", message)
        self.diagnostics = diagnostics


class PlanError(ChameleonError):
    """The change cannot be planned as asked; nothing was touched."""


class ConsentNeeded(PlanError):
    """Destructive steps need consent by name; `flags` are the exact options that give it."""

    exit_status = 3

    def __init__(self, message: str, flags: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__("CHM1001", message, hint=hint)
        self.flags = flags


class DatabaseError(ChameleonError):
    """The server refused a statement. Row data (DETAIL) is kept apart: it is printed only on request."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        sqlstate: str | None = None,
        statement: str | None = None,
        position: int | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.sqlstate = sqlstate
        self.statement = statement
        self.position = position
        self.detail = detail


class NotSupported(DatabaseError):
    """The server, the role or the set-up cannot do what is asked."""


class DatabaseUnreachable(DatabaseError):
    """No connection to the server."""

    exit_status = 8


class LockNotAcquired(DatabaseError):
    """A lock was not free before the deadline."""

    exit_status = 7


class ModeError(ChameleonError):
    """The mode forbids the operation, or whoever asks for another mode could not prove who they are."""

    exit_status = 4


class IntegrityError(ChameleonError):
    """The vault or the ledger is not what it was; `findings` has every reason, `consequence` what was not done."""

    exit_status = 5

    def __init__(
        self,
        findings: tuple[Finding, ...],
        *,
        consequence: str = "Nothing was changed",
        hint: str | None = None,
    ) -> None:
        super().__init__("CHM2001", "integrity violation detected", hint=hint)
        self.findings = findings
        self.consequence = consequence


class StalePlan(ChameleonError):
    """The database is no longer what the plan was made for."""

    exit_status = 6


def interruption(error: BaseException) -> KeyboardInterrupt | None:
    """Return the Ctrl-C or signal at which an error has happened, be it only while things were put away; or None."""
    while not isinstance(error, KeyboardInterrupt):
        before = error.__cause__ or error.__context__
        if before is None:
            return None
        error = before
    return error
