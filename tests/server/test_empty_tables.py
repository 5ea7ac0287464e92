"""What needs no consent because a table is empty must not meet rows that came after the plan."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from chameleondb.errors import StalePlan
from tests.cases.driver import build, planned

BEFORE = "entity User { id: int primary, age: string? }\nentity Log { id: int primary }"

LOSSES = {
    "a table": "entity User { id: int primary, age: string? }",
    "a column": "entity User { id: int primary }\nentity Log { id: int primary }",
    "digits": "entity User { id: int primary, age: int? }\nentity Log { id: int primary }",
}


@pytest.mark.parametrize("what", sorted(LOSSES))
def test_rows_that_came_after_the_plan_stop_it(what: str, database: str, tmp_path: Path) -> None:
    build(database, BEFORE, tmp_path)
    with psycopg.connect(database, autocommit=True) as other, planned(database, LOSSES[what], tmp_path) as change:
        other.execute("INSERT INTO users VALUES (1, '007')")
        other.execute("INSERT INTO logs VALUES (1)")
        with pytest.raises(StalePlan) as caught:
            change.apply()
        assert caught.value.code == "CHM1011"
        assert other.execute("SELECT age FROM users").fetchall() == [("007",)]
        assert other.execute("SELECT id FROM logs").fetchall() == [(1,)]


@pytest.mark.parametrize("what", sorted(LOSSES))
def test_an_empty_table_asks_nothing(what: str, database: str, tmp_path: Path) -> None:
    build(database, BEFORE, tmp_path)
    with planned(database, LOSSES[what], tmp_path) as change:
        change.apply()
    with planned(database, LOSSES[what], tmp_path) as change:
        assert change.statements == []
