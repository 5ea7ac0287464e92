"""What Chameleon costs, as ratios side by side in one run: `python tools/bench.py [TABLES …]`.

Figures of one machine mean little; a ratio to `pg_dump -s` of the same database, or to a bare interpreter, travels.
Each figure is the best of three runs of a whole process. Nothing fails here: tests never assert times, nor does this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.cluster import Cluster, Databases, client_program, running_cluster  # noqa: E402

CHAMELEON = str(Path(sys.executable).with_name("chameleon"))
RUNS = 3


class Cost(NamedTuple):
    """What a process took: wall and CPU seconds, and its largest size in MiB."""

    wall: float
    cpu: float
    peak: float


def measure(command: list[str], folder: Path, environment: Mapping[str, str], status: int = 0) -> Cost:
    """Run a command three times and return the fastest run; its output goes nowhere."""
    return min(_once(command, folder, environment, status) for _ in range(RUNS))


def _once(command: list[str], folder: Path, environment: Mapping[str, str], status: int) -> Cost:
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, code, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(code)
        wall = time.perf_counter() - start
        if child.returncode != status:
            errors.seek(0)
            sys.exit(f"{' '.join(command)}: exit status {child.returncode}\n{errors.read().decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def schema_text(entities: int, extra: str = "") -> str:
    """Return a schema of so many entities, each of 15 fields, three indexes, a relation and a check."""
    return "\n".join(_entity(number, extra if number == 0 else "") for number in range(entities))


def _entity(number: int, extra: str) -> str:
    fields = "".join(f"    field_{i}: {('string', 'int', 'timestamptz')[i % 3]}?,\n" for i in range(12))
    return (
        f'entity Thing{number} table "thing_{number}" {{\n'
        "    id: bigint primary identity,\n"
        "    name: string unique,\n"
        "    parent_id: bigint?,\n"
        f"{fields}{extra}"
        f"    parent: Thing{max(0, number - 1)} via parent_id,\n"
        "    index (field_0),\n    index (field_1, field_2 desc),\n    index (lower(name)),\n"
        "    check (field_1 >= 0),\n"
        "}\n"
    )


def report(what: str, cost: Cost, floor: Cost, against: str) -> None:
    """Print one line: the ratio first."""
    print(
        f"  {what:<28}{cost.wall / floor.wall:6.2f} × {against:<20}"
        f"{cost.wall:8.3f} s {cost.cpu:8.3f} s cpu {cost.peak:7.0f} MiB"
    )


def bench_start(folder: Path) -> None:
    """Compare start-up with an interpreter that does nothing."""
    print("start")
    floor = measure([sys.executable, "-c", "pass"], folder, os.environ)
    for option in ("--version", "--help"):
        report(f"chameleon {option}", measure([CHAMELEON, option], folder, os.environ), floor, "python -c pass")


def bench_language(folder: Path) -> None:
    """Time the check of a schema of 1,000 entities against an interpreter that does nothing."""
    text = schema_text(1_000)
    (folder / "schema.cham").write_text(text, encoding="utf-8")
    print(f"language, {text.count(chr(10)):,} lines")
    floor = measure([sys.executable, "-c", "pass"], folder, os.environ)
    command = [CHAMELEON, "check", "schema.cham"]
    report("chameleon check", measure(command, folder, os.environ), floor, "python -c pass")


def bench_tables(cluster: Cluster, folder: Path, tables: int) -> None:
    """Compare introspection and planning with ``pg_dump -s`` of the same database."""
    print(f"{tables:,} tables")
    databases = Databases(cluster)
    dsn = databases.new()
    environment = {**os.environ, "DATABASE_URL": _url(dsn)}
    schema = folder / "schema.cham"
    schema.write_text(schema_text(tables), encoding="utf-8")
    _once([CHAMELEON, "migrate", "--apply"], folder, environment, 0)
    floor = measure([str(client_program("pg_dump")), "-s", f"--dbname={dsn}"], folder, environment)
    report("introspect", measure([CHAMELEON, "introspect"], folder, environment), floor, "pg_dump -s")
    report("migrate, nothing to do", measure([CHAMELEON, "migrate"], folder, environment), floor, "pg_dump -s")
    schema.write_text(schema_text(tables, "    added: int?,\n"), encoding="utf-8")
    report("migrate, one column", measure([CHAMELEON, "migrate"], folder, environment), floor, "pg_dump -s")
    databases.drop_all()


def _url(dsn: str) -> str:
    parts = dict(word.split("=", 1) for word in dsn.split())
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"


def main() -> None:
    """Run all benchmarks."""
    sizes = [int(size) for size in sys.argv[1:]] or [100, 1_000]
    with tempfile.TemporaryDirectory() as name:
        bench_start(Path(name))
        bench_language(Path(name))
    with running_cluster() as cluster:
        for tables in sizes:
            with tempfile.TemporaryDirectory() as name:
                bench_tables(cluster, Path(name), tables)


if __name__ == "__main__":
    main()
