"""The command is ended at any instant; running it once more finishes the same change, with every row in place."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from tests.cluster import Databases, running_cluster
from tests.command import run_module, url_of
from tests.migrating import Database

ROWS = 12_000
BEFORE = """
entity User {
    id: bigint primary,
    email: string?,
    a: string,
    b: string,
    age: int?,
}
entity Team { id: bigint primary }
"""
TOGETHER = """
entity Person was User {
    id: bigint primary,
    mail: string? was email,
    a: string was b,
    b: string was a,
    age: int? check (age >= 0),
    team: Team? via team_id,
    team_id: bigint?,
    unique (mail),
    index (age),
}
entity Team { id: bigint primary, kind: Kind default red }
enum Kind { red, blue }
"""
CONCURRENTLY = TOGETHER.replace("team_id: bigint?,", "team_id: bigint?,\n    unique index (a, b) where (age > 3),")
BACK = """
entity User was Person {
    id: bigint primary,
    email: string? was mail,
    a: string was b,
    b: string was a,
    age: int?,
}
entity Team { id: bigint primary }
"""
BACKFILL = """
entity User {
    id: bigint primary,
    email: string?,
    a: string,
    b: string,
    age: int,
    handle: string backfill ('@' || email),
    key: uuid default uuid(),
}
entity Team { id: bigint primary }
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder and its database, used through the command."""

    db: Database
    url: str

    def start(self, schema: str, *options: str) -> subprocess.Popen[str]:
        """Start ``chameleon migrate --apply`` in the background."""
        (self.db.local / "schema.cham").write_text(schema)
        return subprocess.Popen(
            [sys.executable, "-m", "chameleondb", "migrate", "--apply", "-v", *options],
            cwd=self.db.local,
            env={**os.environ, "DATABASE_URL": self.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, schema: str, *options: str) -> None:
        """Run it once more, to the end."""
        with self.start(schema, *options) as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
        assert self.db.statements(schema) == []

    def shadows(self) -> list[str]:
        """Return the scratch databases of this server."""
        return [name for (name,) in self.db.rows("SELECT datname FROM pg_database WHERE datname ~ 'chameleon'")]


@pytest.fixture
def project(database: str, tmp_path: Path) -> Project:
    return _filled(database, tmp_path)


def _filled(database: str, tmp_path: Path) -> Project:
    (tmp_path / ".chameleon.yml").write_text("migration:\n  small_table: 0MB\n  lock_deadline: 30s\n")
    db = Database(database, tmp_path, small_table_bytes=0)
    db.run(BEFORE)
    db.execute(
        f"INSERT INTO users SELECT n, 'm' || n, 'a' || n, 'b' || n, n % 90 FROM generate_series(1, {ROWS}) n",
        "INSERT INTO teams VALUES (1)",
    )
    return Project(db, url_of(database))


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def _await(process: subprocess.Popen[str], words: str, count: int = 1) -> None:
    """Wait until the command has said on stderr, `count` times, that it does something."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        count -= words in line
        if count == 0:
            return
    raise AssertionError(f"it never said {words!r}, but: {''.join(said)}")


def _assert_finished(project: Project, schema: str) -> None:
    project.finish(schema)
    table, mail = ("people", "mail") if "Person" in schema else ("users", "email")
    swapped = "b" if "was b" in schema else "a"
    assert project.db.rows(f"SELECT count(*), count(DISTINCT {mail}) FROM {table}") == [(ROWS, ROWS)]
    assert project.db.value(f"SELECT a FROM {table} WHERE id = 7") == f"{swapped}7"
    if schema == BACKFILL:
        assert project.db.rows("SELECT count(DISTINCT handle), count(DISTINCT key) FROM users") == [(ROWS, ROWS)]
    assert project.db.value("SELECT bool_and(indisvalid) FROM pg_index") is True
    applied = project.db.rows("SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'")
    assert applied == [(2,)]
    assert project.db.rows("SELECT count(*), max(seq) FROM chameleon.ledger")[0][0] == project.db.value(
        "SELECT max(seq) FROM chameleon.ledger"
    )


def _sized(project: Project, name: str) -> Project:
    """Let the tables be small ones where the change is to be a single transaction."""
    if name != "together":
        return project
    (project.db.local / ".chameleon.yml").write_text("migration:\n  lock_deadline: 30s\n")
    return Project(replace(project.db, small_table_bytes=SMALL_TABLE_BYTES_DEFAULT), project.url)


SCHEMAS = {"together": TOGETHER, "concurrently": CONCURRENTLY, "backfill": BACKFILL}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("together", "RENAME TO people"),
        ("together", "ADD CONSTRAINT people_team_id_fkey"),
        ("concurrently", "CREATE UNIQUE INDEX CONCURRENTLY people_mail_key"),
        ("concurrently", "UNIQUE USING INDEX"),
        ("concurrently", "VALIDATE CONSTRAINT people_age_check"),
        ("backfill", "UPDATE users SET handle"),
        ("backfill", "VALIDATE CONSTRAINT users_key"),
    ],
)
def test_killed_at_a_statement(project: Project, name: str, words: str) -> None:
    project = _sized(project, name)
    process = project.start(SCHEMAS[name])
    with _ended(process):
        _await(process, words)
    _assert_finished(project, SCHEMAS[name])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("concurrently", "CREATE UNIQUE INDEX CONCURRENTLY people_mail_key"),
        ("concurrently", "CREATE UNIQUE INDEX CONCURRENTLY idx_people_a_b"),
        ("backfill", "UPDATE users SET handle"),
        ("backfill", "VALIDATE CONSTRAINT users_key"),
    ],
)
def test_nothing_is_left_of_a_version_that_is_given_up(project: Project, name: str, words: str) -> None:
    process = project.start(SCHEMAS[name])
    with _ended(process):
        _await(process, words)
    back = BEFORE if name == "backfill" else BACK
    project.finish(back, "--allow", "*")
    assert project.db.plan(back).plan.unmanaged == ()
    assert project.db.rows("SELECT count(*), count(DISTINCT email) FROM users") == [(ROWS, ROWS)]


def test_killed_again_and_again(project: Project) -> None:
    seed = random.randrange(10**6)
    instants = random.Random(seed)
    for _ in range(6):
        process = project.start(CONCURRENTLY)
        with _ended(process):
            time.sleep(instants.uniform(0.3, 2.0))
    left = project.shadows()
    try:
        _assert_finished(project, CONCURRENTLY)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}") from error
    assert not set(left) & set(project.shadows())


@contextmanager
def _reader(project: Project) -> Iterator[psycopg.Connection]:
    """A transaction that has read both tables and stays open, with its locks and its snapshot."""
    with psycopg.connect(project.db.dsn, application_name="a slow report") as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM users")
        yield reader


def _our_sessions(project: Project) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'chameleon'"
    return [pid for (pid,) in project.db.rows(query)]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


INDEXED = BEFORE.replace("int?,", "int?,\n    index (age),")
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_while_waiting_for_a_lock(project: Project, number: int, status: int) -> None:
    project = _sized(project, "together")
    before, shadows = project.db.text(), project.shadows()
    with _reader(project):
        process = project.start(TOGETHER)
        with _ended(process):
            _await(process, "waiting for a lock held by process")
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == status
        assert "Traceback" not in errors
        assert _our_sessions(project) == []
    assert project.db.text() == before
    word = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[signal.Signals(number)]
    (line,) = (project.db.local / ".chameleon/local/journal.jsonl").read_text().splitlines()
    assert (json.loads(line)["status"], json.loads(line)["detail"]) == ("interrupted", word)
    assert not set(project.shadows()) - set(shadows)
    _assert_finished(project, TOGETHER)


def test_asked_to_stop_while_an_index_is_built(project: Project) -> None:
    with _reader(project):
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            _until(lambda: bool(project.db.value(BUILDING)))
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        assert process.returncode == 130
        _until(lambda: _our_sessions(project) == [])
    project.finish(INDEXED)


def test_killed_while_an_index_is_built(project: Project) -> None:
    with _reader(project):
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            _until(lambda: bool(project.db.value(BUILDING)))
        # The server builds on, and holds the lock of the run; whoever comes next waits for both.
        second = project.start(INDEXED)
        with _ended(second):
            time.sleep(1)
            assert second.poll() is None
    project.finish(INDEXED)


def test_a_run_that_was_killed_is_told_by_the_journal(project: Project) -> None:
    with _reader(project):
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            assert _runs(project) == [], "it is at work"
    _until(lambda: _our_sessions(project) == [])
    assert _runs(project) == [("interrupted", "v001", "as postgres, not finished")]
    project.finish(INDEXED)
    assert _runs(project) == [("interrupted", "v001", "as postgres, finished by a later run")]


def _runs(project: Project) -> list[tuple[str, str, str]]:
    found = []
    for words in (("errors",), ("migrations",), ("search", "interrupted"), ("last", "100")):
        done = run_module(
            "chameleondb",
            ("journal", *words, "--format", "json"),
            project.db.local,
            {**os.environ, "DATABASE_URL": project.url},
        )
        entries = [e for e in json.loads(done.stdout)["entries"] if e["action"] == "run"]
        assert {e["source"] for e in entries} <= {"ledger"}
        found.append([(e["status"], e["version"], e["detail"]) for e in entries])
    assert all(one == found[0] for one in found)
    return found[0]


def test_the_session_is_ended_by_somebody(project: Project) -> None:
    with _reader(project):
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            _until(lambda: bool(project.db.value(BUILDING)))
            project.db.rows(f"SELECT pg_terminate_backend({_our_sessions(project)[0]})")
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 8
        assert "error[CHM4002]: the connection was lost: terminating connection" in errors
        assert "Traceback" not in errors
    project.finish(INDEXED)


def test_killed_between_the_end_of_a_step_and_its_record(project: Project) -> None:
    with psycopg.connect(project.db.dsn, autocommit=True) as other:
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            other.execute(HOLD_THE_LEDGER)
            _until(lambda: project.db.rows(VALID) == [(True,)])
            _until(lambda: bool(project.db.value(WAITING)))
        before = project.db.value("SELECT 'idx_users_age'::regclass::oid")
        other.execute("SELECT pg_advisory_unlock_all()")
    _until(lambda: _our_sessions(project) == [])
    # The index is there, and nobody has written that it is.
    kinds = "SELECT kind FROM chameleon.ledger ORDER BY seq DESC LIMIT 1"
    assert project.db.value(kinds) == "START"
    project.finish(INDEXED)
    assert project.db.value("SELECT 'idx_users_age'::regclass::oid") == before
    assert project.db.value(kinds) == "APPLIED"


# The lock that chameleon.append takes.
HOLD_THE_LEDGER = "SELECT pg_advisory_lock(4859229, 1)"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_users_age')"


def test_the_server_crashes_while_an_index_is_built(tmp_path: Path) -> None:
    with running_cluster(synchronous_commit="on") as cluster:
        project = _filled(Databases(cluster).new(), tmp_path)
        reader = psycopg.connect(project.db.dsn)
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM users")
        process = project.start(INDEXED)
        with _ended(process):
            _await(process, "running: CREATE INDEX CONCURRENTLY")
            _until(lambda: bool(project.db.value(BUILDING)))
            os.kill(_our_sessions(project)[0], signal.SIGKILL)  # then the server starts all of itself again
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 8
        assert "Traceback" not in errors
        reader.close()
        _until(lambda: _is_up(project))
        assert project.db.rows(VALID) == [(False,)]
        project.finish(INDEXED)
        assert project.db.rows(VALID) == [(True,)]


def _is_up(project: Project) -> bool:
    try:
        psycopg.connect(project.db.dsn).close()
    except psycopg.OperationalError:
        return False
    return True
