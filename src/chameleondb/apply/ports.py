"""What the executor needs from the outside: a database session and someone who keeps the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chameleondb.errors import ChameleonError
from chameleondb.names import Identity
from chameleondb.steps import Lock, Step


class Blockers(Protocol):
    """Who was in the way of a lock."""

    @property
    def who(self) -> str:
        """The one whose transaction is the oldest, in words."""

    @property
    def yields_after_s(self) -> float | None:
        """How long a wait must be for the server to end them all for it, in seconds; None if it does not."""


class Session(Protocol):
    """One connection that runs a plan. Errors are `errors.DatabaseError`, a lock that was not free LockNotAcquired."""

    def begin(self, lock_timeout_s: float) -> None:
        """Open a transaction in which every wait for a lock ends after `lock_timeout_s` seconds."""

    def execute(self, sql: str) -> int:
        """Run one statement; return the number of rows it touched."""

    def execute_alone(self, sql: str, lock_timeout_s: float) -> int:
        """Run one statement outside a transaction block; a timeout of 0 waits for ever."""

    def execute_pages(self, sql: str, first: int, count: int, lock_timeout_s: float) -> int:
        """Run a statement, whose last clause is WHERE, on `count` pages of its table from page `first` on, alone."""

    def pages(self, table: Identity) -> int:
        """Return the size of a table, in pages."""

    def lock_and_count(self, table: Identity) -> int:
        """Lock a table against everybody and return the number of its rows, or 1 for any number above that."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back; harmless where none is open."""

    def blockers(self, locks: tuple[Lock, ...]) -> Blockers | None:
        """Return who holds locks on the relations of those that were asked for; None if nobody does."""


class Book(Protocol):
    """The ledger of a run. Each entry is written in the session's open transaction and lives and dies with it."""

    def begun(self) -> None:
        """Record that the run begins; called in a transaction of its own unless the plan is one transaction."""

    def started(self, number: int, statement: str) -> None:
        """Record, in a transaction of its own, that a statement which cannot be in one is about to run."""

    def done(self, number: int, statements: Sequence[str]) -> None:
        """Record that the statements of a group, the first of them being the plan's `number`, are done."""

    def applied(self) -> None:
        """Record that the version is applied."""

    def failed(self, number: int | None, error: ChameleonError) -> None:
        """Record, in a transaction of its own, why the run stopped; `number` is the statement's, if it was one."""

    def kept(self) -> None:
        """Call when the transaction was committed."""

    def undone(self) -> None:
        """Call when the transaction was rolled back."""


class Watcher(Protocol):
    """Hears what happens."""

    def step_begun(self, step: Step) -> None:
        """Call before a step runs."""

    def step_done(self, step: Step, seconds: float) -> None:
        """Call when a step has run; inside a transaction it is not committed yet."""

    def batch_done(self, step: Step, number: int, pages: int, total: int) -> None:
        """Call when a batch is committed: pass `number` over the table has come to page `pages` of `total`."""

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None:
        """Call when a lock was not free and the group will be tried again."""
