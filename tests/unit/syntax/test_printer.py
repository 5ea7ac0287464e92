"""A schema printed, and read back."""

from __future__ import annotations

import pytest

from chameleondb.diagnostics import Source
from chameleondb.formatter import reformat
from chameleondb.kinds.check import Check
from chameleondb.kinds.column import Column, NotNull
from chameleondb.kinds.foreign_key import ForeignKey
from chameleondb.kinds.primary_key import PrimaryKey
from chameleondb.kinds.table import Table
from chameleondb.model.schema import Object, Schema
from chameleondb.names import column, constraint, relation
from chameleondb.printer import print_schema

from .schema_text import comparable, declared

SCHEMAS = [
    "entity User { id: uuid primary default uuid(), n: serial, s: smallserial, tags: [string] default [] }",
    'entity User in blog table "Users" unlogged with (fillfactor = 70) replica identity full { id: int primary }',
    "entity User { a: int, b: int?, primary (a) include (b) with (fillfactor = 90) name pk, unique (a, b) }",
    'entity User { id: int primary name "pk", a: int unique, b: int unique nulls not distinct name "u", c: int index }',
    "/// t\n///\n///  x\nentity User {\n /// c\n id: int primary,\n /// p\n unique (id)\n}",
    "entity User { id: int primary, check (id > 1) no inherit not valid, exclude using btree (id WITH =) name e }",
    'entity User { id: int primary, index (lower(id::text) text_pattern_ops, id DESC) unique where (id > 1) name "i" }',
    "entity A { id: int primary, b_id: int, b: B on delete cascade }"
    "entity B { id: int primary, a_id: int, a: A, b_id: int, b: B }",
    'entity A { id: int primary, x: int, y: int, u: table "auth"."users" (p, q) via (x, y) match full }',
    "entity A { id: int primary, author: int, author_id: int, by: A via author_id, also: A via author }",
    'enum Plan in blog { a, "b c" } entity A { id: int primary, p: Plan default a, q: Plan[] }',
    'extension "citext" in ext extension "hstore" entity A { id: int primary, c: citext, h: hstore[] }',
    "sequence s in shop as int start 5 increment -1 cycle owned by A.id entity A in shop { id: int primary }",
    "entity A { id: int primary identity always (start 5) sequence s, g: int generated (1) virtual }",
    'entity A { id: int primary, "odd \\" name": int?, default: text collate "C" storage main statistics 5 }',
    "entity A { id: int primary, a: timestamptz(3), b: time, c: string(5), d: decimal(3, 1), e: bit }",
    "entity A { id: int primary, a: text default (lower('x//y')), b: int default -5 }",
    'entity A { id: int primary, a: text default "it\'s", b: date default current_date, c: int not null name n }',
]


@pytest.mark.parametrize("text", SCHEMAS)
def test_what_is_printed_declares_the_same(text: str) -> None:
    schema = declared(text)
    printed = print_schema(Schema(schema.objects))
    assert comparable(declared(printed)) == comparable(schema)
    assert reformat(Source("x", printed)) == printed


USERS = relation("public", "users")


def _schema(*objects: Object) -> Schema:
    found: list[Object] = [
        Table(id=USERS),
        Column(id=column(USERS, "id"), type="integer", not_null=NotNull()),
        *objects,
    ]
    return Schema({o.id: o for o in found})


def test_names_that_postgresql_chooses_are_left_out() -> None:
    text = print_schema(
        _schema(
            PrimaryKey(id=constraint(USERS, "users_pkey"), columns=("id",)),
            Check(id=constraint(USERS, "users_id_check"), expression="id > 0"),
            Check(id=constraint(USERS, "users_check"), expression="now() > now()"),
            ForeignKey(id=constraint(USERS, "users_id_fkey"), columns=("id",), target=USERS, target_columns=("id",)),
        )
    )
    assert text == (
        "entity User {\n    id: int primary,\n    user: User via id,\n    check (id > 0),\n"
        '    check (now() > now()) name "users_check",\n}\n'
    )


def test_typed_string_defaults_are_plain() -> None:
    schema = _schema(Column(id=column(USERS, "a"), type="text", not_null=NotNull(), default="'it''s'::text"))
    assert 'a: string default "it\'s",' in print_schema(schema)


@pytest.mark.parametrize(
    ("default", "printed"),
    [
        ("'-1'::integer", "-1"),
        ("'-1'::bigint", '"-1"'),
        ("'-2147483648'::integer", "-2147483648"),
        ("'2147483648'::bigint", "2147483648"),
        ("'9223372036854775808'::numeric", "9223372036854775808"),
        ("'-1.50'::numeric", "-1.50"),
        ("'-1'::numeric", "('-1'::numeric)"),
        ("'-01'::integer", "('-01'::integer)"),
    ],
)
def test_a_number_is_plain_where_it_means_the_same(default: str, printed: str) -> None:
    text = print_schema(_schema(Column(id=column(USERS, "a"), type="bigint", default=default)))
    assert f"a: bigint? default {printed}," in text


def test_what_looks_like_an_empty_array_is_one_only_of_arrays() -> None:
    empty = {"a": "text[]", "j": "jsonb"}
    text = print_schema(
        _schema(*(Column(id=column(USERS, n), type=t, default=f"'{{}}'::{t}") for n, t in empty.items()))
    )
    assert "a: string[]? default []," in text
    assert 'j: jsonb? default "{}",' in text


def test_entities_of_one_name_in_two_schemas() -> None:
    schema = Schema(
        {t.id: t for t in (Table(id=USERS), Table(id=relation("blog", "users")), Table(id=relation("blog", "user")))}
    )
    text = print_schema(schema, header="from a test")
    assert text.startswith("// from a test\n")
    assert 'entity User {}\n\nentity BlogUser in blog table "users" {}\n' in text
    assert 'entity BlogUser_2 in blog table "user" {}' in text
