"""What each form of the language declares."""

from __future__ import annotations

import pytest

from chameleondb.kinds.column import Generated, IdentityColumn, NotNull
from chameleondb.kinds.sequence import SequenceOptions
from chameleondb.model.declared import Hint
from chameleondb.names import column as column_id
from chameleondb.names import label, relation

from .schema_text import codes, column, declared, entity, is_unnamed, loaded, marked, mistakes, objects, only

USERS = relation("public", "users")


def test_the_example_of_the_guide() -> None:
    schema = loaded(
        "entity User {\n    id: uuid primary,\n    email: string unique,\n    name: string,\n"
        "    age: int,  // ← New field\n}\n"
    )
    assert (schema.entities, schema.fields, schema.warnings) == (("User",), 4, ())


def test_what_the_original_accepts() -> None:
    schema = declared(
        """entity User {
            id: uuid primary default uuid_v4(),
            email: string unique @olap,
            bio: string nullable @ml,
            score: float default "1",
            embedding: vector(384) @vector,
            tags: [[string]],
            created_at: timestamp default now(),
            posts: [Post] via author_id,
        }
        entity Post { id: uuid primary, author_id: uuid, author: User, }"""
    )
    assert column(schema, "embedding").type == "public.vector(384)"
    assert [o.id.name for o in objects(schema, "Extension")] == ["vector"]
    assert column(schema, "tags").type == "text[]"
    key = only(schema, "ForeignKey")
    assert (key.id.path[:2], key.columns, key.target, key.target_columns) == (
        ("public", "posts"),
        ("author_id",),
        USERS,
        ("id",),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", "text"),
        ("string(20)", "character varying(20)"),
        ("int", "integer"),
        ("float", "double precision"),
        ("decimal(10, 2)", "numeric(10,2)"),
        ("numeric(10)", "numeric(10,0)"),
        ("bool", "boolean"),
        ("UUID", "uuid"),
        ("double precision", "double precision"),
        ("timestamp", "timestamp without time zone"),
        ("timestamp(3) with time zone", "timestamp(3) with time zone"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("time with time zone", "time with time zone"),
        ("interval day to second(3)", "interval day to second(3)"),
        ("bit varying(5)", "bit varying(5)"),
        ("character varying(20)", "character varying(20)"),
        ("char", "character(1)"),
        ('"char"', '"char"'),
        ("[int]", "integer[]"),
        ("int[]", "integer[]"),
        ("int[3][3]", "integer[]"),
        ("pg_catalog.int4", "integer"),
        ("blog.mood", "blog.mood"),
        ("citext", "public.citext"),
        ("geometry(Point, 4326)", "public.geometry(Point,4326)"),
    ],
)
def test_types(text: str, expected: str) -> None:
    assert column(entity(f"x: {text}"), "x").type == expected


def test_a_type_from_a_sql_block() -> None:
    schema = declared('sql """ CREATE DOMAIN mood AS text """ entity User { id: uuid primary, x: mood, y: [mood] }')
    assert [column(schema, n).type for n in "xy"] == ["public.mood", "public.mood[]"]


def test_an_extension_in_a_schema_gives_its_types_from_there() -> None:
    schema = declared('extension "citext" in ext entity User { id: uuid primary, x: citext }')
    assert column(schema, "x").type == "ext.citext"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"it\'s"', "'it''s'"),
        (r'"a\"b\\c\n"', "'a\"b\\c\n'"),
        (r'"\u{e9}"', "'é'"),
        ("-1.5e3", "-1.5e3"),
        ("true", "true"),
        ("null", "NULL"),
        ("now()", "now()"),
        ("uuid()", "gen_random_uuid()"),
        ("f(1, ')')", "f(1, ')')"),
        ("current_timestamp", "CURRENT_TIMESTAMP"),
        ("[]", "'{}'"),
        ('["a,", 1, null, [true,],]', "'{\"a,\",1,null,{true}}'"),
        ("(a + (b))", "a + (b)"),
        ("($x$ ) // $$ $x$)", "$x$ ) // $$ $x$"),
        ("('//' /* ours */ || 'b' // ours\n)", "'//'   || 'b'"),
        ("('--' || 'b' -- SQL's\n)", "'--' || 'b'"),
    ],
)
def test_defaults(text: str, expected: str) -> None:
    type_ = "[string]" if text.startswith("[") else "string"
    assert column(entity(f"x: {type_} default {text}"), "x").default == expected


def test_the_namespace_that_every_database_has_may_be_declared() -> None:
    text = "entity User { id: int primary }"
    assert declared(f"namespace public {text}").objects == declared(text).objects


def test_required_and_nullable() -> None:
    schema = entity('a: int, b: int?, c: int nullable, d: int not null name "n" no inherit')
    assert [column(schema, n).not_null for n in "abcd"] == [NotNull(), None, None, NotNull(name="n", inherit=False)]


def test_a_primary_key_makes_its_fields_required() -> None:
    schema = declared("entity User { a: int?, b: int, primary (a, b) }")
    assert column(schema, "a").not_null == NotNull()


def test_column_clauses_in_any_order() -> None:
    schema = entity(
        'x: text was (y, z) collate "C" storage main compression lz4 statistics 500 with (n_distinct = -0.5) '
        "backfill (upper(y)) using (y::text) default (lower('A)'))"
    )
    found = column(schema, "x")
    assert (found.collation, found.storage, found.compression, found.statistics) == ('"C"', "main", "lz4", 500)
    assert (found.options, found.default) == (("n_distinct=-0.5",), "lower('A)')")
    assert schema.hints[found.id] == Hint(was=("y", "z"), backfill="upper(y)", using="y::text")


def test_generated_and_identity() -> None:
    schema = entity(
        "a: int generated (1 + 1), b: int generated (2) virtual, c: int identity always (start 5 cycle) sequence s"
    )
    assert column(schema, "a").generated == Generated(expression="1 + 1")
    assert column(schema, "b").generated == Generated(expression="2", stored=False)
    options = SequenceOptions(type="integer", start=5, cycle=True)
    assert column(schema, "c").identity == IdentityColumn(always=True, options=options, sequence="s")


def test_serial() -> None:
    schema = entity("n: serial")
    sequence = only(schema, "Sequence")
    assert column(schema, "n").default == "nextval('public.users_n_seq'::regclass)"
    assert (sequence.id, sequence.owned_by) == (relation("public", "users_n_seq"), column_id(USERS, "n"))
    assert sequence.options.type == "integer"


def test_keywords_and_odd_names_are_names() -> None:
    schema = entity('default: int, via: int, index: int, unique: int, primary: int, check: int, "odd \\"name": int')
    assert column(schema, 'odd "name').type == "integer"
    assert len(objects(schema, "Column")) == 8
    assert not objects(schema, "Unique")


def test_head_clauses() -> None:
    schema = declared(
        'entity User in blog table "Users" was (Person, "old") unlogged with (fillfactor = 70, autovacuum_enabled) '
        'tablespace fast using heap replica identity index "u" { id: int primary }'
    )
    table = only(schema, "Table")
    assert table.id == relation("blog", "Users")
    assert (table.unlogged, table.tablespace, table.options) == (
        True,
        "fast",
        ("autovacuum_enabled=true", "fillfactor=70"),
    )
    assert (table.replica_identity, table.replica_index) == ("index", "u")
    assert schema.hints[table.id].was == ("people", "old")
    assert [n.id.name for n in objects(schema, "Namespace")] == ["blog"]


def test_constraints_and_indexes() -> None:
    schema = entity(
        'a: int, b: int, unique (a, b) nulls not distinct include (id) deferrable initially deferred name "u", '
        "check (a > b) no inherit not valid, index (a desc, lower(b::text)) unique where (a > 0) using btree, "
        "unique index (b) with (fillfactor=90), exclude using gist (a WITH =, b WITH &&) where (a > 1) name e, "
    )
    unique = only(schema, "Unique")
    assert (unique.id.name, unique.columns, unique.include) == ("u", ("a", "b"), ("id",))
    assert (unique.nulls_distinct, unique.deferrable) == (False, "deferred")
    check = only(schema, "Check")
    assert (check.expression, check.inherit, check.validated, is_unnamed(check)) == ("a > b", False, False, True)
    first, second = objects(schema, "Index")
    assert (first.id.name, first.keys) == ("idx_users_a_lower_b", ("a DESC", "lower(b::text)"))
    assert (first.unique, first.where) == (True, "a > 0")
    assert (second.unique, second.options) == (True, ("fillfactor=90",))
    assert only(schema, "Exclusion").elements == "a WITH =, b WITH &&"


def test_index_names_are_unique_and_fit() -> None:
    long = "x" * 60
    schema = entity(f"a: int index, index (a desc), index (a) name idx_users_a_3, {long}: int, index ({long}, a)")
    names = [i.id.name for i in objects(schema, "Index")]
    assert names[:3] == ["idx_users_a", "idx_users_a_2", "idx_users_a_3"]
    assert len(names[3]) == 63


def test_descriptions() -> None:
    schema = declared("/// one\n/// two\nentity User {\n /// the key\n id: uuid primary,\n /// why\n check (true)\n}")
    found = {c.target.space: c.text for c in objects(schema, "Comment")}
    assert found == {"relation": "one\ntwo", "column": "the key", "constraint": "why"}


def test_enums() -> None:
    schema = declared(
        'enum Plan in blog was Tier { free, pro was basic, "team plan" }'
        'entity U { id: int primary, p: Plan default "free" , q: Plan default pro}'
    )
    found = only(schema, "Enum")
    assert (found.id.path, found.values) == (("blog", "plan"), ("free", "pro", "team plan"))
    assert schema.hints == {found.id: Hint(was=("tier", "Tier")), label(found.id, "pro"): Hint(was=("basic",))}
    assert (column(schema, "q").type, column(schema, "q").default) == ("blog.plan", "'pro'")


def test_sequences_extensions_namespaces() -> None:
    schema = declared(
        "sequence n in shop as int start 100 increment 5 min 1 max 999 cache 10 cycle unlogged owned by Order.number "
        'entity Order in shop { id: int primary, number: int } extension "pg_trgm" in shop version "1.6"'
        "namespace other"
    )
    found = only(schema, "Sequence")
    assert found.options == SequenceOptions(
        type="integer", start=100, increment=5, minimum=1, maximum=999, cache=10, cycle=True
    )
    assert found.owned_by == column_id(relation("shop", "orders"), "number")
    assert (only(schema, "Extension").schema, only(schema, "Extension").version) == ("shop", "1.6")
    assert [n.id.name for n in objects(schema, "Namespace")] == ["other", "shop"]


def test_units_are_declarations_and_keys_live_with_their_table() -> None:
    schema = declared(
        "entity User { id: int primary, posts: [Post] via author_id } entity Post { id: int primary, author_id: int }"
    )
    units = {str(u.key): {type(o).__name__ for o in u.objects} for u in schema.units}
    assert units == {
        "users": {"Table", "Column", "PrimaryKey"},
        "posts": {"Table", "Column", "PrimaryKey", "ForeignKey"},
    }
    assert all(schema.places.get(o.id) for unit in schema.units for o in unit.objects)
    assert schema.labels[USERS] == "User"


# --- Relations -----------------------------------------------------------------------------------------------------

POST = "entity Post { id: int primary, author_id: int?, a: int, b: int, %s }"
USER = "entity User { id: int primary, code: int unique, x: int, y: int, unique (x, y), %s }"


@pytest.mark.parametrize(
    ("post", "user"),
    [
        ("author: User", ""),
        ("author: User via author_id", ""),
        ("", "posts: [Post] via author_id"),
        ("author: User", "posts: [Post] via author_id"),
        ("author: User via author_id", "posts: [Post]"),
        ("", "post: Post? via author_id"),
    ],
)
def test_one_key_whatever_side_declares_it(post: str, user: str) -> None:
    key = only(declared(POST % post, USER % user), "ForeignKey")
    assert (key.id.path[1], key.columns, key.target, key.target_columns) == ("posts", ("author_id",), USERS, ("id",))


def test_navigation_only() -> None:
    schema = declared(POST % "writer: User", USER % "posts: [Post] via author_id")
    assert only(schema, "ForeignKey").columns == ("author_id",)


ONE_TO_ONE = "entity U { id: int primary, p: P? } entity P { id: int primary, %s, u: U via u_id }"


@pytest.mark.parametrize("key", ["u_id: int unique", "u_id: int, unique (u_id)"])
def test_one_to_one_may_only_name_the_way_back(key: str) -> None:
    assert only(declared(ONE_TO_ONE % key), "ForeignKey").columns == ("u_id",)


def test_the_way_back_from_many_is_not_to_one() -> None:
    assert codes(ONE_TO_ONE % "u_id: int") == ["CHM0402"]


@pytest.mark.parametrize(
    ("post", "user", "code"),
    [
        ("writer: User", "posts: [Post]", "CHM0402"),
        ("writers: [User]", "posts: [Post]", "CHM0402"),
        ("writers: [User]", "posts: [Post] via author_id", "CHM0402"),
        ("author: User", "posts: [Post] on delete cascade", "CHM0119"),
    ],
)
def test_a_key_that_neither_side_makes_is_missed(post: str, user: str, code: str) -> None:
    assert set(codes(POST % post, USER % user)) == {code}


def test_only_the_fields_of_a_key_make_it_optional() -> None:
    found = loaded("entity P { id: int primary, a_id: int?, a: P?, b_id: int, b: P?, z: P? via x, x: int nullable }")
    assert [(w.code, w.help) for w in found.warnings] == [("CHM0410", "mark the field: b_id: …?")]


def test_composite_and_options() -> None:
    options = "on delete set null (a) on update cascade match full deferrable initially deferred not valid name fk"
    key = only(declared(POST % f"u: User via (a, b) references (x, y) {options}", USER % ""), "ForeignKey")
    assert (key.columns, key.target_columns, key.id.name) == (("a", "b"), ("x", "y"), "fk")
    assert (key.on_delete, key.set_columns, key.on_update) == ("set null", ("a",), "cascade")
    assert (key.match, key.deferrable, key.validated) == ("full", "deferred", False)


def test_self_and_cyclic_references() -> None:
    schema = declared(
        "entity A { id: int primary, parent_id: int?, parent: A, children: [A] via parent_id, b_id: int, b: B }"
        "entity B { id: int primary, a_id: int, a: A }"
    )
    assert len(objects(schema, "ForeignKey")) == 3


def test_a_table_that_is_no_entity() -> None:
    key = only(entity('owner_id: uuid, owner: table "auth"."users" (id) via owner_id'), "ForeignKey")
    assert (key.target, key.target_columns) == (relation("auth", "users"), ("id",))


def test_both_sides_must_agree() -> None:
    (found,) = mistakes(
        POST % "author: User on delete cascade", USER % "posts: [Post] via author_id on delete restrict"
    )
    assert (found.code, marked(found), len(found.others)) == ("CHM0403", "on delete restrict", 1)


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("u: Usr via author_id", "CHM0401"),
        ("u: User", "CHM0402"),
        ("u: User via autor_id", "CHM0214"),
        ("u: User via (a, b)", "CHM0406"),
        ("t: string, u: User via t", "CHM0404"),
        ('u: table "other" via a', "CHM0405"),
        ("u: User via a references (nope)", "CHM0214"),
        ("u: User via a unique", "CHM0119"),
        ("u: [User]", "CHM0402"),
    ],
)
def test_wrong_relations(member: str, code: str) -> None:
    assert codes(POST % member, USER % "") == [code]
