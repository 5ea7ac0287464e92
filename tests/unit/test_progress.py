"""Progress: what takes long is told, what does not is not, and nothing after its end."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from chameleondb.workflow.progress import Progress, duration


class Told:
    """A listener that lets a test wait for the next line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = threading.Semaphore(0)

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._more.release()

    def await_line(self) -> str:
        assert self._more.acquire(timeout=30)
        return self.lines[-1]


def test_long_work_is_told_with_how_far_it_has_come() -> None:
    told, looks = Told(), itertools.count(1)
    with Progress(told, lambda: f"look {next(looks)}", first_s=0.001) as progress:
        progress.begun("CREATE INDEX i")
        assert told.await_line() == "CREATE INDEX i: look 1 (0 s)"
        assert told.await_line() == "CREATE INDEX i: look 2 (0 s)"
        progress.begun("UPDATE users")
        progress.reached("page 5 of 9")
        while told.await_line() != "UPDATE users: page 5 of 9 (0 s)":
            pass


def test_work_of_which_nothing_is_known_is_told_with_its_time() -> None:
    told = Told()
    with Progress(told, first_s=0.001) as progress, progress.doing("at work"):
        assert told.await_line() == "at work (0 s)"


def test_short_work_is_not_told() -> None:
    told = Told()
    with Progress(told, first_s=30) as progress, progress.doing("at work"):
        time.sleep(0.05)
    assert told.lines == []


def test_work_that_ends_while_it_is_looked_at_is_not_told() -> None:
    told, looking, seen = Told(), threading.Event(), threading.Event()

    def look() -> str:
        looking.set()
        seen.wait(30)
        return "half"

    with Progress(told, look, first_s=0.001) as progress:
        with progress.doing("at work"):
            assert looking.wait(30)
        seen.set()
        with progress.doing("more"):
            assert told.await_line() == "more: half (0 s)"
    assert told.lines[0] == "more: half (0 s)"


def test_the_pauses_grow() -> None:
    told = Told()
    with Progress(told, first_s=0.01) as progress, progress.doing("at work"):
        time.sleep(0.5)
    assert 1 <= len(told.lines) <= 6  # at 10, 20, 40, 80, 160, 320 ms, and not each 10 ms


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (10801, "3 h 0 min")]
)
def test_durations_are_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
