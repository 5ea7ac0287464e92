"""Of tables that are dropped together, references go first only where tables refer to each other in a circle."""

from __future__ import annotations

from chameleondb.diagnostics import Source
from chameleondb.diff import diff
from chameleondb.kinds import KIND_OF
from chameleondb.model.facts import Facts
from chameleondb.model.schema import Schema
from chameleondb.planner.plan import make_plan
from chameleondb.workflow.source import load


def _dropped(**references: str) -> list[str]:
    text = "".join(
        f"entity {name} {{ id: int primary, {''.join(f'{to.lower()}_id: int, {to.lower()}: {to},' for to in tos)} }}\n"
        for name, tos in references.items()
    )
    source, target = Schema(load([Source("schema.cham", text)]).declared.objects), Schema({})
    difference = diff(source, target, KIND_OF, managed=lambda: frozenset(source.objects))
    plan = make_plan(difference, target, KIND_OF, Facts())
    return [sql.replace("ALTER TABLE ", "").split(" CONSTRAINT")[0] for sql in plan.sql]


def test_a_chain_is_dropped_from_its_end() -> None:
    assert _dropped(P="", Q="P", R="PQ") == ["DROP TABLE rs", "DROP TABLE qs", "DROP TABLE ps"]


def test_a_table_that_refers_to_itself_is_dropped_at_once() -> None:
    assert _dropped(P="P") == ["DROP TABLE ps"]


def test_a_circle_is_opened_first_and_only_the_circle() -> None:
    plan = _dropped(P="Q", Q="R", R="P", T="P")
    assert sorted(sql for sql in plan if sql.endswith(" DROP")) == ["ps DROP", "qs DROP", "rs DROP"]
    assert plan.index("DROP TABLE ts") < plan.index("DROP TABLE ps")
    assert plan.index("qs DROP") < plan.index("DROP TABLE rs")


def test_two_circles_are_told_apart() -> None:
    plan = _dropped(P="Q", Q="P", R="TP", T="R")
    assert plan.count("rs DROP") == 1  # not the reference to P
    assert plan.index("DROP TABLE rs") < plan.index("DROP TABLE ps")
