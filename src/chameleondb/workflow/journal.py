"""What was done, by whom and with what end: read from the vault's log, from this machine's journal, from the ledger.

The log and the ledger are evidence; the journal (``.chameleon/local/journal.jsonl``, one JSON object a line) is a
convenience of this machine: it adds the failures and durations of its own commands, and losing it loses nothing else.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from chameleondb import disk
from chameleondb.canonical import canonical_json
from chameleondb.errors import ChameleonError, DatabaseError, interruption
from chameleondb.frozen import frozen
from chameleondb.modes.change import parse_time
from chameleondb.postgres.ledger import RUN_LOCK_KEY, Row, read_body
from chameleondb.postgres.ledger.writing import without_data
from chameleondb.postgres.session import Connection, is_locked
from chameleondb.terminal import mask_logins
from chameleondb.vault import layout
from chameleondb.vault.history import History
from chameleondb.vault.log import Line

_BYTES_MAX = 64 * 1024 * 1024


@frozen(kw_only=True)
class Entry:
    """One event. `at` is UTC; `status` is done, failed, denied or interrupted."""

    at: str
    action: str
    status: str
    source: str  # journal, log or ledger
    version: str | None = None
    duration_ms: int | None = None
    code: str | None = None
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether it did not end as it was meant to."""
        return self.status != "done"

    def holds(self, text: str) -> bool:
        """Whether a text, in any case, stands anywhere in it."""
        return text.casefold() in " ".join(str(v) for v in asdict(self).values() if v is not None).casefold()


@dataclass(slots=True)
class Note:
    """What a command tells of itself while it runs."""

    version: str | None = None
    detail: str = ""


class Journal:
    """This machine's journal of one project."""

    def __init__(self, local: Path, now: Callable[[], datetime]) -> None:
        self.path, self.now = local / layout.JOURNAL, now

    @contextlib.contextmanager
    def recorded(self, action: str) -> Iterator[Note]:
        """Record how the block ends, also if it raises. A journal that cannot be written stops nothing."""
        note, begun = Note(), time.monotonic()
        status, code, detail = "done", None, None
        try:
            yield note
        except BaseException as error:
            stop = _interruption(error)
            if isinstance(error, ChameleonError) and stop is None:
                status = "denied" if error.exit_status == 4 else "failed"
                code, detail = error.code, _kept(error)
            else:
                status = "interrupted" if stop else "failed"
                detail = stop or type(error).__name__
            raise
        finally:
            self._write(
                Entry(
                    at=f"{self.now():%Y-%m-%dT%H:%M:%SZ}",
                    action=action,
                    status=status,
                    source="journal",
                    version=note.version,
                    duration_ms=round((time.monotonic() - begun) * 1000),
                    code=code,
                    detail=detail or note.detail,
                )
            )

    def _write(self, entry: Entry) -> None:
        facts = {k: v for k, v in asdict(entry).items() if v is not None and k != "source"}
        local = self.path.parent
        with contextlib.suppress(OSError), disk.private(local, make=True, shared=local.parent) as folder:
            folder.add(layout.JOURNAL, canonical_json(facts).encode() + b"\n")

    def entries(self) -> Iterator[Entry]:
        """Yield what can be read, oldest first; a line that was cut short, or whose time is none, is passed over."""
        with contextlib.suppress(OSError):
            with disk.private(self.path.parent) as folder, folder.open_own(layout.JOURNAL) as file:
                data = file.read(_BYTES_MAX + 1)
            if len(data) > _BYTES_MAX:
                return
            for line in data.splitlines():
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    entry = Entry(**json.loads(line), source="journal")
                    parse_time(entry.at)
                    yield entry


def _interruption(error: BaseException) -> str | None:
    """Return what has interrupted a command, in words; None if nothing has."""
    stop = interruption(error)
    if stop is None:
        return None
    number = getattr(stop, "signal", None)
    return "Ctrl-C" if number is None else signal.Signals(number).name


def _kept(error: ChameleonError) -> str:
    """Return a message as far as it is kept: without the values of rows that the server quotes, and without secrets."""
    message = without_data(error.message, error.sqlstate) if isinstance(error, DatabaseError) else error.message
    return mask_logins(message)


def from_log(history: History, unverified: Mapping[str, tuple[str, ...]]) -> Iterator[Entry]:
    """Yield the events of the vault's log; `unverified` has what was passed over, by the hashes of ledger rows."""
    labels = {v.id: v.label for v in history.versions}
    for line in history.lines:
        fields = line.fields
        status = "denied" if line.action == "DENIED" else "done"
        version = fields.get("version") or labels.get(fields.get("old", ""))
        yield Entry(
            at=line.time,
            action=line.action.lower(),
            status=status,
            source="log",
            version=None if version == "none" else version,
            detail=_told(line, labels) + skipped(unverified.get(fields.get("ledger", "").partition(":")[2], ())),
        )


def skipped(codes: Sequence[str]) -> str:
    """Return what is said of a version that was applied in spite of findings; nothing if there were none."""
    return f", unverified: {', '.join(codes)}" if codes else ""


def _told(line: Line, labels: dict[str, str]) -> str:
    fields = line.fields
    match line.action:
        case "REGISTER":
            return f"{fields['summary']} ({fields['author']})"
        case "MODE":
            until = "" if fields["until"] == "none" else f" until {fields['until']}"
            return f"{fields['from']} → {fields['to']}{until}"
        case "SUPERSEDE":
            return f"by {labels.get(fields['new'], fields['new'][:8])}"
        case "DENIED":
            return f"{fields['what']}: {fields['reason']}"
        case "APPLIED" | "REPAIR" | "ADOPT":
            return f"database {fields['db']}, ledger row {fields['ledger'].partition(':')[0]}"
        case _:
            return ""


def from_ledger(
    connection: Connection, rows: Sequence[Row], history: History | None, unverified: Mapping[str, tuple[str, ...]]
) -> Iterator[Entry]:
    """Yield what the ledger tells beyond the log: failures, runs that have no end, SQL by hand, versions without a
    receipt here.

    Raises: DatabaseError.
    """
    labels = {v.id: v.label for v in history.versions} if history else {}
    receipts = {r.ledger_hash for r in history.receipts} if history else set()
    is_at_work = is_locked(connection, RUN_LOCK_KEY)
    for row, outcome in _interrupted(rows, is_at_work=is_at_work):
        yield Entry(
            at=_time(row),
            action="run",
            status="interrupted",
            source="ledger",
            version=labels.get(row.version_id or ""),
            detail=f"as {row.who}, {outcome}",
        )
    for row in rows:
        if row.kind not in ("APPLIED", "REPAIR", "FAILED", "SQL", "REBASE") or row.hash in receipts:
            continue
        body = read_body(connection, row.seq) if row.kind in ("FAILED", "SQL") else {}
        if body is None:
            body = {"message": f"ledger row {row.seq} cannot be read: see `chameleon verify`"}
        detail = body.get("message") or body.get("text") or f"as {row.who}"
        if row.kind == "REBASE":
            detail = f"from {(row.parent_id or '')[:8]}, which gave way to another branch's"
        yield Entry(
            at=_time(row),
            action=row.kind.lower(),
            status="failed" if row.kind == "FAILED" else "done",
            source="ledger",
            version=labels.get(row.version_id or ""),
            code=body.get("code"),
            detail=f"{detail}{skipped(unverified.get(row.hash, ()))}",
        )


def _interrupted(rows: Sequence[Row], *, is_at_work: bool) -> Iterator[tuple[Row, str]]:
    """Yield the first row of each run that has no end, and what became of its version. The last may be at work."""
    ended = {row.run for row in rows if row.kind in ("APPLIED", "REPAIR", "FAILED")}
    reached = {row.version_id: row.seq for row in rows if row.kind in ("APPLIED", "REPAIR")}
    begun = [row for row in rows if row.kind == "BEGIN"]
    for row in begun:
        if row.run in ended or (is_at_work and row is begun[-1]):
            continue
        is_finished = reached.get(row.version_id, 0) > row.seq
        yield row, "finished by a later run" if is_finished else "not finished"


def _time(row: Row) -> str:
    return f"{row.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def merged(*sources: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries of all sources, oldest first; equal times keep the order of the sources."""
    return tuple(sorted((e for source in sources for e in source), key=lambda e: e.at))


_OF_VERSIONS = {"register", "applied", "repair", "supersede", "adopt", "rebase", "migrate", "failed", "run"}


def migrations(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return what happened to versions, and the runs of ``migrate --apply`` of this machine."""
    return tuple(e for e in entries if e.action in _OF_VERSIONS)
