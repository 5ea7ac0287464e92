"""Whatever the disk refuses, the user is told which file, and the vault verifies or is repaired afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chameleondb import disk
from chameleondb.errors import ChameleonError, IntegrityError
from chameleondb.findings import Severity
from chameleondb.vault.history import History
from chameleondb.vault.store import Store
from tests.unit.vault.vaults import DATABASE, Clock, snapshot

CALLS = ("open", "write", "fsync", "link", "replace", "unlink", "mkdir", "fchmod", "ftruncate")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EMFILE)


class Failing:
    """What `chameleondb.disk` takes for `os`: the `at`-th call that may change something fails, or each from it on."""

    def __init__(self, at: int, error: int, *, once: bool) -> None:
        self.at, self.error, self.once = at, error, once
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._tried(real) if name in CALLS else real

    def _tried(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.at or (self.count > self.at and not self.once):
                raise OSError(self.error, os.strerror(self.error))
            return real(*args, **options)

        return call


class Short:
    """What `chameleondb.disk` takes for `os`: no file grows beyond `size`, and a write takes what still fits."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, handle: int, data: Any) -> int:
        room = self.size - os.fstat(handle).st_size
        if room <= 0:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return os.write(handle, bytes(data[:room]))


class Story:
    """What is done to a vault; `lines` are those that were acknowledged."""

    def __init__(self, data: Path) -> None:
        self.store = Store(data, Clock())
        self.lines = 0

    def run(self) -> None:
        with self.store.lock():
            history = self.note(self.store.create())
            self.store.probe()
            history = self.note(self.store.register(history, snapshot(history)))
            newest = history.newest
            assert newest is not None
            receipt = {"version": newest.label, "hash": newest.id, "db": DATABASE, "ledger": f"1:{'a' * 64}"}
            history = self.note(self.store.append(history, "APPLIED", **receipt, recovered="no"))
            self.note(self.store.register(history, snapshot(history)))
            (self.store.data / "vault" / "hashes" / "v001.hash").unlink()
            self.store.repair(self.store.read())

    def note(self, history: History) -> History:
        self.lines = len(history.lines)
        return history

    def finish(self) -> None:
        """Go on as the next run would, on a disk that works again."""
        verified = self.store.read()
        assert [f for f in verified.findings if f.severity is Severity.VIOLATION] == []
        self.store.repair(verified)
        history = self.store.read().history or self.store.create()
        assert len(history.lines) >= self.lines
        self.store.register(history, snapshot(history, text="after the failure"))
        assert self.store.read().findings == ()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _told(project: Path, fault: Any, monkeypatch: pytest.MonkeyPatch) -> ChameleonError | None:
    """Run the story on a disk with a fault, then finish it on one without; return what the user was told."""
    project.mkdir()
    story = Story(project / ".chameleon")
    told = None
    with monkeypatch.context() as patched:
        patched.setattr(disk, "os", fault)
        try:
            story.run()
        except ChameleonError as error:
            told = error
    story.finish()
    return told


def _names_a_file(error: ChameleonError) -> bool:
    if isinstance(error, IntegrityError):  # what could not be read is found, not raised
        return all(f.place and f.hint for f in error.findings)
    return error.code == "CHM2010" and ".chameleon" in error.message and error.hint is not None


def _faults(
    project: Path, error: int, *, once: bool, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChameleonError | None]:
    at, fault = 0, Failing(1, error, once=once)
    while fault.count >= at:
        at += 1
        fault = Failing(at, error, once=once)
        yield _told(project / str(at), fault, monkeypatch)


@pytest.mark.parametrize("once", [True, False], ids=["once", "for ever"])
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_each_call_fails_in_turn(memory: Path, error: int, once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(_faults(memory, error, once=once, monkeypatch=monkeypatch))
    assert len(told) > 100
    assert [e for e in told if e is not None and not _names_a_file(e)] == []
    assert sum(e is None for e in told) <= 8  # what fails while a failure is cleared away, or is only a note


def test_no_limit_of_size_leaves_more_than_a_torn_tail(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(0, 2400, 16):
        told = _told(memory / str(size), Short(size), monkeypatch)
        assert told is not None
        assert _names_a_file(told)
