"""Tokens are the same however a source is read: at once or portion by portion."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chameleondb.diagnostics import Source
from chameleondb.syntax.tokens import Tokens, tokenize

PIECES = (
    *(
        "entity",
        "User",
        "{",
        "}",
        "id",
        ":",
        ",",
        " ",
        "\n    ",
        "\t",
        "e",
        "E",
        "é",
        "12.5e",
        "+7",
        "\n",
        "?",
        "(",
        ")",
    ),
    *(
        '"',
        '"a b"',
        '\\"',
        "'",
        "''",
        "'it''s'",
        "e'",
        "\\",
        "/",
        "//",
        "/*",
        "*/",
        "///",
        "--",
        "sql",
        '"""',
        "\ufeff",
    ),
    *("$", "$$", "$a$"),
)


def _tokens(text: str, portion: int) -> Tokens:
    with patch("chameleondb.syntax.tokens._PORTION", portion):
        return tokenize(Source("test.cham", text))


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), portion=st.integers(1, 40))
@example(pieces=["/*", "\n", "*/", "//", "\n", "id"], portion=1)
@example(pieces=["sql", " ", '"""', "'", '"""', "id"], portion=4)
def test_portions_make_no_difference(pieces: list[str], portion: int) -> None:
    text = "".join(pieces)
    whole, parts = _tokens(text, 1 << 20), _tokens(text, portion)
    assert parts == whole


@pytest.mark.parametrize("portion", [1, 10, 1 << 20])
def test_every_token_knows_where_it_starts(portion: int) -> None:
    text = "\ufeffentity User {\n    // a remark\n    id: int, /* and */ name: string }\n"
    tokens = _tokens(text, portion)
    assert [text[s : s + len(t)] for s, t in zip(tokens.starts, tokens.texts, strict=True)] == tokens.texts
