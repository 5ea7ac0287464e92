"""What a ledger was told of the modes, held against the keys: pure, and without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chameleondb.modes.change import NEVER, ModeChange, message_of
from chameleondb.modes.key import UNSIGNED, PrivateKey, PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.workflow.in_force import Forged, divided, is_trusted
from tests.unit.modes.keys import OTHER, PASSWORD, cheap_key

VAULT = "5e1b0c1e-0000-4000-8000-000000000001"
KEY = cheap_key(PASSWORD)
ONE, TWO = "2026-11-24T13:00:00Z", "2026-11-24T14:00:00Z"


def _change(to: Mode, until: str, *, from_: Mode = Mode.READONLY, by: PrivateKey | None = None) -> ModeChange:
    change = ModeChange(from_=from_, to=to, until=until, sig=UNSIGNED, place="ledger", vault=VAULT, prev="a" * 64)
    return replace(change, sig=by.sign(message_of(change))) if by else change


SIGNED = _change(Mode.STANDARD, TWO, by=KEY)
LOCKED = _change(Mode.READONLY, NEVER, from_=Mode.STANDARD)
FORGED = _change(Mode.EMERGENCY, TWO)


@pytest.mark.parametrize(
    ("changes", "sound", "forged"),
    [
        ([], [], None),
        ([SIGNED], [SIGNED], None),
        ([SIGNED, LOCKED], [SIGNED, LOCKED], None),
        ([FORGED], [], FORGED),
        ([SIGNED, FORGED], [SIGNED], FORGED),
        ([SIGNED, FORGED, LOCKED], [SIGNED, LOCKED], None),  # locked by somebody, so it was seen
    ],
)
def test_forged_changes_are_set_apart(
    changes: list[ModeChange], sound: list[ModeChange], forged: ModeChange | None
) -> None:
    expected = Forged(changes.index(forged), forged.to) if forged else None
    assert divided(list(enumerate(changes)), [KEY.public], VAULT) == (tuple(sound), expected)


def test_a_free_change_does_not_come_down_from_a_forged_one() -> None:
    lower = _change(Mode.STANDARD, ONE, from_=Mode.EMERGENCY)
    assert divided([(1, FORGED), (2, lower)], [KEY.public], VAULT) == ((), Forged(2, Mode.STANDARD))


def test_a_change_that_says_nothing_is_forged() -> None:
    assert divided([(1, SIGNED), (2, None)], [KEY.public], VAULT) == ((SIGNED,), Forged(2, None))
    assert divided([(1, SIGNED), (2, None), (3, LOCKED)], [KEY.public], VAULT) == ((SIGNED, LOCKED), None)


def test_a_change_of_another_vault_or_key_is_forged() -> None:
    forged = ((), Forged(7, Mode.STANDARD))
    assert divided([(7, SIGNED)], [KEY.public], VAULT.replace("5", "6")) == forged
    assert divided([(7, SIGNED)], [cheap_key(OTHER).public], VAULT) == forged
    assert divided([(7, SIGNED)], [], VAULT) == forged


def _key(number: int, *, is_signed: bool) -> PublicKey:
    return PublicKey(m=8, t=1, p=1, salt="00" * 16, key=f"{number:064x}", sig="ab" * 64 if is_signed else UNSIGNED)


FIRST, SECOND, THIRD = _key(1, is_signed=False), _key(2, is_signed=True), _key(3, is_signed=True)
RESET = _key(4, is_signed=False)


@pytest.mark.parametrize(
    ("anchor", "keys", "is_led_to"),
    [
        (FIRST, [FIRST], True),
        (FIRST, [FIRST, SECOND, THIRD], True),
        (SECOND, [FIRST, SECOND, THIRD], True),
        (THIRD, [FIRST, SECOND], False),  # the vault is an older one
        (FIRST, [RESET], False),  # another vault's key, or a swapped one
        (FIRST, [FIRST, RESET], False),  # reset, and this ledger was not told
        (FIRST, [FIRST, RESET, THIRD], False),
        (RESET, [FIRST, RESET, THIRD], True),
        (replace(FIRST, t=2), [FIRST], False),
    ],
)
def test_an_anchor_leads_to_the_present_key_by_signatures(
    anchor: PublicKey, keys: list[PublicKey], is_led_to: bool
) -> None:
    assert is_trusted(anchor, keys) is is_led_to
