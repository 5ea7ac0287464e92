"""Renames: the order of the statements, and texts that follow them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb.kinds import KIND_OF
from chameleondb.kinds.clauses import follow_text, follow_types
from chameleondb.kinds.table import Table
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Schema
from chameleondb.names import Identity, column, namespace, qualified, quote, relation, shorten, type_
from chameleondb.renames import Rename, order_renames

USERS = relation("public", "users")


@st.composite
def _renames(draw: st.DrawFn) -> dict[str, str]:
    """Draw chains, swaps and circles: what some tables are called, and what they are to be called."""
    names = [chr(ord("a") + n) for n in range(8)]
    old = draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    new = draw(st.permutations(names))
    return {o: n for o, n in zip(old, new, strict=False) if o != n}


def _simply(waiting: dict[str, str]) -> list[tuple[str, str]]:
    """Return the order by its definition: the first free one, or else the first one set aside."""
    done = []
    waiting = dict(waiting)
    while waiting:
        free = sorted(o for o, n in waiting.items() if n not in waiting.keys() - {o})
        old = free[0] if free else min(waiting)
        new = waiting.pop(old)
        done.append((old, new if free else shorten(old, "__chameleon")))
        if not free:
            waiting[done[-1][1]] = new
    return done


@given(renames=_renames())
def test_every_statement_finds_its_new_name_free(renames: dict[str, str]) -> None:
    target = Schema({relation("public", n): Table(id=relation("public", n)) for n in renames.values()})
    asked = [Rename(relation("public", o), relation("public", n)) for o, n in renames.items()]
    steps = [found.step for found in order_renames(asked, target, KIND_OF)]
    assert [s.sql for s in steps] == [f"ALTER TABLE {quote(o)} RENAME TO {quote(n)}" for o, n in _simply(renames)]
    told = sorted((hazard.key, hazard.detail) for step in steps for hazard in step.hazards)
    assert told == sorted((f"breaks-code:{n}", f"code that still says {o} fails") for o, n in renames.items())


@st.composite
def _moves(draw: st.DrawFn) -> tuple[dict[Identity, Identity], set[Identity]]:
    """Draw renames of tables across three schemas, chains, swaps and circles of both, and the tables that stay."""
    places = [relation(schema, name) for schema in ("public", "blog", "archive") for name in "abc"]
    old = draw(st.lists(st.sampled_from(places), unique=True, min_size=1))
    new = draw(st.permutations(places))
    moves = {o: n for o, n in zip(old, new, strict=False) if o != n}
    rest = set(places) - moves.keys() - set(moves.values())
    return moves, {place for place in rest if draw(st.booleans())}


@given(drawn=_moves())
def test_tables_move_through_places_that_are_free(drawn: tuple[dict[Identity, Identity], set[Identity]]) -> None:
    moves, staying = drawn
    target = Schema({i: Table(id=i) for i in (*moves.values(), *staying)})
    found = order_renames([Rename(o, n) for o, n in moves.items()], target, KIND_OF, moves.keys() | staying)
    there = {qualified(i.path): i for i in (*moves, *staying)}
    for step in (f.step for f in found):
        table, action, name = re.fullmatch(r"ALTER TABLE (\S+) (RENAME TO|SET SCHEMA) (\S+)", step.sql).groups()  # type: ignore[union-attr]
        schema, old = table.split(".") if "." in table else ("public", table)
        now = qualified((schema, name) if action == "RENAME TO" else (name, old))
        assert now not in there
        there[now] = there.pop(table)
        assert step.needs == (() if action == "RENAME TO" else (namespace(name),))
    assert {i: name for name, i in there.items()} == {i: qualified(moves.get(i, i).path) for i in (*moves, *staying)}
    told = sorted((hazard.key, hazard.detail) for f in found for hazard in f.step.hazards)
    assert told == sorted((f"breaks-code:{n}", f"code that still says {o} fails") for o, n in moves.items())


def _columns(**renames: str) -> Renamed:
    return Renamed({column(USERS, old): column(USERS, new) for old, new in renames.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(age > 0)", "(years > 0)"),
        ("((age)::text = 'age'::text)", "((years)::text = 'age'::text)"),
        ("age(age)", "age(years)"),
        ("(a < b)", "(b < a)"),
    ],
)
def test_columns_of_the_table_follow(text: str, expected: str) -> None:
    assert follow_text(text, USERS, _columns(age="years", a="b", b="a")) == expected
    assert follow_text(text, relation("public", "others"), _columns(age="years", a="b", b="a")) == text


def test_relations_and_types_follow_also_where_they_swap() -> None:
    renames = {relation("public", "a"): relation("public", "b"), relation("public", "b"): relation("public", "a it's")}
    types = {type_("public", "p"): type_("public", "q"), type_("public", "q"): type_("public", "P")}
    ids = Renamed({**renames, **types})
    text = "f('public.a'::regclass, 'public.b'::regclass, 'public.c'::regclass, 'x'::public.p, 'y'::public.q[])"
    assert follow_text(text, USERS, ids) == (
        "f('public.b'::regclass, 'public.\"a it''s\"'::regclass, 'public.c'::regclass,"
        " 'x'::public.q, 'y'::public.\"P\"[])"
    )
    assert follow_types("public.p[]", ids) == "public.q[]"
    assert follow_types("public.pp", ids) == "public.pp"
    assert follow_types('"public".p', Renamed({Identity("type", ("x", "p")): type_("x", "q")})) == '"public".p'
