"""``chameleon config``: the mode, its password, and the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from chameleondb.cli.output import App, format_option
from chameleondb.cli.passwords import CURRENT, Passwords
from chameleondb.errors import ChameleonError, UsageError

if TYPE_CHECKING:
    from chameleondb.findings import Finding
    from chameleondb.workflow.in_force import Force
    from chameleondb.workflow.modes import Changed, Modes

_PROMPT = "🔐 Enter mode password: "
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


@click.group("config")
def command() -> None:
    """Read and change the mode, its password, and the settings."""


@command.command("get")
@click.argument("key", required=False)
@format_option
@click.pass_obj
def get(app: App, key: str | None) -> None:
    """Print the value of KEY alone, or all keys with their values and where these come from.

    The mode in force is the stricter of what the vault and the database's ledger say.
    """
    from chameleondb.cli import settings

    Passwords.take(os.environ)
    if key is None:
        return settings.show_all(app, lambda: _look(app))
    if _known(key) == "mode":
        return _show_mode(app)
    return settings.show(app, key)


@command.command("set")
@click.argument("assignment", metavar="KEY=VALUE")
@click.option("--for", "period", metavar="TIME", help="How long the mode lasts: 30m (the default), 2h; at most 24h.")
@format_option
@click.pass_obj
def set_(app: App, assignment: str, period: str | None) -> int:
    """Set `mode` or `schema-paths`.

    A stricter mode needs no password. Another one asks for it, and ends by itself.
    """
    passwords = Passwords.take(os.environ)
    key, sign, value = assignment.partition("=")
    if not sign or not key.strip():
        raise UsageError("CHM0550", "invalid format: use key=value", hint="e.g. chameleon config set mode=readonly")
    if _known(key) == "mode":
        return _set_mode(app, value, period, passwords)
    if period is not None:
        raise UsageError("CHM0500", "--for is for the mode only", hint="leave it out")
    from chameleondb.cli import settings

    settings.change(app, key, value, lambda: _modes(app, read_only=True))
    return 0


@command.group("auth")
def auth() -> None:
    """Set, change or reset the mode password."""


@auth.command("set-password")
@format_option
@click.pass_obj
def set_password(app: App) -> None:
    """Set the mode password; one that is set already is asked for first.

    CHAMELEON_MODE_PASSWORD is the present one, CHAMELEON_NEW_MODE_PASSWORD the new one; each also with _FILE.
    """
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal

    passwords = Passwords.take(os.environ)
    modes = _modes(app)
    with Journal(app.project.local, now).recorded("config") as note:
        note.detail = "auth set-password"
        done = modes.set_password(
            lambda: passwords.current(app.out, "Enter current password: "),
            lambda is_only: passwords.new(app.out, is_only=is_only),
        )
    _told_password(app, "changed" if done.before.key else "set")
    _warn_halves(app, done)


@auth.command("reset-password")
@format_option
@click.pass_obj
def reset_password(app: App) -> None:
    """Exchange a lost mode password for a new one. The owner of the database can; it stays visible for ever."""
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal
    from chameleondb.workflow.modes import Modes

    passwords = Passwords.take(os.environ)
    modes = Modes(app.project, app.connect(purpose="config"), now)
    with Journal(app.project.local, now).recorded("config") as note:
        note.detail = "auth reset-password"
        done = modes.reset_password(lambda is_only: passwords.new(app.out, is_only=is_only))
    if done.accepted:
        _told_password(app, "accepted", "This database accepts the present mode password")
        app.out.note("It was reset with another database before; run this again to reset it once more")
    else:
        _told_password(app, "reset")
        app.out.note("The vault and the ledger of this database say so from now on, for ever")
    _warn_halves(app, done)


def _told_password(app: App, what: str, sentence: str | None = None) -> None:
    if app.out.json_wanted:
        app.out.json({"password": what})
    else:
        app.out.result(f"✅ {sentence or f'Mode password {what}'}")


def _known(key: str) -> str:
    """Return the name of a key. Raises: UsageError CHM0551 for one that is not there."""
    from chameleondb.cli.settings import KEYS
    from chameleondb.diagnostics import closest

    name = KEYS.get(key.strip().lower())
    if name is None:
        near = closest(key.strip(), KEYS)
        keys = ", ".join(dict.fromkeys(KEYS.values()))
        raise UsageError(
            "CHM0551", f"unknown key `{key.strip()}`", hint=f"did you mean `{near}`?" if near else f"keys: {keys}"
        )
    return name


def _modes(app: App, *, read_only: bool = False) -> Modes:
    """Return the modes of the project and, if one is configured and can be reached, of its database."""
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.modes import Modes

    connection, untold = None, None
    try:
        connection = app.connect(purpose="config", read_only=read_only)
    except ChameleonError as error:
        # Without a database, the vault is all there is. One that cannot be had must not keep anybody from locking.
        untold = None if error.code == "CHM0501" else error.message
    return Modes(app.project, connection, now, untold=untold, waiting=lambda who: app.out.note(f"waiting for {who}"))


def _look(app: App) -> Force | None:
    """Return the mode in force; None, which is readonly, if the log cannot be read. What is wrong is a warning."""
    modes = _modes(app, read_only=True)
    force = modes.peek()
    _warn_doubts(app, modes.doubts)
    if modes.connection is None:
        app.out.detail(f"by the vault alone: {modes.untold or 'no database is configured'}")
    return force


def _show_mode(app: App) -> None:
    from chameleondb.cli.settings import MODE_DEFAULT

    try:
        force = _look(app)
    except UsageError as error:  # there is no vault, and so no other mode
        app.out.note(f"{error.message}: {error.hint}")
        force = None
    if force is None:
        none = {"mode": MODE_DEFAULT, "vault": None, "ledger": None, "until": None}
        return app.out.json(none) if app.out.json_wanted else app.out.result(MODE_DEFAULT)
    if app.out.json_wanted:
        return app.out.json(_document(force))
    app.out.result(force.mode.label)
    ledger = force.ledger.label if force.ledger is not None else "says nothing"
    app.out.detail(f"vault: {force.vault.label}, ledger: {ledger}")
    if force.until is not None:
        app.out.detail(f"until: {force.until}")
    return None


def _document(force: Force) -> dict[str, Any]:
    return {
        "mode": force.mode.label,
        "vault": force.vault.label,
        "ledger": None if force.ledger is None else force.ledger.label,
        "until": force.until,
    }


def _set_mode(app: App, value: str, period: str | None, passwords: Passwords) -> int:
    from chameleondb.modes.change import PERIOD_DEFAULT
    from chameleondb.modes.policy import Mode
    from chameleondb.workflow.clock import now
    from chameleondb.workflow.journal import Journal

    to = Mode.parse(value)
    lasting = PERIOD_DEFAULT if period is None else _period(period)
    modes = _modes(app)
    with Journal(app.project.local, now).recorded("config") as note:
        note.detail = f"set mode={to.label}"
        done = modes.set_mode(to, lasting, lambda: passwords.current(app.out, _PROMPT))
    _warn_halves(app, done)
    _warn_doubts(app, done.doubts)
    if app.out.json_wanted:
        app.out.json(_document(done.after))
    elif done.after.mode is to and done.unwritten is None:
        app.out.result(_told(done, is_from_environment=passwords.has(CURRENT)))
    if done.after.mode is not to:
        app.out.warn(f"{done.after.mode.label} is in force: the ledger of the database says so")
        return 1
    if done.unwritten is not None:
        app.out.warn(f"{to.label} is in force with this database; by the vault alone, it is {done.after.vault.label}")
        return 1
    if done.after.until is not None:
        app.out.note(f"until {done.after.until}")
    if to is Mode.EMERGENCY:
        app.out.note("⚠️ WARNING: Emergency mode bypasses all safety checks")
    return 0


def _told(done: Changed, *, is_from_environment: bool) -> str:
    before, after = done.before.mode, done.after.mode
    how = " (using env password)" if is_from_environment else ""
    if after > before:
        return f"✅ Mode upgraded to {after.label}{how}"
    if after < before:
        return f"✅ Mode downgraded to {after.label}"
    return f"✅ Mode is {after.label}" + (how if done.after.until else "")


def _warn_doubts(app: App, doubts: Iterable[Finding]) -> None:
    for finding in doubts:
        app.out.warn(f"{finding}; see `chameleon verify`")


def _warn_halves(app: App, done: Changed) -> None:
    """Say what was told only in part, and what ends that."""
    if done.untold is not None:
        app.out.warn(f"only the vault was told, not the database: {done.untold}")
    if done.unwritten is not None:
        app.out.warn(f"the vault was not told: {done.unwritten.message}; {done.unwritten.hint}")
    elif done.behind is not None:
        app.out.warn(
            f"{done.behind.message}; the log has it, so it is in force: put that right, and the next command"
            " that changes the vault does the rest"
        )


def _period(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,5})\s*([a-z]+)", text.strip())
    if found is None or found[2] not in _UNITS:
        raise UsageError("CHM0552", f"`{text}` is no duration", hint="e.g. 90s, 30m, 2h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
