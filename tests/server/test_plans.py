"""What people do to a schema with rows in it, and what must come of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chameleondb.errors import ConsentNeeded, PlanError
from chameleondb.steps import HazardName
from tests.migrating import Database


@pytest.fixture
def db(database: str, tmp_path: Path) -> Database:
    return Database(database, tmp_path)


def _table(*more: str, name: str = "t", was: str = "") -> str:
    fields = "".join(f", {m}" for m in more)
    return f'entity {name.title()} table "{name}" {was} {{ id: bigint primary{fields} }}\n'


def test_a_column_with_rows_is_dropped_only_with_its_own_consent(db: Database) -> None:
    db.run(_table("a: int?"))
    db.execute("INSERT INTO t VALUES (1, 2)")
    for allow in ((), ("drops-data:t.b",), ("drops-data:t",)):
        with pytest.raises(ConsentNeeded) as caught:
            db.run(_table(), allow=allow)
        assert caught.value.flags == ("--allow drops-data:t.a",)
        assert caught.value.exit_status == 3
    assert db.rows("SELECT a FROM t") == [(2,)]
    assert db.migrate(_table(), allow=("drops-data:t.a",)) == ["ALTER TABLE t DROP COLUMN a"]


@pytest.mark.parametrize(
    ("after", "hint"),
    [
        (_table("b: int?", "c: string?"), "if t.a is now called t.b, say so there: was a"),
        (_table("b: int", "c: string?"), "if t.a is now called t.b, say so there: was a"),  # nothing fills it
        (_table("a: int?", "d: string?", name="u"), 'if t is now called u, say so there: was "t"'),
        (_table("a: int?", "c: string?").replace("table", "in crm table"), 'was public."t"'),
    ],
)
def test_who_forgot_to_say_that_something_was_renamed_is_told_how(db: Database, after: str, hint: str) -> None:
    db.run(_table("a: int?", "c: string?"))
    db.execute("INSERT INTO t VALUES (1, 2, 'x')")
    with pytest.raises(PlanError) as caught:
        db.run(after, allow=())
    assert hint in (caught.value.hint or "")
    assert db.rows("SELECT a FROM t") == [(2,)]


def test_a_sequence_that_is_gone_is_asked_about_or_renamed(db: Database) -> None:
    db.run("sequence tickets")
    db.execute("SELECT nextval('tickets') FROM generate_series(1, 7)")
    with pytest.raises(ConsentNeeded) as caught:
        db.run("sequence orders", allow=())
    assert caught.value.flags == ("--allow drops-data:tickets",)
    assert 'if tickets is now called orders, say so there: was "tickets"' in (caught.value.hint or "")
    db.migrate('sequence orders was "tickets"', allow=())
    assert db.value("SELECT nextval('orders')") == 8


@pytest.mark.parametrize("rows", ["", " (2 rows)"])
def test_what_belongs_to_an_extension_goes_with_it_only_with_consent(rows: str, db: Database) -> None:
    if db.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 0:
        pytest.skip("this server lacks pgvector")
    db.migrate('extension "vector"')
    db.execute(
        "CREATE TABLE job (id int)",
        "CREATE SEQUENCE job_no",
        "ALTER EXTENSION vector ADD TABLE job",
        "ALTER EXTENSION vector ADD SEQUENCE job_no",
    )
    if rows:
        db.execute("INSERT INTO job VALUES (1), (2)")
    with pytest.raises(ConsentNeeded, match=re.escape(f"to it: table job{rows}, sequence job_no")) as caught:
        db.run("", allow=())
    assert caught.value.flags == ("--allow drops-data:vector",)
    db.migrate("", allow=("drops-data:vector",))


def test_an_extension_that_holds_no_data_needs_no_consent(db: Database) -> None:
    if db.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 0:
        pytest.skip("this server lacks pgvector")
    db.migrate('extension "vector"')
    assert [h.key for h in db.plan("").plan.hazards] == ["drops-object:vector"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "sequence things",
            'entity Order { id: int primary }\nentity Thing table "orders2" was "things" { id: int primary }',
        ),
        (_table("a: int?"), 'sequence numbers was "t"'),
    ],
)
def test_only_what_is_of_one_kind_is_renamed(before: str, after: str, db: Database) -> None:
    db.run(before)
    if "entity" in before:
        db.execute("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(ConsentNeeded):
        db.run(after, allow=())


@pytest.mark.parametrize("was", ["", " was public.s"])
def test_a_sequence_moves_with_the_table_that_owns_it(was: str, db: Database) -> None:
    db.run("entity Post { id: int primary }\nsequence s owned by Post.id")
    db.execute("SELECT nextval('s')")
    after = (
        "namespace blog\nentity Post in blog was public.Post { id: int primary }\nsequence s in blog owned by Post.id"
    )
    db.migrate(after, allow=())
    assert db.value("SELECT nextval('blog.s')") == 2


@pytest.mark.parametrize(
    "after",
    [
        _table("b: int?", "d: int?", "c: string?"),  # it could be either
        _table("b: bigint?", "c: string?"),
        _table("x: int?", "y: int?", "z: int?", name="u"),
    ],
)
def test_what_is_not_alike_is_not_taken_for_renamed(db: Database, after: str) -> None:
    db.run(_table("a: int?", "c: string?"))
    db.execute("INSERT INTO t VALUES (1, 2, 'x')")
    with pytest.raises(ConsentNeeded) as caught:
        db.run(after, allow=())
    assert "now called" not in (caught.value.hint or "")


@pytest.mark.parametrize(("before", "after"), [("string(5)", "string(2)"), ("bpchar", "string")])
def test_blanks_are_cut_off_only_with_consent(db: Database, before: str, after: str) -> None:
    db.run(_table(f"a: {before}"))
    db.execute("INSERT INTO t VALUES (1, 'x    ')")
    with pytest.raises(ConsentNeeded, match="trailing blanks"):
        db.run(_table(f"a: {after}"), allow=())
    assert db.value("SELECT length(concat(a)) FROM t") == 5


def test_an_empty_schema_drops_nothing_without_consent(db: Database) -> None:
    db.run(_table())
    db.execute("INSERT INTO t VALUES (1)", "CREATE TABLE theirs (id int)")
    with pytest.raises(ConsentNeeded):
        db.run("", allow=())
    db.migrate("")
    assert db.value("SELECT count(*) FROM theirs") == 0


def test_a_table_that_somebody_elses_refers_to_stays(db: Database) -> None:
    db.run(_table())
    db.execute("INSERT INTO t VALUES (1)", "CREATE TABLE theirs (t_id bigint REFERENCES t)")
    with pytest.raises(PlanError, match="constraint theirs_t_id_fkey on table theirs depends on table t") as caught:
        db.run("")
    assert "CASCADE" not in (caught.value.hint or "")
    assert db.rows("SELECT id FROM t") == [(1,)]


@pytest.mark.parametrize(
    "taken",
    [
        "CREATE TABLE t (id bigint PRIMARY KEY); CREATE TABLE child () INHERITS (t)",
        "CREATE TABLE t (id bigint PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE VIEW t AS SELECT 1",
        "CREATE TYPE t AS (a int)",
        "CREATE DOMAIN t AS int",
    ],
)
def test_what_cannot_be_managed_keeps_its_name(db: Database, taken: str) -> None:
    db.execute(*taken.split("; "))
    with pytest.raises(
        PlanError, match=r"t cannot be as declared: the database has a [a-z ]+ public\.t( \(.*\))?, of a kind"
    ):
        db.plan(_table())


def test_a_table_that_others_come_to_inherit_from_is_not_made_again(db: Database) -> None:
    db.migrate(_table("n: int?"))
    db.execute("CREATE TABLE child () INHERITS (t)", "INSERT INTO child VALUES (1, 2)")
    with pytest.raises(PlanError, match=r"the database has a table public\.t \(partitioned, inheriting, or one"):
        db.plan(_table("n: int?"))
    db.execute("ALTER TABLE child NO INHERIT t")
    assert db.statements(_table("n: int?")) == []


@pytest.mark.parametrize("change", ["a: string?", ""])
def test_what_a_view_reads_does_not_change_under_it(db: Database, change: str) -> None:
    db.run(_table("a: int?"))
    db.execute("CREATE VIEW v AS SELECT a FROM t", "INSERT INTO t VALUES (1, 2)")
    with pytest.raises(PlanError, match="view v") as caught:
        db.run(_table(*filter(None, [change])))
    assert "CASCADE" not in (caught.value.hint or "")
    assert db.rows("SELECT a FROM v") == [(2,)]


@pytest.mark.parametrize(
    ("was", "name", "table"), [("", "t", "t"), ('was "t"', "v", "v"), ('in crm was public."t"', "t", "crm.t")]
)
def test_what_nobody_declared_goes_with_its_column_only_with_consent(
    db: Database, was: str, name: str, table: str
) -> None:
    db.run(_table("a: int", "b: int"))
    db.execute(
        "CREATE INDEX theirs ON t (b)",
        "ALTER TABLE t ADD CONSTRAINT rule CHECK (a < b)",
        "CREATE STATISTICS pair ON a, b FROM t",
        "CREATE INDEX kept ON t (a)",
    )
    after, key = _table("a: int", name=name, was=was), f"drops-unmanaged:{table}.b"
    plan = db.plan(after).plan
    (hazard,) = (h for h in plan.hazards if h.key == key)
    gone = "index public.theirs, statistics object public.pair, table constraint rule on public.t"
    assert hazard.detail.endswith(f": {gone}")
    assert [i.name for i in plan.unmanaged] == ["kept"]
    assert plan.unmodelled == ()
    with pytest.raises(ConsentNeeded):
        db.run(after, allow=())
    db.migrate(after, allow=(key,))
    assert db.value(f"SELECT count(*) FROM pg_index WHERE indrelid = '{table}'::regclass") == 2


def test_a_table_leaves_a_publication_only_with_consent(db: Database) -> None:
    db.run(_table("a: int") + _table("b: int", name="u"))
    db.execute("CREATE PUBLICATION feed FOR TABLE t, u")
    with pytest.raises(ConsentNeeded, match=r"publication relation public\.t in publication feed") as caught:
        db.run(_table("b: int", name="u"), allow=())
    assert caught.value.flags == ("--allow drops-unmanaged:t",)
    db.migrate(_table("b: int", name="u"), allow=("drops-unmanaged:t",))


def test_what_nobody_declared_goes_with_its_table_only_with_consent(db: Database) -> None:
    db.run(_table("a: int"))
    db.execute(
        "ALTER TABLE t ADD theirs int",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER tell BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )
    with pytest.raises(ConsentNeeded, match="trigger tell on public") as caught:
        db.run("", allow=())
    assert caught.value.flags == ("--allow drops-unmanaged:t",)
    db.migrate("", allow=("drops-unmanaged:t",))


def test_a_label_in_use_is_not_taken_away(db: Database) -> None:
    def schema(labels: str) -> str:
        return f"enum Mood {{ {labels} }}\n" + _table("m: Mood default sad", "index (m) where (m = 'sad')")

    db.run(schema("sad, ok, bad"))
    db.execute("INSERT INTO t VALUES (1, 'bad'), (2, 'ok')")
    with pytest.raises(PlanError, match="mood cannot lose 'bad': 1 value holds it still"):
        db.run(schema("sad, ok"))
    assert db.rows("SELECT m::text FROM t ORDER BY id") == [("bad",), ("ok",)]
    db.execute("UPDATE t SET m = 'ok'")
    db.migrate(schema("ok, sad"))
    assert db.rows("SELECT m::text FROM t ORDER BY id") == [("ok",), ("ok",)]


def test_labels_in_arrays_are_counted_too(db: Database) -> None:
    def schema(labels: str) -> str:
        return f"enum Mood {{ {labels} }}\n" + _table("m: Mood?", "more: [Mood]?", "told: Mood? generated (m)")

    db.run(schema("sad, ok, bad"))
    db.execute("INSERT INTO t VALUES (1, 'ok', '{bad,ok}'), (2, 'bad', NULL), (3, NULL, NULL)")
    with pytest.raises(PlanError, match="mood cannot lose 'ok', 'bad': 3 values hold it still"):
        db.run(schema("sad, fine"))
    db.execute("UPDATE t SET m = 'sad', more = NULL")
    db.migrate(schema("sad, fine"))


@pytest.mark.parametrize(
    ("after", "warned"),
    [
        ("enum K { b, a, c } " + _table("k: K?", "l: K?"), []),
        ("enum K { a, b } " + _table("k: string?", "l: K?"), ["t.l"]),  # it never meets the new type
    ],
)
def test_only_rows_that_may_hold_a_lost_label_are_spoken_of(db: Database, after: str, warned: list[str]) -> None:
    db.run("enum K { a, b, c } " + _table("k: K?", "l: K?"))
    db.execute("INSERT INTO t VALUES (1, 'c', 'a')")
    told = {str(h.object): h.detail for h in db.plan(after).plan.hazards if h.name is HazardName.MAY_FAIL_ON_DATA}
    assert told == dict.fromkeys(warned, "rows that hold 'c' stop the change; update them first")
    db.migrate(after)
    assert db.rows("SELECT k::text, l::text FROM t") == [("c", "a")]


def test_what_mentions_a_renamed_column_follows(db: Database) -> None:
    members = "index ({0}) where ({0} > 3)", "check ({0} <> 4)", "b: int? generated ({0} + 1)"
    db.run(_table("a: int?", *(m.format("a") for m in members)))
    statements = db.migrate(_table("c: int? was a", *(m.format("c") for m in members)))
    assert all(" RENAME " in s for s in statements)


def test_tables_swap_their_names_once(db: Database) -> None:
    db.run(_table("a: int?", "n: int identity") + _table("b: int?", "n: int identity", "t_id: bigint?", name="u"))
    db.execute("INSERT INTO t VALUES (1, 5)", "INSERT INTO u VALUES (2, 6)")
    swapped = _table("a: int?", "n: int identity", name="u", was='was "t"') + _table(
        "b: int?", "n: int identity", "t_id: bigint?", was='was "u"'
    )
    for _ in range(2):
        db.migrate(swapped)
        assert db.rows("SELECT id, a FROM u") == [(1, 5)]
        assert db.rows("SELECT id, b FROM t") == [(2, 6)]


def test_columns_swap_each_time_they_are_told_to(db: Database) -> None:
    plain, swapped = _table("a: int", "b: int"), _table("a: int was b", "b: int was a")
    db.run(plain)
    db.execute("INSERT INTO t VALUES (1, 5, 6)")
    for schema, now in ((swapped, (6, 5)), (swapped, (6, 5)), (plain, (6, 5)), (swapped, (5, 6))):
        db.migrate(schema)
        assert db.rows("SELECT a, b FROM t") == [now]


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ({}, ("c: int was a {}", "b: int?")),
        ({"name": "u", "was": "was t"}, ("a: int {}", "b: int?")),
        ({}, ("b: int was a {}", "a: int? was b")),
    ],
)
def test_what_is_renamed_is_filled_where_it_becomes_required(
    db: Database, table: dict[str, str], fields: tuple[str, str]
) -> None:
    db.run(_table("a: int?", "b: int?"))
    db.execute("INSERT INTO t VALUES (1, NULL, 6), (2, 5, 6)")
    with pytest.raises(PlanError, match="1 row has NULL in it"):
        db.plan(_table(fields[0].format(""), fields[1], **table))
    db.migrate(_table(fields[0].format("backfill (7)"), fields[1], **table))
    column, name = fields[0].partition(":")[0], table.get("name", "t")
    assert db.rows(f"SELECT {column} FROM {name} ORDER BY id") == [(7,), (5,)]


@pytest.mark.parametrize(("a", "b"), [("b", "a"), ("b", "c")])
def test_the_name_of_a_rule_goes_on_when_the_rule_is_gone(db: Database, a: str, b: str) -> None:
    db.run(_table("a: int", "b: int"))
    db.execute("INSERT INTO t VALUES (1, 5, 6)")
    db.migrate(_table(f"{a}: int was a", f"{b}: int? was b"))
    assert db.rows(f"SELECT {a}, {b} FROM t") == [(5, 6)]


def test_columns_that_swapped_stay_where_they_are_when_their_table_is_renamed(db: Database) -> None:
    fields = "a: int was b", "b: int was a"
    db.run(_table("a: int", "b: int"))
    db.execute("INSERT INTO t VALUES (1, 5, 6)")
    db.migrate(_table(*fields))
    for name in ("v", "w"):
        db.migrate(_table(*fields, name=name, was='was ("v", "t")'))
        assert db.rows(f"SELECT a, b FROM {name}") == [(6, 5)]


def test_a_name_of_an_index_goes_from_a_table_that_goes_to_a_new_one(db: Database) -> None:
    db.run(_table('a: int? index name "by_a"'))
    statements = db.migrate(_table('a: int? index name "by_a"', name="u"))
    assert statements.index("DROP TABLE t") < statements.index("CREATE INDEX by_a ON u(a)")


_WITH_INDEX = ["primary (id)", "exclude using btree (id with =)", "index (id)"]


def _bare(name: str, *more: str) -> str:
    return f'entity {name.title()} table "{name}" {{ id: bigint, {", ".join(more)} }}\n'


@pytest.mark.parametrize("member", [*_WITH_INDEX, "unique (id)", "check (id > 0)"])
def test_a_name_goes_from_one_table_to_another(member: str, db: Database) -> None:
    here, there = _bare("t", f'{member} name "k"'), _bare("u", f'{member} name "k"')
    db.run(here)
    db.migrate(there)  # t is dropped
    db.migrate(_bare("u") + here)
    db.migrate(_bare("t") + there)
    db.migrate(here)


@pytest.mark.parametrize("before", _WITH_INDEX)
@pytest.mark.parametrize("after", [*_WITH_INDEX, None])
def test_a_name_goes_from_one_kind_to_another(before: str, after: str | None, db: Database) -> None:
    db.run(_bare("t", f'{before} name "k"'))
    db.migrate(_bare("u", f'{after} name "k"') if after else _bare("k"))


@pytest.mark.parametrize("before", _WITH_INDEX)
@pytest.mark.parametrize("after", _WITH_INDEX)
def test_nothing_is_renamed_to_what_something_is_called_that_goes(before: str, after: str, db: Database) -> None:
    gone, renamed = _bare("t", f'{before} name "k"'), _bare("u", f'{after} name "l"')
    db.run(gone + renamed)
    db.migrate(renamed.replace('"l"', '"k"'))


@pytest.mark.parametrize("before", ["primary (id)", "index (id)"])
@pytest.mark.parametrize("after", ["primary (id)", "unique (id)", "unique index (id)"])
@pytest.mark.parametrize("rest", ["", _bare("t")], ids=["with its table", "alone"])
def test_a_rule_stays_until_that_is_built_which_waits_for_a_name(
    before: str, after: str, rest: str, database: str, tmp_path: Path
) -> None:
    db = Database(database, tmp_path, small_table_bytes=-1)
    ruled = _bare("u", f'{after} name "l"')
    db.run(_bare("t", f'{before} name "k"') + ruled)
    statements = db.migrate(rest + ruled.replace('"l"', '"k"'))
    (former,) = (n for n, sql in enumerate(statements) if re.search(r"DROP .* l$", sql))
    (built,) = (n for n, sql in enumerate(statements) if sql.startswith("CREATE UNIQUE INDEX CONCURRENTLY k"))
    assert built < former


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sequence t_id_seq", _table().replace("primary", "primary identity")),
        (_table(), "sequence t_id_seq"),
        (_bare("k"), "enum k { a }"),
    ],
)
def test_a_name_goes_from_and_to_what_comes_along(before: str, after: str, db: Database) -> None:
    db.run(before.replace("primary ", "primary identity "))
    db.migrate(after)
    db.migrate(before)


def test_columns_swap_in_tables_that_swap(db: Database) -> None:
    fields = "a: int?", "b: int?"
    db.run(_table(*fields) + _table(*fields, name="u"))
    db.execute("INSERT INTO t VALUES (1, 2, 3)", "INSERT INTO u VALUES (7, 8, 9)")
    swapped = _table(*fields, was='was "u"') + _table("a: int? was b", "b: int? was a", name="u", was='was "t"')
    for _ in range(2):
        db.migrate(swapped)
        assert db.rows("SELECT a, b FROM u") == [(3, 2)]
        assert db.rows("SELECT a, b FROM t") == [(8, 9)]
    again = _table("a: int? was b", "b: int? was a", was='was ("v", "u")') + _table(
        "a: int? was b", "b: int? was a", name="u", was='was "t"'
    )
    for _ in range(2):
        db.migrate(again)
        assert db.rows("SELECT a, b FROM u") == [(3, 2)]
        assert db.rows("SELECT a, b FROM t") == [(9, 8)]


def test_columns_swap_in_a_chain_of_tables(db: Database) -> None:
    db.run(_table("a: int", "b: string") + _table("c: int", name="u"))
    db.execute("INSERT INTO t VALUES (1, 2, 'x')", "INSERT INTO u VALUES (7, 8)")
    chain = _table("c: int", name="v", was='was "u"') + _table(
        "a: string was b", "b: int was a", name="u", was='was "t"'
    )
    for _ in range(2):
        db.migrate(chain)
        assert db.rows("SELECT a, b FROM u") == [("x", 2)]
        assert db.rows("SELECT c FROM v") == [(8,)]


def test_a_column_is_renamed_where_another_table_had_its_new_name(db: Database) -> None:
    db.run(_table("x: string?") + _table("title: string?", name="u"))
    db.execute("INSERT INTO t VALUES (1, 'a')", "INSERT INTO u VALUES (7, 'b')")
    db.migrate(
        _table("title: string?", name="v", was='was "u"') + _table("title: string? was x", name="u", was='was "t"')
    )
    assert db.rows("SELECT title FROM u") == [("a",)]
    assert db.rows("SELECT title FROM v") == [("b",)]


def test_a_new_table_has_nothing_of_the_one_that_had_its_name(db: Database) -> None:
    db.run(_table("x: string?"))
    db.execute("INSERT INTO t VALUES (1, 'a')")
    db.migrate(_table("x: string?", name="u", was='was "t"') + _table("y: string? was x"))
    assert db.rows("SELECT x FROM u") == [("a",)]
    assert db.rows("SELECT y FROM t") == []


def test_labels_swap_in_types_that_swap(db: Database) -> None:
    users = _table("m: Mood", "k: Kind")
    db.run("enum Mood { up, down }\nenum Kind { up, down }\n" + users)
    db.execute("INSERT INTO t VALUES (1, 'up', 'down')")
    swapped = "enum Kind was Mood { down was up, up was down }\nenum Mood was Kind { up, down }\n"
    for _ in range(2):
        db.migrate(swapped + users.replace("m: Mood", "m: Kind").replace("k: Kind", "k: Mood"))
        assert db.rows("SELECT m::text, k::text FROM t") == [("down", "down")]


def _moods(labels: str, name: str = "Mood") -> str:
    return f"enum {name} {{ {labels} }}\n" + _table(f"m: {name}", "check (m <> 'up'::mood or id > 0)")


@pytest.mark.parametrize("swap", ["down was up, up was down", "up was down, down was up"])
def test_labels_swap_each_time_they_are_told_to(db: Database, swap: str) -> None:
    db.run(_moods("up, down"))
    db.execute("INSERT INTO t VALUES (1, 'up'), (2, 'down')")
    for labels, first in ((swap, "down"), (f"{swap}, off", "down"), ("up, down, off", "down"), (f"{swap}, off", "up")):
        db.migrate(_moods(labels))
        assert db.rows("SELECT m::text FROM t WHERE id = 1") == [(first,)]


def test_labels_that_swapped_stay_where_they_are_when_their_type_is_renamed(db: Database) -> None:
    swap = "down was up, up was down"
    db.run(_moods("up, down").replace("'::mood", "'"))
    db.execute("INSERT INTO t VALUES (1, 'up'), (2, 'down')")
    for name in ("Mood", "State was Mood"):
        schema = _moods(swap).replace("enum Mood", f"enum {name}").replace("m: Mood", f"m: {name.split()[0]}")
        db.migrate(schema.replace("'::mood", "'"))
        assert db.rows("SELECT m::text FROM t WHERE id = 1") == [("down",)]


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (_table("a: int?", "b: int?"), _table("b: int? was a"), "`was a` of t.b is not followed: t.b exists already"),
        (
            _table(name="u") + _table(),
            _table(was='was "u"'),
            '`was "u"` of t is not followed: t exists already',
        ),
        ("enum K { a, b }", "enum K { b was a }", "`was a` of k.b is not followed: k.b exists already"),
        (_table("a: int?", "b: int?"), _table("a: int?", "b: int? was a"), None),  # it is another one, and declared
        (_table("b: int?"), _table("b: int? was a"), None),
        (_table("a: int?"), _table("b: int? was a"), None),
    ],
)
def test_a_rename_that_is_not_followed_is_told(db: Database, before: str, after: str, note: str | None) -> None:
    db.run(before)
    assert [n for n in db.plan(after).plan.notes if "`was" in n] == ([note] if note else [])
    if note is None:
        db.migrate(after)
        assert db.plan(after).plan.notes == ()


_MEANS = "code that still says {} does not fail but finds {}: what it means is now called {}"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            _table("phone: string?"),
            _table("phone: string?", "mobile: string? was phone"),
            {"t.mobile": _MEANS.format("t.phone", "a new t.phone", "t.mobile")},
        ),
        (
            _table("phone: string?"),
            _table("phone: string?", "mobile: string? was phone", name="v", was='was "t"'),
            {
                "v": "code that still says t fails",
                "v.mobile": _MEANS.format("v.phone", "a new v.phone", "v.mobile"),
            },
        ),
        (
            _table("a: int?", "b: int?"),
            _table("a: int? was b", "b: int? was a"),
            {
                "t.a": _MEANS.format("t.b", "what was t.a", "t.a"),
                "t.b": _MEANS.format("t.a", "what was t.b", "t.b"),
            },
        ),
        (
            _table("a: int?"),
            _table("a: int?") + _table("a: int?", name="v", was='was "t"'),
            {"v": _MEANS.format("t", "a new t", "v")},
        ),
        (
            "enum K { a, b }",
            "enum K { a, c was a, b }",
            {"k": _MEANS.format("k.a", "a new k.a", "k.c")},
        ),
    ],
)
def test_who_goes_on_using_a_name_that_means_something_else_is_told(
    before: str, after: str, told: dict[str, str], db: Database
) -> None:
    db.run(before)
    plan = db.plan(after).plan
    assert {str(h.object): h.detail for h in plan.hazards if h.name is HazardName.BREAKS_CODE} == told
    db.migrate(after, allow=())


@pytest.mark.parametrize(("was", "table"), [("", "t"), ('was "t"', "v")])
def test_what_was_made_by_hand_gets_the_declared_name_and_it_is_told(was: str, table: str, db: Database) -> None:
    db.run(_table("a: int", "b: int"))
    db.execute(
        "CREATE INDEX dba ON t (a)",
        "ALTER TABLE t ADD CONSTRAINT theirs UNIQUE (b)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT theirs"
        " DO NOTHING'"
        if not was
        else "SELECT 1",
    )
    plan = db.plan(_table("a: int index", "b: int unique", name=table, was=was)).plan
    told = {h.key: h.detail for h in plan.hazards if "but for the name" in h.detail}
    assert [*told] == [f"breaks-code:idx_{table}_a", f"breaks-code:{table}.{table}_b_key"]
    assert [detail.partition(" fails")[0] for detail in told.values()] == [
        "code that still says dba",
        "code that still says t.theirs",
    ]
    in_bodies = [h.key for h in plan.hazards if "stands in the body of function public.f()" in h.detail]
    assert in_bodies == ([] if was else ["breaks-code:t.t_b_key"])
    assert plan.missing_consent(()) == ()
    db.migrate(_table("a: int index", "b: int unique", name=table, was=was), allow=())


def test_what_chameleon_has_made_is_renamed_without_a_word(db: Database) -> None:
    db.migrate(_table("a: int index", "b: int unique", "n: serial"))
    plan = db.plan(_table("a: int index", "b: int unique", "n: serial", name="v", was='was "t"')).plan
    assert [(h.key, h.detail) for h in plan.hazards] == [("breaks-code:v", "code that still says t fails")]
    db.migrate(_table('a: int index name "x"', 'b: int unique name "y"', "n: serial"))
    plan = db.plan(_table("a: int index", "b: int unique", "n: serial")).plan
    assert plan.sql
    assert plan.hazards == ()


def test_names_move_on_in_a_chain_and_keep_their_history(db: Database) -> None:
    db.run(_table("a: int?", "b: int?"))
    db.execute("INSERT INTO t VALUES (1, 5, 6)")
    db.migrate(_table("b: int? was a", "c: int? was b"))
    assert db.rows("SELECT b, c FROM t") == [(5, 6)]
    db.migrate(_table("d: int? was (b, a)", "c: int?"))
    assert db.rows("SELECT d, c FROM t") == [(5, 6)]


def test_a_renamed_table_loses_what_is_not_declared_any_more(db: Database) -> None:
    db.run(_table("a: int?", "check (a > 0)"))
    statements = db.migrate(_table(name="v", was='was "t"'))
    assert "ALTER TABLE v DROP COLUMN a" in statements
    assert db.plan(_table(name="v")).plan.unmanaged == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("check (a > 0) not valid", "check (a > 0)", "rows that break the rule in 2 rows of t"),
        ("o: O via a not valid", "o: O via a", "values without a row in o in 2 rows of t"),
        pytest.param(
            "o: O via a not enforced",
            "o: O via a",
            "values without a row in o in 2 rows of t",
            marks=pytest.mark.pg(">=18"),
        ),
    ],
)
def test_rows_that_a_rule_did_not_bind_may_break_it(db: Database, before: str, after: str, told: str) -> None:
    other, hazard = _table(name="o"), HazardName.MAY_FAIL_ON_DATA
    db.run(other + _table("a: bigint"))
    db.execute("INSERT INTO t VALUES (1, -1), (2, -1)")
    db.run(other + _table("a: bigint", before))
    after = other + _table("a: bigint", after)
    assert [h.detail for h in db.plan(after).plan.hazards if h.name is hazard] == [told]
    db.execute("DELETE FROM t")
    assert [h for h in db.plan(after).plan.hazards if h.name is hazard] == []


@pytest.mark.parametrize(
    ("before", "after"), [("serial", "bigint identity"), ("int identity", "serial"), ("int identity always", "int")]
)
def test_numbering_goes_on_whatever_does_it(db: Database, before: str, after: str) -> None:
    db.run(_table(f"n: {before}"))
    db.execute("INSERT INTO t SELECT generate_series(1, 3)")
    db.migrate(_table(f"n: {after}"))
    assert db.rows("SELECT n FROM t ORDER BY id") == [(1,), (2,), (3,)]
    if after != "int":
        db.execute("INSERT INTO t VALUES (4)")
        assert db.value("SELECT n FROM t WHERE id = 4") == 4


@pytest.mark.parametrize(("one", "other"), [("int identity", "serial"), ("serial", "int identity")])
def test_tables_that_swap_their_names_go_on_counting_each_by_its_own(db: Database, one: str, other: str) -> None:
    db.run(_table(f"n: {one}") + _table(f"n: {other}", name="u"))
    db.execute("INSERT INTO t SELECT generate_series(1, 3)", "INSERT INTO u SELECT generate_series(1, 5)")
    db.migrate(_table(f"n: {one}", name="u", was="was t") + _table(f"n: {other}", was="was u"))
    db.execute("INSERT INTO u VALUES (9)", "INSERT INTO t VALUES (9)")
    assert (db.value("SELECT max(n) FROM u"), db.value("SELECT max(n) FROM t")) == (4, 6)


def _broken(db: Database, after: str) -> list[tuple[str, str]]:
    hazards = db.plan(after).plan.hazards
    return [(h.key, h.detail) for h in hazards if h.name is HazardName.BREAKS_CODE and "body of" in h.detail]


_UNIQUE, _INDEX = "unique (k, l)", 'unique index (l, k) name "lk"'


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(("before", "after"), [(_UNIQUE, _INDEX), (_INDEX, _UNIQUE), (_UNIQUE, "unique (l, k)")])
@pytest.mark.parametrize("is_new", [False, True], ids=["kept", "new"])
def test_a_key_makes_way_to_another_that_foreign_keys_use_then(
    before: str, after: str, is_new: bool, is_large: bool, database: str, tmp_path: Path
) -> None:
    def schema(key: str, used: bool) -> str:
        user = "a: int", "b: int", *(["t: T via (a, b) references (k, l)"] if used else [])
        return _table("k: int", "l: int", key) + _table(*user, name="u")

    db = Database(database, tmp_path, **({"small_table_bytes": -1} if is_large else {}))
    db.migrate(schema(before, not is_new))
    assert "FOREIGN KEY" in "".join(db.migrate(schema(after, True)))


def test_functions_whose_text_speaks_of_what_goes_are_named(db: Database) -> None:
    db.run(_table("a: int?", '"Odd b": int?'))
    db.execute(
        "CREATE FUNCTION reads_a() RETURNS bigint LANGUAGE sql AS 'SELECT sum(A) FROM T'",
        "CREATE FUNCTION changes_b() RETURNS void LANGUAGE plpgsql AS"
        """ $$ BEGIN EXECUTE 'UPDATE t SET "Odd b" = 1'; END $$""",
        "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1 AS a'",
    )
    reads, changes = "function public.reads_a()", "function public.changes_b()"
    standing = "its name stands in the body of"
    assert _broken(db, _table('"Odd b": int?')) == [("breaks-code:t.a", f"{standing} {reads}")]
    renamed = _table("c: int? was a", 'b: int? was "Odd b"')
    assert _broken(db, renamed) == [
        ("breaks-code:t.b", f"{standing} {changes}"),
        ("breaks-code:t.c", f"{standing} {reads}"),
    ]
    both = f"{standing} {changes}, {reads}"
    assert _broken(db, _table("a: int?", '"Odd b": int?', name="u", was='was "t"')) == [("breaks-code:u", both)]
    assert ("breaks-code:t", both) in _broken(db, "")
    assert _broken(db, _table("a: int?", '"Odd b": int?', "c: int?")) == []


def test_the_key_of_a_large_table_changes_together_with_the_type_of_its_column(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, small_table_bytes=-1)
    db.migrate("entity Item { id: int primary, a: int }")
    assert db.migrate("entity Item { id: bigint, a: int, primary (id, a) }") == [
        "ALTER TABLE items DROP CONSTRAINT items_pkey",  # its index would be built anew
        "ALTER TABLE items ALTER COLUMN id TYPE BIGINT",
        "CREATE UNIQUE INDEX CONCURRENTLY items_pkey__chameleon ON items(id, a)",
        "ALTER TABLE items ADD CONSTRAINT items_pkey PRIMARY KEY USING INDEX items_pkey__chameleon",
    ]


def test_the_old_index_stays_until_one_that_was_interrupted_is_built(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, small_table_bytes=-1)
    before = "entity Item {{ id: bigint primary, name: string, a: int, index ({}) }}"
    db.migrate(before.format("name, id"))
    db.execute(
        "CREATE INDEX idx_items_name_id_a ON items (name, id, a)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_items_name_id_a'::regclass",
    )
    assert db.migrate(before.format("name, id, a")) == [
        "DROP INDEX CONCURRENTLY idx_items_name_id_a",
        "CREATE INDEX CONCURRENTLY idx_items_name_id_a ON items(name, id, a)",
        "DROP INDEX CONCURRENTLY idx_items_name_id",
    ]


@pytest.mark.pg(">=18")
def test_what_is_enforced_from_now_on_is_looked_at_without_holding_up_anybody(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, small_table_bytes=-1)
    before, after = (
        _table() + _table("a: int", f"t: T via a {how}", f"check (a > 0) {how}", name="u")
        for how in ("not enforced", "")
    )
    db.migrate(before)
    db.execute("INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (1, 1)")
    plan = db.plan(after).plan
    assert {h.name for h in plan.hazards} == {HazardName.MAY_FAIL_ON_DATA}
    validate = "ALTER TABLE u VALIDATE CONSTRAINT"
    alone = [group.steps[0].sql for group in plan.groups if len(group.steps) == 1]
    assert alone == [f"{validate} u_a_fkey", f"{validate} u_a_check"]
    db.migrate(after)
    assert db.plan(before).plan.hazards == ()


def test_a_key_made_anew_is_not_away_while_rows_are_looked_at(database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path, small_table_bytes=0)
    owner = "entity Owner { id: int primary }\n"
    db.migrate(owner + "entity Acct { id: bigint primary, ref: int?, o: Owner via ref }")
    db.execute("INSERT INTO owners VALUES (1)", "INSERT INTO accts SELECT n, 1 FROM generate_series(1, 2000) n")
    after = owner + "entity Acct { id: bigint primary, ref: int, o: Owner via ref on delete cascade }"
    groups = db.plan(after).plan.groups
    (together,) = [g for g in groups if any("DROP CONSTRAINT accts_ref_fkey" in step.sql for step in g.steps)]
    assert any("ADD CONSTRAINT accts_ref_fkey" in step.sql for step in together.steps)
