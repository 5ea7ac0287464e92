"""A sign of life from work that takes long.

A thread tells what is being done, how far it has come and for how long, first after some seconds and then ever more
rarely: enough for a person at a terminal, few lines in the log of a machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

FIRST_S = 3.0
LONGEST_S = 60.0


@dataclass(slots=True)
class _Work:
    what: str
    begun: float
    due_s: float
    reached: str | None = None


class Progress:
    """Tells of what is done while the `with` block lasts.

    `say` is called from another thread, but never about work that has ended. `look` is asked, in that thread too, how
    far the work has come, unless it says so itself. The first time is after `first_s` seconds; each pause is twice the
    one before, up to `longest_s`.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        look: Callable[[], str | None] = lambda: None,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self.say, self.look, self.first_s, self.longest_s = say, look, first_s, longest_s
        self._work: _Work | None = None
        self._lock = threading.Lock()  # held while something is told, so that it does not end meanwhile
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()
        self._over.set()
        self._thread.join(timeout=1.0)  # it may be waiting for a server

    def begun(self, what: str) -> None:
        """Say what is done from now on."""
        with self._lock:
            self._work = _Work(what, time.monotonic(), self.first_s)

    def reached(self, how_far: str) -> None:
        """Say how far it has come."""
        if self._work is not None:
            self._work.reached = how_far

    def ended(self) -> None:
        """Say that it is done."""
        with self._lock:
            self._work = None

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say that it is done in this block."""
        self.begun(what)
        try:
            yield
        finally:
            self.ended()

    def _run(self) -> None:
        while not self._over.wait(min(0.5, self.first_s)):
            work = self._work
            if work is None or time.monotonic() - work.begun < work.due_s:
                continue
            far = work.reached or self.look()
            with self._lock:
                if work is self._work:
                    elapsed = duration(time.monotonic() - work.begun)
                    self.say(f"{work.what}: {far} ({elapsed})" if far else f"{work.what} ({elapsed})")
            work.due_s += min(work.due_s, self.longest_s)


def duration(seconds: float) -> str:
    """Return a time as people say it: 8 s, 2 min 5 s, 3 h 0 min."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
