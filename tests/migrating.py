"""A user's migrations as tests see them: through the library, proven before they run, planned again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from chameleondb.apply.executor import Patience
from chameleondb.diagnostics import Source
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from chameleondb.postgres.ledger import RUN_LOCK_KEY
from chameleondb.postgres.session import Connection, connect, run_lock
from chameleondb.postgres.url import Target
from chameleondb.steps import Step
from chameleondb.workflow.introspect import introspect
from chameleondb.workflow.migrate import Preview, apply, preview, prove_first
from chameleondb.workflow.shadow import Shadows
from chameleondb.workflow.source import Files

EVERYTHING = ("*",)


@dataclass(slots=True)
class Heard:
    """A watcher that remembers."""

    done: list[str] = field(default_factory=list)
    batches: list[tuple[int, int, int]] = field(default_factory=list)
    missed: list[str | None] = field(default_factory=list)
    on_begun: Callable[[Step], None] = lambda _: None
    on_missed: Callable[[], None] = lambda: None
    on_batch: Callable[[], None] = lambda: None

    def step_begun(self, step: Step) -> None:
        self.on_begun(step)

    def step_done(self, step: Step, seconds: float) -> None:  # noqa: ARG002
        self.done.append(step.sql)

    def batch_done(self, step: Step, number: int, pages: int, total: int) -> None:  # noqa: ARG002
        self.batches.append((number, pages, total))
        self.on_batch()

    def lock_missed(self, step: Step, attempt: int, blockers: str | None) -> None:  # noqa: ARG002
        self.missed.append(blockers)
        self.on_missed()


@dataclass(frozen=True, slots=True)
class Database:
    """One database. `small_table_bytes` of 0 makes every table with a row a large one, which takes the online forms."""

    dsn: str
    local: Path
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT

    @contextmanager
    def session(self) -> Iterator[tuple[Connection, Shadows]]:
        target = Target(self.dsn, "the test database", "a test")
        connection = connect(target)
        try:
            yield connection, Shadows(connection, target, self.local)
        finally:
            connection.close()

    def plan(self, schema: str) -> Preview:
        """Preview the way to a schema."""
        with self.session() as (connection, shadows):
            return self._preview(connection, shadows, schema)

    def statements(self, schema: str) -> list[str]:
        """Return what would run."""
        return list(self.plan(schema).plan.sql)

    def run(
        self,
        schema: str,
        *,
        allow: tuple[str, ...] = EVERYTHING,
        patience: Patience | None = None,
        heard: Heard | None = None,
    ) -> list[str]:
        """Do what ``migrate --apply`` does; return the statements."""
        with self.session() as (connection, shadows), run_lock(connection, RUN_LOCK_KEY, 30):
            what = self._preview(connection, shadows, schema)
            assert prove_first(connection, what, shadows) is None
            apply(connection, what, heard or Heard(), allowed=allow, patience=patience)
            return list(what.plan.sql)

    def migrate(self, schema: str, *, allow: tuple[str, ...] = EVERYTHING) -> list[str]:
        """Run the way to a schema and make sure that it leads there."""
        statements = self.run(schema, allow=allow)
        assert self.statements(schema) == [], f"not there after {statements}"
        return statements

    def text(self) -> str:
        """Return the database as `.cham`."""
        with self.session() as (connection, _):
            return introspect(connection).text

    def execute(self, *statements: str) -> None:
        """Run statements by hand, each in a transaction of its own."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for sql in statements:
                connection.execute(sql.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def value(self, query: str) -> Any:
        """Return the only value of a query."""
        ((value,),) = self.rows(query)
        return value

    def _preview(self, connection: Connection, shadows: Shadows, schema: str) -> Preview:
        files = Files((Source("test.cham", schema),))
        return preview(connection, files, shadows, small_table_bytes=self.small_table_bytes)
