"""The mean-field engine: solves, a traced curve, a chain; one sweep of the equations beside adaptive quadrature.

    python benchmarks/bench_engine.py [--repeats 20]

Printed is the processor time of the fastest repeat, after one that compiles and fills the caches. The reference is the
slow one of the tests, which splits its panels until halving them changes nothing; both then agree to 1e-9. Start-up is
that of a fresh process whose kernels are in numba's cache on disk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from statmech_cl import Chain, Task, solve, trace
from statmech_cl.branches import landscape
from statmech_cl.output import to_table
from statmech_cl.saddle import equations_of, to_unknowns


def fastest(function: Callable[[], object], repeats: int) -> float:
    """Seconds of processor time of the fastest of `repeats` calls, after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def start_up(repeats: int) -> float:
    """Wall seconds of a fresh process that solves once."""
    command = [sys.executable, "-c", "from statmech_cl import Task, solve; solve(Task(alpha=0.5))"]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(command, check=True)
        times.append(time.perf_counter() - started)
    return min(times)


def one_sweep(alpha: float, repeats: int) -> tuple[float, float, float]:
    """Seconds of one sweep of the equations at the solution: engine, reference, and how far they are apart."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import slow_reference

    equations = equations_of(Task(alpha=alpha))
    found = solve(Task(alpha=alpha))
    orders = slow_reference.Orders(found.q, found.r, found.q_star - found.q, 1.0 - found.q_star, found.q - found.r**2)
    y = to_unknowns(orders)

    def reference() -> slow_reference.Orders:
        hats = slow_reference.energetic(orders, 20.0)[0]
        return slow_reference.entropic(slow_reference.Hats(*(alpha * hat for hat in hats)), 0.0)[0]

    engine = fastest(lambda: equations.sweep(y), repeats)
    slow = fastest(reference, 1)
    after, exact = equations.sweep(y).after, reference()
    return engine, slow, max(abs(after.q - exact.q), abs(after.r - exact.r), abs(after.d - exact.d))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="timed repeats of each")
    repeats = parser.parse_args().repeats

    def cold() -> object:
        landscape.cache_clear()
        return solve(Task(alpha=0.5))

    chain = Chain((Task(alpha=2.0), Task(alpha=1.0)))
    tasks: dict[str, Callable[[], object]] = {
        "solve, alpha = 0.5": lambda: solve(Task(alpha=0.5)),
        "solve, alpha = 2": lambda: solve(Task(alpha=2.0)),
        "solve all three, alpha = 1.7": lambda: solve(Task(alpha=1.7), branch="all"),
        "solve, new beta (landscape traced)": cold,
        "trace, alpha in [0.05, 3]": lambda: trace(Task(alpha=1.0)),
        "chain of two tasks": lambda: solve(chain),
    }
    rows = [{"": name, "ms": f"{1e3 * fastest(task, repeats):.2f}"} for name, task in tasks.items()]
    for alpha in (0.5, 2.0):
        engine, slow, apart = one_sweep(alpha, repeats)
        row = {"": f"one sweep, alpha = {alpha:g}", "ms": f"{1e3 * engine:.3f}", "reference ms": f"{1e3 * slow:.0f}"}
        rows.append({**row, "ratio": f"{slow / engine:.0f}", "apart": f"{apart:.0e}"})
    rows.append({"": "fresh process, one solve (wall)", "ms": f"{1e3 * start_up(3):.0f}"})
    print(to_table(rows))


if __name__ == "__main__":
    main()
