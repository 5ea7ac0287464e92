"""The ledger: what its rows say, who may come next, what is found when somebody edits it, and what is never run."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chameleondb.errors import ChameleonError, DatabaseError, IntegrityError, NotSupported, StalePlan
from chameleondb.modes.change import ModeChange
from chameleondb.modes.key import PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.names import Identity, relation
from chameleondb.postgres.catalog import user_namespaces
from chameleondb.postgres.ledger import (
    FIRST_PREV,
    Head,
    Ledger,
    Renaming,
    Version,
    check_bodies,
    check_rows,
    protection,
    read_body,
    read_head,
    read_identity,
    read_keys,
    read_modes,
    read_rows,
    read_version,
    record,
)
from chameleondb.postgres.session import Connection
from tests.cluster import Databases, client_program
from tests.ledgering import USERS, VAULT, applied, execute, registered, run_of, session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with session(database) as opened:
        yield opened


def _kinds(connection: Connection) -> list[str]:
    return [row.kind for row in read_rows(connection)]


def _codes(connection: Connection) -> list[tuple[str, str]]:
    return [(f.code, f.place) for f in check_rows(read_rows(connection))]


def _body(connection: Connection, seq: int) -> Mapping[str, Any]:
    body = read_body(connection, seq)
    assert body is not None
    return body


# --- Rows of a run ----------------------------------------------------------------------------------------------------


def test_a_run_is_recorded_with_the_line_that_registered_its_version(connection: Connection) -> None:
    assert read_head(connection) == Head()
    book = applied(connection, 1)
    rows = read_rows(connection)
    assert [row.kind for row in rows] == ["INIT", "BEGIN", "STEP", "APPLIED"]
    assert {(row.vault_id, row.log_seq, row.log_sum) for row in rows} == {(VAULT, 2, "c" * 64)}
    assert {row.run for row in rows} == {None, book.writer.run_id}
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert rows[0].prev == FIRST_PREV
    assert rows[-1].who == "postgres"
    assert (rows[-1].version_id, rows[-1].parent_id) == (registered(1).version_id, "none")
    assert str(book.position) == f"4:{rows[-1].hash}"
    assert all(row.is_sound for row in rows)
    assert check_rows(rows) == ()


def test_the_head_tells_the_version_and_the_database(connection: Connection) -> None:
    applied(connection, 1)
    applied(connection, 2)
    head = read_head(connection)
    assert (head.version, head.label, head.version_id, head.vault_id) == (2, "v002", registered(2).version_id, VAULT)
    assert (head.open_run, head.open_version_id, head.open_label) == (None, None, None)
    assert head.namespaces == ("public",)
    assert head.database == read_identity(connection)
    last = read_rows(connection)[-1]
    assert (last.seq, last.hash, last.parent_id) == (head.seq, head.hash, registered(1).version_id)


def test_a_run_without_a_vault_is_numbered_by_the_ledger(connection: Connection) -> None:
    for _ in range(2):
        book = Ledger(connection, read_head(connection), run_of())
        with connection.transaction():
            book.begun()
            book.applied()
    head = read_head(connection)
    assert (head.label, head.vault_id) == ("v002", None)
    assert {(row.vault_id, row.log_seq, row.log_sum) for row in read_rows(connection)} == {("none", 0, FIRST_PREV)}
    first, second = (row.version_id for row in read_rows(connection) if row.kind == "APPLIED")
    assert first != second  # the same schema after another version is another version


def test_a_run_that_did_not_end_is_open_and_resumed(connection: Connection) -> None:
    applied(connection, 1)
    first = Ledger(connection, read_head(connection), run_of("A"), registered(2))
    first.begun()
    head = read_head(connection)
    assert (head.open_run, head.open_version_id, head.open_label) == (
        first.writer.run_id,
        registered(2).version_id,
        "v002",
    )
    assert (head.label, head.version) == ("v001", 1)
    applied(connection, 2)
    assert read_head(connection).open_run is None
    begins = [_body(connection, row.seq) for row in read_rows(connection) if row.kind == "BEGIN"]
    assert [body["resumes"] for body in begins] == ["none", "none", first.writer.run_id]


def test_a_run_of_another_version_resumes_nothing(connection: Connection) -> None:
    applied(connection, 1)
    Ledger(connection, read_head(connection), run_of("A"), registered(2)).begun()
    applied(connection, 3)
    assert _body(connection, read_rows(connection)[-3].seq)["resumes"] == "none"


def test_a_database_that_is_brought_back_to_its_version_has_the_same_one(connection: Connection) -> None:
    applied(connection, 1)
    for _ in range(2):
        applied(connection, 1, run_of("B", objects=frozenset({relation("public", "b")}), is_repair=True))
    assert _kinds(connection)[-1] == "REPAIR"
    assert _body(connection, read_head(connection).seq)["what"] == "drift"
    head = read_head(connection)
    assert (head.version, head.version_id, head.open_run) == (1, registered(1).version_id, None)
    assert read_version(connection, head).objects == {relation("public", "b")}
    applied(connection, 2)
    assert read_rows(connection)[-1].parent_id == registered(1).version_id


def test_a_version_is_read_as_it_was_written(connection: Connection) -> None:
    assert read_version(connection, read_head(connection)) == Version()
    odd = relation('Ünï \n"code"', "tab\t'le")
    version = Version(
        objects=frozenset({USERS, odd}),
        namespaces=("public", odd.path[0]),
        followed={odd: ("old", "öld")},
        unmanaged=frozenset({relation("public", "mine"), relation("public", "yours")}),
    )
    applied(connection, 1, replace(run_of("A"), version=version))
    assert read_version(connection, read_head(connection)) == version


def test_renames_of_a_run_that_was_interrupted_are_known(connection: Connection) -> None:
    applied(connection, 1)
    people = relation("public", "people")
    renamed = replace(run_of("RENAME", "B"), renames={"RENAME": Renaming(USERS, ((people, USERS),))})
    renamed = replace(renamed, version=replace(renamed.version, followed={USERS: ("people",)}))
    book = Ledger(connection, read_head(connection), renamed, registered(2))
    book.begun()
    assert read_version(connection, read_head(connection)).followed == {}
    book.done(0, ["RENAME"])
    assert read_version(connection, read_head(connection)).followed == {USERS: ("people",)}


def test_what_runs_that_were_interrupted_set_out_to_make_is_known_until_a_version_is_reached(
    connection: Connection,
) -> None:
    applied(connection, 1)
    for number, name in ((2, "first"), (3, "second")):
        run = replace(run_of(name), creates=frozenset({relation("public", name)}))
        Ledger(connection, read_head(connection), run, registered(number)).begun()
    both = {relation("public", "first"), relation("public", "second")}
    assert read_version(connection, read_head(connection)).begun == both
    applied(connection, 4)
    assert read_version(connection, read_head(connection)).begun == frozenset()


def test_what_could_not_be_checked_is_recorded(connection: Connection) -> None:
    applied(connection, 1, replace(run_of("A"), unverified=("LEDGER_GAP",)))
    assert _body(connection, 4)["unverified"] == ["LEDGER_GAP"]


@pytest.mark.parametrize(
    ("sqlstate", "message", "kept"),
    [
        ("23505", 'duplicate key value violates unique constraint "users_email_key"', True),
        ("42P07", 'relation "idx_users_age" already exists', True),
        ("55P03", "canceling statement due to lock timeout", True),
        ("22P02", 'invalid input syntax for type integer: "my "secret"\nplan"', False),
        ("22003", 'value "31415926535" is out of range for type integer', False),
        ("P0001", "no, Ann Smith may not", False),
        ("XY123", "no, Ann Smith may not", False),
    ],
)
def test_why_a_run_stopped_is_recorded_without_its_data(
    connection: Connection, sqlstate: str, message: str, kept: bool
) -> None:
    applied(connection, 1)
    book = Ledger(connection, read_head(connection), run_of("A"), registered(2))
    book.failed(0, DatabaseError("CHM4010", message, sqlstate=sqlstate, detail="Key (email)=(ann@example.com)"))
    body = _body(connection, read_head(connection).seq)
    assert (body["kind"], body["code"], body["sqlstate"], body["step"]) == ("FAILED", "CHM4010", sqlstate, 0)
    assert body["version_id"] == registered(2).version_id
    assert (body["message"] == message) is kept
    assert not any(word in str(body) for word in ("secret", "31415", "Smith", "example.com"))


def test_a_failure_that_is_ours_is_recorded_as_it_is_told(connection: Connection) -> None:
    applied(connection, 1)
    book = Ledger(connection, read_head(connection), run_of("A"), registered(2))
    book.failed(None, StalePlan("CHM1011", "users was empty when the plan was made and has rows now"))
    body = _body(connection, read_head(connection).seq)
    assert (body["sqlstate"], body["message"]) == ("none", "users was empty when the plan was made and has rows now")


def test_what_is_recorded_survives_a_crash_whatever_the_settings(connection: Connection) -> None:
    def setting() -> str:
        row = connection.execute("SELECT current_setting('synchronous_commit')").fetchone()
        return str(row and row[0])

    for before, within in (("off", "on"), ("remote_apply", "remote_apply")):
        connection.execute(f"SET synchronous_commit = {before}".encode())
        with connection.transaction():
            Ledger(connection, read_head(connection), run_of(), registered(1)).begun()
            assert setting() == within
        assert setting() == before


def test_what_was_rolled_back_is_not_followed(connection: Connection) -> None:
    applied(connection, 1)
    book = Ledger(connection, read_head(connection), run_of("A", "B"), registered(2))
    book.begun()
    book.kept()
    with connection.transaction():
        book.done(0, ["A"])
        raise psycopg.Rollback
    book.undone()
    book.done(0, ["A"])
    assert _kinds(connection)[-2:] == ["BEGIN", "STEP"]
    assert _codes(connection) == []


# --- Who comes next ---------------------------------------------------------------------------------------------------


def test_an_old_head_is_refused(connection: Connection) -> None:
    applied(connection, 1)
    old = read_head(connection)
    applied(connection, 2)
    with pytest.raises(StalePlan) as caught:
        record(connection, old, {"kind": "ADOPT", "reason": "copy"})
    assert caught.value.code == "CHM1012"
    with pytest.raises(StalePlan):
        Ledger(connection, old, run_of(), registered(3)).begun()
    assert _codes(connection) == []


def test_of_two_at_the_same_time_the_second_is_refused(connection: Connection, database: str) -> None:
    applied(connection, 1)
    head = read_head(connection)
    caught: list[ChameleonError] = []

    def second() -> None:
        with session(database) as other:
            try:
                record(other, head, {"kind": "ADOPT", "reason": "copy"})
            except ChameleonError as error:
                caught.append(error)

    thread = threading.Thread(target=second)
    with connection.transaction():
        Ledger(connection, head, run_of(), registered(2)).begun()
        thread.start()
        with psycopg.connect(database, autocommit=True) as watching:
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while watching.execute(waits).fetchone() == (0,):
                pass
    thread.join(20)
    assert [error.code for error in caught] == ["CHM1012"]
    assert _kinds(connection)[-1] == "BEGIN"


def test_a_version_has_one_child(connection: Connection, database: str) -> None:
    applied(connection, 1)
    parent = read_head(connection)
    applied(connection, 2)
    # Somebody who knows the right head, and believes in another parent.
    now = read_head(connection)
    forked = replace(now, version_id=parent.version_id)
    book = Ledger(connection, forked, run_of(), registered(3))
    book.begun()
    with pytest.raises(StalePlan) as caught:
        book.applied()
    assert caught.value.code == "CHM1013"
    # Other vaults have lines of their own.
    book = Ledger(connection, replace(read_head(connection), version_id=None), run_of(), registered(3, vault="0" * 36))
    book.begun()
    book.applied()
    assert _codes(connection) == []


def test_a_step_is_recorded_once(connection: Connection) -> None:
    applied(connection, 1)
    book = Ledger(connection, read_head(connection), run_of("A"), registered(2))
    book.begun()
    book.started(0, "A")
    book.done(0, ["A"])
    with pytest.raises(StalePlan):
        book.done(0, ["A"])


# --- Single rows ------------------------------------------------------------------------------------------------------


def test_modes_and_keys_are_read_as_they_were_written(connection: Connection) -> None:
    keys = [PublicKey(salt="00" * 16, key=digit * 64, sig=sig) for digit, sig in (("1", "none"), ("2", "3" * 128))]
    modes = []
    for number, key in enumerate(keys, start=1):
        record(connection, read_head(connection), {"kind": "AUTH", **key.fields()}, registered(1))
        head = read_head(connection)
        fields = {"from": "readonly", "to": "standard", "until": f"2026-11-24T0{number}:00:00Z", "sig": "4" * 128}
        record(connection, head, {"kind": "MODE", **fields}, registered(1))
        modes.append(
            ModeChange(
                from_=Mode.READONLY,
                to=Mode.STANDARD,
                until=fields["until"],
                sig=fields["sig"],
                place="ledger",
                vault=VAULT,
                prev=head.hash,
            )
        )
    assert read_keys(connection) == ((2, keys[0]), (4, keys[1]))
    assert read_modes(connection) == ((3, modes[0]), (5, modes[1]))


def test_a_single_row_makes_the_ledger_if_there_is_none(connection: Connection) -> None:
    position = record(connection, read_head(connection), {"kind": "ADOPT", "reason": "ledger-missing"}, registered(1))
    assert (position.seq, position.hash) == (2, read_head(connection).hash)
    assert _kinds(connection) == ["INIT", "ADOPT"]
    assert {row.vault_id for row in read_rows(connection)} == {VAULT}


MODE = {"kind": "MODE", "from": "readonly", "to": "readonly", "until": "none", "sig": "none"}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "MODE"},
        {**MODE, "to": "root"},
        {**MODE, "from": ["readonly"]},
        {**MODE, "until": 5},
        {"kind": "AUTH", "kdf": "md5"},
        {"kind": "AUTH", **PublicKey(salt="00" * 16, key="1" * 64).fields(), "m": 8},
    ],
)
def test_a_row_that_nobody_of_us_wrote_keeps_no_other_from_being_read(
    connection: Connection, body: dict[str, Any]
) -> None:
    key = PublicKey(salt="00" * 16, key="1" * 64)
    for one in (MODE, {"kind": "AUTH", **key.fields()}, body):
        record(connection, read_head(connection), one)
    modes, keys = read_modes(connection), read_keys(connection)
    assert [(seq, change and change.to) for seq, change in modes if seq < 4] == [(2, Mode.READONLY)]
    assert [one for one in keys if one[0] < 4] == [(3, key)]
    assert [one for one in (*modes, *keys) if one[0] == 4] == [(4, None)]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "BEGIN"},
        {"kind": "BEGIN", "database": 5},
        {"kind": "BEGIN", "database": {"name": 5, "oid": 1, "system_identifier": "1", "timeline": 1}},
        {"kind": "BEGIN", "database": {"name": "", "oid": "x", "system_identifier": "1", "timeline": 1}},
        {"kind": "STEP", "followed": 5},
        {"kind": "STEP", "followed": [[["column", 5], ["a"]]]},
        {"kind": "APPLIED", "namespaces": "public"},
        {"kind": "REPAIR", "version_id": "2" * 64, "namespaces": [5]},
    ],
)
def test_a_row_that_says_nothing_is_named(connection: Connection, body: dict[str, Any]) -> None:
    applied(connection, 1)
    known = read_head(connection)
    record(connection, known, body)
    head = read_head(connection)
    assert (head.seq, head.schema_hash) == (5, known.schema_hash if body["kind"] in ("BEGIN", "STEP") else None)
    assert [(f.code, f.place) for f in check_bodies(connection, head)] == [("LEDGER_BAD_ROW", "ledger row 5")]


def test_rows_of_every_release_are_read(connection: Connection, database: str) -> None:
    golden = json.loads((ROOT / "tests" / "formats" / "ledger-1.json").read_text())
    record(connection, read_head(connection), {"kind": "INIT"})
    execute(database, "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only", "DELETE FROM chameleon.ledger")
    prev = FIRST_PREV
    for row in golden.values():
        answer = connection.execute("SELECT chameleon.append(%s, %s)", [prev, row["body"]]).fetchone()
        assert answer == (row["hash"],)
        prev = row["hash"]
    assert _kinds(connection) == list(golden)
    assert _codes(connection) == []
    head = read_head(connection)
    assert (head.version, head.label, head.version_id, head.open_run) == (1, "v002", "2" * 64, None)
    version = read_version(connection, head)
    name = Identity("column", ("public", "users", "name"))
    assert version == Version(objects=frozenset({USERS, name}), namespaces=("public",), followed={name: ("nick",)})
    assert [key and key.key for _, key in read_keys(connection)] == ["6" * 64]
    assert [change and change.to for _, change in read_modes(connection)] == [Mode.STANDARD]


def test_a_dump_carries_the_ledger_along(connection: Connection, database: str, databases: Databases) -> None:
    applied(connection, 1)
    before = read_rows(connection)
    dump = subprocess.run(
        [str(client_program("pg_dump")), f"--dbname={database}"], capture_output=True, text=True, check=True
    ).stdout
    copy = databases.new()
    subprocess.run(
        [str(client_program("psql")), "-qX", f"--dbname={copy}"],
        input=dump,
        capture_output=True,
        text=True,
        check=True,
    )
    with session(copy) as restored:
        assert read_rows(restored) == before
        assert protection(restored) == ()
        head = read_head(restored)
        assert head.database is not None
        assert head.database.key == read_identity(connection).key != read_identity(restored).key
        applied(restored, 2)
        assert _codes(restored) == []


# --- Edited by its owner ----------------------------------------------------------------------------------------------

HASH = "encode(sha256(convert_to(E'chameleon.ledger/1\\n' || seq || E'\\n' || prev || E'\\n' || body, 'UTF8')), 'hex')"
ROW_3 = ("LEDGER_SUM_MISMATCH", "ledger row 3")
EDITS = {
    "UPDATE chameleon.ledger SET body = replace(body, '9', '8') WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET body = body || ' ' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET body = 'no json' WHERE seq = 3": [ROW_3],
    # With the hash made to fit, the next row does not follow.
    f"UPDATE chameleon.ledger SET body = body || ' ' WHERE seq = 3; UPDATE chameleon.ledger SET hash = {HASH}": [
        ("LEDGER_CHAIN_BROKEN", "ledger row 4")
    ],
    f"UPDATE chameleon.ledger SET body = 'no json' WHERE seq = 3; UPDATE chameleon.ledger SET hash = {HASH}": [
        ROW_3,
        ("LEDGER_CHAIN_BROKEN", "ledger row 4"),
    ],
    # The columns that queries and constraints use are copies, and must be true ones.
    "UPDATE chameleon.ledger SET step = 7 WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET run = NULL WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET kind = 'FAILED' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET vault_id = 'other' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET log_seq = 1 WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET log_sum = '0' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET version_id = 'x' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET parent_id = 'x' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET schema_hash = 'x' WHERE seq = 3": [ROW_3],
    "UPDATE chameleon.ledger SET prev = 'x' WHERE seq = 3": [("LEDGER_CHAIN_BROKEN", "ledger row 3"), ROW_3],
    "UPDATE chameleon.ledger SET hash = 'x' WHERE seq = 3": [ROW_3, ("LEDGER_CHAIN_BROKEN", "ledger row 4")],
    "UPDATE chameleon.ledger SET seq = 30 WHERE seq = 3": [
        ("LEDGER_GAP", "ledger row 4"),
        ("LEDGER_GAP", "ledger row 30"),
        ("LEDGER_SUM_MISMATCH", "ledger row 30"),
    ],
    "DELETE FROM chameleon.ledger WHERE seq = 3": [("LEDGER_GAP", "ledger row 4")],
    "DELETE FROM chameleon.ledger WHERE seq < 3": [("LEDGER_GAP", "ledger row 3")],
    "DELETE FROM chameleon.ledger WHERE seq IN (2, 3, 5)": [
        ("LEDGER_GAP", "ledger row 4"),
        ("LEDGER_GAP", "ledger row 6"),
    ],
    "INSERT INTO chameleon.ledger (seq, body, prev, hash, kind, vault_id, log_seq, log_sum)"
    " VALUES (0, '{}', '', '', 'X', '', 0, '')": [
        ("LEDGER_GAP", "ledger row 0"),
        ("LEDGER_SUM_MISMATCH", "ledger row 0"),
        ("LEDGER_CHAIN_BROKEN", "ledger row 1"),
    ],
    # The newest rows leave no hole: that only what was remembered elsewhere can tell.
    "DELETE FROM chameleon.ledger WHERE seq > 4": [],
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_the_owner_edits_is_found(connection: Connection, database: str, edit: str) -> None:
    for number in (1, 2):
        applied(connection, number)
    receipt = read_rows(connection)[-1]
    execute(database, "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only", edit)
    assert _codes(connection) == EDITS[edit]
    if not EDITS[edit]:
        assert (receipt.seq, receipt.hash) not in {(row.seq, row.hash) for row in read_rows(connection)}


def test_a_finding_says_what_is_missing(connection: Connection, database: str) -> None:
    for number in (1, 2):
        applied(connection, number)
    execute(
        database,
        "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
        "DELETE FROM chameleon.ledger WHERE seq IN (2, 4, 5)",
    )
    assert [str(f) for f in check_rows(read_rows(connection))] == [
        "ledger row 3: the row before it is missing: 2",
        "ledger row 6: rows before it are missing: 4 to 5",
    ]


@pytest.mark.parametrize(
    "body", ["no json", "[]", "[" * 99_999 + "]" * 99_999, '{"kind":"APPLIED"}', '{"kind":"APPLIED","version":"v1"}']
)
def test_what_cannot_be_read_is_a_violation_and_no_accident(connection: Connection, database: str, body: str) -> None:
    applied(connection, 1)
    execute(
        database,
        "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
        f"UPDATE chameleon.ledger SET body = '{body}' WHERE seq = 4",
    )
    assert read_head(connection).seq == 4
    with pytest.raises(IntegrityError) as caught:
        read_version(connection, read_head(connection))
    assert str(caught.value.findings[0]) == "ledger row 4: does not say what a row of its kind says"
    assert _codes(connection) == [("LEDGER_SUM_MISMATCH", "ledger row 4")]


def test_a_ledger_that_is_gone_does_not_exist(connection: Connection, database: str) -> None:
    applied(connection, 1)
    execute(database, "DROP SCHEMA chameleon CASCADE")
    assert read_head(connection) == Head()
    with pytest.raises(DatabaseError):
        read_rows(connection)


def test_a_row_that_is_gone_cannot_be_read(connection: Connection) -> None:
    applied(connection, 1)
    assert read_body(connection, 3) is not None
    assert read_body(connection, 5) is None


def test_nobody_else_computes_our_hashes(connection: Connection, database: str) -> None:
    applied(connection, 1)
    execute(
        database,
        "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION public.encode(bytea, text) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$",
        "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
        "UPDATE chameleon.ledger SET body = body || ' ' WHERE seq = 3",
    )
    connection.execute("SET search_path = public, pg_catalog")
    assert _codes(connection) == [ROW_3]


# --- Code of others ---------------------------------------------------------------------------------------------------

EVIL = "CREATE TABLE public.owned (a int); CREATE FUNCTION public.evil() RETURNS text LANGUAGE sql AS $$INSERT INTO"
EVIL += " public.owned VALUES (1) RETURNING 'x'$$"
APPEND = "CREATE OR REPLACE FUNCTION chameleon.append(expected_prev text, body text) RETURNS text LANGUAGE sql"


def _owned(database: str) -> int:
    with psycopg.connect(database) as connection:
        return len(connection.execute("SELECT FROM public.owned").fetchall())


@pytest.mark.parametrize(
    "replacement",
    [
        f"{APPEND} AS 'SELECT public.evil()'",
        "DROP FUNCTION chameleon.append",
        "ALTER FUNCTION chameleon.append(text, text) SECURITY INVOKER",
        "ALTER FUNCTION chameleon.append(text, text) SET search_path = public",
        "CREATE OR REPLACE FUNCTION chameleon.refuse() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
    ],
)
def test_a_function_that_was_replaced_is_not_called(connection: Connection, database: str, replacement: str) -> None:
    applied(connection, 1)
    before = read_rows(connection)
    execute(database, EVIL, replacement)
    with pytest.raises(NotSupported, match=r"chameleon\.(append|refuse) .* not what Chameleon makes") as caught:
        applied(connection, 2)
    assert caught.value.code == "CHM4014"
    with pytest.raises(NotSupported):
        record(connection, read_head(connection), {"kind": "ADOPT", "reason": "copy"})
    assert _owned(database) == 0
    assert read_rows(connection) == before  # reading calls nothing of that schema
    assert _codes(connection) == []


def test_a_function_that_lies_is_found_out(connection: Connection, database: str) -> None:
    applied(connection, 1)
    lie = (
        "INSERT INTO chameleon.ledger (seq, body, prev, hash, kind, vault_id, log_seq, log_sum)"
        ' SELECT seq + 1, \'{"kind":"ADOPT","vault":"none","log_seq":0,"log_sum":"0"}\', hash, repeat(\'a\', 64),'
        " 'ADOPT', 'none', 0, '0' FROM chameleon.ledger ORDER BY seq DESC LIMIT 1 RETURNING hash"
    )
    execute(database, f"{APPEND} AS $${lie}$$", "SELECT chameleon.append('', '')")
    assert _codes(connection) == [("LEDGER_SUM_MISMATCH", "ledger row 5")]


@pytest.mark.parametrize(
    "trap",
    [
        "CREATE SCHEMA chameleon; CREATE VIEW chameleon.ledger AS SELECT public.evil() AS body",
        "CREATE SCHEMA chameleon; CREATE TABLE chameleon.ledger (a int)",
        "CREATE SCHEMA chameleon; CREATE TABLE chameleon.ledger (LIKE public.like_ours);"
        " ALTER TABLE chameleon.ledger ENABLE ROW LEVEL SECURITY",
        "CREATE SCHEMA chameleon; CREATE DOMAIN chameleon.json_text AS text;"
        " CREATE TABLE chameleon.ledger (LIKE public.like_ours);"
        " ALTER TABLE chameleon.ledger ALTER body TYPE chameleon.json_text",
    ],
)
def test_a_table_that_is_not_ours_is_not_read(connection: Connection, database: str, trap: str) -> None:
    ours = "CREATE TABLE public.like_ours (seq bigint, body text, prev text, hash text, xid xid8, at timestamptz,"
    ours += " who name, kind text, run uuid, step integer, version_id text, parent_id text, schema_hash text,"
    ours += " vault_id text, log_seq bigint, log_sum text)"
    execute(database, EVIL, ours, trap)
    with pytest.raises(NotSupported) as caught:
        read_head(connection)
    assert caught.value.code == "CHM4014"
    assert _owned(database) == 0


def test_a_schema_of_that_name_is_somebody_elses(connection: Connection, database: str) -> None:
    execute(database, "CREATE SCHEMA chameleon; CREATE TABLE chameleon.pets (name text)")
    with pytest.raises(NotSupported, match="the schema chameleon") as caught:
        read_head(connection)
    assert caught.value.code == "CHM4014"
    assert user_namespaces(connection) == ("chameleon", "public")  # introspect tells of it
    execute(database, "ALTER SCHEMA chameleon RENAME TO pets")
    applied(connection, 1)
    assert user_namespaces(connection) == ("pets", "public")
    execute(database, "DROP TABLE chameleon.ledger CASCADE")  # what is left is ours
    assert read_head(connection) == Head()
    assert user_namespaces(connection) == ("pets", "public")


def test_nobody_is_told_to_drop_a_history(connection: Connection, database: str) -> None:
    applied(connection, 1)
    execute(database, "ALTER TABLE chameleon.ledger ENABLE ROW LEVEL SECURITY")
    with pytest.raises(NotSupported) as caught:
        read_head(connection)
    assert "restore it from a backup" in (caught.value.hint or "")
    assert "DROP" not in (caught.value.hint or "")
