"""Guessing is slowed down, and never stopped for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chameleondb.modes.attempts import remaining

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (4, 0), (5, 32), (6, 64), (7, 128), (8, 256), (9, 512), (10, 900), (11, 900), (10_000, 900)],
)
def test_the_wait_doubles_up_to_fifteen_minutes(failures: int, seconds: int) -> None:
    assert remaining([NOON] * failures, NOON) == timedelta(seconds=seconds)


def test_it_counts_from_the_last_failure() -> None:
    failures = [NOON - timedelta(days=1)] * 4 + [NOON]
    assert remaining(failures, NOON + timedelta(seconds=20)) == timedelta(seconds=12)
    assert remaining(failures, NOON + timedelta(seconds=32)) == timedelta(0)
    assert remaining(failures, NOON + timedelta(days=1)) == timedelta(0)
