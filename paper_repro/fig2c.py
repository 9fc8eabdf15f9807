"""Figure 2c: convergence time of gradient descent against alpha in [1, 2], at several N and at N -> infinity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .figure import Context, Data, Row, Verdict

_SHARED = {"tolerance": 0.05, "epochs": 300, "records": 150}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        **_SHARED,
        "alphas": [1.0, 1.2, 1.4, 1.6, 1.7, 1.8, 1.9, 2.0],
        "sizes": [[500, 24], [1000, 12], [2000, 6]],
        "dynamics": {"samples": 2048, "batches": 12},
    },
    "paper": {
        **_SHARED,
        "alphas": np.round(np.arange(1.0, 2.001, 0.05), 2).tolist(),
        "sizes": [[1000, 40], [2000, 20], [4000, 10]],
        "dynamics": {"samples": 8192, "batches": 16},
    },
}


def compute(context: Context) -> Data:
    """Time and outcome at every alpha: of single students at each N, and of the batches of the theory."""
    from statmech_cl.simulations.perceptron.curve_rows import descent_curves

    from .curve_theory import theory_curves
    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"], records=size["records"])
    cases = [{"alpha_1": alpha} for alpha in size["alphas"]]

    def points(**given: Any) -> list[dict[str, Any]]:
        return [{**case, **given, **descent} for case in cases]

    given = points(**size["dynamics"], seed=context.seed)
    theory = context.groups(theory_curves, given, "dynamics", together=["alpha_1"])
    by_size: dict[int, list[dict[str, Any]]] = {}
    for n, n_seeds in size["sizes"]:
        given = points(n=n, device=context.device)
        given = [{**one, "seeds": curves.seeds_of(context.seed, n, n_seeds, one)} for one in given]
        by_size[n] = context.groups(descent_curves, given, f"descent, N = {n}", together=["alpha_1"])
    rows: list[dict[str, Any]] = []
    for index, alpha in enumerate(size["alphas"]):
        (stage,) = theory[index]["stages"]
        recorded = by_size[size["sizes"][0][0]][index]["stages"][0]["epochs"]
        loss = np.array(stage["loss_batches"]).T[recorded]
        rows.append(_row("dynamics", alpha, None, _time(recorded, loss, size["tolerance"]), stage["p"][0][-1]))
        times = {}
        for n, lines in by_size.items():
            (seen,) = lines[index]["stages"]
            times[n] = _time(seen["epochs"], np.array(seen["loss_seeds"]), size["tolerance"])
            rows.append(_row("descent", alpha, n, times[n], seen["p"][0][-1]))
        rows.append(_row("limit", alpha, None, at_infinite_n(times), None))
    return Data(rows, {**size, "descent": descent})


def _time(epochs: Sequence[int], loss: np.ndarray, tolerance: float) -> Estimate:
    """Of `loss : (records, seeds)`. A time is known to one interval of records: no error is taken as less than that of
    a rounding, interval / sqrt 12."""
    from statmech_cl.simulations.perceptron.records import convergence_epochs

    times = convergence_epochs(np.array(epochs), loss, tolerance=tolerance).astype(float)
    estimate = Estimate.from_samples(times)
    return Estimate(estimate.mean, max(estimate.error, (epochs[1] - epochs[0]) / math.sqrt(12.0)), estimate.n)


def _row(kind: str, alpha: float, n: int | None, time: Estimate, p: float | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "alpha": alpha,
        "n": n,
        "time": time.mean,
        "time_error": time.error,
        "time_n": time.n,
        "p": p,
    }


def draw(data: Data) -> Any:
    """The theory's line through the limits of descent; small grey points: each N."""
    from statmech_cl import figures

    figure, ax = figures.new(width=4.2, height=3.0)
    for index, (n, _) in enumerate(data.parameters["sizes"]):
        rows = data.select(kind="descent", n=n)
        shade = str(0.8 - 0.2 * index)
        figures.points(ax, rows, "time", label=f"$N={n}$", color=shade, fmt="s", markersize=2.5)
    line = data.select(kind="dynamics")
    figures.curve(ax, line, "time", color="#0072B2", label="dynamical theory")
    figures.points(ax, data.select(kind="limit"), "time", color="#0072B2", fmt="o", label=r"$N\to\infty$")
    ax.set(xlabel=r"$\alpha$", ylabel="convergence time (epochs)")
    ax.set_ylim(bottom=0.0)
    ax.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """The time of descent at N -> infinity beside the theory's, and where the theory's is longest."""
    line = data.select(kind="dynamics")
    rows = []
    for expected, seen in zip(line, data.select(kind="limit"), strict=True):
        rows.append(
            Row(
                f"time alpha={seen['alpha']:g}",
                expected["time"],
                Estimate(seen["time"], seen["time_error"], seen["time_n"]),
                f"p at the end by theory {expected['p']:.4f}",
                theory_error=expected["time_error"],
                theory_n=expected["time_n"],
            )
        )
    sentence, holds = agreement(rows, "The convergence time against alpha")
    slow = max(line, key=lambda row: row["time"])
    sentence += f" The theory's is longest, {slow['time']:.0f} epochs, at alpha={slow['alpha']:g}."
    return Verdict(rows, sentence, holds)
