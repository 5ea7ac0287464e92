"""``chameleon status``: which version is where, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, bad, describe_finding, format_option, good, ways_out
from chameleondb.errors import (
    ChameleonError,
    DatabaseError,
    DatabaseUnreachable,
    IntegrityError,
    SchemaError,
    UsageError,
)
from chameleondb.frozen import frozen

if TYPE_CHECKING:
    from chameleondb.vault.history import Version
    from chameleondb.workflow.in_force import Force
    from chameleondb.workflow.migrate import Preview
    from chameleondb.workflow.source import Files
    from chameleondb.workflow.status import Drift
    from chameleondb.workflow.trust import Inspection

DRIFTED = 6
_ICONS = {"readonly": "🔒", "standard": "🛡️", "privileged": "👑", "emergency": "🚨"}


@frozen(kw_only=True)
class _State:
    """Everything that was found out; `problem` is why the database, or the schema, could not be looked at."""

    found: Inspection
    drift: Drift
    mode: Force | None
    what: Preview | None = None
    files: Files | None = None
    here: Version | None = None
    interrupted: Version | None = None
    problem: ChameleonError | None = None


@click.command("status")
@format_option
@click.pass_obj
def command(app: App) -> int:
    """Show which version is applied, what is pending, what differs, and in which mode the project is.

    Nothing is changed. Without a database, it tells what the vault knows.
    """
    state = _look(app)
    if app.out.json_wanted:
        app.out.json(_document(state))
    else:
        _show(app.out, state)
    if state.found.violations:
        return IntegrityError.exit_status
    if state.problem is not None and state.problem.code != "CHM0501":
        return state.problem.exit_status
    return DRIFTED if state.drift.found else 0


def _look(app: App) -> _State:
    from chameleondb.vault.store import Store
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.release import interrupted_version
    from chameleondb.workflow.status import Drift, find_drift, version_here
    from chameleondb.workflow.trust import inspect

    problem: ChameleonError | None = None
    connection = what = files = None
    drift = Drift(lines=None, why="the database was not consulted")
    try:
        connection = app.connect(purpose="status", read_only=True)
    except (DatabaseError, UsageError) as error:
        problem = error
    found = inspect(app.project.data, connection, deep=False, memory=Pins(state_folder()))
    if connection is not None and not found.violations:
        drift = find_drift(Store(app.project.data, now), found, connection)
        try:
            what, files = _pending(app, connection)
        except ChameleonError as error:
            problem = error
    head = found.ledgered.head if found.ledgered else None
    return _State(
        found=found,
        drift=drift,
        mode=found.force,
        what=what,
        files=files,
        here=version_here(found),
        interrupted=interrupted_version(found.history, head) if found.history and head else None,
        problem=problem,
    )


def _pending(app: App, connection: Any) -> tuple[Preview, Files]:
    from chameleondb.cli.planning import preview_of

    return preview_of(app, connection)


def _show(out: Output, state: _State) -> None:
    found = state.found
    history = found.history
    current = history.current if history else None
    out.result("Schema:")
    out.result(f"  Current version:  {current.label if current else 'none'}")
    if state.here is not None and current is not None and state.here.id != current.id:
        out.result(f"  This database:    {state.here.label}")
    for number, line in enumerate(_status_lines(state)):
        out.result(f"  {'Status:' if number == 0 else '':<16} {line}")
    for number, change in enumerate(state.drift.lines or ()):
        out.result(f"  {'Drift:' if number == 0 else '':<16} ⚠ {change.mark} {change.text}")
    out.result()
    out.result("Vault:")
    violations = found.violations
    if history is not None:
        out.result(f"  Versions:        {len(history.versions)} registered")
    elif violations:
        out.result("  Versions:        ? not known")
    else:
        out.result("  Versions:        none (not initialized: chameleon init)")
    if violations:
        out.result("  Integrity:       ", bad(f"✗ {len(violations)} violation{'s' if len(violations) > 1 else ''}"))
        for finding in violations:
            out.result(f"                   • {finding}")
    elif history is not None:
        out.result("  Integrity:       ", good("✓ OK"))
    if state.mode is not None:
        out.result(f"  Mode:            {_mode(state.mode)}")
    _show_rest(out, state)


def _status_lines(state: _State) -> list[str]:
    """Return what is to be known first; usually one line."""
    from chameleondb.cli.planning import incomplete
    from chameleondb.workflow.describe import describe

    lines = []
    if state.interrupted is not None and state.what is not None and state.files is not None:
        lines.append(f"⚠ {incomplete(state.interrupted, state.what, state.files)}")
    elif state.interrupted is not None:
        lines.append(f"⚠ {state.interrupted.label} is incomplete")
    if state.what is not None and state.what.unplanned:
        number = len(state.what.unplanned)
        differs = "object differs from its sql block" if number == 1 else "objects differ from their sql blocks"
        lines.append(f"⚠ {number} {differs}: chameleon migrate names {'it' if number == 1 else 'them'}")
    if state.what is not None and state.what.plan.groups:
        count = len(describe(state.what.plan)) or len(state.what.plan.steps)
        changes, them = ("changes", "them") if count > 1 else ("change", "it")
        lines.append(f"⚠ {count} {changes} pending: chameleon migrate shows {them}")
    elif state.what is not None and not state.what.unplanned and state.interrupted is None:
        lines.append("✓ Up to date")
    if _is_new(state):
        lines.append("⚠ no version is applied to this database: chameleon migrate --apply")
    if state.problem is not None:
        lines.append(f"? not known: {_why(state.problem)}")
    if not lines:
        lines.append("? not known while the history is in doubt")
    return lines


def _why(problem: ChameleonError) -> str:
    if isinstance(problem, DatabaseUnreachable):
        return "the database cannot be reached"
    return "the schema has errors" if isinstance(problem, SchemaError) else problem.message


def _is_new(state: _State) -> bool:
    """Whether this database has no version, where "Current version: none" and what is pending do not say so already."""
    if state.found.ledgered is None or state.here is not None or state.found.violations:
        return False
    if any(f.code == "VERSION_SUPERSEDED" for f in state.found.findings):
        return False
    if state.found.history is not None and state.found.history.current is not None:
        return True
    return state.what is not None and not state.what.pending


def _mode(force: Force) -> str:
    name = force.mode.label
    if name == "readonly":
        return f"{_ICONS[name]} readonly (locked)"
    return f"{_ICONS[name]} {name} (until {force.until})"


def _show_rest(out: Output, state: _State) -> None:
    from chameleondb.cli.plan_view import show_left_alone

    if isinstance(state.problem, SchemaError | DatabaseUnreachable):
        out.error(state.problem)
    elif state.problem is not None and state.problem.hint:
        out.note(f"help: {state.problem.hint}")
    for finding in state.found.findings:
        if finding not in state.found.violations:
            out.note(f"{finding.severity.value}: {finding}")
    for hint in ways_out(state.found.violations):
        out.note(f"help: {hint}")
    is_unreadable = state.found.ledgered is None and "database" not in state.found.not_consulted
    if state.drift.lines is None and not state.found.violations and (state.here is not None or is_unreadable):
        out.note(f"Drift not checked: {state.drift.why}")
    if state.what is not None:
        show_left_alone(out, state.what)


def _document(state: _State) -> dict[str, Any]:
    from chameleondb.cli.output import describe

    history = state.found.history
    current = history.current if history else None
    return {
        "schema": {
            "current_version": current.label if current else None,
            "database_version": state.here.label if state.here else None,
            "pending": None if state.what is None else state.what.pending,
            "interrupted": state.interrupted.label if state.interrupted else None,
            "drift": None if state.drift.lines is None else [f"{line.mark} {line.text}" for line in state.drift.lines],
            "drift_not_checked": state.drift.why,
        },
        "vault": {
            "initialized": history is not None,
            "versions": len(history.versions) if history else 0,
            "integrity": "violated" if state.found.violations else "ok",
            "mode": state.mode.mode.label if state.mode else None,
            "mode_until": state.mode.until if state.mode else None,
        },
        "findings": [describe_finding(f) for f in (*state.found.findings, *state.drift.findings)],
        "problem": describe(state.problem) if state.problem else None,
    }
