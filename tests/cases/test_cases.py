"""Every case folder, both ways, with three proofs each; see tests/README.md."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from chameleondb.errors import ChameleonError, ConsentNeeded
from tests.cases.case import Case, Way, find_cases, read_case, skip_unless_possible
from tests.cases.driver import build, planned
from tests.cases.proof import dump, lost, rows
from tests.cluster import Databases

GOLDEN_MAJOR = 18
"""Plans are compared on this server; other majors may word one differently and still pass the proofs."""


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


class Oracle:
    """Judges the ways of one case on one server."""

    def __init__(self, case: Case, local: Path, *, golden: bool, update: bool) -> None:
        self.case, self.local, self.golden, self.update = case, local, golden, update

    def check(self, way: Way, database: str, target: str, wanted: list[str]) -> None:
        """Go one way and prove it, or see it refused."""
        if way.refused is not None:
            self._check_refusal(way, database, target)
            return
        held = rows(database)
        with planned(database, target, self.local) as change:
            if self.golden:
                self._check_golden(way, change.statements)
            if way.allow:
                with pytest.raises(ConsentNeeded) as refusal:
                    change.apply()
                assert sorted(refusal.value.flags) == sorted(f"--allow {key}" for key in way.allow)
            change.apply(way.allow)
        assert dump(database) == wanted, f"{way.name}: not what a database built directly is"
        with planned(database, target, self.local) as change:
            assert change.statements == [], f"{way.name}: planning again finds more to do"
        renamed = self.case.renamed
        if way is self.case.backward:
            renamed = {new: old for old, new in renamed.items()}
        assert lost(held, rows(database), renamed, self.case.recomputed) == []

    def _check_golden(self, way: Way, statements: list[str]) -> None:
        text = "".join(f"{statement};\n" for statement in statements)
        if self.update:
            way.golden.write_text(text, encoding="utf-8")
        assert way.golden.exists(), "no golden plan yet: run pytest tests/cases --update-golden, and read it"
        assert text == way.golden.read_text(encoding="utf-8")

    def _check_refusal(self, way: Way, database: str, target: str) -> None:
        before = dump(database), rows(database)
        with pytest.raises(ChameleonError) as refusal:
            build(database, target, self.local)
        assert refusal.value.code == way.refused
        assert (dump(database), rows(database)) == before, f"{way.name}: refused, yet something changed"


@pytest.mark.parametrize("folder", find_cases(), ids=_name)
def test_case(
    folder: Path, databases: Databases, server_version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    case = read_case(folder)
    database, built = databases.new(), databases.new()
    skip_unless_possible(case, database, server_version)
    oracle = Oracle(
        case,
        tmp_path,
        golden=server_version // 10_000 == GOLDEN_MAJOR,
        update=bool(request.config.getoption("--update-golden")),
    )
    build(database, case.before, tmp_path)
    dump_before = dump(database)
    with psycopg.connect(database) as connection:
        connection.execute(case.seed.encode())
    build(built, case.after, tmp_path)
    oracle.check(case.forward, database, case.after, dump(built))
    with psycopg.connect(database) as connection:
        connection.execute(case.use.encode())
        connection.rollback()
    oracle.check(case.backward, database if case.forward.refused is None else built, case.before, dump_before)
