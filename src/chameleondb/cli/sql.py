"""``chameleon sql``: statements of your own, recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, Output, format_option, good, usage_error

if TYPE_CHECKING:
    from chameleondb.diagnostics import Source
    from chameleondb.postgres.statements import Result
    from chameleondb.workflow.sql import Done

STDIN = "-"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@click.command("sql")
@click.argument("statement", required=False, metavar="[STATEMENT|-]")
@click.option(
    "-f", "--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="Run the statements of FILE."
)
@format_option
@click.pass_obj
def command(app: App, statement: str | None, file: Path | None) -> None:
    """Run SQL of your own, all of it or nothing, and record it in the database's ledger.

    It needs privileged mode. `-` reads standard input. Rows are printed as tab-separated text, NULL as \\N.
    Rows, passwords and the values in statements that work with rows are never recorded.
    """
    from chameleondb.workflow import sql
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.pins import Pins, state_folder

    statements = sql.split(_source(app, statement, file))
    connection = app.connect(purpose="sql")
    done = sql.run(app.project, connection, statements, memory=Pins(state_folder()), now=now)
    if app.out.json_wanted:
        app.out.json(_document(done))
    else:
        _show(app.out, done)


def _source(app: App, statement: str | None, file: Path | None) -> Source:
    from chameleondb.diagnostics import Source
    from chameleondb.syntax.tokens import SOURCE_BYTES_MAX
    from chameleondb.workflow import source

    if (statement is None) == (file is None):
        raise usage_error("give one statement, - or -f FILE", hint='e.g. chameleon sql "SELECT count(*) FROM users"')
    if file is not None:
        (found,) = source.read([app.directory / file])
        return found
    if statement == STDIN:
        return source.read_bytes("<stdin>", sys.stdin.buffer.read(SOURCE_BYTES_MAX + 1))
    return Source("<statement>", statement or "")


def _show(out: Output, done: Done) -> None:
    for number, result in enumerate(done.results):
        if result.columns:
            out.document(("\n" if number and done.results[number - 1].columns else "") + _table(result))
        else:
            out.note(result.tag)
    out.note(good("✓"), f" Recorded as row {done.row.seq} of the ledger")


def _table(result: Result) -> str:
    lines = [result.columns, *(["\\N" if v is None else v.translate(_ESCAPES) for v in row] for row in result.rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _document(done: Done) -> dict[str, Any]:
    return {
        "ledger": {"seq": done.row.seq, "hash": done.row.hash},
        "results": [
            {"tag": r.tag, "columns": list(r.columns), "rows": [list(row) for row in r.rows]} for r in done.results
        ],
    }
