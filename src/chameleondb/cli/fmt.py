"""``chameleon fmt``: schema files in the one style."""

from __future__ import annotations

from pathlib import Path

import click

from chameleondb.cli.check import read_files
from chameleondb.cli.output import App, format_option, usage_error

STDIN = "-"


@click.command("fmt")
@click.argument("files", nargs=-1, metavar="[FILE|-]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Change nothing; list files that are not in the style, and exit 1.")
@format_option
@click.pass_obj
def command(app: App, files: tuple[Path, ...], check: bool) -> int:
    """Bring schema files into the one style.

    Without FILE, all .cham files of the project are formatted. `-` formats standard input to standard output. Comments
    and SQL stay as they are.
    """
    from chameleondb import disk
    from chameleondb.config import is_sql
    from chameleondb.formatter import reformat

    if any(is_sql(file.name) for file in files):
        raise usage_error(".sql files have no style of ours", hint="name .cham files only")
    # All are formatted before the first is written: one broken file leaves the others as they are.
    paths = files or tuple(file for file in app.project.schema_files() if not is_sql(file.name))
    sources = [(path, read_files(app, (path,))[0]) for path in paths]
    done = [(path, source, reformat(source)) for path, source in sources]
    changed = [(path, source, text) for path, source, text in done if text != source.text]
    for path, _, text in changed:
        if not check and str(path) != STDIN:
            disk.replace(app.directory / path, text.encode())
    names = [source.name for path, source, _ in changed if check or str(path) != STDIN]
    printed = [text for path, _, text in done if str(path) == STDIN and not check]
    _show(app, names, printed)
    return 1 if check and changed else 0


def _show(app: App, names: list[str], printed: list[str]) -> None:
    if app.out.json_wanted:
        return app.out.json({"changed": names, **({"text": printed[0]} if printed else {})})
    for text in printed:
        app.out.document(text)
    for name in names:
        app.out.result(name)
    return None
