"""What the trial of a plan meets on the copy, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chameleondb.errors import PlanError
from chameleondb.planner.plan import Group
from chameleondb.workflow.migrate import prove_first
from tests.migrating import Database

_ORDERS = """
entity Order {
    id: int primary,
    number: int?,
    rounded: int? generated (id / 10 * 10),
}
"""


@pytest.fixture
def db(database: str, tmp_path: Path) -> Database:
    return Database(database, tmp_path)


def test_the_copy_has_what_a_statement_needs_though_it_stays_as_it_is(db: Database) -> None:
    db.run(f"sequence order_no owned by Order.id {_ORDERS}")
    statements = db.migrate(f"sequence order_no owned by Order.number {_ORDERS}")
    assert statements == ["ALTER SEQUENCE order_no OWNED BY orders.number"]


def test_a_plan_that_takes_along_what_is_to_stay_is_no_plan(db: Database) -> None:
    schema = f"sequence order_no owned by Order.rounded {_ORDERS}"
    db.run(schema)
    with db.session() as (connection, shadows):
        what = db._preview(connection, shadows, schema.replace("id: int", "id: bigint"))
        steps = tuple(step for step in what.plan.steps if "OWNED BY" not in step.sql)
        assert len(steps) < len(what.plan.steps)
        faulty = replace(what, plan=replace(what.plan, groups=(Group(steps),)))
        with pytest.raises(PlanError, match="order_no would be gone") as caught:
            prove_first(connection, faulty, shadows)
    assert caught.value.code == "CHM1007"


def test_a_sequence_whose_owner_is_made_anew_goes_by_itself_where_it_is_to_go(db: Database) -> None:
    db.run(f"sequence order_no owned by Order.rounded {_ORDERS}")
    assert "DROP SEQUENCE order_no" in db.migrate(_ORDERS.replace("id: int", "id: bigint"))
