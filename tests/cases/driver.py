"""The tool as a case sees it: through the library, on one connection, without files or command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chameleondb.diagnostics import Source
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target
from chameleondb.steps import Step
from chameleondb.workflow.migrate import Preview, apply, preview
from chameleondb.workflow.shadow import Shadows
from chameleondb.workflow.source import Files


class _Silent:
    """A watcher that has nothing to say."""

    def step_begun(self, step: Step) -> None: ...

    def step_done(self, step: Step, seconds: float) -> None: ...

    def batch_done(self, step: Step, number: int, pages: int, total: int) -> None: ...

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration as previewed; `apply` runs just that."""

    connection: Connection
    preview: Preview

    @property
    def statements(self) -> list[str]:
        """What would run, statement by statement."""
        return list(self.preview.plan.sql)

    def apply(self, allow: tuple[str, ...] = ()) -> None:
        """Run it with these consents."""
        apply(self.connection, self.preview, _Silent(), allowed=allow)


@contextmanager
def planned(dsn: str, schema: str, local: Path) -> Iterator[Planned]:
    """Preview the way of a database to a schema."""
    target = Target(dsn, "the test database", "a test")
    files = Files((Source("case.cham", schema),))
    connection = connect(target)
    try:
        yield Planned(connection, preview(connection, files, Shadows(connection, target, local)))
    finally:
        connection.close()


def build(dsn: str, schema: str, local: Path) -> None:
    """Bring a database to a schema, whatever it takes."""
    with planned(dsn, schema, local) as change:
        change.apply(("*",))
