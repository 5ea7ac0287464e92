"""Changing the mode and its password, in the vault and in the ledger of a database.

A stricter mode is written to the ledger first, one that takes the password to the vault: what fails in between leaves
the two apart, the stricter one counts, and the same command brings them together. A key is written to the vault first,
since the ledger holds copies: an old copy agrees with a vault whose newer key it signed. So every order is safe, and
every command can be repeated.

A ledger that cannot be told (no connection, no right, a run at work) is a remark, not an error: locking must always be
possible. It still counts as soon as it can be asked. Where the vault cannot be written, the ledger alone is locked. A
line of the log is in force once it is there; that the manifest, which follows from it, cannot be written is a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from chameleondb.config import Project
from chameleondb.errors import ChameleonError, DatabaseError, IntegrityError, ModeError, StalePlan, UsageError
from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.modes import attempts, change, key
from chameleondb.modes.change import NEVER, PERIOD_MAX, format_time, parse_time
from chameleondb.modes.key import UNSIGNED, PrivateKey, PublicKey, check_new_password, derive
from chameleondb.modes.policy import Mode
from chameleondb.postgres.ledger import RUN_LOCK_KEY, Head, read_head, read_identity, record
from chameleondb.postgres.server import read_ownership
from chameleondb.postgres.session import Connection, run_lock
from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from chameleondb.workflow.in_force import Force, anchored, current_key, in_force, is_trusted, local_time
from chameleondb.workflow.ledgered import read_ledger
from chameleondb.workflow.trust import Inspection, inspect

_RUN_DEADLINE_S = 5.0
_WRONG = "wrong-password"

# What only `migrate --apply --adopt` answers, for which a mode has to be set first.
_RESTORED = frozenset({"DATABASE_ROLLED_BACK", "LEDGER_REWRITTEN", "LEDGER_MISSING"})

# What is wrong beside the log, which holds the modes and the keys: it keeps nobody from locking, or from an emergency.
# A file that the log does not know is not among them, since a log that was cut looks so.
_OF_VERSIONS = frozenset({"VERSION_MISSING", "VERSION_HASH_MISMATCH", "HASH_FILE_MISMATCH"})
_OF_MANIFEST = frozenset({"MANIFEST_MISSING", "MANIFEST_INVALID", "MANIFEST_MISMATCH"})
_BESIDE_THE_LOG = _OF_VERSIONS | _OF_MANIFEST

Ask = Callable[[], str]
"""Gives the present password. Called only if it is needed, and with no lock held."""

AskNew = Callable[[bool], str]
"""Gives a new password; told whether it is the only one that the command asks for."""


@frozen(kw_only=True)
class Changed:
    """What a command did: the mode before and after; `untold` says why the database was not told, if it was not.

    `unwritten` is why only the database was told, `behind` why the log has the change, and the manifest does not yet.
    `accepted`: a reset gave this database the password that the vault has already, and made no new one.
    """

    before: Force
    after: Force
    untold: str | None = None
    unwritten: ChameleonError | None = None
    behind: ChameleonError | None = None
    accepted: bool = False
    doubts: tuple[Finding, ...] = ()  # violations in spite of which it was done


class Modes:
    """The mode and the password of a project, and of one database if there is a connection.

    `untold` says why the database is told nothing, if it was meant to be.
    """

    def __init__(
        self,
        project: Project,
        connection: Connection | None,
        now: Callable[[], datetime],
        *,
        untold: str | None = None,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.project, self.connection, self.untold = project, connection, untold
        self.doubts: tuple[Finding, ...] = ()  # violations that the last look passed over
        self._unwritten: ChameleonError | None = None  # why the vault could not be told
        self._behind: ChameleonError | None = None  # why the manifest could not be written
        self._now, self._waiting = now, waiting
        self._store = Store(project.data, now)

    def look(self) -> Force:
        """Return the mode in force. Raises: UsageError CHM2002 without a vault; IntegrityError; DatabaseError."""
        return self._look()

    def peek(self) -> Force | None:
        """Return the mode in force in spite of all that is wrong, which `doubts` has; None if the log cannot be read.

        Raises: UsageError CHM2002 without a vault; DatabaseError.
        """
        found = self._inspect()
        self.doubts = found.violations
        if found.force is None and not self.doubts:
            raise _without_vault()
        return found.force

    def set_mode(self, to: Mode, period: timedelta, ask: Ask) -> Changed:
        """Put vault and database into another mode, which ends after `period`; readonly does not end.

        The password is needed for whatever allows more, or for longer. A stricter mode, and emergency, are possible
        while versions or the manifest are not what the log says. Raises: as `look`; ModeError; LockNotAcquired;
        ChameleonError CHM2010 if the vault cannot be written; what is in force then, it says.
        """
        if not timedelta(0) < period <= PERIOD_MAX:
            limit = "up to 24 hours" if period > PERIOD_MAX else "at least 1 second"
            raise UsageError("CHM2110", f"a mode lasts for {limit}", hint="e.g. --for 30m, --for 2h")

        def look() -> Force:
            if to is Mode.READONLY:
                return self._look_anyway()
            return self._look(tolerates=lambda force: to is Mode.EMERGENCY or to < force.mode)

        before = look()
        private = self._prove(before, ask, f"mode:{to.label}") if _needs_password(before, to) else None
        with self._held(anyway=private is None):
            force = look()
            if _needs_password(force, to) and (private is None or not _opens(private, force.key)):
                raise _meanwhile()
            if not _is_settled(force, to):
                self._change(force, to, _until(force, to, period, is_proven=private is not None), private)
        done = self._changed(before)
        if self._unwritten is not None and (private is not None or done.after.mode is not to):
            raise _unwritable(self._unwritten, done.after)
        return done

    def set_password(self, ask: Ask, ask_new: AskNew) -> Changed:
        """Set the first password, or exchange it for another. Raises: as `set_mode`."""
        before = self._look()
        old = self._prove(before, ask, "auth:set-password") if before.key else None
        new = _new_key(ask_new(old is None))
        with self._held():
            force = self._look()
            if (force.key is None) != (old is None) or (old is not None and not _opens(old, force.key)):
                raise _meanwhile()
            self._write_key(force.history, new, old)
            self._tell_key()
        return self._changed(before)

    def reset_password(self, ask_new: AskNew) -> Changed:
        """Exchange a password that is lost. Whoever may do this owns the database, and it stays visible for ever.

        Raises: as `set_mode`; DatabaseError, since this cannot be done without the database.
        """
        assert self.connection is not None
        owned = read_ownership(self.connection)
        if not owned.is_owner:
            raise ModeError(
                "CHM2112",
                f"only the owner of the database may reset the password, and {owned.role} is not {owned.owner}",
                hint=f"connect as {owned.owner} or as a superuser",
            )
        before = self._look(is_forgiving=True)
        if not before.history.keys:
            raise _without_password()
        if before.told is None:
            raise ModeError(
                "CHM2115",
                "this database has no history of this vault, so its owner cannot reset the password",
                hint="connect to a database that the vault was applied to",
            )
        # Several databases may belong to a vault. One that missed a reset gets the password that came of it, since
        # another one would be the first database's turn to refuse.
        new = None if _has_missed_reset(before) else _new_key(ask_new(True))
        with self._locked(), run_lock(self.connection, RUN_LOCK_KEY, _RUN_DEADLINE_S):
            now = self._look(is_forgiving=True)
            if _has_missed_reset(now) != (new is None):
                raise _meanwhile()
            history = now.history
            body = {"kind": "REPAIR", "what": "password"}
            row = record(self.connection, read_head(self.connection), body, anchored(history))
            if new is None:
                self._tell_key()
                return replace(self._changed(before), accepted=True)
            history = self._append(
                history,
                "REPAIR",
                what="password",
                version="none",
                hash="none",
                db=read_identity(self.connection).key,
                ledger=str(row),
            )
            self._write_key(history, new, None)
            self._tell_key()
        return self._changed(before)

    def _look(self, *, is_forgiving: bool = False, tolerates: Callable[[Force], bool] = lambda _: False) -> Force:
        """Return what vault and ledger say, once they are found in order.

        With `is_forgiving`, they may disagree about who may change the mode: locking and resetting end that. Where
        `tolerates` says so, what is wrong beside the log may be.
        """
        found = self._inspect()
        violations = tuple(f for f in found.violations if f.code not in _RESTORED)
        force = found.force
        if force is not None and is_forgiving:
            violations = tuple(f for f in violations if f not in force.findings)
        self.doubts = ()
        if force is not None and tolerates(force):
            self.doubts = tuple(f for f in violations if f.code in _BESIDE_THE_LOG)
            violations = tuple(f for f in violations if f not in self.doubts)
        if violations:
            raise _refused(violations)
        if force is None:
            raise _without_vault()
        return force

    def _inspect(self) -> Inspection:
        found = inspect(self.project.data, self.connection, deep=False, memory=None, now=self._now)
        if self.connection is not None and found.ledgered is None:
            self.untold = "the role may not read the ledger"
        return found

    def _look_anyway(self) -> Force:
        """Look at the vault alone where the ledger is in doubt: that must not keep anybody from locking."""
        try:
            return self._look(is_forgiving=True, tolerates=lambda _: True)
        except (IntegrityError, DatabaseError) as error:
            if self.connection is None:
                raise
            self.connection, self.untold = None, error.message
            return self._look(tolerates=lambda _: True)

    def _changed(self, before: Force) -> Changed:
        after = self._look_anyway()
        return Changed(
            before=before,
            after=after,
            untold=self.untold,
            unwritten=self._unwritten,
            behind=self._behind,
            doubts=self.doubts,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the vault, with what a killed command has left in it put right."""
        with self._store.lock(self.project.settings.lock_deadline_s, self._waiting):
            self._repair()
            yield

    def _repair(self) -> None:
        found = self._store.read(deep=False)
        if found.violations and all(f.code in _BESIDE_THE_LOG for f in found.violations):
            return
        try:
            self._store.repair(found)
        except ChameleonError as error:
            if error.code != "CHM2010" or any(f.code == "LOG_TORN_TAIL" for f in self._store.read(deep=False).findings):
                raise
            self._behind = error

    @contextmanager
    def _held(self, *, anyway: bool = False) -> Iterator[None]:
        """Hold the vault, and the database unless a run is at work there; `anyway`, a vault need not be writable."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked())
            except ChameleonError as error:
                if error.code != "CHM2010" or not anyway:
                    raise
                self._unwritten = error
            if self.connection is not None:
                try:
                    stack.enter_context(run_lock(self.connection, RUN_LOCK_KEY, _RUN_DEADLINE_S))
                except DatabaseError as error:
                    self.untold = error.message
            yield

    def _prove(self, force: Force, ask: Ask, what: str) -> PrivateKey:
        """Ask for the password and return what it opens; a wrong one is recorded, and slows down the next."""
        if force.key is None:
            raise _without_password()
        self._check_patience(force.history)
        password = ask()
        with self._locked():
            history = self._store.read(deep=False).history or force.history
            self._check_patience(history)
            private = derive(password, current_key(history))
            if _opens(private, current_key(history)):
                return private
            self._append(history, "DENIED", what=what, reason=_WRONG)
        raise ModeError("CHM2103", "invalid mode password", hint="a lost one: `chameleon config auth reset-password`")

    def _check_patience(self, history: History) -> None:
        wait = attempts.remaining(_failures(history), local_time(history, self._now))
        if wait:
            raise ModeError("CHM2104", f"too many wrong passwords: try again in {wait.total_seconds():.0f} s")

    def _change(self, force: Force, to: Mode, until: str, private: PrivateKey | None) -> None:
        try:
            if private is not None:
                self._write_mode(force, to, until, private)
            self._tell_mode(force, to, until, private)
            if private is None and self._unwritten is None:
                self._write_mode(force, to, until, private)
        except ChameleonError as error:
            if error.code != "CHM2010":
                raise
            self._unwritten = error

    def _write_mode(self, force: Force, to: Mode, until: str, private: PrivateKey | None) -> None:
        fields = _signed(
            private, place="vault", vault=force.history.vault, prev=force.history.head[1], of=(force.vault, to, until)
        )
        self._append(force.history, "MODE", **fields)

    def _append(self, history: History, action: str, **fields: str) -> History:
        """Add a line to the log. A manifest that is wrong stays so: a fresh one would hide that."""
        is_wrong = any(f.code in _OF_MANIFEST for f in self._store.read(deep=False).findings)
        history = self._store.append_alone(history, action, **fields)
        if not is_wrong:
            try:
                self._store.write_manifest(history)
            except ChameleonError as error:
                self._behind = error
        return history

    def _tell_mode(self, force: Force, to: Mode, until: str, private: PrivateKey | None) -> None:
        told = force.told
        if told is None or self.untold:
            return
        last = told.changes[-1] if told.changes else None
        if private is None and change.grants(last, to, until):
            return  # nothing to take away there: it was never told a mode, and the vault's is the stricter one
        with self._telling():
            head = told.head
            if private is not None and force.key is not None and told.key != force.key:
                head = self._record(head, {"kind": "AUTH", **force.key.fields()}, force.history)
            fields = _signed(
                private,
                place="ledger",
                vault=force.history.vault,
                prev=head.hash,
                of=(force.ledger or Mode.READONLY, to, until),
            )
            self._record(head, {"kind": "MODE", **fields}, force.history)

    def _write_key(self, history: History, new: PrivateKey, old: PrivateKey | None) -> None:
        public = new.public
        if old is not None:
            signature = old.sign(key.message("vault", history.vault, history.head[1], public))
            public = replace(public, sig=signature)
        self._append(history, "AUTH_SET", **public.fields())

    def _tell_key(self) -> None:
        """Give the ledger of this vault, if there is one, a copy of the newest key."""
        history = self._store.read(deep=False).history
        assert history is not None
        ledgered = read_ledger(self.connection) if self.connection else None
        told = in_force(history, self.connection, ledgered, self._now).told
        if told is not None and not self.untold:
            with self._telling():
                self._record(told.head, {"kind": "AUTH", **history.keys[-1].fields()}, history)

    def _record(self, head: Head, body: Mapping[str, str], history: History) -> Head:
        assert self.connection is not None
        row = record(self.connection, head, body, anchored(history))
        return replace(head, seq=row.seq, hash=row.hash)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (DatabaseError, StalePlan) as error:
            self.untold = error.message


def _needs_password(force: Force, to: Mode) -> bool:
    return to is not Mode.READONLY and to >= force.mode


def _is_settled(force: Force, to: Mode) -> bool:
    """Tell whether it is locked already, and not only because a change has ended: a clock can be put back."""
    chains = (force.history.mode_changes, force.told.changes if force.told else ())
    return to is Mode.READONLY and not force.findings and all(chain[-1].to is to for chain in chains if chain)


def _has_missed_reset(force: Force) -> bool:
    """Tell whether the password was reset with another database, and this one knows the one before."""
    if force.told is None or force.told.key is None or force.key is None:
        return False
    keys = force.history.keys
    return force.told.key in keys and not is_trusted(force.told.key, keys)


def _until(force: Force, to: Mode, period: timedelta, *, is_proven: bool) -> str:
    if to is Mode.READONLY:
        return NEVER
    end = force.now + period
    if not is_proven and force.until is not None:
        end = min(end, parse_time(force.until))
    return format_time(end)


def _signed(
    private: PrivateKey | None, *, place: str, vault: str, prev: str, of: tuple[Mode, Mode, str]
) -> dict[str, str]:
    """Return the fields of a change, signed if there is a key to sign it with."""
    from_, to, until = of
    message = change.message(place=place, vault=vault, prev=prev, from_=from_, to=to, until=until)
    sig = private.sign(message) if private else UNSIGNED
    return {"from": from_.label, "to": to.label, "until": until, "sig": sig}


def _opens(private: PrivateKey, public: PublicKey | None) -> bool:
    return public is not None and private.public.key == public.key


def _new_key(password: str) -> PrivateKey:
    check_new_password(password)
    return derive(password, None)


def _failures(history: History) -> list[datetime]:
    """Return when the password was wrong since it was right last, oldest first."""
    failures: list[datetime] = []
    for line in reversed(history.lines):
        if line.action == "AUTH_SET" or (line.action == "MODE" and line.fields["sig"] != UNSIGNED):
            break
        if line.action == "DENIED" and line.fields["reason"] == _WRONG:
            failures.insert(0, parse_time(line.time))
    return failures


def _without_vault() -> UsageError:
    return UsageError("CHM2002", "vault not initialized", hint="run `chameleon init`")


def _without_password() -> ModeError:
    return ModeError("CHM2102", "mode password not configured", hint="run `chameleon config auth set-password`")


def _meanwhile() -> ModeError:
    return ModeError(
        "CHM2106", "the mode or its password was changed by another command meanwhile", hint="run this one again"
    )


def _unwritable(error: ChameleonError, force: Force) -> ChameleonError:
    return ChameleonError(error.code, f"{error.message}; {force.mode.label} is in force", hint=error.hint)


def _refused(violations: tuple[Finding, ...]) -> IntegrityError:
    hints = dict.fromkeys(f.hint for f in violations if f.hint)
    hint = "; ".join(hints) or "see `chameleon verify`"
    return IntegrityError(violations, consequence="The mode stays as it is", hint=hint)
