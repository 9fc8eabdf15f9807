"""The table of figures: every figure that `reproduce` makes, in the order in which it makes them all."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from . import (
    anchors,
    deep_a,
    deep_b,
    deep_c,
    deep_d,
    deep_overlap,
    dynamics,
    fig1a,
    fig2a,
    fig2b,
    fig2c,
    fig2d,
    figA1a,
    forgetting,
    forgetting_curves,
    gibbs_a,
    gibbs_b,
    map_a,
    map_b,
    map_c,
    methods,
    optimum_a,
    phase,
    replay_a,
    replay_b,
    rsb_a,
    rsb_b,
    rsb_c,
    settings,
    spectral,
    switch,
    tree_a,
    tree_b,
    tree_c,
    tree_gibbs,
    tree_k,
    two_tasks,
)
from .figure import Context, Data, Figure, Verdict


class _Module(Protocol):
    """What a module that makes one figure holds."""

    SCALES: dict[str, dict[str, Any]]

    def compute(self, context: Context) -> Data: ...
    def draw(self, data: Data) -> Any: ...
    def verdict(self, data: Data) -> Verdict: ...


def _of(module: _Module, id: str, shows: str, quick: str, paper: str) -> Figure:
    return Figure(id, shows, quick, paper, module.SCALES, module.compute, module.draw, module.verdict)


def _switch(task: int, id: str, shows: str) -> Figure:
    draw, verdict = partial(switch.draw, task=task), partial(switch.verdict, task=task)
    return Figure(id, shows, "3 min", "~20 min", switch.SCALES, switch.compute, draw, verdict)


def _two_tasks(tasks: tuple[int, ...], id: str, shows: str, quick: str, paper: str, **sizes: Any) -> Figure:
    draw, verdict = partial(two_tasks.draw, tasks=tasks), partial(two_tasks.verdict, tasks=tasks)
    return Figure(id, shows, quick, paper, two_tasks.scales(**sizes), two_tasks.compute, draw, verdict)


def _phase(id: str, shows: str, quick: str, **sizes: Any) -> Figure:
    return Figure(id, shows, quick, quick, phase.scales(**sizes), phase.compute, phase.draw, phase.verdict)


_ALPHA_2: dict[str, Any] = {"alpha": [2.0, 1.0], "x": ["alpha", 0.1, 5.0]}
_GAMMAS = (1.0, 0.1)  # descended together
_PRIOR: dict[str, Any] = {"gamma": 1.0, "prior": "kl", "beta": 100.0}

_TABLE = (
    _of(fig1a, "fig1a", "eps_g against epoch: one task, SGD, four alphas", "1.5 min", "~15 min"),
    _switch(1, "fig1b", "eps_g of task 1 against epoch over the switch to task 2"),
    _switch(2, "fig1c", "eps_g of task 2 against epoch over the switch to task 2"),
    _of(fig2a, "fig2a", "q, r, q_star against alpha: theory and gradient descent", "4 min", "~40 min"),
    _of(fig2b, "fig2b", "p and eps_g against alpha: theory and gradient descent", "4 min", "~30 min"),
    _of(fig2c, "fig2c", "convergence time of gradient descent against alpha", "5 min", "~60 min"),
    _of(fig2d, "fig2d", "eps_g against q_star at alpha = 2: SGD, annealing, theory", "1 min", "~10 min"),
    _two_tasks((1,), "fig3a", "eps_1 against alpha_2 at gamma = 1", "7 min", "~90 min", gamma=1.0, gammas=_GAMMAS),
    _two_tasks((2,), "fig3b", "eps_2 against alpha_2 at gamma = 1", "7 min", "~90 min", gamma=1.0, gammas=_GAMMAS),
    _two_tasks((1,), "fig3c", "eps_1 against alpha_2 at gamma = 0.1", "7 min", "~90 min", gamma=0.1, gammas=_GAMMAS),
    _two_tasks((2,), "fig3d", "eps_2 against alpha_2 at gamma = 0.1", "7 min", "~90 min", gamma=0.1, gammas=_GAMMAS),
    _of(figA1a, "figA1a", "p and eps_g against alpha with the KL prior, beta = 100", "3 min", "~30 min"),
    _two_tasks((1,), "figA1b", "eps_1 against alpha_2, task 1 with the KL prior", "7 min", "~90 min", **_PRIOR),
    _two_tasks((2,), "figA1c", "eps_2 against alpha_2, task 1 with the KL prior", "7 min", "~90 min", **_PRIOR),
    _two_tasks(
        (1, 2),
        "figA1d",
        "eps_1, eps_2 against alpha_2: SGD at alpha_1 = 1.4",
        "70 s",
        "~8 min",
        gamma=1.0,
        alpha_1=1.4,
    ),
    _of(gibbs_a, "gibbs-a", "theory against the sampled Gibbs measure, N to infinity", "4 min", "~45 min"),
    _of(gibbs_b, "gibbs-b", "what the sampler sees along alpha; where walkers disagree", "90 s", "~20 min"),
    _of(settings, "settings", "how descent's answer moves with its setting", "4 min", "~40 min"),
    _of(methods, "methods", "exact and fast dynamical theory, and descent, at five alphas", "3 min", "~15 min"),
    _of(anchors, "anchors", "forgetting of task 1 against error on task 2, by theory", "2 min", "~10 min"),
    _of(forgetting, "forgetting", "forgetting matrix of five tasks at three gammas, by theory", "5 s", "5 s"),
    _of(
        forgetting_curves,
        "forgetting-curves",
        "eps_1 and eps_2 against epoch of task 2 at three gammas: theory, descent",
        "2 min",
        "~20 min",
    ),
    _of(dynamics, "dynamics", "kernels of the dynamical theory, and what memory adds", "30 s", "~5 min"),
    _phase(
        "phase-a",
        "phase diagram of one task, (alpha, beta)",
        "8 s",
        alpha=[1.0],
        problem={},
        x=["alpha", 0.2, 3.0],
        y=["beta", 10.0, 200.0],
        at=20.0,
    ),
    _phase(
        "phase-b",
        "phase diagram of a second task, (alpha_2, gamma) at overlap 0.5",
        "1 min",
        **_ALPHA_2,
        problem={"overlap": 0.5},
        y=["gamma", 0.02, 2.0],
        at=0.05,
    ),
    _phase(
        "phase-c",
        "phase diagram of a second task, (alpha_2, overlap) at gamma = 1",
        "1 min",
        **_ALPHA_2,
        problem={"gamma": 1.0},
        y=["overlap", -0.9, 0.9],
        at=0.2,
    ),
    _of(map_a, "map-a", "forgetting and transfer over (overlap, alpha_2) by theory", "40 s", "~3 min"),
    _of(map_b, "map-b", "forgetting and transfer at nine points: theory, sampler, descent", "2.5 min", "~25 min"),
    _of(map_c, "map-c", "first rate of forgetting and overshoot over (overlap, alpha_2): dynamics", "5 min", "~20 min"),
    _of(replay_a, "replay-a", "both errors against replayed patterns; what one is worth in gamma", "40 s", "~2 min"),
    _of(replay_b, "replay-b", "both errors with replay: theory, sampler, descent", "1.5 min", "~15 min"),
    _of(optimum_a, "optimum-a", "the best gamma, and simulations at it, half and twice it", "4 min", "~40 min"),
    _of(rsb_a, "rsb-a", "eps_g, q_star against alpha: steps of replica symmetry breaking, sampler", "4 min", "~40 min"),
    _of(rsb_b, "rsb-b", "P(q): the sampled overlaps beside the theory's weights", "4 min", "~40 min"),
    _of(rsb_c, "rsb-c", "complexity against free entropy with one step, by theory", "5 s", "10 s"),
    _of(
        tree_a,
        "tree-a",
        "eps_g against alpha of trees: theory, sampler, descent; few units; shared inputs",
        "4 min",
        "~1 h",
    ),
    _of(
        tree_b,
        "tree-b",
        "trees of 0 to 3 hidden layers: forgetting and gain against the teachers' overlap, by theory",
        "11 s",
        "11 s",
    ),
    _of(tree_c, "tree-c", "forgetting matrix of five tasks of trees, three anchors, by theory", "18 s", "18 s"),
    _of(
        tree_gibbs, "tree-gibbs", "trees: the sampler at several K and n, extrapolated, beside theory", "~6 min", "~1 h"
    ),
    _of(tree_k, "tree-k", "trees of 3, 5 and many units: theory, and the sampler extrapolated in n", "7 min", "~1.5 h"),
    _of(deep_a, "deep-a", "permuted MNIST, 5 tasks: accuracy against epoch", "2 min", ""),
    _of(deep_b, "deep-b", "MNIST then Fashion-MNIST: accuracy against epoch", "1.5 min", ""),
    _of(deep_c, "deep-c", "weight uncertainty and KL term over the tasks", "1 min", ""),
    _of(deep_d, "deep-d", "permuted MNIST, many tasks: accuracy against the number of tasks", "2 min", "~2 h"),
    _of(deep_overlap, "deep-overlap", "forgetting of deep networks against the overlap of their weights", "4 min", ""),
    _of(spectral, "spectral", "spectral coherence and Anastrophic Beta: theory, descent, forgetting", "4 min", ""),
)
FIGURES: dict[str, Figure] = {figure.id: figure for figure in _TABLE}
