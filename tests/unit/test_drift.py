"""Drift: what counts, and what does not."""

from __future__ import annotations

from chameleondb.kinds.column.model import Column
from chameleondb.kinds.extension import Extension
from chameleondb.kinds.table import Table
from chameleondb.model.schema import Schema
from chameleondb.names import Identity
from chameleondb.workflow.drift import drift


def _schema(*objects: Table | Column | Extension) -> Schema:
    return Schema({o.id: o for o in objects})


USERS = Table(id=Identity("relation", ("public", "users")))
NAME = Column(id=Identity("column", ("public", "users", "name")), type="text")
EXTRA = Column(id=Identity("column", ("public", "users", "extra")), type="text")
OTHER = Table(id=Identity("relation", ("public", "others")))


def test_what_the_version_left_open_is_no_drift() -> None:
    identity = Identity("extension", ("vector",))
    applied, there = Extension(id=identity), Extension(id=identity, schema="public", version="0.8.1")
    assert drift(_schema(applied), _schema(there), ()) == ()


def test_a_table_that_no_version_held_is_no_drift() -> None:
    assert drift(_schema(USERS, NAME), _schema(USERS, NAME, OTHER), ()) == ()


def test_a_column_in_a_table_of_ours_is_drift_unless_it_was_there_before() -> None:
    before, now = _schema(USERS, NAME), _schema(USERS, NAME, EXTRA)
    assert [f"{line.mark} {line.text}" for line in drift(before, now, ())] == ["+ column users.extra"]
    assert drift(before, now, {EXTRA.id}) == ()


def test_what_is_gone_is_drift() -> None:
    assert [line.mark for line in drift(_schema(USERS, NAME), _schema(USERS), ())] == ["-"]
