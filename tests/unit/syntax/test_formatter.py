"""The one style."""

from __future__ import annotations

import pytest

from chameleondb.diagnostics import Source
from chameleondb.errors import SchemaError
from chameleondb.formatter import reformat

MESSY = """// head


/* block
 comment */
extension citext
extension hstore   // trailing
/// doc
///  second
enum Plan{free,pro was basic,"team plan"} enum Big { a, // first
 b }


entity   User in blog table "x"
  unlogged{   // after brace

    id:uuid primary default uuid( ),   // the id

    // own line


    /// doc of name
    name : string ?  default "x" /* why */ check( a>0
       and b<1 ) ,
    a:decimal( 12,2 ) default now ( ),
    t: [ string ] default [ "a",-1 ], u: text [ ] // no comma
    ,
    p: Post via ( a,b ) on delete set null(a), n: numeric @ cache,
    unique(a,b) name "q", index( a desc ,  lower("a""b") )
    // before brace
}
entity E {}
sql \"\"\"
  SELECT 1;
\"\"\"
// the end"""

NEAT = """// head

/* block
 comment */
extension citext
extension hstore  // trailing

/// doc
///  second
enum Plan { free, pro was basic, "team plan" }

enum Big {
    a,  // first
    b,
}

entity User in blog table "x" unlogged {  // after brace
    id: uuid primary default uuid(),  // the id

    // own line

    /// doc of name
    name: string? default "x" /* why */ check (a>0
       and b<1),
    a: decimal(12, 2) default now(),
    t: [string] default ["a", -1],
    u: text[],  // no comma
    p: Post via (a, b) on delete set null (a),
    n: numeric @cache,
    unique (a, b) name "q",
    index (a desc ,  lower("a""b")),
    // before brace
}

entity E {}

sql \"\"\"
  SELECT 1;
\"\"\"
// the end
"""


def _formatted(text: str) -> str:
    return reformat(Source("x.cham", text))


def test_style() -> None:
    assert _formatted(MESSY) == NEAT
    assert _formatted(NEAT) == NEAT


def test_line_endings_are_kept() -> None:
    assert _formatted(MESSY.replace("\n", "\r\n")) == NEAT.replace("\n", "\r\n")
    text = "entity A {\r\n    a: int /* one\r\n two */ primary,  /* three\r\n four */\r\n}\r\n"
    assert _formatted(text) == text


@pytest.mark.parametrize("text", ["", "\n\n", "// only a comment\n", "\ufeff"])
def test_files_without_declarations(text: str) -> None:
    assert _formatted(text) == text.strip("\n\ufeff") + ("\n" if "//" in text else "")


@pytest.mark.parametrize(
    "member",
    [
        "a: int // one\n default 1 /* two */ primary",
        "check (a // not SQL\n > 1)",
        "check (a > 1 // last\n)",
        "check (a > 1 -- SQL's\n)",
        "a /* x */ : /* y */ int",
        "a: int, /* one */ // two\n /* three */ b: int",
        "/// one\n // two\n /// three\n\n /* four */\n a: int",
        "// a {",
        "a: int // b {",
        "default: int, a: int4range check (a <> int4range(1, 2, '[)') and b[1), b: int // what PostgreSQL is to judge",
    ],
)
def test_comments_survive_anywhere(member: str) -> None:
    once = _formatted(f"entity A {{ {member}\n}}")
    assert _formatted(once) == once
    assert once.count("//") == member.count("//")
    assert once.count("/*") == member.count("/*")
    assert once.count("--") == member.count("--")


def test_comments_between_a_description_and_its_entity_stay_there() -> None:
    text = "/// one\n// two\n/// three\n/* four */\nentity A {}\n"
    assert _formatted(text) == text


def test_long_enums_have_a_value_per_line() -> None:
    values = [f"value_{n}" for n in range(20)]
    assert (
        _formatted(f"enum E {{ {', '.join(values)} }}") == "enum E {\n" + "".join(f"    {v},\n" for v in values) + "}\n"
    )


def test_a_broken_file_is_left_alone() -> None:
    with pytest.raises(SchemaError):
        _formatted("entity A {")
