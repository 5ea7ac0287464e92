"""Lock lines: who waits for what, and to what order of magnitude how long."""

from __future__ import annotations

import pytest

from chameleondb.model.facts import Facts, TableFacts
from chameleondb.names import Identity
from chameleondb.planner.estimate import magnitude, seconds
from chameleondb.planner.plan import Group, Plan
from chameleondb.steps import Effort, Lock, LockMode, Step, Transaction
from chameleondb.workflow.describe import lock_lines

GIB = 1024**3
USERS, POSTS = (Identity("relation", ("public", name)) for name in ("users", "posts"))


def _step(mode: LockMode, effort: Effort, took: float, *tables: Identity) -> Step:
    return Step(sql="…", locks=tuple(Lock(t, mode) for t in tables or (USERS,)), effort=effort, seconds=took)


ADD = _step(LockMode.ACCESS_EXCLUSIVE, Effort.CATALOG, 0)
SCAN = _step(LockMode.SHARE_UPDATE_EXCLUSIVE, Effort.SCAN, 30)
BUILD = _step(LockMode.SHARE, Effort.BUILD, 40)
REWRITE = _step(LockMode.ACCESS_EXCLUSIVE, Effort.REWRITE, 4000)


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ([[ADD]], "users: ACCESS EXCLUSIVE, catalog only"),
        # What was locked stays so until the end of the transaction.
        ([[ADD, SCAN]], "users: ACCESS EXCLUSIVE, scans the table, for seconds"),
        ([[ADD, SCAN, BUILD]], "users: ACCESS EXCLUSIVE, builds an index, for minutes"),
        ([[REWRITE, ADD]], "users: ACCESS EXCLUSIVE, rewrites the table, for hours"),
        # What ran before the strong lock was taken held up nobody else.
        (
            [[BUILD, ADD, SCAN]],
            "users: ACCESS EXCLUSIVE, scans the table, for seconds; SHARE, builds an index, for minutes",
        ),
        ([[BUILD, ADD]], "users: ACCESS EXCLUSIVE, catalog only; SHARE, builds an index, for seconds"),
        (
            [[ADD], [SCAN]],
            "users: ACCESS EXCLUSIVE, catalog only; SHARE UPDATE EXCLUSIVE, scans the table, for seconds",
        ),
        ([[SCAN], [SCAN]], "users: SHARE UPDATE EXCLUSIVE, scans the table, for seconds"),
    ],
)
def test_a_lock_is_told_for_as_long_as_it_is_held(groups: list[list[Step]], line: str) -> None:
    assert lock_lines(Plan(groups=tuple(Group(tuple(steps)) for steps in groups))) == (line,)


def test_work_on_one_table_holds_the_lock_of_another() -> None:
    other = _step(LockMode.ACCESS_EXCLUSIVE, Effort.REWRITE, 100, POSTS)
    assert lock_lines(Plan(groups=(Group((ADD, other)),))) == (
        "posts: ACCESS EXCLUSIVE, rewrites the table, for minutes",
        "users: ACCESS EXCLUSIVE, catalog only, for minutes",
    )


def test_a_large_table_is_told_with_its_size() -> None:
    plan = Plan(groups=(Group((ADD,)),), large={USERS: TableFacts(3 * GIB, 1_200_000, exact=False)})
    assert lock_lines(plan) == ("users (about 1,200,000 rows, 3.0 GiB): ACCESS EXCLUSIVE, catalog only",)


def test_the_largest_table_that_is_read_counts() -> None:
    facts = Facts(tables={USERS: TableFacts(GIB, 1), POSTS: TableFacts(2 * GIB, 1)})
    locks = [Lock(table, LockMode.SHARE) for table in (USERS, POSTS)]
    scan = seconds(Effort.SCAN, Transaction.INSIDE, locks, facts)
    assert scan == 2 * seconds(Effort.SCAN, Transaction.INSIDE, locks[:1], facts)
    assert scan < seconds(Effort.BUILD, Transaction.INSIDE, locks, facts)
    assert seconds(Effort.BUILD, Transaction.INSIDE, locks, facts) < seconds(
        Effort.BUILD, Transaction.OUTSIDE, locks, facts
    )
    assert seconds(Effort.CATALOG, Transaction.INSIDE, locks, facts) == 0
    assert seconds(Effort.REWRITE, Transaction.INSIDE, [], facts) == 0


@pytest.mark.parametrize(
    ("duration", "words"),
    [(0, ""), (0.99, ""), (1, "seconds"), (59, "seconds"), (60, "minutes"), (3599, "minutes"), (3600, "hours")],
)
def test_durations_are_told_to_an_order_of_magnitude(duration: float, words: str) -> None:
    assert magnitude(duration) == words
