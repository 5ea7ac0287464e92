"""What the README shows is what happens.

Read from top to bottom, in one empty project and with the embedded server, as a newcomer would:
- a block below ``<!-- file: NAME -->`` is written to that file (``<!-- append: NAME -->`` adds to it);
- a ``console`` block is run: lines with ``$ `` are commands, then comes their output; ``…`` stands for any lines;
- a block below ``<!-- checked -->`` is a schema without mistakes;
- a block below ``<!-- not run -->`` is left alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]*) -->\n+)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
# Figures that differ from run to run.
_VOLATILE = [
    (re.compile(r"\b[0-9a-f]{8}(?=\.\.\.|…)"), "<hash>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?ms\b"), "<ms>"),
]


class Command(NamedTuple):
    """A command that the README shows, and the output it promises."""

    line: str
    output: list[str]


def _commands(body: str) -> list[Command]:
    commands: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        else:
            commands[-1].output.append(line)
    return commands


def _stable(line: str) -> str:
    for pattern, stand_in in _VOLATILE:
        line = pattern.sub(stand_in, line)
    return line.rstrip()


def _matches(expected: list[str], printed: list[str]) -> bool:
    parts = ["(.*\n)*" if line == "…" else re.escape(_stable(line)) + "\n" for line in expected]
    return re.fullmatch("".join(parts), "".join(f"{_stable(line)}\n" for line in printed)) is not None


def _run(line: str, given: str = "") -> list[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "DATABASE_URL": "embedded",
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        # What the text tells that is set.
        "CHAMELEON_AUTHOR": "mia",
        "CHAMELEON_MODE_PASSWORD": "a lizard in seven colours",
    }
    done = subprocess.run(
        line,
        shell=True,
        env=environment,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout.strip("\n").splitlines()


def _write(note: str, body: str) -> None:
    kind, _, name = note.partition(": ")
    with Path(name).open("a" if kind == "append" else "w", encoding="utf-8") as file:
        file.write(body)


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_the_readme_is_true() -> None:
    try:
        _follow()
    finally:
        _run("chameleon db stop")


def _follow() -> None:
    for block in _BLOCK.finditer(README.read_text(encoding="utf-8")):
        note = block["note"] or ""
        if note.startswith(("file: ", "append: ")):
            _write(note, block["body"])
        elif note == "checked":
            assert _run("chameleon check -", block["body"]) == ["✅ Schema is valid"]
        elif block["language"] == "console" and note != "not run":
            for command in _commands(block["body"]):
                printed = _run(command.line)
                expected = [line for line in command.output if line.strip()]
                assert _matches(expected, [line for line in printed if line.strip()]), "\n".join(
                    (f"$ {command.line}", *printed)
                )
