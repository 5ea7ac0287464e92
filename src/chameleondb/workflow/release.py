"""One ``migrate --apply`` of a project: the vault, the ledger and the database, in the order that survives a crash.

    1 lock the vault   2 verify it   3 connect, lock the database   4 read the ledger, reconcile
    5 plan, decide, ask for the mode   6 register: snapshot, hash, log, manifest
    7 run, with the ledger's rows in the transactions that do the work   8 receipt: log, manifest

Whatever instant a run ends at, the next one goes on from the log, the ledger and the catalog alone (docs/formats.md).
The stages are methods, called in this order, so that a command can say what happens in between.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from chameleondb.apply.executor import Patience
from chameleondb.apply.ports import Watcher
from chameleondb.config import Project
from chameleondb.errors import ChameleonError, IntegrityError, PlanError, StalePlan
from chameleondb.frozen import frozen
from chameleondb.modes.policy import Mode, Operation, require
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.postgres.ledger import (
    RUN_LOCK_KEY,
    Head,
    Registered,
    ensure_ours,
    read_version,
    record,
    require_place,
    unreadable,
)
from chameleondb.postgres.session import Connection, run_lock
from chameleondb.vault.history import History, Version
from chameleondb.vault.snapshot import Snapshot
from chameleondb.vault.store import Store
from chameleondb.workflow.author import author
from chameleondb.workflow.elaboration import OpenShadow
from chameleondb.workflow.in_force import FORGED, anchored, current_key, in_force
from chameleondb.workflow.ledgered import Ledgered, read_ledger
from chameleondb.workflow.migrate import Preview, Purpose, apply, prove_first, require_reviewed, require_rights
from chameleondb.workflow.pins import Pins
from chameleondb.workflow.recording import Content, make_snapshot
from chameleondb.workflow.source import Files
from chameleondb.workflow.trust import (
    NO_VAULT,
    Inspection,
    aborted,
    inspect,
    missing_receipts,
    remember,
    set_aside_version,
)

ADOPTABLE = {
    "DATABASE_IS_A_COPY": "copy",
    "DATABASE_ROLLED_BACK": "rolled-back",
    "LEDGER_REWRITTEN": "rolled-back",
    "ROLLED_BACK": "rolled-back",
    "REWRITTEN_BEFORE_PIN": "rolled-back",
    "LEDGER_MISSING": "ledger-missing",
}
"""What ``--adopt`` answers: findings that a copied or restored database explains, with the log's word for each."""


class Case(enum.Enum):
    """What a run has to do."""

    NOTHING = "nothing"
    REGISTER = "register"  # the files say something that no version says
    APPLY = "apply"  # the newest version says it, and this database does not have it yet
    RECOVER = "recover"  # the same, and a run of it was interrupted
    REPAIR = "repair"  # this database had it already, and differs since


@frozen(kw_only=True)
class Decision:
    """The case, the registered version that it is about, and the version that was never finished, if there is one."""

    case: Case
    version: Version | None = None
    interrupted: Version | None = None


def decide(
    history: History | None,
    head: Head,
    what: Preview,
    followed: Mapping[Identity, tuple[str, ...]],
    is_version: Callable[[Version], bool],
) -> Decision:
    """Return what is to be done. Pure: the same log, ledger and plan give the same answer.

    `followed` are the renames that the database's version has followed; a schema that declares others is recorded.
    """
    newest = history.newest if history else None
    if history is None or newest is None:
        return Decision(case=Case.REGISTER)
    interrupted = interrupted_version(history, head)
    if not is_version(newest):
        return Decision(case=Case.REGISTER, interrupted=interrupted)
    if head.version_id == newest.id:
        settled = not what.plan.groups and followed == what.version.followed and head.open_run is None
        return Decision(case=Case.NOTHING if settled else Case.REPAIR, version=newest)
    if interrupted is not None and interrupted.id == newest.id:
        return Decision(case=Case.RECOVER, version=newest, interrupted=interrupted)
    return Decision(case=Case.APPLY, version=newest)


def interrupted_version(history: History, head: Head) -> Version | None:
    """Return the version whose run did not end: begun in this database, or registered and applied to none."""
    begun = history.version(head.open_version_id) if head.open_version_id else None
    if begun is not None and begun.id != head.version_id:
        return begun
    pending = history.pending
    return pending if pending is not None and pending.id != head.version_id else None


class Listener(Watcher, Protocol):
    """Hears how a run goes on, besides its statements."""

    def unproven(self, why: str | None) -> None:
        """Call after the plan was tried on a copy; `why` tells why it could not be."""

    def decided(self, decision: Decision) -> None:
        """Call when it is known what has to be done, and that it may be done."""

    def registered(self, history: History, version: Version, decision: Decision) -> None:
        """Call when the version exists in the vault, be it since just now or from before."""

    def applying(self, plan: Plan) -> None:
        """Call before the first statement."""

    def applied(self, version: Version) -> None:
        """Call when the version is the database's, and its receipt is written."""


class Release:
    """A run of ``migrate --apply``. `history` is what the vault holds at each stage; None until there is a vault."""

    def __init__(self, project: Project, *, now: Callable[[], datetime], memory: Pins | None = None) -> None:
        self.project, self.now, self.memory = project, now, memory
        self.store = Store(project.data, now)
        self.history: History | None = None
        self.unverified: tuple[str, ...] = ()
        self.connection: Connection
        self.ledgered: Ledgered

    @contextmanager
    def locked_vault(self, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the vault. Raises: LockNotAcquired; ChameleonError if nothing can be written here."""
        with self.store.lock(self.project.settings.lock_deadline_s, waiting):
            yield

    def verify(self, *, skip: bool = False) -> None:
        """Verify what is on disk, and that it can be written, before any database is asked.

        Raises: IntegrityError, unless it is to be skipped and the log is sound; ChameleonError.
        """
        found = inspect(self.project.data, None, deep=False, memory=None)
        self.history = found.history
        if found.violations and not (skip and found.history is not None):
            raise aborted(found.violations)
        if self.history is not None:
            self.store.probe()

    @contextmanager
    def locked_database(
        self, connection: Connection, waiting: Callable[[str], None] = lambda _: None
    ) -> Iterator[None]:
        """Hold the right to migrate a database; `waiting` is told once who holds it. Raises: LockNotAcquired."""
        self.connection = connection
        with run_lock(connection, RUN_LOCK_KEY, self.project.settings.lock_deadline_s, waiting):
            yield

    def reconcile(self, *, adopt: bool = False, skip: bool = False) -> tuple[str, ...]:
        """Hold vault and ledger against each other, and put right what a crash has left; return what that was.

        Raises: IntegrityError; ModeError where `adopt` or `skip` needs another mode; NotSupported.
        """
        found = inspect(self.project.data, self.connection, deep=False, memory=self.memory)
        if found.ledgered is None:
            raise aborted(found.violations) if found.violations else unreadable(self.connection)
        self.history, self.ledgered = found.history, found.ledgered
        skips = skip and self._is_mode_believed(found)
        if skips:  # also where nothing is wrong: the next time, something might be
            require(self.mode(), Operation.SKIP_VERIFICATION)
        if skips and found.violations:
            if self.head.exists:
                ensure_ours(self.connection)  # before a version is registered that could not be recorded
            self.unverified = tuple(sorted({f.code for f in found.violations}))
        else:
            _require_sound(found, adopt=adopt)
            self._adopt(found)
            self._follow_rebase()
        if self.history is None:
            return ()
        repaired = () if self.unverified else self.store.repair(found.verified)
        self.history = self.store.read(deep=False).history or self.history
        receipts = self._write_receipts(recovered=True)
        self._tell_key()
        return (*repaired, *receipts)

    def _tell_key(self) -> None:
        """Give a ledger that knows no password the vault's key: from then on, no other key is believed for it."""
        assert self.history is not None
        key = current_key(self.history)
        is_ours = self.head.vault_id == self.history.vault
        if key is None or not is_ours or self.unverified or any(r.kind == "AUTH" for r in self.ledgered.rows):
            return
        record(self.connection, self.head, {"kind": "AUTH", **key.fields()}, anchored(self.history))
        self.ledgered = self._read_ledger()

    def _is_mode_believed(self, found: Inspection) -> bool:
        """Whether the log can say which mode is in force, and so whether anything may be skipped.

        A log that is not the one that the database knows was made by anybody, unless the database knows its password.
        """
        codes = {f.code for f in found.violations}
        if found.history is None or codes & FORGED:
            return False
        if not codes & {"VAULT_LOG_REWRITTEN", "VAULT_ROLLED_BACK", "LEDGER_FOREIGN_VAULT"}:
            return True
        told = found.force.told if found.force else None
        return told is not None and told.key is not None

    def _adopt(self, found: Inspection) -> None:
        """Record, in the ledger and in the log, that the database is meant to be what it is, if that is in doubt."""
        reasons = [ADOPTABLE[f.code] for f in found.findings if f.code in ADOPTABLE]
        if not reasons or self.history is None:
            return
        require(self.mode(), Operation.APPLY)
        fact = {"kind": "ADOPT", "reason": reasons[0]}
        row = record(self.connection, self.head, fact, anchored(self.history))
        self.ledgered = self._read_ledger()
        self.history = self.store.append(
            self.history, "ADOPT", db=self.ledgered.identity.key, ledger=str(row), reason=reasons[0]
        )

    def _follow_rebase(self) -> None:
        """Record, once, that the database leaves a version that a rebase set aside for the vault's chain."""
        if self.history is None or (old := set_aside_version(self.history, self.head)) is None:
            return
        reached = max(r.seq for r in self.ledgered.rows if r.version_id == old)
        if any(r.kind == "REBASE" and r.seq > reached for r in self.ledgered.rows):
            return
        require(self.mode(), Operation.APPLY)
        new = self.history.version(self.history.superseded[old])
        assert new is not None
        fact = {"kind": "REBASE", "version_id": new.id, "parent_id": old}
        record(self.connection, self.head, fact, _registered(self.history, new))
        self.ledgered = self._read_ledger()

    def _read_ledger(self) -> Ledgered:
        ledgered = read_ledger(self.connection)
        if ledgered is None:
            raise unreadable(self.connection)
        return ledgered

    @property
    def head(self) -> Head:
        """Where the ledger stood before the run."""
        return self.ledgered.head

    def mode(self) -> Mode:
        """The mode in force, the stricter of vault and ledger; standard for the first apply of a project, or its retry.

        That is allowed exactly while neither a vault nor the ledger knows of any version that was applied.
        """
        history = self.history
        known = any(r.kind == "APPLIED" and r.vault_id != NO_VAULT for r in self.ledgered.rows)
        if not known and (history is None or not history.receipts):
            return Mode.STANDARD
        assert history is not None  # a ledger of some vault would have been a violation
        return in_force(history, self.connection, self.ledgered, self.now).mode

    def bring(
        self,
        what: Preview,
        files: Files,
        open_shadow: OpenShadow,
        listener: Listener,
        *,
        consent: Callable[[Plan], Iterable[str]],
        reviewed: str | None = None,
        only_registered: bool = False,
    ) -> Version | None:
        """Bring the database to what the files say; return the version, or None if it is there already.

        `consent` returns the consents to what a plan destroys, or raises; `reviewed` is the hash that the plan must
        have. With `only_registered`, no version is made.

        Raises: ConsentNeeded, StalePlan, ModeError, PlanError, LockNotAcquired, DatabaseError; CHM2040 without receipt.
        """
        require_reviewed(what.plan, reviewed)
        content = Content(files, what)
        followed = read_version(self.connection, self.head).followed
        decision = decide(self.history, self.head, what, followed, content.is_version)
        if decision.case is Case.NOTHING:
            return None
        if only_registered and decision.case is Case.REGISTER:
            raise PlanError(
                "CHM1015",
                "the schema files say something that is no version of the vault, and with --registered none is made",
                hint="apply them to a database of your own first, and commit .chameleon together with the schema",
            )
        allowed = tuple(consent(what.plan))
        what.plan.require_consent(allowed)
        self.authorize(what)
        if not self.head.exists:
            require_place(self.connection)
        require_rights(self.connection, what.plan)
        listener.unproven(prove_first(self.connection, what, open_shadow))
        listener.decided(decision)
        if decision.version is not None:
            self._end_superseding(decision.version, decision.interrupted)
        version = decision.version or self.register(decision, content)
        assert self.history is not None
        listener.registered(self.history, version, decision)
        listener.applying(what.plan)
        self.run(what, version, listener, is_repair=decision.case is Case.REPAIR, content=content, allowed=allowed)
        listener.applied(version)
        return version

    def authorize(self, what: Preview) -> None:
        """Raises: ModeError if the mode does not allow what the plan does."""
        destroys = any(h.name.destructive for h in what.plan.hazards)
        require(self.mode(), Operation.DESTRUCTIVE_APPLY if destroys else Operation.APPLY)

    def _load(self, version: Version) -> tuple[Snapshot | None, bool]:
        """Return a version, and whether it is lost: where verification is skipped, its changes are not told then."""
        try:
            return self.store.load(version), False
        except IntegrityError:
            if not self.unverified:
                raise
            return None, True

    def register(self, decision: Decision, content: Content) -> Version:
        """Make the files a version of the vault, which is created if need be; return it."""
        history = self.history or self.store.create()
        old = decision.interrupted
        if old is not None and any(r.id == old.id for r in history.receipts):
            old = None
        version_before = history.reached(history.newest, without=old.id if old else None)
        before, is_before_lost = self._load(version_before) if version_before else (None, False)
        snapshot = make_snapshot(
            history,
            before,
            content,
            author=author(self.project.root),
            now=self.now(),
            major=self.connection.info.server_version // 10000,
            is_before_lost=is_before_lost,
        )
        history = self.store.register(history, snapshot)
        version = history.versions[-1]
        if old is not None:
            history = self.store.append(history, "SUPERSEDE", old=old.id, new=version.id)
        self.history = history
        return version

    def _end_superseding(self, version: Version, interrupted: Version | None) -> None:
        """Say whose place a version takes where a run was killed that had only registered it."""
        assert self.history is not None
        received = {receipt.id for receipt in self.history.receipts}
        for old in (interrupted, self.history.version(version.parent)) if version.id not in received else ():
            if old is not None and old.id not in {version.id, *received, *self.history.superseded}:
                self.history = self.store.append(self.history, "SUPERSEDE", old=old.id, new=version.id)

    def run(
        self,
        what: Preview,
        version: Version,
        watcher: Watcher,
        *,
        is_repair: bool,
        content: Content,
        allowed: Iterable[str],
    ) -> None:
        """Change the database, and write the receipt. Raises: as `workflow.migrate.apply`; CHM2040 without receipt."""
        assert self.history is not None
        settings = self.project.settings
        apply(
            self.connection,
            what,
            watcher,
            allowed=allowed,
            patience=Patience(lock_timeout_s=settings.lock_timeout_s, deadline_s=settings.lock_deadline_s),
            purpose=Purpose(
                registered=_registered(self.history, version),
                schema_hash=content.schema_hash,
                is_repair=is_repair,
                unverified=self.unverified,
            ),
        )
        self.ledgered = self._read_ledger()
        try:
            self._write_receipts(recovered=False)
        except (ChameleonError, OSError) as error:
            raise ChameleonError(
                "CHM2040",
                f"{version.label} is applied, but its receipt could not be written: {error}",
                hint="nothing is lost: make room, then run `chameleon migrate --apply` again, which only writes it",
            ) from None

    def _write_receipts(self, *, recovered: bool) -> tuple[str, ...]:
        """Write the receipt of every version that the database has and the log does not know of."""
        assert self.history is not None
        database, written = self.ledgered.identity.key, []
        for row in missing_receipts(self.history, self.ledgered):
            version = self.history.version(row.version_id or "")
            assert version is not None
            facts = {"version": version.label, "hash": version.id, "db": database, "ledger": f"{row.seq}:{row.hash}"}
            if row.kind == "REPAIR":
                self.history = self.store.append(self.history, "REPAIR", what="drift", **facts)
            else:
                self.history = self.store.append(
                    self.history, "APPLIED", **facts, recovered="yes" if recovered else "no"
                )
            written.append(f"receipt of {version.label}")
        if self.memory is not None and not self.unverified:
            remember(self.memory, self.history, self.ledgered)
        return tuple(written)


def _registered(history: History, version: Version) -> Registered:
    return Registered(
        label=version.label, version_id=version.id, vault=history.vault, log_seq=version.seq, log_sum=version.sum
    )


def _require_sound(found: Inspection, *, adopt: bool) -> None:
    """Stop at violations, and at what only `adopt` answers if that is not asked for.

    Raises: IntegrityError; StalePlan CHM1014 where the database is a copy.
    """
    violations = tuple(f for f in found.violations if not (adopt and f.code in ADOPTABLE))
    if violations:
        raise aborted(violations)
    for finding in found.findings:
        if finding.code in ADOPTABLE and not adopt:
            raise StalePlan("CHM1014", finding.message, hint=finding.hint)
