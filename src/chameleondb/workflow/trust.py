"""Vault, ledger and memory held against each other.

The vault is the authority for which versions exist, the ledger for what was applied to one database; each remembers the
other: every row of a run names the log line that registered its version, every receipt on disk names the row of its
commit. `cross_check` is a pure function of what was read; `inspect` reads it.

Only REGISTER lines anchor a row. Clones of a project share those; mode changes and receipts of a clone that is thrown
away, as CI does, would otherwise look like a history that was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path

from chameleondb.errors import IntegrityError
from chameleondb.findings import Finding, Severity, of_severity
from chameleondb.frozen import frozen
from chameleondb.postgres.ledger import (
    Head,
    NotOurs,
    Row,
    check_bodies,
    check_rows,
    ensure_ours,
    malformed,
    protection,
)
from chameleondb.postgres.session import Connection
from chameleondb.vault.files import RESTORE, read_files
from chameleondb.vault.history import History, Receipt
from chameleondb.vault.log import Line
from chameleondb.vault.verify import Verified
from chameleondb.vault.verify import verify as verify_files
from chameleondb.workflow import clock, git, pins
from chameleondb.workflow.in_force import Force, in_force
from chameleondb.workflow.ledgered import Ledgered, read_ledger
from chameleondb.workflow.pins import Pins, Seen

NO_VAULT = "none"  # in rows written by a program that keeps no vault
_PULL = "git pull, and if both branches made a version, `chameleon vault rebase`"
_LOST = 'if no clone has it any more: docs/debugging.md, "A version that nobody has"'


@frozen(kw_only=True)
class Inspection:
    """Everything that was read, what is wrong with it, and what could not be consulted."""

    verified: Verified
    ledgered: Ledgered | None  # None: no database, or the role may not read the ledger
    findings: tuple[Finding, ...]
    force: Force | None  # what the mode is; None if there is no history
    not_consulted: tuple[str, ...] = field(default=())

    @property
    def history(self) -> History | None:
        """The vault's history; None if there is no vault, or none that can be read."""
        return self.verified.history

    @property
    def violations(self) -> tuple[Finding, ...]:
        """What must stop everything."""
        return of_severity(self.findings, Severity.VIOLATION)


def inspect(
    data: Path,
    connection: Connection | None,
    *,
    deep: bool,
    memory: Pins | None,
    bodies: bool = True,
    now: Callable[[], datetime] = clock.now,
) -> Inspection:
    """Verify the vault below `data`, the ledger of a database, and both against each other and the memory.

    Without `bodies`, those of the rows that say what a version holds are left to whoever needs them: they are large.

    Raises: DatabaseError.
    """
    files = read_files(data, deep=deep)
    verified = verify_files(files, deep=deep)
    not_consulted = []
    ledgered = None
    replaced: tuple[Finding, ...] = ()
    if connection is None:
        not_consulted += ["database", "ledger"]
    else:
        ledgered, replaced = _read_ledger(connection)
        if ledgered is None:
            not_consulted.append("ledger")
    history = verified.history
    force = in_force(history, connection, ledgered, now) if history else None
    seen = memory.seen(history.vault) if memory and history else None
    if seen is None:
        not_consulted.append("memory")
    findings = [*_collision(data, verified.findings), *replaced]
    if connection is not None and ledgered is not None:
        findings += _check_rows(connection if bodies else None, ledgered)
        findings += cross_check(history, ledgered, exists=files.exists)
        if deep:
            findings += protection(connection)
        findings += force.findings if force else ()
    if history is not None and seen is not None:
        findings += recall(history, ledgered, seen)
    return Inspection(
        verified=verified,
        ledgered=ledgered,
        findings=tuple(findings),
        force=force,
        not_consulted=tuple(not_consulted),
    )


def _read_ledger(connection: Connection) -> tuple[Ledgered | None, tuple[Finding, ...]]:
    """Read the ledger, and tell if it, or the function that adds to it, is somebody else's; then it is not trusted."""
    ledgered = None
    try:
        ledgered = read_ledger(connection)
        if ledgered is not None and ledgered.head.exists:
            ensure_ours(connection)
    except NotOurs as error:
        found = Finding(code="LEDGER_REPLACED", place="database", message=error.message, hint=error.hint)
        return ledgered, (found,)
    return ledgered, ()


def _check_rows(connection: Connection | None, ledgered: Ledgered) -> tuple[Finding, ...]:
    """Check the chain of a ledger's rows; with a connection, read those that count, unless they were changed."""
    changed = check_rows(ledgered.rows)
    places = {f.place for f in changed}
    bad = check_bodies(connection, ledgered.head) if connection else malformed(ledgered.head)
    return (*changed, *(f for f in bad if f.place not in places))


def aborted(findings: tuple[Finding, ...]) -> IntegrityError:
    """Return the error for a migration that findings forbid."""
    return IntegrityError(findings, consequence="Migration aborted for safety", hint=_hint(findings))


def _hint(findings: Iterable[Finding]) -> str:
    hints = dict.fromkeys(f.hint for f in findings if f.hint)
    return "; ".join(hints) or "see `chameleon verify` and `cat .chameleon/vault/integrity.log`"


def _collision(data: Path, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Add what git could not merge; what it could is half of something, and would only confuse."""
    collision = git.collision(data)
    if collision is None:
        return findings
    return collision, *(f for f in findings if f.code not in ("BRANCHES_COLLIDE", "UNKNOWN_FILE"))


def cross_check(history: History | None, ledgered: Ledgered, *, exists: bool = True) -> tuple[Finding, ...]:
    """Hold a history and a ledger against each other."""
    if history is None:
        return () if exists else tuple(_without_vault(ledgered.rows))
    ours = [r for r in _in_chain(history, ledgered.rows) if r.vault_id == history.vault]
    return (
        *_foreign(history, ledgered.rows),
        *_anchors(history, ours),
        *_unknown_versions(history, ours),
        *_receipts(history, ledgered),
        *_without_receipt(history, ledgered),
        *_identity(history, ledgered),
        *_interrupted(history, ledgered.head),
        *_superseded(history, ledgered.head),
    )


def set_aside_version(history: History, head: Head) -> str | None:
    """Return the id of the version that a database has if a rebase took it out of the vault's chain."""
    id = head.version_id or ""
    return id if id in history.superseded and history.version(id) is None else None


def _in_chain(history: History, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows without those of versions that a rebase took out of the chain: their lines have left the log.

    Rows that name no version (a mode, a key) may have been anchored there, too.
    """
    gone = history.superseded.keys() - {v.id for v in history.versions}
    if not gone:
        return rows
    of_run = {r.run: r.version_id for r in rows if r.run and r.version_id}
    named = ((r, r.version_id or of_run.get(r.run or "")) for r in rows)
    return [r for r, id in named if id is not None and id not in gone]


def _without_vault(rows: Iterable[Row]) -> Iterator[Finding]:
    vaults = sorted({r.vault_id for r in rows if r.vault_id and r.vault_id != NO_VAULT})
    if vaults:
        yield Finding(
            code="VAULT_MISSING",
            place=".chameleon/vault",
            message="the database was migrated from a vault that is not here",
            expected=f"vault {vaults[0]}",
            hint=RESTORE,
        )


def _foreign(history: History, rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        if row.vault_id and row.vault_id not in (history.vault, NO_VAULT):
            yield Finding(
                code="LEDGER_FOREIGN_VAULT",
                place=f"ledger row {row.seq}",
                message="the database belongs to another project's vault",
                expected=f"vault {history.vault}",
                actual=f"vault {row.vault_id}",
                hint="check DATABASE_URL; if the vault was replaced, " + RESTORE,
            )
            return


def _anchors(history: History, rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        if not row.log_seq:
            continue
        if row.log_seq > len(history.lines):
            yield Finding(
                code="VAULT_ROLLED_BACK",
                place="integrity.log",
                message=f"the database knows a log of at least {row.log_seq} lines",
                expected=f"{row.log_seq} lines",
                actual=f"{len(history.lines)} lines",
                hint=f"get the newest vault: {_PULL}; or {RESTORE}; {_LOST}",
            )
            return
        line = history.lines[row.log_seq - 1]
        if line.sum != row.log_sum:
            yield Finding(
                code="VAULT_LOG_REWRITTEN",
                place=f"integrity.log:{row.log_seq}",
                message="the database knows another line at this place",
                expected=f"sum {row.log_sum}",
                actual=f"sum {line.sum}",
                hint=f"is this another branch? get the newest vault: {_PULL}; or {RESTORE}",
            )
            return


def _unknown_versions(history: History, rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        if row.kind == "APPLIED" and row.version_id and history.version(row.version_id) is None:
            yield Finding(
                code="APPLIED_VERSION_NOT_IN_VAULT",
                place=f"ledger row {row.seq}",
                message="a version is applied that the vault does not have",
                actual=f"version {row.version_id}",
                hint=f"another branch was applied to this database: {_PULL}; {_LOST}",
            )
            return


def _receipts(history: History, ledgered: Ledgered) -> Iterator[Finding]:
    """A receipt on disk without its row: the database is older than its receipts, or somebody rewrote it."""
    own = own_receipts(history, ledgered)
    if own and not ledgered.rows:
        yield Finding(
            code="LEDGER_MISSING",
            place="chameleon.ledger",
            message="the ledger is gone, and this database had one",
            hint="restore the schema chameleon from a backup of the database; "
            "if the database itself was restored, `chameleon migrate --apply --adopt`",
        )
        return
    rows = {r.seq: r for r in ledgered.rows}
    for receipt in own:
        row = rows.get(receipt.ledger_seq)
        if row is None:
            yield Finding(
                code="DATABASE_ROLLED_BACK",
                place=f"ledger row {receipt.ledger_seq}",
                message=f"{receipt.label} was applied to this database, and its ledger does not know",
                expected=f"row {receipt.ledger_seq} with hash {receipt.ledger_hash}",
                hint="was the database restored from an older backup? then `chameleon migrate --apply --adopt`",
            )
            return
        if row.hash != receipt.ledger_hash:
            yield Finding(
                code="LEDGER_REWRITTEN",
                place=f"ledger row {receipt.ledger_seq}",
                message=f"this is not the row that the receipt of {receipt.label} names",
                expected=f"hash {receipt.ledger_hash}",
                actual=f"hash {row.hash}",
                hint="compare the ledger with a backup of the database",
            )
            return


def missing_receipts(history: History, ledgered: Ledgered) -> tuple[Row, ...]:
    """Return the rows that made a version of ours current in this database and have no receipt on disk."""
    known = {(r.ledger_seq, r.ledger_hash) for r in history.receipts}
    return tuple(
        r
        for r in ledgered.rows
        if r.kind in ("APPLIED", "REPAIR")
        and r.vault_id == history.vault
        and r.version_id
        and history.version(r.version_id) is not None
        and (r.seq, r.hash) not in known
    )


def _without_receipt(history: History, ledgered: Ledgered) -> Iterator[Finding]:
    for row in missing_receipts(history, ledgered):
        version = history.version(row.version_id or "")
        assert version is not None
        yield Finding(
            code="RECEIPT_MISSING_ON_DISK",
            place="integrity.log",
            message=f"{version.label} is applied to this database, and its receipt is not in the log",
            expected=f"receipt of ledger row {row.seq}",
            hint="the next `chameleon migrate --apply` writes it",
        )


def _identity(history: History, ledgered: Ledgered) -> Iterator[Finding]:
    begun, now = ledgered.head.database, ledgered.identity.key
    if begun is None or begun.key == now:
        return
    last_begin = max((r.seq for r in ledgered.rows if r.kind == "BEGIN"), default=0)
    if any(int(n.fields["ledger"].split(":")[0]) > last_begin for n in _adoptions(history, ledgered)):
        return
    yield Finding(
        code="DATABASE_IS_A_COPY",
        place="chameleon.ledger",
        message="the database is a copy or a restore of another one",
        expected=begun.key,
        actual=now,
        hint="to go on with it, `chameleon migrate --apply --adopt`",
    )


def _interrupted(history: History, head: Head) -> Iterator[Finding]:
    if head.open_run is None:
        return
    version = history.version(head.open_version_id or "")
    yield Finding(
        code="RUN_INTERRUPTED",
        place="chameleon.ledger",
        message=f"the migration to {version.label if version else 'a version'} is not finished",
        hint="the next `chameleon migrate --apply` goes on with it",
    )


def _superseded(history: History, head: Head) -> Iterator[Finding]:
    id = set_aside_version(history, head)
    if id is not None:
        newer = history.version(history.superseded[id])
        yield Finding(
            code="VERSION_SUPERSEDED",
            place="chameleon.ledger",
            message=f"the database has a version that gave way to another branch's {newer.label if newer else 'one'}",
            actual=f"version {id}",
            hint="the next `chameleon migrate --apply` goes on from there",
        )


def recall(history: History, ledgered: Ledgered | None, seen: Seen) -> tuple[Finding, ...]:
    """Hold what is there against what this user saw last."""
    return (*_recall_vault(history, seen), *(_recall_ledger(ledgered, seen) if ledgered else ()))


def _recall_vault(history: History, seen: Seen) -> Iterator[Finding]:
    head = seen.vault
    if head is None:
        return
    if head.seq > len(history.lines) or history.lines[head.seq - 1].sum != head.hash:
        # Every change of a git branch does this, so it is no proof of anything.
        yield Finding(
            code="VAULT_UNLIKE_LAST_SEEN",
            place=f"integrity.log:{head.seq}",
            message="the vault is not the one that was seen here last, or an older one",
            expected=f"line {head.seq} with sum {head.hash}",
            hint="normal after changing the git branch; `chameleon verify` with a database tells",
        )


def _recall_ledger(ledgered: Ledgered, seen: Seen) -> Iterator[Finding]:
    head = seen.ledgers.get(ledgered.identity.key)
    if head is None:
        return
    row = next((r for r in ledgered.rows if r.seq == head.seq), None)
    if row is None:
        yield Finding(
            code="ROLLED_BACK",
            place=f"ledger row {head.seq}",
            message="the ledger was longer when it was seen here last",
            expected=f"row {head.seq} with hash {head.hash}",
            hint="was the database restored from an older backup? then `chameleon migrate --apply --adopt`",
        )
    elif row.hash != head.hash:
        yield Finding(
            code="REWRITTEN_BEFORE_PIN",
            place=f"ledger row {head.seq}",
            message="the ledger has another row here than when it was seen last",
            expected=f"hash {head.hash}",
            actual=f"hash {row.hash}",
            hint="compare the ledger and the vault with backups of both",
        )


def remember(memory: Pins, history: History, ledgered: Ledgered | None) -> None:
    """Remember the heads of a vault and a ledger that were found to be in order."""
    newest = history.newest
    head = pins.Head(newest.seq, newest.sum) if newest else None
    ledgers = {}
    if ledgered is not None and ledgered.rows:
        ledgers[ledgered.identity.key] = pins.Head(ledgered.rows[-1].seq, ledgered.rows[-1].hash)
    memory.remember(history.vault, Seen(head, ledgers))


def own_receipts(history: History, ledgered: Ledgered) -> tuple[Receipt, ...]:
    """Return the receipts of one database that count: an adoption has closed the book on those before it."""
    database = ledgered.identity.key
    adopted = max((n.seq for n in _adoptions(history, ledgered)), default=0)
    return tuple(r for r in history.receipts if r.db == database and r.seq > adopted)


def _adoptions(history: History, ledgered: Ledgered) -> Iterator[Line]:
    """Yield the lines that adopt this database, and name a row that says so, too: files alone could be anybody's."""
    rows = {f"{r.seq}:{r.hash}" for r in ledgered.rows if r.kind == "ADOPT"}
    for line in history.lines:
        if line.action == "ADOPT" and line.fields["db"] == ledgered.identity.key and line.fields["ledger"] in rows:
            yield line
