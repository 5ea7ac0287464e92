"""A clone that is thrown away brings production to what the repository says: docs/modes.md, "In CI"."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.branching import Developer, first_developer
from tests.cluster import Databases
from tests.command import url_of

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("git") is None, reason="no git here"),
]

USER = "entity User {\n    id: bigint primary,\n}\n"
NAMED = USER.replace("primary,", "primary,\n    name: string?,")


@pytest.fixture
def ann(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Developer:
    """A developer with a database of her own; v001 and the mode's password are committed."""
    return first_developer(tmp_path_factory.mktemp("ann"), url_of(databases.new()), USER)


@pytest.fixture
def job(ann: Developer, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Developer]:
    """Return what begins a job: a new clone, and production at v001."""
    production = url_of(databases.new())

    def begin() -> Developer:
        found = ann.clone(tmp_path_factory.mktemp("job") / "project", production, "ci")
        found.unlock()
        return found

    begin().run("migrate", "--apply", "--registered")
    return begin


def test_what_is_committed_is_brought_to_production(ann: Developer, job: Callable[[], Developer]) -> None:
    ann.apply(NAMED)
    ann.commit("names")
    first = job()
    first.run("migrate", "--apply", "--registered")
    shutil.rmtree(first.folder)
    later = job()
    assert "Nothing to do" in later.run("migrate", "--apply", "--registered").stdout
    later.run("verify")


def test_what_is_no_version_yet_is_not_made_one(ann: Developer, job: Callable[[], Developer]) -> None:
    ann.write(NAMED)
    ann.commit("names, without a version")
    found = job()
    before = found.log()
    said = found.run("migrate", "--apply", "--registered", status=1).stderr
    assert "error[CHM1015]" in said
    assert "commit .chameleon together with the schema" in said
    assert not any("[REGISTER]" in line for line in found.log()[len(before) :])
    found.run("migrate", "--check", status=2)


def test_a_version_that_nobody_has_any_more_is_left_behind(ann: Developer, job: Callable[[], Developer]) -> None:
    ann.write(NAMED)
    ann.commit("names, without a version")
    first = job()
    first.run("migrate", "--apply")
    shutil.rmtree(first.folder)
    later = ann.clone(first.folder, first.url, "ci")
    assert "A version that nobody has" in later.run("migrate", "--apply", status=5).stderr
    later.execute("ALTER SCHEMA chameleon RENAME TO chameleon_lost")
    later.unlock()
    said = later.run("migrate", "--apply", "--adopt").stdout
    assert "Registered as v002" in said
    assert "Nothing to run" in said
    later.run("verify")
    assert later.rows("SELECT count(*) FROM chameleon_lost.ledger WHERE kind = 'APPLIED'") == [(2,)]


def test_it_goes_with_apply(ann: Developer) -> None:
    assert "error[CHM0517]" in ann.run("migrate", "--registered", status=64).stderr
