"""The public names, used as the package's docstring shows."""

from __future__ import annotations

from pathlib import Path

import chameleondb as cham
from chameleondb.steps import Step


class Quiet:
    def step_begun(self, step: Step) -> None: ...

    def step_done(self, step: Step, seconds: float) -> None: ...

    def batch_done(self, step: Step, number: int, pages: int, total: int) -> None: ...

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None: ...


def test_from_a_file_to_a_database_and_back(database_url: str, project: Path) -> None:
    (project / "schema.cham").write_text("entity User { id: int primary }")
    files = cham.Files(cham.read([Path("schema.cham")]))
    target = cham.parse_url(database_url)
    with cham.connect(target) as connection:
        shadows = cham.Shadows(connection, target, project / ".chameleon" / "local")
        what = cham.preview(connection, files, shadows)
        assert [sql.partition("\n")[0] for sql in what.plan.sql] == ["CREATE TABLE users ("]
        assert cham.prove_first(connection, what, shadows) is None
        assert cham.migrate(connection, what, Quiet()) == "v001"
        assert not cham.preview(connection, files, shadows).pending
        assert cham.introspect(connection).text == "entity User {\n    id: int primary,\n}\n"
