"""``chameleon verify``: whether anybody changed the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, bad, describe_finding, format_option, good, violation_lines, ways_out
from chameleondb.errors import ChameleonError, DatabaseUnreachable, IntegrityError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from chameleondb.workflow.status import Drift
    from chameleondb.workflow.trust import Inspection

DRIFTED = 6


@click.command("verify")
@click.option("--offline", is_flag=True, help="Do not ask the database.")
@format_option
@click.pass_obj
def command(app: App, offline: bool) -> int:
    """Check that nobody changed the history: every file of the vault, the log's chain, the database's ledger.

    Nothing is written but what was seen, in the user's own state folder. What could not be consulted is said.
    """
    from chameleondb.vault.store import Store
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.status import Drift, find_drift
    from chameleondb.workflow.trust import inspect, remember

    connection, why = (None, "--offline") if offline else _reached(app)
    memory = Pins(state_folder())
    found = inspect(app.project.data, connection, deep=True, memory=memory)
    drift = Drift(lines=None, why="the database was not consulted")
    if connection is not None and not found.violations:
        drift = find_drift(Store(app.project.data, now), found, connection)
    if found.history is None and not found.findings:
        raise UsageError("CHM2002", "vault not initialized", hint="run `chameleon init`")
    if found.history is not None and not found.violations:
        remember(memory, found.history, found.ledgered)
    if app.out.json_wanted:
        app.out.json(_document(found, drift))
    else:
        _show(app.out, found, drift, why)
        _show_memory(app.out, found, memory.path)
    if found.violations:
        return IntegrityError.exit_status
    if isinstance(why, DatabaseUnreachable):
        return why.exit_status
    return DRIFTED if drift.found else 0


def _reached(app: App) -> tuple[Any, str | ChameleonError]:
    """Connect, if there is a database to connect to; else say why not."""
    try:
        return app.connect(purpose="verify", read_only=True), ""
    except UsageError as error:
        if error.code != "CHM0501":
            raise
        return None, error.message
    except DatabaseUnreachable as error:
        return None, error


def _show(out: Output, found: Inspection, drift: Drift, why: str | ChameleonError) -> None:
    out.result("🔍 Verifying Schema Vault integrity...")
    wrong = {f.place.removesuffix(".json"): f.message for f in found.violations}
    for version in found.history.versions if found.history else ():
        if version.label in wrong:
            out.result("   ", bad("✗"), f" {version.label}: {wrong[version.label]}")
        else:
            out.result("   ", good("✓"), f" {version.label}: hash verified")
    if found.violations:
        for line in violation_lines(found.violations, "Nothing may be applied until this is resolved"):
            out.result(line)
        for hint in ways_out(found.violations):
            out.note(f"help: {hint}")
    else:
        out.result("✅ All versions verified")
    for finding in found.findings:
        if finding not in found.violations:
            out.note(f"{finding.severity.value}: {finding}" + (f" ({finding.hint})" if finding.hint else ""))
    for change in drift.lines or ():
        out.result(f"   ⚠ drift: {change.mark} {change.text}")
    _show_anchors(out, found, why)


def _show_anchors(out: Output, found: Inspection, why: str | ChameleonError) -> None:
    """Say what the verdict rests on, and what it does not."""
    if found.ledgered is not None:
        out.note(f"Checked against the database's ledger: {len(found.ledgered.rows)} rows")
    elif "database" in found.not_consulted:
        reason = f" ({'it cannot be reached' if isinstance(why, ChameleonError) else why})" if why else ""
        out.note(
            f"Database not consulted{reason}: that the newest versions were deleted, or all of the vault rewritten,"
            " cannot be excluded"
        )
        if isinstance(why, ChameleonError):
            out.error(why)
    elif any(f.code == "LEDGER_REPLACED" for f in found.findings):
        out.note("The ledger was not read: what is applied was not checked")
    else:
        out.note("The role may not read the ledger: what is applied was not checked")


def _show_memory(out: Output, found: Inspection, path: Path) -> None:
    if found.history is not None and "memory" in found.not_consulted:
        out.note(
            f"Your memory not consulted ({path} cannot be read, or has nothing of this vault): that files and database"
            " were both rewritten so that they agree cannot be excluded"
        )


def _document(found: Inspection, drift: Drift) -> dict[str, Any]:
    versions = found.history.versions if found.history else ()
    return {
        "ok": not found.violations,
        "versions": [{"version": v.label, "hash": v.id} for v in versions],
        "findings": [describe_finding(f) for f in (*found.findings, *drift.findings)],
        "drift": "not checked" if drift.lines is None else "found" if drift.found else "none",
        "drift_not_checked": drift.why,
        "anchors": {
            name: "not consulted" if name in found.not_consulted else "consulted"
            for name in ("database", "ledger", "memory")
        },
    }
