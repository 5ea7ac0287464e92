"""What reaches a terminal: no control characters, colour by the rules, glyphs that it has."""

from __future__ import annotations

import io

import pytest

from chameleondb.terminal import (
    ASCII_TWINS,
    Glyphs,
    Style,
    Switch,
    escape,
    fit,
    has_glyphs,
    is_terminal,
    paint,
    wants_colour,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    "character", ["\x1b", "\r", "\x07", "\x9b", "\x7f", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff"]
)
def test_hidden_characters_are_shown(character: str) -> None:
    assert escape(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_plain_text_stays() -> None:
    assert escape("é ✓ 日本\n\tx") == "é ✓ 日本\n\tx"


@pytest.mark.parametrize(
    ("switch", "environment", "terminal", "wanted"),
    [
        (Switch.AUTO, {}, True, True),
        (Switch.AUTO, {}, False, False),
        (Switch.ALWAYS, {"NO_COLOR": "1"}, False, True),
        (Switch.NEVER, {"FORCE_COLOR": "1"}, True, False),
        (Switch.AUTO, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (Switch.AUTO, {"NO_COLOR": ""}, True, True),
        (Switch.AUTO, {"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        (Switch.AUTO, {"FORCE_COLOR": "0"}, False, False),
        (Switch.AUTO, {"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, False, True),
        (Switch.AUTO, {"CLICOLOR": "0"}, True, False),
        (Switch.AUTO, {"TERM": "dumb"}, True, False),
    ],
)
def test_colour(switch: Switch, environment: dict[str, str], terminal: bool, wanted: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    assert wants_colour(switch, stream, environment) is wanted


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not is_terminal(stream)


def test_glyphs_follow_the_stream() -> None:
    assert has_glyphs(Glyphs.AUTO, _stream("utf-8"))
    assert not has_glyphs(Glyphs.AUTO, _stream("cp1252"))
    assert has_glyphs(Glyphs.UNICODE, _stream("cp1252"))
    assert not has_glyphs(Glyphs.ASCII, _stream("utf-8"))


def test_every_glyph_has_an_ascii_twin() -> None:
    assert all(twin.isascii() for twin in ASCII_TWINS.values())


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("unicode", [True, False])
def test_writing_never_fails(encoding: str, unicode: bool) -> None:
    stream = _stream(encoding)
    stream.write(fit("".join(ASCII_TWINS) + "日本\ud800", stream, unicode=unicode))
    stream.flush()


def test_twins() -> None:
    assert fit("✓ a → b ⚠️", _stream("cp1252"), unicode=False) == "ok a -> b !"


def test_colour_ends_with_the_line() -> None:
    assert paint("a\n\nb", Style.GOOD) == "\x1b[32ma\x1b[0m\n\n\x1b[32mb\x1b[0m"
