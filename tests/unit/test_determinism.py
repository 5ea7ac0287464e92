"""The same two schemas give the same plan, byte for byte, whatever the hash seed and the locale."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from chameleondb.diagnostics import Source
from chameleondb.diff import diff
from chameleondb.kinds import KIND_OF
from chameleondb.model.facts import Facts
from chameleondb.model.schema import Schema
from chameleondb.planner.plan import make_plan
from chameleondb.workflow.describe import describe
from chameleondb.workflow.source import Files

TABLES = "".join(
    f'''
    entity T{n} {{
        id: int primary, a: string unique, b: int index check (b > 0), T: kind_{n}?,
        other_id: int?, other: T{(n + 1) % 9} via other_id, index (lower(a)), unique (a, b),
    }}
    enum kind_{n} {{ x, y }}
    ''' for n in range(9)
)
MORE = TABLES.replace("b: int", "c: int, b: bigint").replace("{ x, y }", "{ x, z, y }").replace("T7", "Seven")

def schema(text):
    return Schema(Files((Source("s", text),)).declared.objects)

everything = lambda: frozenset(schema(TABLES).objects) | frozenset(schema(MORE).objects)
for a, b in (("", TABLES), (TABLES, MORE), (MORE, TABLES), (TABLES, "")):
    source, target = schema(a), schema(b)
    difference = diff(source, target, KIND_OF, managed=everything)
    plan = make_plan(difference, target, KIND_OF, Facts())
    print(*plan.sql, *describe(plan), *plan.hazards, plan.hash, sep="\\n")
"""


def _run(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )
    return done.stdout


@pytest.fixture(scope="module")
def first() -> str:
    return _run(PYTHONHASHSEED="0")


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "4711"}, {"LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "2"}],
)
def test_a_plan_depends_on_nothing_but_the_schemas(first: str, environment: dict[str, str]) -> None:
    assert len(first.splitlines()) > 100
    assert _run(**environment) == first
