"""``chameleon journal``: the history of versions, and what was done."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chameleondb.cli.output import App, Output, describe_finding, format_option, good, ways_out
from chameleondb.errors import DatabaseError, IntegrityError, UsageError

if TYPE_CHECKING:
    from chameleondb.postgres.session import Connection
    from chameleondb.vault.history import History, Version
    from chameleondb.vault.snapshot import Snapshot
    from chameleondb.workflow.journal import Entry
    from chameleondb.workflow.trust import Inspection

T = TypeVar("T")
Unverified = dict[str, tuple[str, ...]]
"""By the hashes of a ledger's rows, the codes of what was passed over when a version was applied."""

HASH_SHOWN = 8
LIMIT_DEFAULT = 10


@click.group("journal")
def command() -> None:
    """Read what was done: the versions, the last events, the errors."""


@command.command("schema")
@click.argument("version", required=False)
@format_option
@click.pass_obj
def schema(app: App, version: str | None) -> None:
    """List the versions, newest first; with VERSION (v002, or 2), show what it changed and the SQL of it."""
    found, unverified = _inspected(app)
    history = _history(app.out, found)
    if version is not None:
        _show_version(app, history, version, unverified)
    elif app.out.json_wanted:
        versions = [_facts(history, v) for v in reversed(history.versions)]
        app.out.json({"versions": versions, "findings": [describe_finding(f) for f in found.findings]})
    else:
        _show_versions(app.out, history, is_sound=not found.violations)


def _inspected(app: App) -> tuple[Inspection, Unverified]:
    """Hold the vault against the ledger, if that can be asked, and against what this user saw last."""
    from chameleondb.postgres.ledger import read_unverified
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.trust import inspect

    def look(connection: Connection | None) -> tuple[Inspection, Unverified]:
        found = inspect(app.project.data, connection, deep=False, memory=Pins(state_folder()))
        if connection is None or found.ledgered is None or not found.ledgered.head.exists:
            return found, {}
        return found, read_unverified(connection)

    return _consulted(app, look) or look(None)


def _history(out: Output, found: Inspection) -> History:
    """Return the history, and say what puts it in doubt. Raises: IntegrityError if it cannot be read; UsageError."""
    if found.history is None:
        if found.violations:
            raise IntegrityError(found.violations, hint="; ".join(ways_out(found.violations)))
        raise UsageError("CHM2002", "vault not initialized", hint="run `chameleon init`")
    for finding in found.findings:
        if finding in found.violations:
            out.warn(f"{finding}; see `chameleon verify`")
        else:
            out.note(f"{finding.severity.value}: {finding}")
    return found.history


def _show_versions(out: Output, history: History, *, is_sound: bool) -> None:
    out.result("📖 Schema Version History")
    current = " (current) ✓" if is_sound else " (current)"
    for version in reversed(history.versions):
        out.result()
        marker = current if version == history.current else _marker(history, version)
        out.result(f"{version.label}{marker}")
        out.result(f"├─ Hash: {version.id[:HASH_SHOWN]}...")
        out.result(f"├─ Date: {_time(version.at)}")
        out.result(f"├─ Author: {version.author}")
        out.result(f"├─ Changes: {version.summary}")
        out.result(f"└─ Parent: {history.parent_label(version)}")
    if not history.versions:
        out.note("No version yet: `chameleon migrate --apply` registers the first")


def _time(at: str) -> str:
    """Return a time of the log (UTC) as the guide shows it."""
    return at.replace("T", " ").removesuffix("Z")


def _marker(history: History, version: Version) -> str:
    if version.id in history.superseded:
        return " (superseded)"
    return "" if any(r.id == version.id for r in history.receipts) else " (not applied)"


def _facts(history: History, version: Version, unverified: Unverified | None = None) -> dict[str, Any]:
    new = history.superseded.get(version.id)
    return {
        "version": version.label,
        "hash": version.id,
        "date": version.at,
        "author": version.author,
        "changes": version.summary,
        "parent": None if history.parent_label(version) == "none" else history.parent_label(version),
        "current": version == history.current,
        "superseded_by": None if new is None else next((v.label for v in history.versions if v.id == new), new),
        "applied": [
            {"database": r.db, "ledger_row": r.ledger_seq, "at": r.at, "repair": r.repair}
            | ({} if unverified is None else {"unverified": unverified.get(r.ledger_hash, ())})
            for r in history.receipts
            if r.id == version.id
        ],
    }


def _show_version(app: App, history: History, label: str, unverified: Unverified) -> None:
    from chameleondb.vault import layout
    from chameleondb.vault.store import Store
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.recording import changed_lines

    out, store = app.out, Store(app.project.data, now)
    number = label.lower().removeprefix("v")
    version = history.by_label(layout.label(int(number)) if re.fullmatch("[0-9]{1,9}", number) else label)
    if version is None:
        known = (
            f"the versions are {history.versions[0].label} to {history.versions[-1].label}" if history.versions else ""
        )
        raise UsageError("CHM2004", f"version {label} not found", hint=known or "no version is registered yet")
    snapshot = store.load(version)
    before = history.before(version)
    lines = changed_lines(store.load(before) if before else None, snapshot)
    since = before.label if before else None
    if out.json_wanted:
        changes = [f"{line.mark} {line.text}" for line in lines]
        return out.json(
            {**_facts(history, version, unverified), "since": since, "diff": changes, "plan": list(snapshot.plan)}
        )
    out.result(f"📋 Schema Version: {version.label}")
    out.result("─" * 41)
    for name, value in _described(history, version, snapshot, unverified):
        out.result(f"{name + ':':<12}{value}")
    out.result()
    is_usual = before == history.version(version.parent)
    out.result("📝 Changes:" if is_usual else f"📝 Changes since {since or 'the beginning'}:")
    for line in lines:
        out.result(f"  {line.mark} {line.text}")
    if not lines:
        out.result("  none")
    out.result()
    out.result("💾 SQL:")
    if not snapshot.plan:
        out.result("-- none: the database was so already")
    for step in snapshot.plan:
        out.result(f"{step['sql']};")
    return None


def _described(history: History, version: Version, snapshot: Snapshot, unverified: Unverified) -> list[tuple[str, str]]:
    from chameleondb.workflow.journal import skipped

    applied = [
        (
            "Repaired" if r.repair else "Applied",
            f"{_time(r.at)}, database {r.db}{skipped(unverified.get(r.ledger_hash, ()))}",
        )
        for r in history.receipts
        if r.id == version.id
    ]
    return [
        ("Hash", version.id),
        ("Date", _time(version.at)),
        ("Author", version.author),
        ("Parent", history.parent_label(version)),
        ("Summary", version.summary),
        ("Status", "locked ✓" if applied else _marker(history, version).strip(" ()")),
        *applied,
        ("PostgreSQL", str(snapshot.postgres)),
        *(("File", source["path"]) for source in snapshot.sources),
    ]


@command.command("last")
@click.argument("count", required=False, type=click.IntRange(min=1))
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT_DEFAULT, show_default=True, help="How many.")
@format_option
@click.pass_obj
def last(app: App, count: int | None, limit: int) -> None:
    """Show the last COUNT events, oldest first."""
    _show_entries(app.out, _entries(app)[-(count or limit) :], "No journal entries found")


@command.command("errors")
@format_option
@click.pass_obj
def errors(app: App) -> None:
    """Show what failed, was denied or was interrupted."""
    _show_entries(app.out, tuple(e for e in _entries(app) if e.failed), "No errors found")


@command.command("migrations")
@format_option
@click.pass_obj
def migrations_(app: App) -> None:
    """Show what happened to each version: registered, applied, failed."""
    from chameleondb.workflow.journal import migrations

    _show_entries(app.out, migrations(_entries(app)), "No migration entries found")


@command.command("search")
@click.argument("text")
@format_option
@click.pass_obj
def search(app: App, text: str) -> None:
    """Show every event that holds TEXT, of all days."""
    _show_entries(app.out, tuple(e for e in _entries(app) if e.holds(text)), f"Nothing found for {text}")


def _entries(app: App) -> tuple[Entry, ...]:
    from chameleondb.postgres.ledger import read_head, read_rows, read_unverified
    from chameleondb.vault.store import Store
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal, from_ledger, from_log, merged

    history = Store(app.project.data, now).read(deep=False).history

    def ask(connection: Connection) -> tuple[tuple[Entry, ...], Unverified]:
        head = read_head(connection)
        if not head.exists or not head.readable:
            return (), {}
        unverified = read_unverified(connection)
        return tuple(from_ledger(connection, read_rows(connection), history, unverified)), unverified

    of_ledger, unverified = _consulted(app, ask) or ((), {})
    log = from_log(history, unverified) if history else ()
    return merged(log, Journal(app.project.local, now).entries(), of_ledger)


def _consulted(app: App, ask: Callable[[Connection], T]) -> T | None:
    """Return what the database answers; None if there is none to be asked, which is told."""
    try:
        return ask(app.connect(purpose="journal", read_only=True))
    except (DatabaseError, UsageError) as error:
        tell = app.out.detail if error.code == "CHM0501" else app.out.note
        tell(f"The database's ledger was not consulted: {error.message}")
        return None


def _show_entries(out: Output, entries: tuple[Entry, ...], none: str) -> None:
    if out.json_wanted:
        from dataclasses import asdict

        return out.json({"entries": [asdict(e) for e in entries]})
    if not entries:
        return out.result(good("✓"), f" {none}")
    out.result(f"{'Timestamp':<20}  {'Action':<10}  {'Version':<7}  {'Status':<11}  {'Duration':>8}  Details")
    for entry in entries:
        took = "" if entry.duration_ms is None else f"{entry.duration_ms} ms"
        code = f"[{entry.code}] " if entry.code else ""
        out.result(
            f"{entry.at:<20}  {entry.action:<10}  {entry.version or '':<7}  {entry.status:<11}  {took:>8}  "
            f"{code}{' '.join(entry.detail.split())}".rstrip()
        )
    return None
