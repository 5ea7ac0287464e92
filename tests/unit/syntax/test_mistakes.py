"""Mistakes: which one is found, where, and what help it gets."""

from __future__ import annotations

import pytest

from chameleondb.diagnostics import SHOWN_MAX, SUGGESTIONS_MAX, Source, position, render, to_json

from .schema_text import codes, loaded, marked, mistakes


@pytest.mark.parametrize(
    ("text", "code", "place", "help"),
    [
        ("entiy User { id: int primary }", "CHM0107", "entiy", "`entity`"),
        ("entity User { id: strnig primary }", "CHM0301", "strnig", "`string`"),
        ("entity User { id: strnig, n: int, primary (id, n) }", "CHM0301", "strnig", "`string`"),
        ("entity User { id: int primry }", "CHM0108", "primry", "`primary`"),
        ("entity User { id int }", "CHM0101", "int", "id: int"),
        ("entity User { id: int primary x: int }", "CHM0105", "", "`,`"),
        ("entity User { id: int primary\n x: int }", "CHM0105", "", "`,`"),
        ("entity User { id: int primary\n name: string }", "CHM0105", "", "`,`"),
        ("entity User { id: int primary identity\n sequence: int }", "CHM0105", "", "`,`"),
        ("entity User { a: int primary\n unique (a) }", "CHM0105", "", "`,`"),
        ('entity User { id: int primary, t: string default "x }', "CHM0103", '"x }', 'close it with `"`'),
        ('entity User { id: int primary, t: string default "\\x" }', "CHM0109", '"\\x"', "known are"),
        ("entity User { id: int primary, t: string default 'x' }", "CHM0102", "'x'", "double quotes"),
        ("entity User { id: int primary, check (a }", "CHM0113", "(", "add `)`"),
        ("entity User { id: int primary /* }", "CHM0104", "/* }", "`*/`"),
        ("entity User { id: int primary, /// nothing\n }", "CHM0110", "/// nothing", "before"),
        ("entity User { id: int primary check (id > 0 /// x\n) }", "CHM0110", "/// x", "other comments"),
        ("entity User { id: int primary", "CHM0106", "{", "add `}`"),
        ("entity User { id: int primary, id: int }", "CHM0202", "id", ""),
        ("entity User { id: int primary, x: int(3) }", "CHM0302", "int(3)", ""),
        ("entity User { id: int primary, x: int @vector }", "CHM0303", "vector", "vector(n)"),
        ("entity User { id: int primary @cache }", "CHM0304", "cache", "take"),
        ("entity User { id: int primary, p: P default oen } enum P { one }", "CHM0305", "oen", "`one`"),
        ("entity User { id: int primary, j: jsonb default [] }", "CHM0305", "default []", "a JSON array is a text"),
        ("entity User { id: int primary, p: P default [a] } enum P { a }", "CHM0305", "default [a]", "`[P]`"),
        ("entity User { id: int primary, x: vector(0) }", "CHM0306", "vector(0)", ""),
        ("entity User { id: int primary, b: int primary }", "CHM0407", "b", "primary (id, b)"),
        ("entity User { id: int primary, name: int, index (nam desc) }", "CHM0214", "nam desc", "`name`"),
        ("entity User { id: int primary, name: int, unique (id, nam) }", "CHM0214", "nam", "`name`"),
        ("entity User { id: int primary, x: int via id }", "CHM0119", "via id", ""),
        ("entity User { id: int primary, n: serial? }", "CHM0310", "n", "take one off"),
        ("/// mine\nnamespace public", "CHM0110", "public", "COMMENT ON SCHEMA public"),
        ("namespace chameleon", "CHM0211", "chameleon", "another name"),
        ("entity User in chameleon { id: int primary }", "CHM0211", "User", "another name"),
        ("enum P { a, b, a }", "CHM0204", "a", ""),
        (f"entity User {{ {'x' * 64}: int primary }}", "CHM0205", "x" * 64, "63"),
        ('entity User { "": int primary }', "CHM0209", '""', ""),
        ("enum P { a was x, b was x }", "CHM0210", "b", "take the name out"),
        ("entity A { id: int primary was x, n: int was (y, x) }", "CHM0210", "was (y, x)", "only one"),
        (
            "entity Usr was User { id: int primary }\nentity Us was User { id: int primary }",
            "CHM0210",
            "Us",
            "only one",
        ),
        ('entity Usr was user { id: int primary }\nentity Us was "users" { id: int primary }', "CHM0210", "Us", "only"),
        (
            "entity A was T { id: int primary }\nentity B in b was public.T { id: int primary }",
            "CHM0210",
            "B",
            "only one",
        ),
        ("enum A was T { a }\nenum B was T { a }", "CHM0210", "B", "only one"),
        ("sequence a was t\nsequence b was t", "CHM0210", "b", "only one"),
        ("entity User with ({) { id: int primary }", "CHM0120", "{", "name = value"),
        ("entity User { id: int primary, index (id) with (fillfactor 70) }", "CHM0120", "fillfactor 70", "= value"),
        ("entity User { id: int primary }\0", "CHM0112", "\0", "UTF-8"),
        ("entity User { id: int primary }\ud800", "CHM0112", "\ud800", "UTF-8"),
        ('sql """ COPY t FROM STDIN; """', "CHM0115", "COPY t FROM STDIN", "data"),
        ('sql """ \\connect x\n """', "CHM0114", "\\connect x", "SQL"),
        ('sql """ SELECT 1', "CHM0103", 'sql """', '"""'),
    ],
)
def test_code_place_and_help(text: str, code: str, place: str, help: str) -> None:
    (found,) = mistakes(text)
    assert (found.code, marked(found)) == (code, place)
    assert help in (found.help or "")


@pytest.mark.parametrize(
    "text",
    [
        "entity A was T { id: int primary }\nentity B in b was T { id: int primary }",
        "entity A { id: int primary was x }\nentity B { id: int primary was x }",
        "entity A { id: int primary, a: int was b, b: int was a }",
        "entity A was (T, public.T) { id: int primary was (x, x) }",
        'entity A was "x" { id: int primary }\nsequence b was x',
        "enum A { a was x }\nenum B { b was x }",
    ],
)
def test_former_names_of_what_cannot_be_the_same_may_be_alike(text: str) -> None:
    loaded(text)


def test_both_places_of_a_former_name_are_shown() -> None:
    (found,) = mistakes("entity A { id: int primary, a: int? was x, b: int? was x }")
    assert found.message == "`a` and `b` both say that they were `as.x`"
    (other,) = found.others
    assert (other.span.start, other.text) == (36, "said here first")


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("table users { id int }", "entity User"),
        ("model User {\n  id Int @id\n}", "entity User"),
        ("CREATE TABLE users (id int primary key);", 'sql """'),
        ("import x", "read together"),
        ("# comment\nentity User { id: int primary }", "`//`"),
        ("entity User { id: int primary key }", "a primary key is `primary`"),
        ("entity User { id: int PRIMARY }", "lower case: `primary`"),
        ("entity User { id: int primary, name: string NOT NULL }", "lower case: `not`"),
        ("entity User { id: int primary, name: string optional }", "`?`"),
        ("entity User { id: int primary, name: string required }", "required"),
        ("entity User { id: int primary auto_increment }", "`identity`"),
        ("entity User { id: int primary, team: int references teams(id) }", "via team_id"),
        ("entity User { id: int primary; }", "comma"),
        ('entity User { id: int primary, name: string = "x" }', "`default`"),
        ("entity User { id: int primary, primary key (id) }", "primary (id)"),
        ("entity User { id: int primary, foreign key (a) references b }", "via team_id"),
        ("entity User { id: int primary, constraint x check (id > 0) }", 'name "x"'),
        ("entity User { id: int primary, @@index([id]) }", "index (a, b)"),
        ("entity User { id: int primary, at: DateTime }", "`timestamptz`"),
        ('entity User { id: int primary, at: enum("a") }', "enum Plan"),
        ('entity User { id: int primary, name: "string" }', "take the quotes off"),
        ("entity User { id: int primary, d: date default CURRENT_DATE }", "`current_date`"),
        ("entity User { id: int primary, index name }", "index (name)"),
        ("entity User { id: int primary, unique email }", "unique (email)"),
        ("entity User { id: int primary, check id > 0 }", "check (id > 0)"),
        ("entity User { id: int64 primary }", "`bigint`"),
        ("entity User { id: int primary, a: Elsewhere via id }", 'table "…" (id)'),
        ("enum A { /// x\n a }", "stands before it"),
    ],
)
def test_what_other_languages_have_is_told_in_ours(text: str, help: str) -> None:
    assert help in (mistakes(text)[0].help or "")


def test_every_declaration_with_a_mistake_is_reported_once() -> None:
    text = """entity A { id: int primary, x: strnig, y: int uniqe, z: [Nope] via q }
entity B { id: int primary
entity C { id: int primary, x: A2 }
entty D {}
entity E { id: int primary, b: C, w: int check (x }"""
    assert codes(text) == ["CHM0301", "CHM0108", "CHM0401", "CHM0106", "CHM0301", "CHM0107", "CHM0402", "CHM0113"]


def test_a_broken_field_does_not_break_what_uses_it() -> None:
    assert codes("entity A { id: int primary, x: int default 'a', unique (x), index (x) }") == ["CHM0102"]


def test_duplicates_across_files_name_both_places() -> None:
    (found,) = mistakes("entity User { id: int primary }", 'entity User table "x" { id: int primary }')
    assert (found.code, found.span.source.name, found.others[0].span.source.name) == ("CHM0201", "2.cham", "1.cham")
    (found,) = mistakes("entity User { id: int primary }", 'entity Person table "users" { id: int primary }')
    assert (found.code, found.others[0].span.source.name) == ("CHM0203", "1.cham")


def test_a_name_may_be_taken_once_per_kind_of_relation() -> None:
    assert codes('entity User { id: int primary, a: int, index (a) name "users" }') == ["CHM0203"]


def test_warnings_do_not_stop() -> None:
    schema = loaded("entity users { name: string }")
    assert [w.code for w in schema.warnings] == ["CHM0206", "CHM0408"]


def test_repetitions_are_accepted_and_said() -> None:
    schema = loaded('entity User { id: int primary, x: string default "a" default "b" }')
    assert [w.code for w in schema.warnings] == ["CHM0118"]


@pytest.mark.parametrize("clause", ["primary", "unique", "index", "identity"])
def test_what_is_repeated_is_made_once(clause: str) -> None:
    once, twice = (loaded(f"entity User {{ x: int {text} }}") for text in (clause, f"{clause} {clause}"))
    assert twice.declared.objects == once.declared.objects


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_positions_count_characters(start: str, ending: str) -> None:
    (found,) = mistakes(f"{start}// ñandú 🦎{ending}entity User {{ /* 🦎 */ id: strnig primary }}")
    assert position(found.span.source, found.span.start) == (2, 27)


def test_positions_on_the_first_line_leave_the_mark_out() -> None:
    (found,) = mistakes("\ufeffentiy")
    assert position(found.span.source, found.span.start) == (1, 1)
    assert "1:1" in render([found])


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n", "\r\n\nb\r\n c"])
def test_every_position_is_what_counting_lines_gives(text: str) -> None:
    for offset in range(len(text) + 1):
        before = text[:offset].split("\n")
        assert position(Source("a.cham", text), offset) == (len(before), len(before[-1]) + 1)


def test_what_was_meant_is_looked_for_a_limited_number_of_times() -> None:
    fields = ", ".join(f"f{n}: strnig" for n in range(SUGGESTIONS_MAX + 1))
    *first, last = mistakes(f"entity User {{ {fields} }}")
    assert all(m.help and "`string`" in m.help for m in first)
    assert "extension" in (last.help or "")


def test_the_text_form() -> None:
    (found,) = mistakes(
        "entity User {\n    id: int primary,\n    posts: [Post] via autor_id,\n}",
        "entity Post {\n    id: int primary,\n    author_id: int,\n}",
    )
    assert render([found]) == (
        "error[CHM0214]: entity `Post` has no field `autor_id`\n"
        " --> 1.cham:3:23\n"
        "  |\n"
        "3 |     posts: [Post] via autor_id,\n"
        "  |                       ^^^^^^^^ not a field of `Post`\n"
        " ::: 2.cham:1:8\n"
        "  |\n"
        "1 | entity Post {\n"
        "  |        ---- `Post` is declared here\n"
        "  |\n"
        "help: did you mean `author_id`?\n"
    )


def test_marks_stand_below_what_they_mark_also_behind_wide_characters() -> None:
    (found,) = mistakes('entity User { id: int primary, "名前e\u0301": strnig }')
    text, marks = render([found]).splitlines()[3:5]
    assert marks.index("^") == text.index("strnig") + 2 - 1  # two characters take two cells, one takes none


def test_hidden_characters_are_shown() -> None:
    (found,) = mistakes('entity User { id: int primary, "a\u202eb\x1b": strnig }')
    text = render([found])
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert r"\u{202e}" in text


def test_the_json_form() -> None:
    (found,) = mistakes("entity User { id: strnig primary }")
    assert to_json([found]) == {
        "format_version": "1.0",
        "valid": False,
        "errors": [
            {
                "code": "CHM0301",
                "severity": "error",
                "message": "unknown type `strnig`",
                "file": "1.cham",
                "line": 1,
                "column": 19,
                "end_line": 1,
                "end_column": 25,
                "labels": [
                    {
                        "file": "1.cham",
                        "line": 1,
                        "column": 19,
                        "end_line": 1,
                        "end_column": 25,
                        "text": "neither a type nor an entity",
                    }
                ],
                "help": "did you mean `string`?",
            }
        ],
    }


def test_twenty_are_shown() -> None:
    found = mistakes("entity User { " + "".join(f"f{n}: strnig, " for n in range(30)) + "}")
    assert len(found) == 30
    text = render(found)
    assert text.count("error[") == SHOWN_MAX
    assert text.endswith("… and 10 more\n")


@pytest.mark.parametrize(
    "text", ["(", "[", "{", "default [", "x: [", "check (", "/*", '"', "'", '"""', "$$", "\\", "///\n"]
)
def test_deep_and_long_nonsense_ends(text: str) -> None:
    for prefix in ("", "entity User { id: int ", "entity User { id: int primary, "):
        assert mistakes(prefix + text * 100_000)


def test_deep_arrays_and_parentheses_are_fine() -> None:
    deep = 100_000
    schema = loaded(
        f"entity User {{ id: int primary, a: {'[' * deep}int{']' * deep}, check ({'(' * deep}1{')' * deep}) }}"
    )
    assert schema.fields == 2


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chameleondb.syntax.tokens.SOURCE_BYTES_MAX", 10)
    assert codes("entity User {}") == ["CHM0111"]


def test_sources_are_compared_by_content() -> None:
    assert Source("a", "x") == Source("a", "x")


def test_of_a_long_line_only_the_part_around_the_mistake_is_shown() -> None:
    text = render(mistakes(f"entity A {{ id: int primary, /* {'x' * 5000} */ b: itn, /* {'y' * 5000} */ }}"))
    assert "did you mean `int`?" in text
    assert max(map(len, text.splitlines())) < 200
    shown, marked_below = text.splitlines()[3:5]
    assert shown[marked_below.index("^") :].startswith("itn")
