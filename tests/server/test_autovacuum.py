"""A plan whose table is being vacuumed by the server: it waits until the server ends the vacuum, if it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chameleondb.apply.executor import Patience
from chameleondb.errors import LockNotAcquired
from chameleondb.postgres.activity import lock_holders
from chameleondb.postgres.session import connect
from chameleondb.postgres.url import parse
from chameleondb.steps import LockMode
from tests.cluster import Cluster, Databases, running_cluster
from tests.migrating import Database, Heard

pytestmark = pytest.mark.server

ITEMS = "entity Item { id: int primary, a: int? }\n"
MORE = "entity Item { id: int primary, a: int?, b: int? }\n"
ROLE = "somebody"

# As slow as a vacuum can be: it is still at work when the test ends.
SLOWLY = "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_cost_delay = 100"
WORKER = "SELECT query FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%public.items%'"


@pytest.fixture(scope="module")
def busy() -> Iterator[Cluster]:
    with running_cluster(autovacuum_naptime="1s") as cluster:
        yield cluster


@pytest.fixture
def db(busy: Cluster, tmp_path: Path) -> Iterator[Database]:
    databases = Databases(busy)
    db = Database(databases.new(), tmp_path)
    db.run(ITEMS)
    db.execute("ALTER TABLE items SET (autovacuum_enabled = off)")
    db.execute("INSERT INTO items SELECT n FROM generate_series(1, 100000) n")
    yield db
    databases.drop_all()


@contextmanager
def _vacuumed(db: Database, settings: str = "") -> Iterator[str]:
    """Yield what the server says of its vacuum, as soon as it is at work."""
    db.execute("UPDATE items SET a = 1")
    db.execute(f"ALTER TABLE items SET (autovacuum_enabled = on, autovacuum_vacuum_threshold = 0, {SLOWLY}{settings})")
    end = time.monotonic() + 60
    while not (found := db.rows(WORKER)):
        assert time.monotonic() < end
        time.sleep(0.05)
    yield found[0][0]


def test_a_vacuum_is_waited_for_until_the_server_ends_it(db: Database) -> None:
    heard = Heard()
    with _vacuumed(db):
        db.run(MORE, patience=Patience(lock_timeout_s=0.05, deadline_s=60), heard=heard)
    assert ", an autovacuum worker (active, for " in (heard.missed[0] or "")
    assert db.statements(MORE) == []


def test_a_role_that_may_not_know_what_it_is_knows_a_vacuum_all_the_same(db: Database) -> None:
    db.execute(f"CREATE ROLE {ROLE} LOGIN")
    target = parse(make_conninfo(db.dsn, user=ROLE), origin="the test")
    with _vacuumed(db), connect(target) as stranger:
        seen = lock_holders(stranger, [("items", LockMode.SHARE_ROW_EXCLUSIVE)])
        none = lock_holders(stranger, [("items", LockMode.ROW_EXCLUSIVE)])
    assert seen is not None
    assert seen.who.endswith(", an autovacuum worker")
    assert seen.yields_after_s is not None
    assert none is not None
    assert none.yields_after_s is None, "what is not in the way needs not be ended"


def test_with_a_session_in_the_way_as_well_tries_stay_short(db: Database) -> None:
    with _vacuumed(db), psycopg.connect(db.dsn) as other, connect(parse(db.dsn, origin="the test")) as session:
        other.execute("SELECT FROM items LIMIT 1")
        wanted = {
            mode: lock_holders(session, [("items", mode)]) for mode in (LockMode.SHARE, LockMode.ACCESS_EXCLUSIVE)
        }
    assert {mode: bool(seen and seen.yields_after_s) for mode, seen in wanted.items()} == {
        LockMode.SHARE: True,
        LockMode.ACCESS_EXCLUSIVE: False,
    }


def test_a_vacuum_against_wraparound_is_told_as_what_it_is(db: Database) -> None:
    # Ages the table past the lowest limit there is.
    db.execute("CREATE TABLE ages (a int)")
    db.execute(
        "DO $$ BEGIN FOR n IN 1..100001 LOOP BEGIN INSERT INTO ages VALUES (n);"
        " EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
    )
    heard = Heard()
    with _vacuumed(db, ", autovacuum_freeze_max_age = 100000") as query:
        assert query.endswith("(to prevent wraparound)")
        with pytest.raises(LockNotAcquired, match=r"an autovacuum worker \(to prevent wraparound, active, for "):
            db.run(MORE, patience=Patience(lock_timeout_s=0.02, deadline_s=0.4), heard=heard)
