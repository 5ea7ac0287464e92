"""Making the ledger, in the transaction of the first run, so that only a role that nobody can log in as owns it."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import errors as pg

from chameleondb.errors import NotSupported
from chameleondb.names import quote
from chameleondb.postgres.ledger.tables import CREATE, OWNER, PRIVILEGES, writer_grants
from chameleondb.postgres.session import Connection, translated

# The owner is a role of the whole server: another database that is being set up may hold it. Waiting harms nobody,
# since this transaction has not locked anything of the user's yet.
_PATIENCE = "30s"


def create(connection: Connection) -> None:
    """Create the ledger in the open transaction: owned by its own role if that can be had, else by the caller's.

    Raises: NotSupported CHM4012 if the role may not, CHM4014 if the schema is somebody else's; LockNotAcquired.
    """
    with translated():
        row = connection.execute(
            "SELECT current_user::text, pg_catalog.current_database()::text, pg_catalog.current_setting('lock_timeout')"
        ).fetchone()
        assert row is not None
        migrator, database, patience = row
        _set_patience(connection, _PATIENCE)
        owner, is_lent = _owner(connection, migrator)
        # An event trigger may do, or let pass, for the migrator what it does not for a role that it has never heard of.
        if owner == migrator or not _tried(connection, lambda: _make(connection, owner, migrator, database)):
            _make(connection, migrator, migrator, database)
        if is_lent:
            connection.execute(f"REVOKE {OWNER} FROM {quote(migrator)}".encode())
        _set_patience(connection, patience)


def require_place(connection: Connection) -> None:
    """Raises: NotSupported CHM4012 if the role may not make the ledger, before anything is done."""
    with translated():
        row = connection.execute(
            "SELECT pg_catalog.has_database_privilege(d, 'CREATE'), current_user::text, d"
            " FROM pg_catalog.current_database() AS d"
        ).fetchone()
    assert row is not None
    if not row[0]:
        raise _no_place(*row[1:])


def _no_place(migrator: str, database: str, sqlstate: str | None = None) -> NotSupported:
    return NotSupported(
        "CHM4012",
        "the role may not create the schema chameleon, where versions are recorded",
        hint=f"GRANT CREATE ON DATABASE {quote(database)} TO {quote(migrator)};"
        " or let a role that may run the first --apply",
        sqlstate=sqlstate,
    )


def _make(connection: Connection, owner: str, migrator: str, database: str) -> None:
    try:
        connection.execute(f"CREATE SCHEMA chameleon AUTHORIZATION {quote(owner)}".encode())
    except pg.InsufficientPrivilege as error:
        raise _no_place(migrator, database, error.sqlstate) from None
    except pg.DuplicateSchema as error:
        raise not_ours("the schema chameleon", error.sqlstate) from None
    connection.execute(f"SET LOCAL ROLE {quote(owner)}".encode())
    for statement in CREATE:
        connection.execute(statement.encode())
    # The server's defaults, and those of whoever has set others, let more roles in than the migrator.
    for what, grantee, _ in connection.execute(PRIVILEGES.encode()).fetchall():
        whom = "PUBLIC" if grantee is None else quote(grantee)
        connection.execute(f"REVOKE ALL ON {what} FROM {whom}".encode())
    for statement in writer_grants(quote(migrator)):
        connection.execute(statement.encode())
    connection.execute("RESET ROLE")


class NotOurs(NotSupported):
    """Something in the database has our name and was made by somebody else."""


def not_ours(what: str, sqlstate: str | None = None) -> NotOurs:
    """Return the error for such a thing."""
    return NotOurs(
        "CHM4014",
        f"{what} of this database is not what Chameleon makes",
        hint="find out who made or changed it; if it holds a history, restore it from a backup of the database;"
        " if it is somebody else's, it needs another name: ALTER SCHEMA chameleon RENAME TO …",
        sqlstate=sqlstate,
    )


def _owner(connection: Connection, migrator: str) -> tuple[str, bool]:
    """Return who will own the ledger, and whether the migrator was made its member for the time of the transaction."""
    may_set = _may_become_owner(connection)
    if may_set is None:
        # Another database of this server may be quicker: then the role is there now.
        _tried(connection, lambda: connection.execute(f"CREATE ROLE {OWNER} NOLOGIN"))
        may_set = _may_become_owner(connection)
    if may_set is None:
        return migrator, False
    if may_set:
        return OWNER, False
    # Since 16 the maker of a role administers it without being able to become it, unless it says so.
    how = " WITH INHERIT FALSE, SET TRUE" if connection.info.server_version >= 160000 else ""
    if _tried(connection, lambda: connection.execute(f"GRANT {OWNER} TO {quote(migrator)}{how}".encode())):
        return OWNER, True
    return migrator, False


def _may_become_owner(connection: Connection) -> bool | None:
    """Whether the caller can create objects as the owner; None if that role does not exist."""
    how = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    row = connection.execute(
        "SELECT pg_catalog.pg_has_role(oid, %s) FROM pg_catalog.pg_roles WHERE rolname = %s", [how, OWNER]
    ).fetchone()
    return None if row is None else bool(row[0])


def _tried(connection: Connection, work: Callable[[], object]) -> bool:
    """Do what may be refused, without losing the transaction."""
    try:
        with connection.transaction():
            work()
    except (pg.InsufficientPrivilege, pg.DuplicateObject, pg.UniqueViolation, pg.RaiseException):
        return False
    return True


def _set_patience(connection: Connection, lock_timeout: str) -> None:
    connection.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [lock_timeout])
