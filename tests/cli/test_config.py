"""``chameleon config``: modes and their password, in the vault and in the ledger, as a user sets them."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from chameleondb.modes.key import PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from tests.command import PASSWORD, Chameleon, url_of

V1 = "entity User {\n    id: bigint primary,\n}\n"
NEW = "another lizard, in eight"
WRONG = "not what was agreed upon"
NOWHERE = "postgresql://ann:topsecret@127.0.0.1:1/none"


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    """A project with a version, a database that has it, and a password that costs nothing to check."""
    tool = Chameleon(project, database_url)
    tool.write(V1)
    tool.run("migrate", "--apply")
    tool.unlock()
    return tool


@pytest.fixture
def bare(project: Path) -> Chameleon:
    """A vault with a password, and no database."""
    tool = Chameleon(project, "")
    tool.write(V1)
    tool.unlock()
    return tool


def _set(tool: Chameleon, mode: str, *more: str, status: int = 0, password: str = PASSWORD) -> str:
    return tool.run("config", "set", f"mode={mode}", *more, status=status, CHAMELEON_MODE_PASSWORD=password).stdout


def _get(tool: Chameleon) -> dict[str, str | None]:
    document = json.loads(tool.run("config", "get", "mode", "--format", "json").stdout)
    assert document.pop("format_version") == "1.0"
    return dict(document)


def test_without_a_vault_the_mode_is_readonly(project: Path) -> None:
    tool = Chameleon(project, "")
    tool.write(V1)
    done = tool.run("config", "get", "mode")
    assert (done.stdout, done.stderr) == ("readonly\n", "vault not initialized: run `chameleon init`\n")
    assert _get(tool) == {"mode": "readonly", "vault": None, "ledger": None, "until": None}


def _history(tool: Chameleon) -> History:
    verified = Store(tool.folder / ".chameleon", lambda: datetime.now(UTC)).read()
    assert verified.history is not None
    assert verified.violations == ()
    return verified.history


def _kinds(tool: Chameleon) -> list[str]:
    return [str(k) for (k,) in tool.rows("SELECT kind FROM chameleon.ledger WHERE seq > 4 ORDER BY seq")]


def test_the_words_for_each_step(tool: Chameleon) -> None:
    assert _set(tool, "readonly") == "✅ Mode downgraded to readonly\n"
    assert _set(tool, "readonly") == "✅ Mode is readonly\n"
    assert _set(tool, "standard") == "✅ Mode upgraded to standard (using env password)\n"
    assert _set(tool, "standard") == "✅ Mode is standard (using env password)\n"
    done = tool.run("config", "set", "mode=ADMIN", CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert done.stdout == "✅ Mode upgraded to emergency (using env password)\n"
    assert done.stderr.endswith("⚠️ WARNING: Emergency mode bypasses all safety checks\n")
    assert _set(tool, "privileged") == "✅ Mode downgraded to privileged\n"


def test_vault_and_ledger_are_both_told_and_the_stricter_counts(tool: Chameleon) -> None:
    _set(tool, "readonly")
    tool.unlock()  # the vault alone
    assert _get(tool) == {"mode": "readonly", "vault": "standard", "ledger": "readonly", "until": None}
    assert "readonly (locked)" in tool.run("status").stdout
    tool.write(V1.replace("}", "    name: string?,\n}"))
    tool.run("migrate", "--apply", status=4)
    _set(tool, "standard")
    assert _kinds(tool) == ["MODE", "AUTH", "MODE"]
    found = _get(tool)
    assert (found["mode"], found["vault"], found["ledger"]) == ("standard",) * 3
    tool.run("migrate", "--apply")
    assert tool.run("verify").stdout.endswith("✅ All versions verified\n")


def test_a_mode_ends(bare: Chameleon) -> None:
    _set(bare, "readonly")
    _set(bare, "standard", "--for", "2h")
    left = _until(_get(bare)["until"]) - datetime.now(UTC)
    assert timedelta(minutes=115) < left <= timedelta(hours=2)
    for period in ("25h", "0m", "1y", "-5m", "soon"):
        _set(bare, "standard", f"--for={period}", status=64)
    for period, limit in (("25h", "up to 24 hours"), ("0s", "at least 1 second")):
        refused = bare.run("config", "set", "mode=standard", "--for", period, status=64)
        assert f"a mode lasts for {limit}\n" in refused.stderr


def _until(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


def test_a_lower_mode_lasts_no_longer_than_the_one_before(bare: Chameleon) -> None:
    _set(bare, "emergency", "--for", "10m")
    end = _get(bare)["until"]
    bare.run("config", "set", "mode=standard", "--for", "5h")
    assert _get(bare)["until"] == end
    bare.run("config", "set", "mode=standard", status=4)


def test_locking_is_possible_without_the_database_and_says_so(tool: Chameleon) -> None:
    lost = Chameleon(tool.folder, NOWHERE)
    done = lost.run("config", "set", "mode=readonly")
    assert done.stdout == "✅ Mode downgraded to readonly\n"
    assert "warning: only the vault was told, not the database: " in done.stderr
    assert "topsecret" not in done.stderr
    assert _get(tool) == {"mode": "readonly", "vault": "readonly", "ledger": None, "until": None}


def test_locking_is_possible_while_the_ledger_is_in_doubt(tool: Chameleon) -> None:
    owned = psycopg.connect(tool.url, autocommit=True)
    with owned:
        owned.execute("ALTER TABLE chameleon.ledger DISABLE TRIGGER USER")
        owned.execute("DELETE FROM chameleon.ledger WHERE seq = 2")
    _set(tool, "emergency", status=5)
    done = tool.run("config", "set", "mode=readonly")
    assert done.stdout == "✅ Mode downgraded to readonly\n"
    assert "integrity violation detected" in done.stderr


def test_an_upgrade_that_the_ledger_does_not_allow_is_no_success(tool: Chameleon) -> None:
    """A run at work holds the database: the vault is told, the ledger still says readonly."""
    _set(tool, "readonly")
    with psycopg.connect(tool.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x6368616D656C656F])
        done = tool.run("config", "set", "mode=standard", status=1, CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert done.stdout == ""
    assert "only the vault was told" in done.stderr
    assert "readonly is in force" in done.stderr


def test_nothing_is_changed_in_a_vault_that_was_tampered_with(bare: Chameleon) -> None:
    log = bare.folder / ".chameleon/vault/integrity.log"
    log.write_bytes(log.read_bytes().replace(b"to=standard", b"to=emergency"))
    before = log.read_bytes()
    for mode in ("readonly", "standard"):
        _set(bare, mode, status=5)
    bare.run("config", "auth", "set-password", status=5, CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert log.read_bytes() == before


def _edit_version(tool: Chameleon) -> None:
    file = tool.folder / ".chameleon/vault/versions/v001.json"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b"users", b"usxrs", 1))


def _edit_manifest(tool: Chameleon) -> None:
    file = tool.folder / ".chameleon/vault/manifest.json"
    file.write_bytes(file.read_bytes().replace(b"v001", b"v009", 1))


def _drop_manifest(tool: Chameleon) -> None:
    (tool.folder / ".chameleon/vault/manifest.json").unlink()


@pytest.mark.parametrize("edit", [_edit_version, _edit_manifest, _drop_manifest])
def test_an_emergency_is_entered_and_left_while_versions_are_in_doubt(
    edit: Callable[[Chameleon], None], tool: Chameleon
) -> None:
    edit(tool)
    wrong = tool.run("verify", "--format", "json", status=5).stdout
    _set(tool, "emergency", status=4, password=WRONG)
    done = tool.run("config", "set", "mode=emergency", CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert done.stdout == "✅ Mode upgraded to emergency (using env password)\n"
    assert "; see `chameleon verify`" in done.stderr
    assert _violations(tool.run("verify", "--format", "json", status=5).stdout) == _violations(wrong)
    _set(tool, "standard")
    _set(tool, "standard", status=5)  # for longer
    assert _set(tool, "readonly") == "✅ Mode downgraded to readonly\n"
    _set(tool, "standard", status=5)
    assert _violations(tool.run("verify", "--format", "json", status=5).stdout) == _violations(wrong)
    tool.run("migrate", "--apply", status=5)
    _set(tool, "emergency")
    tool.run("migrate", "--apply", "--skip-verification")


def _violations(document: str) -> list[str]:
    return [f["code"] for f in json.loads(document)["findings"] if f["severity"] == "violation"]


def test_the_mode_is_told_whatever_is_wrong(tool: Chameleon) -> None:
    _edit_version(tool)
    for key in (("mode",), ()):
        done = tool.run("config", "get", *key)
        assert "standard" in done.stdout
        assert done.stderr == "warning: v001.json: hash mismatch; see `chameleon verify`\n"
    log = tool.folder / ".chameleon/vault/integrity.log"
    log.write_bytes(log.read_bytes().replace(b"to=standard", b"to=emergency"))
    done = tool.run("config", "get", "mode")
    assert done.stdout == "readonly\n"
    assert "integrity.log" in done.stderr
    assert "the log cannot be read" in tool.run("config", "get").stdout


def test_the_mode_is_told_in_a_clone_that_is_behind(tool: Chameleon, tmp_path: Path) -> None:
    clone = Chameleon(tmp_path / "clone", tool.url)
    shutil.copytree(tool.folder, clone.folder)
    tool.write(V1.replace("}", "    name: string?,\n}"))
    tool.run("migrate", "--apply")
    done = clone.run("config", "get", "mode")
    assert done.stdout == "standard\n"
    assert "the database knows a log of at least" in done.stderr
    assert "standard (until" in clone.run("status", status=5).stdout


def test_a_log_that_was_cut_opens_nothing(tool: Chameleon) -> None:
    log = tool.folder / ".chameleon/vault/integrity.log"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]))
    for mode in ("readonly", "emergency"):
        _set(tool, mode, status=5)
    assert log.read_bytes() == b"".join(lines[:-1])


# Passwords


def test_the_first_password_comes_from_any_of_the_variables(project: Path) -> None:
    tool = Chameleon(project, "")
    tool.run("init")
    refused = tool.run("config", "set", "mode=standard", status=4, CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert refused.stderr == (
        "error[CHM2102]: mode password not configured\nhelp: run `chameleon config auth set-password`\n"
    )
    tool.run("config", "auth", "set-password", status=4, CHAMELEON_MODE_PASSWORD="too short")
    assert _history(tool).keys == ()
    done = tool.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert done.stdout == "✅ Mode password set\n"
    assert [(k.m, k.t, k.p) for k in _history(tool).keys] == [(64 * 1024, 3, 4)]


def test_a_password_is_exchanged_by_whoever_knows_it(tool: Chameleon) -> None:
    change = ("config", "auth", "set-password")
    tool.run(*change, status=4, CHAMELEON_MODE_PASSWORD=WRONG, CHAMELEON_NEW_MODE_PASSWORD=NEW)
    refused = tool.run(*change, status=4, CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert "set CHAMELEON_NEW_MODE_PASSWORD_FILE" in refused.stderr
    done = tool.run(*change, CHAMELEON_MODE_PASSWORD=PASSWORD, CHAMELEON_NEW_MODE_PASSWORD=NEW)
    assert done.stdout == "✅ Mode password changed\n"
    assert _set(tool, "privileged", status=4) == ""
    _set(tool, "privileged", password=NEW)
    assert _kinds(tool) == ["AUTH", "MODE"]
    tool.run("verify")


def test_a_key_that_was_swapped_with_all_of_the_vault_is_found_by_the_ledger(tool: Chameleon) -> None:
    """The vault is in order in itself: it only has another first key."""
    store = Store(tool.folder / ".chameleon", lambda: datetime.now(UTC))
    _set(tool, "privileged")
    vault = tool.folder / ".chameleon/vault"
    lines = (vault / "integrity.log").read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if "[AUTH_SET]" in line)
    (vault / "integrity.log").write_text("\n".join(lines[:first]) + "\n")
    (vault / "manifest.json").unlink()
    _rewrite_manifest(vault)
    history = _history(tool)
    store.append(history, "AUTH_SET", **PublicKey(m=8, t=1, p=1, salt="11" * 16, key="22" * 32).fields())
    _set(tool, "emergency", status=5)
    codes = [f["code"] for f in json.loads(tool.run("verify", "--format", "json", status=5).stdout)["findings"]]
    assert "AUTH_ROTATED_WITHOUT_OLD_KEY" in codes


def _rewrite_manifest(vault: Path) -> None:
    from chameleondb.vault import chain, history, manifest

    checked = chain.check((vault / "integrity.log").read_bytes())
    (vault / "manifest.json").write_bytes(manifest.encode(history.fold(checked.lines)))


def test_the_owner_of_the_database_resets_a_lost_password(tool: Chameleon) -> None:
    _set(tool, "privileged")
    done = tool.run("config", "auth", "reset-password", CHAMELEON_MODE_PASSWORD=NEW)
    assert done.stdout == "✅ Mode password reset\n"
    assert _kinds(tool) == ["AUTH", "MODE", "REPAIR", "AUTH"]
    _set(tool, "emergency", status=4)
    _set(tool, "emergency", password=NEW)
    told = tool.run("verify")
    assert "the mode password was reset by the owner of a database" in told.stdout + told.stderr


def test_nobody_else_does(tool: Chameleon) -> None:
    with psycopg.connect(tool.url, autocommit=True) as owner:
        role = owner.info.dbname + "_guest"
        owner.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
        owner.execute(f'GRANT USAGE ON SCHEMA chameleon TO "{role}"'.encode())
        owner.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA chameleon TO "{role}"'.encode())
        guest = Chameleon(tool.folder, url_of(owner.info.dsn + f" user='{role}'"))
        try:
            refused = guest.run("config", "auth", "reset-password", status=4, CHAMELEON_MODE_PASSWORD=NEW)
        finally:
            owner.execute(f'DROP OWNED BY "{role}"'.encode())
            owner.execute(f'DROP ROLE "{role}"'.encode())
    assert "only the owner of the database may reset the password" in refused.stderr
    assert len(_history(tool).keys) == 1


def test_a_reset_that_was_killed_in_the_middle_is_finished_by_set_password(tool: Chameleon) -> None:
    """The log has the reset, and no new key yet."""
    store = Store(tool.folder / ".chameleon", lambda: datetime.now(UTC))
    db = next(r.db for r in _history(tool).receipts)
    store.append(_history(tool), "REPAIR", what="password", version="none", hash="none", db=db, ledger=f"9:{'0' * 64}")
    _set(tool, "privileged", status=4)
    done = tool.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=NEW)
    assert done.stdout == "✅ Mode password set\n"
    _set(tool, "privileged", password=NEW)


def test_wrong_passwords_are_recorded_and_have_to_wait(bare: Chameleon) -> None:
    for _ in range(5):
        refused = bare.run("config", "set", "mode=emergency", status=4, CHAMELEON_MODE_PASSWORD=WRONG)
        assert refused.stderr.startswith("error[CHM2103]: invalid mode password\n")
    refused = bare.run("config", "set", "mode=emergency", status=4, CHAMELEON_MODE_PASSWORD=PASSWORD)
    assert refused.stderr.startswith("error[CHM2104]: too many wrong passwords: try again in ")
    denied = [line.fields for line in _history(bare).lines if line.action == "DENIED"]
    assert denied == [{"what": "mode:emergency", "reason": "wrong-password"}] * 5
    assert "mode:emergency: wrong-password" in bare.run("journal", "errors").stdout
    bare.run("config", "set", "mode=readonly")


@pytest.mark.parametrize(
    ("content", "mode", "status"),
    [
        (PASSWORD, 0o600, 0),
        (PASSWORD + "\n", 0o400, 0),
        (PASSWORD + "\r\n", 0o600, 0),
        (PASSWORD + "\n\n", 0o600, 4),  # one line end only
        (PASSWORD + " ", 0o600, 4),
        (PASSWORD, 0o640, 64),
        (PASSWORD, 0o604, 64),
        ("\n", 0o600, 64),
        ("x" * 5000, 0o600, 64),
        (None, 0, 64),
    ],
)
def test_a_password_in_a_file(
    bare: Chameleon, content: str | None, mode: int, status: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("outside") / "secret"
    if content is not None:
        path.write_bytes(content.encode())
        path.chmod(mode)
    done = bare.run("config", "set", "mode=emergency", status=status, CHAMELEON_MODE_PASSWORD_FILE=str(path))
    assert PASSWORD not in done.stdout + done.stderr
    assert _get(bare)["mode"] == ("standard" if status else "emergency")


def test_two_sources_are_a_mistake(bare: Chameleon) -> None:
    bare.run(
        "config", "set", "mode=emergency", status=64, CHAMELEON_MODE_PASSWORD="x", CHAMELEON_MODE_PASSWORD_FILE="y"
    )


def test_without_a_terminal_the_variables_are_named(bare: Chameleon) -> None:
    refused = bare.run("config", "set", "mode=emergency", status=4)
    assert refused.stderr == (
        "error[CHM2105]: there is no terminal to ask for the password at\n"
        "help: set CHAMELEON_MODE_PASSWORD_FILE to a file that only you can read, or CHAMELEON_MODE_PASSWORD\n"
    )


def test_the_password_is_in_no_file(tool: Chameleon) -> None:
    _set(tool, "emergency")
    _set(tool, "emergency", status=4, password=WRONG)
    for path in (tool.folder / ".chameleon").rglob("*"):
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in (PASSWORD, WRONG)), path
    bodies = [str(body) for (body,) in tool.rows("SELECT body FROM chameleon.ledger")]
    assert not any(PASSWORD in body for body in bodies)


def test_on_a_terminal(project: Path) -> None:
    tool = Chameleon(project, "")
    tool.run("init")
    auth = ("config", "auth", "set-password")
    assert "the two passwords differ" in _typed(tool, *auth, answers=(PASSWORD, NEW), status=4)
    screen = _typed(tool, *auth, answers=(PASSWORD, PASSWORD))
    stars = "*" * len(PASSWORD)
    assert f"Enter new password: {stars}\r\nConfirm password: {stars}\r\n✅ Mode password set\r\n" in screen
    screen = _typed(tool, "config", "set", "mode=standard", answers=(PASSWORD,))
    assert f"🔐 Enter mode password: {stars}\r\n✅ Mode upgraded to standard\r\n" in screen
    screen = _typed(tool, *auth, answers=(PASSWORD, NEW, NEW))
    assert f"Enter current password: {stars}\r\n" in screen


@pytest.mark.parametrize("nothing", ["", "\x04"])
def test_nothing_typed_is_no_wrong_password(bare: Chameleon, nothing: str) -> None:
    screen = _typed(bare, "config", "set", "mode=standard", answers=(nothing,), status=4)
    assert "no password was given" in screen
    assert [line for line in _history(bare).lines if line.action == "DENIED"] == []


def _typed(tool: Chameleon, *arguments: str, answers: tuple[str, ...], status: int = 0) -> str:
    """Answer every prompt, and return what the screen shows."""
    keyboard, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    process = subprocess.Popen(
        [sys.executable, "-m", "chameleondb", *arguments],
        cwd=tool.folder,
        env={**environment, "PYTHONUTF8": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    screen, left = b"", list(answers)
    for part in _parts(keyboard):
        screen += part
        if left and screen.endswith(b"password: "):
            os.write(keyboard, f"{left.pop(0)}\r".encode())
    os.close(keyboard)
    assert process.wait() == status, screen.decode()
    assert not any(answer in screen.decode() for answer in answers if answer)
    return screen.decode()


def _parts(keyboard: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(keyboard, 4096)
        except OSError:  # how Linux says that the other end is closed
            return
        if not part:
            return
        yield part


# Settings


def test_settings_are_listed_with_where_they_come_from(tool: Chameleon) -> None:
    (tool.folder / ".chameleon.yml").write_text("migration:\n  lock_timeout: 250ms\n  small_table: 1GB\n")
    done = tool.run("config", "get", DATABASE_URL=NOWHERE)
    assert "topsecret" not in done.stdout + done.stderr
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert lines["lock-timeout"].split() == ["250ms", "(.chameleon.yml)"]
    assert lines["lock-deadline"].split() == ["5min", "(default)"]
    assert lines["database-url"].endswith("(environment variable DATABASE_URL)")
    settings = json.loads(tool.run("config", "get", "--format", "json").stdout)["settings"]
    assert settings["mode"]["value"] == "standard"
    assert settings["small-table"] == {"value": "1GB", "origin": ".chameleon.yml"}
    assert settings["shadow-url"] == {"value": None, "origin": "not set"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema-paths", "schema.cham,schemas"),
        ("schema.paths", "schema.cham,schemas"),
        ("migration.lock_timeout", "100ms"),
        ("small-table", "8MB"),
    ],
)
def test_a_value_stands_alone(bare: Chameleon, key: str, value: str) -> None:
    assert bare.run("config", "get", key).stdout == f"{value}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "mode"), "invalid format: use key=value"),
        (("set", "=x"), "invalid format: use key=value"),
        (("set", "mode=root"), 'invalid mode "root" (allowed: readonly, standard, privileged, emergency)'),
        (("set", "mod=standard"), "did you mean `mode`?"),
        (("get", "schema-path"), "did you mean `schema-paths`?"),
        (("get", "colour"), "keys: mode, schema-paths, "),
        (("set", "lock-timeout=1s"), "write it into .chameleon.yml"),
        (("set", "schema-paths=x", "--for", "1h"), "--for is for the mode only"),
    ],
)
def test_mistakes(bare: Chameleon, arguments: tuple[str, ...], message: str) -> None:
    assert message in bare.run("config", *arguments, status=64).stderr


def test_a_setting_is_written_where_the_others_are(bare: Chameleon) -> None:
    (bare.folder / "pyproject.toml").write_text('[tool.chameleon.migration]\nlock_timeout = "1s"\n')
    assert "write it into pyproject.toml" in bare.run("config", "set", "lock-timeout=2s", status=64).stderr


def test_schema_paths_need_privileged_mode_and_leave_the_file_alone(bare: Chameleon) -> None:
    (bare.folder / "more").mkdir()
    (bare.folder / "more/x.cham").write_text(V1)
    before = "# ours\ndatabase:\n  url: ${DATABASE_URL}   # as everywhere\n"
    file = bare.folder / ".chameleon.yml"
    file.write_text(before)
    refused = bare.run("config", "set", "schema-paths=more", status=4)
    assert "standard mode: changing schema-paths needs privileged mode or higher" in refused.stderr
    bare.unlock(Mode.PRIVILEGED)
    bare.run("config", "set", "schema-paths=nowhere", status=64)
    assert file.read_text() == before
    bare.run("config", "set", "schema-paths=more, schema.cham")
    assert file.read_text() == before + "schema:\n  paths: [more, schema.cham]\n"
    assert bare.run("config", "get", "schema-paths").stdout == "more,schema.cham\n"
