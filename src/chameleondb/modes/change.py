"""Changes of the mode: a chain of them says which mode is in force, and no link can be forged without the password.

A change that grants something (a higher mode, or the same for longer) is signed with the password's key and ends by
itself. One that only takes away needs no signature, so that locking is always possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from chameleondb.frozen import frozen
from chameleondb.modes.key import PublicKey, is_signed
from chameleondb.modes.policy import Mode

NEVER = "none"
PERIOD_DEFAULT = timedelta(minutes=30)
PERIOD_MAX = timedelta(hours=24)
_SKEW_MAX = timedelta(hours=1)  # by which two clocks may differ

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@frozen(kw_only=True)
class ModeChange:
    """One change. `until` is a time or ``none``, `prev` the hash before it in the chain of its `place`."""

    from_: Mode
    to: Mode
    until: str
    sig: str
    place: str  # "vault" or "ledger"
    vault: str
    prev: str


def message(*, place: str, vault: str, prev: str, from_: Mode, to: Mode, until: str) -> bytes:
    """Return what is signed: a change, and the one position of the one chain that it may stand at."""
    return "\n".join(("chameleon.mode/1", place, vault, prev, from_.label, to.label, until)).encode("ascii")


def message_of(change: ModeChange) -> bytes:
    """Return what a change's signature is of."""
    return message(
        place=change.place,
        vault=change.vault,
        prev=change.prev,
        from_=change.from_,
        to=change.to,
        until=change.until,
    )


def grants(last: ModeChange | None, to: Mode, until: str) -> bool:
    """Tell whether a change after `last` allows more than `last` did, or for longer: then it needs a signature.

    Asked of the chain alone and not of a clock, since the time of a line can be forged.
    """
    if to is Mode.READONLY:
        return False
    if last is None or to > last.to or not is_time(until) or not is_time(last.until):
        return True
    return parse_time(until) > parse_time(last.until)


def is_sound(change: ModeChange, last: ModeChange | None, key: PublicKey | None) -> bool:
    """Tell whether `change` may follow `last` while `key` is the password's key; both None if there was none."""
    if change.to is not Mode.READONLY and not is_time(change.until):
        return False
    if change.from_ not in (Mode.READONLY, last.to if last else Mode.READONLY):
        return False
    if not grants(last, change.to, change.until):
        return True
    return key is not None and is_signed(key.key, message_of(change), change.sig)


def effective(changes: Iterable[ModeChange], now: datetime) -> Mode:
    """Return the mode in force at `now`: that of the last change; readonly if there is none, or it is not its time.

    A change that ends later than any could was made by a clock that was ahead, and would last as much longer.
    """
    last = None
    for change in changes:
        last = change
    if last is None or last.to is Mode.READONLY or not is_time(last.until):
        return Mode.READONLY
    return last.to if now < parse_time(last.until) <= now + PERIOD_MAX + _SKEW_MAX else Mode.READONLY


def is_time(text: str) -> bool:
    """Tell whether a text is a time in this format."""
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def parse_time(text: str) -> datetime:
    """Return the time of e.g. ``2026-11-24T00:30:00Z``. Raises: ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("not a time of this format")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def format_time(time: datetime) -> str:
    """Return a time in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
