"""Which mode is in force: the stricter of what the vault says and what the ledger of a database says.

The vault's log has the password's keys, each signed by the one before it. A ledger has copies of them, as anchors: a
vault whose key was exchanged does not agree with it, and then the mode is readonly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.modes import change
from chameleondb.modes.change import ModeChange, parse_time
from chameleondb.modes.key import UNSIGNED, PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.postgres.ledger import Head, Registered, read_keys, read_modes
from chameleondb.postgres.server import read_time
from chameleondb.postgres.session import Connection
from chameleondb.vault import rules
from chameleondb.vault.history import History
from chameleondb.vault.log import Line
from chameleondb.workflow.ledgered import Ledgered, read_ledger

FORGED = frozenset({"MODE_UPGRADE_UNSIGNED", "AUTH_ROTATED_WITHOUT_OLD_KEY"})
"""What is found where somebody changed the mode, or the password, without knowing the password."""


@frozen()
class Forged:
    """A row of a ledger that says that the mode was changed, without a signature; `to` is None if it says no mode."""

    row: int
    to: Mode | None


@frozen(kw_only=True)
class Told:
    """What the ledger of a vault was told: `keys` are its anchors, those since the password was reset last.

    `changes` are those that were made with the password, `forged` is the last one if it was not. `bad_keys` are the
    rows of keys since then that are none.
    """

    head: Head
    changes: tuple[ModeChange, ...] = ()
    forged: Forged | None = None
    keys: tuple[PublicKey, ...] = ()
    bad_keys: tuple[int, ...] = ()

    @property
    def key(self) -> PublicKey | None:
        """The anchor that was told last; None if there is none."""
        return self.keys[-1] if self.keys else None


@frozen(kw_only=True)
class Force:
    """The modes at one time. `told` is None where no database was asked, or it has no ledger of this vault."""

    history: History
    told: Told | None
    now: datetime
    findings: tuple[Finding, ...] = ()
    is_signed: bool = True  # whether the vault's own changes of mode and key were made with the password

    @property
    def vault(self) -> Mode:
        """The mode by the vault alone."""
        return change.effective(self.history.mode_changes, self.now)

    @property
    def ledger(self) -> Mode | None:
        """The mode by the ledger alone; None if it was never told one."""
        return change.effective(self.told.changes, self.now) if self.told and self.told.changes else None

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        if self.findings or not self.is_signed:
            return Mode.READONLY
        return self.vault if self.ledger is None else min(self.vault, self.ledger)

    @property
    def until(self) -> str | None:
        """When the mode in force ends; None for readonly, which does not."""
        if self.mode is Mode.READONLY:
            return None
        ends = [self.history.mode_changes[-1].until]
        if self.told and self.told.changes:
            ends.append(self.told.changes[-1].until)
        return min(ends, key=parse_time)

    @property
    def key(self) -> PublicKey | None:
        """The password's key; None before the first password, and after a reset that was not finished."""
        return current_key(self.history)


def effective_mode(history: History, connection: Connection | None, now: Callable[[], datetime]) -> Mode:
    """Return the mode in force for a history and a database. Raises: IntegrityError, DatabaseError."""
    return in_force(history, connection, read_ledger(connection) if connection else None, now).mode


def in_force(
    history: History, connection: Connection | None, ledgered: Ledgered | None, now: Callable[[], datetime]
) -> Force:
    """Return what a history and a database say, whose ledger was read before. Raises: IntegrityError, DatabaseError.

    The time is the server's; without one, it is `local_time`.
    """
    is_signed = not any(f.code in FORGED for f in rules.check(history.lines))
    if connection is None:
        return Force(history=history, told=None, now=local_time(history, now), is_signed=is_signed)
    told = _read_told(history, connection, ledgered) if ledgered else None
    return Force(
        history=history,
        told=told,
        now=read_time(connection),
        findings=tuple(check(history, told)) if told else (),
        is_signed=is_signed,
    )


def local_time(history: History, now: Callable[[], datetime]) -> datetime:
    """Return this machine's time, but none before the log's last line: clocks are put back.

    A line that is days ahead was written by a clock that was wrong, and tells nothing.
    """
    time, last = now(), parse_time(history.lines[-1].time)
    return last if time < last <= time + change.PERIOD_MAX else time


def _read_told(history: History, connection: Connection, ledgered: Ledgered) -> Told | None:
    head = ledgered.head
    if head.vault_id != history.vault:
        return None
    keys = read_keys(connection)
    reset = max((r.seq for r in ledgered.rows if r.kind == "REPAIR" and r.version_id is None), default=0)
    sound, forged = divided(read_modes(connection), [key for _, key in keys if key], history.vault)
    return Told(
        head=head,
        changes=sound,
        forged=forged,
        keys=tuple(key for seq, key in keys if key and seq > reset),
        bad_keys=tuple(seq for seq, key in keys if not key and seq > reset),
    )


def divided(
    changes: Sequence[tuple[int, ModeChange | None]], keys: Sequence[PublicKey], vault: str
) -> tuple[tuple[ModeChange, ...], Forged | None]:
    """Return the changes, by their rows, that were made with a password, and the last one if it was not. Pure.

    Which of the keys was valid then does not matter, since a ledger can only make the mode stricter. A forged change
    never was in force, so what follows it is measured by what came before it.
    """
    sound: list[ModeChange] = []
    forged = None
    for row, one in changes:
        last = sound[-1] if sound else None
        if one and one.vault == vault and any(change.is_sound(one, last, key) for key in (None, *keys)):
            sound.append(one)
            forged = None
        else:
            forged = Forged(row, one.to if one else None)
    return tuple(sound), forged


def check(history: History, told: Told) -> Iterator[Finding]:
    """Yield where a ledger does not agree with the vault about who may change the mode. Pure.

    Whoever may add to a ledger can add a key, so each of them has to lead to the vault's, and not only the last.
    """
    if told.forged is not None:
        to = told.forged.to
        yield Finding(
            code="MODE_UPGRADE_UNSIGNED",
            place=f"ledger row {told.forged.row}",
            message=f"the change {f'to {to.label}' if to is not None else 'of the mode'} was made without the password",
            hint="ask who can write the ledger, then lock it: `chameleon config set mode=readonly`",
        )
    for row in told.bad_keys:
        yield Finding(
            code="AUTH_ROTATED_WITHOUT_OLD_KEY",
            place=f"ledger row {row}",
            message="the mode password was exchanged for what is no key",
            hint="ask who can write the ledger, then set another one: `chameleon config auth reset-password`",
        )
    strange = [key for key in told.keys if not is_trusted(key, history.keys)]
    if strange:
        reset = "`chameleon config auth reset-password` with this one"
        yield Finding(
            code="AUTH_ROTATED_WITHOUT_OLD_KEY",
            place="integrity.log",
            message="the database knows another mode password than the vault",
            hint=f"if the password was reset with another database, {reset}"
            if strange[-1] in history.keys
            else "get the newest vault (git pull), or restore .chameleon/vault from git or a backup;"
            f" if a rebase left out a change of the password, {reset}",
        )


def is_trusted(anchor: PublicKey, keys: Sequence[PublicKey]) -> bool:
    """Tell whether a vault's keys lead from an anchor to the present one, each signed by the one before it."""
    return anchor in keys and all(key.sig != UNSIGNED for key in keys[keys.index(anchor) + 1 :])


def current_key(history: History) -> PublicKey | None:
    """Return the key of the password that is valid now; None if there is none."""
    for line in reversed(history.lines):
        if is_reset(line):
            return None
        if line.action == "AUTH_SET":
            return history.keys[-1]
    return None


def is_reset(line: Line) -> bool:
    """Tell whether a line says that the password was reset."""
    return line.action == "REPAIR" and line.fields["what"] == "password"


def anchored(history: History) -> Registered:
    """Return the line that a ledger row of now is tied to: that of the newest version, or the first.

    Other lines may belong to a clone that is thrown away.
    """
    newest = history.newest
    return Registered(
        label=newest.label if newest else "none",
        version_id=newest.id if newest else "none",
        vault=history.vault,
        log_seq=newest.seq if newest else 1,
        log_sum=newest.sum if newest else history.lines[0].sum,
    )
