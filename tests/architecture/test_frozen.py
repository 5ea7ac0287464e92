"""Nobody changes a value: the type checker sees to it (ADR 15)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_SOURCE = """\
from dataclasses import replace
from chameleondb.kinds.column.model import NotNull
value = NotNull(name="a")
replace(value, name="b")
value.name = "b"
replace(value, surname="b")
"""


def test_values_are_frozen_for_the_type_checker(tmp_path: Path) -> None:
    file = tmp_path / "changes_values.py"
    file.write_text(_SOURCE, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.findall(r"changes_values\.py:(\d+): error", checked.stdout) == ["5", "6"], checked
