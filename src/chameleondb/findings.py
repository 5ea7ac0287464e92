"""What a check of the history can find: one finding is a code, a place and a plain sentence.

Every code has one severity, listed here and nowhere else:

- VIOLATION: somebody changed what nobody may change, or what was kept is lost; nothing is applied until a person acts;
- RECOVERABLE: what a crash or a full disk can leave, and rules for git; the next ``migrate --apply`` puts it right;
- NOTICE: worth knowing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from chameleondb.frozen import frozen


class Severity(enum.StrEnum):
    """How bad a finding is; see above."""

    VIOLATION = "violation"
    RECOVERABLE = "recoverable"
    NOTICE = "notice"


_V, _R, _N = Severity.VIOLATION, Severity.RECOVERABLE, Severity.NOTICE

SEVERITIES: dict[str, Severity] = {
    # files
    "VAULT_MISSING": _V,
    "NOT_A_DIRECTORY": _V,
    "UNSAFE_FILE": _V,
    "FOREIGN_OWNER": _V,
    "PERMISSIVE_MODE": _V,
    "UNKNOWN_FILE": _V,
    "UNREADABLE_FILE": _V,
    "FILE_TOO_LARGE": _V,
    "ORPHAN_VERSION": _R,
    "LEFTOVER_FILE": _R,
    "GIT_RULES_MISSING": _R,
    "LOCAL_NOT_CONSULTED": _N,
    # versions
    "VERSION_MISSING": _V,
    "VERSION_HASH_MISMATCH": _V,
    "VERSION_NOT_CANONICAL": _V,
    "VERSION_NAME_MISMATCH": _V,
    "PARENT_MISMATCH": _V,
    "FOREIGN_VAULT": _V,
    "BAD_VERSION_NAME": _V,
    "HASH_FILE_MISSING": _R,
    "HASH_FILE_MISMATCH": _V,
    "BRANCHES_COLLIDE": _V,
    # log
    "LOG_MISSING": _V,
    "LOG_BAD_LINE": _V,
    "LOG_BAD_FIELDS": _V,
    "LOG_SUM_MISMATCH": _V,
    "LOG_CHAIN_BROKEN": _V,
    "LOG_SEQ": _V,
    "LOG_GENESIS": _V,
    "LOG_TORN_TAIL": _R,
    "CLOCK_BACKWARD": _N,
    # manifest
    "MANIFEST_MISSING": _V,
    "MANIFEST_INVALID": _V,
    "MANIFEST_MISMATCH": _V,
    "LOG_TRUNCATED": _V,
    "LOG_REWRITTEN": _V,
    "MANIFEST_BEHIND": _R,
    # modes
    "MODE_UPGRADE_UNSIGNED": _V,
    "AUTH_ROTATED_WITHOUT_OLD_KEY": _V,
    "PASSWORD_RESET": _N,
    # database
    "LEDGER_MISSING": _V,
    "LEDGER_REPLACED": _V,
    "LEDGER_GAP": _V,
    "LEDGER_CHAIN_BROKEN": _V,
    "LEDGER_SUM_MISMATCH": _V,
    "LEDGER_BAD_ROW": _V,
    "LEDGER_FOREIGN_VAULT": _V,
    "LEDGER_REWRITTEN": _V,
    "LEDGER_UNPROTECTED": _N,
    "DATABASE_ROLLED_BACK": _V,
    "VAULT_ROLLED_BACK": _V,
    "VAULT_LOG_REWRITTEN": _V,
    "APPLIED_VERSION_NOT_IN_VAULT": _V,
    "RECEIPT_MISSING_ON_DISK": _R,
    "RUN_INTERRUPTED": _R,
    "VERSION_SUPERSEDED": _R,
    "DRIFT": _N,
    "DATABASE_IS_A_COPY": _N,
    # what was seen here before
    "ROLLED_BACK": _V,
    "REWRITTEN_BEFORE_PIN": _V,
    "VAULT_UNLIKE_LAST_SEEN": _N,
}


@frozen(kw_only=True)
class Finding:
    """One thing found. `place` is a file below the vault, a log line, a ledger row or a database object."""

    code: str
    place: str
    message: str  # a clause without blame, e.g. "hash mismatch"
    expected: str | None = None
    actual: str | None = None
    hint: str | None = None  # what to do next, with the exact command

    def __post_init__(self) -> None:
        assert self.code in SEVERITIES, self.code

    @property
    def severity(self) -> Severity:
        """The severity of its code."""
        return SEVERITIES[self.code]

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def of_severity(findings: Iterable[Finding], severity: Severity) -> tuple[Finding, ...]:
    """Return the findings of one severity, in their order."""
    return tuple(f for f in findings if f.severity is severity)
