"""What a sequence has given out is never given out again, whatever takes its place."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from chameleondb.steps import HazardName
from tests.migrating import Database

SERIAL = "entity User { id: int primary, a: serial }"
IDENTITY = "entity User { id: int primary, a: int identity }"
PLAIN = "entity User { id: int primary, a: int }"
NAMED = 'entity User { id: int primary, a: int identity sequence "counts" }'
SHARED = """
sequence tickets
entity User { id: int primary, a: int default (nextval('tickets')), b: int default (nextval('tickets')) }"""
BOTH = "entity User { id: int primary, a: int identity, b: int identity }"
OWN = "sequence tickets\nentity User { id: int primary, a: int identity, b: int default (nextval('tickets')) }"
OTHERS = SHARED.replace("a: int default (nextval('tickets'))", "a: int default (nextval('others'))") + "sequence others"
OWNED = PLAIN.replace("a: int", "a: int default (nextval('s'))") + "sequence s owned by User.a"
DOWN = SERIAL.replace("serial", "int identity (increment -1)")

WAYS = {
    "serial to identity": (SERIAL, IDENTITY),
    "identity to serial": (IDENTITY, SERIAL),
    "serial to named identity": (SERIAL, NAMED),
    "named identity to serial": (NAMED, SERIAL),
    "shared to identity": (SHARED, OWN),
    "identity to shared": (
        OWN,
        SHARED.replace("(nextval('tickets')), b", "(nextval('others')), b") + "sequence others",
    ),
    "shared to identities": (SHARED, BOTH),
    "identities to shared": (BOTH, SHARED),
    "owned to owned": (
        SERIAL,
        "sequence s owned by User.a\n" + PLAIN.replace("a: int", "a: int default (nextval('s'))"),
    ),
    "bounds below": (SERIAL, SERIAL.replace("serial", "int identity (start 3 min 2 max 100)")),
}


def _next(db: Database) -> int:
    db.execute("INSERT INTO users (id) SELECT coalesce(max(id), 0) + 1 FROM users")
    return int(db.value("SELECT a FROM users ORDER BY id DESC LIMIT 1"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
def test_the_new_sequence_goes_on(way: str, is_large: bool, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, **({"small_table_bytes": -1} if is_large else {}))
    before, after = WAYS[way]
    db.migrate(before)
    given = [_next(db) for _ in range(10)]
    db.execute("DELETE FROM users WHERE id > 3" if is_large else "DELETE FROM users")
    db.migrate(after)
    assert _next(db) > max(given)


def test_one_that_has_given_nothing_out_begins_as_it_says(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(SERIAL)
    db.migrate(IDENTITY)
    db.migrate(SERIAL)
    assert _next(db) == 1
    db.migrate(IDENTITY.replace("identity", "identity (start 100)"))
    assert _next(db) == 100


def test_counting_down(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(DOWN)
    given = [_next(db) for _ in range(3)]
    db.migrate(DOWN.replace("int identity (increment -1)", "int default (nextval('s'))") + "\nsequence s increment -1")
    assert _next(db) == min(given) - 1


def test_what_is_lost_is_told(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(IDENTITY)
    (hazard,) = db.plan(PLAIN).plan.hazards
    assert (hazard.name, str(hazard.object)) == (HazardName.DROPS_OBJECT, "users.a")
    assert hazard.detail == "the identity of users.a is dropped with its sequence's current value"
    db.migrate(SERIAL)
    (hazard,) = db.plan(PLAIN).plan.hazards
    assert hazard.detail == "sequence users_a_seq is dropped with its current value"
    (hazard,) = db.plan(IDENTITY).plan.hazards
    assert hazard.detail == "sequence users_a_seq is dropped; users.a goes on counting from there"


DRAWING = {
    "identity": (IDENTITY, SERIAL),
    "default": (PLAIN, SERIAL),
    "column": ("entity User { id: int primary }", SERIAL),
    "backfilled": ("entity User { id: int primary }", SERIAL.replace("serial", "serial backfill (0)")),
}


@pytest.mark.parametrize("way", DRAWING)
def test_who_may_insert_and_not_draw_is_told(way: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    before, after = DRAWING[way]
    db.migrate(before)
    db.execute("INSERT INTO users SELECT 1" if before != PLAIN else "INSERT INTO users VALUES (1, 1)")
    role = "inserter_" + way
    insert = f"SET ROLE {role}; INSERT INTO users (id) VALUES (2)"
    db.execute(f"CREATE ROLE {role}; GRANT INSERT (id) ON users TO {role}")
    try:
        told = [h.detail for h in db.plan(after).plan.hazards if h.name is HazardName.BREAKS_CODE]
        assert told == [f"{role} may insert into users, and cannot until they have USAGE on sequence users_a_seq"]
        db.execute(f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {role}")
        assert not [h for h in db.plan(after).plan.hazards if h.name is HazardName.BREAKS_CODE]
        db.execute(f"ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SEQUENCES FROM {role}")
        db.migrate(after)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(insert)
        db.execute(f"GRANT USAGE ON SEQUENCE users_a_seq TO {role}")
        db.execute(insert)
    finally:
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
