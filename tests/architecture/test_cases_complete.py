"""Every kind is tried: created, dropped, and changed in each field of its model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from chameleondb.kinds import KINDS

CASES = Path(__file__).resolve().parents[1] / "cases"

# A create case is a drop case read backwards, so one folder serves both.
_WANTED = [
    (kind.name, case)
    for kind in KINDS
    for case in ("create", *(f.name for f in fields(kind.model) if f.compare and f.name != "id"))
]


@pytest.mark.parametrize(("kind", "case"), _WANTED, ids=lambda word: word)
def test_there_is_a_case(kind: str, case: str) -> None:
    folders = [CASES / kind / case, *(CASES / kind).glob(f"{case}-*")]
    assert any((folder / "after.cham").exists() for folder in folders), f"write tests/cases/{kind}/{case}/after.cham"
