"""PostgreSQL reads our quoting as we mean it."""

from __future__ import annotations

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chameleondb import names

# What PostgreSQL can hold at all: no NUL, no half of a surrogate pair.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=15)


def test_every_keyword_that_needs_quotes_gets_them(database: str) -> None:
    with psycopg.connect(database) as connection:
        words = connection.execute("SELECT word FROM pg_get_keywords() WHERE quote_ident(word) <> word").fetchall()
    assert [word for (word,) in words if names.quote(word) == word] == []


def test_texts_and_names_come_back_as_they_were(database: str) -> None:
    with psycopg.connect(database) as connection:

        @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(text=_TEXTS, name=_TEXTS.filter(bool))
        def check(text: str, name: str) -> None:
            cursor = connection.execute(f"SELECT {names.literal(text)} AS {names.quote(name)}".encode())
            assert cursor.fetchone() == (text,)
            assert cursor.description is not None
            assert cursor.description[0].name == name

        check()
