"""Typing a password: stars, corrections, and keys that are no characters."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

import pytest

from chameleondb.cli.masked import Typed, ask


def _typed(keys: str) -> tuple[str, str]:
    typed = Typed()
    shown = "".join(typed.key(character) for character in keys)
    return typed.text, shown


@pytest.mark.parametrize(
    ("keys", "text", "shown"),
    [
        ("abc", "abc", "***"),
        ("größe 日本", "größe 日本", "*" * 8),
        ("ab\x7fc", "ac", "**\b \b*"),
        ("ab\bc", "ac", "**\b \b*"),
        ("\x7fa", "a", "*"),
        ("abc\x15d", "d", "***" + "\b \b" * 3 + "*"),
        ("a\tb\x01\x1a\x9bc", "abc", "***"),  # tab, Ctrl-A, Ctrl-Z, a C1 control
        ("a\x1b[Ab\x1b[1;5Cc\x1bOPd", "abcd", "****"),  # keys: up, Ctrl-right, F1
        ("\x1b[200~pasted\x1b[201~", "pasted", "*" * 6),
        ("a\x1bxb", "ab", "**"),  # Alt-x
        ("a\x04b", "ab", "**"),
    ],
)
def test_keys(keys: str, text: str, shown: str) -> None:
    assert _typed(keys) == (text, shown)


def test_enter_ends_it_and_ctrl_d_gives_up() -> None:
    for keys, given_up in (("a\r", False), ("a\n", False), ("\x04", True)):
        typed = Typed()
        for character in keys:
            typed.key(character)
        assert (typed.is_done, typed.is_at_end) == (True, given_up)


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """The keyboard's end and the program's end of a terminal."""
    keyboard, program = pty.openpty()
    with open(program, encoding="utf-8") as stream:
        yield keyboard, stream
    os.close(keyboard)


class _Shown(StringIO):
    """Types an answer as soon as the prompt is there."""

    def __init__(self, keyboard: int, answer: bytes) -> None:
        super().__init__()
        self.keyboard, self.answer = keyboard, answer

    def flush(self) -> None:
        answer, self.answer = self.answer, b""
        os.write(self.keyboard, answer)


def test_the_terminal_shows_stars_and_is_put_back(terminal: tuple[int, TextIO]) -> None:
    keyboard, stream = terminal
    before = termios.tcgetattr(stream)
    shown = _Shown(keyboard, "größe\n".encode())
    assert ask("Password: ", stream, shown) == "größe"
    assert shown.getvalue() == "Password: *****\n"
    assert termios.tcgetattr(stream) == before
    os.set_blocking(keyboard, False)
    with pytest.raises(BlockingIOError):  # the system has echoed nothing
        os.read(keyboard, 100)


def test_the_terminal_is_put_back_after_an_error(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    before = termios.tcgetattr(stream)

    class Broken(StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        ask("Password: ", stream, Broken())
    assert termios.tcgetattr(stream) == before


def test_a_closed_terminal_gives_nothing(terminal: tuple[int, TextIO]) -> None:
    keyboard, stream = terminal
    assert ask("Password: ", stream, _Shown(keyboard, b"\x04")) == ""


def test_what_is_no_terminal_is_not_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    shown = StringIO()
    with open(reader, encoding="utf-8") as stream:
        assert ask("Password: ", stream, shown) is None
        assert stream.readline() == "secret\n"
    os.close(writer)
    assert shown.getvalue() == ""


def test_an_echo_that_stays_on_is_not_typed_into(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    _, stream = terminal
    monkeypatch.setattr(termios, "tcsetattr", lambda *_: None)
    shown = StringIO()
    assert ask("Password: ", stream, shown) is None
    assert shown.getvalue() == ""


def test_a_broken_character_does_not_stop_it(terminal: tuple[int, TextIO]) -> None:
    keyboard, stream = terminal
    assert ask("", stream, _Shown(keyboard, b"a\xff\xc3b\n")) == "a\udcff\udcc3b"  # refused later as no text
