"""What a change of type may lose: a conversion that is not known to keep everything counts as one that does not."""

from __future__ import annotations

import pytest

from chameleondb.kinds.column.types import conversion, default_sql, is_stable

KEEPS = [
    ("character varying(10)", "character varying(20)"),
    ("character varying(10)", "text"),
    ("integer", "bigint"),
    ("bigint", "integer"),  # fails where a value is out of range
    ("integer", "numeric"),
    ("numeric(10,2)", "numeric(12,2)"),
    ("numeric(10,2)", "numeric"),
    ("real", "double precision"),
    ("date", "timestamp without time zone"),
    ("timestamp(3) without time zone", "timestamp without time zone"),
    ("cidr", "inet"),
    ("uuid", "text"),
    ("public.plan", "text"),
    ("jsonb", "json"),
    ("text", "public.citext"),
    ("character varying(10)", "public.citext"),
    ("public.plan[]", "text[]"),
    ("integer[]", "bigint[]"),
    ("text[]", "public.citext[]"),
]
LOSES = [
    ("numeric(10,2)", "numeric(10,1)"),
    ("numeric", "numeric(10,2)"),
    ("numeric", "integer"),
    ("double precision", "real"),
    ("double precision", "integer"),
    ("bigint", "double precision"),
    ("timestamp without time zone", "timestamp with time zone"),
    ("timestamp with time zone", "timestamp without time zone"),
    ("timestamp without time zone", "timestamp(3) without time zone"),
    ("timestamp without time zone", "date"),
    ("character varying(20)", "character varying(10)"),  # fails where more than blanks would be cut off
    ("character(5)", "text"),
    ("bpchar", "text"),
    ("json", "jsonb"),
    ("integer", "numeric(5,-2)"),
    ("text", "integer"),
    ("text", "public.plan"),  # unless it is known to be an enum
    ("character(5)", "public.citext"),
    ("text[]", "integer[]"),
    ("bigint[]", "real[]"),
    ("text[]", "character varying(3)[]"),
    ("public.email", "public.vector(3)[]"),
    ("public.plan", "public.tier"),  # unless both are known to be enums
    ("interval", "time without time zone"),
    ("a type nobody knows", "another"),
]


@pytest.mark.parametrize(("old", "new"), KEEPS)
def test_it_keeps_every_value_or_fails(old: str, new: str) -> None:
    assert conversion(old, new).lossy is None


@pytest.mark.parametrize(("old", "new"), LOSES)
def test_it_may_lose_something(old: str, new: str) -> None:
    assert conversion(old, new).lossy


def test_an_array_is_converted_value_by_value() -> None:
    assert conversion("public.plan[]", "public.tier[]").casts == ("text[]", "public.tier[]")
    assert conversion("json[]", "jsonb[]").casts == ("jsonb[]",)
    assert conversion("integer[]", "bigint[]").casts == ()


@pytest.mark.parametrize(
    "free",
    [
        ("character varying(10)", "character varying(20)"),
        ("character varying(10)", "text"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("timestamp(3) without time zone", "timestamp without time zone"),
        ("cidr", "inet"),
    ],
)
def test_what_postgresql_does_in_its_catalog_alone(free: tuple[str, str]) -> None:
    assert not conversion(*free).rewrites


@pytest.mark.parametrize(
    "volatile", ["gen_random_uuid()", "random()", "public.f(1)", "clock_timestamp()", "now() + g()"]
)
def test_a_default_that_is_not_known_to_be_stable_is_not(volatile: str) -> None:
    assert not is_stable(volatile)


@pytest.mark.parametrize(
    "stable", ["'x'::text", "0", "-1.5", "now()", "CURRENT_TIMESTAMP", "'{}'::text[]", "NULL::integer"]
)
def test_a_stable_default(stable: str) -> None:
    assert is_stable(stable)


@pytest.mark.parametrize(
    ("expression", "sql"),
    [
        ("a AND b", "(a AND b)"),
        ("'a'::text || 'b'", "('a'::text || 'b')"),
        ("(1)+(2)", "((1)+(2))"),
        ("(1 + 2)", "(1 + 2)"),
        ("f(1)::integer", "f(1)::integer"),
        ("ARRAY['a'::text]", "ARRAY['a'::text]"),
    ],
)
def test_default_takes_a_value_or_parentheses(expression: str, sql: str) -> None:
    assert default_sql(expression) == sql
