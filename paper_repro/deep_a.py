"""Figure deep-a: permuted MNIST, accuracy on each task against epoch, method by method."""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from .deep_runs import COMPARED, accuracy_rows, difference, final, scales
from .figure import Context, Data, Row, Verdict

SCALES = scales(
    n_tasks=5,
    quick={"epochs": 3, "batches": 60},
    paper={"epochs": 5, "batches": 500},
    methods=COMPARED,
    more=["vcl-none", "vcl-last-update"],
)
__all__ = ["SCALES", "compute", "draw", "verdict"]


def compute(context: Context) -> Data:
    """Accuracy after every epoch on every task seen so far."""
    return accuracy_rows(context, "deep-a", "permuted-mnist")


def draw(data: Data) -> Any:
    """One panel a method, one line a task."""
    from statmech_cl.figures.deep import accuracy_against_epoch

    return accuracy_against_epoch(data.rows, title="permuted MNIST")


def verdict(data: Data) -> Verdict:
    """The paper's claim: variational learning in field space keeps earlier tasks better than metaplasticity."""
    methods = list(data.parameters["methods"])
    finals = {method: final(data, method) for method in methods}
    rows = []
    for method in methods:
        for name in ("average", "forgotten"):
            rows.append(Row(f"{method}: {name}", None, Estimate.from_samples(finals[method][name])))
    base = finals["metaplasticity"]["average"]
    gains = {method: difference(finals[method]["average"], base) for method in ("vcl", "vcl-sgd")}
    for method, gain in gains.items():
        rows.append(Row(f"{method} - metaplasticity: average", None, gain))
    kept = difference(finals["metaplasticity"]["forgotten"], finals["vcl"]["forgotten"])
    rows.append(Row("metaplasticity - vcl: forgotten", None, kept))
    holds = kept.mean > 2.0 * kept.error and gains["vcl"].mean > 2.0 * gains["vcl"].error
    sentence = (
        f"after {data.parameters['n_tasks']} tasks variational learning keeps "
        f"{'more' if holds else 'not clearly more'} of the earlier ones than metaplasticity: "
        f"average accuracy higher by {gains['vcl']} (Adam) and {gains['vcl-sgd']} (plain gradient), "
        f"forgotten less by {kept} (Adam)"
    )
    return Verdict(rows, sentence, holds)
