"""Runs that look at the spectral quantities: perceptrons under lam (1 - Phi) + eta BB, deep networks of any method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from statmech_cl import spectral as arrays
from statmech_cl.problem import Chain, Task

from .deep.continual import run
from .deep.methods import Method
from .deep.protocol import Protocol
from .deep.results import RunResult
from .deep.scenarios import scenario
from .perceptron.descent import DescentSettings, descend
from .perceptron.records import DescentResult
from .perceptron.rows import put_estimate
from .spectral import coherence_and_gradient


def perceptron_row(
    *,
    alpha_1: float,
    alpha_2: float,
    r0: float,
    eta: float,
    lam_per_weight: float,
    n: int,
    seeds: Sequence[int],
    anchor: str = "l2",
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """Gradient descent of two tasks, the second with N lam_per_weight (1 - Phi(theta)) + eta A(theta | theta_1) in E, A
    the anchor: BB(theta, theta_1) for "l2".

    Returns means over the seeds with their errors and single values: eps_1 and eps_2 after the second task,
    eps_1_before (after the first), forgetting (their difference), coherence and coherence_before (Phi of the fields),
    and beta, BB per weight. E is a sum over patterns, of order N, as eta BB is; Phi is at most 1, whatever N.
    "along" holds one row for each record of the descent: after_task, epoch (over both tasks; the start of the second is
    the end of the first), eps_1, coherence and, in the second task, eps_2 and beta.
    """
    chosen = DescentSettings(**settings)
    start, coherences = _first_task(alpha_1, n, tuple(seeds), chosen, device)
    spectral = [{"coherence": values} for values in coherences]
    learned = start.stages[0].theta[:, 0]

    def term(theta: Tensor) -> Tensor:
        gradient = coherence_and_gradient(theta)[1]
        assert gradient is not None
        return gradient.mul_(-lam_per_weight * n)

    def observe(task: int, epoch: int, theta: Tensor) -> None:
        beta = 0.5 * (theta[:, 0] - learned.to(theta)).double().square().mean(-1)
        spectral.append({"coherence": _coherence(theta), "beta": beta.cpu().numpy()})

    result = descend(
        Chain((Task(alpha=alpha_1), Task(alpha=alpha_2, gamma=eta, anchor=anchor)), overlaps=r0),
        n=n,
        seeds=tuple(seeds),
        settings=chosen,
        start=start,
        device=device,
        term=term if lam_per_weight > 0.0 else None,
        observe=observe,
    )
    along: list[dict[str, Any]] = []
    places = [(task, record) for task, stage in enumerate(result.stages) for record in range(len(stage.epochs))]
    for (task, record), seen in zip(places, spectral, strict=True):
        stage = result.stages[task]
        line = {"after_task": task + 1, "epoch": task * chosen.epochs + int(stage.epochs[record])}
        eps = {f"eps_{on + 1}": values for on, values in enumerate(stage.eps_g[record])}
        for name, values in {**eps, **seen}.items():
            put_estimate(line, name, values)
        along.append(line)
    row: dict[str, Any] = {"n_seeds": len(seeds), "diverged": len(result.diverged), "along": along}
    before, after = result.values("eps_g", after=0, on=0), result.values("eps_g", on=0)
    put_estimate(row, "eps_1", after)
    put_estimate(row, "eps_2", result.values("eps_g", on=1))
    put_estimate(row, "eps_1_before", before)
    put_estimate(row, "forgetting", after - before)
    put_estimate(row, "coherence_before", coherences[-1])
    for name, values in spectral[-1].items():
        put_estimate(row, name, values)
    return row


@lru_cache(maxsize=1)
def _first_task(
    alpha: float, n: int, seeds: tuple[int, ...], settings: DescentSettings, device: str
) -> tuple[DescentResult, list[np.ndarray]]:
    """The first task, which all second tasks start from, and Phi of its fields at each record."""
    coherences: list[np.ndarray] = []
    result = descend(
        Task(alpha=alpha),
        n=n,
        seeds=seeds,
        settings=settings,
        device=device,
        observe=lambda task, epoch, theta: coherences.append(_coherence(theta)),
    )
    return result, coherences


def _coherence(theta: Tensor) -> np.ndarray:
    """Phi of the fields `theta : (n_seeds, 1, N)`: (n_seeds,)."""
    return coherence_and_gradient(theta[:, 0], with_gradient=False)[0].double().cpu().numpy()


def deep_row(
    *,
    method: str,
    options: Mapping[str, Any],
    subset: bool,
    epochs: int,
    batches: int,
    widths: Sequence[int],
    seed: int,
    device: str,
) -> dict[str, Any]:
    """One run of `method` on two permuted-MNIST tasks.

    Returns {"epochs": [...], "forgetting": ...}: one entry for each epoch, task and layer, and for all layers together,
    with n, coherence, accuracy_1 (on the first task, of the method's first view) and, in the second task, beta and
    relative_beta (to the weights at the end of the first); forgetting is the fall of accuracy_1 over the second task.
    """
    rows: list[dict[str, Any]] = []
    reference: dict[str, Tensor] = {}

    def look(learner: Method, result: RunResult) -> None:
        task, epoch = result.log[-1]["after_task"], result.log[-1]["epoch"]
        first = [row for row in result.rows if row["on_task"] == 1 and row["view"] == learner.views[0]]
        seen = {"after_task": task, "epoch": epoch, "accuracy_1": first[-1]["accuracy"]}
        now = {name: w.detach().cpu() for name, w in learner.weight_tensors().items()}
        for row in arrays.summary(now, reference or None):
            rows.append({**seen, **{k: v for k, v in row.items() if k != "chance"}})
        if task == 1 and epoch == epochs:
            reference.update({name: w.clone() for name, w in now.items()})

    tasks = scenario("permuted-mnist", n_tasks=2, subset=subset)
    protocol = Protocol(epochs=epochs, batches=batches, widths=tuple(widths))
    result = run(method, tasks, protocol, seed=seed, options=options, device=device, on_epoch=look)
    metrics = result.metrics(str(result.rows[0]["view"]))
    return {"epochs": rows, "forgetting": -metrics["backward_transfer"], "average": metrics["average"]}
