"""What a command gets: an `App` that knows the project and the database, and an `Output` to speak through.

A command is a module `cli/<name>.py` with a click command `command`, listed in `cli/app.py`:

    @click.command("status")
    @format_option                      # --format text|json, if the command has a result
    @click.pass_obj
    def command(app: App) -> int | None:
        '''Show what is applied.'''
        files = app.project.schema_files()
        connection = app.connect(read_only=True)     # closed for you at the end
        if app.out.json_wanted:
            app.out.json({"pending": False})         # `format_version` is added
        else:
            app.out.result(good("✓"), " Up to date")
        return 0                                     # or an exit status, or None

Rules kept here: results go to stdout, all else to stderr; all text is escaped, so that no name of a database can steer
the terminal; nothing is asked unless a person is there to answer. A command raises errors (`chameleondb.errors`) and
prints none. Common options (-C, -v, -q, --color, …) are accepted before and after the name of a command.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from chameleondb.errors import ChameleonError, DatabaseError, IntegrityError, SchemaError, UsageError
from chameleondb.terminal import (
    Glyphs,
    Style,
    Styled,
    Switch,
    escape,
    fit,
    has_glyphs,
    is_terminal,
    paint,
    wants_colour,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from chameleondb.config import Project, Setting
    from chameleondb.findings import Finding
    from chameleondb.postgres.url import Target

FORMAT_VERSION = "1.0"

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Part = str | Styled


def good(text: str) -> Styled:
    """Mark a piece of text as good news."""
    return Styled(text, Style.GOOD)


def bad(text: str) -> Styled:
    """Mark a piece of text as bad news."""
    return Styled(text, Style.BAD)


def strong(text: str) -> Styled:
    """Mark a piece of text as important."""
    return Styled(text, Style.STRONG)


def faint(text: str) -> Styled:
    """Mark a piece of text as secondary."""
    return Styled(text, Style.FAINT)


@dataclass(slots=True)
class Output:
    """Where a command's words go. Options set the fields before the command runs."""

    format: str = "text"
    colour: Switch = Switch.AUTO
    glyphs: Glyphs = Glyphs.AUTO
    verbosity: int = 0  # -1 quiet, 0 normal, 1 and more: tell more
    may_ask: bool = True
    must_finish: bool = False  # what was begun is brought to its end, even if nobody reads on
    lost: OSError | None = None  # why a line of the result could not be printed meanwhile

    @property
    def json_wanted(self) -> bool:
        """Whether the result is to be one JSON document."""
        return self.format == "json"

    @property
    def interactive(self) -> bool:
        """Whether a person is there to answer: a terminal on stdin and stderr, no CI, no ``--no-input``."""
        return self.may_ask and not os.environ.get("CI") and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def result(self, *parts: Part) -> None:
        """Print a line of the result on stdout."""
        self._print(sys.stdout, parts)

    def document(self, text: str) -> None:
        """Print a schema or an SQL script on stdout: exact in a pipe, hidden characters shown on a terminal."""
        if is_terminal(sys.stdout):
            return self._print(sys.stdout, (text.removesuffix("\n"),))
        sys.stdout.flush()
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:
            sys.stdout.write(text)
        else:
            binary.write(text.encode())
            binary.flush()
        return None

    def json(self, value: dict[str, Any]) -> None:
        """Print the result as one JSON document in ASCII, with its ``format_version``."""
        sys.stdout.write(json.dumps({"format_version": FORMAT_VERSION, **value}, indent=2) + "\n")
        sys.stdout.flush()

    def note(self, *parts: Part) -> None:
        """Say something on stderr, unless ``-q`` was given."""
        if self.verbosity >= 0:
            self._print(sys.stderr, parts)

    def detail(self, *parts: Part) -> None:
        """Say something on stderr that only ``-v`` wants to know."""
        if self.verbosity >= 1:
            self._print(sys.stderr, parts)

    def warn(self, text: str) -> None:
        """Print a warning on stderr, also with ``-q``."""
        self._print(sys.stderr, (Styled("warning", Style.WARNING), f": {text}"))

    def confirm(self, question: str) -> bool:
        """Ask a yes/no question on stderr; no is the default, and the answer where nobody can be asked."""
        return self.ask(f"{question} [y/N]: ").strip().lower() in ("y", "yes")

    def ask(self, prompt: str) -> str:
        """Ask for a line of text on stderr; empty where nobody can be asked. Raises: click.Abort at Ctrl-C."""
        if not self.interactive:
            return ""
        self._print(sys.stderr, (prompt,), end="")
        return sys.stdin.readline().rstrip("\n")

    def secret(self, prompt: str) -> str | None:
        """Ask for a password, one star per character; None where nobody can be asked. Raises: KeyboardInterrupt."""
        if not self.interactive:
            return None
        from chameleondb.cli import masked

        return masked.ask(self._text(sys.stderr, (prompt,)), sys.stdin, sys.stderr)

    def error(self, error: ChameleonError) -> None:
        """Print an error: on stderr for people, on stdout as JSON for programs."""
        if self.json_wanted:
            return self.json({"error": describe(error)})
        if isinstance(error, SchemaError) and error.diagnostics:
            return self._print(sys.stderr, (_rendered(error),))
        if isinstance(error, IntegrityError):
            for line in violation_lines(error.findings, error.consequence):
                self._print(sys.stderr, (line,))
        self._print(sys.stderr, (bad(f"error[{error.code}]"), f": {error.message}"))
        if isinstance(error, DatabaseError):
            for line in _server_says(error, self.verbosity):
                self._print(sys.stderr, (faint(line),))
        if error.hint:
            self._print(sys.stderr, (Styled("help", Style.NOTE), f": {error.hint}"))
        return None

    def _print(self, stream: IO[str], parts: tuple[Part, ...], end: str = "\n") -> None:
        try:
            stream.write(self._text(stream, parts) + end)
            stream.flush()
        except OSError as error:
            if not self.must_finish:
                raise
            if stream is sys.stdout:
                self.lost = self.lost or error

    def _text(self, stream: IO[str], parts: tuple[Part, ...]) -> str:
        colour = wants_colour(self.colour, stream)
        unicode = has_glyphs(self.glyphs, stream)
        done = []
        for part in parts:
            text, style = part if isinstance(part, Styled) else (part, None)
            text = fit(escape(text), stream, unicode=unicode)
            done.append(paint(text, style) if style and colour else text)
        return "".join(done)


def describe(error: ChameleonError) -> dict[str, Any]:
    """Return an error as JSON; the server's DETAIL is left out, since it holds rows."""
    facts: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, DatabaseError):
        facts |= {"sqlstate": error.sqlstate, "statement": error.statement, "position": error.position}
    if isinstance(error, IntegrityError):
        facts["findings"] = [describe_finding(f) for f in error.findings]
    if isinstance(error, SchemaError):
        from chameleondb.diagnostics import Diagnostic, to_json

        facts["diagnostics"] = to_json(d for d in error.diagnostics if isinstance(d, Diagnostic))["errors"]
    return facts


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "place": finding.place,
        "message": finding.message,
        "expected": finding.expected,
        "actual": finding.actual,
        "hint": finding.hint,
    }


def violation_lines(findings: Iterable[Finding], consequence: str) -> list[str]:
    """Return the block that tells of violations."""
    findings = tuple(findings)
    if all(f.code == "UNREADABLE_FILE" or (f.code, f.place) == ("NOT_A_DIRECTORY", ".chameleon") for f in findings):
        what = "Schema vault cannot be read!"
    elif any("ledger" not in f.place for f in findings):
        what = "Schema vault has been modified!"
    else:
        what = "The ledger is not what the vault knows of it!"
    found = (f"   • {finding}" for finding in findings)
    return ["❌ INTEGRITY VIOLATION DETECTED", *found, f"   🚨 {what}", f"   ❌ {consequence}"]


def ways_out(findings: Iterable[Finding]) -> list[str]:
    """Return what to do about findings, each advice once."""
    return list(dict.fromkeys(f.hint for f in findings if f.hint))


def _server_says(error: DatabaseError, verbosity: int) -> list[str]:
    """Return the line of the statement that the server means, and what ``-v`` and ``-vv`` add."""
    lines = []
    if error.statement and error.position:
        *above, start = error.statement[: error.position - 1].split("\n")
        lines += [f"  {error.statement.split(chr(10))[len(above)]}", f"  {' ' * len(start)}^"]
    elif error.statement:
        lines.append(f"  {error.statement.partition(chr(10))[0]}")
    if error.sqlstate and verbosity >= 1:
        lines.append(f"  SQLSTATE {error.sqlstate}")
    # It quotes rows, so it has to be asked for twice.
    if error.detail and verbosity >= 2:
        lines.append(f"  {error.detail}")
    return lines


def _rendered(error: SchemaError) -> str:
    from chameleondb.diagnostics import Diagnostic, render

    return render(d for d in error.diagnostics if isinstance(d, Diagnostic))


@dataclass
class App:
    """What the commands of one run share. Everything is found out when first asked for, and closed at the end."""

    out: Output = field(default_factory=Output)
    directory: Path = Path()
    database_url: str | None = None
    dot_env: bool = True
    debug: bool = False
    resources: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def project(self) -> Project:
        """The project of the current directory or of ``-C``. Raises: UsageError."""
        from chameleondb.config import find_project

        project = find_project(self.directory)
        for note in project.notes:
            self.out.warn(note)
        self.out.detail(f"project: {project.root}")
        return project

    @cached_property
    def setting(self) -> Setting:
        """The database URL and its origin. Raises: UsageError CHM0501 if none is set."""
        from chameleondb.config import database_setting

        return database_setting(self.project, flag=self.database_url, dot_env=self.dot_env)

    @cached_property
    def target(self) -> Target:
        """The database, ready to connect to: an embedded server runs until the command ends. Raises: ChameleonError."""
        from chameleondb.postgres.embedded import reached
        from chameleondb.postgres.url import parse

        target = parse(self.setting.value, origin=self.setting.origin, folder=self.project.root)
        for note in target.notes:
            self.out.warn(note)
        self.out.detail(f"database: {target.display} (from {target.origin})")
        return self.enter(reached(target, self.project.local))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, as far as it is known by now."""
        known = self.__dict__  # asking a property here could raise once more
        setting = (known["setting"].value,) if "setting" in known else ()
        target = known["target"].secrets if "target" in known else ()
        return tuple(s for s in (*target, *setting, os.environ.get("PGPASSWORD")) if s)

    def connect(self, *, purpose: str = "", read_only: bool = False) -> psycopg.Connection[Any]:
        """Return a new connection to the target; it is closed at the end. Raises: DatabaseError."""
        from chameleondb.postgres.session import OLDEST_TESTED_VERSION, connect

        connection = connect(self.target, purpose=purpose, read_only=read_only)
        self.resources.callback(connection.close)
        major = connection.info.server_version // 10000
        self.out.detail(f"server: PostgreSQL {major}")
        if connection.info.server_version < OLDEST_TESTED_VERSION:
            self.out.warn(f"PostgreSQL {major} works as far as we know, but Chameleon is not tested on it")
        return connection

    def enter(self, manager: AbstractContextManager[T]) -> T:
        """Open a resource that is to be closed at the end of the command, last opened first."""
        return self.resources.enter_context(manager)


def format_option(command: F) -> F:
    """Add ``--format text|json`` to a command; `app.out.json_wanted` tells which."""

    def choose(context: click.Context, _: click.Parameter, value: str) -> None:
        context.ensure_object(App).out.format = value

    return click.option(
        "--format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=choose,
        help="How to print the result.",
    )(command)


def usage_error(message: str, *, hint: str | None = None) -> UsageError:
    """Return the error for options that do not fit together."""
    return UsageError("CHM0500", message, hint=hint)
