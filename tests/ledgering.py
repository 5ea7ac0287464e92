"""A ledger as tests see it: written through the library, by roles of their own, and changed behind its back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chameleondb.names import Identity, quote, relation
from chameleondb.postgres.ledger import Ledger, Registered, Run, Version, read_head
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target

VAULT = "6a2f41a3-c54c-4d1e-8b5a-8a3f0d4c9e77"
USERS = relation("public", "users")


class Roles:
    """Makes roles of names that no other test has, and drops them with all that they own."""

    _numbers: ClassVar = itertools.count()

    def __init__(self, *databases: str) -> None:
        self._databases = databases
        self._made: list[str] = []

    def new(self, *rights: str, options: str = "LOGIN", name: str = "role") -> str:
        """Create a role; `rights` are statements in which ``{role}`` and ``{database}`` stand for the names in SQL."""
        role = f"{name}_{os.getpid()}_{next(self._numbers)}"
        for dsn in self._databases:
            with psycopg.connect(dsn, autocommit=True) as connection:
                if role not in self._made:
                    connection.execute(f"CREATE ROLE {quote(role)} {options}".encode())
                    self._made.append(role)
                for right in rights:
                    named = right.format(role=quote(role), database=quote(str(conninfo_to_dict(dsn)["dbname"])))
                    connection.execute(named.encode())
        return role

    def drop_all(self) -> None:
        """Drop what `new` made."""
        for role in self._made:
            for dsn in self._databases:
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute(f"DROP OWNED BY {quote(role)} CASCADE".encode())
        for role in self._made:
            with psycopg.connect(self._databases[0], autocommit=True) as connection:
                connection.execute(f"DROP ROLE {quote(role)}".encode())


def as_role(dsn: str, role: str) -> str:
    """Return the connection string of another role."""
    return make_conninfo(dsn, user=role)


@contextmanager
def session(dsn: str) -> Iterator[Connection]:
    """Connect as the tool does."""
    connection = connect(Target(dsn, "the test database", "a test"))
    try:
        yield connection
    finally:
        connection.close()


def execute(dsn: str, *statements: str) -> None:
    """Run statements behind the tool's back, all in one transaction."""
    with psycopg.connect(dsn) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def run_of(
    *statements: str, objects: frozenset[Identity] = frozenset({USERS}), is_repair: bool = False, **more: str
) -> Run:
    """Return a run that does something."""
    version = Version(objects=objects, namespaces=("public",))
    return Run(
        version=version,
        schema_hash=more.get("schema_hash", "5" * 64),
        plan_hash="9" * 64,
        statements=statements,
        is_repair=is_repair,
    )


def registered(number: int, vault: str = VAULT) -> Registered:
    """Return a version of a vault."""
    return Registered(
        label=f"v{number:03}", version_id=f"{number:064x}", vault=vault, log_seq=number + 1, log_sum="c" * 64
    )


def applied(connection: Connection, number: int, run: Run | None = None) -> Ledger:
    """Record a whole run of a version of `VAULT`."""
    book = Ledger(connection, read_head(connection), run or run_of("SELECT 1"), registered(number))
    with connection.transaction():
        book.begun()
        book.done(0, list(book.writer.run.statements))
        book.applied()
    book.kept()
    return book
