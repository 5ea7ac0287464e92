"""The benchmark measures what its documentation says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chameleondb.diagnostics import Source
from chameleondb.vault.files import read_files
from chameleondb.vault.verify import verify
from chameleondb.workflow.source import load
from tools.bench import vault
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


def test_the_vault_is_a_sound_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "VERSIONS", 3)
    monkeypatch.setattr(vault, "LINES", 12)
    vault.make_vault(tmp_path)
    verified = verify(read_files(tmp_path / ".chameleon"))
    assert verified.findings == ()
    assert verified.history is not None
    assert len(verified.history.lines) == 13
    assert 25_000 < (tmp_path / ".chameleon/vault/versions/v001.json").stat().st_size < 35_000
