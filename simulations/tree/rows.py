"""Simulated trees as rows of plain numbers: what figures and tables store of a run.

A row holds, for each observable x of the tasks t of a chain, its mean over the seeds (`x_t`), the standard error and
the values of the single seeds. `p_t_k` is the overlap of the signs with teacher k after task t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.problem import Chain, Task
from statmech_cl.trees import Tree

from ..perceptron import descent as perceptron
from ..perceptron.gibbs import GibbsResult, GibbsSettings
from ..perceptron.problem_rows import worst_of
from ..perceptron.records import DescentResult
from ..perceptron.rows import put_estimate
from . import descent, gibbs
from .shape import Shape


def tree_gibbs_row(
    *,
    alpha: Sequence[float],
    beta: float,
    r0: float,
    gamma: float,
    hidden_layers: int,
    units: int,
    inputs: int,
    seeds: Sequence[int],
    counted: bool = False,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """The Gibbs measure of trees of signs, task after task (KL anchor), with the sampler's diagnostics.

    settings : fields of GibbsSettings.
    """
    chain = _chain(alpha, beta, r0, gamma, hidden_layers)
    shape = Shape(inputs=inputs, units=units, channel=Tree(hidden_layers=hidden_layers), counted=counted)
    result = gibbs.sample(chain, shape=shape, seeds=seeds, settings=GibbsSettings(**settings), device=device)
    return _row(result, ("q", "r", "q_star"), seeds) | worst_of(result)


def tree_descent_row(
    *,
    alpha: Sequence[float],
    r0: float,
    gamma: float,
    hidden_layers: int,
    units: int,
    inputs: int,
    seeds: Sequence[int],
    overlapping: bool = False,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """Descent of trees of signs (of perceptrons without a hidden layer), task after task (KL anchor).

    settings : fields of DescentSettings.
    """
    chain = _chain(alpha, 1.0, r0, gamma, hidden_layers)  # descent knows no beta
    chosen = DescentSettings(**settings)
    if hidden_layers == 0:
        result = perceptron.descend(chain, n=inputs, seeds=seeds, settings=chosen, device=device)
    else:
        shape = Shape(inputs=inputs, units=units, channel=Tree(hidden_layers=hidden_layers), overlapping=overlapping)
        result = descent.descend(chain, shape=shape, seeds=seeds, settings=chosen, device=device)
    return _row(result, ("r", "q_star"), seeds) | {"diverged": len(result.diverged)}


def _chain(alpha: Sequence[float], beta: float, r0: float, gamma: float, hidden_layers: int) -> Chain:
    channel = Tree(hidden_layers=hidden_layers)
    return Chain(tuple(Task(alpha=a, beta=beta, gamma=gamma, channel=channel) for a in alpha), overlaps=r0)


def _row(result: GibbsResult | DescentResult, names: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    row: dict[str, Any] = {"n_seeds": len(seeds)}
    tasks = range(len(result.chain.tasks))
    for after in tasks:
        for name in names:
            put_estimate(row, f"{name}_{after + 1}", result.values(name, after=after))
        for on in tasks:
            put_estimate(row, f"p_{after + 1}_{on + 1}", result.values("p", after=after, on=on))
            put_estimate(row, f"eps_{after + 1}_{on + 1}", result.values("eps_g", after=after, on=on))
            if isinstance(result, DescentResult):
                put_estimate(row, f"test_{after + 1}_{on + 1}", result.values("eps_test", after=after, on=on))
    return row
