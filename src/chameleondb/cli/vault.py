"""``chameleon vault``: what two branches wrote into one vault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, format_option, good

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chameleondb.vault.history import Version
    from chameleondb.vault.log import Line
    from chameleondb.workflow.rebase import Rebased

HASH_SHOWN = 8


@click.group("vault")
def command() -> None:
    """Resolve what two branches wrote into the Schema Vault."""


@command.command("rebase")
@click.option(
    "--theirs",
    metavar="REV",
    help="The branch or commit whose versions stay [default: the other side of git's merge].",
)
@format_option
@click.pass_obj
def rebase_command(app: App, theirs: str | None) -> None:
    """Make one history of two, after two branches registered a version of the same number.

    Versions of the other side stay as they are; those of this branch give way to them and are kept in
    versions/.superseded. The next `chameleon migrate --apply` registers what the merged schema files say.
    """
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.pins import Pins, state_folder
    from chameleondb.workflow.rebase import rebase

    done = rebase(app.project, theirs=theirs, memory=Pins(state_folder()), now=now, waiting=app.out.note)
    if app.out.json_wanted:
        app.out.json(_document(done))
    else:
        _show(app.out, done)


def _show(out: Output, done: Rebased) -> None:
    joined = done.joined
    if not done.is_changed:
        out.result(good("✓"), " Nothing to do: the vault continues both branches already.")
        return
    common = joined.common.label if joined.common else "the beginning"
    out.result(f"🔄 Rebasing the vault: two branches continue {common}")
    ours, theirs = done.merge.ours.name, done.merge.theirs.name
    out.result("   ", good("✓"), f" Both chains verified: {ours} and {theirs}")
    for version in joined.taken:
        out.result("   ", good("✓"), f" {_named(version)} of {theirs} stays: {version.summary}")
    for version in joined.set_aside:
        out.result("   ", good("✓"), f" {_named(version)} of {ours} gives way: {version.summary}")
        out.detail(f"      kept as versions/.superseded/{version.id}.json")
    if joined.stays:
        out.result("   ", good("✓"), f" {theirs} registered no version: those of {ours} stay")
    if joined.carried:
        out.result("   ", good("✓"), f" Recorded again after them: {_counted(joined.carried)}")
    _show_losses(out, done)
    out.result("✅ Vault rebased")
    _show_next(out, done)


def _show_losses(out: Output, done: Rebased) -> None:
    joined = done.joined
    if joined.dropped:
        out.note(f"Not recorded again: {_counted(joined.dropped)}")
    if any(n.action in ("APPLIED", "REPAIR") and _label(n) for n in joined.dropped):
        out.note("  receipts of versions that gave way: the ledgers of their databases have them")
    if any(n.action == "MODE" for n in joined.dropped):
        out.note("  a mode is bound to its place by a signature: `chameleon config set mode=…` sets it anew")
    if any(n.action in ("AUTH_SET", "REPAIR") and n.fields.get("what") != "drift" for n in joined.dropped):
        out.note(
            "  the mode password of the other branch is valid now; with a database that was told of yours, its owner"
        )
        out.note("  has to reset it: `chameleon config auth reset-password`")
    if joined.locked:
        out.note("  the mode is readonly, the stricter of the two")


def _show_next(out: Output, done: Rebased) -> None:
    newest = done.joined.history.newest
    label = newest.label if newest else "no version"
    if done.is_merging:
        out.note("💡 Next: merge the schema files, `git add` them, and let git go on")
    else:
        out.note("💡 Next: commit .chameleon/vault, then merge; git will stop at the vault: run this once more")
    if done.joined.set_aside:
        out.note(f"   `chameleon migrate --apply` then registers what they say, after {label}")
        out.note(f"   The other way round: chameleon vault rebase --theirs {done.merge.ours.name}")


def _named(version: Version) -> str:
    return f"{version.label} ({version.id[:HASH_SHOWN]}...)"


def _counted(lines: Iterable[Line]) -> str:
    """Return lines as, e.g., ``2 × APPLIED v002, MODE``."""
    counts = Counter(" ".join(filter(None, (n.action, _label(n)))) for n in lines)
    return ", ".join(f"{count} × {what}" if count > 1 else what for what, count in counts.items())


def _label(line: Line) -> str:
    label = line.fields.get("version", "")
    return "" if label == "none" else label


def _document(done: Rebased) -> dict[str, Any]:
    joined = done.joined
    newest = joined.history.newest

    def versions(found: Iterable[Version]) -> list[dict[str, str]]:
        return [{"version": v.label, "hash": v.id} for v in found]

    return {
        "changed": done.is_changed,
        "ours": {"name": done.merge.ours.name, "commit": done.merge.ours.id},
        "theirs": {"name": done.merge.theirs.name, "commit": done.merge.theirs.id},
        "common": joined.common.label if joined.common else None,
        "newest": newest.label if newest else None,
        "taken": versions(joined.taken),
        "set_aside": versions(joined.set_aside),
        "recorded_again": [n.action for n in joined.carried],
        "not_recorded_again": [n.action for n in joined.dropped],
    }
