"""The clock of this machine is wrong by years, before, between or after the steps: the same results, and no mode lasts
longer, since nothing but the end of a mode asks for the time, and that is the server's wherever there is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chameleondb.workflow import clock
from tests.attacks.scene import Project, schema
from tests.cluster import Databases
from tests.command import PASSWORD, url_of

pytestmark = pytest.mark.server

DECADE = timedelta(days=3652)
NO_TIME = timedelta(0)


def _set(patch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    patch.setattr(clock, "now", lambda: datetime.now(UTC).replace(microsecond=0) + ahead)


def _mode(project: Project, *options: str) -> str:
    return project.do("config", "get", "mode", *options).out.strip()


def _unlock(project: Project, mode: str, *options: str, status: int = 0, password: str = PASSWORD) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAMELEON_MODE_PASSWORD", password)
        return project.do("config", "set", f"mode={mode}", *options, status=status).err


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Project:
    project = Project(tmp_path_factory.mktemp("clock"), url_of(databases.new()))
    project.apply(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAMELEON_MODE_PASSWORD", PASSWORD)
        project.do("config", "auth", "set-password")
    return project


def _offline(project: Project) -> Project:
    """The same files, where no server answers."""
    return Project(project.folder, "postgresql://nobody@127.0.0.1:1/nothing")


@pytest.mark.parametrize("first", [-DECADE, DECADE], ids=["behind", "ahead"])
def test_the_same_results(first: timedelta, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = [first, -first, NO_TIME, -first, first, first]
    for count, ahead in enumerate(jumps, 2):
        _set(monkeypatch, ahead)
        _unlock(project, "standard")
        assert _mode(project) == "standard"
        if count <= 4:
            project.apply(count)
        _unlock(project, "readonly")
        assert _mode(project) == "readonly"
        assert {f["code"] for f in project.findings()} <= {"CLOCK_BACKWARD"}
    versions = project.do("journal", "schema", "--format", "json").json["versions"]
    assert [v["version"] for v in versions] == ["v004", "v003", "v002", "v001"]
    assert [v["parent"] for v in versions] == ["v003", "v002", "v001", None]
    assert project.rows("SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'") == [(4,)]
    assert "CLOCK_BACKWARD" in {f["code"] for f in project.findings()}


@pytest.mark.parametrize("then", [-DECADE, DECADE], ids=["behind", "ahead"])
@pytest.mark.parametrize("later", [-DECADE, NO_TIME, DECADE], ids=["behind", "right", "ahead"])
def test_a_mode_ends_by_the_servers_clock(
    then: timedelta, later: timedelta, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, then)
    _unlock(project, "standard", "--for", "1h")
    until = project.do("config", "get", "mode", "--format", "json").json["until"]
    assert datetime.fromisoformat(until) <= datetime.now(UTC) + timedelta(hours=1)
    _set(monkeypatch, later)
    assert project.do("config", "get", "mode", "--format", "json").json["until"] == until
    monkeypatch.setattr(
        "chameleondb.workflow.in_force.read_time", lambda _: datetime.now(UTC) + timedelta(hours=1, seconds=1)
    )
    assert _mode(project) == "readonly"
    project.write(schema(2))
    project.do("migrate", "--apply", status=4)


@pytest.mark.parametrize("later", [-DECADE, NO_TIME], ids=["behind", "right"])
def test_a_mode_that_was_set_ahead_of_time_is_none(
    later: timedelta, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a server, the end of a mode is told by this machine; it must not be ten years away."""
    alone = _offline(project)
    _set(monkeypatch, DECADE)
    _unlock(alone, "standard")
    _set(monkeypatch, later)
    assert _mode(alone) == "readonly"
    assert _mode(project) == "readonly"
    project.write(schema(2))
    project.do("migrate", "--apply", status=4)


def test_a_clock_that_is_put_back_does_not_bring_a_mode_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = _offline(project)
    _unlock(alone, "standard", "--for", "1h")
    assert _mode(alone) == "standard"
    _set(monkeypatch, timedelta(hours=2))
    assert _mode(alone) == "readonly"
    for behind in (-DECADE, -timedelta(days=2)):
        _set(monkeypatch, behind)
        assert _mode(alone) == "readonly"


@pytest.mark.parametrize("then", [-DECADE, DECADE], ids=["behind", "ahead"])
def test_wrong_passwords_lock_nobody_out_for_years(
    then: timedelta, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, then)
    for _ in range(6):
        _unlock(project, "standard", status=4, password="something else altogether")
    _set(monkeypatch, NO_TIME)
    _unlock(project, "standard")
    assert _mode(project) == "standard"
