"""What a version changes, in one line."""

from __future__ import annotations

from chameleondb.kinds.comment import Comment
from chameleondb.kinds.enum import Enum
from chameleondb.kinds.index import Index
from chameleondb.kinds.table import Table
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Schema
from chameleondb.names import comment, label, relation, type_
from chameleondb.planner.plan import Plan
from chameleondb.workflow.describe import describe
from chameleondb.workflow.summary import changes_between, summarize

MOOD = type_("public", "mood")


def _labels(*values: str) -> Schema:
    return Schema({MOOD: Enum(id=MOOD, values=values)})


def test_renamed_labels_are_told_as_such() -> None:
    hints = {label(MOOD, "bad"): Hint(was=("sad",)), label(MOOD, "good"): Hint(was=("glad",))}
    changes = changes_between(_labels("sad", "glad"), _labels("bad", "good"), hints)
    assert summarize(changes, {}) == "Renamed good, bad labels of mood"
    assert summarize(changes_between(_labels("sad"), _labels("sad", "ok"), {}), {}) == "Changed enum mood"


def _indexes(**keys: str) -> Schema:
    users = relation("public", "users")
    indexes = (Index(id=relation("public", name), table=users, keys=(key,)) for name, key in keys.items())
    return Schema({index.id: index for index in indexes})


def test_what_is_replaced_is_told_once() -> None:
    entities = {relation("public", "users"): "User"}
    changes = changes_between(_indexes(a="x"), _indexes(a="y"), {})
    assert summarize(changes, entities) == "Changed a index of User"
    changes = changes_between(_indexes(), _indexes(a="x", b="y"), {})
    assert summarize(changes, entities) == "Added a, b indexes to User"


def test_a_change_is_told_in_one_line() -> None:
    users = relation("public", "users")
    described = [Comment(id=comment(users), target=users, text=text) for text in ("one\n+ table two", "two")]
    old, new = (Schema({users: Table(id=users), c.id: c}) for c in described)
    (line,) = describe(Plan(changes=changes_between(old, new, {})))
    assert line.text == "comment users: text one\\n+ table two → two"
