"""The time, as everything that is recorded tells it: UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time in UTC, without a fraction."""
    return datetime.now(UTC).replace(microsecond=0)
