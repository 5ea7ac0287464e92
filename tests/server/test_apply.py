"""Changes of tables with rows: the online forms, locks, concurrent runs and the ledger."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chameleondb.apply.executor import BATCH_PAGES, Patience
from chameleondb.errors import ChameleonError, DatabaseError, DatabaseUnreachable, LockNotAcquired, StalePlan
from chameleondb.postgres.ledger import read_head, record
from chameleondb.steps import Step
from chameleondb.workflow.describe import lock_lines
from tests.migrating import Database, Heard

ROWS = 24_000  # more than two batches of a backfill


@pytest.fixture
def db(database: str, tmp_path: Path) -> Database:
    """A database in which every table with rows counts as large."""
    return Database(database, tmp_path, small_table_bytes=0)


def _users(*more: str) -> str:
    members = ["id: bigint primary identity", "email: string?", "age: int?", *more]
    return "entity User {\n" + "".join(f"    {m},\n" for m in members) + "}\n"


def _filled(db: Database, schema: str = "", rows: int = ROWS) -> None:
    db.run(schema or _users())
    db.execute(f"INSERT INTO users (email, age) SELECT 'u' || n, n % 90 FROM generate_series(1, {rows}) n")


def _groups(db: Database, schema: str) -> list[tuple[str, list[str]]]:
    """Return what would run: each transaction, or what runs alone, with its statements."""
    plan = db.plan(schema).plan
    return [("together" if g.transactional else "alone", [s.sql for s in g.steps]) for g in plan.groups]


def _not_null_steps(version: int, table: str, column: str, *again: str) -> list[tuple[str, list[str]]]:
    alter, fill = f"ALTER TABLE {table}", [("alone", [update]) for update in again]
    if version >= 180000:
        name = f"{table}_{column}_not_null"
        return [
            ("together", [f"{alter} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID"]),
            *fill,
            ("together", [f"{alter} VALIDATE CONSTRAINT {name}"]),
        ]
    name = f"{table}_{column}_filled"
    return [
        ("together", [f"{alter} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID"]),
        *fill,
        ("together", [f"{alter} VALIDATE CONSTRAINT {name}"]),
        ("together", [f"{alter} ALTER COLUMN {column} SET NOT NULL", f"{alter} DROP CONSTRAINT {name}"]),
    ]


# --- Online forms ----------------------------------------------------------------------------------------------------


def test_a_required_column_is_filled_in_batches(db: Database, server_version: int) -> None:
    _filled(db)
    schema = _users("handle: string backfill ('@' || email)")
    update = "UPDATE users SET handle = ('@' || email) WHERE handle IS NULL AND ('@' || email) IS NOT NULL"
    assert _groups(db, schema) == [
        ("together", ["ALTER TABLE users ADD COLUMN handle TEXT"]),
        ("alone", [update]),
        *_not_null_steps(server_version, "users", "handle", update),
    ]
    db.migrate(schema)
    assert db.rows("SELECT count(*), count(DISTINCT handle), count(DISTINCT xmin::text) FROM users") == [
        (ROWS, ROWS, 3)
    ]


def test_a_volatile_default_is_filled_in_batches(db: Database) -> None:
    _filled(db)
    statements = db.migrate(_users("key: uuid default uuid()"))
    assert statements[:2] == [
        "ALTER TABLE users ADD COLUMN key UUID",
        "ALTER TABLE users ALTER COLUMN key SET DEFAULT gen_random_uuid()",
    ]
    assert db.value("SELECT count(DISTINCT key) FROM users") == ROWS


def test_a_constant_default_needs_no_rewrite(db: Database) -> None:
    _filled(db, rows=10)
    before = db.value("SELECT pg_relation_filenode('users')")
    assert len(db.migrate(_users("plan: string default 'free'".replace("'", '"')))) == 1
    assert db.value("SELECT pg_relation_filenode('users')") == before
    assert db.value("SELECT count(*) FROM users WHERE plan = 'free'") == 10


def test_rows_that_come_during_a_backfill_are_filled_too(db: Database) -> None:
    _filled(db)
    schema = _users("handle: string backfill (coalesce(email, 'none'))")
    heard = Heard()
    late = "INSERT INTO users (age) VALUES (1)"
    # Whoever goes on adding rows without the field does not keep the run from its end; the rule keeps new ones out.
    heard.on_batch = lambda: None if "NOT VALID" in heard.done[-1] else db.execute(late)
    heard.on_begun = lambda step: db.execute(late) if "NOT VALID" in step.sql else None
    db.run(schema, heard=heard)
    fills = [sql for sql in heard.done if "UPDATE" in sql]
    assert len(fills) == 2
    assert db.value("SELECT count(*) FROM users WHERE handle IS NULL") == 0
    assert db.value("SELECT count(*) FROM users WHERE handle = 'none'") > 3
    with pytest.raises((psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation)):
        db.execute(late)


def test_a_backfill_that_yields_null_ends(db: Database) -> None:
    _filled(db, rows=10)
    db.execute("UPDATE users SET email = NULL WHERE id = 1")
    with pytest.raises(DatabaseError, match=r"contains null values|is violated by some row"):
        db.run(_users("handle: string backfill (upper(email))"))
    db.migrate(_users("handle: string backfill (upper(coalesce(email, '-')))"))


@contextmanager
def _holding_a_row(db: Database) -> Iterator[tuple[Heard, psycopg.Connection[Any]]]:
    """Another session, which changes a row as soon as a backfill begins and keeps it."""
    with psycopg.connect(db.dsn) as other:

        def hold(step: Step) -> None:
            if "UPDATE" in step.sql and not any("UPDATE" in sql for sql in heard.done):
                other.execute("UPDATE users SET age = 0 WHERE id = 5")

        heard = Heard(on_begun=hold)
        yield heard, other


def test_a_backfill_waits_for_rows_that_others_hold(db: Database) -> None:
    _filled(db, rows=100)
    with _holding_a_row(db) as (heard, other):
        heard.on_missed = other.rollback
        schema = _users("handle: string backfill ('x')")
        db.run(schema, patience=Patience(lock_timeout_s=0.05, deadline_s=20), heard=heard)
    assert heard.missed
    assert db.value("SELECT count(*) FROM users WHERE handle = 'x'") == 100
    assert db.statements(schema) == []


def test_rows_that_come_behind_the_batches_are_filled_by_the_next_pass(db: Database) -> None:
    _filled(db, rows=100)
    with _holding_a_row(db) as (heard, other):

        def grow() -> None:  # beyond the pages that the pass will see
            if other.info.transaction_status:
                other.execute("INSERT INTO users (email) SELECT 'late' || n FROM generate_series(1, 20000) n")
                other.commit()

        heard.on_missed = grow
        db.run(_users("handle: string backfill ('x')"), patience=Patience(lock_timeout_s=0.05), heard=heard)
    assert db.rows("SELECT count(*), count(handle) FROM users") == [(20_100, 20_100)]
    first, *_, last = heard.batches
    assert first == (1, 1, 1)
    assert max(number for number, _, _ in heard.batches) == 3
    assert last[1] == last[2] > BATCH_PAGES


def test_an_interrupted_fill_by_a_default_is_finished(db: Database) -> None:
    _filled(db)

    def stop(step: Step) -> None:
        if "VALIDATE" in step.sql:
            raise KeyboardInterrupt

    schema = _users("key: uuid default uuid()", "tag: uuid? default uuid()")
    with pytest.raises(KeyboardInterrupt):
        db.run(schema, heard=Heard(on_begun=stop))
    for name in ("users_key_not_null", "users_key_filled"):
        db.execute(f"ALTER TABLE users DROP CONSTRAINT IF EXISTS {name}")
    db.execute("UPDATE users SET key = NULL WHERE id > 50")
    db.migrate(schema)
    assert db.rows("SELECT count(DISTINCT key), count(DISTINCT tag) FROM users") == [(ROWS, ROWS)]


def test_a_swap_is_not_undone_by_the_run_that_finishes_it(db: Database) -> None:
    schema = "entity User {\n id: bigint primary,\n a: string%s,\n b: string%s,\n%s}\n"
    db.run(schema % ("", "", ""))
    db.execute("INSERT INTO users SELECT n, 'a' || n, 'b' || n FROM generate_series(1, 100) n")

    def stop(step: Step) -> None:
        if "CONCURRENTLY" in step.sql:
            raise KeyboardInterrupt

    swapped = schema % (" was b", " was a", " index (a),\n")
    with pytest.raises(KeyboardInterrupt):
        db.run(swapped, heard=Heard(on_begun=stop))
    db.migrate(swapped)
    assert db.rows("SELECT a, b FROM users WHERE id = 1") == [("b1", "a1")]


def test_a_swap_of_labels_is_not_undone_by_the_run_that_finishes_it(db: Database) -> None:
    table = "entity User {\n id: bigint primary,\n mood: Mood,\n}\n"
    db.run("enum Mood { up, down }\n" + table)
    db.execute("INSERT INTO users VALUES (1, 'up')")

    def stop(step: Step) -> None:
        if "ADD VALUE" in step.sql:
            raise KeyboardInterrupt

    swapped = "enum Mood { down was up, up was down, off }\n" + table
    with pytest.raises(KeyboardInterrupt):
        db.run(swapped, heard=Heard(on_begun=stop))
    assert db.rows("SELECT mood::text FROM users") == [("down",)]
    db.migrate(swapped)
    assert db.rows("SELECT mood::text FROM users") == [("down",)]


def test_a_unique_index_becomes_a_constraint_of_the_same_name(db: Database) -> None:
    _filled(db, _users('unique index (email) name "by_email"'), rows=10)
    schema = _users('unique (email) name "by_email"')
    assert db.migrate(schema) == ["ALTER TABLE users ADD CONSTRAINT by_email UNIQUE USING INDEX by_email"]
    assert len(db.migrate(_users('unique (age) name "by_email"'))) == 3


def test_not_null_takes_no_scan_under_a_strong_lock(db: Database, server_version: int) -> None:
    _filled(db)
    schema = _users().replace("age: int?", "age: int")
    assert _groups(db, schema) == _not_null_steps(server_version, "users", "age")
    db.migrate(schema)
    db.migrate(_users())
    assert db.value("SELECT count(*) FROM users") == ROWS


def test_unique_and_primary_keys_take_an_index_built_without_a_lock(db: Database) -> None:
    bare = "entity User {\n id: bigint,\n email: string?,\n}\n"
    db.run(bare)
    db.execute("INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 1000) n")
    schema = "entity User {\n id: bigint primary,\n email: string? unique,\n}\n"
    assert _groups(db, schema) == [
        ("alone", ["CREATE UNIQUE INDEX CONCURRENTLY users_pkey ON users(id)"]),
        ("together", ["ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_pkey"]),
        ("alone", ["CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users(email)"]),
        ("together", ["ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_key"]),
    ]
    db.migrate(schema)
    db.migrate(bare)
    assert db.value("SELECT count(*) FROM users") == 1000


def test_foreign_keys_and_checks_are_validated_in_a_transaction_of_their_own(db: Database) -> None:
    users = _users("team_id: bigint?")
    team = "entity Team { id: bigint primary }\n"
    _filled(db, users + team)
    db.execute("INSERT INTO teams VALUES (1)", "UPDATE users SET team_id = 1")
    schema = _users("team_id: bigint?", "team: Team? via team_id", "check (age >= 0)") + team
    assert _groups(db, schema) == [
        ("together", ["ALTER TABLE users ADD CONSTRAINT users_age_check CHECK (age >= 0) NOT VALID"]),
        ("together", ["ALTER TABLE users VALIDATE CONSTRAINT users_age_check"]),
        (
            "together",
            [
                "ALTER TABLE users ADD CONSTRAINT users_team_id_fkey"
                " FOREIGN KEY (team_id) REFERENCES teams(id) NOT VALID"
            ],
        ),
        ("together", ["ALTER TABLE users VALIDATE CONSTRAINT users_team_id_fkey"]),
    ]
    db.migrate(schema)
    db.migrate(users + team)


def test_a_rule_and_the_one_in_its_place_leave_no_gap(db: Database) -> None:
    team = "entity Team {\n    id: bigint primary,\n}\n"
    relation = "team_id: bigint?", "team: Team? via team_id"
    _filled(db, _users(*relation, "check (age >= 0) name adult") + team)
    db.execute("INSERT INTO teams VALUES (1)", "UPDATE users SET team_id = 1 WHERE age = 7")
    schema = _users(relation[0], f"{relation[1]} on delete cascade", "check (age > -1) name adult") + team
    key, rule = "CONSTRAINT users_team_id_fkey", "CONSTRAINT adult"
    changed = f"ADD {key} FOREIGN KEY (team_id) REFERENCES teams(id) ON DELETE CASCADE NOT VALID"
    assert _groups(db, schema) == [
        ("together", [f"ALTER TABLE users DROP {key}", f"ALTER TABLE users {changed}"]),
        ("together", [f"ALTER TABLE users VALIDATE {key}"]),
        (
            "together",
            [f"ALTER TABLE users DROP {rule}", f"ALTER TABLE users ADD {rule} CHECK (age > '-1'::integer) NOT VALID"],
        ),
        ("together", [f"ALTER TABLE users VALIDATE {rule}"]),
    ]
    db.migrate(schema)


def test_rows_are_not_validated_under_a_strong_lock_of_something_else(db: Database) -> None:
    _filled(db, _users("check (age >= 0) not valid name adult"))
    schema = _users("check (age >= 0) name adult", "handle: string?")
    assert _groups(db, schema) == [
        ("together", ["ALTER TABLE users ADD COLUMN handle TEXT"]),
        ("together", ["ALTER TABLE users VALIDATE CONSTRAINT adult"]),
    ]
    db.migrate(schema)


def test_a_lock_is_told_with_what_is_done_under_it(db: Database) -> None:
    _filled(db)
    told = lock_lines(db.plan(_users("handle: string backfill ('x')", "index (age)")).plan)
    assert told == (
        "users (24,000 rows, 1 MiB): ACCESS EXCLUSIVE, catalog only; SHARE UPDATE EXCLUSIVE, builds an index",
    )
    # In one transaction the strong lock is held while the index is built.
    small = replace(db, small_table_bytes=2**30)
    told = lock_lines(small.plan(_users("handle: string?", "index (age)")).plan)
    assert told == ("users: ACCESS EXCLUSIVE, builds an index",)


REPLACED = [
    ("alone", ["CREATE INDEX CONCURRENTLY idx_users_age__chameleon ON users(age DESC, email)"]),
    ("alone", ["DROP INDEX CONCURRENTLY idx_users_age"]),
    ("together", ["ALTER INDEX idx_users_age__chameleon RENAME TO idx_users_age"]),
]


def test_indexes_come_change_and_go_concurrently(db: Database) -> None:
    _filled(db)
    one, other = _users("index (age)"), _users('index (age desc, email) name "idx_users_age"')
    assert _groups(db, one) == [("alone", ["CREATE INDEX CONCURRENTLY idx_users_age ON users(age)"])]
    db.migrate(one)
    assert _groups(db, other) == REPLACED
    db.migrate(other)
    assert _groups(db, _users()) == [("alone", ["DROP INDEX CONCURRENTLY idx_users_age"])]
    db.migrate(_users())


@pytest.mark.parametrize(("at", "left"), [("DROP", 2), ("RENAME", 1)])
def test_an_index_that_takes_the_place_of_another_is_built_once(db: Database, at: str, left: int) -> None:
    _filled(db, _users("/// By age.\n index (age)"))
    other = _users('/// By age.\n index (age desc, email) name "idx_users_age"')

    def stop(step: Step) -> None:
        if at in step.sql:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.run(other, heard=Heard(on_begun=stop))
    plan = db.migrate(other)
    assert plan[:left] == [statements[0] for _, statements in REPLACED][-left:]
    assert not any("CREATE" in sql for sql in plan)
    assert db.value("SELECT obj_description('idx_users_age'::regclass)") == "By age."


def test_an_index_is_built_beside_another_when_its_columns_are_what_they_will_be(db: Database) -> None:
    _filled(db, _users("index (age)"))
    plan = db.migrate(_users('index (lower(age)) name "idx_users_age"').replace("age: int?", "age: string?"))
    assert [sql.split(" ON ")[0] for sql in plan] == [
        "DROP INDEX CONCURRENTLY idx_users_age",  # nothing that depends on a column is in the way of its change
        "ALTER TABLE users ALTER COLUMN age TYPE TEXT USING age::text",
        "CREATE INDEX CONCURRENTLY idx_users_age__chameleon",
        "ALTER INDEX idx_users_age__chameleon RENAME TO idx_users_age",
    ]


def test_an_index_of_somebody_else_is_not_taken_for_one_that_was_left_behind(db: Database) -> None:
    _filled(db, _users("index (age)"))
    db.execute("CREATE INDEX idx_users_age__chameleon ON users(email)")
    db.migrate(_users('index (age desc, email) name "idx_users_age"'))
    assert db.value("SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass") == 3


def test_indexes_whose_long_names_begin_alike_are_built_beside_each_other(db: Database) -> None:
    long = "by_age_and_" * 5
    _filled(db, _users(f'index (age) name "{long}1"', f'index (email) name "{long}2"'))
    plan = db.migrate(_users(f'index (age desc) name "{long}1"', f'index (email desc) name "{long}2"'))
    assert sum("CREATE INDEX CONCURRENTLY" in sql for sql in plan) == 2


def test_a_key_is_replaced_by_one_that_is_built_beside_it(db: Database) -> None:
    tag = "entity Tag { id: bigint primary, email: string?, user: User? via (email) references (email) }\n"
    _filled(db, _users('unique (email) name "by_mail"') + tag)
    other = _users('unique (email) include (age) name "by_mail"') + tag
    replaced = [
        ("alone", ["CREATE UNIQUE INDEX CONCURRENTLY by_mail__chameleon ON users(email) INCLUDE (age)"]),
        (
            "together",
            [
                "ALTER TABLE tags DROP CONSTRAINT tags_email_fkey",
                "ALTER TABLE users DROP CONSTRAINT by_mail",
                "ALTER TABLE users ADD CONSTRAINT by_mail UNIQUE USING INDEX by_mail__chameleon",
                "ALTER TABLE tags ADD CONSTRAINT tags_email_fkey FOREIGN KEY (email) REFERENCES users(email) NOT VALID",
            ],
        ),
        ("together", ["ALTER TABLE tags VALIDATE CONSTRAINT tags_email_fkey"]),
    ]
    assert _groups(db, other) == replaced

    def stop(step: Step) -> None:
        if "DROP" in step.sql:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.run(other, heard=Heard(on_begun=stop))
    assert _groups(db, other) == replaced[1:]
    db.migrate(other)


@pytest.mark.parametrize(
    ("member", "leftover"),
    [("unique (email)", "users_email_key"), ("unique index (email)", "idx_users_email"), ("primary", "users_pkey")],
)
def test_an_index_that_failed_on_duplicates_is_built_again(db: Database, member: str, leftover: str) -> None:
    schema = "entity User {\n id: bigint,\n email: string,\n}\n"
    db.run(schema)
    db.execute(
        "INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 100) n", "INSERT INTO users VALUES (7, 'u7')"
    )
    wanted = (
        schema.replace("id: bigint", "id: bigint primary")
        if member == "primary"
        else schema.replace("\n}", f"\n {member},\n}}")
    )
    with pytest.raises(DatabaseError, match="could not create unique index") as caught:
        db.run(wanted)
    assert caught.value.sqlstate == "23505"
    assert db.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{leftover}'::regclass") is False
    db.execute("DELETE FROM users WHERE ctid = (SELECT max(ctid) FROM users)")
    db.migrate(wanted)
    assert db.value("SELECT count(*) FROM users") == 100
    assert db.value("SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'users'::regclass")


# --- Locks -----------------------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_in_short_tries_and_the_holder_named(db: Database) -> None:
    _filled(db, rows=10)
    heard = Heard()
    with psycopg.connect(db.dsn, application_name="a slow report") as other:
        other.execute("SELECT count(*) FROM users")

        def release() -> None:
            if len(heard.missed) == 2:
                other.rollback()

        heard.on_missed = release
        db.run(_users("nick: string?"), patience=Patience(lock_timeout_s=0.05, deadline_s=20), heard=heard)
    assert len(heard.missed) >= 2
    assert "a slow report, idle in transaction" in (heard.missed[0] or "")
    assert db.statements(_users("nick: string?")) == []


def test_the_holder_is_named_by_a_step_on_a_table_that_was_renamed_before(db: Database) -> None:
    teams = "entity Team { id: bigint primary }\n"
    db.run(_users("team_id: bigint?") + teams)
    heard = Heard()
    with psycopg.connect(db.dsn, application_name="a writer") as other:
        other.execute("INSERT INTO teams VALUES (1)")
        heard.on_missed = other.rollback
        schema = _users("team_id: bigint?", "team: Team? via team_id").replace("User", "Person was User") + teams
        db.run(schema, patience=Patience(lock_timeout_s=0.05, deadline_s=20), heard=heard)
    assert "a writer" in (heard.missed[0] or "")


def test_a_lock_that_is_never_free_ends_the_run_with_nothing_changed(db: Database) -> None:
    _filled(db, rows=10)
    before = db.text()
    with psycopg.connect(db.dsn, application_name="a slow report") as other:
        other.execute("SELECT count(*) FROM users")
        with pytest.raises(LockNotAcquired, match="a slow report") as caught:
            db.run(_users("nick: string?"), patience=Patience(lock_timeout_s=0.02, deadline_s=0.4))
        assert caught.value.exit_status == 7
    assert db.text() == before
    db.migrate(_users("nick: string?"))


def test_a_waiting_run_does_not_hold_up_readers(db: Database) -> None:
    _filled(db, rows=10)
    with psycopg.connect(db.dsn) as other:
        other.execute("SELECT count(*) FROM users")
        run = threading.Thread(
            target=lambda: db.run(_users("nick: string?"), patience=Patience(lock_timeout_s=0.05, deadline_s=30))
        )
        run.start()
        with psycopg.connect(db.dsn, autocommit=True) as reader:
            reader.execute("SET statement_timeout = '5s'")
            for _ in range(40):
                reader.execute("SELECT count(*) FROM users")
                time.sleep(0.02)
        other.rollback()
        run.join()
    assert db.statements(_users("nick: string?")) == []


def test_the_second_of_two_runs_waits_and_finds_it_done(db: Database) -> None:
    _filled(db)
    schema = _users("nick: string?", "index (age)", "code: uuid default uuid()")
    results: list[list[str]] = []
    runs = [threading.Thread(target=lambda: results.append(db.run(schema))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(map(bool, results)) == [False, False, True]
    assert db.statements(schema) == []
    kinds = [kind for (kind,) in db.rows("SELECT kind FROM chameleon.ledger ORDER BY seq")]
    assert kinds.count("BEGIN") == kinds.count("APPLIED") == 2
    _assert_chain(db)


# --- Ledger ----------------------------------------------------------------------------------------------------------


def _assert_chain(db: Database) -> None:
    prev = "0" * 64
    rows = db.rows("SELECT seq, body, prev, hash FROM chameleon.ledger ORDER BY seq")
    for number, (seq, body, row_prev, row_hash) in enumerate(rows, start=1):
        assert seq == number
        assert row_prev == prev
        assert row_hash == hashlib.sha256(f"chameleon.ledger/1\n{seq}\n{prev}\n{body}".encode()).hexdigest()
        prev = row_hash


def test_the_ledger_is_a_chain_of_hashes(db: Database) -> None:
    for schema in (_users(), _users("näme: string?"), _users('"tab\\t": string?')):
        db.migrate(schema)
    _assert_chain(db)
    versions = db.rows("SELECT version_id, parent_id FROM chameleon.ledger WHERE kind = 'APPLIED' ORDER BY seq")
    assert [parent for _, parent in versions] == ["none", *[version for version, _ in versions[:-1]]]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE chameleon.ledger SET who = 'me'", "DELETE FROM chameleon.ledger", "TRUNCATE chameleon.ledger"],
)
def test_the_ledger_refuses_edits(db: Database, statement: str) -> None:
    db.run(_users())
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        db.execute(statement)


def test_the_ledger_refuses_an_old_head(db: Database) -> None:
    db.run(_users())
    first = db.value("SELECT hash FROM chameleon.ledger WHERE seq = 1")
    with pytest.raises(psycopg.errors.SerializationFailure):
        db.execute(f"SELECT chameleon.append('{first}', '{{\"kind\": \"STEP\"}}')")
    _assert_chain(db)


def _kinds(db: Database) -> list[str]:
    """Return what was recorded since the first version."""
    query = (
        "SELECT kind FROM chameleon.ledger WHERE seq > (SELECT min(seq) FROM chameleon.ledger WHERE kind = 'APPLIED')"
    )
    return [kind for (kind,) in db.rows(f"{query} ORDER BY seq")]


def _last(db: Database, kind: str) -> dict[str, Any]:
    """Return the body of the newest row of a kind."""
    body = db.value(f"SELECT body FROM chameleon.ledger WHERE kind = '{kind}' ORDER BY seq DESC LIMIT 1")
    return dict(json.loads(body))


INDEXED = _users("nick: string?", "index (age)")
ENTRIES = ["BEGIN", "STEP", "START", "STEP", "APPLIED"]


def test_what_cannot_be_in_a_transaction_is_announced_and_then_recorded(db: Database) -> None:
    _filled(db, rows=10)
    recorded = []
    db.run(INDEXED, heard=Heard(on_begun=lambda _: recorded.append(_kinds(db))))
    assert recorded == [ENTRIES[:1], ENTRIES[:3]]
    assert _kinds(db) == ENTRIES
    sql = "CREATE INDEX CONCURRENTLY idx_users_age ON users(age)"
    assert (
        _last(db, "START")["step_hashes"]
        == _last(db, "STEP")["step_hashes"]
        == [hashlib.sha256(sql.encode()).hexdigest()]
    )
    assert _last(db, "START")["step"] == 1
    _assert_chain(db)


def test_why_a_run_failed_is_recorded_without_the_rows(db: Database) -> None:
    _filled(db, rows=10)
    db.execute("UPDATE users SET email = 'ann@example.com' WHERE id < 3")
    with pytest.raises(DatabaseError):
        db.run(_users("nick: string?", "unique (email)"))
    assert _kinds(db) == ["BEGIN", "STEP", "START", "FAILED"]
    failed = _last(db, "FAILED")
    assert (failed["code"], failed["sqlstate"], failed["step"]) == ("CHM4010", "23505", 1)
    assert failed["message"] == 'could not create unique index "users_email_key"'
    db.execute("DELETE FROM users WHERE id = 1")
    db.migrate(_users("nick: string?", "unique (email)"))
    begins = db.rows("SELECT body::json->>'resumes', run::text FROM chameleon.ledger WHERE kind = 'BEGIN' ORDER BY seq")
    assert begins[-1][0] == begins[-2][1]
    _assert_chain(db)


def test_a_transaction_that_failed_leaves_nothing_but_the_reason(db: Database) -> None:
    _filled(db, rows=10)

    def fill(step: Step) -> None:
        db.execute("INSERT INTO teams VALUES (1, 'a')")

    teams = _users() + "entity Team { id: bigint primary, name: string? }\n"
    db.run(teams)
    before = len(_kinds(db))
    with pytest.raises(ChameleonError, match="has rows now"):
        db.run(teams.replace(", name: string?", ""), heard=Heard(on_begun=fill))
    assert _kinds(db)[before:] == ["FAILED"]
    assert _last(db, "FAILED")["code"] == "CHM1011"


def test_a_first_run_that_failed_leaves_no_ledger(db: Database) -> None:
    with pytest.raises(ChameleonError):
        db.run(_users(), heard=Heard(on_begun=lambda _: _fail()))
    assert db.rows("SELECT FROM pg_namespace WHERE nspname = 'chameleon'") == []


def _fail() -> None:
    raise DatabaseError("CHM4010", "no")


def test_a_ledger_that_has_moved_on_stops_the_run(db: Database) -> None:
    _filled(db, rows=10)

    def move_on(step: Step) -> None:
        if "CONCURRENTLY" in step.sql:
            with db.session() as (connection, _):
                record(connection, read_head(connection), {"kind": "ADOPT", "reason": "copy"})

    with pytest.raises(StalePlan, match="the ledger has moved on"):
        db.run(INDEXED, heard=Heard(on_begun=move_on))
    assert _kinds(db) == ["BEGIN", "STEP", "START", "ADOPT"]
    db.migrate(INDEXED)
    _assert_chain(db)


def test_a_lost_connection_is_told_though_nothing_can_be_recorded(db: Database) -> None:
    _filled(db, rows=10)

    def end(step: Step) -> None:
        if "CONCURRENTLY" in step.sql:
            db.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name ~ 'chameleon'"
            )

    with pytest.raises(DatabaseUnreachable):
        db.run(INDEXED, heard=Heard(on_begun=end))
    assert _kinds(db) == ["BEGIN", "STEP", "START"]
    db.migrate(INDEXED)


def test_a_step_that_was_announced_and_never_begun_is_run_by_the_next(db: Database) -> None:
    _filled(db, rows=10)

    def stop(step: Step) -> None:
        if "CONCURRENTLY" in step.sql:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.run(INDEXED, heard=Heard(on_begun=stop))
    assert _kinds(db) == ["BEGIN", "STEP", "START"]
    assert db.migrate(INDEXED) == ["CREATE INDEX CONCURRENTLY idx_users_age ON users(age)"]
    assert _kinds(db)[3:] == ["BEGIN", "START", "STEP", "APPLIED"]


@pytest.mark.parametrize("columns", ["(age)", "(email)"])
def test_an_object_of_that_name_stops_the_run(db: Database, columns: str) -> None:
    _filled(db, rows=10)

    def come_first(step: Step) -> None:
        if "CONCURRENTLY" in step.sql:
            db.execute(f"CREATE INDEX idx_users_age ON users {columns}")

    with pytest.raises(DatabaseError, match="already exists"):
        db.run(INDEXED, heard=Heard(on_begun=come_first))
    assert _last(db, "FAILED")["sqlstate"] == "42P07"
    # The next plan shows what will happen to it, before anything does.
    plan = db.migrate(INDEXED)
    assert plan == [] if columns == "(age)" else any("DROP INDEX CONCURRENTLY idx_users_age" in sql for sql in plan)
    assert _kinds(db)[-1] == "APPLIED"
