"""One simulated point as a row of plain numbers: what tables, result stores and figures take.

The row of a task holds, for each observable x, its mean over the seeds (`x`), the standard error (`x_error`) and the
values of the single seeds (`x_seeds`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from statmech_cl.channels import PLAIN, Channel, from_dict
from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain, Task

from . import teachers
from .descent import DescentSettings, anneal, descend, descend_many
from .gibbs import sample
from .gibbs_records import GibbsResult, GibbsSettings
from .records import DescentResult, convergence_epochs
from .teachers import check_seeds

DESCENT_OBSERVABLES = ("q", "r", "q_star", "p", "eps_g", "eps_test", "loss")
GIBBS_OBSERVABLES = ("q", "r", "q_star", "p", "eps_g", "energy")


def descent_row(
    *,
    alpha: float,
    prior: str = "none",
    q_star: float | None = None,
    channel: Mapping[str, Any] | None = None,
    n: int,
    seeds: Sequence[int] | int,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """Gradient descent of one task, to convergence of the epochs given: a row with the observables q, r, q_star, p,
    eps_g (arccos of the teacher overlap p, over pi), eps_test (on fresh patterns) and loss (E/P).

    settings : fields of DescentSettings. Two replicas unless told otherwise, which is what q needs.

    Raises
    ------
    ValueError : an argument out of range (from Task, DescentSettings, descend), fewer than 2 seeds (no error bar).
    """
    chosen = seeds_for_error_bars(seeds)
    result = descend(
        Task(alpha=alpha, prior=prior, q_star=q_star, channel=_channel(channel)),
        n=n,
        seeds=chosen,
        settings=DescentSettings(**{"replicas": 2, **settings}),
        device=device,
    )
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(chosen), "diverged": len(result.diverged)}
    for name in DESCENT_OBSERVABLES:
        put_estimate(row, name, result.values(name))
    return row


def two_task_row(**point: Any) -> dict[str, Any]:
    """Gradient descent of two tasks: eps_1, eps_2 (and p_1, p_2, eps_test_1, eps_test_2) after the second, eps_1_before
    (after the first), q_star and loss of the second.

    point : alpha_1, alpha_2, gamma, r0, n, seeds, and where they differ from their defaults prior ("none"; task 1's),
        anchor ("kl"), replay (0; patterns of task 1 per weight), device ("cpu") and fields of DescentSettings.
    """
    return two_task_rows([point])[0]


def two_task_rows(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`two_task_row` of points that differ in r0, gamma and anchor only, descended together: a row for each."""
    chains, shared = zip(*(_chain_and_run(**point) for point in points), strict=True)
    if len(set(shared)) != 1:
        raise ValueError(f"points must differ in r0, gamma and anchor only, got {list(points)!r}")
    n, seeds, device, settings = shared[0]
    first = _first_task(chains[0].tasks[0], n, seeds, settings, device)
    results = descend_many(chains, n=n, seeds=seeds, settings=settings, device=device, start=first)
    return [_two_task_row(result) for result in results]


def _chain_and_run(
    *,
    alpha_1: float,
    alpha_2: float,
    gamma: float,
    r0: float,
    prior: str = "none",
    anchor: str = "kl",
    replay: float = 0.0,
    n: int,
    seeds: Sequence[int],
    device: str = "cpu",
    **settings: Any,
) -> tuple[Chain, tuple[int, tuple[int, ...], str, DescentSettings]]:
    """A point of two tasks taken apart: what is descended, and how."""
    second = Task(alpha=alpha_2, gamma=gamma, anchor=anchor, replay={1: replay})
    tasks = (Task(alpha=alpha_1, prior=prior), second)
    return Chain(tasks, overlaps=(r0,)), (n, tuple(seeds), device, DescentSettings(**settings))


def _two_task_row(result: DescentResult) -> dict[str, Any]:
    alpha_2, n_seeds = result.chain.tasks[1].alpha, len(result.seeds)
    row: dict[str, Any] = {"alpha_2": alpha_2, "n": result.n, "n_seeds": n_seeds, "diverged": len(result.diverged)}
    for task in (0, 1):
        for name in ("eps_g", "p", "eps_test"):
            put_estimate(row, f"{name.removesuffix('_g')}_{task + 1}", result.values(name, on=task))
    put_estimate(row, "eps_1_before", result.values("eps_g", after=0, on=0))
    put_estimate(row, "q_star", result.values("q_star"))
    put_estimate(row, "loss", result.values("loss"))
    return row


def reference_row(
    *, alpha: float, prior: str = "none", n: int, seeds: Sequence[int], device: str = "cpu", **settings: Any
) -> dict[str, Any]:
    """The density of theta W (W: the teacher) that descent of one task leaves, over sites and seeds: `theta`, centres
    of bins, and `share` of the sites in each; and eps_g, q_star, r of that task.
    """
    result = _first_task(Task(alpha=alpha, prior=prior), n, tuple(seeds), DescentSettings(**settings), device)
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(seeds), "diverged": len(result.diverged)}
    for name in ("eps_g", "q_star", "r"):
        put_estimate(row, name, result.values(name))
    return row | _density(result.stages[0].theta[:, 0], result.chain, result.seeds, result.settings.teacher_signs)


def gibbs_reference_row(
    *,
    alpha: float,
    beta: float = 20.0,
    prior: str = "none",
    n: int,
    seeds: Sequence[int],
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """As `reference_row`, of the draws from one task's Gibbs measure that are handed to the next task."""
    task = Task(alpha=alpha, beta=beta, prior=prior)
    result = _first_sample(task, n, tuple(seeds), GibbsSettings(**settings), device)
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(seeds), "diverged": 0}
    for name in ("eps_g", "q_star", "r"):
        put_estimate(row, name, result.values(name))
    return row | _density(result.stages[0].theta[:, 0], result.chain, result.seeds, result.settings.teacher_signs)


_BIN = 0.02  # in theta: far below the scales on which a density of fields varies


def _density(theta: torch.Tensor, chain: Chain, seeds: Sequence[int], signs: str) -> dict[str, list[float]]:
    """Bins of theta W over the sites of all seeds, `theta : (n_seeds, N)`; seeds that diverged are left out."""
    w = torch.stack([teachers.teachers(chain, theta.shape[-1], seed, signs=signs)[0] for seed in seeds])
    along = (theta.double().cpu() * w)[torch.isfinite(theta).all(-1).cpu()].numpy()
    number, count = np.unique(np.rint(along / _BIN).astype(int), return_counts=True)
    return {"theta": (number * _BIN).round(9).tolist(), "share": (count / count.sum()).tolist()}


def history_row(
    *,
    alpha_1: float,
    alpha_2: float | None = None,
    gamma: float = 1.0,
    r0: float = 0.0,
    n: int,
    seeds: Sequence[int],
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """What descent passes through, epoch by epoch, over one task or over the switch to a second: lists `epoch`, and
    `eps_1`, `eps_2` (of the two teachers), `q_star`, `loss` with their `_error`; `final_*` are estimates of the end.
    """
    if alpha_2 is None:
        chosen = DescentSettings(**settings)
        result = descend(Task(alpha=alpha_1), n=n, seeds=tuple(seeds), settings=chosen, device=device)
    else:
        chain = Chain((Task(alpha=alpha_1), Task(alpha=alpha_2, gamma=gamma)), overlaps=(r0,))
        result = descend(chain, n=n, seeds=tuple(seeds), settings=DescentSettings(**settings), device=device)
    stages, epochs = result.stages, result.settings.epochs
    row: dict[str, Any] = {
        "epoch": [int(e) + index * epochs for index, stage in enumerate(stages) for e in stage.epochs],
        "diverged": len(result.diverged),
    }
    for task in range(stages[0].eps_g.shape[1]):
        _put_series(row, f"eps_{task + 1}", np.concatenate([stage.eps_g[:, task] for stage in stages]))
        put_estimate(row, f"final_eps_{task + 1}", stages[-1].eps_g[-1, task])
    for name in ("q_star", "loss"):
        _put_series(row, name, np.concatenate([getattr(stage, name) for stage in stages]))
    return row


def convergence_row(
    *, alpha: float, n: int, seeds: Sequence[int], device: str = "cpu", tolerance: float, **settings: Any
) -> dict[str, Any]:
    """Epochs until the loss of descent stays within `tolerance` of its fall from its last value (`time`), the share of
    seeds that end at the teacher (`solved`: eps_g < 0.01), and where they end (`eps_g`).
    """
    result = descend(Task(alpha=alpha), n=n, seeds=tuple(seeds), settings=DescentSettings(**settings), device=device)
    stage = result.stages[0]
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(seeds), "diverged": len(result.diverged)}
    put_estimate(row, "time", convergence_epochs(stage.epochs, stage.loss, tolerance=tolerance).astype(float))
    put_estimate(row, "eps_g", stage.eps_g[-1, 0])
    row["solved"] = float(np.mean(stage.eps_g[-1, 0] < 0.01))
    return row


def annealing_row(
    *, alpha: float, q_stars: Sequence[float], n: int, seeds: Sequence[int], device: str = "cpu", **settings: Any
) -> dict[str, Any]:
    """Descent with q_star held on a slow ramp: lists over the levels, with `_error`."""
    annealed = anneal(alpha, q_stars, n=n, seeds=tuple(seeds), settings=DescentSettings(**settings), device=device)
    row: dict[str, Any] = {"level": [float(q) for q in q_stars]}
    for name in ("eps_g", "p", "r", "loss"):
        _put_series(row, name, annealed[name])
        row[f"{name}_seeds"] = annealed[name].tolist()
    return row


def gibbs_row(
    *,
    alpha: float,
    beta: float = 20.0,
    prior: str = "none",
    channel: Mapping[str, Any] | None = None,
    n: int,
    seeds: Sequence[int] | int,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """The Gibbs measure of one task by Hamiltonian Monte Carlo: q, r, q_star, p, eps_g and energy (E/P) with errors
    over the disorder, mean acceptance, least effective sample size and largest R-hat over seeds and scalars.

    settings : fields of GibbsSettings.

    Raises
    ------
    ValueError : an argument out of range (from Task, GibbsSettings, sample), fewer than 2 seeds (no error bar).
    """
    chosen = seeds_for_error_bars(seeds)
    task = Task(alpha=alpha, beta=beta, prior=prior, channel=_channel(channel))
    result = sample(task, n=n, seeds=chosen, settings=GibbsSettings(**settings), device=device)
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(chosen), "diverged": 0}
    for name in GIBBS_OBSERVABLES:
        put_estimate(row, name, result.values(name))
    return row | diagnostics(result.stages[0])


def gibbs_two_task_row(
    *,
    alpha_1: float,
    alpha_2: float,
    gamma: float,
    r0: float,
    beta: float = 20.0,
    prior: str = "none",
    anchor: str = "kl",
    replay: float = 0.0,
    n: int,
    seeds: Sequence[int],
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """The Gibbs measure of a second task given a reference drawn from the first: p_1, p_2, eps_1, eps_2, q, r, q_star
    of the second task with errors over the disorder, and the sampler's diagnostics on it. `prior` is task 1's, and
    `replay` patterns of task 1 per weight are learned again.
    """
    second = Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor, replay={1: replay})
    chain = Chain((Task(alpha=alpha_1, beta=beta, prior=prior), second), overlaps=(r0,))
    chosen = GibbsSettings(**settings)
    first = _first_sample(chain.tasks[0], n, tuple(seeds), chosen, device)
    result = sample(chain, n=n, seeds=tuple(seeds), settings=chosen, device=device, start=first)
    row: dict[str, Any] = {"alpha_2": float(alpha_2), "n": n, "n_seeds": len(seeds)}
    for task in (0, 1):
        put_estimate(row, f"p_{task + 1}", result.values("p", on=task))
        put_estimate(row, f"eps_{task + 1}", result.values("eps_g", on=task))
    for name in ("q", "r", "q_star"):
        put_estimate(row, name, result.values(name))
    return row | diagnostics(result.stages[1])


def diagnostics(stage: Any) -> dict[str, float]:
    """Mean acceptance, and the least effective sample size and largest R-hat over seeds and scalars."""
    return {
        "acceptance": float(stage.acceptance.mean()),
        "ess": float(min(np.nanmin(values) for values in stage.ess().values() if np.isfinite(values).any())),
        "rhat": float(max(np.nanmax(values) for values in stage.rhat().values() if np.isfinite(values).any())),
    }


def _channel(values: Mapping[str, Any] | None) -> Channel:
    """The channel that `channels.to_dict` wrote, without one the plain perceptron."""
    return PLAIN if values is None else from_dict(values)


@functools.lru_cache(maxsize=1)
def _first_task(task: Task, n: int, seeds: tuple[int, ...], settings: DescentSettings, device: str) -> DescentResult:
    """The descent of the first task that many second tasks start from."""
    return descend(task, n=n, seeds=seeds, settings=settings, device=device)


@functools.lru_cache(maxsize=1)
def _first_sample(task: Task, n: int, seeds: tuple[int, ...], settings: GibbsSettings, device: str) -> GibbsResult:
    """The samples of the first task that many second tasks take their reference from."""
    return sample(task, n=n, seeds=seeds, settings=settings, device=device)


def _put_series(row: dict[str, Any], name: str, values: np.ndarray) -> None:
    """Means and standard errors over the last axis (seeds), as lists; diverged seeds are left out."""
    count = np.isfinite(values).sum(-1)
    mean = np.nanmean(values, axis=-1)
    error = np.nanstd(values, axis=-1, ddof=1) / np.sqrt(count)
    row[name], row[f"{name}_error"] = mean.tolist(), error.tolist()


def put_estimate(row: dict[str, Any], name: str, values: np.ndarray) -> None:
    """Add mean, standard error and single values of an observable to a row; nan seeds (diverged) are left out of the
    mean, and what cannot be estimated is None."""
    finite = np.asarray(values, dtype=float)[np.isfinite(values)]
    estimate = Estimate.from_samples(finite) if finite.size >= 2 else None
    row[name] = None if estimate is None else estimate.mean
    row[f"{name}_error"] = None if estimate is None else estimate.error
    row[f"{name}_seeds"] = [None if not math.isfinite(value) else float(value) for value in values]


def get_estimate(row: Mapping[str, Any], name: str) -> Estimate | None:
    """The estimate that `put_estimate` wrote."""
    if row.get(name) is None:
        return None
    return Estimate(row[name], row[f"{name}_error"], sum(value is not None for value in row[f"{name}_seeds"]))


def seeds_for_error_bars(seeds: Sequence[int] | int) -> tuple[int, ...]:
    """The seeds as a tuple; at least two, or there is no error bar."""
    chosen = check_seeds(seeds)
    if len(chosen) < 2:
        raise ValueError(f"seeds must be at least 2 for an error bar, got {len(chosen)}")
    return chosen
