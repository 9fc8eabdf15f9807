"""Steps of replica symmetry breaking against their goals and against the replica-symmetric solve.

    python benchmarks/bench_rsb.py [--repeats 5]

One core, warm (the curve of one step is found once for each beta and kept), beta = 20 without prior. Times are
processor time, the minimum over repeats.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from table import Row, fastest, parser_of, show

from statmech_cl import Task, solve

ALPHA = 1.25
GOALS = {1: 30e-3, 4: 300e-3}


def solving(repeats: int) -> Iterator[Row]:
    """k steps at one alpha, and one step along alpha."""
    task = Task(alpha=ALPHA)
    symmetric = fastest(lambda: solve(task, branch="low"), repeats)
    for k in (1, 2, 3, 4):
        spent = fastest(lambda k=k: solve(task, branch="low", rsb=k), repeats if k < 3 else 2)
        what = f"k = {k}, alpha = {ALPHA:g}"
        yield Row(what=what, seconds=spent, reference="k = 0", reference_seconds=symmetric)
        if k in GOALS:
            yield Row(what=what, seconds=spent, reference="goal", reference_seconds=GOALS[k])
    alphas = np.linspace(0.5, 1.5, 100)
    grids = {
        k: fastest(lambda k=k: [solve(Task(alpha=float(x)), branch="low", rsb=k) for x in alphas], 2) for k in (0, 1)
    }
    what = "100 alphas in (0.5, 1.5), k = 1"
    yield Row(what=what, seconds=grids[1], reference="k = 0", reference_seconds=grids[0])
    yield Row(what=what, seconds=grids[1], reference="goal", reference_seconds=3.0)


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats of each")
    options = parser.parse_args()
    show(solving(options.repeats), as_json=options.json)


if __name__ == "__main__":
    main()
