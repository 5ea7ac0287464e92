"""Declared renames of tables and of their columns at once: each column keeps what it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chameleondb.diff import Action, diff
from chameleondb.kinds import KIND_OF
from chameleondb.kinds.column import Column
from chameleondb.kinds.table import Table
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, column, relation
from chameleondb.renames import unfollowed

Tables = dict[str, dict[str, str]]
"""Columns by table, with their types: no two columns have the same type."""

NAMES = "abcd"


@st.composite
def _tables(draw: st.DrawFn) -> Tables:
    tables = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    shapes = {t: draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1)) for t in tables}
    return {
        t: {c: f"character varying({10 * n + m + 1})" for m, c in enumerate(shapes[t])} for n, t in enumerate(tables)
    }


@st.composite
def _renamed(draw: st.DrawFn) -> tuple[Tables, Tables, dict[Identity, Hint]]:
    """Draw tables, what they are called afterwards, and the hints that say so."""
    before = draw(_tables())
    after: Tables = {}
    hints: dict[Identity, Hint] = {}
    for old, new in zip(before, draw(st.permutations(NAMES)), strict=False):
        columns = dict(zip(before[old], draw(st.permutations(NAMES)), strict=False))
        after[new] = {columns[c]: kind for c, kind in before[old].items()}
        table = relation("public", new)
        if old != new:
            hints[table] = Hint(was=(old,))
        hints |= {column(table, n): Hint(was=(o,)) for o, n in columns.items() if o != n}
    return before, after, hints


def _schema(tables: Tables) -> Schema:
    objects: list[Object] = []
    for name, columns in tables.items():
        table = relation("public", name)
        objects += [Table(id=table), *(Column(id=column(table, c), type=kind) for c, kind in columns.items())]
    return Schema({o.id: o for o in objects})


@given(drawn=_renamed())
def test_what_is_renamed_is_what_it_was(drawn: tuple[Tables, Tables, dict[Identity, Hint]]) -> None:
    before, after, hints = drawn
    source, target = _schema(before), _schema(after)
    found = diff(source, target, KIND_OF, managed=lambda: frozenset(source.objects), hints=hints)
    assert {change.action for change in found.changes} <= {Action.RENAME}
    assert {change.id for change in found.changes} == hints.keys()
    assert found.unfollowed == ()


@given(first=_renamed(), data=st.data())
def test_what_was_followed_is_not_followed_again(
    first: tuple[Tables, Tables, dict[Identity, Hint]], data: st.DataObject
) -> None:
    _, tables, hints = first
    followed = {i: hint.was for i, hint in hints.items()}
    known = _schema(tables)
    assert not any(hint.was for hint in unfollowed(hints, followed, known.objects).values())
    # Then the tables alone are called otherwise; their fields still say what they were.
    names = dict(zip(tables, data.draw(st.permutations(NAMES)), strict=False))
    later = {names[t]: columns for t, columns in tables.items()}
    again = {
        Identity(i.space, (i.path[0], names[i.path[1]], *i.path[2:])): hint
        for i, hint in hints.items()
        if i.space == "column"
    }
    again |= {relation("public", n): Hint(was=(t,)) for t, n in names.items() if t != n}
    followed = {i: was for i, was in followed.items() if i.space == "column"}
    left = unfollowed(again, followed, known.objects)
    found = diff(known, _schema(later), KIND_OF, managed=lambda: frozenset(known.objects), hints=left)
    assert all(change.action is Action.RENAME and change.id.space == "relation" for change in found.changes)
