"""One case folder, read: two schemas, rows that must survive, and what is expected of the way between them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

CASES = Path(__file__).resolve().parent
_KEYS = {"min_version", "needs_extension", "needs_tablespace", "renamed", "recomputed", "forward", "backward"}


@dataclass(frozen=True, slots=True)
class Way:
    """One direction: consents it needs, or the code with which it is refused."""

    name: str
    golden: Path
    allow: tuple[str, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case; `renamed` maps ``table.column`` before to after, `recomputed` names columns whose values may change."""

    name: str
    before: str
    after: str
    seed: str
    use: str
    forward: Way
    backward: Way
    min_version: int = 0
    needs_extension: str | None = None
    needs_tablespace: str | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    recomputed: tuple[str, ...] = ()


def find_cases() -> list[Path]:
    """Return every case folder, sorted."""
    return sorted(path.parent for path in CASES.glob("*/*/after.cham"))


def read_case(folder: Path) -> Case:
    """Read a case folder; unknown keys of case.toml are a mistake."""
    settings = tomllib.loads(_text(folder / "case.toml"))
    assert set(settings) <= _KEYS, f"case.toml: unknown {set(settings) - _KEYS}"
    return Case(
        name=f"{folder.parent.name}/{folder.name}",
        before=_text(folder / "before.cham"),
        after=_text(folder / "after.cham"),
        seed=_text(folder / "seed.sql"),
        use=_text(folder / "use.sql"),
        forward=_way("forward", folder, settings),
        backward=_way("backward", folder, settings),
        min_version=settings.get("min_version", 0),
        needs_extension=settings.get("needs_extension"),
        needs_tablespace=settings.get("needs_tablespace"),
        renamed=settings.get("renamed", {}),
        recomputed=tuple(settings.get("recomputed", ())),
    )


def _way(name: str, folder: Path, settings: dict[str, Any]) -> Way:
    expected = settings.get(name, {})
    assert set(expected) <= {"allow", "refused"}, f"case.toml: unknown in [{name}]"
    return Way(name, folder / f"{name}.sql", tuple(expected.get("allow", ())), expected.get("refused"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def skip_unless_possible(case: Case, database: str, version: int) -> None:
    """Skip the test where the server has not what the case needs; `version` is e.g. 180004."""
    if version < case.min_version * 10_000:
        pytest.skip(f"needs PostgreSQL {case.min_version}")
    with psycopg.connect(database) as connection:
        for needed, catalog, column in (
            (case.needs_extension, "pg_available_extensions", "name"),
            (case.needs_tablespace, "pg_tablespace", "spcname"),
        ):
            query = f"SELECT 1 FROM pg_catalog.{catalog} WHERE {column} = %s"
            if needed and connection.execute(query.encode(), [needed]).fetchone() is None:
                pytest.skip(f"this server lacks {needed}")
