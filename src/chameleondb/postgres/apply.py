"""The executor's session, on a real connection."""

from __future__ import annotations

from chameleondb.names import Identity, qualified_type, spelled
from chameleondb.postgres.activity import Blockers, lock_holders
from chameleondb.postgres.session import Connection, translated
from chameleondb.steps import Lock


class ApplySession:
    """Runs statements of a plan exactly as they were previewed: one per message, names resolved in `public`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def begin(self, lock_timeout_s: float) -> None:
        """Open a transaction with a lock timeout."""
        with translated():
            self.connection.execute("BEGIN")
            self._set_lock_timeout(lock_timeout_s, local=True)

    def execute(self, sql: str) -> int:
        """Run one statement; return the number of rows it touched."""
        with translated(sql):
            return self.connection.execute(sql.encode()).rowcount

    def execute_alone(self, sql: str, lock_timeout_s: float) -> int:
        """Run one statement outside a transaction block."""
        with translated(sql):
            self._set_lock_timeout(lock_timeout_s, local=False)
            return self.connection.execute(sql.encode()).rowcount

    def execute_pages(self, sql: str, first: int, count: int, lock_timeout_s: float) -> int:
        """Run a statement that ends with a WHERE clause on some pages of its table only (a TID range scan)."""
        return self.execute_alone(f"{sql} AND ctid >= '({first},0)' AND ctid < '({first + count},0)'", lock_timeout_s)

    def pages(self, table: Identity) -> int:
        """Return the size of a table, in pages."""
        with translated():
            row = self.connection.execute(
                "SELECT pg_catalog.pg_relation_size(%s::regclass) / pg_catalog.current_setting('block_size')::int",
                [spelled(table.path)],
            ).fetchone()
        return int(row[0]) if row is not None else 0

    def lock_and_count(self, table: Identity) -> int:
        """Lock a table against everybody and look for a row."""
        name = qualified_type(table.path)
        with translated():
            self.connection.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE".encode())
            row = self.connection.execute(f"SELECT count(*) FROM (SELECT FROM {name} LIMIT 1) r".encode()).fetchone()
        return int(row[0]) if row is not None else 0

    def commit(self) -> None:
        """Commit the transaction."""
        with translated("COMMIT"):
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back; a lost connection has done so already."""
        if not self.connection.closed and not self.connection.broken:
            with translated():
                self.connection.execute("ROLLBACK")

    def blockers(self, locks: tuple[Lock, ...]) -> Blockers | None:
        """Return who holds locks on the relations of those that were asked for."""
        wanted = [(spelled(lock.relation.path), lock.mode) for lock in locks if lock.relation.space == "relation"]
        return lock_holders(self.connection, wanted)

    def _set_lock_timeout(self, seconds: float, *, local: bool) -> None:
        milliseconds = str(int(seconds * 1000))
        self.connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, %s)", [milliseconds, local])
