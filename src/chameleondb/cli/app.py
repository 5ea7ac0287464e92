"""The command group: loads a command when it is named, accepts the common options anywhere, turns errors into words.

Only click and the standard library are imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from chameleondb import __version__
from chameleondb.cli.output import App
from chameleondb.errors import ChameleonError, UsageError, interruption
from chameleondb.terminal import Glyphs, Switch, escape, mask_logins

COMMANDS = {
    "init": "Start a project in this directory.",
    "validate": "Check the whole schema, without a database.",
    "check": "Check schema files for an editor, with every mistake and its place.",
    "fmt": "Bring schema files into the one style.",
    "migrate": "Show what would change, or apply it.",
    "status": "Show which version is applied, and what differs.",
    "verify": "Check that nobody changed the history.",
    "vault": "Resolve what two branches registered: rebase.",
    "journal": "Read what was done: schema, last, errors, migrations, search.",
    "config": "Read and change settings and the mode.",
    "sql": "Run SQL of your own, recorded in the ledger.",
    "introspect": "Write the schema of an existing database as .cham.",
    "db": "Run the embedded PostgreSQL: start, stop, url, status, psql.",
    "version": "Show the versions of Chameleon and what it stands on.",
}
"""Name and one line of help of every command; its module is `chameleondb.cli.<name>`, its object `command`."""


@functools.cache
def commands() -> dict[str, str]:
    """Return the commands that this installation has."""
    return {name: text for name, text in COMMANDS.items() if importlib.util.find_spec(f"chameleondb.cli.{name}")}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; a list of them costs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names of all commands."""
        return list(commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command and let it take the common options too."""
        if cmd_name not in commands():
            return None
        if cmd_name != "config":  # no program that is started shall inherit what no other command needs
            for name in [n for n in os.environ if n.startswith("CHAMELEON_") and "MODE_PASSWORD" in n]:
                del os.environ[name]
        command: click.Command = importlib.import_module(f"chameleondb.cli.{cmd_name}").command
        _share_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))


def _setter(apply: Callable[[App, Any], None]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:
        # An option that was not given must not undo one that stood before the name of the command.
        if value is not None and value is not False and value != 0:
            apply(context.ensure_object(App), value)

    return callback


def _set(path: str, convert: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    owner, _, name = path.rpartition(".")

    def apply(app: App, value: Any) -> None:
        setattr(app.out if owner == "out" else app, name, convert(value))

    return {"callback": _setter(apply), "expose_value": False, "is_eager": True}


def _common_options(*, hidden: bool) -> list[click.Parameter]:
    def option(*names: str, **words: Any) -> click.Option:
        return click.Option(list(names), hidden=hidden, **words)

    return [
        option(
            "-C",
            "--directory",
            type=click.Path(exists=True, file_okay=False),
            metavar="DIR",
            help="Work as if started in DIR.",
            **_set("directory", Path),
        ),
        option(
            "--database-url",
            metavar="URL",
            help="The database; overrides DATABASE_URL. Also env:NAME, file:PATH, embedded.",
            **_set("database_url"),
        ),
        option("--no-env", is_flag=True, help="Do not read .env.", **_set("dot_env", lambda _: False)),
        option("-v", "--verbose", count=True, help="Tell more.", **_set("out.verbosity")),
        option("-q", "--quiet", is_flag=True, help="Print results and errors only.", **_set("out.verbosity", _quiet)),
        option(
            "--color",
            type=click.Choice([s.value for s in Switch]),
            help="When to use colours [default: auto].",
            **_set("out.colour", Switch),
        ),
        option(
            "--glyphs",
            type=click.Choice([g.value for g in Glyphs]),
            help="Which characters to draw with [default: auto].",
            **_set("out.glyphs", Glyphs),
        ),
        option("--no-input", is_flag=True, help="Never ask anything.", **_set("out.may_ask", lambda _: False)),
        option("--debug", is_flag=True, help="Show a traceback for an internal error.", **_set("debug")),
    ]


def _quiet(_: Any) -> int:
    return -1


def _share_options(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _share_options(inner)
    taken = {name for parameter in command.params for name in parameter.opts}
    command.params.extend(o for o in _common_options(hidden=True) if not taken.intersection(o.opts))


cli = LazyGroup(
    "chameleon",
    help="Declare a PostgreSQL schema, see exactly what will change, apply it safely.",
    params=[
        *_common_options(hidden=False),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=lambda context, _, wanted: _show_version(context) if wanted else None,
            help="Show the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)


def _show_version(context: click.Context) -> NoReturn:
    click.echo(f"chameleon {__version__}")
    context.exit()


_CLOSED_PIPE = 141  # what a shell reports for a process that SIGPIPE ended


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit status and never raises for a user's mistake."""
    _replace_closed_streams()
    status = 1
    try:
        status = _run(list(arguments))
        sys.stdout.flush()
    except OSError as error:
        # Python flushes stdout at exit and would complain once more.
        sys.stdout = io.StringIO()
        return _CLOSED_PIPE if isinstance(error, BrokenPipeError) else status
    return status


def _replace_closed_streams() -> None:
    """Stand in for streams that were closed before we began, as ``>&-`` does."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # Its number is the next that is free: no connection may get it, for programs that we start would use it.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


def _run(arguments: list[str]) -> int:
    app, stdout = App(), sys.stdout
    # A program that reads JSON must get it even if the other options are wrong.
    if "--format=json" in arguments or ("--format", "json") in itertools.pairwise(arguments):
        app.out.format = "json"
    try:
        _install_signal_handlers()
        with app.resources:
            status = cli.main(arguments, prog_name="chameleon", standalone_mode=False, obj=app)
        if app.out.lost is not None:
            raise app.out.lost
        sys.stdout.flush()
    except SystemExit as stop:
        # click's: after completing words for a shell, or at a closed pipe, where it also exchanges stdout.
        is_pipe = sys.stdout is not stdout
        return _CLOSED_PIPE if is_pipe else stop.code if isinstance(stop.code, int) else 1
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        interrupt = interruption(error)
        if isinstance(error, Exception) and not isinstance(error, click.Abort) and interrupt is None:
            return _report(app, error)
        sys.stderr.write("\ninterrupted\n")
        return 128 + (interrupt.signal if isinstance(interrupt, _Terminated) else signal.SIGINT)
    return status if isinstance(status, int) else 0


def _report(app: App, error: Exception) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return UsageError.exit_status
    if app.debug and not isinstance(error, click.ClickException):
        import traceback

        sys.stderr.write(escape(_without_secrets(app, "".join(traceback.format_exception(error)))))
    known = _known(error)
    # Whoever gives a URL where a name is expected would otherwise read its password in the message.
    known.message = mask_logins(known.message)
    try:
        app.out.error(known)
    except OSError as second:  # stdout takes no JSON
        if isinstance(second, BrokenPipeError):
            raise
        app.out.format = "text"
        app.out.error(known)
    return known.exit_status


def _without_secrets(app: App, text: str) -> str:
    for secret in app.secrets:
        text = text.replace(secret, "***")
    return mask_logins(text)


def _known(error: Exception) -> ChameleonError:
    if isinstance(error, ChameleonError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "chameleon"
        message, hint = error.format_message().rstrip("."), f"see {command} --help"
        if command.startswith("chameleon config"):
            # It may be the mode password, which somebody took for an argument.
            message, hint = re.sub(r" (\(.*\)|'.*')$", "", message), f"{hint}; a password is no argument, but asked for"
        return UsageError("CHM0500", message[:1].lower() + message[1:], hint=hint)
    if isinstance(error, OSError) and error.strerror:
        from chameleondb.disk import WAYS_OUT

        place = f"{error.filename}: " if error.filename else ""
        return ChameleonError("CHM0520", f"{place}{error.strerror.lower()}", hint=WAYS_OUT.get(error.errno or 0))
    return ChameleonError(
        "CHM9000",
        f"internal error: {type(error).__name__}",
        hint="this is a fault of Chameleon; run again with --debug and report what it prints",
    )


class _Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP. A KeyboardInterrupt, for which the driver cancels the statement that runs on the server."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def _install_signal_handlers() -> None:
    """Let SIGTERM and SIGHUP unwind the stack, so that every clean-up runs, once."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise _Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), stop)
