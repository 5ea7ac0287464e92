"""``chameleon init``: a project in this directory, or in a new one."""

from __future__ import annotations

from pathlib import Path

import click

from chameleondb.cli.output import App, format_option, good


@click.command("init")
@click.argument("name", required=False)
@format_option
@click.pass_obj
def command(app: App, name: str | None) -> None:
    """Make what a project needs: the Schema Vault, schema.cham, and rules for git.

    With NAME, the project is the directory NAME, which is made. What is there already stays as it is; a project that
    lacks only its vault gets one. No database is asked.
    """
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.init import VAULT, init

    done = init(app.directory, name, now)
    if app.out.json_wanted:
        found = {"made": done.made, "repaired": done.repaired, "tracked": done.tracked}
        app.out.json({"root": str(done.root), **{key: list(names) for key, names in found.items()}})
        return
    app.out.detail(f"project: {done.root}")
    for what in done.made:
        app.out.result(f"✅ {what} initialized" if what == VAULT else f"✅ Created {what}")
    for what in done.repaired:
        app.out.result(f"✅ Put right {what}")
    if not done.made and not done.repaired:
        app.out.result(good("✓"), f" Nothing to do: {_project(app, done.root)} is initialized.")
    for file in done.tracked:
        app.out.warn(f"git tracks {file} already, so that it is not ignored")
        app.out.note(f"help: git rm --cached {file}; its older commits keep what it held, so exchange its passwords")
    if VAULT in done.made:
        app.out.note("ℹ️  Mode: readonly; the first `chameleon migrate --apply` is allowed in it")
        app.out.note(f"💡 Next: edit {', '.join(done.schema)}, then chameleon migrate --dry-run")


def _project(app: App, root: Path) -> str:
    return "the project" if root == app.directory.absolute() else f"the project {root}"
