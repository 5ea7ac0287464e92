"""SQL is split into statements and never understood."""

from __future__ import annotations

import pytest

from chameleondb.diagnostics import Diagnostics, Source
from chameleondb.syntax.sql import statements


def _split(text: str) -> tuple[list[str], list[str]]:
    diagnostics = Diagnostics()
    found = [sql for sql, _ in statements(Source("x.sql", text), diagnostics)]
    return found, [d.code for d in diagnostics.sorted]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ';'",
        "SELECT 'it''s;'",
        r"SELECT E'a\';b'",
        'SELECT "a;""b"',
        "SELECT $$ ; $$",
        "SELECT $a$ ; $$ ; $b$ $a$",
        "SELECT 1 -- ; not yet\n + 1",
        "SELECT /* ; /* ; */ ; */ 1",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1;'",
    ],
)
def test_what_does_not_end_a_statement(statement: str) -> None:
    assert _split(f"{statement};\nSELECT 2;;") == ([statement, "SELECT 2"], [])


def test_nothing_is_cut_off_at_a_nul() -> None:
    assert _split("CREATE VIEW v AS SELECT 1 AS x\0 WHERE false") == ([], ["CHM0112"])


def test_comments_before_a_statement_are_not_part_of_it() -> None:
    assert _split("-- a\n/* b */ SELECT 1 -- c") == (["SELECT 1"], [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\\i other.sql\nSELECT 1;", "CHM0114"),
        ("COPY t (a, b) FROM stdin;", "CHM0115"),
        ("BEGIN;", "CHM0116"),
        ("COMMIT;", "CHM0116"),
        ("SELECT (1;", "CHM0117"),
        ("SELECT 'x", "CHM0103"),
        ("SELECT $a$ x $b$", "CHM0103"),
        ("SELECT 1 /* x", "CHM0104"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    assert code in _split(text)[1]


def test_places() -> None:
    source = Source("x.sql", "\ufeffSELECT 1;\n  SELECT 2 ;")
    spans = [source.text[span.start : span.end] for _, span in statements(source, Diagnostics())]
    assert spans == ["SELECT 1", "SELECT 2"]
