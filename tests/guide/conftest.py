"""The guide's user: a project folder, a database, and a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Chameleon
from tests.guide.story import NULLABLE, V1, V2


@pytest.fixture
def tool(project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Chameleon:
    """The command in an empty folder, on an empty database."""
    monkeypatch.setenv("CHAMELEON_AUTHOR", "dperalta")
    return Chameleon(project, database_url)


@pytest.fixture
def first(tool: Chameleon) -> Chameleon:
    """The guide's project with its first version applied."""
    tool.write(V1)
    tool.run("migrate", "--apply")
    return tool


@pytest.fixture
def edited(first: Chameleon) -> Chameleon:
    """The same after step 1, still in readonly mode."""
    first.write(V2)
    return first


@pytest.fixture
def second(first: Chameleon) -> Chameleon:
    """The same with both versions applied."""
    first.unlock()
    first.write(NULLABLE)
    first.run("migrate", "--apply")
    return first
