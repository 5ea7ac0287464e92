"""``chameleon db``: the embedded server by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

pytestmark = pytest.mark.server


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chameleondb", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


@pytest.fixture
def stopped(project: Path) -> Iterator[Path]:
    """A project whose server `main` is stopped at the end."""
    (project / ".git").mkdir()
    yield project
    assert _run("db", "stop", "main").returncode == 0


def test_a_round(stopped: Path) -> None:
    started = _run("db", "start")
    assert started.returncode == 0
    url = started.stdout.strip()
    assert _run("db", "url").stdout.strip() == url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS n")
    assert _run("db", "psql", "--", "-Atc", "SELECT n FROM t").stdout == "42\n"
    (server,) = json.loads(_run("db", "status", "--format", "json").stdout)["servers"]
    assert (server["name"], server["state"]) == ("main-18", "running until `chameleon db stop`")
    assert _run("db", "stop").returncode == 0
    assert _run("db", "status").stdout == "main-18: stopped\n"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_psql_starts_and_stops_it(stopped: Path) -> None:
    done = _run("db", "psql", "main", "--", "-Atc", "SELECT 1", PGHOST="elsewhere", PGUSER="somebody")
    assert (done.stdout, done.returncode) == ("1\n", 0)
    assert _run("db", "psql", "main", "--", "-c", "nonsense").returncode == 1


def test_nothing_there_yet(project: Path) -> None:
    done = _run("db", "status")
    assert (done.returncode, done.stdout) == (0, "")
    assert "chameleon db start" in done.stderr
    assert "chameleon db start other" in _run("db", "url", "other").stderr
    assert list(project.iterdir()) == []


def test_it_is_not_for_other_servers(project: Path) -> None:
    done = _run("db", "start", DATABASE_URL="postgres://ann:s3cret@db/shop")
    assert done.returncode == 64
    assert "DATABASE_URL names a server of its own" in done.stderr
    assert "s3cret" not in done.stderr
