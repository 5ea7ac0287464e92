"""``migrate --apply`` is killed at every instant at which it changes anything; running it again finishes the version.

A sample of the instants by default; all of them with CHAMELEON_TEST_INSTANTS=all (`make crash`).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chameleondb.vault import log
from tests.cluster import Databases
from tests.command import Chameleon, run_module, url_of

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = 6

FIRST = "entity User {\n    id: bigint primary,\n    email: string,\n}\n"
TOGETHER = FIRST.replace("}", "    age: int?,\n    unique (email),\n}")
ONLINE = FIRST.replace("}", "    age: int?,\n    unique (email),\n    index (age),\n    check (id > 0),\n}")


@dataclass(frozen=True, slots=True)
class Story:
    """A change, and whether its table counts as a large one, for which there are several transactions."""

    before: str | None
    after: str
    online: bool = False
    drift: str | None = None  # what somebody does behind our back
    failed: str | None = None  # a version that fails before the change


STORIES = {
    "first": Story(None, FIRST),
    "together": Story(FIRST, TOGETHER),
    "online": Story(FIRST, ONLINE, online=True),
    "superseding": Story(FIRST, TOGETHER, failed=FIRST.replace("}", "    check (id > 1000),\n}")),
    "repair": Story(TOGETHER, TOGETHER, drift="ALTER TABLE users DROP COLUMN age"),
}


class Killed(Chameleon):
    """The command, which can be killed at an instant."""

    def killed(self, instant: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = self._environment({"KILLED_DATABASE": urlsplit(self.url).path[1:]})
        return run_module("tests.crash.killed", [str(instant), *arguments, "-C", str(self.folder)], ROOT, environment)


Fresh = Callable[[], Killed]


@pytest.fixture
def fresh(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Make a project of its own on a database of its own."""
    return lambda: Killed(tmp_path_factory.mktemp("project"), url_of(databases.new()))


def _prepare(tool: Killed, story: Story) -> None:
    if story.before is not None:
        tool.write(story.before)
        tool.run("migrate", "--apply")
        tool.unlock()
        tool.execute("INSERT INTO users (id, email) SELECT n, 'm' || n FROM generate_series(1, 500) n")
    if story.online:
        (tool.folder / ".chameleon.yml").write_text("migration:\n  small_table: 0MB\n")
    if story.drift is not None:
        tool.execute(story.drift)
    if story.failed is not None:
        tool.write(story.failed)
        tool.run("migrate", "--apply", status=1)
    tool.write(story.after)


def _check(tool: Killed, story: Story) -> None:
    done = tool.run("migrate", "--apply")
    again = tool.run("migrate", "--apply")
    assert "Nothing to do" in again.stdout, done.stdout + again.stdout
    found = json.loads(tool.run("verify", "--format", "json").stdout)
    assert found["findings"] == [], done.stdout + done.stderr
    assert found["drift"] == "none"
    lines = [log.parse(line) for line in (tool.folder / ".chameleon/vault/integrity.log").read_bytes().splitlines()]
    registered = [line.fields["version"] for line in lines if line.action == "REGISTER"]
    count = 1 + (story.before not in (None, story.after)) + (story.failed is not None)
    names = [f"v{n:03}" for n in range(1, count + 1)]
    assert registered == names
    applied = [name for name in names if not (story.failed and name == "v002")]
    assert sorted(line.fields["version"] for line in lines if line.action == "APPLIED") == applied
    assert tool.rows("SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'") == [(len(applied),)]
    assert len([line for line in lines if line.action == "SUPERSEDE"]) == len(names) - len(applied)
    twice = "SELECT step_hash FROM (SELECT json_array_elements_text(body::json->'step_hashes') AS step_hash"
    twice += " FROM chameleon.ledger WHERE kind = 'STEP') s GROUP BY 1 HAVING count(*) > 1"
    assert tool.rows(twice) == []
    assert tool.rows("SELECT bool_and(indisvalid) FROM pg_index") == [(True,)]
    if story.before is not None:
        assert tool.rows("SELECT count(*) FROM users") == [(500,)]


def _instants(tool: Killed, story: Story) -> tuple[list[int], int]:
    """Count the instants by an unharmed run, and choose; return the last one, too."""
    _prepare(tool, story)
    done = tool.killed(0, "migrate", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    count = int(done.stderr.splitlines()[-1])
    assert count > 40
    _check(tool, story)
    every = list(range(1, count + 1))
    if os.environ.get("CHAMELEON_TEST_INSTANTS") == "all":
        return every, count
    return sorted(random.sample(every, SAMPLE)), count


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STORIES))
def test_killed_at_an_instant(name: str, fresh: Fresh) -> None:
    story = STORIES[name]
    instants, last = _instants(fresh(), story)
    for instant in instants:
        tool = fresh()
        _prepare(tool, story)
        done = tool.killed(instant, "migrate", "--apply")
        # A lock that was not free at once makes one instant more or less.
        assert done.returncode == -9 or (done.returncode == 0 and instant > last - 5), f"{instant}: {done.stderr}"
        try:
            _check(tool, story)
        except AssertionError as error:
            raise AssertionError(f"{name}, killed at instant {instant}: {error}") from error
