"""How soon a password may be tried again. The failures themselves are the state, so there is no counter to delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

FREE_FAILURES = 5
WAIT_MAX = timedelta(minutes=15)


def remaining(failures: Sequence[datetime], now: datetime) -> timedelta:
    """Return how long to wait; `failures` are the times of the wrong tries since the last right one, oldest first.

    From the fifth on, each doubles the wait: 32 seconds, 64, … up to 15 minutes after the last one. One that is further
    in the future than that was told by a clock that was ahead, and would lock for as long.
    """
    if len(failures) < FREE_FAILURES or failures[-1] > now + WAIT_MAX:
        return timedelta(0)
    wait = min(timedelta(seconds=2 ** min(len(failures), 20)), WAIT_MAX)
    return max(failures[-1] + wait - now, timedelta(0))
