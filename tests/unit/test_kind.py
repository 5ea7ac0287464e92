"""A kind is complete or it cannot be made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from chameleondb.kind import REPLACE, Context, Kind
from chameleondb.model.facts import Facts, TableFacts
from chameleondb.model.schema import Schema
from chameleondb.names import Identity, relation

USERS = relation("public", "users")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    id: Identity
    colour: str = "red"
    position: int = field(default=0, compare=False)


TOY = Kind(
    name="toy",
    plural="toys",
    model=Toy,
    catalog="pg_class",
    query=lambda _: "",
    decode=lambda *_: None,
    references=lambda _: (),
    create=lambda *_: (),
    drop=lambda *_: (),
    sql_name=str,
    on_change={"colour": REPLACE},
)


def test_identity_and_what_is_not_compared_need_no_rule() -> None:
    assert set(TOY.on_change) == {"colour"}


def test_a_field_without_a_rule_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"toy: fields without a change rule: \['colour'\]"):
        replace(TOY, on_change={})


def test_a_rule_without_a_field_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"unknown: \['size'\]"):
        replace(TOY, on_change={"colour": REPLACE, "size": REPLACE})


def test_a_table_nobody_measured_is_new_and_small() -> None:
    context = Context(Schema(), Schema(), {})
    assert context.table_facts(USERS) == TableFacts(0, 0)
    assert not context.is_large(USERS)
    assert context.is_new(USERS)


def test_a_table_is_large_above_the_threshold() -> None:
    facts = Facts(tables={USERS: TableFacts(101, 5)}, small_table_bytes=100)
    assert Context(Schema(), Schema(), {}, facts).is_large(USERS)
    assert not Context(Schema(), Schema(), {}, replace(facts, small_table_bytes=101)).is_large(USERS)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (TableFacts(0, 0), "0 rows"),
        (TableFacts(0, 1), "1 row"),
        (TableFacts(0, 1_200_000, exact=False), "about 1,200,000 rows"),
    ],
)
def test_rows_are_said_as_people_say_them(facts: TableFacts, text: str) -> None:
    assert facts.rows_text == text
