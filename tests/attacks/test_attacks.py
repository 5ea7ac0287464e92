"""Every attack is found where the table says so, stops an apply, and where it says that it is not found, it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chameleondb.modes.key import PublicKey, derive
from chameleondb.modes.policy import Mode
from chameleondb.workflow.release import Release
from tests.attacks import forge
from tests.attacks.attacks import (
    ATTACKS,
    Attack,
    edit_snapshot,
    foreign_vault,
    hide_rows,
    malformed_key,
    malformed_mode,
    replace_by_view,
    replace_function,
    swap_key,
    swap_key_rechained,
    upgrade_without_password,
)
from tests.attacks.scene import VIOLATED, Project, Scene, schema

pytestmark = pytest.mark.server

_NO_VAULT = "CHM2002"


def _name(attack: Attack) -> str:
    return f"{attack.number:02}-{attack.title.replace(' ', '-').replace('`', '')}"


@pytest.fixture
def scene(request: pytest.FixtureRequest, attack: Attack) -> Scene:
    found: Scene = request.getfixturevalue("own" if attack.in_database else "on_disk")
    return found


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The memory of somebody who has never seen the project."""
    return tmp_path / "stranger"


def _found(project: Project, state: Path, *arguments: str) -> dict[str, str]:
    """Return the severities of what `verify` finds, by code, for somebody with this memory; nothing without a vault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        if project.say("verify", "--format", "json", *arguments).json.get("error", {}).get("code") == _NO_VAULT:
            return {}
        return {f["code"]: f["severity"] for f in project.findings(*arguments)}


@pytest.mark.parametrize("attack", ATTACKS, ids=_name)
def test_attack(attack: Attack, scene: Scene, stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attack.do(scene)
    _is_found(attack, scene, stranger)
    monkeypatch.setenv("XDG_STATE_HOME", str(stranger))
    before = everything(scene)
    _breaks_no_command_that_only_looks(scene)
    if {*attack.files, *attack.database} - _HARMLESS:
        _stops_an_apply(attack, scene)
    assert everything(scene) == before


def _is_found(attack: Attack, scene: Scene, stranger: Path) -> None:
    files = _found(scene.victim, stranger, "--offline")
    both = _found(scene.victim, stranger)
    all_three = _found(scene.victim, scene.state)
    assert set(attack.files) <= set(files) <= set(both)
    assert set(attack.database) <= set(both) <= set(all_three)
    assert set(attack.memory) <= set(all_three)
    # What the table does not claim is not there either: it would be a reason to claim more, or a false alarm.
    assert attack.files or not files, files
    assert attack.files or attack.database or not both, both
    assert attack.files or attack.database or attack.memory or not all_three, all_three


def _breaks_no_command_that_only_looks(scene: Scene) -> None:
    for words in _LOOKING:
        said = scene.victim.say(*words.split())
        assert said.status in (0, 2, 5, 6, 64), (words, said)
        assert "CHM9000" not in said.err


def _stops_an_apply(attack: Attack, scene: Scene) -> None:
    said = scene.victim.do("migrate", "--apply", status=_OTHERWISE.get(attack.number, VIOLATED))
    if attack.number not in _OTHERWISE:
        assert "INTEGRITY VIOLATION DETECTED" in said.err
        assert "Migration aborted for safety" in said.err
    # Nor does it do more for somebody without the password if it is told to skip the verification.
    skipped = scene.victim.say("migrate", "--apply", "--skip-verification")
    assert skipped.status in (1, 4, 5, 6), skipped.out
    assert "CHM9000" not in skipped.err


# An apply puts it right, or it does not concern it.
_HARMLESS = {"ORPHAN_VERSION", "CLOCK_BACKWARD", "DRIFT", "VERSION_SUPERSEDED"}
_OTHERWISE = {41: 6}  # a question to a person; the others are violations

_LOOKING = (
    "verify",
    "status",
    "status --format json",
    "journal last",
    "journal schema",
    "journal schema v002",
    "migrate",
    "migrate --check",
    "migrate --dry-run",
    "introspect -o -",
    "config get mode",
)


def everything(scene: Scene) -> tuple[object, ...]:
    """Return all that an apply changes: files, relations, rows of the ledger."""
    folder = scene.victim.folder
    files = {p: (p.lstat().st_ino, p.read_bytes()) for p in folder.rglob("*") if p.is_file() and "local" not in p.parts}
    relations = scene.victim.rows(
        "SELECT c.oid::bigint, c.xmin::text, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('public', 'chameleon') ORDER BY 1"
    )
    exists = scene.victim.rows("SELECT to_regclass('chameleon.ledger') IS NOT NULL") == [(True,)]
    return (
        files,
        relations,
        exists and scene.victim.rows("SELECT seq, hash, xid::text FROM chameleon.ledger ORDER BY 1"),
    )


def _with_own_password(scene: Scene) -> None:
    """Exchange the password for one of the attacker's, with which everything that follows is signed."""
    swap_key_rechained(scene)
    with pytest.MonkeyPatch.context() as patch:
        mine = derive("something quite different", PublicKey(m=8, t=1, p=1, salt="00" * 16, key="00" * 32))
        rows = [r.replace("22" * 32, mine.public.key) for r in forge.heads(scene.victim.vault)]
        forge.chain(scene.victim.vault, rows)
        patch.setattr("tests.command.PASSWORD", "something quite different")
        scene.victim.unlock(Mode.EMERGENCY, "known to the attacker alone")


def _with_own_vault(scene: Scene) -> None:
    foreign_vault(scene)
    scene.victim.unlock(Mode.EMERGENCY, "known to the attacker alone")


@pytest.mark.parametrize("forge_mode", [upgrade_without_password, swap_key, _with_own_password, _with_own_vault])
def test_a_forged_mode_allows_nothing(forge_mode: Callable[[Scene], object], on_disk: Scene) -> None:
    forge_mode(on_disk)
    before = everything(on_disk)
    for words in ("migrate --apply", "migrate --apply --skip-verification"):
        assert "INTEGRITY VIOLATION DETECTED" in on_disk.victim.do(*words.split(), status=VIOLATED).err
    on_disk.victim.do("sql", "DROP TABLE users", status=VIOLATED)
    on_disk.victim.do("config", "set", "schema-paths=elsewhere", status=VIOLATED)
    assert everything(on_disk) == before


@pytest.mark.parametrize(
    ("forge_row", "way_out"),
    [(malformed_mode, "config set mode=readonly"), (malformed_key, "config auth reset-password")],
)
def test_there_is_a_way_out_of_a_row_that_nobody_can_read(
    forge_row: Callable[[Scene], object], way_out: str, own: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge_row(own)
    ((row,),) = own.victim.rows("SELECT max(seq) FROM chameleon.ledger")
    said = own.victim.do("verify", status=VIOLATED)
    assert "v003: hash verified" in said.out
    assert f"ledger row {row}: the " in said.out
    assert way_out in said.err
    monkeypatch.setenv("CHAMELEON_NEW_MODE_PASSWORD", "known to the owner of the database")
    own.victim.do(*way_out.split())
    assert {f["severity"] for f in own.victim.findings()} <= {"notice"}


@pytest.mark.parametrize("attack", [replace_by_view, hide_rows, replace_function])
def test_the_vault_is_told_of_beside_a_ledger_that_is_not_ours(attack: Callable[[Scene], object], own: Scene) -> None:
    attack(own)
    said = own.victim.do("verify", status=VIOLATED)
    assert "v003: hash verified" in said.out
    assert "of this database is not what Chameleon makes" in said.out
    assert "The role may not read" not in said.err
    assert "3 registered" in own.victim.do("status", status=VIOLATED).out
    own.victim.do("config", "set", "mode=readonly")


def test_only_an_emergency_may_ask_to_skip(on_disk: Scene) -> None:
    """Nothing is wrong, and it is refused all the same."""
    before = everything(on_disk)
    refused = on_disk.victim.do("migrate", "--apply", "--skip-verification", status=4)
    assert "standard mode: skipping the verification needs emergency mode" in refused.err
    assert everything(on_disk) == before


def test_an_emergency_may_skip_what_leaves_the_mode_beyond_doubt(own: Scene) -> None:
    own.victim.unlock(Mode.EMERGENCY)
    edit_snapshot(own)
    done = own.victim.do("migrate", "--apply", "--skip-verification")
    assert "warning: verification skipped in emergency mode: VERSION_HASH_MISMATCH" in done.err
    assert own.victim.rows("SELECT body::json->>'unverified' FROM chameleon.ledger ORDER BY seq DESC LIMIT 1") == [
        ('["VERSION_HASH_MISMATCH"]',)
    ]


@pytest.mark.parametrize("harm", [lambda file: file.write_bytes(b"{}"), lambda file: file.unlink()])
def test_an_emergency_goes_on_after_a_version_that_is_lost(harm: Callable[[Path], object], own: Scene) -> None:
    own.victim.unlock(Mode.EMERGENCY)
    newest = own.victim.vault / "versions" / "v003.json"
    newest.chmod(0o644)
    harm(newest)
    own.victim.write(schema(4))
    own.victim.do("migrate", "--apply", status=VIOLATED)
    own.victim.do("migrate", "--apply", "--skip-verification")
    assert own.victim.rows("SELECT count(*) FROM pg_attribute WHERE attname = 'late' AND attnum > 0") == [(1,)]
    newest_first = own.victim.do("journal", "schema").out
    assert "Changes: Changes not known: the version before could not be read" in newest_first


def test_a_version_exchanged_while_a_command_runs_is_noticed(on_disk: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 39: between the moment when a file is verified and the one when it is used."""
    reconcile = Release.reconcile

    def then_exchange(release: Release, **options: bool) -> tuple[str, ...]:
        done = reconcile(release, **options)
        forge.edit_json(on_disk.victim.vault / "versions" / "v003.json", lambda v: v.update(author="Somebody Else"))
        return done

    monkeypatch.setattr(Release, "reconcile", then_exchange)
    said = on_disk.victim.do("migrate", "--apply", status=VIOLATED)
    assert "v003.json: hash mismatch" in said.err
    assert on_disk.victim.rows("SELECT count(*) FROM pg_attribute WHERE attname = 'late'") == [(0,)]
    assert not (on_disk.victim.vault / "versions" / "v004.json").exists()


def test_only_the_plan_that_was_reviewed_is_run(on_disk: Scene) -> None:
    """Attack 40: the schema is changed between review and apply."""
    reviewed = on_disk.victim.do("migrate", "--dry-run", "--format", "json").json["plan_hash"]
    on_disk.victim.write(schema(3).replace("city", "town"))
    before = everything(on_disk)
    on_disk.victim.do("migrate", "--apply", "--allow", "*", "--plan", reviewed, status=6)
    assert everything(on_disk) == before


def test_a_line_in_an_authors_name_is_no_line_of_the_log(own: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 26, through the front door."""
    own.victim.unlock()
    lines = len(forge.heads(own.victim.vault))
    monkeypatch.setenv("CHAMELEON_AUTHOR", 'x"\n2026-11-24T00:00:00Z [DENIED] what=x reason=x\x1b[2J\u202e\udcff')
    own.victim.do("migrate", "--apply")
    rows = forge.heads(own.victim.vault)
    assert [forge.action(r) for r in rows[lines:]] == ["REGISTER", "APPLIED"]
    assert own.victim.findings() == []
    assert "\x1b" not in own.victim.do("journal", "schema").out
