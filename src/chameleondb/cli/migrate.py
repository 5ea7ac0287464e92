"""``chameleon migrate``: what would change, the SQL of it, and doing it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, faint, format_option, good
from chameleondb.cli.plan_view import document, one_line, show_changes, show_rest, show_sql
from chameleondb.cli.planning import incomplete, preview_of, progress, shadows
from chameleondb.frozen import frozen

if TYPE_CHECKING:
    from chameleondb.planner.plan import Plan
    from chameleondb.steps import Step
    from chameleondb.vault.history import History, Version
    from chameleondb.workflow.journal import Note
    from chameleondb.workflow.progress import Progress
    from chameleondb.workflow.release import Decision, Release

CHANGES_PENDING = 2
HASH_SHOWN = 8


@frozen(kw_only=True)
class _Options:
    """What the command line asks for."""

    check: bool
    dry_run: bool
    apply: bool
    allow: tuple[str, ...]
    plan: str | None
    registered: bool
    adopt: bool
    skip_verification: bool
    no_cache: bool


@click.command("migrate")
@click.option("--check", is_flag=True, help="Exit with 2 when changes are pending.")
@click.option("--dry-run", is_flag=True, help="Show the exact SQL.")
@click.option("--apply", is_flag=True, help="Run it.")
@click.option(
    "--allow",
    multiple=True,
    metavar="HAZARD:OBJECT",
    help="Consent to a destructive step, e.g. drops-data:users.age; '*' for all. Repeatable.",
)
@click.option("--plan", metavar="HASH", help="Apply only if the plan has this hash (from --dry-run).")
@click.option("--registered", is_flag=True, help="Apply only what the vault has as a version; for CI.")
@click.option("--adopt", is_flag=True, help="The database is a copy, or was restored: go on with it as it is.")
@click.option("--skip-verification", is_flag=True, help="Apply in spite of violations; in emergency mode only.")
@click.option("--no-cache", is_flag=True, help="Let PostgreSQL elaborate the whole schema anew.")
@format_option
@click.pass_obj
def command(app: App, /, **values: Any) -> int:
    """Show what would change in the database; with --apply, change it.

    Without options nothing is changed: the differences between the schema files and the database are listed.
    """
    from chameleondb.errors import UsageError
    from chameleondb.workflow.migrate import lacking, missing_rights

    options = _Options(**values)
    if options.check + options.dry_run + options.apply > 1:
        raise UsageError("CHM0516", "--check, --dry-run and --apply exclude each other")
    if options.apply:
        return _apply(app, options)
    if options.allow or options.plan is not None or options.registered or options.adopt or options.skip_verification:
        raise UsageError("CHM0517", "--allow, --plan, --registered, --adopt and --skip-verification go with --apply")
    connection = app.connect(purpose="migrate", read_only=True)
    interrupted = _verify(app, connection)
    what, files = preview_of(app, connection, use_cache=not options.no_cache, recall=True)
    if interrupted is not None:
        app.out.note(incomplete(interrupted, what, files))
    missing = missing_rights(connection, what.plan)
    if app.out.json_wanted:
        app.out.json(
            {
                **document(what),
                "rights_missing": list(missing),
                "interrupted": interrupted.label if interrupted else None,
            }
        )
    elif options.dry_run:
        show_sql(app.out, what)
    else:
        show_changes(app.out, what)
    if missing:
        app.out.warn(lacking(missing))
    return CHANGES_PENDING if options.check and what.pending else 0


def _verify(app: App, connection: Any) -> Version | None:
    """Stop at any violation; return the version of an interrupted run, and say what else a crash has left.

    Raises: IntegrityError.
    """
    from chameleondb.findings import Severity, of_severity
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.release import interrupted_version
    from chameleondb.workflow.trust import aborted, inspect

    found = inspect(app.project.data, connection, deep=False, bodies=False, memory=Pins(state_folder()))
    if found.violations:
        raise aborted(found.violations)
    for finding in of_severity(found.findings, Severity.RECOVERABLE):
        if finding.code != "RUN_INTERRUPTED":
            app.out.note(f"{finding} ({finding.hint})" if finding.hint else str(finding))
    head = found.ledgered.head if found.ledgered else None
    return interrupted_version(found.history, head) if found.history and head else None


def _apply(app: App, options: _Options) -> int:
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.release import Release

    app.out.detail(f"database URL from {app.setting.origin}")  # nothing is written before it is known where to go
    release = Release(app.project, now=now, memory=Pins(state_folder()))

    def waiting(holder: str) -> None:
        app.out.note(f"waiting for another command: {holder}")

    with release.locked_vault(waiting), Journal(app.project.local, now).recorded("migrate") as note:
        release.verify(skip=options.skip_verification)
        connection = app.connect(purpose="migrate --apply")
        with release.locked_database(connection, waiting), progress(app, connection) as told:
            say = _Teller(app.out, note, told)
            repaired = release.reconcile(adopt=options.adopt, skip=options.skip_verification)
            say.verified(release, repaired)
            what, files = preview_of(app, connection, use_cache=not options.no_cache)
            version = release.bring(
                what,
                files,
                shadows(app, connection),
                say,
                consent=lambda plan: _consent(app.out, plan, options.allow),
                reviewed=options.plan,
                only_registered=options.registered,
            )
    if app.out.json_wanted:
        facts = {"version": version.label, "version_id": version.id} if version else {"version": None}
        app.out.json({**document(what), "applied": version is not None, **facts})
    elif version is None:
        show_changes(app.out, what)
    else:
        show_rest(app.out, what)
    return 0


def _consent(out: Output, plan: Plan, allow: tuple[str, ...]) -> tuple[str, ...]:
    """Return the consents that were given; ask for those that are missing, if somebody is there to answer.

    Raises: ConsentNeeded.
    """
    for key in plan.unused_consent(allow):
        out.warn(f"--allow {shlex.quote(key)} is not needed: no step of this plan has that hazard")
    missing = plan.missing_consent(allow)
    if missing and out.interactive:
        from chameleondb.planner.likely import rename_hints

        details = {h.key: h.detail for h in plan.hazards}
        for hint in rename_hints(plan.likely):
            out.note(hint)
        for key in missing:
            out.warn(details[key])
            if not out.confirm(f"Allow {key}?"):
                break
            allow = (*allow, key)
    plan.require_consent(allow)
    return allow


class _Teller:
    """Tells the story of a run as the guide prints it, each statement when it is committed."""

    def __init__(self, out: Output, note: Note, progress: Progress) -> None:
        self.out, self.note, self.progress = out, note, progress
        self.is_recovery = False
        self.repaired: str | None = None
        self.running: Step | None = None

    def _result(self, *parts: Any) -> None:
        if not self.out.json_wanted:
            self.out.result(*parts)

    def verified(self, release: Release, repaired: tuple[str, ...]) -> None:
        from chameleondb.workflow.release import interrupted_version

        for code in release.unverified:
            self.out.warn(f"verification skipped in emergency mode: {code}")
        for what in repaired:
            self.out.note(f"put right: {what}")
        history = release.history
        if history is None or not history.versions:
            return
        # The guide's story of a recovery has neither this block nor statements in it: then they are remarks.
        tell = self.out.note if interrupted_version(history, release.head) else self._result
        tell("🔍 Verifying schema integrity...")
        if history.current is not None:
            tell("   ", good("✓"), f" Current: {history.current.label} ({_short(history.current.id)})")
        if not release.unverified:
            tell("   ", good("✓"), " No tampering detected")
        tell()

    def unproven(self, why: str | None) -> None:
        if why is not None:
            self.out.warn(f"the plan was not tried on a copy first: {why}")

    def decided(self, decision: Decision) -> None:
        from chameleondb.workflow.release import Case

        old = decision.interrupted
        if old is None:
            return
        self._result(f"⚠️  Incomplete migration detected ({old.label})")
        self.is_recovery = decision.case is Case.RECOVER
        if self.is_recovery:
            self._result("🔄 Attempting recovery...")
        else:
            self._result("   The schema has changed since: a new version takes its place")
            self._result()

    def registered(self, history: History, version: Version, decision: Decision) -> None:
        from chameleondb.workflow.release import Case

        self.out.must_finish = True
        self.note.version = version.label
        match decision.case:
            case Case.REGISTER:
                self._result("📦 Registering new schema version...")
                self._result("   ", good("✓"), f" Registered as {version.label} ({_hash(version)})")
                self._result("   ", good("✓"), f" Parent: {history.parent_label(version)}")
                self._result()
            case Case.APPLY:
                self._result("📦 Schema version is registered already")
                self._result("   ", good("✓"), f" {version.label} ({_hash(version)})")
                self._result()
            case Case.REPAIR:
                self.repaired = version.label
            case Case.NOTHING | Case.RECOVER:
                pass

    def applying(self, plan: Plan) -> None:
        from chameleondb.diff import Action

        if self.is_recovery:
            return
        if plan.groups:
            if self.repaired:
                follows = any(c.action is Action.RENAME and c.id.space != "constraint" for c in plan.changes)
                what = "Following what is renamed in" if follows else "Bringing the database back to"
                self._result(f"🔧 {what} {self.repaired}")
                self._result()
            self._result("📋 Applying migration...")
        elif self.repaired:  # its renames are done and no longer declared, or a run ended before it could say so
            self._result(f"📋 Nothing to run: the record of {self.repaired} is brought up to date")
        else:
            self._result("📋 Nothing to run: the database is what the schema says already")

    def applied(self, version: Version) -> None:
        if self.is_recovery:
            self._result("✅ Migration completed successfully")
        else:
            self._result()
            self._result("✅ Migration applied successfully")
            self._result(f"✅ Schema {version.label} locked in vault")

    def step_begun(self, step: Step) -> None:
        self.progress.begun(one_line(step.sql))
        if step is not self.running:  # and not at each try to lock its table
            self.running = step
            self.out.detail(f"running: {one_line(step.sql)}")

    def step_done(self, step: Step, seconds: float) -> None:
        self.progress.ended()
        took = (faint(f"  ({seconds * 1000:.0f} ms)"),) if self.out.verbosity > 0 else ()
        parts = ("   ", good("✓"), f" {one_line(step.sql)}", *took)
        if self.is_recovery:
            self.out.note(*parts)
        else:
            self._result(*parts)

    def batch_done(self, step: Step, number: int, pages: int, total: int) -> None:  # noqa: ARG002
        self.progress.reached(f"pass {number}, page {pages:,} of {total:,}")

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None:
        if attempt in (1, 5) or attempt % 20 == 0:
            who = f" held by {blockers}" if blockers else ""
            self.out.note(f"waiting for a lock{who} (attempt {attempt}): {one_line(step.sql)}")


def _hash(version: Version) -> str:
    return f"hash: {_short(version.id)}"


def _short(version_id: str) -> str:
    return f"{version_id[:HASH_SHOWN]}..."
