"""Results on the terminal, the ratio first: seconds mean little on another machine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from tools.bench.measure import Cost


def show(title: str, costs: Mapping[str, Cost], floor: str, *, by: str = "wall") -> None:
    """Print a line per contender, as multiples of the one called `floor`; `by` is ``wall`` or ``cpu``."""
    print(f"\n{title}\n  {'× ' + floor:>16}  {'wall s':>8} {'cpu s':>8} {'peak MiB':>9}")
    unit = getattr(costs[floor], by)
    for name, cost in costs.items():
        ratio = getattr(cost, by) / unit
        print(f"  {ratio:16.2f}  {cost.wall:8.3f} {cost.cpu:8.3f} {cost.peak:9.0f}  {name}", flush=True)


def show_growth(walls: Mapping[int, Mapping[str, Cost]]) -> None:
    """Print how many times longer each took at every size than at the one before, per table."""
    sizes = sorted(walls)
    if len(sizes) < 2:
        return
    steps = list(itertools.pairwise(sizes))
    print("\ntime a table, against the size before (1.00 is linear)")
    print("  " + "".join(f"{f'{a:,} → {b:,}':>18}" for a, b in steps))
    for name in walls[sizes[0]]:
        cells = [
            f"{walls[b][name].wall / b / (walls[a][name].wall / a):18.2f}" if name in walls[b] else f"{'–':>18}"
            for a, b in steps
        ]
        print(f"  {''.join(cells)}  {name}")
