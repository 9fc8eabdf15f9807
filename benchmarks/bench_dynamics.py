"""Learning curves of 200 epochs by theory, against averaging descents of N = 4000 to the same standard error of eps_g.

    python benchmarks/bench_dynamics.py [--seeds 8] [--alpha 0.5 --alpha 1 --alpha 1.5]

The theory's time is that of `learn`, with its estimates of bias. The rival is the time of one descent (whole batch, one
replica) times the number of seeds after which the mean of eps_g at the last epoch is as sharp; that number comes from
the scatter between `--seeds` descents, so it is known to some 30 %. Both in processor time on one thread. The last row
is the fast method against the exact one, on the same number of samples.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from table import Row, parser_of, show

from statmech_cl import Task
from statmech_cl.dynamics import DescentSettings, LearningCurve, learn
from statmech_cl.problem import Chain
from statmech_cl.simulations.perceptron.descent import descend

N, EPOCHS = 4000, 200
SAMPLES = {0.5: 4096, 1.0: 16384, 1.5: 8192}
SETTINGS = DescentSettings(batch=None, epochs=EPOCHS, records=1, test_patterns=0)


def timed(work: Callable[[], LearningCurve]) -> tuple[float, LearningCurve]:
    """Seconds, and what came out."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def said(curve: LearningCurve) -> str:
    """The last epoch, the errors and the biases."""
    bias = curve.bias()
    parts = [f"eps_g {curve.estimate('eps_g')}, q_star {curve.estimate('q_star')}"]
    parts.append(f"{curve.batches} batches of {curve.samples}")
    parts += [f"bias from {kind} at most {largest['eps_g']:.2g}" for kind, largest in bias.items() if largest]
    return "; ".join(parts)


def against_descent(alpha: float, seeds: int) -> Row:
    """One task."""
    task = Task(alpha=alpha)
    seconds, curve = timed(functools.partial(learn, task, SETTINGS, samples=SAMPLES.get(alpha, 8192)))
    started = time.process_time()
    run = descend(task, n=N, seeds=seeds, settings=SETTINGS)
    one = (time.process_time() - started) / seeds
    estimate, scatter = curve.estimate("eps_g"), float(np.std(run.values("eps_g"), ddof=1))
    needed = (scatter / estimate.error) ** 2
    measured = run.estimate("eps_g")
    return Row(
        what=f"{EPOCHS} epochs at alpha = {alpha:g}, eps_g to {estimate.error:.1g}",
        seconds=seconds,
        reference=f"{needed:.0f} descents at N = {N}",
        reference_seconds=one * needed,
        note=f"{said(curve)}; descent {measured} from {seeds} seeds of {one:.2g} s",
    )


def rows(alphas: list[float], seeds: int) -> Iterator[Row]:
    """The table."""
    learn(Task(alpha=0.5), DescentSettings(batch=None, epochs=10), samples=512, batches=2)  # compiles
    learn(Task(alpha=0.5), DescentSettings(batch=None, epochs=10), samples=512, batches=2, method="exact")
    for alpha in alphas:
        yield against_descent(alpha, seeds)
    chain = Chain((Task(alpha=1.0), Task(alpha=1.0)), overlaps=0.0)
    seconds, curve = timed(lambda: learn(chain, SETTINGS))
    yield Row(what=f"two tasks of {EPOCHS} epochs at alpha = 1", seconds=seconds, note=said(curve))
    fast, curve = timed(lambda: learn(Task(alpha=0.5), SETTINGS, samples=2048, certify=False))
    exact, other = timed(lambda: learn(Task(alpha=0.5), SETTINGS, samples=2048, certify=False, method="exact"))
    yield Row(
        what=f"fast method, {EPOCHS} epochs at alpha = 0.5, no estimate of bias",
        seconds=fast,
        reference="exact method",
        reference_seconds=exact,
        note=f"fast: {said(curve)}, at most {curve.slots} coordinates of time; exact: {said(other)}",
    )


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="descents from which the rival's scatter is taken")
    parser.add_argument("--alpha", type=float, action="append", help="may be given several times")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    show(rows(arguments.alpha or list(SAMPLES), arguments.seeds), as_json=arguments.json)


if __name__ == "__main__":
    main()
