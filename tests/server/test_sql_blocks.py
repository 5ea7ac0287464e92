"""Statements in PostgreSQL's own words: run where missing, reported where different, never skipped in silence."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import psycopg
import pytest

from chameleondb.diagnostics import Diagnostic
from chameleondb.errors import PlanError, SchemaError
from tests.cases.driver import build, planned
from tests.migrating import Database

TABLES = """
entity User {
    id: int primary,
    email: string check (is_mail(email)),
    score: positive default 1,
}
"""
BLOCKS = """
sql '''
CREATE VIEW emails AS SELECT email FROM users;
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION is_mail(t text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT t LIKE '%@%' $$;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE logs (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
'''
""".replace("'''", '"""')


def _unmodelled(dsn: str, schema: str, local: Path) -> set[str]:
    with planned(dsn, schema, local) as change:
        return {u.identity for u in change.preview.target.unmodelled}


def test_what_needs_each_other_is_made_in_an_order_that_works(database: str, tmp_path: Path) -> None:
    build(database, TABLES + BLOCKS, tmp_path)
    with planned(database, TABLES + BLOCKS, tmp_path) as change:
        assert change.statements == []
        assert not change.preview.pending
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO users VALUES (1, 'a@b')")
        assert connection.execute("SELECT email FROM emails").fetchall() == [("a@b",)]


def test_only_what_is_missing_is_run(database: str, tmp_path: Path) -> None:
    build(database, TABLES + BLOCKS, tmp_path)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP VIEW emails")
    with planned(database, TABLES + BLOCKS, tmp_path) as change:
        assert change.statements == ["CREATE VIEW emails AS SELECT email FROM users"]


BETWEEN = {
    "a domain over an enum": """
        enum K { a, b }
        sql ''' CREATE DOMAIN dk AS k '''
        entity T { id: bigint primary, k: dk }""",
    "the sequence of a table that comes late": """
        enum K { a, b }
        sql ''' CREATE DOMAIN dk AS k '''
        entity T { id: serial primary, k: dk }
        sequence other owned by T.id""",
    "a composite type over an enum": """
        enum K { a, b }
        entity T { id: bigint primary, k: pair? }
        sql ''' CREATE TYPE pair AS (one k, two k) '''""",
    "a function over a table, for another that comes first": """
        entity A { id: bigint primary, z: bigint default newest() }
        sql ''' CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT max(id) FROM later $$ '''
        entity Later table "later" { id: bigint primary }""",
    "types on types, a table between them": """
        enum K { a, b }
        sql ''' CREATE DOMAIN dk AS k; CREATE DOMAIN dt AS ts CHECK ((VALUE).k::text <> 'b') '''
        entity T { id: bigint primary, k: dk }
        entity A { id: bigint primary, t: dt?, z: Z? via z_id, z_id: bigint? }
        entity Z { id: bigint primary, a: A? via a_id, a_id: bigint? }""",
    "a key of a table that the language has no word for": """
        enum K { a, b }
        entity A { id: bigint primary, k: K, logs: table "public"."logs" (k) via k }
        sql ''' CREATE TABLE logs (k k PRIMARY KEY) PARTITION BY LIST (k) '''""",
    "a table in a namespace that is declared": """
        sql ''' CREATE DOMAIN blog.slug AS text '''
        entity A in blog { id: bigint primary, slug: blog.slug }""",
}


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("before", ["", "enum K { a }", "enum K { a, b } entity T { id: bigint primary, k: K }"])
def test_a_statement_runs_after_what_it_needs_and_before_what_needs_it(
    name: str, before: str, database: str, tmp_path: Path
) -> None:
    schema = BETWEEN[name].replace("'''", '"""')
    build(database, before, tmp_path)
    build(database, schema, tmp_path)
    with planned(database, schema, tmp_path) as change:
        assert change.statements == []
        assert not change.preview.pending


def test_a_statement_runs_when_its_tables_are_what_they_will_be(database: str, tmp_path: Path) -> None:
    view = 'sql """ CREATE VIEW v AS SELECT * FROM users """'
    build(database, "entity User { id: bigint primary, age: int? }", tmp_path)
    build(database, f"entity User {{ id: bigint primary, name: string? }} {view}", tmp_path)
    with psycopg.connect(database) as connection:
        columns = connection.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'v'::regclass ORDER BY attnum")
        assert columns.fetchall() == [("id",), ("name",)]


def test_what_differs_is_told_and_pending(database: str, tmp_path: Path) -> None:
    build(database, TABLES + BLOCKS, tmp_path)
    with planned(database, TABLES + BLOCKS.replace("'%@%'", "'%@%.%'"), tmp_path) as change:
        assert change.statements == []
        assert [u.identity for u in change.preview.unplanned] == ["public.is_mail(pg_catalog.text)"]
        assert change.preview.pending


def test_what_a_relation_of_a_block_has_beyond_it_is_reported(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    counts = "CREATE MATERIALIZED VIEW counts AS SELECT id AS n FROM users; CREATE INDEX said ON counts (n);"
    schema = f'entity User {{ id: int primary }} sql """ {counts} {PARTITIONED} """'
    db.migrate(schema)
    db.execute("CREATE INDEX by_hand ON counts (n DESC); ALTER TABLE m ADD CONSTRAINT few CHECK (n < 9)")
    with planned(database, schema, tmp_path) as change:
        assert not change.preview.pending
        assert [f"{u.type} {u.identity}" for u in change.preview.plan.unmodelled] == [
            "index public.by_hand: CREATE INDEX by_hand ON public.counts USING btree (n DESC)",
            "constraint few on public.m: CHECK ((n < 9))",
        ]


PLUS = "CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2'; "
EVENT = "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; "
PARTITIONED = "CREATE TABLE m (at date NOT NULL, n int) PARTITION BY RANGE (at); "
WRAPPER = "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER there FOREIGN DATA WRAPPER far; "

# Of each kind that is not modelled: two ways to say it; before a colon stands PostgreSQL's word for it.
OTHER_WORDS = {
    "policy": (
        "CREATE POLICY own ON users USING (name = current_user)",
        "CREATE POLICY own ON users AS RESTRICTIVE FOR UPDATE USING (name = current_user) WITH CHECK (id > 0)",
    ),
    "table": (PARTITIONED, PARTITIONED.replace("int", "bigint")),
    "table: key": (PARTITIONED, PARTITIONED.replace("RANGE", "LIST")),
    "table: index": (PARTITIONED, PARTITIONED + "CREATE INDEX ON m (n)"),
    "table: constraint": (PARTITIONED, PARTITIONED + "ALTER TABLE m ADD CHECK (n > 0)"),
    "table: bound": tuple(
        f"{PARTITIONED} CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2026-01-01') TO ('2026-{month}-01')"
        for month in ("02", "03")
    ),
    "type: fields": ("CREATE TYPE place AS (x int, y int)", "CREATE TYPE place AS (y int, x int)"),
    "type: range": (
        "CREATE TYPE span AS RANGE (subtype = float8)",
        "CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)",
    ),
    "aggregate": (
        PLUS + "CREATE AGGREGATE total (int) (sfunc = plus, stype = int)",
        PLUS + "CREATE AGGREGATE total (int) (sfunc = plus, stype = int, initcond = '7')",
    ),
    "operator": (
        PLUS + "CREATE OPERATOR |*| (leftarg = int, rightarg = int, function = plus)",
        PLUS + "CREATE OPERATOR |*| (leftarg = int, rightarg = int, function = plus, commutator = |*|)",
    ),
    "operator class": (
        "CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)",
        "CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 2 <=, FUNCTION 1 btint4cmp(int, int)",
    ),
    "cast": (
        "CREATE CAST (text AS int[]) WITH INOUT",
        "CREATE CAST (text AS int[]) WITH INOUT AS ASSIGNMENT",
    ),
    "collation": (
        "CREATE COLLATION ours (provider = libc, locale = 'C')",
        "CREATE COLLATION ours (provider = libc, locale = 'POSIX')",
    ),
    "event trigger": (
        EVENT + "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION seen()",
        EVENT + "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION seen()",
    ),
    "event trigger: state": (
        EVENT + "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION seen()",
        EVENT + "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION seen(); ALTER EVENT TRIGGER watch DISABLE",
    ),
    "view: options": (
        "CREATE VIEW names AS SELECT name FROM users",
        "CREATE VIEW names WITH (security_invoker = true) AS SELECT name FROM users",
    ),
    "materialized view: options": (
        "CREATE MATERIALIZED VIEW names AS SELECT name FROM users",
        "CREATE MATERIALIZED VIEW names WITH (fillfactor = 70) AS SELECT name FROM users",
    ),
    "table: options": (
        PARTITIONED + "CREATE TABLE m1 PARTITION OF m DEFAULT",
        PARTITIONED + "CREATE TABLE m1 PARTITION OF m DEFAULT WITH (fillfactor = 70)",
    ),
    "statistics object: target": (
        "CREATE STATISTICS alike ON id, name FROM users",
        "CREATE STATISTICS alike ON id, name FROM users; ALTER STATISTICS alike SET STATISTICS 50",
    ),
    "publication": ("CREATE PUBLICATION news FOR TABLE users", "CREATE PUBLICATION news FOR TABLE users (id)"),
    "publication: options": (
        "CREATE PUBLICATION news FOR TABLE users",
        "CREATE PUBLICATION news FOR TABLE users WITH (publish = 'insert')",
    ),
    "server": (WRAPPER, WRAPPER.replace("there F", "there VERSION '2' F")),
    "foreign table": (
        WRAPPER + "CREATE FOREIGN TABLE far_users (id int) SERVER there",
        WRAPPER + "CREATE FOREIGN TABLE far_users (id int) SERVER there OPTIONS (name 'people')",
    ),
    "foreign table: options of a column": (
        WRAPPER + "CREATE FOREIGN TABLE far_users (id int) SERVER there",
        WRAPPER + "CREATE FOREIGN TABLE far_users (id int OPTIONS (name 'no')) SERVER there",
    ),
    "text search configuration": (
        "CREATE TEXT SEARCH CONFIGURATION ours (COPY = simple)",
        "CREATE TEXT SEARCH CONFIGURATION ours (COPY = english)",
    ),
    "text search dictionary": (
        "CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, ACCEPT = false)",
        "CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, ACCEPT = true)",
    ),
    "default acl": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO PUBLIC",
    ),
}


@pytest.mark.parametrize("what", OTHER_WORDS)
def test_what_is_said_in_other_words_than_before_is_not_passed_over(what: str, database: str, tmp_path: Path) -> None:
    users = 'entity User { id: int primary, name: string }\nsql """ '
    before, after = (users + said + ' """' for said in OTHER_WORDS[what])
    build(database, before, tmp_path)
    with planned(database, before, tmp_path) as change:
        assert not change.preview.pending
    with planned(database, after, tmp_path) as change:
        assert change.preview.pending
        assert change.statements == []
        assert [u.type for u in change.preview.unplanned] == [what.partition(":")[0]]


def test_a_block_may_say_what_the_language_also_says(database: str, tmp_path: Path) -> None:
    block = "COMMENT ON TABLE users IS 'People'; ALTER TABLE users SET (fillfactor = 50)"
    said = f'entity User {{ id: int primary }}\nsql """ {block} """'
    build(database, said, tmp_path)
    with planned(database, "/// People\nentity User with (fillfactor = 50) { id: int primary }", tmp_path) as change:
        assert change.statements == []


@pytest.mark.parametrize(
    ("statement", "help"),
    [
        ("GRANT SELECT ON users TO PUBLIC", "scripts of your own"),
        ("INSERT INTO users VALUES (1)", "scripts of your own"),
        ("ALTER TABLE users OWNER TO CURRENT_USER", "scripts of your own"),
        ("SELECT 1", "scripts of your own"),
        ("DO $$ BEGIN END $$", "scripts of your own"),
        ("CREATE SCHEMA s; COMMENT ON SCHEMA s IS 'x'", "namespace …"),
    ],
)
def test_a_statement_that_would_never_run_is_refused(statement: str, help: str, database: str, tmp_path: Path) -> None:
    schema = f'entity User {{ id: int primary }}\nsql """ {statement} """'
    with pytest.raises(SchemaError) as caught, planned(database, schema, tmp_path):
        pass
    (found,) = caught.value.diagnostics
    assert isinstance(found, Diagnostic)
    assert found.code == "CHM0351"
    assert help in (found.help or "")


BEYOND = {
    "CREATE ROLE beyond_me": "pg_auth",
    "DO $$ BEGIN CREATE USER beyond_me; END $$": "pg_auth",
    "ALTER ROLE postgres SET work_mem = '6MB'": "pg_db_role_setting",
    "GRANT pg_monitor TO postgres": None,
    "COMMENT ON ROLE postgres IS 'me'": "pg_shdescription",
    "ALTER DATABASE template1 CONNECTION LIMIT 7": "pg_database",
    "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)": "pg_subscription",
    "CREATE DATABASE beyond_me": "it runs in no transaction",
    "ALTER SYSTEM SET work_mem = '6MB'": "it runs in no transaction",
    "ALTER SYSTEM SET application_name = 'concurrently'": "it runs in no transaction",
}


@pytest.mark.parametrize("statement", BEYOND)
def test_a_statement_about_the_whole_server_is_refused_and_leaves_nothing(
    statement: str, database: str, tmp_path: Path
) -> None:
    state = """
        SELECT pg_catalog.count(*), (SELECT pg_catalog.count(*) FROM pg_db_role_setting),
               (SELECT pg_catalog.count(*) FROM pg_auth_members), (SELECT pg_catalog.count(*) FROM pg_shdescription),
               (SELECT datconnlimit FROM pg_database WHERE datname = 'template1'),
               (SELECT pg_catalog.count(*) FROM pg_database WHERE datname LIKE 'beyond%') FROM pg_roles"""
    schema = f'entity User {{ id: int primary }}\nsql """ {statement} """'
    with psycopg.connect(database) as connection:
        before = connection.execute(state.encode()).fetchall()
        with pytest.raises(SchemaError) as caught, planned(database, schema, tmp_path):
            pass
        (told,) = cast("tuple[Diagnostic]", caught.value.diagnostics)
        assert told.code == ("CHM0353" if BEYOND[statement] else "CHM0351")
        assert (BEYOND[statement] or "privileges") in told.message
        assert connection.execute(state.encode()).fetchall() == before


@pytest.mark.parametrize(
    ("statement", "schema", "help"),
    [
        ("CREATE SCHEMA auth", "auth", "namespace auth"),
        ('CREATE SCHEMA "Au th"; CREATE TABLE "Au th".t (a int)', "Au th", 'namespace "Au th"'),
        ("CREATE TEMP TABLE t (a int)", "pg_temp", "take it out"),
        ("DO $$ BEGIN CREATE SCHEMA auth; CREATE TABLE here (a int); END $$", "auth", "namespace auth"),
    ],
)
def test_what_would_lie_where_nobody_looks_is_refused(
    statement: str, schema: str, help: str, database: str, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError) as caught, planned(database, f'sql """ {statement} """', tmp_path):
        pass
    told, *_ = cast("tuple[Diagnostic, ...]", caught.value.diagnostics)
    assert told.code == "CHM0354"
    assert schema in told.message
    assert help in (told.help or "")


def test_an_index_may_be_built_concurrently_by_a_block(database: str, tmp_path: Path) -> None:
    blocks = "CREATE MATERIALIZED VIEW seen AS SELECT id FROM users; CREATE INDEX CONCURRENTLY by_id ON seen (id)"
    schema = f'entity User {{ id: int primary }}\nsql """ {blocks} """'
    build(database, schema, tmp_path)
    with planned(database, schema, tmp_path) as change:
        assert not change.preview.pending


def test_a_word_in_a_body_takes_no_statement_out_of_its_transaction(database: str, tmp_path: Path) -> None:
    body = "CREATE FUNCTION how() RETURNS text LANGUAGE sql AS $$ SELECT 'concurrently' $$"
    with planned(database, f'entity User {{ id: int primary }}\nsql """ {body} """', tmp_path) as change:
        assert [group.transactional for group in change.preview.plan.groups] == [True]


def test_what_no_model_has_a_field_for_is_set_where_it_is_not(database: str, tmp_path: Path) -> None:
    block = """
        ALTER TABLE users ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON users USING (name = current_user);
        ALTER TABLE users CLUSTER ON users_pkey;
        COMMENT ON POLICY own ON users IS 'Everybody sees themselves'
    """
    schema = f'entity User {{ id: int primary, name: string }}\nsql """ {block} """'
    build(database, schema, tmp_path)
    with planned(database, schema, tmp_path) as change:
        assert not change.preview.pending
        assert change.preview.plan.unmodelled == ()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE users DISABLE ROW LEVEL SECURITY")
    with planned(database, schema, tmp_path) as change:
        assert change.statements == ["ALTER TABLE users ENABLE ROW LEVEL SECURITY"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE users FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY")
    with planned(database, schema, tmp_path) as change:
        assert change.statements == []
        assert [u.identity for u in change.preview.unplanned] == ["public.users"]


def test_settings_of_the_session_are_no_part_of_a_schema(database: str, tmp_path: Path) -> None:
    build(
        database,
        'sql """ SET statement_timeout = 0; SELECT pg_catalog.set_config(\'search_path\', \'public\', false) """',
        tmp_path,
    )
    assert _unmodelled(database, "", tmp_path) == set()


def test_a_statement_that_changes_what_another_made_runs_with_it(database: str, tmp_path: Path) -> None:
    schema = """
        entity User { id: int primary, score: positive }
        sql ''' CREATE DOMAIN positive AS int; ALTER DOMAIN positive ADD CONSTRAINT more CHECK (VALUE > 0) '''
    """.replace("'''", '"""')
    build(database, schema, tmp_path)
    with planned(database, schema, tmp_path) as change:
        assert not change.preview.pending
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO users VALUES (1, 0)")


STANDING = """
entity User { id: bigint primary, name: string?, status: string? }
sequence cnt
sql '''
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (one int, two int);
CREATE COLLATION posix (PROVIDER = libc, LOCALE = 'C');
CREATE VIEW names AS SELECT name FROM users;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
'''
""".replace("'''", '"""')

ADDED = {
    "view": "CREATE VIEW v AS SELECT id FROM users",
    "materialized view": "CREATE MATERIALIZED VIEW v AS SELECT id FROM users",
    "view over a view": "CREATE VIEW v AS SELECT * FROM names",
    "function": "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql RETURN (SELECT max(id) FROM users)",
    "trigger": "CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()",
    "policy": "CREATE POLICY p ON users USING (id > 0)",
    "rule": "CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING",
    "statistics": "CREATE STATISTICS s ON name, status FROM users",
    "publication": "CREATE PUBLICATION p FOR TABLE users",
    "partitioned table": "CREATE TABLE p (id bigint REFERENCES users, at date) PARTITION BY RANGE (at)",
    "row security": "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
    "comment": "COMMENT ON VIEW names IS 'all of them'",
    "domain over a domain": "CREATE DOMAIN tiny AS positive CHECK (VALUE < 9)",
}


@pytest.mark.parametrize("kind", ADDED)
def test_a_statement_about_what_stands_there_already_is_proven(kind: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(STANDING)
    assert db.migrate(STANDING + f'sql """ {ADDED[kind]} """') == [ADDED[kind]]


@pytest.mark.parametrize(
    "field",
    [
        "d: positive?",
        "c: pair?",
        'c: string? collate "posix"',
        "n: bigint? default (nextval('cnt'))",
        "n: int? check (n::positive > 1)",
    ],
)
@pytest.mark.parametrize("place", ["in a table that is there", "in a new one"])
def test_what_needs_what_a_block_has_made_is_proven(field: str, place: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(STANDING)
    entity = "entity New { id: int primary, x: int }"
    after = STANDING + entity.replace("x: int", field) if place == "in a new one" else None
    db.migrate(after or STANDING.replace("name: string?", f"name: string?, {field}"))


def test_a_view_that_somebody_dropped_is_made_again(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate(STANDING)
    db.execute("DROP VIEW names")
    assert db.migrate(STANDING) == ["CREATE VIEW names AS SELECT name FROM users"]


KEPT = "\nentity Kept { id: int primary }"
HOLDING = {
    "key": (
        "entity User { id: bigint primary }" + KEPT,
        "CREATE TABLE theirs (o bigint REFERENCES users)",
        KEPT,
    ),
    "type": ("enum State { a, b, c }", "CREATE TABLE theirs (s state DEFAULT 'b')", "enum State { a, c }"),
    "schema": ("namespace blog" + KEPT, "CREATE TABLE blog.theirs (n bigint)", KEPT),
    "default": ("sequence cnt" + KEPT, "CREATE TABLE theirs (n bigint DEFAULT nextval('cnt'))", KEPT),
}


def test_what_nobody_declared_and_may_be_in_the_way_is_named(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    schema = "enum Status { on, off, dead }\nentity User { id: int primary, status: Status }"
    db.migrate(schema)
    db.execute(
        "CREATE INDEX uix ON users (id) WHERE status = 'on'", "CREATE TABLE other (a int); CREATE INDEX o ON other (a)"
    )
    with pytest.raises(PlanError) as caught:
        db.migrate(schema.replace(", dead", ""))
    assert (caught.value.hint or "").endswith("; what nobody declared may be in the way: uix")


@pytest.mark.parametrize("how", HOLDING)
def test_what_others_hold_on_to_is_known_before_anything_runs(how: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    before, theirs, after = HOLDING[how]
    db.migrate(before)
    db.execute(theirs)
    with pytest.raises(PlanError, match="on an empty copy of the database this statement fails"):
        db.migrate(after)


DEPENDING = {
    "type public.pair": "CREATE TYPE pair AS (s state, n int)",
    "type public.states": "CREATE TYPE states AS RANGE (subtype = state)",
    "type public.mine": "CREATE DOMAIN mine AS state[]",
    "cast (public.state AS integer)": "CREATE CAST (state AS int) WITH INOUT",
    "function public.f(public.state)": "CREATE FUNCTION f(state) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "table public.parts": "CREATE TABLE parts (s state) PARTITION BY LIST (s)",
    "function public.g()": "CREATE FUNCTION g() RETURNS SETOF users LANGUAGE sql AS 'SELECT * FROM users'",
}


@pytest.mark.parametrize("what", DEPENDING)
def test_what_depends_on_a_type_is_known_before_anything_runs(what: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate("enum State { a, b }\nentity User { id: int primary, s: State }" + KEPT)
    db.execute(DEPENDING[what])
    with pytest.raises(PlanError) as caught, planned(database, "enum State { b, a }" + KEPT, tmp_path):
        pass
    assert caught.value.code == "CHM1018"
    of_rows = "users cannot be dropped" if "g()" in what else "state cannot be made anew"
    assert caught.value.message == f"{of_rows}: {what} depends on it"


def test_what_goes_with_its_table_does_not_keep_a_type(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate("enum State { a, b }\nentity User { id: int primary, s: State }" + KEPT)
    db.execute("CREATE POLICY few ON users USING (s = 'a')", "INSERT INTO users VALUES (1, 'a')")
    db.migrate(KEPT)


def test_a_key_changes_its_type_under_a_table_that_nobody_declared(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    db.migrate("entity User { id: int primary }")
    db.execute("CREATE TABLE theirs (id int PRIMARY KEY, user_id int REFERENCES users (id))")
    assert db.migrate("entity User { id: bigint primary }") == ["ALTER TABLE users ALTER COLUMN id TYPE BIGINT"]


OVER_BOTH = {
    "view": "CREATE VIEW titles AS SELECT f.title, a.name FROM films f JOIN actors a ON a.id = f.actor",
    "view of a view": """
        CREATE VIEW actor_names AS SELECT id, name FROM actors;
        CREATE VIEW all_films AS SELECT * FROM films;
        CREATE VIEW titles AS SELECT f.title, a.name FROM all_films f JOIN actor_names a ON a.id = f.actor""",
    "materialized view": """
        CREATE MATERIALIZED VIEW titles AS SELECT title FROM films WHERE actor IN (SELECT id FROM actors)""",
    "function": """
        CREATE FUNCTION titles() RETURNS SETOF text LANGUAGE sql
        BEGIN ATOMIC SELECT f.title::text FROM films f JOIN actors a ON a.id = f.actor; END""",
    "view of a function": """
        CREATE FUNCTION actor(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT name FROM actors WHERE id = $1; END;
        CREATE VIEW titles AS SELECT title, actor(actor) FROM films""",
    "policy": """
        ALTER TABLE films ENABLE ROW LEVEL SECURITY;
        CREATE POLICY titles ON films USING (title IN (SELECT name FROM actors))""",
}


@pytest.mark.parametrize("how", OVER_BOTH)
def test_what_uses_other_tables_besides_is_known_to_be_in_the_way(how: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    films = "entity Film { id: int primary, title: string(20), actor: int }\n"
    actors = "entity Actor { id: int primary, name: string }"
    db.migrate(films + actors)
    db.execute(OVER_BOTH[how])
    with pytest.raises(
        PlanError, match=r"on an empty copy of the database this statement fails.* column used (by|in) a"
    ):
        db.migrate(films.replace("string(20)", "int using (length(title))") + actors)


@pytest.mark.parametrize(
    ("statement", "gone", "place"),
    [
        ("DROP TABLE users CASCADE", "users", "User"),
        ("ALTER TABLE users DROP COLUMN status", "users.status", "status"),
        ("ALTER TABLE users RENAME COLUMN status TO state", "users.status", "status"),
        ("ALTER TABLE users RENAME TO people", "users", "User"),
        ("DROP SEQUENCE cnt", "cnt", "cnt"),
        ("CREATE TABLE child () INHERITS (users)", "users", "User"),
        ("DO $$ BEGIN DROP TABLE users CASCADE; END $$", "users", "User"),
    ],
)
def test_a_block_cannot_undo_a_declaration(
    statement: str, gone: str, place: str, database: str, tmp_path: Path
) -> None:
    db = Database(database, tmp_path)
    db.migrate(STANDING)
    with pytest.raises(SchemaError) as caught:
        db.plan(STANDING + f'sql """ {statement} """')
    (found,) = cast("tuple[Diagnostic]", caught.value.diagnostics)
    assert (found.code, found.message.split(" is declared")[0]) == ("CHM0352", gone)
    assert found.span.source.text[found.span.start : found.span.end] == place


def test_a_table_of_others_can_be_referred_to(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    made = "CREATE TABLE auth.users (id int PRIMARY KEY)"
    db.execute("CREATE SCHEMA auth", made, "INSERT INTO auth.users VALUES (1)")
    db.migrate(
        f'namespace auth sql """ {made}; """'
        ' entity Job { id: int primary, user_id: int, user: table "auth"."users" (id) via user_id }'
    )
    db.execute("INSERT INTO jobs VALUES (1, 1)")
    assert db.rows("SELECT id FROM auth.users") == [(1,)]
