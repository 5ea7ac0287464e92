"""``chameleon init``: a project in this directory, or in a new one."""

from __future__ import annotations

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
    from chameleondb.workflow.init import init

    done = init(app.directory, name, now)
    app.out.detail(f"project: {done.root}")
    if app.out.json_wanted:
        app.out.json({"root": str(done.root), "made": list(done.made)})
        return
    if not done.made:
        app.out.result(good("✓"), " Nothing to do: the project is initialized.")
        return
    for what in done.made:
        app.out.result(f"✅ {_made(what)}")
    app.out.note("ℹ️  Mode: readonly; the first `chameleon migrate --apply` is allowed in it")
    app.out.note("💡 Next: edit schema.cham, then chameleon migrate --dry-run")


def _made(what: str) -> str:
    return f"{what} initialized" if what == "Schema Vault" else f"Created {what}"
