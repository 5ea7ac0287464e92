"""``chameleon check``: schema files without a database, quickly; the form that editors call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chameleondb.cli.output import App, format_option, good

if TYPE_CHECKING:
    from chameleondb.diagnostics import Source
    from chameleondb.workflow.source import Loaded

STDIN = "<stdin>"


@click.command("check")
@click.argument("files", nargs=-1, metavar="[FILE|-]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@format_option
@click.pass_obj
def command(app: App, files: tuple[Path, ...], as_json: bool) -> int:
    """Check schema files quickly, without a database.

    Without FILE, all files of the project are checked, as one schema. `-` reads standard input.
    """
    from chameleondb.diagnostics import Diagnostic, to_json
    from chameleondb.errors import SchemaError

    if as_json:
        app.out.format = "json"
    try:
        loaded = load_files(app, files)
    except SchemaError as error:
        if not app.out.json_wanted:
            raise
        app.out.json(to_json(d for d in error.diagnostics if isinstance(d, Diagnostic)))
        return 1
    if app.out.json_wanted:
        app.out.json(to_json(loaded.warnings))
    else:
        show_warnings(app, loaded)
        app.out.result(good("✅ Schema is valid"))
    return 0


def load_files(app: App, files: tuple[Path, ...]) -> Loaded:
    """Load the files that a command line names, or else those of the project. Raises: ChameleonError."""
    from chameleondb.workflow import source

    return source.load(read_files(app, files) if files else source.read(app.project.schema_files()))


def read_files(app: App, files: tuple[Path, ...]) -> tuple[Source, ...]:
    """Read named files; `-` is standard input. Raises: ChameleonError."""
    from chameleondb.syntax.tokens import SOURCE_BYTES_MAX
    from chameleondb.workflow import source

    found: list[Source] = []
    for file in files:
        if str(file) == "-":
            found.append(source.read_bytes(STDIN, sys.stdin.buffer.read(SOURCE_BYTES_MAX + 1)))
        else:
            found += source.read([app.directory / file])
    return tuple(found)


def show_warnings(app: App, loaded: Loaded) -> None:
    """Print the warnings on stderr, unless ``-q`` was given."""
    if loaded.warnings:
        from chameleondb.diagnostics import render

        app.out.note(render(loaded.warnings))
