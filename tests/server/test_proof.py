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


_RATES = "entity Rate { id: int primary, percent: int }\n"
_FUNCTION = "CREATE FUNCTION percent() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(percent) FROM rates'"


@pytest.mark.parametrize(
    ("made", "expression"),
    [
        ("CREATE TABLE by_hand AS SELECT 19 AS percent", "(SELECT percent FROM by_hand)"),
        ("CREATE VIEW seen AS SELECT percent FROM rates", "(SELECT percent FROM seen)"),
        (_FUNCTION, "percent()"),
        ("SELECT 1", "(SELECT percent FROM rates WHERE rates.id = 1)"),
    ],
)
def test_rows_are_filled_from_elsewhere(made: str, expression: str, db: Database) -> None:
    orders = "entity Order {{ id: int primary{} }}\n"
    db.run(_RATES + orders.format(""))
    db.execute("INSERT INTO rates VALUES (1, 19)", "INSERT INTO orders SELECT generate_series(1, 3)", made)
    db.migrate(_RATES + orders.format(f", tax: int backfill ({expression})"))
    assert db.value("SELECT sum(tax) FROM orders") == 57


def test_a_column_gets_another_type_by_a_function(db: Database) -> None:
    schema = f'{_RATES} sql """{_FUNCTION}""" entity Order {{ id: int primary, tax: string }}'
    db.run(schema)
    db.migrate(schema.replace("string", "int using (percent())"))


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


@pytest.mark.parametrize("schema", ["sequence t_id_seq{}", "entity T {{ id: int primary identity{} }}"])
def test_a_sequence_of_the_copy_stands_where_that_of_the_database_does(schema: str, db: Database) -> None:
    if "identity" in schema:
        schema = schema.replace("entity T ", 'entity T table "t" ').replace("identity{}", "identity ({})")
    db.run(schema.format(" cache 1"))
    db.execute("SELECT setval('t_id_seq', 50)")
    db.migrate(schema.format(" min 10"))
    assert db.value("SELECT nextval('t_id_seq')") == 51
    with pytest.raises(PlanError, match="RESTART value") as caught:
        db.run(schema.format(" min 60 start 70"))
    assert "RESTART WITH" in (caught.value.hint or "")
    db.execute("ALTER SEQUENCE t_id_seq RESTART WITH 60")
    db.migrate(schema.format(" min 60 start 70"))


@pytest.mark.parametrize("by_hand", ["RENAME TO counter", "INCREMENT 5"])
def test_a_sequence_alone_is_tried_beside_the_column_that_owns_it(by_hand: str, db: Database) -> None:
    schema = "entity Order { id: serial primary }"
    db.run(schema)
    db.execute(f"ALTER SEQUENCE orders_id_seq {by_hand}")
    assert len(db.migrate(schema)) == 1


def test_a_sequence_turns_round(db: Database) -> None:
    db.run("sequence s min -10")
    db.migrate("sequence s min -10 increment -1")
    assert db.value("SELECT max_value FROM pg_sequences") == -1


def test_values_that_nothing_converts_are_said_how(db: Database) -> None:
    db.run("entity T { id: int primary, r: int4range? }")
    with pytest.raises(PlanError) as caught:
        db.run("entity T { id: int primary, r: int8range? }")
    assert "using (expression)" in (caught.value.hint or "")
