"""Options, markers and the PostgreSQL that tests run on; see tests/README.md."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster import Cluster, Databases, running_cluster, server_home
from tests.command import url_of

settings.register_profile("default", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile("default")

# Names of what a developer's shell may hold must not steer a test.
_FOREIGN = re.compile(r"(PG[A-Z]+|DATABASE_URL|CHAMELEON_(?!TEST_).*|NO_COLOR|FORCE_COLOR|CI|GITHUB_.*)\Z")
_SERVER_FIXTURES = {"cluster", "database", "databases"}


# A shell starts its background jobs with Ctrl-C ignored, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files; read the diff before you commit"
    )


def pytest_report_header() -> str:
    where = "the server of CHAMELEON_TEST_DSN" if "CHAMELEON_TEST_DSN" in os.environ else server_home()
    return f"PostgreSQL: {where}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if _FOREIGN.match(name):
            monkeypatch.delenv(name)
    # What a user has seen is remembered outside of the project; no test is to see what another saw.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server: CHAMELEON_TEST_DSN, or a throw-away cluster of major CHAMELEON_TEST_PG (18)."""
    if dsn := os.environ.get("CHAMELEON_TEST_DSN"):
        yield Cluster(dsn)
        return
    with running_cluster() as running:
        yield running


@pytest.fixture
def databases(cluster: Cluster) -> Iterator[Databases]:
    """A source of fresh empty databases."""
    made = Databases(cluster)
    yield made
    made.drop_all()


@pytest.fixture
def database(databases: Databases) -> str:
    """The connection string of a fresh, empty database."""
    return databases.new()


@pytest.fixture
def database_url(database: str) -> str:
    """The same as a URL, as users write it in DATABASE_URL."""
    return url_of(database)


@pytest.fixture(scope="session")
def server_version(cluster: Cluster) -> int:
    """The server's version as a number, e.g. 180004."""
    return cluster.version()


@pytest.fixture(autouse=True)
def _needed_version(request: pytest.FixtureRequest) -> None:
    # @pytest.mark.pg(">=18"): skip on servers that lack the feature.
    marker = request.node.get_closest_marker("pg")
    if marker is None:
        return
    needed = re.fullmatch(r">=(\d+)", marker.args[0])
    assert needed is not None, "write @pytest.mark.pg('>=18')"
    version = request.getfixturevalue("server_version")
    if version < int(needed[1]) * 10_000:
        pytest.skip(f"needs PostgreSQL {needed[1]}, this is {version // 10_000}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, made the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
