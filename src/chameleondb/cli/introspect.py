"""``chameleon introspect``: the schema of an existing database as .cham."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chameleondb.cli.output import App, format_option, good

if TYPE_CHECKING:
    from chameleondb.workflow.introspect import Introspected

STDOUT = "-"


@click.command("introspect")
@click.argument("url", required=False)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file, a directory with / at its end, or - for stdout [default: schema.cham].",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite the file.")
@click.option("--schema", "schemas", multiple=True, metavar="NAME", help="Only this PostgreSQL schema. Repeatable.")
@format_option
@click.pass_obj
def command(app: App, url: str | None, output: str | None, force: bool, schemas: tuple[str, ...]) -> None:
    """Write the schema of an existing database as .cham.

    URL is a database URL in any form, also env:NAME, $NAME or file:PATH; without it, the project's database is read.
    The database is only read. `chameleon migrate` has nothing to do afterwards. In a project that has versions, writing
    a file needs standard mode; - works in every mode. --format json writes a file only if -o names it.
    """
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.introspect import authorize, introspect, write, write_tree

    if url is not None:
        app.database_url = url
    if output is None and app.out.json_wanted:
        output = STDOUT
    path = app.project.root / "schema.cham" if output is None else app.directory / output
    connection = app.connect(purpose="introspect", read_only=True)
    if output != STDOUT:
        authorize(app.project.data, connection, now)
    found = introspect(connection, schemas)
    files: list[Path] = []
    if output is not None and output.endswith("/"):
        write_tree(path, found.files, force=force)
        files, is_empty = [path / name for name in found.files], not any(found.files.values())
    else:
        is_empty = not found.text
        if output != STDOUT:
            write(path, found.text, force=force)
            files = [path]
    written = [_shown(file) for file in files]
    if app.out.json_wanted:
        app.out.json({**_document(found), "written": written})
    elif output == STDOUT:
        app.out.document(found.text)
    else:
        for name in written:
            app.out.result(good("✓"), f" Schema written to {name}")
    if is_empty:
        app.out.note("Nothing was found that can be declared")
    _report(app, found)
    _tell_what_is_read(app, files)


def _tell_what_is_read(app: App, files: list[Path]) -> None:
    """Say which of the files that were written no other command will look at, or which others belong to the schema."""
    from chameleondb.errors import UsageError

    try:
        read = {file.resolve(): file for file in app.project.schema_files()}
    except UsageError:  # there are none
        read = {}
    written = {file.resolve(): file for file in files}
    if unread := [_shown(file) for place, file in written.items() if place not in read]:
        places = ", ".join(app.project.schema_places)
        app.out.note(f"`migrate` does not read {', '.join(unread)}: it reads {places}; schema.paths can name others")
    elif written and (others := [_shown(file) for place, file in read.items() if place not in written]):
        app.out.warn(f"`migrate` also reads what was there before: {', '.join(others)}; delete what is no longer meant")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _report(app: App, found: Introspected) -> None:
    from chameleondb.workflow.describe import counted

    if found.carried:
        app.out.note(f"Carried as they are, in sql blocks, because tables need them: {counted(found.carried)}")
        for needed in found.carried:
            app.out.detail(f"  {needed.type} {needed.identity}")
    if any(needed.type == "table" for needed in found.carried):
        app.out.note("Of such tables columns, keys and checks; not partitions, foreign keys and other indexes")
    for needed in found.uncarried:
        app.out.warn(f"tables need {needed.type} {needed.identity}, which cannot be carried: write it in a .sql file")
    if found.elsewhere:
        what = ", ".join(f"{v.type} {v.identity}" for v in found.elsewhere)
        more = " ".join(f"--schema {shlex.quote(s)}" for s in dict.fromkeys(v.schema for v in found.elsewhere))
        app.out.warn(f"the schema cannot be used by itself: its tables need {what}; add {more}")
    if found.left:
        app.out.note(f"Not managed by Chameleon, left alone: {counted(found.left)}; -v lists them")
        for obj in found.left:
            app.out.detail(f"  {obj.type} {obj.identity}")


def _document(found: Introspected) -> dict[str, object]:
    return {
        "schema": found.text,
        "carried": [{"type": v.type, "identity": v.identity} for v in found.carried],
        "uncarried": [{"type": v.type, "identity": v.identity} for v in found.uncarried],
        "elsewhere": [{"type": v.type, "identity": v.identity, "schema": v.schema} for v in found.elsewhere],
        "unmodelled": [{"type": u.type, "identity": u.identity} for u in found.left],
    }
