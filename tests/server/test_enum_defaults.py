"""Defaults of columns whose enum is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrating import Database


def _schema(labels: str, field: str) -> str:
    return f"enum K {{ {labels} }}\nentity User {{ id: int primary, {field} }}"


@pytest.mark.parametrize(
    ("labels", "before", "after"),
    [
        ("c was a, d", 'k: [K] default ["a"]', 'k: [K] default ["c"]'),
        ("b, a", 'k: [K] default ["a"]', 'k: [K] default ["a"]'),
        ("d", "k: K default a", "k: K default d"),
        ("b, a", "k: K default a", "k: K default a"),
        ("b, a", "k: K", "k: K default a"),
    ],
)
def test_the_default_of_an_enum_made_anew_is_set_once(
    labels: str, before: str, after: str, database: str, tmp_path: Path
) -> None:
    db = Database(database, tmp_path)
    db.migrate(_schema("a, b, d", before))
    statements = db.migrate(_schema(labels, after))
    assert len([sql for sql in statements if "SET DEFAULT" in sql]) == 1
    db.execute("INSERT INTO users (id) VALUES (1)")
