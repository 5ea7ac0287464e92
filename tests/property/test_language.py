"""What holds for every schema: printing and parsing are inverse, formatting is stable, no input breaks anything."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from chameleondb.diagnostics import Diagnostics, Source
from chameleondb.errors import SchemaError
from chameleondb.formatter import is_in_style, reformat
from chameleondb.kinds.check import Check
from chameleondb.kinds.column import Column, NotNull
from chameleondb.kinds.comment import Comment
from chameleondb.kinds.enum import Enum
from chameleondb.kinds.foreign_key import ForeignKey
from chameleondb.kinds.index import Index
from chameleondb.kinds.primary_key import PrimaryKey
from chameleondb.kinds.table import Table
from chameleondb.kinds.unique import Unique
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, bytes_of, column, comment, constraint, qualified_type, quote, relation, type_
from chameleondb.printer import print_schema
from chameleondb.syntax.sql import statements
from chameleondb.workflow.source import load

NAMES = st.one_of(
    st.sampled_from(
        ["id", "name", "default", "via", "index", "primary", "users", "User", "people", "sql", "entity", "x_id"]
    ),
    # In SQL the backslash is a character like any other, in ours it escapes: such names do not survive in expressions.
    st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), min_size=1, max_size=20),
).filter(lambda name: bytes_of(name) <= 63)
_TYPES = """integer;text;character varying(20);numeric(10,2);timestamp(3) with time zone;uuid[];bit varying(5);bigint[];
interval day to second(3);"char";time without time zone;blog.mood;public.geometry(Point,4326)"""
TYPES = st.sampled_from(_TYPES.replace("\n", "").split(";"))
EXPRESSIONS = st.sampled_from(["1", "now()", "lower('a)b'::text)", "(1 + 2)", "'//'::text", "'a''b'::text"])
ACTIONS = st.sampled_from(["no action", "cascade", "restrict", "set null", "set default"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=30)


@st.composite
def _tables(draw: st.DrawFn, table: Identity, enums: list[Identity]) -> list[Object]:
    types = st.one_of(TYPES, st.sampled_from([qualified_type(e.path) for e in enums])) if enums else TYPES
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    found: list[Object] = [Table(id=table, unlogged=draw(st.booleans()))]
    key = tuple(draw(st.lists(st.sampled_from(names), max_size=2, unique=True)))
    for name in names:
        required = name in key or draw(st.booleans())
        default = draw(st.none() | EXPRESSIONS)
        found.append(
            Column(
                id=column(table, name),
                type=draw(types),
                not_null=NotNull() if required else None,
                default=default,
                statistics=draw(st.none() | st.integers(0, 1000)),
            )
        )
    if key:
        found.append(
            PrimaryKey(id=constraint(table, "pk"), columns=key, deferrable=draw(st.sampled_from(["no", "deferred"])))
        )
    some = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
    unique = Unique(id=constraint(table, "uq"), columns=some, nulls_distinct=draw(st.booleans()))
    found += [unique, replace(unique, id=constraint(table, "uq2"))] if draw(st.booleans()) else [unique]
    found.append(Check(id=constraint(table, "ck"), expression=draw(EXPRESSIONS), validated=draw(st.booleans())))
    keys = tuple(quote(n) for n in some) + draw(st.sampled_from([(), ("lower('x'::text) DESC",)]))
    index = Index(id=relation(table.path[0], f"i{table.name}"[:20]), table=table, keys=keys, unique=draw(st.booleans()))
    twin = replace(index, id=relation(table.path[0], f"j{table.name}"[:20]))
    found += [index, twin] if draw(st.booleans()) else [index]
    if key:
        options: dict[str, Any] = {
            "on_delete": draw(ACTIONS),
            "on_update": draw(ACTIONS),
            "validated": draw(st.booleans()),
        }
        found.append(ForeignKey(id=constraint(table, "fk"), columns=key, target=table, target_columns=key, **options))
    for obj in list(found):
        if draw(st.booleans()):
            found.append(Comment(id=comment(obj.id), target=obj.id, text=draw(TEXTS)))
    return found


@st.composite
def _schemas(draw: st.DrawFn) -> Schema:
    enums: list[Object] = [
        Enum(id=type_("public", name), values=tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))))
        for name in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    indexes = {f"{letter}{n}"[:20] for n in names for letter in "ij"}
    assume(len(indexes) == 2 * len(names))
    assume(not indexes & set(names))
    tables = [draw(_tables(relation("public", name), [e.id for e in enums])) for name in names]
    return Schema({o.id: o for o in (*enums, *(o for table in tables for o in table))})


@given(_schemas())
def test_parse_after_print_is_the_identity(schema: Schema) -> None:
    text = print_schema(schema)
    declared = load([Source("x.cham", text)]).declared.objects
    # A needed extension is declared by its type; strings get their type back from PostgreSQL.
    found = {i: o for i, o in declared.items() if i.space != "extension"}
    assert {_untyped(o) for o in found.values()} == {_untyped(o) for o in schema.objects.values()}
    assert reformat(Source("x.cham", text)) == text


def _untyped(obj: Object) -> str:
    """PostgreSQL, not we, gives a string its type."""
    return repr(replace(obj, position=0) if isinstance(obj, Column) else obj).replace("::text", "")


_WORDS = """entity User Post { } ( ) [ ] , : ? id int string uuid primary unique default via on delete cascade check
index name now() enum sql extension namespace sequence was identity generated @ cache . 1 -1 $$ 'x' /// // /* */ "x"
"y" \"\"\" -- ; = table references"""
WORDS = st.sampled_from([*re.split(r"\s+", _WORDS), "\n"])


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=60).map(" ".join)))
@example("entity A { a: int }\r")
@example('"\\')
def test_no_input_breaks_anything(text: str) -> None:
    source = Source("x.cham", text)
    with suppress(SchemaError):
        load([source])
    try:
        once = reformat(source)
    except SchemaError:
        return
    assert reformat(Source("x.cham", once)) == once


@given(st.text(max_size=200))
def test_no_sql_breaks_the_splitter(text: str) -> None:
    source = Source("x.sql", text)
    for sql, span in statements(source, Diagnostics()):
        assert sql
        assert text[span.start : span.end] == sql


_MEMBER_WORDS = (
    """a b: int decimal ? , ( ) (a,b) default now () via [] "x" 1.5 'y' = . - -- // check index (a>1) (a+b) name sql"""
)


@given(st.lists(st.sampled_from([*_MEMBER_WORDS.split(), " ", " ", "\r"]), max_size=10).map("".join))
@example("a: decimal(12, 2) default now()")
@example("check (a = ANY (ARRAY['x'::text, 'y'::text]))")
def test_what_is_in_style_is_not_formatted(member: str) -> None:
    if not is_in_style(member):
        return
    text = f"entity A {{\n    {member},\n}}\n"
    with suppress(SchemaError):  # in style, but no member
        assert reformat(Source("x.cham", text)) == text
