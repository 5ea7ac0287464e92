"""What a version changes, in one line."""

from __future__ import annotations

from chameleondb.kinds.enum import Enum
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Schema
from chameleondb.names import label, type_
from chameleondb.workflow.summary import changes_between, summarize

MOOD = type_("public", "mood")


def _labels(*values: str) -> Schema:
    return Schema({MOOD: Enum(id=MOOD, values=values)})


def test_renamed_labels_are_told_as_such() -> None:
    hints = {label(MOOD, "bad"): Hint(was=("sad",)), label(MOOD, "good"): Hint(was=("glad",))}
    changes = changes_between(_labels("sad", "glad"), _labels("bad", "good"), hints)
    assert summarize(changes, {}) == "Renamed good, bad labels of mood"
    assert summarize(changes_between(_labels("sad"), _labels("sad", "ok"), {}), {}) == "Changed enum mood"
