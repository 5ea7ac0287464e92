"""The attacks, by number: what each does, and what must be found. `docs/security.md` shows them as a table.

Numbers 1 to 42 are those of the study that the formats come from; there, 20 edits a mode file and 38 replays a signed
checkpoint. Chameleon has neither file (ADR 11), so that these try what comes nearest. From 43 on they are our own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.attacks import forge
from tests.attacks.forge import OwnedLedger
from tests.attacks.scene import Scene, schema

ZEROS = "0" * 64


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, and the codes that must be found: from the files alone, with the database, with the user's memory.

    Each level is told only if it finds more than those before it; none at all is an attack that is not detected.
    """

    number: int
    title: str
    do: Callable[[Scene], object]
    files: tuple[str, ...] = ()
    database: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    in_database: bool = False  # it changes the database, and so needs one of its own
    gains: str = ""  # what an attack that is not detected is good for


def _edit_author(value: dict[str, Any]) -> None:
    value["author"] = "Somebody Else"


def _line_author(head: str) -> str:
    return forge.with_field(head, "author", '"Somebody Else"')


def _version(scene: Scene, label: str) -> Path:
    return scene.victim.vault / "versions" / f"{label}.json"


def _manifest(scene: Scene, change: forge.Change) -> None:
    forge.edit_json(scene.victim.vault / "manifest.json", change)


def _without_version(scene: Scene, label: str) -> None:
    _version(scene, label).unlink()
    (scene.victim.vault / f"hashes/{label}.hash").unlink()


def edit_snapshot(scene: Scene) -> str:
    return forge.edit_json(_version(scene, "v002"), _edit_author)


def edit_snapshot_and_hash(scene: Scene) -> str:
    done = edit_snapshot(scene)
    forge.write_hash(scene.victim.vault, "v002")
    return done


def edit_snapshot_hash_and_manifest(scene: Scene) -> None:
    done = edit_snapshot_and_hash(scene)
    _manifest(scene, lambda m: m["versions"][1].update(hash=done, author="Somebody Else"))


def rewrite_disk(scene: Scene) -> None:
    forge.rewrite(scene.victim.vault, "v002", _edit_author, _line_author)


def delete_newest(scene: Scene) -> None:
    _without_version(scene, "v003")
    _manifest(scene, lambda m: (m["versions"].pop(), m.update(current_version="v002")))


def delete_newest_rechained(scene: Scene) -> None:
    _without_version(scene, "v003")
    rows = forge.heads(scene.victim.vault)
    forge.chain(scene.victim.vault, [r for r in rows if forge.fields(r).get("version") != "v003"])


def delete_middle(scene: Scene) -> None:
    _without_version(scene, "v002")
    _manifest(scene, lambda m: m["versions"].pop(1))


def cut_log(scene: Scene) -> None:
    _lines(scene, lambda lines: lines[:-1])


def cut_log_and_manifest(scene: Scene) -> None:
    _lines(scene, lambda lines: lines[: _index(lines, "REGISTER", "v003")])
    forge.write_manifest(scene.victim.vault)


def cut_two_versions(scene: Scene) -> None:
    _lines(scene, lambda lines: lines[: _index(lines, "REGISTER", "v002")])
    forge.write_manifest(scene.victim.vault)


def _lines(scene: Scene, change: Callable[[list[str]], list[str]]) -> None:
    path = scene.victim.vault / "integrity.log"
    forge.overwrite(path, "".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def _index(lines: list[str], action: str, label: str) -> int:
    return next(i for i, line in enumerate(lines) if f"[{action}] version={label} " in line)


def edit_log_line(scene: Scene) -> None:
    _lines(scene, lambda lines: [line.replace("ledger=4:", "ledger=5:") for line in lines])


def drop_line_rechained(scene: Scene) -> None:
    rows = forge.unsigned(forge.heads(scene.victim.vault))
    forge.chain(scene.victim.vault, [r for r in rows if not r.endswith("recovered=no") or "v001" not in r])


def swap_lines(scene: Scene) -> None:
    _lines(scene, lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]])


def delete_log(scene: Scene) -> None:
    (scene.victim.vault / "integrity.log").unlink()


def delete_manifest(scene: Scene) -> None:
    (scene.victim.vault / "manifest.json").unlink()


def delete_vault(scene: Scene) -> None:
    shutil.rmtree(scene.victim.vault)


def delete_data(scene: Scene) -> None:
    shutil.rmtree(scene.victim.folder / ".chameleon")


def older_copy(scene: Scene) -> None:
    scene.restore("v002")


def foreign_vault(scene: Scene) -> None:
    shutil.rmtree(scene.victim.vault)
    shutil.copytree(scene.other.vault, scene.victim.vault)


def plant_versions(scene: Scene) -> None:
    for label in ("v004", "v005"):
        shutil.copy(_version(scene, "v003"), _version(scene, label))
        forge.write_hash(scene.victim.vault, label)


def plant_next_version(scene: Scene) -> None:
    parent = forge.digest(_version(scene, "v003").read_bytes())
    shutil.copy(_version(scene, "v003"), _version(scene, "v004"))
    forge.edit_json(_version(scene, "v004"), lambda v: v.update(version="v004", parent=parent))
    forge.write_hash(scene.victim.vault, "v004")


def _add(scene: Scene, *rows: str) -> None:
    """Add lines to the log with a chain and a manifest that agree."""
    path = scene.victim.vault / "integrity.log"
    lines = path.read_text().splitlines()
    log = forge.Log(lines, forge.fields(lines[-1])["sum"])
    for row in rows:
        log.add(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {row}")
    log.write(scene.victim.vault)
    forge.write_manifest(scene.victim.vault)


def _tomorrow() -> str:
    return f"{datetime.now(UTC) + timedelta(hours=23):%Y-%m-%dT%H:%M:%SZ}"


def upgrade_without_password(scene: Scene) -> None:
    _add(scene, f"[MODE] from=standard to=emergency until={_tomorrow()} sig={'ab' * 64}")


def replay_upgrade(scene: Scene) -> None:
    """The scene's last upgrade, signed for its own place in the chain, once more."""
    signed = [r for r in forge.heads(scene.victim.vault) if forge.action(r) == "MODE"][-1]
    told = forge.fields(signed)
    _add(scene, "[MODE] from=standard to=readonly until=none sig=none", signed.partition(" ")[2])
    assert told["to"] == "standard"


def edit_mode_file(scene: Scene) -> None:
    forge.overwrite(scene.victim.vault / "mode.json", '{"mode":"emergency"}\n')
    _manifest(scene, lambda m: m.update(mode="emergency"))


def swap_key(scene: Scene) -> None:
    _add(scene, f"[AUTH_SET] kdf=argon2id m=8 t=1 p=1 salt={'11' * 16} key={'22' * 32} sig=none")


def swap_key_rechained(scene: Scene) -> None:
    rows = forge.unsigned(forge.heads(scene.victim.vault))
    forge.chain(scene.victim.vault, [re.sub(r" key=[0-9a-f]{64}", f" key={'22' * 32}", r) for r in rows])


def _link(path: Path, target: Path) -> None:
    shutil.move(path, target)
    path.symlink_to(target)


def link_snapshot(scene: Scene) -> None:
    _link(_version(scene, "v002"), scene.other.folder / "v002.json")


def link_vault(scene: Scene) -> None:
    _link(scene.victim.vault, scene.other.folder / "vault")


def traverse_manifest(scene: Scene) -> None:
    _manifest(scene, lambda m: m["versions"][1].update(version="../../../etc/passwd"))


def traverse_log(scene: Scene) -> None:
    rows = forge.unsigned(forge.heads(scene.victim.vault))
    forge.chain(scene.victim.vault, [r.replace("version=v002", "version=../../../etc/passwd") for r in rows])


def duplicate_key(scene: Scene) -> None:
    _rewrite_text(scene, lambda text: text.replace('{"author":', '{"author":"Nobody","author":', 1))


def _rewrite_text(scene: Scene, change: Callable[[str], str]) -> None:
    """Change the bytes of the newest version, and all that names its hash."""
    path = _version(scene, "v003")
    old = forge.digest(path.read_bytes())
    forge.overwrite(path, change(path.read_text()))
    new = forge.digest(path.read_bytes())
    forge.write_hash(scene.victim.vault, "v003")
    forge.chain(scene.victim.vault, [r.replace(old, new) for r in forge.unsigned(forge.heads(scene.victim.vault))])


def line_in_author(scene: Scene) -> None:
    """What a newline in an author would do if it were not escaped: a line that registers a version without a file."""
    _add(
        scene, f"[REGISTER] version=v004 hash={ZEROS} parent={ZEROS} schema={ZEROS} declared={ZEROS} author=x summary=x"
    )


def clock_back(scene: Scene) -> None:
    _add(scene, "[DENIED] what=x reason=x")
    rows = forge.heads(scene.victim.vault)
    forge.chain(scene.victim.vault, [*rows[:-1], "2001" + rows[-1][4:]])


def fork(scene: Scene) -> None:
    """Another branch, on which other work became v003."""
    scene.restore("v002")
    with_other = scene.victim.folder.parent / "branch"
    shutil.copytree(scene.victim.folder, with_other)
    forge.rewrite(scene.victim.vault, "v002", lambda _: None)
    path = _version(scene, "v003")
    shutil.copy(_version(scene, "v002"), path)
    parent = forge.digest(_version(scene, "v002").read_bytes())
    new = forge.edit_json(path, lambda v: v.update(version="v003", parent=parent))
    forge.write_hash(scene.victim.vault, "v003")
    register = next(r for r in forge.heads(scene.victim.vault) if "[REGISTER] version=v002" in r)
    told = forge.fields(register)
    line = register.replace("v002", "v003").replace(told["hash"], new).replace(told["parent"], parent)
    _add(scene, line.partition(" ")[2])


def edit_row(scene: Scene) -> None:
    with forge.unlocked(scene.victim.url) as connection:
        connection.execute(
            "UPDATE chameleon.ledger SET body = replace(body, 'v002', 'v009') WHERE seq ="
            " (SELECT max(seq) FROM chameleon.ledger WHERE kind = 'BEGIN')"
        )
        connection.execute(
            "UPDATE chameleon.ledger SET body = replace(body, '\"v003\"', '\"v007\"') WHERE kind = 'BEGIN'"
        )


def delete_rows(scene: Scene) -> None:
    with forge.unlocked(scene.victim.url) as connection:
        connection.execute(
            "DELETE FROM chameleon.ledger WHERE seq > (SELECT min(seq) FROM chameleon.ledger WHERE kind = 'APPLIED')"
        )


def delete_middle_row(scene: Scene) -> None:
    with forge.unlocked(scene.victim.url) as connection:
        connection.execute("DELETE FROM chameleon.ledger WHERE seq = 3")


def drop_ledger(scene: Scene) -> None:
    scene.victim.execute("DROP SCHEMA chameleon CASCADE")


def restore_database(scene: Scene) -> None:
    scene.ledgers["v002"].write()
    scene.victim.execute("ALTER TABLE users DROP COLUMN city")


def restore_and_pretend_adopted(scene: Scene) -> None:
    """The same, and a line in the log that says that somebody has seen it, with a row that is no ADOPT."""
    restore_database(scene)
    _pretend_adopted(scene, "rolled-back")


def ddl_by_hand(scene: Scene) -> None:
    scene.victim.execute("ALTER TABLE users ALTER COLUMN email DROP NOT NULL")


def other_database(scene: Scene) -> None:
    scene.victim.url = scene.other.url


def rewrite_everything(scene: Scene) -> None:
    forge.rewrite_both(scene.victim.vault, OwnedLedger(scene.victim.url), "v002", _edit_author, _line_author)


def restore_everything(scene: Scene) -> None:
    scene.restore("v002")
    restore_database(scene)


def world_writable(scene: Scene) -> None:
    scene.victim.vault.chmod(0o777)


def weaker_hash(scene: Scene) -> None:
    rows = forge.unsigned(forge.heads(scene.victim.vault))
    forge.chain(scene.victim.vault, [re.sub(r"(hash|parent)=([0-9a-f]{32})[0-9a-f]{32}", r"\1=\2", r) for r in rows])


def older_format(scene: Scene) -> None:
    _rewrite_text(scene, lambda text: text.replace("chameleon.version/1", "chameleon.version/0"))


def plant_checkpoint(scene: Scene) -> None:
    (scene.victim.vault / "heads").mkdir()
    (scene.victim.vault / "heads" / "000042.head").write_text("chameleon-vault\n1\n0\n")


def rows_of_development(scene: Scene) -> None:
    scene.ledgers["v003"].url = scene.other.url
    scene.other.apply(1)
    scene.ledgers["v003"].write()
    scene.victim.url = scene.other.url


def pretend_adopted(scene: Scene) -> None:
    """The same, and a line in the log that says that the copy is meant to be one, with a row that is no ADOPT."""
    rows_of_development(scene)
    _pretend_adopted(scene, "copy")


def _pretend_adopted(scene: Scene, reason: str) -> None:
    ((database,),) = scene.victim.rows(
        "SELECT system_identifier || ':' || (SELECT oid FROM pg_database WHERE datname = current_database())"
        " FROM pg_control_system()"
    )
    hashes = OwnedLedger(scene.victim.url).hashes()
    _add(scene, f"[ADOPT] db={database} ledger={len(hashes)}:{hashes[-1]} reason={reason}")


def replace_function(scene: Scene) -> None:
    scene.victim.execute(
        "CREATE OR REPLACE FUNCTION chameleon.append(expected_prev text, body text) RETURNS text LANGUAGE sql"
        " SECURITY DEFINER AS $$SELECT 'recorded'::text$$"
    )


def forget_refusals(scene: Scene) -> None:
    """Lines after the last version that no database knows of."""
    before = (scene.victim.vault / "integrity.log").read_bytes()
    _add(scene, "[DENIED] what=mode:standard reason=wrong-password")
    forge.overwrite(scene.victim.vault / "integrity.log", before)
    forge.write_manifest(scene.victim.vault)


def take_back_downgrade(scene: Scene) -> None:
    before = (scene.victim.vault / "integrity.log").read_bytes()
    _add(scene, "[MODE] from=standard to=readonly until=none sig=none")
    forge.overwrite(scene.victim.vault / "integrity.log", before)
    forge.write_manifest(scene.victim.vault)


def delete_everything(scene: Scene) -> None:
    delete_data(scene)
    drop_ledger(scene)


def _append(scene: Scene, **body: object) -> None:
    """Add a row to the ledger, as every role may that migrates."""
    text = json.dumps({"vault": "none", "log_seq": 0, "log_sum": ZEROS, **body})
    scene.victim.execute(
        f"SELECT chameleon.append((SELECT hash FROM chameleon.ledger ORDER BY seq DESC LIMIT 1), '{text}')"
    )


def invent_row(scene: Scene) -> None:
    _append(scene, kind="FAILED", message="never happened")


def malformed_mode(scene: Scene) -> None:
    _append(scene, kind="MODE")


def malformed_time(scene: Scene) -> None:
    vault = OwnedLedger(scene.victim.url).bodies[-1]["vault"]
    _append(scene, kind="MODE", vault=vault, **{"from": "readonly"}, to="emergency", until=5, sig="none")


def malformed_key(scene: Scene) -> None:
    _append(scene, kind="AUTH", kdf="md5")


def malformed_begin(scene: Scene) -> None:
    _append(scene, kind="BEGIN", database="here")


def malformed_step(scene: Scene) -> None:
    _append(scene, kind="STEP", followed=5)


def malformed_version(scene: Scene) -> None:
    ledger = OwnedLedger(scene.victim.url)
    _append(scene, **{k: ledger.bodies[-1][k] for k in ("version_id", "parent_id")}, kind="REPAIR", namespaces=5)


def replace_by_view(scene: Scene) -> None:
    scene.victim.execute(
        "ALTER TABLE chameleon.ledger RENAME TO kept; CREATE VIEW chameleon.ledger AS SELECT * FROM chameleon.kept"
    )


def hide_rows(scene: Scene) -> None:
    scene.victim.execute("ALTER TABLE chameleon.ledger ENABLE ROW LEVEL SECURITY")


def invent_applied(scene: Scene) -> None:
    ledger = OwnedLedger(scene.victim.url)
    row = {**ledger.bodies[-1], "version_id": ZEROS, "parent_id": ledger.bodies[-1]["version_id"]}
    row = {k: row[k] for k in ("kind", "vault", "log_seq", "log_sum", "version_id", "parent_id", "run")}
    scene.victim.execute(f"SELECT chameleon.append('{ledger.hashes()[-1]}', '{json.dumps(row)}')")


def claim_reset(scene: Scene) -> None:
    """A reset of the password that only the log knows of, and the new key in the ledger, as every role may write it."""
    key = {"kdf": "argon2id", "m": "8", "t": "1", "p": "1", "salt": "11" * 16, "key": "22" * 32, "sig": "none"}
    _add(
        scene,
        f"[REPAIR] what=password version=none hash=none db=1:1 ledger=1:{ZEROS}",
        f"[AUTH_SET] {' '.join(f'{name}={value}' for name, value in key.items())}",
    )
    ledger = OwnedLedger(scene.victim.url)
    anchor = {name: ledger.bodies[-1][name] for name in ("vault", "log_seq", "log_sum")}
    row = json.dumps({"kind": "AUTH", **key, **anchor})
    scene.victim.execute(f"SELECT chameleon.append('{ledger.hashes()[-1]}', '{row}')")


def pretend_rebase(scene: Scene) -> None:
    """Another version in the place of the one applied, which is said to have given way, as `vault rebase` does it."""
    kept = scene.victim.vault / "versions" / ".superseded"
    old = forge.digest(_version(scene, "v003").read_bytes())
    kept.mkdir()
    shutil.copy(_version(scene, "v003"), kept / f"{old}.json")
    new = forge.edit_json(_version(scene, "v003"), _edit_author)
    forge.write_hash(scene.victim.vault, "v003")
    rows = forge.heads(scene.victim.vault)
    register = next(r for r in rows if "[REGISTER] version=v003 " in r)
    before = rows[: rows.index(register)]
    forge.chain(scene.victim.vault, [*before, _line_author(register.replace(old, new))])
    _add(scene, f"[SUPERSEDE] old={old} new={new}")


def edit_files(scene: Scene) -> None:
    scene.victim.write(schema(2))


ATTACKS = (
    Attack(1, "edit a version", edit_snapshot, ("VERSION_HASH_MISMATCH",)),
    Attack(2, "edit a version and its hash file", edit_snapshot_and_hash, ("HASH_FILE_MISMATCH",)),
    Attack(
        3, "edit a version, its hash file and the manifest", edit_snapshot_hash_and_manifest, ("VERSION_HASH_MISMATCH",)
    ),
    Attack(
        4, "rewrite all files, chained anew", rewrite_disk, (), ("VAULT_LOG_REWRITTEN", "APPLIED_VERSION_NOT_IN_VAULT")
    ),
    Attack(5, "delete the newest version and its entry in the manifest", delete_newest, ("VERSION_MISSING",)),
    Attack(
        6,
        "the same, and the log chained anew without it",
        delete_newest_rechained,
        (),
        ("VAULT_ROLLED_BACK", "APPLIED_VERSION_NOT_IN_VAULT"),
    ),
    Attack(7, "delete a version in the middle and its entry", delete_middle, ("VERSION_MISSING",)),
    Attack(8, "cut lines off the log", cut_log, ("LOG_TRUNCATED",)),
    Attack(
        9,
        "cut the log before a version and derive the manifest",
        cut_log_and_manifest,
        ("ORPHAN_VERSION",),
        ("VAULT_ROLLED_BACK",),
    ),
    Attack(9, "the same before two versions", cut_two_versions, ("UNKNOWN_FILE",)),
    Attack(10, "edit a line of the log", edit_log_line, ("LOG_SUM_MISMATCH",)),
    Attack(11, "drop a line and chain the log anew", drop_line_rechained, (), ("VAULT_LOG_REWRITTEN",)),
    Attack(12, "swap two lines of the log", swap_lines, ("LOG_CHAIN_BROKEN",)),
    Attack(13, "delete the log", delete_log, ("LOG_MISSING",)),
    Attack(14, "delete the manifest", delete_manifest, ("MANIFEST_MISSING",)),
    Attack(15, "delete the vault", delete_vault, ("VAULT_MISSING",)),
    Attack(15, "delete all of `.chameleon`", delete_data, (), ("VAULT_MISSING",)),
    Attack(16, "put an older copy of the vault back", older_copy, (), ("VAULT_ROLLED_BACK",)),
    Attack(17, "put another project's vault there", foreign_vault, (), ("LEDGER_FOREIGN_VAULT",)),
    Attack(18, "plant versions that were never registered", plant_versions, ("UNKNOWN_FILE",)),
    Attack(18, "plant one that looks like what a killed run leaves", plant_next_version, ("ORPHAN_VERSION",)),
    Attack(19, "append a mode upgrade without the password", upgrade_without_password, ("MODE_UPGRADE_UNSIGNED",)),
    Attack(19, "append an old upgrade a second time", replay_upgrade, ("MODE_UPGRADE_UNSIGNED",)),
    Attack(20, "edit the mode in a file", edit_mode_file, ("UNKNOWN_FILE", "MANIFEST_MISMATCH")),
    Attack(21, "exchange the password's key", swap_key, ("AUTH_ROTATED_WITHOUT_OLD_KEY",)),
    Attack(
        21,
        "the same in a log that is chained anew",
        swap_key_rechained,
        (),
        ("AUTH_ROTATED_WITHOUT_OLD_KEY", "VAULT_LOG_REWRITTEN"),
    ),
    Attack(22, "replace a version by a symbolic link to the same bytes", link_snapshot, ("UNSAFE_FILE",)),
    Attack(23, "replace the vault by a symbolic link", link_vault, ("NOT_A_DIRECTORY",)),
    Attack(24, "a path instead of a version's name in the manifest", traverse_manifest, ("MANIFEST_MISMATCH",)),
    Attack(24, "the same in the log", traverse_log, ("LOG_BAD_FIELDS",)),
    Attack(25, "a key twice in a version, all hashes made to agree", duplicate_key, ("VERSION_NOT_CANONICAL",)),
    Attack(26, "a line smuggled into the log through an author's name", line_in_author, ("VERSION_MISSING",)),
    Attack(27, "a line from before the last one", clock_back, ("CLOCK_BACKWARD",)),
    Attack(28, "another version of the same number than the one applied", fork, (), ("APPLIED_VERSION_NOT_IN_VAULT",)),
    Attack(29, "edit a row of the ledger", edit_row, (), ("LEDGER_SUM_MISMATCH",), in_database=True),
    Attack(30, "delete the newest rows of the ledger", delete_rows, (), ("DATABASE_ROLLED_BACK",), in_database=True),
    Attack(30, "delete a row in the middle", delete_middle_row, (), ("LEDGER_GAP",), in_database=True),
    Attack(31, "drop the ledger", drop_ledger, (), ("LEDGER_MISSING",), in_database=True),
    Attack(
        32, "restore the database from an old backup", restore_database, (), ("DATABASE_ROLLED_BACK",), in_database=True
    ),
    Attack(
        32,
        "the same, with a line in the log that it was adopted",
        restore_and_pretend_adopted,
        (),
        ("DATABASE_ROLLED_BACK",),
        in_database=True,
    ),
    Attack(33, "change the schema of the database by hand", ddl_by_hand, (), ("DRIFT",), in_database=True),
    Attack(34, "DATABASE_URL names another project's database", other_database, (), ("LEDGER_FOREIGN_VAULT",)),
    Attack(
        35,
        "rewrite files and ledger so that they agree",
        rewrite_everything,
        (),
        (),
        ("REWRITTEN_BEFORE_PIN",),
        in_database=True,
    ),
    Attack(
        35,
        "put older copies of the vault and of the database back",
        restore_everything,
        (),
        (),
        ("ROLLED_BACK",),
        in_database=True,
    ),
    Attack(36, "make the vault writable for everybody", world_writable, ("PERMISSIVE_MODE",)),
    Attack(37, "a weaker hash, all files made to agree", weaker_hash, ("LOG_BAD_FIELDS",)),
    Attack(37, "an older format of a version, all hashes made to agree", older_format, ("VERSION_NOT_CANONICAL",)),
    Attack(38, "plant a checkpoint", plant_checkpoint, ("UNKNOWN_FILE",)),
    Attack(
        41,
        "copy the ledger of a development database",
        rows_of_development,
        (),
        ("DATABASE_IS_A_COPY",),
        in_database=True,
    ),
    Attack(
        41,
        "the same, with a line in the log that it was adopted",
        pretend_adopted,
        (),
        ("DATABASE_IS_A_COPY",),
        in_database=True,
    ),
    Attack(42, "replace the ledger's function", replace_function, (), ("LEDGER_REPLACED",), in_database=True),
    Attack(42, "a view in the place of the ledger", replace_by_view, (), ("LEDGER_REPLACED",), in_database=True),
    Attack(42, "row level security on the ledger", hide_rows, (), ("LEDGER_REPLACED",), in_database=True),
    Attack(
        43,
        "append a version to the ledger that no vault has",
        invent_applied,
        (),
        ("APPLIED_VERSION_NOT_IN_VAULT",),
        in_database=True,
    ),
    Attack(
        44,
        "append a failure to the ledger that never happened",
        invent_row,
        in_database=True,
        gains="an entry in `chameleon journal`; it names the role that wrote it",
    ),
    Attack(
        45,
        "cut refused passwords off the end of the log",
        forget_refusals,
        gains="the wait after five wrong passwords; who can write files can guess without it anyway",
    ),
    Attack(
        46,
        "cut a downgrade of the mode off the end of the log",
        take_back_downgrade,
        gains="the mode from before, until it ends by itself; not where the ledger was told of the downgrade",
    ),
    Attack(
        47,
        "delete the vault and the ledger",
        delete_everything,
        in_database=True,
        gains="a project without a history; its next first version says that the tables were there before it",
    ),
    Attack(
        48,
        "claim a reset of the password in the log, and add the new key to the ledger",
        claim_reset,
        ("PASSWORD_RESET",),
        ("AUTH_ROTATED_WITHOUT_OLD_KEY",),
        in_database=True,
    ),
    Attack(
        49,
        "dress up another version in the place of the one applied as a rebase",
        pretend_rebase,
        (),
        ("VERSION_SUPERSEDED",),
    ),
    Attack(
        50,
        "append a change of the mode to the ledger that nobody can read",
        malformed_mode,
        (),
        ("MODE_UPGRADE_UNSIGNED",),
        in_database=True,
    ),
    Attack(
        50, "the same with an end that is no time", malformed_time, (), ("MODE_UPGRADE_UNSIGNED",), in_database=True
    ),
    Attack(
        51,
        "append a password's key to the ledger that nobody can read",
        malformed_key,
        (),
        ("AUTH_ROTATED_WITHOUT_OLD_KEY",),
        in_database=True,
    ),
    Attack(
        52,
        "append a run to the ledger that nobody can read",
        malformed_begin,
        (),
        ("LEDGER_BAD_ROW",),
        in_database=True,
    ),
    Attack(52, "the same with a statement of a run", malformed_step, (), ("LEDGER_BAD_ROW",), in_database=True),
    Attack(52, "the same with a version", malformed_version, (), ("LEDGER_BAD_ROW",), in_database=True),
)
"""Attacks 39 and 40, which need a command that is running, have tests of their own."""
