"""Trees beside perceptrons of as many weights: a solve, a descent, the sampler. Goals: 1.5, 3 and 3 times as long.

    python benchmarks/bench_tree.py [--repeats 3]

Processor time of one core; the kernels are compiled before. A solve takes three alphas whose curves are known already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from table import Row, fastest, parser_of, show

from statmech_cl import Task, Tree, solve
from statmech_cl.simulations.perceptron import descent, gibbs
from statmech_cl.simulations.perceptron.descent import DescentSettings
from statmech_cl.simulations.perceptron.gibbs import GibbsSettings
from statmech_cl.simulations.tree import descent as tree_descent
from statmech_cl.simulations.tree import gibbs as tree_gibbs
from statmech_cl.simulations.tree.shape import shape_of

N, UNITS, SEEDS = 495, 15, 8
ALPHAS = (0.31, 0.52, 0.73)


def _solved(channel: object) -> Callable[[], None]:
    tasks = [Task(alpha=alpha, **({} if channel is None else {"channel": channel})) for alpha in ALPHAS]
    solve(tasks[0])  # compiled, and its curves traced

    def run() -> None:
        for task in tasks:
            solve(task)

    return run


def rows(repeats: int) -> Iterator[Row]:
    """Each of the three, with its goal."""
    shape, task = shape_of(Tree(), N, UNITS), Task(alpha=1.0)
    chosen = DescentSettings(epochs=20, records=1)
    drawn = GibbsSettings(warmup=10, draws=10)
    pairs: list[tuple[str, float, Callable[[], object], Callable[[], object]]] = [
        (f"solve, one hidden layer, {len(ALPHAS)} alphas", 1.5, _solved(Tree()), _solved(None)),
        (
            f"descent, {UNITS} units of {N // UNITS} inputs, {SEEDS} seeds",
            3.0,
            lambda: tree_descent.descend(task, shape=shape, seeds=SEEDS, settings=chosen),
            lambda: descent.descend(task, n=N, seeds=SEEDS, settings=chosen),
        ),
        (
            f"sampler, {UNITS} units of {N // UNITS} inputs, {SEEDS} seeds",
            3.0,
            lambda: tree_gibbs.sample(task, shape=shape, seeds=SEEDS, settings=drawn),
            lambda: gibbs.sample(task, n=N, seeds=SEEDS, settings=drawn),
        ),
    ]
    for what, goal, tree, plain in pairs:
        seconds, reference = (fastest(run, repeats, time.process_time) for run in (tree, plain))
        ratio = seconds / reference
        note = f"{ratio:.2f} times the perceptron; goal {goal:g}: {'met' if ratio <= goal else 'missed'}"
        yield Row(what=what, seconds=seconds, reference="perceptron of as many weights", reference_seconds=reference,
                  note=note)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    show(rows(arguments.repeats), as_json=arguments.json)


if __name__ == "__main__":
    main()
