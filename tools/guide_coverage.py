"""Write docs/guide-coverage.md: what the guide asks for, line by line, and the test that proves it.

Read from `tests/guide`: a test is called `test_s07_…` after its requirement, the first line of its docstring says what
that is, and the docstring of a module is the section of the guide.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guide-coverage.md"
TESTS = ROOT / "tests" / "guide"
REQUIREMENTS = range(1, 75)

HEAD = """\
# The guide, line by line

The [migration workflow guide](https://docs.chameleondb.dev) says what `chameleon` does and what it prints. Each thing
that it says has a number here and one test, which runs the command as a user does, on a real server. This page is made
from those tests by `make docs`.
"""
DECISIONS = """
## Where the guide leaves a question

| | what we decided |
|---|---|
"""


class Requirement(NamedTuple):
    """A line of the guide and its test; `number` is None if the test's name has none, `decision` is often empty."""

    number: int | None
    text: str
    decision: str
    test: str
    section: str
    module: str


def requirements() -> list[Requirement]:
    """Return every test of the guide, in the order of files and lines."""
    found = []
    for path in sorted(TESTS.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        section, _ = _words(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                number = re.match(r"test_s(\d\d)_", node.name)
                text, decision = _words(node)
                found.append(
                    Requirement(
                        number=int(number[1]) if number else None,
                        text=text,
                        decision=decision,
                        test=node.name,
                        section=section,
                        module=path.name,
                    )
                )
    return found


def page() -> str:
    """Return the text of the page."""
    lines = [HEAD]
    section = ""
    for one in requirements():
        if one.section != section:
            section = one.section
            lines.append(f"\n## {section}\n\n| | the guide asks for | proven by |\n|---|---|---|\n")
        lines.append(f"| S{one.number} | {one.text} | [`{one.test}`](../tests/guide/{one.module}) |\n")
    decided = [f"| S{one.number} | {one.decision} |\n" for one in requirements() if one.decision]
    return "".join([*lines, DECISIONS, *decided])


def _words(node: ast.Module | ast.FunctionDef) -> tuple[str, str]:
    """Return the first line of a docstring, and what follows as one line."""
    first, _, rest = (ast.get_docstring(node) or "").replace("|", "\\|").partition("\n")
    return first.removesuffix("."), " ".join(rest.split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
