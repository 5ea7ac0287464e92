"""The locks that a plan tells are those that PostgreSQL takes, as a transaction that is still open shows them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from chameleondb.planner.plan import Group
from chameleondb.steps import LockMode
from chameleondb.workflow.describe import lock_lines
from tests.migrating import Database

USERS = "entity User { id: int primary, name: string(20) unique, age: int?, check (age > 0) name too_young }\n"
POSTS = "entity Post { id: int primary, author_id: int, author: User via author_id, by: string(20)? }\n"
BY = "entity Post { id: int primary, author_id: int, author: User via author_id, by: string(20)?, \
u: User? via by references (name) }\n"
COUNTED = USERS + "sequence s owned by User.age"
NUMBERED = "entity Post { id: serial primary, number: int identity }"
ENFORCED = POSTS.replace("via author_id,", "via author_id not enforced,")

# What may wait for nobody or holds up nobody who reads or writes.
_TOLD_FROM = LockMode.SHARE_UPDATE_EXCLUSIVE

_HELD = """
    SELECT n.nspname, c.relname, c.oid, l.mode
      FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_class c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid() AND n.nspname = 'public' AND c.relkind IN ('r', 'S')
       AND c.oid = ANY(%s)"""

CHANGES = {
    "table dropped": (USERS + POSTS, USERS),
    "tables dropped": (USERS + POSTS, ""),
    "column added": (USERS, USERS.replace("age: int?", "age: int?, code: int default 1")),
    "column dropped": (USERS + POSTS, USERS + POSTS.replace(", by: string(20)?", "")),
    "type changed": (USERS + POSTS, USERS.replace("id: int", "id: bigint") + POSTS),
    "type widened": (USERS + BY, USERS.replace("string(20)", "string(30)") + BY),
    "types widened": (USERS + BY, (USERS + BY).replace("string(20)", "string(30)")),
    "key made and unmade": (USERS + BY, USERS + POSTS),
    "key changed": (USERS + POSTS, USERS + POSTS.replace("author_id,", "author_id on delete cascade,", 1)),
    "key deferred": (USERS + POSTS, USERS + POSTS.replace("via author_id,", "via author_id deferrable,")),
    "index": (USERS, USERS.replace("age: int?", "age: int? index")),
    "check": (USERS, USERS.replace("age > 0", "age > 1")),
    "required": (USERS, USERS.replace("age: int?", "age: int")),
    "statistics": (USERS, USERS.replace("age: int?", "age: int? statistics 500")),
    "unlogged": (
        POSTS.replace("author: User via author_id,", ""),
        POSTS.replace("author: User via author_id,", "").replace("Post {", "Post unlogged {"),
    ),
    "options": (USERS, USERS.replace("User {", "User with (fillfactor = 70) {")),
    "table renamed": (USERS, USERS.replace("User {", "Person was User {").replace("age: int?", "age: int? index")),
    "sequence renamed": (COUNTED, COUNTED.replace("sequence s ", 'sequence "n" ')),
    "sequence options": (COUNTED, COUNTED.replace("owned", "increment 5 owned")),
    "sequence unlogged": (COUNTED, COUNTED.replace("owned", "unlogged owned")),
    "sequence dropped": (COUNTED, USERS),
    "identity options": (NUMBERED, NUMBERED.replace("identity", "identity always (increment 5)")),
    "identity renamed": (NUMBERED, NUMBERED.replace("identity", 'identity sequence "n"')),
    "identity dropped": (NUMBERED, NUMBERED.replace(" identity", "")),
    "identity to serial": (NUMBERED, NUMBERED.replace("int identity", "serial")),
    "numbered column dropped": (NUMBERED, "entity Post { id: serial primary }"),
    "numbered table dropped": (USERS + NUMBERED, USERS),
    "numbered table unlogged": (NUMBERED, NUMBERED.replace("Post", "Post unlogged")),
    "numbered column renamed": (NUMBERED, NUMBERED.replace("number: int identity", "digits: int identity was number")),
    "numbered type": (NUMBERED, NUMBERED.replace("number: int", "number: bigint")),
    "field renamed": (
        USERS + POSTS,
        USERS.replace("age: int?", "years: int? was age").replace("age >", "years >") + POSTS,
    ),
}


def _untold(database: str, groups: tuple[Group, ...]) -> list[str]:
    """Run a plan; return each lock that was taken on a table of before and not told."""
    found = []
    with psycopg.connect(database, autocommit=True) as connection:
        tables: dict[int, str] = dict(
            connection.execute("SELECT oid, relname FROM pg_catalog.pg_class WHERE oid >= 16384").fetchall()
        )
        for group in groups:
            if not group.transactional:
                connection.execute(group.steps[0].sql.encode())
                continue
            told: dict[tuple[str, ...], LockMode] = {}
            with connection.transaction():
                for step in group.steps:
                    for lock in step.locks:
                        told[lock.relation.path] = max(lock.mode, told.get(lock.relation.path, lock.mode))
                    connection.execute(step.sql.encode())
                    for schema, table, oid, held in connection.execute(_HELD.encode(), [list(tables)]).fetchall():
                        mode = next(m for m in LockMode if m.label.replace(" ", "").lower() + "lock" == held.lower())
                        names = {(schema, table), (schema, tables[oid])}  # it may be called otherwise by now
                        if mode >= _TOLD_FROM and mode > max(told.get(name, 0) for name in names):
                            found.append(f"{step.sql}: {mode.label} on {table}")
    return found


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("change", CHANGES)
def test_no_lock_is_taken_that_was_not_told(change: str, is_large: bool, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, **({"small_table_bytes": -1} if is_large else {}))
    one, other = CHANGES[change]
    db.run(one)
    for schema in (other, one):
        assert _untold(database, db.plan(schema).plan.groups) == []
        db.run(schema)  # to have it recorded


def test_a_renamed_table_is_told_once(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.run("entity A { id: int primary }\nentity B { id: int primary }")
    swapped = "entity A was B { id: int primary, x: int? }\nentity B was A { id: int primary }"
    assert lock_lines(db.plan(swapped).plan) == (
        "as: ACCESS EXCLUSIVE, catalog only",
        "bs: ACCESS EXCLUSIVE, catalog only",
    )
    moved = "entity C in other was public.A { id: int primary, x: int? }\nentity B { id: int primary }"
    assert lock_lines(db.plan(moved).plan) == ("other.cs: ACCESS EXCLUSIVE, catalog only",)


@pytest.mark.pg(">=18")
def test_enforcing_locks_both_tables(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.run(USERS + POSTS)
    for schema in (USERS + ENFORCED, USERS + POSTS):
        assert _untold(database, db.plan(schema).plan.groups) == []
