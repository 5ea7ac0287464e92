"""Modes and passwords where vault and ledgers tell different stories: restores, crashes, forgers, other databases."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chameleondb.cli.app import run
from chameleondb.modes.change import format_time
from chameleondb.modes.policy import Mode
from chameleondb.postgres.ledger import read_head, record
from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from chameleondb.workflow import modes
from chameleondb.workflow.in_force import anchored
from tests.cluster import Databases
from tests.command import PASSWORD, Chameleon, url_of

V1 = "entity User {\n    id: bigint primary,\n}\n"
V2 = V1.replace("}", "    name: string?,\n}")
NEW = "another lizard, in eight"


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    """A project with a version, a database that has it, and a password that the ledger knows."""
    tool = Chameleon(project, database_url)
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock()
    _set(tool, "readonly")
    _set(tool, "standard")
    return tool


@pytest.fixture
def other(tool: Chameleon, databases: Databases) -> Chameleon:
    """The same project on another database that has the version and knows the password."""
    other = Chameleon(tool.folder, url_of(make_conninfo(databases.new())))
    other.run("migrate", "--apply")
    _set(other, "readonly")
    _set(other, "standard")
    return other


def _set(tool: Chameleon, mode: str, status: int = 0, password: str = PASSWORD) -> str:
    done = tool.run("config", "set", f"mode={mode}", status=status, CHAMELEON_MODE_PASSWORD=password)
    return done.stdout + done.stderr


def _mode(tool: Chameleon) -> str:
    return tool.run("config", "get", "mode").stdout.strip()


def _log(tool: Chameleon) -> list[str]:
    text = (tool.folder / ".chameleon/vault/integrity.log").read_text()
    return [line.split(" ")[1].strip("[]") for line in text.splitlines()]


def _kinds(tool: Chameleon) -> list[str]:
    return [str(kind) for (kind,) in tool.rows("SELECT kind FROM chameleon.ledger ORDER BY seq")]


def _codes(tool: Chameleon, status: int) -> set[str]:
    found = json.loads(tool.run("verify", "--format", "json", status=status).stdout)["findings"]
    return {finding["code"] for finding in found}


# --- Restores ------------------------------------------------------------------------------------------------------


def test_a_restored_database_can_be_unlocked_and_adopted(tool: Chameleon) -> None:
    _set(tool, "readonly")
    rows = len(_kinds(tool))
    _set(tool, "standard")
    tool.write(V2)
    tool.run("migrate", "--apply")
    _set(tool, "readonly")
    tool.execute(
        "ALTER TABLE users DROP COLUMN name",
        "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
        f"DELETE FROM chameleon.ledger WHERE seq > {rows}",
        "ALTER TABLE chameleon.ledger ENABLE ALWAYS TRIGGER append_only",
    )
    tool.run("migrate", "--apply", "--adopt", status=4)
    _set(tool, "standard")
    tool.run("migrate", "--apply", "--adopt")
    tool.run("verify")


def test_a_lost_ledger_can_be_unlocked_and_adopted(tool: Chameleon) -> None:
    _set(tool, "readonly")
    tool.execute("DROP SCHEMA chameleon CASCADE")
    _set(tool, "standard")
    tool.run("migrate", "--apply", "--adopt")
    tool.run("verify")


# --- Crashes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "to"), [("readonly", "standard"), ("privileged", "standard"), ("standard", "readonly")]
)
def test_a_crash_between_ledger_and_vault_leaves_the_stricter_mode(
    tool: Chameleon, monkeypatch: pytest.MonkeyPatch, before: str, to: str
) -> None:
    _set(tool, before)
    monkeypatch.setenv("DATABASE_URL", tool.url)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit(99)

    with monkeypatch.context() as patched:
        patched.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
        # What takes the password is written to the vault first, anything else to the ledger.
        is_stricter = Mode.parse(to) < Mode.parse(before)
        patched.setattr(Store if is_stricter else modes, "append_alone" if is_stricter else "record", crash)
        assert run(["config", "set", f"mode={to}"]) == 99
    log = (tool.folder / ".chameleon/vault/integrity.log").read_text().splitlines()
    assert (_kinds(tool)[-1] == "MODE") if is_stricter else ("[MODE]" in log[-1])
    assert _mode(tool) == min(before, to, key=Mode.parse)
    tool.run("verify")
    _set(tool, to)
    assert _mode(tool) == to


def test_a_crash_between_vault_and_ledger_leaves_the_new_password(
    tool: Chameleon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise SystemExit(99)

    monkeypatch.setenv("DATABASE_URL", tool.url)
    with monkeypatch.context() as patched:
        patched.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
        patched.setenv("CHAMELEON_NEW_MODE_PASSWORD", NEW)
        patched.setattr(modes, "record", crash)
        assert run(["config", "auth", "set-password"]) == 99
    tool.run("verify")
    assert _mode(tool) == "standard"
    _set(tool, "privileged", status=4)
    _set(tool, "privileged", password=NEW)
    assert _kinds(tool)[-2:] == ["AUTH", "MODE"]


@pytest.mark.parametrize("written", [0, 1])
def test_a_reset_that_a_crash_cut_short_can_be_repeated(
    tool: Chameleon, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The ledger has the reset; the log has nothing of it, or the reset without the new key."""
    append, left = Store.append_alone, written

    def crash(store: Store, history: History, action: str, **fields: str) -> History:
        nonlocal left
        if left == 0:
            raise SystemExit(99)
        left -= 1
        return append(store, history, action, **fields)

    monkeypatch.setenv("DATABASE_URL", tool.url)
    with monkeypatch.context() as patched:
        patched.setenv("CHAMELEON_MODE_PASSWORD", NEW)
        patched.setattr(Store, "append_alone", crash)
        assert run(["config", "auth", "reset-password"]) == 99
    tool.run("verify")
    tool.run("config", "auth", "reset-password", CHAMELEON_MODE_PASSWORD=NEW)
    _set(tool, "privileged", status=4)
    _set(tool, "privileged", password=NEW)
    tool.run("verify")


# --- Forged rows ---------------------------------------------------------------------------------------------------


def _forge(tool: Chameleon, *changes: dict[str, str]) -> None:
    """Append rows as somebody who may migrate, and does not know the password."""
    history = Store(tool.folder / ".chameleon", lambda: datetime.now(UTC)).read().history
    assert history is not None
    with psycopg.connect(tool.url, autocommit=True) as connection:
        for change in changes:
            record(connection, read_head(connection), {"kind": "MODE", "sig": "none", **change}, anchored(history))


def _end(hours: int) -> str:
    return format_time(datetime.now(UTC) + timedelta(hours=hours))


@pytest.mark.parametrize(
    "rows",
    [
        [{"from": "readonly", "to": "emergency", "until": _end(20)}],
        [
            {"from": "readonly", "to": "standard", "until": _end(20)},
            {"from": "standard", "to": "standard", "until": _end(19)},
        ],
        [{"from": "emergency", "to": "standard", "until": _end(20)}],
        [{"from": "readonly", "to": "standard", "until": "none"}],
    ],
    ids=["upgrade", "then a free change", "from where nobody was", "without an end"],
)
def test_a_forged_row_opens_nothing_and_does_not_lock_for_ever(tool: Chameleon, rows: list[dict[str, str]]) -> None:
    _set(tool, "readonly")
    tool.unlock()  # the vault is open, so that only the ledger stands in the way
    _forge(tool, *rows)
    tool.write(V2)
    assert "MODE_UPGRADE_UNSIGNED" in _codes(tool, 5)
    assert "made without the password" in tool.run("migrate", "--apply", status=5).stderr
    _set(tool, "standard", status=5)
    assert "Mode is readonly" in _set(tool, "readonly")
    assert _mode(tool) == "readonly"
    _set(tool, "standard")
    tool.run("migrate", "--apply")
    tool.run("verify")


# --- Passwords and several databases -------------------------------------------------------------------------------


def test_a_password_exchanged_with_one_database_is_the_others_too(tool: Chameleon, other: Chameleon) -> None:
    exchange = ("config", "auth", "set-password")
    tool.run(*exchange, CHAMELEON_MODE_PASSWORD=PASSWORD, CHAMELEON_NEW_MODE_PASSWORD=NEW)
    assert _mode(other) == "standard"
    _set(other, "privileged", status=4)
    _set(other, "privileged", password=NEW)
    assert _kinds(other)[-2:] == ["AUTH", "MODE"]
    _set(tool, "privileged", password=NEW)
    other.run("verify")


def test_a_password_reset_with_one_database_is_accepted_by_the_owner_of_the_other(
    tool: Chameleon, other: Chameleon
) -> None:
    reset = ("config", "auth", "reset-password")
    tool.run(*reset, CHAMELEON_MODE_PASSWORD=NEW)
    assert "AUTH_ROTATED_WITHOUT_OLD_KEY" in _codes(other, 5)
    assert "config auth reset-password" in _set(other, "privileged", status=5, password=NEW)
    keys = _log(other).count("AUTH_SET")
    assert "accepts" in other.run(*reset).stdout
    assert _kinds(other)[-2:] == ["REPAIR", "AUTH"]
    assert _log(other).count("AUTH_SET") == keys
    for database in (other, tool):
        _set(database, "privileged", password=NEW)
        database.run("verify")


def test_a_reset_needs_a_database_of_this_vault(tool: Chameleon, databases: Databases) -> None:
    """Everybody owns some database; theirs must not open this vault."""
    mine = Chameleon(tool.folder, url_of(make_conninfo(databases.new())))
    before = _log(tool)
    refused = mine.run("config", "auth", "reset-password", status=4, CHAMELEON_MODE_PASSWORD=NEW)
    assert "has no history of this vault" in refused.stderr
    assert _log(tool) == before
    assert mine.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'chameleon'") == [(0,)]


def test_a_clone_that_does_not_know_the_newest_password_is_told_to_pull(tool: Chameleon) -> None:
    old = tool.folder / ".chameleon/old"
    shutil.copytree(tool.folder / ".chameleon/vault", old)
    tool.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD, CHAMELEON_NEW_MODE_PASSWORD=NEW)
    shutil.rmtree(tool.folder / ".chameleon/vault")
    shutil.move(old, tool.folder / ".chameleon/vault")
    assert "git pull" in _set(tool, "privileged", status=5)
