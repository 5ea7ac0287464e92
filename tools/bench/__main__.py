"""What Chameleon costs, side by side in one run: `python -m tools.bench [--tables 100,1000] [--rounds 5] [--peers]`.

Nothing fails here: tests never assert times, nor does this.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.cluster import client_program, running_cluster
from tools.bench import peers
from tools.bench.measure import Contender, Cost, race, run
from tools.bench.table import show, show_growth
from tools.bench.vault import LINES, VERSIONS, make_vault
from tools.bench.workload import schema_text

CHAMELEON = Path(sys.executable).with_name("chameleon")
PARSED_TABLES = 653
"""Tables of the workload in 15,000 lines."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    tables: tuple[int, ...]
    rounds: int
    peers: bool
    dsn: str | None


def options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="What Chameleon costs, as ratios.")
    parser.add_argument("--tables", default="100,1000", help="sizes of the schema, e.g. 100,1000,5000")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each command; the median counts")
    parser.add_argument("--peers", action="store_true", help="also migra and alembic, installed into .venv-bench")
    parser.add_argument("--dsn", help="a server whose role may create databases, instead of an embedded PostgreSQL 18")
    given = parser.parse_args()
    return Options(tuple(int(n) for n in given.tables.split(",")), given.rounds, given.peers, given.dsn)


def start_up(folder: Path, rounds: int) -> None:
    """Compare the CPU time of answers that need no schema with that of an interpreter that does nothing."""
    floor = Contender(name="python -c pass", command=[sys.executable, "-c", "pass"], folder=folder)
    ours = [
        Contender(name=f"chameleon {option}", command=[CHAMELEON, option], folder=folder)
        for option in ("--version", "--help")
    ]
    show("start-up, by CPU time", race([floor, *ours], rounds), floor.name, by="cpu")


def language(folder: Path, rounds: int) -> None:
    """Time the check of a schema of 15,000 lines."""
    text = schema_text(PARSED_TABLES)
    (folder / "schema.cham").write_text(text)
    floor = Contender(name="python -c pass", command=[sys.executable, "-c", "pass"], folder=folder)
    check = Contender(name="chameleon check", command=[CHAMELEON, "check", "schema.cham"], folder=folder)
    show(f"{text.count(chr(10)):,} lines of .cham", race([floor, check], rounds), floor.name)


def history(folder: Path, rounds: int) -> None:
    """Compare the verification of a large vault with what it takes to read and hash its files."""
    make_vault(folder)
    (folder / "schema.cham").write_text("")
    vault = folder / ".chameleon" / "vault"
    files = [vault / "integrity.log", *sorted(vault.glob("versions/*.json"))]
    floor = Contender(name="sha256sum", command=["sha256sum", *files], folder=folder)
    verify = Contender(name="chameleon verify", command=[CHAMELEON, "verify", "--offline"], folder=folder)
    show(f"a vault of {VERSIONS:,} versions and {LINES:,} lines", race([floor, verify], rounds), floor.name)


class Server:
    """Where the databases of a run are made; all are dropped at the end."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.made: list[str] = []

    def new(self, name: str, template: str = "template0") -> str:
        """Create a database, perhaps as a copy of another of ours, and return its URL."""
        self.execute(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {template}")
        self.made.append(name)
        parts = conninfo_to_dict(make_conninfo(self.conninfo, dbname=name))
        query = "&".join(f"{key}={value}" for key, value in parts.items() if key != "dbname")
        return f"postgresql:///{name}?{query}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements one by one."""
        with psycopg.connect(self.conninfo, dbname=database, autocommit=True) as connection:
            for sql in statements:
                connection.execute(sql.encode())

    def drop_all(self) -> None:
        """Drop what was made."""
        self.execute(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in self.made))


@contextmanager
def server(dsn: str | None) -> Iterator[Server]:
    """Give the server that was named, or an embedded one that dies with this run."""
    if dsn is not None:
        found = Server(dsn)
        try:
            yield found
        finally:
            found.drop_all()
        return
    # One transaction creates all tables, and each of its locks has to fit.
    with running_cluster(max_locks_per_transaction="1024", shared_buffers="512MB", max_wal_size="4GB") as cluster:
        yield Server(cluster.conninfo)


def databases(place: Server, folder: Path, tables: int, asked: Options) -> dict[str, Cost]:
    """Compare reading and planning with ``pg_dump -s`` of the same database."""
    name = f"chameleon_bench_{tables}"
    url = place.new(name)
    same, changed = folder / "same", folder / "changed"
    for project, added in ((same, ""), (changed, "added: int?")):
        project.mkdir()
        (project / "schema.cham").write_text(schema_text(tables, added=added))
    environment = {"DATABASE_URL": url}

    def chameleon(
        what: str, *words: str, project: Path = same, prepare: Callable[[], None] = lambda: None
    ) -> Contender:
        return Contender(
            name=what, command=[CHAMELEON, *words], folder=project, environment=environment, prepare=prepare
        )

    print(f"\nmaking {tables:,} tables …", file=sys.stderr)
    run(chameleon("migrate --apply", "migrate", "--apply"))
    place.execute("VACUUM ANALYZE", database=name)  # as autovacuum would in its own time

    def forget_the_change() -> None:
        # The second dry run would find the change elaborated: what counts is the first after an edit.
        shutil.rmtree(changed / ".chameleon", ignore_errors=True)
        shutil.copytree(same / ".chameleon", changed / ".chameleon", symlinks=True)

    floor = Contender(name="pg_dump -s", command=[client_program("pg_dump"), "-s", "-d", url], folder=folder)
    contenders = [
        floor,
        chameleon("chameleon introspect", "introspect", "-o", "-"),
        chameleon("chameleon migrate, nothing to do", "migrate"),
        chameleon("chameleon migrate, one column", "migrate", "--dry-run", project=changed, prepare=forget_the_change),
    ]
    if asked.peers:
        copy = place.new(f"{name}_copy", name)
        more = place.new(f"{name}_more", name)
        place.execute("ALTER TABLE thing_0 ADD COLUMN added integer", database=f"{name}_more")
        # alembic check makes its table where it looks.
        contenders += peers.contenders(folder, url, copy, more, place.new(f"{name}_alembic", name), tables)
    costs = race(contenders, asked.rounds)
    show(f"{tables:,} tables", costs, floor.name)
    place.drop_all()
    return costs


def main() -> None:
    """Measure everything that was asked for."""
    asked = options()
    if asked.peers:
        peers.install()
    with tempfile.TemporaryDirectory() as name:
        start_up(Path(name), asked.rounds)
        language(Path(name), asked.rounds)
    with tempfile.TemporaryDirectory() as name:
        history(Path(name), asked.rounds)
    costs = {}
    with server(asked.dsn) as place:
        for tables in asked.tables:
            with tempfile.TemporaryDirectory() as name:
                costs[tables] = databases(place, Path(name), tables, asked)
    show_growth(costs)


if __name__ == "__main__":
    main()
