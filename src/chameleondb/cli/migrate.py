"""``chameleon migrate``: what would change, the SQL of it, and doing it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, faint, format_option, good, strong

if TYPE_CHECKING:
    from chameleondb.planner.plan import Plan
    from chameleondb.steps import Step
    from chameleondb.workflow.migrate import Preview
    from chameleondb.workflow.shadow import Shadows

CHANGES_PENDING = 2
RULE = "─" * 49


@click.command("migrate")
@click.option("--check", is_flag=True, help="Exit with 2 when changes are pending.")
@click.option("--dry-run", is_flag=True, help="Show the exact SQL.")
@click.option("--apply", "apply_", is_flag=True, help="Run it.")
@click.option(
    "--allow",
    multiple=True,
    metavar="HAZARD:OBJECT",
    help="Consent to a destructive step, e.g. drops-data:users.age; '*' for all. Repeatable.",
)
@click.option("--plan", "expected", metavar="HASH", help="Apply only if the plan has this hash (from --dry-run).")
@click.option("--no-cache", is_flag=True, help="Let PostgreSQL elaborate the whole schema anew.")
@format_option
@click.pass_obj
def command(
    app: App,
    check: bool,
    dry_run: bool,
    apply_: bool,
    allow: tuple[str, ...],
    expected: str | None,
    no_cache: bool,
) -> int:
    """Show what would change in the database; with --apply, change it.

    Without options nothing is changed: the differences between the schema files and the database are listed.
    """
    from chameleondb.errors import UsageError

    if check + dry_run + apply_ > 1:
        raise UsageError("CHM0510", "--check, --dry-run and --apply exclude each other")
    if not apply_ and (allow or expected):
        raise UsageError("CHM0511", "--allow and --plan go with --apply")
    if apply_:
        return _apply(app, allow, expected, no_cache=no_cache)
    what = _preview(app, no_cache=no_cache, recall=True)
    if app.out.json_wanted:
        app.out.json(_document(what))
    elif dry_run:
        _show_sql(app.out, what)
    else:
        _show_changes(app.out, what)
    return CHANGES_PENDING if check and what.pending else 0


def _preview(app: App, connection: Any = None, *, no_cache: bool, recall: bool = False) -> Preview:
    from chameleondb.workflow.elaboration import Cache
    from chameleondb.workflow.migrate import preview
    from chameleondb.workflow.source import Files, read

    files = Files(read(app.project.schema_files()))
    connection = connection or app.connect(purpose="migrate", read_only=True)
    return preview(
        connection,
        files,
        shadows(app, connection),
        small_table_bytes=app.project.settings.small_table_bytes,
        cache=None if no_cache else Cache(app.project.local / "cache"),
        recall=recall,
    )


def shadows(app: App, connection: Any) -> Shadows:
    """Return what opens a shadow for the target of a command."""
    from chameleondb.config import shadow_setting
    from chameleondb.postgres.url import parse
    from chameleondb.workflow.shadow import Shadows

    setting = shadow_setting(app.project, dot_env=app.dot_env)
    configured = parse(setting.value, origin=setting.origin, folder=app.project.root) if setting else None
    return Shadows(
        connection,
        app.target,
        app.project.local,
        configured=configured,
        notice=app.out.warn,
        detail=app.out.detail,
    )


def _apply(app: App, allow: tuple[str, ...], expected: str | None, *, no_cache: bool) -> int:
    from chameleondb.apply.executor import Patience
    from chameleondb.postgres.ledger import RUN_LOCK_KEY
    from chameleondb.postgres.session import run_lock
    from chameleondb.workflow.migrate import apply, prove_first

    settings = app.project.settings
    connection = app.connect(purpose="migrate --apply")
    with run_lock(connection, RUN_LOCK_KEY, settings.lock_deadline_s):
        what = _preview(app, connection, no_cache=no_cache)
        for key in what.plan.unused_consent(allow):
            app.out.warn(f"--allow {shlex.quote(key)} is not needed: no step of this plan has that hazard")
        allow = (*allow, *_ask_consent(app.out, what.plan, allow))
        what.plan.require_consent(allow)
        unproven = prove_first(connection, what, shadows(app, connection))
        if unproven is not None:
            app.out.warn(f"the plan was not tried on a copy first: {unproven}")
        watcher = _Watcher(app.out)
        if what.plan.groups and not app.out.json_wanted:
            app.out.result("📋 Applying migration...")
        label = apply(
            connection,
            what,
            watcher,
            allowed=allow,
            patience=Patience(lock_timeout_s=settings.lock_timeout_s, deadline_s=settings.lock_deadline_s),
            expected_plan=expected,
        )
    if app.out.json_wanted:
        app.out.json({**_document(what), "applied": bool(what.plan.groups), "version": label})
    elif what.plan.groups:
        app.out.result()
        app.out.result("✅ Migration applied successfully")
        app.out.detail(f"recorded as {label}")
        _show_rest(app.out, what)
    else:
        _show_changes(app.out, what)
        if label is not None:
            app.out.note(f"recorded as {label}")
    return 0


def _ask_consent(out: Output, plan: Plan, allow: tuple[str, ...]) -> tuple[str, ...]:
    """Ask for each consent that is missing, if somebody is there to answer."""
    missing = plan.missing_consent(allow)
    if not missing or not out.interactive:
        return ()
    given = []
    details = {h.key: h.detail for h in plan.hazards}
    for key in missing:
        out.warn(details[key])
        if not out.confirm(f"Allow {key}?"):
            break
        given.append(key)
    return tuple(given)


class _Watcher:
    """Prints each statement when it is committed, and what it is waiting for."""

    def __init__(self, out: Output) -> None:
        self.out = out

    def step_begun(self, step: Step) -> None:
        if self.out.verbosity > 0:
            self.out.detail(f"running: {_one_line(step.sql)}")

    def step_done(self, step: Step, seconds: float) -> None:
        if self.out.json_wanted:
            return
        took = (faint(f"  ({seconds * 1000:.0f} ms)"),) if self.out.verbosity > 0 else ()
        self.out.result("   ", good("✓"), f" {_one_line(step.sql)}", *took)

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None:
        if attempt in (1, 5) or attempt % 20 == 0:
            who = f" held by {blockers}" if blockers else ""
            self.out.note(f"waiting for a lock{who} (attempt {attempt}): {_one_line(step.sql)}")


def _one_line(sql: str) -> str:
    first, _, rest = sql.partition("\n")
    return f"{first}…)" if rest and first.endswith("(") else " ".join(sql.split("\n"))


def _show_sql(out: Output, what: Preview) -> None:
    plan = what.plan
    if plan.groups:
        out.result("📋 Migration Preview:")
        out.result(RULE)
        for step in plan.steps:
            out.result(f"{step.sql};")
        out.result(RULE)
        out.result()
        out.result("💡 This is a dry run. Use --apply to execute.")
        _show_locks(out, plan)
        out.detail(f"plan: {plan.hash}")
    else:
        out.result(good("✓"), " Nothing to do: the database is what the schema says.")
    _show_rest(out, what)


def _show_changes(out: Output, what: Preview) -> None:
    if not what.plan.groups:
        out.result(good("✓"), " Nothing to do: the database is what the schema says.")
    else:
        out.result(strong("Changes:"))
        for line in _change_lines(what.plan):
            out.result(f"  {line}")
        _show_locks(out, what.plan)
        out.note("Use --dry-run to see the SQL, --apply to execute.")
    _show_rest(out, what)


def _change_lines(plan: Plan) -> list[str]:
    from chameleondb.workflow.describe import describe

    return [f"{line.mark} {line.text}" for line in describe(plan)]


def _show_locks(out: Output, plan: Plan) -> None:
    """Say what the plan does to others and to the data; on stderr, since it is about the result and not the result."""
    from chameleondb.workflow.describe import lock_lines

    lines = lock_lines(plan)
    if lines:
        out.note(strong("Locks:"))
        for line in lines:
            out.note(f"  {line}")
    if plan.hazards:
        out.note(strong("Hazards:"))
        for hazard in plan.hazards:
            out.note(f"  {'!' if hazard.name.destructive else '·'} {hazard.key}: {hazard.detail}")
    for key in plan.missing_consent(()):
        out.note(f"  needs --allow {shlex.quote(key)}")


def _show_rest(out: Output, what: Preview) -> None:
    """Report what is left alone, and what else is to be known."""
    from chameleondb.workflow.describe import counted

    for note in what.plan.notes:
        out.note(note)
    if what.unplanned:
        out.warn("differs from its sql block, and is not changed by this version of Chameleon:")
        for obj in what.unplanned:
            out.note(f"  {obj.type} {obj.identity}")
    if what.plan.unmanaged:
        out.note("In the database but not in the schema, and never made by Chameleon: left alone")
        for identity in what.plan.unmanaged:
            out.note(f"  {identity.space} {identity}")
    if what.plan.unmodelled:
        out.note(f"Not managed by Chameleon, left alone: {counted(what.plan.unmodelled)}; -v lists them")
        for obj in what.plan.unmodelled:
            out.detail(f"  {obj.type} {obj.identity}")


def _document(what: Preview) -> dict[str, Any]:
    plan = what.plan
    return {
        "pending": what.pending,
        "plan_hash": plan.hash,
        "groups": [
            {
                "transactional": group.transactional,
                "steps": [
                    {
                        "sql": step.sql,
                        "effort": step.effort.value,
                        "locks": [{"relation": str(lock.relation), "mode": lock.mode.label} for lock in step.locks],
                        "hazards": [
                            {"name": h.name.value, "object": str(h.object), "detail": h.detail} for h in step.hazards
                        ],
                    }
                    for step in group.steps
                ],
            }
            for group in plan.groups
        ],
        "consent_needed": list(plan.missing_consent(())),
        "unmanaged": [f"{i.space} {i}" for i in plan.unmanaged],
        "unmodelled": [{"type": u.type, "identity": u.identity} for u in plan.unmodelled],
        "unplanned": [{"type": u.type, "identity": u.identity} for u in what.unplanned],
        "notes": list(plan.notes),
    }
