"""Who may do what with the ledger: as the role that adds to it, as others, and where no owner's role can be had."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from chameleondb.errors import NotSupported
from chameleondb.names import quote
from chameleondb.postgres.ledger import Ledger, protection, read_head, read_identity, read_rows
from chameleondb.postgres.ledger.tables import OWNER
from tests.cluster import Cluster, Databases, running_cluster
from tests.ledgering import Roles, applied, as_role, execute, run_of, session

pytestmark = pytest.mark.server

ODD = 'Ann "B" ü;--'
GRANTS = (
    "GRANT USAGE ON SCHEMA chameleon TO {role}",
    "GRANT SELECT ON chameleon.ledger TO {role}",
    "GRANT EXECUTE ON FUNCTION chameleon.append(text, text) TO {role}",
)

DENIED, MOVED = "42501", "40001"
BODY = '{"kind":"STEP","vault":"none","log_seq":0,"log_sum":"0"}'
RESET = '{"kind":"REPAIR","vault":"none","log_seq":0,"log_sum":"0"}'
ROW = "(99, '{}', '0', '0', 'STEP', 'none', 0, '0')"
STATEMENTS = {
    "read": "SELECT body FROM chameleon.ledger",
    "append": f"SELECT chameleon.append('%(head)s', '{BODY}')",
    "append to an old head": f"SELECT chameleon.append('{'0' * 64}', '{BODY}')",
    "reset the mode password": f"SELECT chameleon.append('%(head)s', '{RESET}')",
    "update": "UPDATE chameleon.ledger SET body = '{}'",
    "delete": "DELETE FROM chameleon.ledger",
    "truncate": "TRUNCATE chameleon.ledger",
    "insert": f"INSERT INTO chameleon.ledger (seq, body, prev, hash, kind, vault_id, log_seq, log_sum) VALUES {ROW}",
    "disable the trigger": "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only",
    "drop the trigger": "DROP TRIGGER append_only ON chameleon.ledger",
    "replace the function": "CREATE OR REPLACE FUNCTION chameleon.append(expected_prev text, body text) RETURNS text"
    " LANGUAGE sql AS 'SELECT $1'",
    "drop the function": "DROP FUNCTION chameleon.append",
    "drop the index": "DROP INDEX chameleon.ledger_one_child",
    "add a column": "ALTER TABLE chameleon.ledger ADD more text",
    "add a rule": "CREATE RULE r AS ON INSERT TO chameleon.ledger DO INSTEAD NOTHING",
    "drop the table": "DROP TABLE chameleon.ledger",
    "drop the schema": "DROP SCHEMA chameleon CASCADE",
    "make something in the schema": "CREATE TABLE chameleon.mine (a int)",
    "take it": "ALTER TABLE chameleon.ledger OWNER TO CURRENT_USER",
    "become the owner": f"SET ROLE {OWNER}",
}
MIGRATOR = dict.fromkeys(STATEMENTS, DENIED) | {"read": None, "append": None, "append to an old head": MOVED}
READER = dict.fromkeys(STATEMENTS, DENIED) | {"read": None}
STRANGER = dict.fromkeys(STATEMENTS, DENIED)
# Where the migrator has to own the ledger itself, only the triggers and the chain are left.
ITS_OWNER: dict[str, str | None] = dict.fromkeys(STATEMENTS) | {
    "append to an old head": MOVED,
    "reset the mode password": DENIED,  # that is for the owner of the database
    "update": DENIED,
    "delete": DENIED,
    "truncate": DENIED,
    "become the owner": DENIED,
}


def _verdicts(dsn: str, role: str) -> dict[str, str | None]:
    """Return what the server says to each statement of a role: its SQLSTATE, or None if it runs."""
    with session(dsn) as connection:
        head = read_head(connection).hash
    verdicts: dict[str, str | None] = {}
    for name, sql in STATEMENTS.items():
        with psycopg.connect(as_role(dsn, role)) as attacker:
            try:
                attacker.execute(sql.replace("%(head)s", head).encode())
                verdicts[name] = None
            except psycopg.Error as error:
                verdicts[name] = error.sqlstate
            attacker.rollback()
    return verdicts


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and how roles for it are made."""

    dsn: str
    roles: Roles

    def founded(self, role: str | None = None) -> None:
        """Make the ledger: by a role, or by the superuser."""
        with session(as_role(self.dsn, role) if role else self.dsn) as connection:
            applied(connection, read_head(connection).version + 1)

    def findings(self, role: str | None = None) -> list[str]:
        """Return what is not protected."""
        with session(as_role(self.dsn, role) if role else self.dsn) as connection:
            return [f"{f.place}: {f.message}" for f in protection(connection)]

    def hints(self) -> list[str]:
        with session(self.dsn) as connection:
            return [f.hint or "" for f in protection(connection)]

    def owner(self) -> str:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'ledger'").fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    roles = Roles(database)
    yield Place(database, roles)
    roles.drop_all()


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """A server of our own, on which the owner's role comes and goes."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def fresh(own_cluster: Cluster) -> Iterator[Callable[[int], list[Place]]]:
    """Make databases on a server without the owner's role."""
    made = Databases(own_cluster)
    roles: list[Roles] = []

    def several(count: int) -> list[Place]:
        databases = [made.new() for _ in range(count)]
        roles.append(Roles(*databases))
        return [Place(dsn, roles[0]) for dsn in databases]

    yield several
    for one in roles:
        one.drop_all()
    made.drop_all()
    with psycopg.connect(own_cluster.dsn(), autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {OWNER}")


# --- Roles and statements -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "expected"),
    [(GRANTS, MIGRATOR), (GRANTS[:2], READER), ((), STRANGER)],
    ids=["migrator", "reader", "other"],
)
def test_what_a_role_may_do(place: Place, rights: tuple[str, ...], expected: dict[str, str | None]) -> None:
    place.founded()
    assert _verdicts(place.dsn, place.roles.new(*rights, name=ODD)) == expected


def test_what_the_migrator_may_do_where_it_owns_the_ledger(place: Place) -> None:
    execute(place.dsn, f"DO $$ BEGIN CREATE ROLE {OWNER} NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", name=ODD)
    place.founded(role)
    assert place.owner() == quote(role)
    assert _verdicts(place.dsn, role) == ITS_OWNER


def test_what_a_migrator_may_do_that_made_the_owner_itself(fresh: Callable[[int], list[Place]]) -> None:
    (place,) = fresh(1)
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE", name=ODD)
    place.founded(role)
    assert place.owner() == OWNER
    assert _verdicts(place.dsn, role) == MIGRATOR
    assert _verdicts(place.dsn, place.roles.new()) == STRANGER


# --- Making it --------------------------------------------------------------------------------------------------------


def test_a_role_that_may_not_make_roles_owns_the_ledger_and_it_works(fresh: Callable[[int], list[Place]]) -> None:
    (place,) = fresh(1)
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}")
    place.founded(role)
    place.founded(role)
    assert place.owner() == role
    assert place.findings(role) == [f"table chameleon.ledger: belongs to {role}, who can log in and change it"]


def test_a_maker_of_roles_uses_the_owner_in_every_database(fresh: Callable[[int], list[Place]]) -> None:
    places = fresh(2)
    role = places[0].roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE")
    for place in places:
        place.founded(role)
        place.founded(role)
        assert place.owner() == OWNER
        with psycopg.connect(place.dsn) as connection:
            may_set = connection.execute("SELECT pg_has_role(%s, %s, 'USAGE')", [role, OWNER]).fetchone()
        assert may_set == (False,)


def test_a_member_of_the_owner_stays_one(fresh: Callable[[int], list[Place]]) -> None:
    (place,) = fresh(1)
    execute(place.dsn, f"CREATE ROLE {OWNER} NOLOGIN")
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", f"GRANT {OWNER} TO {{role}}")
    place.founded(role)
    assert place.owner() == OWNER
    assert place.findings() == [f"table chameleon.ledger: {role} can become its owner"]


@pytest.mark.pg(">=16")
def test_a_role_made_by_another_is_not_taken(fresh: Callable[[int], list[Place]]) -> None:
    (place,) = fresh(1)
    execute(place.dsn, f"CREATE ROLE {OWNER} NOLOGIN")
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE")
    place.founded(role)
    assert place.owner() == role


def test_two_databases_make_the_owner_at_the_same_moment(fresh: Callable[[int], list[Place]]) -> None:
    places = fresh(2)
    role = places[0].roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE")
    second = threading.Thread(target=lambda: places[1].founded(role))
    with psycopg.connect(places[0].dsn) as first:
        first.execute(f"CREATE ROLE {OWNER} NOLOGIN ADMIN {quote(role)}".encode())
        second.start()
        _wait_for_a_lock(places[1].dsn)
    second.join(20)
    assert not second.is_alive()
    assert places[1].owner() == OWNER


def _wait_for_a_lock(dsn: str) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(waiting.encode()).fetchone() == (0,):
            connection.execute("SELECT pg_sleep(0.02)")


@pytest.mark.parametrize(
    "body",
    ["INSERT INTO seen VALUES (tg_tag)", "IF current_user <> session_user THEN RAISE EXCEPTION 'not you'; END IF"],
)
def test_an_event_trigger_that_only_the_migrator_may_pass_is_passed(place: Place, body: str) -> None:
    execute(
        place.dsn,
        "CREATE TABLE seen (tag text)",
        f"CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$",
        "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch()",
    )
    place.founded()
    assert place.findings() == ["table chameleon.ledger: belongs to postgres, who can log in and change it"]


def test_default_privileges_let_nobody_in(place: Place) -> None:
    other = place.roles.new()
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}")
    for what in ("SCHEMAS", "TABLES", "FUNCTIONS"):
        execute(place.dsn, f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT ALL ON {what} TO {other}, PUBLIC")
    place.founded(role)
    assert _verdicts(place.dsn, other) == STRANGER
    assert len(place.findings()) == 1  # only that the owner can log in


def test_the_transaction_goes_on_as_it_was(place: Place) -> None:
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE")
    with session(as_role(place.dsn, role)) as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '77ms'")
        Ledger(connection, read_head(connection), run_of()).begun()
        after = connection.execute("SELECT current_user::text, current_setting('lock_timeout')").fetchone()
    assert after == (role, "77ms")


# --- What is missing, said exactly ------------------------------------------------------------------------------------


def test_who_may_not_make_the_schema_is_told_the_grant(place: Place) -> None:
    role = place.roles.new(name=ODD)
    with pytest.raises(NotSupported) as caught:
        place.founded(role)
    assert caught.value.code == "CHM4012"
    assert caught.value.hint is not None
    execute(place.dsn, caught.value.hint.partition("; or ")[0])
    place.founded(role)


@pytest.mark.parametrize(("rights", "code"), [((), "CHM4013"), (GRANTS[:2], "CHM4011")])
def test_a_second_migrator_is_told_the_grants(place: Place, rights: tuple[str, ...], code: str) -> None:
    place.founded()
    role = place.roles.new(*rights, name=ODD)
    with pytest.raises(NotSupported) as caught:
        place.founded(role)
    assert caught.value.code == code
    execute(place.dsn, *(caught.value.hint or "").split("; "))
    if code == "CHM4013":
        with session(as_role(place.dsn, role)) as connection:
            assert len(read_rows(connection)) == 4
    else:
        place.founded(role)
        place.founded()


def test_what_the_server_does_not_tell_is_unknown(place: Place) -> None:
    for function in ("pg_control_system()", "pg_control_checkpoint()", "pg_walfile_name(pg_lsn)"):
        execute(place.dsn, f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}")
    place.founded(role)
    with session(as_role(place.dsn, role)) as connection:
        told = read_identity(connection)
        begun = read_head(connection).database
    assert (told.system_identifier, told.timeline, begun) == ("unknown", 0, told)
    with session(place.dsn) as connection:
        known = read_identity(connection)
    assert known.system_identifier.isdigit()
    assert (known.oid, known.name, known.timeline) == (told.oid, told.name, 1)


# --- Protection -------------------------------------------------------------------------------------------------------


def test_a_ledger_of_its_own_role_is_protected(place: Place) -> None:
    assert place.findings() == []  # there is none
    place.founded()
    role = place.roles.new(*GRANTS)
    assert place.findings() == []
    assert place.findings(role) == []


UNPROTECTED = {
    "GRANT EXECUTE ON FUNCTION chameleon.append(text, text) TO PUBLIC": (
        "function chameleon.append(text, text): everybody has the right EXECUTE"
    ),
    "GRANT INSERT, UPDATE ON chameleon.ledger TO PUBLIC": (
        "table chameleon.ledger: everybody has the right INSERT, UPDATE"
    ),
    "GRANT INSERT (seq, body) ON chameleon.ledger TO PUBLIC": "table chameleon.ledger: everybody has the right INSERT",
    "GRANT CREATE ON SCHEMA chameleon TO PUBLIC": "schema chameleon: everybody has the right CREATE",
    "ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only": (
        "table chameleon.ledger: its trigger append_only is disabled"
    ),
    "ALTER TABLE chameleon.ledger ENABLE REPLICA TRIGGER append_only": (
        "table chameleon.ledger: its trigger append_only is disabled"
    ),
    "ALTER TABLE chameleon.ledger SET UNLOGGED": (
        "table chameleon.ledger: is unlogged: a crash of the server would empty it"
    ),
}
CHANGED = {
    "DROP TRIGGER append_only ON chameleon.ledger": (
        "table chameleon.ledger: its trigger append_only is missing, or not what Chameleon made"
    ),
    "DROP TRIGGER append_only ON chameleon.ledger; CREATE TRIGGER append_only BEFORE UPDATE ON chameleon.ledger"
    " FOR EACH STATEMENT EXECUTE FUNCTION chameleon.refuse()": (
        "table chameleon.ledger: its trigger append_only is missing, or not what Chameleon made"
    ),
    "CREATE TRIGGER mine BEFORE INSERT ON chameleon.ledger FOR EACH ROW EXECUTE FUNCTION chameleon.refuse()": (
        "table chameleon.ledger: has a trigger of somebody else: mine"
    ),
    "CREATE RULE r AS ON INSERT TO chameleon.ledger DO INSTEAD NOTHING": "table chameleon.ledger: has rules",
    "DROP INDEX chameleon.ledger_one_child; CREATE INDEX ledger_one_child ON chameleon.ledger (seq)": (
        "table chameleon.ledger: its unique index ledger_one_child is missing, or not what Chameleon made"
    ),
}


@pytest.mark.parametrize("statement", [*UNPROTECTED, *CHANGED])
def test_what_opens_the_ledger_is_found(place: Place, statement: str) -> None:
    place.founded()
    execute(place.dsn, statement)
    assert place.findings() == [{**UNPROTECTED, **CHANGED}[statement]]


@pytest.mark.parametrize("statement", UNPROTECTED)
def test_what_closes_it_again_is_told(place: Place, statement: str) -> None:
    place.founded()
    execute(place.dsn, statement)
    (hint,) = place.hints()
    execute(place.dsn, hint.removeprefix("as its owner: "))
    assert place.findings() == []


def test_a_migrator_gives_the_ledger_away_and_goes_on(fresh: Callable[[int], list[Place]]) -> None:
    places = fresh(2)
    role = places[0].roles.new("GRANT CREATE ON DATABASE {database} TO {role}", name=ODD)
    for place in places:
        place.founded(role)
    for place in places:  # the server has the owner's role after the first
        (hint,) = place.hints()
        execute(place.dsn, *hint.removeprefix("as a superuser: ").split("; "))
        assert place.findings() == []
        assert _verdicts(place.dsn, role) == MIGRATOR
        place.founded(role)


def test_who_made_the_owner_can_be_kept_from_becoming_it(fresh: Callable[[int], list[Place]]) -> None:
    (place,) = fresh(1)
    role = place.roles.new("GRANT CREATE ON DATABASE {database} TO {role}", options="LOGIN CREATEROLE")
    place.founded(role)
    assert place.findings() == [f"table chameleon.ledger: {role} can become its owner"]
    (hint,) = place.hints()
    revoke, _, also = hint.removeprefix("as a superuser: ").partition("; before PostgreSQL 16 also ")
    execute(place.dsn, revoke, also)
    assert place.findings() == []
    place.founded(role)
