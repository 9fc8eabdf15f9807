"""Chains of tasks against their goals: times, memory, and the slow integration that the tests trust.

    python benchmarks/bench_chain.py [--repeats 20]

Processor time of one core, best of the repeats, everything compiled and the first task known. "one application by dense
grids" is a single application of the entropic map by tests/slow_chain.py; a solve applies its own about fifty times.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from statmech_cl import Chain, Task, solve

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import slow_chain
from table import Row, fastest, parser_of, show

FIRST = Task(alpha=2.0)


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
    solution = solve(problem)
    first, last = (slow_chain.Hats(s.q_hat, s.r_hat, s.q_star_hat) for s in solution.tasks)  # type: ignore[union-attr]
    task = problem.tasks[1]
    reference = slow_chain.first_reference(first, 0.0, 0.0)
    slow_chain.by_pairs(reference, last, 0.0, task.anchor, task.beta * task.gamma, 1.0)


def rows(repeats: int) -> Iterator[Row]:
    """Each time beside its goal, or beside one application of the slow map where that is written."""
    for name, gamma in (("two tasks, kl, gamma = 1", 1.0), ("two tasks, kl, gamma = 0.1", 0.1)):
        spent = fastest(lambda g=gamma: solve(two(1.0, 0.0, gamma=g)), repeats)
        yield Row(what=name, seconds=spent, reference="goal (limit 50 ms)", reference_seconds=0.02)
    yield Row(what="figure 3, 96 points", seconds=fastest(figure, 1), reference="goal", reference_seconds=1.5)
    five = Chain((FIRST, *[Task(alpha=1.0)] * 4))
    yield Row(what="five tasks, kl", seconds=fastest(lambda: solve(five), 3), reference="goal", reference_seconds=1.0)
    every = fastest(lambda: solve(two(2.0, -0.5, gamma=0.1), branch="all"), 1)
    yield Row(what="every branch, kl, gamma = 0.1", seconds=every)
    for anchor in ("l2", "ewc"):
        for gamma in (0.1, 1.0):
            spent = fastest(lambda a=anchor, g=gamma: solve(two(1.0, 0.0, anchor=a, gamma=g)), 1)
            what = f"two tasks, {anchor}, gamma = {gamma:g}"
            yield Row(what=what, seconds=spent, reference="goal", reference_seconds=0.1)
    for anchor in ("kl", "l2"):
        problem = two(1.0, 0.0, anchor=anchor)
        alone = fastest(lambda p=problem: solve(p), 1)
        yield Row(
            what=f"two tasks, {anchor}, gamma = 1",
            seconds=alone,
            reference="one application by dense grids",
            reference_seconds=fastest(lambda p=problem: slow(p), 1) - alone,
            note=f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most in this process so far",
        )


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="of each quick case")
    arguments = parser.parse_args()
    show(rows(arguments.repeats), as_json=arguments.json)


if __name__ == "__main__":
    main()
