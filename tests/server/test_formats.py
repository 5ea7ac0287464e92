"""What docs/formats.md says of the hashes in a version: computed from its file alone, by none of our own code."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.scene import Project
from tests.cluster import Databases
from tests.command import url_of

pytestmark = pytest.mark.server

SCHEMA = """
/// Everybody who can sign in, "Grüße" too.
entity User { id: bigint primary identity, plan: Plan default free, name: string?, index (name) }
enum Plan { free, "team plan" }
sql \"\"\" CREATE VIEW everybody AS SELECT id FROM users \"\"\"
"""
LATER = SCHEMA.replace('"team plan"', 'pro, "team plan"').replace("default free", "default pro")


@pytest.fixture
def version(tmp_path: Path, databases: Databases) -> dict[str, Any]:
    """A version with statements inside and outside of transactions."""
    project = Project(tmp_path, url_of(databases.new()))
    project.write(SCHEMA)
    project.do("migrate", "--apply")
    project.unlock()
    project.write(LATER)
    project.do("migrate", "--apply")
    found: dict[str, Any] = json.loads((project.vault / "versions" / "v002.json").read_bytes())
    return found


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_the_hash_of_a_plan(version: dict[str, Any]) -> None:
    digest = sha256(b"chameleon.plan/1\n")
    groups = [list(steps) for _, steps in groupby(version["plan"], key=lambda step: step["group"])]
    for steps in groups:
        digest.update(steps[0]["kind"].encode() + b"\n")
        for step in steps:
            sql = step["sql"].encode()
            digest.update(len(sql).to_bytes(8, "big") + sql)
    assert len(groups) > 1
    assert digest.hexdigest() == version["plan_hash"]


def test_the_hash_of_a_schema(version: dict[str, Any]) -> None:
    objects = sha256(b"chameleon.schema/1\n")
    for kind, fields in version["schema"]:
        fields.pop("position", None)
        objects.update(_canonical([kind, fields]) + b"\n")
    blocks = sha256(_canonical(sorted(version["blocks"])))
    assert version["blocks"]
    whole = f"chameleon.elaborated/1\n{objects.hexdigest()}\n{blocks.hexdigest()}"
    assert sha256(whole.encode()).hexdigest() == version["schema_hash"]
