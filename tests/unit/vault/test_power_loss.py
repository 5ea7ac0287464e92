"""A power cut after any operation leaves a vault that the next run puts right, and what was acknowledged is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chameleondb import disk
from chameleondb.errors import ChameleonError
from chameleondb.findings import Severity
from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from tests.unit.vault.journal_disk import Disk, states
from tests.unit.vault.vaults import DATABASE, Clock, snapshot


class Story:
    """What is done to a vault, and how many of the disk's operations each step had made when it returned."""

    def __init__(self, project: Path, monkeypatch: pytest.MonkeyPatch, forgets: Callable[[bool], bool]) -> None:
        (project / ".chameleon").mkdir(parents=True)
        self.disk = Disk(project, forgets)
        self.disk.has_folder(".chameleon")
        self.heads: list[tuple[int, int]] = [(0, 0)]  # operations, lines that are safe after them
        store = Store(project / ".chameleon", Clock())
        with monkeypatch.context() as patched:
            patched.setattr(disk, "os", self.disk)
            history = self.note(store.create())
            history = self.note(store.register(history, snapshot(history)))
            first = history.newest
            assert first is not None
            row = f"1:{'a' * 64}"
            receipt = {"version": first.label, "hash": first.id, "db": DATABASE, "ledger": row, "recovered": "no"}
            history = self.note(store.append(history, "APPLIED", **receipt))
            self.killed(store, history, "never registered")
            history = self.note(store.register(history, snapshot(history, text="instead")))
            self.killed(store, history, "never registered either")
            store.repair(store.read())
            self.note(history)

    @staticmethod
    def killed(store: Store, history: History, text: str) -> None:
        """Register a version and die before its line is written."""
        new = snapshot(history, text=text)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Store, "_append", _stop)
            with pytest.raises(KeyboardInterrupt):
                store.register(history, new)

    def note(self, history: History) -> History:
        self.heads.append((len(self.disk.operations), len(history.lines)))
        return history

    def safe(self, done: int) -> int:
        """Return how many lines were acknowledged when so many operations were done."""
        return max(lines for operations, lines in self.heads if operations <= done)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


def _recovers(data: Path, safe: int) -> str | None:
    """Go on with a vault as the next run would; return what is wrong, if anything."""
    store = Store(data, _now)
    verified = store.read(deep=True)
    if violations := [f for f in verified.findings if f.severity is Severity.VIOLATION]:
        return f"violation: {violations[0]}"
    try:
        store.repair(verified)
        history = store.read().history or store.create()
        if len(history.lines) < safe:
            return f"lost: {safe} lines were acknowledged, {len(history.lines)} are there"
        history = store.register(history, snapshot(history, text="after the cut"))
    except ChameleonError as error:
        return f"stuck: {error}"
    after = store.read()
    return f"not clean afterwards: {after.findings[0]}" if after.findings else None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no cut will come while the states are looked at


def _verdicts(story: Story, folder: Path) -> Iterator[str | None]:
    """Yield for each state what is wrong with it, if anything."""
    for count, (done, tree) in enumerate(states(story.disk)):
        project = folder / f"state-{count}"
        project.mkdir()
        tree.write(project, story.disk.modes)
        problem = _recovers(project / ".chameleon", story.safe(done))
        yield problem and f"after {done} operations: {problem}"


def test_every_state_after_a_power_cut_recovers(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(memory / "project", monkeypatch, lambda _: False)
    verdicts = list(_verdicts(story, memory))
    print(f"{len(story.disk.operations)} operations, {len(verdicts)} states")
    assert len(verdicts) > 2 * len(story.disk.operations)
    assert [v for v in verdicts if v] == []


@pytest.mark.parametrize("is_folder", [False, True], ids=["files", "folders"])
def test_a_forgotten_sync_is_seen(memory: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool) -> None:
    # The enumeration has teeth: without the syncs of one sort, some state is lost or broken.
    story = Story(memory / "project", monkeypatch, lambda folder: folder is is_folder)
    story.disk.operations = story.disk.operations[:24]  # what is never synced multiplies the states
    assert any(_verdicts(story, memory))
