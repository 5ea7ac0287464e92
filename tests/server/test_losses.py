"""What somebody has set on an object that is made anew goes only with consent, and is told in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chameleondb.errors import ConsentNeeded
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from tests.migrating import Database

ROLE = "chameleon test grantee"
USERS = "entity User { id: int primary, a: int, low: string generated (a::text), b: int }"


@pytest.fixture
def db(database: str, tmp_path: Path) -> Iterator[Database]:
    found = Database(database, tmp_path)
    found.execute(f'DROP ROLE IF EXISTS "{ROLE}"', f'CREATE ROLE "{ROLE}"')
    yield found
    found.execute(f'DROP OWNED BY "{ROLE}"', f'DROP ROLE "{ROLE}"')


def _more(text: str) -> str:
    return USERS.replace("b: int", f"b: int, {text}")


CASES = {
    "cluster mark": (
        _more('index (a) name "i"'),
        ["CLUSTER users USING i"],
        _more('index (b) name "i"'),
        {"drops-unmanaged:i": "cluster mark public.users"},
    ),
    "cluster mark of a key": (
        _more('unique (a) name "u"'),
        ["ALTER TABLE users CLUSTER ON u", "COMMENT ON INDEX u IS 'ours'"],
        _more('unique (b) name "u"'),
        {"drops-unmanaged:users.u": "cluster mark public.users, comment on index public.u"},
    ),
    "statistics target": (
        _more('index (lower(low)) name "i"'),
        ["ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 77"],
        _more('index (lower(low)) where (b > 0) name "i"'),
        {"drops-unmanaged:i": "statistics target public.i.lower"},
    ),
    "extension": (
        _more('index (a) name "i"'),
        ["ALTER INDEX i DEPENDS ON EXTENSION plpgsql"],
        _more('index (b) name "i"'),
        {"drops-unmanaged:i": "dependence on extension plpgsql"},
    ),
    "grants on a column": (
        USERS,
        [f'GRANT SELECT (low), UPDATE (a) ON users TO "{ROLE}"'],
        USERS.replace("a: int", "a: bigint"),
        {"changes-privileges:users.low": f'privileges {{"\\"{ROLE}\\"=r/postgres"}}'},
    ),
    "grants on an enum": (
        "enum K { a, b }\n" + _more("k: K?"),
        ["REVOKE USAGE ON TYPE k FROM PUBLIC", f'GRANT USAGE ON TYPE k TO "{ROLE}"'],
        "enum K { b, a }\n" + _more("k: K?"),
        {"changes-privileges:k": f'privileges {{postgres=U/postgres,"\\"{ROLE}\\"=U/postgres"}}'},
    ),
    "owner of an enum": (
        "enum K { a, b }\n" + _more("k: K?"),
        [f'ALTER TYPE k OWNER TO "{ROLE}"'],
        "enum K { b, a }\n" + _more("k: K?"),
        {"changes-privileges:k": f'owner "{ROLE}"'},
    ),
    "grants on a sequence": (
        _more("n: serial"),
        [f'GRANT USAGE ON SEQUENCE users_n_seq TO "{ROLE}"'],
        _more("n: int identity"),
        {
            "changes-privileges:users_n_seq": f'privileges {{postgres=rwU/postgres,"\\"{ROLE}\\"=U/postgres"}}',
        },
    ),
    "grants on a sequence that goes on under another name": (
        _more("n: serial"),
        [f'GRANT USAGE ON SEQUENCE users_n_seq TO "{ROLE}"'],
        _more('n: int identity sequence "counter"'),
        {"changes-privileges:users_n_seq": f'privileges {{postgres=rwU/postgres,"\\"{ROLE}\\"=U/postgres"}}'},
    ),
    "grants on the sequence of an identity that goes on as another": (
        _more("n: int identity"),
        [f'GRANT USAGE ON SEQUENCE users_n_seq TO "{ROLE}"'],
        "sequence counter\n" + _more("n: int default (nextval('counter'))"),
        {"changes-privileges:users_n_seq": f'privileges {{postgres=rwU/postgres,"\\"{ROLE}\\"=U/postgres"}}'},
    ),
    "comment on the index of an unnamed key": (
        _more("x: int?").replace("(a::text)", "(a::text) unique"),
        ["COMMENT ON INDEX users_low_key IS 'ours'"],
        _more("x: int?").replace("(a::text)", "(a::text) unique").replace("a: int", "a: bigint"),
        {"drops-unmanaged:users.users_low_key": "comment on index public.users_low_key"},
    ),
    "comment on an enum": (
        "enum K { a, b }\n" + _more("k: K?"),
        ["COMMENT ON TYPE k IS 'ours'", "COMMENT ON COLUMN users.k IS 'stays'"],
        "enum K { b, a }\n" + _more("k: K?"),
        {"drops-unmanaged:k": "comment on enum k"},
    ),
    "comment on an index": (
        _more('index (a) name "i"'),
        ["COMMENT ON INDEX i IS 'ours'"],
        _more('index (b) name "i"'),
        {"drops-unmanaged:i": "comment on index i"},
    ),
    "comment on a key": (
        _more('unique (a) name "u", check (a > 0) name "c"'),
        ["COMMENT ON CONSTRAINT u ON users IS 'ours'", "COMMENT ON CONSTRAINT c ON users IS 'ours'"],
        _more('unique (b) name "u", check (b > 0) name "c"'),
        {"drops-unmanaged:users.c": "comment on check users.c", "drops-unmanaged:users.u": "comment on unique users.u"},
    ),
    "comment on a column": (
        USERS,
        ["COMMENT ON COLUMN users.low IS 'ours'", "COMMENT ON COLUMN users.a IS 'stays'"],
        USERS.replace("a: int", "a: bigint"),
        {"drops-unmanaged:users.low": "comment on column users.low"},
    ),
    "targets and dependences of what is built on a column": (
        _more('index ((b + 1)) name "i", index (b) name "j"'),
        [
            "ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 77",
            "ALTER INDEX j DEPENDS ON EXTENSION plpgsql",
            "CREATE STATISTICS s ON a, b FROM users",
            "ALTER STATISTICS s SET STATISTICS 55",
        ],
        _more('index ((b + 1)) name "i", index (b) name "j"').replace("b: int", "b: bigint"),
        {
            "drops-unmanaged:users.b": "dependence on extension plpgsql, statistics target public.i.expr,"
            " statistics target public.s"
        },
    ),
    "targets of what is built on an enum": (
        "enum K { a, b }\n" + _more("k: K?"),
        ["CREATE STATISTICS s ON k, b FROM users", "ALTER STATISTICS s SET STATISTICS 55"],
        "enum K { b, a }\n" + _more("k: K?"),
        {"drops-unmanaged:users.k": "statistics target public.s"},
    ),
    "disabled trigger": (
        _more('c: int?, o: User? via c, k: int unique name "kk"'),
        ["ALTER TABLE users DISABLE TRIGGER ALL"],
        _more('c: int?, o: User? via c on delete cascade, k: int unique name "kk"'),
        {"drops-unmanaged:users.users_c_fkey": "trigger setting users_c_fkey on public.users"},
    ),
}


@pytest.mark.parametrize(
    ("case", "how"),
    [
        *((case, "") for case in CASES),
        *(
            (case, "large")
            for case in ("cluster mark", "cluster mark of a key", "grants on an enum", "comment on an index")
        ),
        *(
            (case, "renamed")
            for case in (
                "cluster mark of a key",
                "grants on a column",
                "statistics target",
                "targets and dependences of what is built on a column",
                "comment on a key",
                "comment on the index of an unnamed key",
            )
        ),
    ],
)
def test_what_is_set_on_what_is_made_anew_goes_only_with_consent(
    case: str, how: str, db: Database, tmp_path: Path
) -> None:
    db = Database(db.dsn, tmp_path, **({"small_table_bytes": -1} if how == "large" else {}))
    before, by_hand, after, wanted = CASES[case]
    db.migrate(before)
    db.execute(*by_hand)
    if how == "renamed":
        after = after.replace("entity User", 'entity User table "people" was User')
        wanted = {
            k.replace(":users.users", ":people.people").replace(":users.", ":people."): text.replace(
                " users.", " people."
            )
            for k, text in wanted.items()
        }
    plan = db.plan(after).plan
    told = {h.key: h.detail.partition(" is made anew, without what it has now: ")[2] for h in plan.hazards}
    assert {key: text for key, text in told.items() if text} == wanted
    assert "cluster mark" not in [u.type for u in plan.unmodelled]
    assert [i for i in plan.unmanaged if i.name not in ("a", "k")] == []
    with pytest.raises(ConsentNeeded) as refused:
        db.run(after, allow=())
    assert set(wanted) <= {flag.removeprefix("--allow ").strip("'") for flag in refused.value.flags}
    db.migrate(after)


def test_nothing_is_said_of_what_is_built_on_a_column_and_dropped(db: Database) -> None:
    db.migrate(_more('index ((b + 1)) name "i"'))
    db.execute("ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 77")
    db.migrate(USERS.replace("b: int", "b: bigint"), allow=())


def test_what_stays_is_not_spoken_of(db: Database) -> None:
    schema = "enum K { a, b }\n" + _more('k: K?, index (a) name "i"')
    db.migrate(schema)
    db.execute("CLUSTER users USING i", f'GRANT SELECT (low) ON users TO "{ROLE}"', "GRANT USAGE ON TYPE k TO PUBLIC")
    after = schema.replace("a, b", "a, b, c").replace("b: int", "b: bigint, c: int? index")
    assert db.plan(after).plan.missing_consent(()) == ()
    db.migrate(after, allow=())


@pytest.mark.parametrize("was", ["", 'table "people" was User '])
def test_what_is_set_on_what_is_dropped_is_not_left_alone(was: str, db: Database) -> None:
    schema = "enum K { a }\n" + _more('index (a) name "i", check (a > 0) name "c", unique (b) name "u"')
    db.migrate(schema)
    db.execute(
        "COMMENT ON TYPE k IS 'x'",
        "COMMENT ON INDEX i IS 'x'",
        "COMMENT ON CONSTRAINT c ON users IS 'x'",
        "COMMENT ON INDEX u IS 'x'",
        "COMMENT ON COLUMN users.low IS 'x'",
        "COMMENT ON COLUMN users.id IS 'stays'",
        "CLUSTER users USING i",
        f'GRANT SELECT (low) ON users TO "{ROLE}"',
    )
    after = f"entity User {was}{{ id: int primary, a: int, b: int }}"
    plan = db.plan(after).plan
    assert plan.missing_consent(()) == ()
    assert [i.name for i in plan.unmanaged] == ["id"]
    assert plan.unmodelled == ()
    db.migrate(after, allow=())


def test_what_is_set_on_a_dropped_table_and_its_parts_is_not_left_alone(db: Database) -> None:
    db.migrate('entity Keeper table "kept" { id: int primary }\n' + _more('index (a) name "i"'))
    db.execute(
        "CREATE INDEX theirs ON users (b)",
        "CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING",
        "COMMENT ON INDEX i IS 'x'",
        "COMMENT ON INDEX theirs IS 'x'",
        "COMMENT ON TABLE users IS 'x'",
        "COMMENT ON COLUMN users.a IS 'x'",
        "COMMENT ON INDEX users_pkey IS 'x'",
        "COMMENT ON TABLE kept IS 'stays'",
        "CLUSTER users USING theirs",
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY, DISABLE RULE r",
    )
    plan = db.plan('entity Keeper table "kept" { id: int primary }').plan
    assert plan.missing_consent(()) == ("drops-unmanaged:users",)
    assert [str(i) for i in plan.unmanaged] == ["kept"]
    assert plan.unmodelled == ()


@pytest.mark.pg(">=18")
def test_the_comment_on_a_not_null_goes_with_its_column(db: Database) -> None:
    db.migrate(USERS)
    db.execute(
        "COMMENT ON CONSTRAINT users_low_not_null ON users IS 'x'",
        "COMMENT ON CONSTRAINT users_b_not_null ON users IS 'x'",
    )
    plan = db.plan(USERS.replace("a: int", "a: bigint").replace(", b: int", "")).plan
    assert plan.missing_consent(()) == ("drops-unmanaged:users.low",)
    assert plan.unmodelled == ()


_STAMP = "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.b = 9; RETURN NEW; END'"


@pytest.mark.parametrize("small_table_bytes", [0, SMALL_TABLE_BYTES_DEFAULT])
@pytest.mark.parametrize("member", ["c: int backfill (a)", "c: int? backfill (a)"])
@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            f"{_STAMP}; CREATE TRIGGER stamp BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp()",
            "trigger stamp",
        ),
        ("CREATE RULE keep AS ON UPDATE TO users DO INSTEAD NOTHING", "rule keep"),
    ],
)
def test_what_runs_on_rows_that_are_filled_runs_only_with_consent(
    db: Database, made: str, told: str, member: str, small_table_bytes: int
) -> None:
    db.run(USERS)
    db.execute("INSERT INTO users (id, a, b) VALUES (1, 1, 1)", made)
    before = db.rows("SELECT b FROM users")
    with pytest.raises(ConsentNeeded, match=f"{told} of users") as caught:
        replace(db, small_table_bytes=small_table_bytes).run(_more(member), allow=())
    assert caught.value.flags == ("--allow fires-triggers:users.c",)
    assert db.rows("SELECT b FROM users") == before


def test_a_trigger_that_no_fill_runs_is_not_spoken_of(db: Database) -> None:
    db.run(USERS)
    on = "CREATE TRIGGER {0} BEFORE {1} ON users FOR EACH ROW EXECUTE FUNCTION stamp()"
    db.execute("INSERT INTO users (id, a, b) VALUES (1, 1, 1)", _STAMP, on.format("new", "INSERT"))
    db.execute(on.format("off", "UPDATE"), "ALTER TABLE users DISABLE TRIGGER off")
    db.migrate(_more("c: int backfill (a)"), allow=())
    db.execute("ALTER TABLE users ENABLE TRIGGER off")
    db.migrate(_more("c: int backfill (a), d: int default 1"), allow=())
