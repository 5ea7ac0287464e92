"""How long a step takes, to an order of magnitude: what its tables hold, at rates that an ordinary server reaches.

An idle machine with fast disks is several times faster, a busy one slower; only seconds, minutes and hours are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chameleondb.model.facts import Facts
from chameleondb.steps import Effort, Lock, Transaction

_MIB = 1024 * 1024

# Bytes of the table a second. An index is sorted and written, a rewritten table has all of its indexes built again.
_RATES: Mapping[Effort, int] = {Effort.SCAN: 200 * _MIB, Effort.BUILD: 50 * _MIB, Effort.REWRITE: 20 * _MIB}


def seconds(effort: Effort, transaction: Transaction, locks: Iterable[Lock], facts: Facts) -> float:
    """Return how long a step takes on the largest of the tables it locks, in seconds; 0 if it reads no rows."""
    rate = _RATES.get(effort)
    if rate is None:
        return 0.0
    sizes = [found.bytes for lock in locks if (found := facts.tables.get(lock.relation))]
    # CREATE INDEX CONCURRENTLY reads the table twice.
    passes = 2 if transaction is Transaction.OUTSIDE else 1
    return passes * max(sizes, default=0) / rate


def magnitude(duration: float) -> str:
    """Return a duration in words: an empty text for less than a second."""
    if duration < 1:
        return ""
    return "seconds" if duration < 60 else "minutes" if duration < 3600 else "hours"
