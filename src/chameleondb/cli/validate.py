"""``chameleon validate``: is the schema sound, and how large is it."""

from __future__ import annotations

from pathlib import Path

import click

from chameleondb.cli.check import load_files, show_warnings
from chameleondb.cli.output import App, format_option, good


@click.command("validate")
@click.argument("files", nargs=-1, metavar="[FILE|-]...", type=click.Path(path_type=Path, allow_dash=True))
@format_option
@click.pass_obj
def command(app: App, files: tuple[Path, ...]) -> None:
    """Check the schema and say what it declares; no database is needed.

    Without FILE, all files of the project are checked, as one schema. `-` reads standard input.
    """
    loaded = load_files(app, files)
    if app.out.json_wanted:
        app.out.json({"valid": True, "entities": list(loaded.entities), "fields": loaded.fields})
        return
    show_warnings(app, loaded)
    names = f" ({', '.join(loaded.entities)})" if loaded.entities else ""
    app.out.result(good("✅"), " Schema validated successfully")
    app.out.result(f"   Entities: {len(loaded.entities)}{names}")
    app.out.result(f"   Fields: {loaded.fields}")
