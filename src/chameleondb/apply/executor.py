"""The executor: runs the groups of a plan in order and records each in the transaction that does it.

Rules:
- a transaction's record is written inside that transaction, so the database never knows of half a group;
- a lock is waited for only briefly, since whoever comes later queues behind the one who waits; then the whole group is
  rolled back and tried again, with growing and jittered pauses, until the deadline;
- an autovacuum is ended by the server for whoever waits long enough: it is waited for that long, a few times at most;
- CREATE INDEX CONCURRENTLY waits as long as it must: its own lock blocks neither reads nor writes, and a timeout would
  only leave an invalid index behind;
- a large table is filled by passes over its pages, a few per transaction, until a pass finds nothing to fill, or only
  what others have added meanwhile: each page is read once a pass, however many rows there are;
- what runs outside a transaction is announced before and recorded after, each in a transaction of its own;
- why a run stopped is recorded, too, if that is possible;
- whatever happens, no transaction stays open.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chameleondb.apply.ports import Blockers, Book, Session, Watcher
from chameleondb.errors import ChameleonError, DatabaseError, LockNotAcquired, StalePlan
from chameleondb.frozen import frozen
from chameleondb.names import Identity
from chameleondb.steps import Step

DEADLOCK_DETECTED = "40P01"

# Of a table that is filled in batches, so many pages are one transaction: half a megabyte, some thousand rows.
BATCH_PAGES = 64

# Of one piece of work, attempts that wait for an autovacuum to be ended; not every one is, and others queue meanwhile.
_LONGER_ATTEMPTS = 3

# Of a transaction that only makes an entry: while it waits, nobody waits for it.
_ENTRY_LOCK_TIMEOUT_S = 10.0


@frozen(kw_only=True)
class Patience:
    """How long to wait for locks, in seconds."""

    lock_timeout_s: float = 0.1
    deadline_s: float = 300.0


@frozen()
class Work:
    """Steps that are committed together, or one step outside a transaction."""

    steps: tuple[Step, ...]
    transactional: bool


@dataclass(slots=True)
class _Tries:
    """The attempts at one piece of work: how long the next one waits for a lock, and how many waited for longer."""

    deadline: float
    lock_timeout_s: float
    count: int = 0
    longer: int = 0


class Executor:
    """Runs a plan once. `sleep` and `clock` are seams for tests."""

    def __init__(
        self,
        session: Session,
        book: Book,
        watcher: Watcher,
        patience: Patience,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session, self.book, self.watcher, self.patience = session, book, watcher, patience
        self.sleep, self.clock = sleep, clock
        self._number: int | None = None  # of the statement that runs

    def run(self, groups: Sequence[Work]) -> None:
        """Run every group; an empty plan is recorded too.

        Raises: DatabaseError with the statement that failed; what was committed before stays committed and recorded.
        """
        try:
            self._run(groups)
        except ChameleonError as error:
            self._record_failure(error)
            raise

    def _run(self, groups: Sequence[Work]) -> None:
        if len(groups) <= 1 and all(g.transactional for g in groups):
            self._transaction(groups[0].steps if groups else (), 0, first=True, last=True)
            return
        self._transaction((), 0, first=True, last=False)
        number = 0
        for group in groups:
            if group.transactional:
                self._transaction(group.steps, number, first=False, last=False)
            else:
                self._alone(group.steps[0], number)
            number += len(group.steps)
        self._transaction((), number, first=False, last=True)

    def _transaction(self, steps: Sequence[Step], number: int, *, first: bool, last: bool) -> None:
        tries = self._tries()
        while True:
            current: list[Step] = []
            try:
                self.session.begin(tries.lock_timeout_s)
                self._attempt(steps, number, current, first=first, last=last)
                return
            except DatabaseError as error:
                self._roll_back()
                if not _passes(error) or not current:
                    raise
                self._pause(error, current[-1], tries)
            except BaseException:
                self._roll_back()
                raise

    def _attempt(self, steps: Sequence[Step], number: int, current: list[Step], *, first: bool, last: bool) -> None:
        if first:
            self.book.begun()
        done = []
        for self._number, step in enumerate(steps, start=number):
            current.append(step)
            begun = self.clock()
            self.watcher.step_begun(step)
            self._ensure_empty(step)
            self.session.execute(step.sql)
            done.append((step, self.clock() - begun))
        if steps:
            self.book.done(number, [step.sql for step in steps])
        self._number = None
        if last:
            self.book.applied()
        self._commit()
        for step, seconds in done:
            self.watcher.step_done(step, seconds)

    def _ensure_empty(self, step: Step) -> None:
        """A step that was harmless because its table had no rows must not meet rows that came since."""
        table = step.requires_empty
        if table is not None and self.session.lock_and_count(table) > 0:
            raise StalePlan(
                "CHM1011",
                f"{table} was empty when the plan was made and has rows now",
                hint="look at the plan again; nothing was changed by this transaction",
            )

    def _tries(self) -> _Tries:
        return _Tries(self.clock() + self.patience.deadline_s, self.patience.lock_timeout_s)

    def _pause(self, error: DatabaseError, step: Step, tries: _Tries) -> None:
        """Wait before the next attempt; give up at the deadline, naming who was in the way."""
        tries.count += 1
        blockers = self.session.blockers(step.locks)
        if self.clock() >= tries.deadline:
            who = f"; held by {blockers.who}" if blockers else ""
            raise LockNotAcquired(
                "CHM4022",
                f"no lock within {self.patience.deadline_s:g} s and {tries.count} attempts{who}",
                hint="end the transaction that is in the way, or try at a quieter time",
                sqlstate=error.sqlstate,
                statement=step.sql,
            ) from None
        self.watcher.lock_missed(step, tries.count, blockers.who if blockers else None)
        ceiling = min(2.0, 0.05 * 2**tries.count)
        self.sleep(min(random.uniform(ceiling / 2, ceiling), max(0.0, tries.deadline - self.clock())))
        self._choose_timeout(tries, blockers)

    def _choose_timeout(self, tries: _Tries, blockers: Blockers | None) -> None:
        tries.lock_timeout_s = self.patience.lock_timeout_s
        wait = blockers.yields_after_s if blockers else None
        if wait and tries.longer < _LONGER_ATTEMPTS and self.clock() + wait < tries.deadline:
            tries.longer += 1
            tries.lock_timeout_s = max(wait, tries.lock_timeout_s)

    def _alone(self, step: Step, number: int) -> None:
        begun = self.clock()
        self._enter(lambda: self.book.started(number, step.sql))
        self._number = number
        self.watcher.step_begun(step)
        if step.batched:
            self._fill(step, step.batched)
        else:
            self.session.execute_alone(step.sql, 0)
        self._number = None
        self._enter(lambda: self.book.done(number, [step.sql]))
        self.watcher.step_done(step, self.clock() - begun)

    def _record_failure(self, error: ChameleonError) -> None:
        # The connection may be lost or the ledger not writable; the error is what counts.
        with contextlib.suppress(ChameleonError):
            self._enter(lambda: self.book.failed(self._number, error))

    def _enter(self, entry: Callable[[], None]) -> None:
        """Make an entry in a transaction of its own."""
        try:
            self.session.begin(_ENTRY_LOCK_TIMEOUT_S)
            entry()
            self._commit()
        except BaseException:
            self._roll_back()
            raise

    def _commit(self) -> None:
        self.session.commit()
        self.book.kept()

    def _roll_back(self) -> None:
        self.session.rollback()
        self.book.undone()

    def _fill(self, step: Step, table: Identity) -> None:
        """Run the step on every page there is, until nothing is left of what others move behind its back.

        Rows that others go on adding without the field would never let it end: it ends when there are no fewer.
        """
        filled = 0
        for number in itertools.count(1):
            total, before, filled = self.session.pages(table), filled, 0
            for start in range(0, total, BATCH_PAGES):
                filled += self._batch(step, start)
                self.watcher.batch_done(step, number, min(start + BATCH_PAGES, total), total)
            if filled == 0 or (number > 2 and filled >= before):
                return

    def _batch(self, step: Step, start: int) -> int:
        """Run one batch; rows that others hold are waited for as briefly as locks are."""
        tries = self._tries()
        while True:
            try:
                return self.session.execute_pages(step.sql, start, BATCH_PAGES, tries.lock_timeout_s)
            except DatabaseError as error:
                if not _passes(error):
                    raise
                self._pause(error, step, tries)


def _passes(error: DatabaseError) -> bool:
    """Whether the same statement may succeed a moment later."""
    return isinstance(error, LockNotAcquired) or error.sqlstate == DEADLOCK_DETECTED
