"""What sessions are doing: told of an index that is built, and of whoever is in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chameleondb.postgres.activity import Blockers, Onlooker, lock_holders
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target, parse
from chameleondb.steps import LockMode

pytestmark = pytest.mark.server

ROLE = "chameleon_onlooker"


@pytest.fixture
def target(database: str) -> Target:
    return parse(database, origin="the test")


@pytest.fixture
def session(target: Target) -> Iterator[Connection]:
    """A session that owns a table."""
    with connect(target) as opened:
        opened.execute(b"CREATE TABLE items (a int)")
        yield opened


def _await(look: Onlooker, words: str) -> str:
    """Return what is seen as soon as the words are in it."""
    end = time.monotonic() + 30
    while words not in (seen := look() or ""):
        assert time.monotonic() < end, f"{words}: not in {seen}"
        time.sleep(0.01)
    return seen


def test_an_index_that_waits_for_a_writer_is_seen_with_the_writer(target: Target, session: Connection) -> None:
    with (
        closing(Onlooker(target, session)) as look,
        psycopg.connect(target.conninfo, application_name="a writer") as other,
    ):
        assert look() is None
        other.execute("INSERT INTO items VALUES (0)")
        pid = other.info.backend_pid
        build = threading.Thread(target=session.execute, args=(b"CREATE INDEX CONCURRENTLY ON items (a)",))
        build.start()
        seen = _await(look, "before build, held up by")
        other.rollback()
        build.join()
    assert seen.startswith(
        f"waiting for writers before build, held up by process {pid} of postgres (a writer, idle in transaction, for 0"
    )
    look.close()


def test_where_the_connection_cannot_be_made_nothing_is_seen(target: Target, session: Connection) -> None:
    nowhere = replace(target, conninfo=make_conninfo(target.conninfo, dbname="nowhere"))
    look = Onlooker(nowhere, session)
    assert look() is None
    look.close()


def test_what_a_role_may_not_know_is_left_out(target: Target, session: Connection) -> None:
    session.execute(f"CREATE ROLE {ROLE} LOGIN".encode())
    try:
        with (
            psycopg.connect(target.conninfo, application_name="a writer") as other,
            connect(replace(target, conninfo=make_conninfo(target.conninfo, user=ROLE))) as stranger,
        ):
            other.execute("INSERT INTO items VALUES (0)")
            seen = lock_holders(stranger, [("items", LockMode.SHARE)])
            assert seen == Blockers(f"process {other.info.backend_pid} of postgres (a writer)", None)
            assert lock_holders(stranger, [("nothing", LockMode.SHARE)]) is None
    finally:
        session.execute(f"DROP ROLE {ROLE}".encode())
