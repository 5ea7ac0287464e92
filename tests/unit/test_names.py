"""Identities and the way names become SQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb import names
from chameleondb.names import Identity


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("users", "users"),
        ("_x$1", "_x$1"),
        ("Users", '"Users"'),
        ("team plan", '"team plan"'),
        ("user", '"user"'),
        ('say "hi"', '"say ""hi"""'),
        ("1st", '"1st"'),
        ("größe", '"größe"'),
        ("a\nb", 'U&"a\\000Ab"'),
        ("a\u202eb", 'U&"a\\202Eb"'),
        ('a\n"\\', 'U&"a\\000A""\\\\"'),
    ],
)
def test_a_name_is_quoted_where_needed(name: str, sql: str) -> None:
    assert names.quote(name) == sql


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("", "''"),
        ("it's", "'it''s'"),
        ("a\\b", "'a\\b'"),
        ("two\nlines", "'two\nlines'"),
        ("bell\x07's \\", "U&'bell\\0007''s \\\\'"),
    ],
)
def test_a_value_is_a_string_constant(text: str, sql: str) -> None:
    assert names.literal(text) == sql


def test_public_is_left_out_and_other_schemas_are_not() -> None:
    assert names.qualified(("public", "users")) == "users"
    assert names.qualified(("blog", "Posts")) == 'blog."Posts"'


def test_a_name_that_the_system_catalog_could_shadow_keeps_its_schema() -> None:
    assert names.qualified(("public", "pg_class")) == "public.pg_class"


def test_identities_read_as_users_write_them() -> None:
    users = names.relation("public", "users")
    assert str(users) == "users"
    assert str(names.column(users, "age")) == "users.age"
    assert str(names.column(names.relation("blog", "posts"), "id")) == "blog.posts.id"
    assert str(names.namespace("public")) == "public"


def test_a_column_knows_its_table() -> None:
    users = names.relation("public", "users")
    assert names.column(users, "age").table == users
    assert names.constraint(users, "users_pkey").table == users


def test_provisional_names_cannot_be_real_ones() -> None:
    assert names.is_provisional(names.provisional(1))
    assert not names.is_provisional("users_pkey")
    assert names.provisional(1) != names.provisional(2)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.text("ab_", max_size=10))
def test_a_shortened_name_fits_and_keeps_its_tail(name: str, tail: str) -> None:
    short = names.shorten(name, tail)
    assert names.bytes_of(short) <= names.NAME_BYTES_MAX
    assert short.endswith(tail)
    assert name.startswith(short.removesuffix(tail) if tail else short)


def test_an_identity_is_a_pair_of_space_and_path() -> None:
    assert names.type_("public", "plan") == Identity("type", ("public", "plan"))


def test_names_set_aside_say_whose_they_are_and_stay_apart() -> None:
    assert names.name_aside("by_age") == "by_age__chameleon"
    long = ["é" * 30 + end for end in "ab"]
    aside = [names.name_aside(name) for name in long]
    assert aside[0] != aside[1]
    assert all(names.bytes_of(name) <= names.NAME_BYTES_MAX and name.endswith("__chameleon") for name in aside)
