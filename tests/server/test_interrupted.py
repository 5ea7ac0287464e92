"""After a run that could not be finished: what it has renamed is known, whether it is finished, changed or undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chameleondb.errors import ConsentNeeded, DatabaseError, PlanError
from tests.migrating import Database

# Each plan builds this index after all renames, and cannot: two rows have the same text.
STOPPING = "\nentity Stop { id: int primary, text: string }"
STOPPED = STOPPING.replace("string", "string unique")


@pytest.fixture
def db(database: str, tmp_path: Path) -> Database:
    return Database(database, tmp_path, small_table_bytes=0)


def _held(db: Database, table: str = "teams") -> list[tuple[Any, ...]]:
    return db.rows(f"SELECT t::text FROM {table} t ORDER BY 1 LIMIT 5")


def _stop(db: Database, before: str, after: str, row: str, table: str = "teams") -> list[tuple[Any, ...]]:
    db.migrate(before + STOPPING)
    db.execute("INSERT INTO stops VALUES (1, 'same'), (2, 'same')", row)
    held = _held(db, table)
    with pytest.raises(DatabaseError, match="could not create unique index"):
        db.run(after + STOPPED)
    return held


def _mend(db: Database) -> None:
    db.execute("UPDATE stops SET text = 'other' WHERE id = 1")


TEAM = """
entity Team { id: bigint primary, code: string unique, note: string?, old_note: string?, lead_id: bigint?,
    lead: Team? via lead_id, check (code <> 'zz'), index (note, id) }
"""
SQUAD = "entity Squad was Team { id: bigint, code: string primary, note: string?, lead_id: bigint? }"
ROW = "INSERT INTO teams SELECT n, n::text, 'note', 'old' FROM generate_series(1, 2000) n"


@pytest.mark.parametrize("place", ["", " in core"])
def test_what_belonged_to_a_renamed_table_is_dropped_when_the_run_is_finished(db: Database, place: str) -> None:
    after = SQUAD.replace(" was Team", f"{place} was {'public.' if place else ''}Team")
    _stop(db, TEAM, after, ROW)
    _mend(db)
    statements = db.migrate(after + STOPPED)
    for name in ("teams_code_key", "teams_code_check", "teams_lead_id_fkey", "old_note"):
        assert any(name in sql and "DROP" in sql for sql in statements), name
    assert not db.plan(after + STOPPED).plan.unmanaged


def test_what_is_given_up_meanwhile_needs_consent(db: Database) -> None:
    _stop(db, TEAM, SQUAD, ROW)
    other = SQUAD.replace("note: string?, ", "") + STOPPING
    with pytest.raises(ConsentNeeded, match=r"column squads\.note is dropped with its values"):
        db.run(other, allow=("drops-data:squads.old_note",))
    db.migrate(other)


BOTH_WAYS = {
    "a table": (TEAM, SQUAD + " entity Team { id: int primary }", ROW),
    "a column": ("entity Team { a: string? }", "entity Team { b: string? was a }", "INSERT INTO teams VALUES ('x')"),
    "a column of a renamed table": (
        "entity Team { a: string? }",
        "entity Squad was Team { b: string? was a }",
        "INSERT INTO teams VALUES ('x')",
    ),
    "a table in another schema": (
        "namespace core entity Team { a: string?, b: serial }",
        "namespace core entity Squad in core was public.Team { a: string?, b: serial }",
        "INSERT INTO teams VALUES ('x')",
    ),
    "a label": (
        "enum Plan { a, b } entity Team { p: Plan }",
        "enum Plan { a, c was b } entity Team { p: Plan }",
        "INSERT INTO teams VALUES ('b')",
    ),
    "a label of a renamed type": (
        "enum Plan { a, b } entity Team { p: Plan default b }",
        "enum Tier was Plan { a, c was b } entity Team { p: Tier default c }",
        "INSERT INTO teams VALUES ('b')",
    ),
    "a sequence": (
        "sequence one entity Team { a: string?, n: bigint default (nextval('one')) }",
        "sequence two was one entity Team { a: string?, n: bigint default (nextval('two')) }",
        "INSERT INTO teams VALUES ('x')",
    ),
}


@pytest.mark.parametrize("what", BOTH_WAYS)
def test_who_goes_back_gets_back_what_was_renamed(what: str, db: Database) -> None:
    before, after, row = BOTH_WAYS[what]
    held = _stop(db, before, after, row)
    db.migrate(before + STOPPING, allow=())
    assert _held(db) == held
    assert not db.plan(before + STOPPING).plan.unmanaged


def test_who_goes_back_and_forth_keeps_everything(db: Database) -> None:
    before, after = BOTH_WAYS["a column of a renamed table"][:2]
    held = _stop(db, before, after, "INSERT INTO teams VALUES ('x')")
    for schema in (before, after, before):
        with pytest.raises(DatabaseError, match="could not create unique index"):
            db.run(schema + STOPPED, allow=())
    _mend(db)
    db.migrate(after + STOPPED, allow=())
    assert _held(db, "squads") == held


def test_numbers_that_were_given_out_meanwhile_are_not_given_again(db: Database) -> None:
    numbered = "INSERT INTO items (name) SELECT n::text FROM generate_series(1, {}) n"
    serial = "entity Item { id: serial primary, name: string }"
    _stop(db, serial, "entity Item { id: int primary identity, name: string }", numbered.format(500), "items")
    db.execute(numbered.format(20))
    db.migrate(serial + STOPPING, allow=())
    db.execute(numbered.format(1))
    assert db.value("SELECT max(id) FROM items") == 521


def test_a_third_name_is_given_to_what_has_the_second(db: Database) -> None:
    _stop(db, TEAM, SQUAD, ROW)
    db.migrate(SQUAD.replace("Squad was Team", "Crew was Team") + STOPPING)
    assert db.value("SELECT count(*) FROM crews") == 2000


def test_what_may_be_either_of_two_is_not_guessed(db: Database) -> None:
    both = 'entity A table "teams" { x: int? } entity B { x: int? }'
    swapped = both.replace('"teams"', '"teams" was bs').replace("entity B", "entity B was teams")
    _stop(db, both, swapped, "INSERT INTO teams VALUES (1)")
    with pytest.raises(PlanError) as caught:
        db.run(both + STOPPING)
    assert caught.value.code == "CHM1019"
    db.migrate(swapped + STOPPING)
    assert db.value("SELECT x FROM bs") == 1
