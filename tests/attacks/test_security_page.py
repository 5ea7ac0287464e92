"""docs/security.md shows the attacks as they are tested, and its roles as they work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.attacks.attacks import ATTACKS, Attack
from tests.attacks.scene import Project, schema
from tests.cluster import Cluster, running_cluster
from tests.command import url_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def _table() -> str:
    rows = ["| | attack | files alone | with the database | with your memory |", "|---|---|---|---|---|"]
    rows += [_row(a) for a in ATTACKS if a.files or a.database or a.memory]
    return "\n".join(rows) + "\n"


def _row(attack: Attack) -> str:
    cells, is_found = [], False
    for codes in (attack.files, attack.database, attack.memory):
        cells.append(", ".join(f"`{c}`" for c in codes) if codes else "yes" if is_found else "no")
        is_found = is_found or bool(codes)
    return f"| {attack.number:02} | {attack.title} | {' | '.join(cells)} |"


def _missed() -> str:
    rows = ["| | not detected | what it gains |", "|---|---|---|"]
    rows += [f"| {a.number} | {a.title} | {a.gains} |" for a in ATTACKS if not (a.files or a.database or a.memory)]
    return "\n".join(rows) + "\n"


def _filled(text: str, name: str, table: str) -> str:
    """Return the page with a table between the marks of its place."""
    start, end = f"<!-- {name} -->\n", "<!-- end -->"
    before, mark, rest = text.partition(start)
    assert mark, name
    _, mark, after = rest.partition(end)
    assert mark, name
    return before + start + table + end + after


def test_the_tables_are_what_is_tested(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    wanted = _filled(_filled(text, "attacks", _table()), "not detected", _missed())
    if request.config.getoption("--update-golden"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert wanted == PAGE.read_text(encoding="utf-8"), "run pytest tests/attacks --update-golden, and read it"
    assert "| 01 |" in wanted
    assert "| 44 |" in wanted


def test_every_attack_that_is_not_detected_says_what_it_gains() -> None:
    assert [a.number for a in ATTACKS if bool(a.gains) != (not (a.files or a.database or a.memory))] == []


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server of its own: roles belong to all databases of one."""
    with running_cluster() as cluster:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            for name in ("shop", "shadow"):
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        yield cluster


def _run(server: Cluster, step: str) -> None:
    """Run the statements of one block of the page, as a superuser in the database `shop`."""
    found = re.search(rf"<!-- roles: {step} -->\n+```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    with psycopg.connect(server.dsn("shop"), autocommit=True) as connection:
        for statement in re.sub(r"--.*", "", found[1]).split(";"):
            if statement.strip():
                connection.execute(statement.encode())


def _as(server: Cluster, role: str) -> str:
    return url_of(server.dsn("shop")).replace("postgresql://postgres@", f"postgresql://{role}@")


@pytest.mark.server
def test_the_roles_may_do_what_the_page_says(server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAMELEON_SHADOW_URL", url_of(server.dsn("shadow")))
    _run(server, "before")
    migrator, reader = (Project(tmp_path, _as(server, f"shop_{role}")) for role in ("migrator", "reader"))
    migrator.apply(1)
    _run(server, "after")
    migrator.unlock()
    migrator.apply(2)
    assert migrator.findings() == []
    assert reader.findings() == []
    migrator.write(schema(3))
    assert reader.say("migrate", "--apply").status == 1
    with psycopg.connect(_as(server, "shop_app"), autocommit=True) as app:
        app.execute("INSERT INTO users (id, email) VALUES (1, 'a')")
        for statement in (
            "CREATE TABLE mine ()",
            "ALTER TABLE users ADD mine int",
            "SELECT * FROM chameleon.ledger",
            "SELECT chameleon.append('', '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement.encode())
    for role in ("migrator", "reader"):
        with psycopg.connect(_as(server, f"shop_{role}"), autocommit=True) as connection:
            for statement in ("DELETE FROM chameleon.ledger", "DROP SCHEMA chameleon CASCADE"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
