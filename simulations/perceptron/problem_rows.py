"""A whole problem, one task or a chain, descended or sampled: one row of plain numbers.

Of one task a row holds each observable x with its standard error (`x`, `x_error`, `x_seeds`). Of a chain it holds
eps_g and p after each task on each task (`eps_g_after_2_on_1`), and q_star after each (`q_star_after_2`), likewise.
`patterns` and `alpha_used` say what N weights make of alpha: P patterns, and P / N; `replayed`, of a chain with replay,
how many patterns of earlier tasks each task learns besides. Of trees `units` is the number of units a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statmech_cl.problem import Problem, Task, from_dict

from ..tree import descent as tree_descent
from ..tree import gibbs as tree_gibbs
from ..tree.shape import Shape, shape_of, tree_of
from . import memory
from .descent import DescentSettings, descend
from .gibbs import sample
from .gibbs_records import GibbsResult, GibbsSettings
from .records import DescentResult
from .rows import DESCENT_OBSERVABLES, GIBBS_OBSERVABLES, diagnostics, put_estimate, seeds_for_error_bars
from .teachers import n_learned, n_patterns

FEW_SAMPLES = 100.0  # effective samples below which a sampled mean is not to be trusted
LARGEST_RHAT = 1.05


def problem_row(
    *,
    problem: Mapping[str, Any],
    method: str,
    n: int,
    seeds: Sequence[int] | int,
    device: str,
    units: int | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Descend or sample the problem that `statmech_cl.problem.to_dict` wrote.

    method : "descent", whose settings are the fields of DescentSettings, or "gibbs", with those of GibbsSettings.
    units : of each hidden layer of a tree; see simulations.tree.shape.shape_of.

    Raises
    ------
    ValueError : a value out of range, fewer than 2 seeds (no error bar), patterns that do not fit into memory.
    """
    task_or_chain = from_dict(problem)
    chosen = seeds_for_error_bars(seeds)
    shape = shape_for(task_or_chain, n, units)
    memory.check(task_or_chain, method=method, n=n, n_seeds=len(chosen), device=device, **settings)
    result: DescentResult | GibbsResult
    names: tuple[str, ...]
    if method == "descent":
        told = DescentSettings(**settings)
        if shape is None:
            result = descend(task_or_chain, n=n, seeds=chosen, settings=told, device=device)
        else:
            result = tree_descent.descend(task_or_chain, shape=shape, seeds=chosen, settings=told, device=device)
        diverged, names = len({one.seed for one in result.diverged}), DESCENT_OBSERVABLES
    else:
        asked = GibbsSettings(**settings)
        if shape is None:
            result = sample(task_or_chain, n=n, seeds=chosen, settings=asked, device=device)
        else:
            result = tree_gibbs.sample(task_or_chain, shape=shape, seeds=chosen, settings=asked, device=device)
        diverged, names = 0, GIBBS_OBSERVABLES
    row: dict[str, Any] = {"n": n, "n_seeds": len(chosen), "diverged": diverged}
    if shape is not None:
        row |= {"units": shape.layers[0]}
    if isinstance(task_or_chain, Task):
        patterns = n_patterns(task_or_chain.alpha, n)
        row |= {"patterns": patterns, "alpha_used": patterns / n}
        for name in names:
            put_estimate(row, name, result.values(name))
    else:
        counts = [n_patterns(task.alpha, n) for task in task_or_chain.tasks]
        row |= {"patterns": counts, "alpha_used": [count / n for count in counts]}
        if any(task.replay for task in task_or_chain.tasks):
            row["replayed"] = [
                n_learned(task, n) - count for task, count in zip(task_or_chain.tasks, counts, strict=True)
            ]
        tasks = range(len(task_or_chain.tasks))
        for after in tasks:
            for name in ("eps_g", "p"):
                for on in tasks:
                    put_estimate(row, f"{name}_after_{after + 1}_on_{on + 1}", result.values(name, after=after, on=on))
            put_estimate(row, f"q_star_after_{after + 1}", result.values("q_star", after=after))
    return row | (worst_of(result) if isinstance(result, GibbsResult) else {})


def shape_for(problem: Problem, n: int, units: int | None) -> Shape | None:
    """The shape of a tree of n weights; None for perceptrons.

    Raises
    ------
    ValueError : units without a hidden layer, tasks of different networks, an n that does not fit.
    """
    tree = tree_of(problem)
    if tree is not None:
        return shape_of(tree, n, units)
    if units is not None:
        raise ValueError(f"units must come with hidden_layers of 1 or more, got {units}")
    return None


def worst_of(result: GibbsResult) -> dict[str, float]:
    """The sampler's diagnostics, the worst over the tasks."""
    stages = [diagnostics(stage) for stage in result.stages]
    return {
        "acceptance": min(stage["acceptance"] for stage in stages),
        "ess": min(stage["ess"] for stage in stages),
        "rhat": max(stage["rhat"] for stage in stages),
    }


def doubts(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with a sampled row: walkers that disagree, too few effective samples."""
    told = []
    if row.get("rhat", 1.0) > LARGEST_RHAT:
        told.append(f"walkers disagree (R-hat {row['rhat']:.3g}; at most {LARGEST_RHAT:g} is sound)")
    if row.get("ess", FEW_SAMPLES) < FEW_SAMPLES:
        told.append(f"{row['ess']:.0f} effective samples (at least {FEW_SAMPLES:g} are wanted)")
    return told
