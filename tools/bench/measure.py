"""Whole processes against each other: rounds of A B C, A B C, …, and the median of each; the first does not count."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: wall clock and CPU in seconds, the largest size in MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command to measure. `prepare` runs before each time, outside the clock; `statuses` are not failures."""

    name: str
    command: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (0,)
    prepare: Callable[[], None] = lambda: None


def race(contenders: Sequence[Contender], rounds: int) -> dict[str, Cost]:
    """Return the median cost of each contender by name; one that fails is told on stderr and left out."""
    costs: dict[str, list[Cost]] = {c.name: [] for c in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            if contender.name not in costs:
                continue
            try:
                cost = run(contender)
            except RuntimeError as error:
                print(f"  {error}", file=sys.stderr)
                del costs[contender.name]
                continue
            if number:
                costs[contender.name].append(cost)
    return {name: _median(found) for name, found in costs.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(c.wall for c in costs), median(c.cpu for c in costs), median(c.peak for c in costs))


def run(contender: Contender) -> Cost:
    """Run a contender once.

    Raises: RuntimeError with what it wrote to stderr, if its status is none of those expected.
    """
    contender.prepare()
    # Where compiled modules may not be kept, every start would compile them anew: that is not how anybody installs.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", LAUNCHER, *contender.command],
        cwd=contender.folder,
        env={**inherited, **contender.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{contender.name}: {done.stderr.strip()}")
    status, wall, cpu, peak = done.stdout.split()
    if int(status) not in contender.statuses:
        raise RuntimeError(f"{contender.name}: exit status {status}\n{done.stderr.strip()}")
    return Cost(float(wall), float(cpu), int(peak) / 1024)
