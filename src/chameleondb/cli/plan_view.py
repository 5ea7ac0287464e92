"""How a plan is shown: its changes or its SQL, the locks and hazards, and what is left alone."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from chameleondb.cli.output import Output, good, strong

if TYPE_CHECKING:
    from chameleondb.planner.plan import Plan
    from chameleondb.workflow.migrate import Preview

RULE = "─" * 49


def one_line(sql: str) -> str:
    """Return a statement as a progress line shows it."""
    first, _, rest = sql.partition("\n")
    return f"{first}…)" if rest and first.endswith("(") else " ".join(sql.split("\n"))


def show_sql(out: Output, what: Preview) -> None:
    """Print the statements, exactly as they would run."""
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
        _show_nothing(out, what)
    show_rest(out, what)


def show_changes(out: Output, what: Preview) -> None:
    """Print a line for each change."""
    if not what.plan.groups:
        _show_nothing(out, what)
    else:
        out.result(strong("Changes:"))
        for line in _change_lines(what.plan):
            out.result(f"  {line}")
        _show_locks(out, what.plan)
        out.note("Use --dry-run to see the SQL, --apply to execute.")
    show_rest(out, what)


def _show_nothing(out: Output, what: Preview) -> None:
    if what.unplanned:
        out.result("⚠ Nothing that can be planned: what differs from its sql block is to be changed by hand")
    else:
        out.result(good("✓"), " Nothing to do: the database is what the schema says.")


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


def show_rest(out: Output, what: Preview) -> None:
    """Report how a plan is run, and what is left alone."""
    for note in what.plan.notes:
        out.note(note)
    show_left_alone(out, what)


def show_left_alone(out: Output, what: Preview) -> None:
    """Report what is not changed, though it differs from the schema."""
    from chameleondb.workflow.describe import counted

    if what.unplanned:
        out.warn("differs from its sql block, and is not changed by this version of Chameleon:")
        for obj in what.unplanned:
            out.note(f"  {obj.type} {obj.identity}")
    if what.plan.unmanaged:
        out.note("In the database but not in the schema, and never made by Chameleon: left alone")
        whole = set(what.plan.unmanaged)
        for identity in what.plan.unmanaged:
            if identity.space not in ("column", "constraint") or identity.table not in whole:
                out.note(f"  {identity.space} {identity}")
    if what.plan.unmodelled:
        out.note(f"Not managed by Chameleon, left alone: {counted(what.plan.unmodelled)}; -v lists them")
        for obj in what.plan.unmodelled:
            out.detail(f"  {obj.type} {obj.identity}")


def document(what: Preview) -> dict[str, Any]:
    """Return the plan as JSON."""
    plan = what.plan
    return {
        "pending": what.pending,
        "plan_hash": plan.hash,
        "changes": _change_lines(plan),
        "groups": [
            {
                "transactional": group.transactional,
                "steps": [
                    {
                        "sql": step.sql,
                        "effort": step.effort.value,
                        "seconds": round(step.seconds, 1),
                        "batched": step.batched is not None,
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
