"""Changes of the mode: signed ones, free ones, and what a forger tries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb.modes.change import (
    NEVER,
    ModeChange,
    effective,
    format_time,
    grants,
    is_sound,
    is_time,
    message_of,
    parse_time,
)
from chameleondb.modes.key import UNSIGNED, PrivateKey
from chameleondb.modes.policy import Mode
from tests.unit.modes.keys import OTHER, PASSWORD, cheap_key

KEY = cheap_key(PASSWORD)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE = format_time(NOON + timedelta(hours=1))
TWO = format_time(NOON + timedelta(hours=2))


def _change(
    to: Mode, until: str = ONE, *, from_: Mode = Mode.READONLY, by: PrivateKey | None = None, prev: str = "a" * 64
) -> ModeChange:
    change = ModeChange(
        from_=from_,
        to=to,
        until=until,
        sig=UNSIGNED,
        place="vault",
        vault="5e1b0c1e-0000-4000-8000-000000000001",
        prev=prev,
    )
    return replace(change, sig=by.sign(message_of(change))) if by else change


STANDARD = _change(Mode.STANDARD, by=KEY)


# --- What is in force ----------------------------------------------------------------------------------------------


def test_without_a_change_it_is_readonly() -> None:
    assert effective((), NOON) is Mode.READONLY


def test_the_last_change_counts_until_it_ends() -> None:
    changes = (_change(Mode.EMERGENCY, TWO, by=KEY), _change(Mode.STANDARD, ONE, from_=Mode.EMERGENCY))
    assert effective(changes, NOON) is Mode.STANDARD
    assert effective(changes, NOON + timedelta(minutes=59, seconds=59)) is Mode.STANDARD
    assert effective(changes, NOON + timedelta(hours=1)) is Mode.READONLY
    assert effective((*changes, _change(Mode.READONLY, NEVER, from_=Mode.STANDARD)), NOON) is Mode.READONLY


@pytest.mark.parametrize("until", [NEVER, "", "2026-11-24", "9999-12-31T23:59:59+00:00", "2026-13-01T00:00:00Z"])
def test_a_mode_without_an_end_is_not_in_force(until: str) -> None:
    assert effective((_change(Mode.STANDARD, until),), NOON) is Mode.READONLY


# --- Who may change it ---------------------------------------------------------------------------------------------


def test_attack_19_an_upgrade_needs_the_key() -> None:
    assert is_sound(STANDARD, None, KEY.public)
    assert not is_sound(_change(Mode.STANDARD), None, KEY.public)
    assert not is_sound(_change(Mode.STANDARD, by=cheap_key(OTHER)), None, KEY.public)
    assert not is_sound(STANDARD, None, None)


@pytest.mark.parametrize(
    "other",
    [
        {"from_": Mode.STANDARD},
        {"to": Mode.EMERGENCY},
        {"until": TWO},
        {"place": "ledger"},
        {"vault": "5e1b0c1e-0000-4000-8000-000000000002"},
        {"prev": "b" * 64},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_signature_binds_each_part(other: dict[str, object]) -> None:
    before = _change(Mode.STANDARD, TWO, by=KEY)  # so that any `from` is possible
    upgrade = _change(Mode.PRIVILEGED, by=KEY)
    assert is_sound(upgrade, before, KEY.public)
    assert not is_sound(replace(upgrade, **other), before, KEY.public)  # type: ignore[arg-type]


def test_a_signed_change_cannot_be_used_again() -> None:
    locked = _change(Mode.READONLY, NEVER, from_=Mode.STANDARD, prev="b" * 64)
    replayed = replace(STANDARD, prev="c" * 64)  # the chain puts another hash before it
    assert is_sound(locked, STANDARD, KEY.public)
    assert not is_sound(replayed, locked, KEY.public)


def test_a_signed_change_must_end() -> None:
    assert not is_sound(_change(Mode.STANDARD, NEVER, by=KEY), None, KEY.public)


def test_any_number_of_ranks_may_be_jumped() -> None:
    assert is_sound(_change(Mode.EMERGENCY, by=KEY), None, KEY.public)


@pytest.mark.parametrize("before", [None, STANDARD, _change(Mode.EMERGENCY, by=KEY)])
def test_locking_is_free(before: ModeChange | None) -> None:
    from_ = before.to if before else Mode.READONLY
    assert is_sound(_change(Mode.READONLY, NEVER, from_=from_), before, None)


def test_less_is_free_and_ends_no_later() -> None:
    emergency = _change(Mode.EMERGENCY, ONE, by=KEY)
    assert is_sound(_change(Mode.STANDARD, ONE, from_=Mode.EMERGENCY), emergency, None)
    assert not is_sound(_change(Mode.STANDARD, TWO, from_=Mode.EMERGENCY), emergency, KEY.public)
    assert not is_sound(_change(Mode.STANDARD, NEVER, from_=Mode.EMERGENCY), emergency, KEY.public)


def test_the_same_mode_for_longer_is_no_free_change() -> None:
    # A line may be back-dated, so it does not matter whether the first one has ended.
    assert not is_sound(_change(Mode.STANDARD, TWO, from_=Mode.STANDARD), STANDARD, KEY.public)
    assert is_sound(_change(Mode.STANDARD, TWO, from_=Mode.STANDARD, by=KEY), STANDARD, KEY.public)


@pytest.mark.parametrize("claimed", [Mode.STANDARD, Mode.EMERGENCY])
def test_a_forger_cannot_come_down_from_where_nobody_was(claimed: Mode) -> None:
    assert not is_sound(_change(Mode.STANDARD, from_=claimed), None, KEY.public)
    assert not is_sound(_change(Mode.READONLY, NEVER, from_=claimed), None, KEY.public)


@pytest.mark.parametrize("until", [NEVER, "soon"])
def test_a_broken_change_before_it_opens_nothing(until: str) -> None:
    assert grants(_change(Mode.STANDARD, until), Mode.STANDARD, ONE)


@given(st.lists(st.tuples(st.sampled_from(Mode), st.integers(1, 600))))
def test_no_sequence_of_free_changes_raises_the_mode(wishes: list[tuple[Mode, int]]) -> None:
    before: ModeChange | None = _change(Mode.PRIVILEGED, ONE, by=KEY)
    for to, minutes in wishes:
        assert before is not None
        until = NEVER if to is Mode.READONLY else format_time(NOON + timedelta(minutes=minutes))
        change = _change(to, until, from_=before.to)
        if is_sound(change, before, None):
            for moment in (NOON, NOON + timedelta(minutes=30), NOON + timedelta(hours=1)):
                assert effective((change,), moment) <= effective((before,), moment)
            before = change


# --- Times ---------------------------------------------------------------------------------------------------------


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))
def test_times_come_back(time: datetime) -> None:
    time = time.replace(microsecond=0, tzinfo=UTC)
    assert parse_time(format_time(time)) == time


@pytest.mark.parametrize(
    "text",
    ["", "none", "2026-11-24T12:00:00", "2026-11-24 12:00:00Z", "2026-11-24T24:00:00Z", "２026-11-24T12:00:00Z"],
)
def test_other_spellings_are_no_times(text: str) -> None:
    assert not is_time(text)
