"""``chameleon db``: the embedded PostgreSQL of a project.

Commands start it by themselves and stop it when they end; `start` lets it run on, for psql and for applications.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import click

from chameleondb.cli.output import App, format_option, good, usage_error

if TYPE_CHECKING:
    from chameleondb.postgres.embedded import Instance

_name = click.argument("name", required=False)


@click.group("db")
def command() -> None:
    """Run the embedded PostgreSQL of this project.

    NAME is the one of `embedded:NAME`; without it, the one that DATABASE_URL names, or `main`.
    """


@command.command("start")
@_name
@format_option
@click.pass_obj
def start_command(app: App, name: str | None) -> None:
    """Start a server that runs until `chameleon db stop`."""
    from chameleondb.postgres.embedded import start

    chosen = _chosen(app, name)
    start(chosen)
    app.out.note(good("✓"), f" PostgreSQL {chosen.major} runs: {chosen.home}")
    _show_url(app, chosen)


@command.command("stop")
@_name
@format_option
@click.pass_obj
def stop_command(app: App, name: str | None) -> int:
    """Stop a server; its data stays."""
    from chameleondb.postgres.embedded import stop

    chosen = _chosen(app, name)
    is_stopped = stop(chosen)
    if app.out.json_wanted:
        app.out.json({"name": chosen.home.name, "stopped": is_stopped})
    if not is_stopped:
        app.out.warn(f"{chosen.home.name} is in use by another command and stops when that ends")
        return 1
    app.out.note(good("✓"), f" {chosen.home.name} is stopped")
    return 0


@command.command("url")
@_name
@format_option
@click.pass_obj
def url_command(app: App, name: str | None) -> None:
    """Print the URL of a server, for other programs; it answers while the server runs."""
    chosen = _chosen(app, name)
    if not chosen.is_running():
        app.out.note(f"it does not run now: chameleon db start {name or ''}".rstrip())
    _show_url(app, chosen)


def _show_url(app: App, one: Instance) -> None:
    if app.out.json_wanted:
        app.out.json(_facts(one))
    else:
        app.out.result(one.url)


@command.command("status")
@format_option
@click.pass_obj
def status_command(app: App) -> None:
    """List the servers of this project."""
    from chameleondb.postgres.embedded import instances

    found = instances(app.project.local)
    if app.out.json_wanted:
        app.out.json({"servers": [_facts(one) for one in found]})
        return
    if not found:
        app.out.note("no embedded server here yet: chameleon db start")
    for one in found:
        facts = _facts(one)
        app.out.result(
            f"{one.home.name}: {facts['state']}", f" ({facts['url']})" if facts["state"] != "stopped" else ""
        )


@command.command("psql", context_settings={"ignore_unknown_options": True})
@_name
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def psql_command(app: App, name: str | None, arguments: tuple[str, ...]) -> int:
    """Open psql on a server. What follows `--` is for psql: `chameleon db psql -- -c 'select 1'`."""
    from chameleondb.postgres.binaries import client_program
    from chameleondb.postgres.embedded import running

    if name is not None and name.startswith("-"):
        arguments, name = (name, *arguments), None
    chosen = _chosen(app, name)
    with running(chosen):
        # Ctrl-C is for the statement in psql, not for us.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
            return subprocess.call(
                [client_program("psql", chosen.major), "-X", "-d", chosen.conninfo, *arguments],
                env=environment,
                preexec_fn=_default_interrupt,
            )
        finally:
            signal.signal(signal.SIGINT, before)


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _facts(one: Instance) -> dict[str, object]:
    state = "stopped" if not one.is_running() else "running until `chameleon db stop`" if one.is_kept else "in use"
    return {"name": one.home.name, "major": one.major, "state": state, "url": one.url, "home": str(one.home)}


def _chosen(app: App, name: str | None) -> Instance:
    from chameleondb.errors import UsageError
    from chameleondb.postgres.embedded import instance
    from chameleondb.postgres.url import parse

    if name is not None:
        embedded = parse(f"embedded:{name}").embedded
    else:
        try:
            embedded = parse(app.setting.value, folder=app.project.root).embedded
        except UsageError as error:
            if error.code != "CHM0501":
                raise
            embedded = "main"
    if embedded is None:
        raise usage_error("DATABASE_URL names a server of its own", hint="name an embedded one, e.g. `main`")
    return instance(embedded, app.project.local)
