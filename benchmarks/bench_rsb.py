"""Steps of replica symmetry breaking against their goals and against the replica-symmetric solve.

    python benchmarks/bench_rsb.py [--repeats 5]

One core, warm (the curve of one step is found once for each beta and kept), beta = 20 without prior. Times are
processor time, the minimum over repeats. Then the samplers, N = 100 and 4 problems: the time of one effective sample
(draws alone, the scalar that mixes worst, summed over problems), replica exchange beside plain Hamiltonian Monte Carlo,
with the largest R-hat of both. Where that is far above 1 the walkers disagree and their samples count for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from table import Row, fastest, parser_of, show

from statmech_cl import Task, solve
from statmech_cl.simulations.perceptron.exchange import exchange
from statmech_cl.simulations.perceptron.exchange_records import ExchangeSettings
from statmech_cl.simulations.perceptron.gibbs import GibbsSettings, sample

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


def sampling() -> Iterator[Row]:
    """An effective sample of both samplers."""
    warmup, draws = 150, 600
    plain = GibbsSettings(warmup=warmup, draws=draws)
    ladder = ExchangeSettings(beta_low=9.0, rungs=7, even=True, warmup=warmup, draws=draws)
    for alpha in (0.5, 1.0):
        task = Task(alpha=alpha)
        share = draws / (warmup + draws)
        alone, rhat_alone = _effective(lambda task=task: sample(task, n=100, seeds=4, settings=plain).stages[0], share)
        swapped, rhat = _effective(lambda task=task: exchange(task, n=100, seeds=4, settings=ladder).stage, share)
        note = f"largest R-hat {rhat:.2f}, of the plain sampler {rhat_alone:.2f}"
        what = f"effective sample by exchange, alpha = {alpha:g}"
        yield Row(what=what, seconds=swapped, reference="plain sampler", reference_seconds=alone, note=note)


def _effective(run: Callable[[], Any], share: float) -> tuple[float, float]:
    """Processor seconds of one effective sample, and the largest R-hat."""
    begin = time.process_time()
    stage = run()
    spent = share * (time.process_time() - begin)
    worst = np.nanmin(list(stage.ess().values()), axis=0)
    return spent / float(worst.sum()), float(np.nanmax(list(stage.rhat().values())))


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats of each")
    options = parser.parse_args()
    show(chain(solving(options.repeats), sampling()), as_json=options.json)


if __name__ == "__main__":
    main()
