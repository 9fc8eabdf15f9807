"""Chains of tasks against their goals: times, memory, and the slow integration that the tests trust.

    python benchmarks/bench_chain.py [--repeats 20]

CPU time of one core, best of the repeats, everything compiled and the first task known. "one slow application" is a
single application of the entropic map by dense grids (tests/slow_chain.py); a solve applies its own about fifty times.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from statmech_cl import Chain, Task, solve

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import slow_chain

FIRST = Task(alpha=2.0)


def timed(function: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of `repeats` calls after a first one."""
    function()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def two(alpha: float, r0: float, **last: object) -> Chain:
    """Task 1 at alpha = 2, and another."""
    return Chain((FIRST, Task(alpha=alpha, **last)), overlaps=r0)  # type: ignore[arg-type]


def figure() -> None:
    """Theory of figure 3: two gammas, three overlaps, 16 alphas."""
    for gamma in (1.0, 0.1):
        for r0 in (-0.5, 0.0, 0.5):
            for alpha in np.linspace(5.0 / 16.0, 5.0, 16):
                solve(two(float(alpha), r0, gamma=gamma))


def slow(problem: Chain) -> None:
    """One application of the slow map over (theta_ref, x, m)."""
    found = solve(problem)
    first, last = (slow_chain.Hats(s.q_hat, s.r_hat, s.q_star_hat) for s in found.tasks)  # type: ignore[union-attr]
    task = problem.tasks[1]
    reference = slow_chain.first_reference(first, 0.0, 0.0)
    slow_chain.by_pairs(reference, last, 0.0, task.anchor, task.beta * task.gamma, 1.0)


def main() -> None:
    """Print each time beside its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="of each quick case")
    repeats = parser.parse_args().repeats
    lines: list[tuple[str, float, str]] = [
        ("two tasks, KL, gamma = 1", 1e3 * timed(lambda: solve(two(1.0, 0.0)), repeats), "20 ms (50 at most)"),
        ("two tasks, KL, gamma = 0.1", 1e3 * timed(lambda: solve(two(1.0, 0.0, gamma=0.1)), repeats), "20 ms (50)"),
        ("figure 3, 96 points", 1e3 * timed(figure, 1), "3000 ms"),
    ]
    five = Chain((FIRST, *[Task(alpha=1.0)] * 4))
    lines.append(("five tasks, KL", 1e3 * timed(lambda: solve(five), 3), "1000 ms"))
    lines.append(("every branch, KL, gamma = 0.1", 1e3 * timed(lambda: solve(two(2.0, -0.5, gamma=0.1), branch="all"),
                                                               1), ""))  # fmt: skip
    for anchor in ("l2", "ewc"):
        for gamma in (0.1, 1.0):
            spent = 1e3 * timed(lambda a=anchor, g=gamma: solve(two(1.0, 0.0, anchor=a, gamma=g)), 1)
            lines.append((f"two tasks, {anchor}, gamma = {gamma:g}", spent, ""))
    for anchor in ("kl", "l2"):
        problem = two(1.0, 0.0, anchor=anchor)
        both = 1e3 * timed(lambda p=problem: slow(p), 1) - 1e3 * timed(lambda p=problem: solve(p), 1)
        lines.append((f"one slow application, {anchor}", both, ""))
    print(f"{'':<34}{'CPU ms':>9}  goal")
    for name, spent, goal in lines:
        print(f"{name:<34}{spent:>9.1f}  {goal}")
    print(f"{'largest memory of the process':<34}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>7.0f} MB")


if __name__ == "__main__":
    main()
