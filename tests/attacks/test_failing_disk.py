"""An apply on a disk that refuses something: the user is told what, the database is never left ahead of what can be
found out, and the next apply finishes."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from chameleondb import disk
from tests.attacks.scene import Project, Scene
from tests.unit.vault.test_failing_disk import Failing

pytestmark = pytest.mark.server

# Every instant is tried if this is 1.
STEP = int(os.environ.get("CHAMELEON_TEST_STEP", "7"))


def _change(project: Project, number: int) -> None:
    project.write(f'entity User {{\n    id: bigint primary,\n    email: string default "{number}",\n}}\n')


class FailingToWrite(Failing):
    """A full or read-only disk, which goes on being read."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if name != "open":
            return found

        def opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            changes = flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
            handle: int = (found if changes else os.open)(path, flags, *rest, **options)
            return handle

        return opened


def _apply(project: Project, failing: Failing) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "os", failing)
        said = project.say("migrate", "--apply", "--allow", "*")
    return said.status, said.err


_TOLD = (
    "error[CHM2010]: cannot write .chameleon",
    "error[CHM2040]: v",  # it is applied, and only the receipt is missing
    "🚨 Schema vault cannot be read!",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "error", "once"),
    [(FailingToWrite, errno.ENOSPC, False), (FailingToWrite, errno.EROFS, False), (Failing, errno.EIO, True)],
    ids=["full", "read-only", "bad"],
)
def test_an_apply_on_a_failing_disk(failing: type[Failing], error: int, once: bool, own: Scene) -> None:
    project = own.victim
    _change(project, 0)
    counting = failing(10**9, error, once=once)
    assert _apply(project, counting)[0] == 0
    told = 0
    for number in range(1, counting.count + 1, STEP):
        _change(project, number)
        status, text = _apply(project, failing(number, error, once=once))
        if status:
            told += 1
            assert os.strerror(error) in text, text
            assert any(words in text for words in _TOLD), text
            default = project.rows("SELECT column_default FROM information_schema.columns WHERE column_name = 'email'")
            assert (default == [(f"'{number}'::text",)]) == ("CHM2040" in text)
        project.do("migrate", "--apply", "--allow", "*")
        found = [f["code"] for f in project.findings()]
        assert found == [], (number, found)
        applied = project.rows("SELECT version_id FROM chameleon.ledger WHERE kind = 'APPLIED'")
        assert len(applied) == len(set(applied))
    assert told > counting.count // STEP // 2
