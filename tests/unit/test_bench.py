"""The benchmark measures what its documentation says."""

from __future__ import annotations

from collections import Counter

from chameleondb.diagnostics import Source
from chameleondb.workflow.source import load
from tools.bench.workload import schema_text


def test_every_table_has_the_shape_that_is_told() -> None:
    declared = load([Source("schema.cham", schema_text(20))]).declared
    shape = Counter(type(o).__name__ for o in declared.objects.values())
    assert shape == {
        "Table": 20,
        "Column": 20 * 15,
        "PrimaryKey": 20,
        "Unique": 20,
        "Index": 20 * 2,
        "ForeignKey": 20 * 2,
        "Check": 20,
    }


def test_the_changed_schema_has_one_column_more() -> None:
    same, changed = (
        load([Source("schema.cham", schema_text(5, added=added))]).declared.objects for added in ("", "added: int?")
    )
    assert [str(i) for i in changed if i not in same] == ["thing_0.added"]
