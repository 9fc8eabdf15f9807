"""Figure deep-b: MNIST then Fashion-MNIST on the same outputs, accuracy on both against epoch."""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from .deep_runs import COMPARED, accuracy_rows, difference, final, scales
from .figure import Context, Data, Row, Verdict

SCALES = scales(
    n_tasks=2,
    quick={"epochs": 5, "batches": 100},
    paper={"epochs": 40, "batches": 500},
    methods=COMPARED,
    more=["vcl-none", "vcl-last-update"],
)
__all__ = ["SCALES", "compute", "draw", "verdict"]


def compute(context: Context) -> Data:
    """Accuracy after every epoch on both data sets."""
    return accuracy_rows(context, "deep-b", "mnist-fashion")


def draw(data: Data) -> Any:
    """One panel a method, one line a data set."""
    from statmech_cl.figures.deep import accuracy_against_epoch

    return accuracy_against_epoch(data.rows, title="MNIST (task 1) then Fashion-MNIST (task 2)")


def verdict(data: Data) -> Verdict:
    """The paper's claim: variational learning forgets MNIST less than metaplasticity does."""
    finals = {method: final(data, method) for method in data.parameters["methods"]}
    rows = []
    for method, numbers in finals.items():
        rows.append(Row(f"{method}: average of both", None, Estimate.from_samples(numbers["average"])))
        rows.append(Row(f"{method}: MNIST forgotten", None, Estimate.from_samples(numbers["forgotten"])))
    kept = {m: difference(finals["metaplasticity"]["forgotten"], finals[m]["forgotten"]) for m in ("vcl", "vcl-sgd")}
    for method, gain in kept.items():
        rows.append(Row(f"metaplasticity - {method}: forgotten", None, gain))
    holds = kept["vcl"].mean > 2.0 * kept["vcl"].error
    sentence = (
        f"variational learning forgets {'less' if holds else 'not clearly less'} of MNIST than metaplasticity: "
        f"by {kept['vcl']} (Adam) and {kept['vcl-sgd']} (plain gradient)"
    )
    return Verdict(rows, sentence, holds)
