"""The policy, cell by cell; docs/modes.md prints the same table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chameleondb.errors import ModeError, UsageError
from chameleondb.modes.policy import Mode, Operation, is_allowed, require

#                                        readonly standard privileged emergency
TABLE: dict[Operation, tuple[bool, bool, bool, bool]] = {
    Operation.PREVIEW: (True, True, True, True),
    Operation.DRY_RUN: (True, True, True, True),
    Operation.APPLY: (False, True, True, True),
    Operation.DESTRUCTIVE_APPLY: (False, True, True, True),
    Operation.INTROSPECT_TO_FILE: (False, True, True, True),
    Operation.RAW_SQL: (False, False, True, True),
    Operation.SET_SCHEMA_PATHS: (False, False, True, True),
    Operation.SKIP_VERIFICATION: (False, False, False, True),
}
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "modes.md"


@pytest.mark.parametrize("operation", Operation)
def test_each_cell(operation: Operation) -> None:
    assert tuple(is_allowed(mode, operation) for mode in Mode) == TABLE[operation]


@pytest.mark.parametrize("operation", Operation)
def test_the_guide_has_the_same_table(operation: Operation) -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", GUIDE.read_text(), re.M)
    cells = {name: tuple(cell.strip() == "yes" for cell in row) for name, *row in rows}
    assert cells == {o.name: TABLE[o] for o in Operation}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("operation", Operation)
def test_a_refusal_names_both_modes_and_the_way_out(mode: Mode, operation: Operation) -> None:
    if TABLE[operation][mode]:
        require(mode, operation)
        return
    with pytest.raises(ModeError) as caught:
        require(mode, operation)
    assert caught.value.code == "CHM2100"
    assert caught.value.message.startswith(f"{mode.label} mode: ")
    least = next(m for m in Mode if TABLE[operation][m])
    assert f"chameleon config set mode={least.label}" in (caught.value.hint or "")


def test_s61_the_words_of_the_guide() -> None:
    with pytest.raises(ModeError) as caught:
        require(Mode.READONLY, Operation.APPLY)
    assert caught.value.message == "readonly mode: schema modifications blocked"
    hint = caught.value.hint or ""
    assert hint.index("`chameleon config auth set-password` (first time only)") < hint.index(
        "`chameleon config set mode=standard`"
    )


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("readonly", Mode.READONLY),
        (" Standard ", Mode.STANDARD),
        ("PRIVILEGED", Mode.PRIVILEGED),
        ("emergency", Mode.EMERGENCY),
        ("admin", Mode.EMERGENCY),
    ],
)
def test_names(text: str, mode: Mode) -> None:
    assert Mode.parse(text) is mode
    assert Mode.parse(mode.label) is mode


@pytest.mark.parametrize("text", ["", "root", "read only", "0"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Mode.parse(text)
    assert caught.value.message == f'invalid mode "{text}" (allowed: readonly, standard, privileged, emergency)'
