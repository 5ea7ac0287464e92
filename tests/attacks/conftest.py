"""The scenes of the attacks; the one that no attack changes the database of is built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.scene import Project, Scene, build, build_other
from tests.cluster import Cluster, Databases
from tests.command import url_of


class Shared:
    """Builds a scene when it is first asked for: by then the environment is clean."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.databases, self.folder = databases, folder
        self.built: Scene | None = None

    @property
    def scene(self) -> Scene:
        if self.built is None:
            other = build_other(self.folder, url_of(self.databases.new()))
            self.built = build(self.folder, url_of(self.databases.new()), other)
        return self.built


@pytest.fixture(scope="session")
def shared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    databases = Databases(cluster)
    yield Shared(databases, tmp_path_factory.mktemp("scene"))
    databases.drop_all()


@pytest.fixture
def on_disk(shared: Shared, tmp_path: Path) -> Scene:
    """A scene with files of its own, whose databases are only to be read."""
    return shared.scene.copied_to(tmp_path / "scene")


@pytest.fixture
def own(databases: Databases, tmp_path: Path) -> Scene:
    """A scene with files and databases of its own; the other project is an empty folder and an empty database."""
    folder = tmp_path / "own"
    (folder / "other").mkdir(parents=True)
    return build(folder, url_of(databases.new()), Project(folder / "other", url_of(databases.new())))
