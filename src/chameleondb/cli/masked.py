"""A prompt for a password: one star per character on the terminal, never the character itself.

Unlike `getpass`, there is no way in which it shows what is typed: a terminal whose echo cannot be switched off is not
read at all. Ctrl-C interrupts; Ctrl-Z and Ctrl-\\ are ignored meanwhile, since they would leave with the echo off.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Iterator
from typing import TextIO

ERASE = "\b \b"


class Typed:
    """What was typed so far. Pure: keys in, what the terminal shows out."""

    def __init__(self) -> None:
        self._characters: list[str] = []
        self._escape = ""  # an escape sequence of a key such as an arrow, so far
        self.is_done = False
        self.is_at_end = False  # Ctrl-D on an empty line

    @property
    def text(self) -> str:
        """The password."""
        return "".join(self._characters)

    def key(self, character: str) -> str:
        """Take one character; returns what to write."""
        if self._escape or character == "\x1b":
            self._escape = _continued(self._escape, character)
        elif character in "\r\n":
            self.is_done = True
        elif character == "\x04":
            self.is_done = self.is_at_end = not self._characters
        elif character in "\x7f\b":
            return ERASE if self._characters and self._characters.pop() else ""
        elif character == "\x15":  # Ctrl-U
            count = len(self._characters)
            self._characters.clear()
            return ERASE * count
        elif character >= " " and not "\x80" <= character <= "\x9f":
            self._characters.append(character)
            return "*"
        return ""


def _continued(sequence: str, character: str) -> str:
    """Return an escape sequence with one more character; empty if that ends it."""
    if character == "\x1b" or not sequence:
        return character
    if sequence == "\x1b":
        return sequence + character if character in "[O" else ""
    return "" if "@" <= character <= "~" else sequence + character


def ask(prompt: str, terminal: TextIO, shown: TextIO) -> str | None:
    """Ask at `terminal`, write to `shown`; None if the echo cannot be switched off. Ctrl-D on an empty line ends it.

    Raises: KeyboardInterrupt. The terminal is put back as it was, whatever happens.
    """
    handle = terminal.fileno()
    with _without_echo(handle) as is_safe:
        if not is_safe:
            return None
        shown.write(prompt)
        shown.flush()
        typed = Typed()
        try:
            _read(handle, typed, terminal.encoding, shown)
        finally:
            shown.write("\n")
            shown.flush()
        return typed.text


def _read(handle: int, typed: Typed, encoding: str, shown: TextIO) -> None:
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    while not typed.is_done:
        # One byte at a time: what follows the end of the line is not ours.
        data = os.read(handle, 1)
        if not data:
            typed.is_done = typed.is_at_end = True
        for character in decoder.decode(data):
            shown.write(typed.key(character))
            shown.flush()


@contextlib.contextmanager
def _without_echo(handle: int) -> Iterator[bool]:
    """Switch the echo of a terminal off for the time of the block; gives False where that is not possible."""
    try:
        import termios
    except ImportError:
        yield False
        return
    try:
        before = termios.tcgetattr(handle)
    except termios.error:
        yield False
        return
    quiet = [*before[:6], [*before[6]]]
    quiet[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN)
    disabled = bytes([os.fpathconf(handle, "PC_VDISABLE")])
    for name, value in (
        (termios.VSUSP, disabled),
        (termios.VQUIT, disabled),
        (termios.VMIN, 1),
        (termios.VTIME, 0),
    ):
        quiet[6][name] = value
    try:
        termios.tcsetattr(handle, termios.TCSAFLUSH, quiet)
        now = termios.tcgetattr(handle)
        yield not now[3] & termios.ECHO
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
