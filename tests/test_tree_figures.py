"""The figures of trees at toy sizes: computed, judged by their rule, drawn."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_figures import drawn

from statmech_cl import Chain, Task, Tree, figures, solve
from statmech_cl.estimate import Estimate
from statmech_cl.paper_repro import FIGURES
from statmech_cl.paper_repro.tree_rows import tree_chain_row
from statmech_cl.paper_repro.two_sizes import plane
from statmech_cl.simulations.perceptron.teachers import n_patterns

SMALL: dict[str, dict[str, Any]] = {"tree-b": {"alpha": [0.5], "hidden_layers": [0, 1], "r0": [0.0, 0.5]}}

_TOY = {"walkers": 2, "leapfrogs": 3}
SLOW: dict[str, dict[str, Any]] = {
    "tree-a": {
        "to": 0.6,
        "hidden_layers": [0, 1],
        "sizes": {"0": [1, 21], "1": [3, 7]},
        "descended_at": [0.5],
        "few": {"3": [0.1]},
        "few_inputs": [5, 7],
        "n_seeds": 2,
        "descended": 2,
        "descent": {"epochs": 3, "records": 1},
        "sampler": {**_TOY, "warmup": 10, "draws": 6},
    },
    "tree-c": {"tasks": 2, "hidden_layers": [0, 1], "anchors": ["kl", "l2"]},
    "tree-k": {
        "lines": {"3": [0.1, 0.2]},
        "many": [0.1, 0.2],
        "sampled_at": [0.2],
        "sizes": {"3": [[5, 2], [7, 2]]},
        "sampler": {**_TOY, "warmup": 10, "draws": 6},
    },
    "tree-gibbs": {
        "sizes": [[3, 5, 2], [3, 7, 2], [5, 5, 2]],
        "sampler": _TOY,
        "iterations": {label: [10, 6] for label in ("alpha = 0.2", "three tasks", "alpha = 0.5")},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("figure", sorted(SLOW))
def test_simulated_figure_is_computed_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At toy sizes the verdict need not hold; it must judge what it says."""
    drawn(figure, SLOW[figure], tmp_path, monkeypatch)


def test_a_plane_through_two_sizes() -> None:
    """a + b/K + c/n is found exactly; the errors are those of least squares over many draws."""
    sizes = [(9, 15), (9, 31), (17, 15), (17, 31)]
    exact = {(k, n): 0.3 + 0.5 / k - 0.7 / n for k, n in sizes}
    fit = plane({at: Estimate(value, 0.01, 16) for at, value in exact.items()})
    assert (fit.limit.mean, fit.by_units.mean, fit.by_inputs.mean) == pytest.approx((0.3, 0.5, -0.7))
    assert fit.chi2 < 1e-20 and fit.dof == 1
    rng = np.random.default_rng(0)
    drawn = [
        plane({at: Estimate(value + 0.01 * rng.normal(), 0.01, 16) for at, value in exact.items()}) for _ in range(400)
    ]
    spread = np.std([one.limit.mean for one in drawn])
    assert spread == pytest.approx(fit.limit.error, rel=0.15)
    assert np.mean([one.chi2 for one in drawn]) == pytest.approx(1.0, abs=0.3)
    with pytest.raises(ValueError, match=r"^by_sizes must hold sizes in a plane"):
        plane({(9, 15): Estimate(0.1, 0.01, 4), (9, 31): Estimate(0.1, 0.01, 4), (9, 63): Estimate(0.1, 0.01, 4)})


class Told:
    """A Context whose points are known formulas: p = 0.3 + 0.5 / K - 0.7 / n + shift, and lines of theory that end."""

    def __init__(self, parameters: dict[str, Any], shift: float) -> None:
        self.parameters, self.seed, self.device, self.shift = parameters, 5, "cpu", shift
        self.seen: list[tuple[int, ...]] = []

    def points(self, function: Any, grid: Any, label: str) -> list[dict[str, Any]]:
        return [getattr(self, function.__name__)(**point) for point in grid]

    def tree_theory_row(self, *, alpha: list[float], **_: Any) -> dict[str, float]:
        tasks = range(1, len(alpha) + 1)
        row = {f"{name}_{t}": 0.3 for t in tasks for name in ("q", "r", "q_star")}
        row |= {f"replicon_{t}": 2.0 if alpha[0] == 0.5 else 0.4 for t in tasks}
        return row | {f"p_{t}_{k}": 0.3 for t in tasks for k in tasks}

    def tree_gibbs_row(self, *, alpha: list[float], units: int, inputs: int, seeds: list[int], **_: Any) -> dict:
        assert not {tuple(seeds)} & set(self.seen) or alpha[0] != 0.2  # sizes have seeds of their own
        self.seen.append(tuple(seeds) if alpha[0] == 0.2 else ())
        value = 0.3 + 0.5 / units - 0.7 / inputs + self.shift
        noise = np.linspace(-0.01, 0.01, len(seeds))
        names = self.tree_theory_row(alpha=alpha)
        row: dict[str, Any] = {"rhat": 1.01, "ess": 200.0}
        for name in (*names, "eps_1_1"):
            row |= {name: value, f"{name}_error": 0.005, f"{name}_seeds": (value + noise).tolist()}
        return row

    def tree_descent_row(self, *, overlapping: bool = False, **_: Any) -> dict[str, Any]:
        found = {"eps_1_1": None if overlapping else 0.2, "eps_1_1_error": None if overlapping else 0.01}
        return {**found, "test_1_1": 0.25, "test_1_1_error": 0.01, "diverged": 0}

    def line_row(self, *, to: float, hidden_layers: int, **_: Any) -> dict[str, Any]:
        points = [
            {"curve": 0, "alpha": a, "eps_g": 0.5 - 0.1 * a, "stable": a < 0.7, "replicon": a / 0.7}
            for a in (0.01, 0.5, to)
        ]
        return {"points": points, "events": [{"event": "fold", "alpha": 1.0 + hidden_layers}]}

    def few_units_row(self, *, units: int, alpha: float, **_: Any) -> dict[str, float]:
        found = dict.fromkeys(("q", "r", "q_star", "p"), 0.3 + 0.5 / units)
        replicon = 2.0 if (units, alpha) == (5, 0.5) else alpha
        return {**found, "eps_g": 0.4, "replicon": replicon, "residual": 1e-12, "quadrature_error": 1e-8}

    def many_units_row(self, *, alpha: float, **_: Any) -> dict[str, float]:
        return self.few_units_row(units=10**9, alpha=alpha)

    def tree_chain_row(self, *, alpha: list[float], hidden_layers: int, anchor: str, **_: Any) -> dict[str, Any]:
        count = len(alpha)
        best = {0: "kl", 1: "ewc"}.get(hidden_layers, "l2")
        errors = [[0.45 if k > t else 0.4 - 0.01 * (anchor == best) for k in range(count)] for t in range(count)]
        return {"eps_g": errors, "replicon": [0.5] * count, "residual": 1e-13, "quadrature_error": 1e-11}


@pytest.mark.parametrize("shift", [0.0, 0.1])
@pytest.mark.parametrize("figure", ["tree-a", "tree-gibbs", "tree-k"])
def test_verdict_follows_the_extrapolated_sampler(figure: str, shift: float) -> None:
    told: Any = Told(copy.deepcopy(FIGURES[figure].scales["quick"]), shift)
    data = FIGURES[figure].compute(told)
    verdict = FIGURES[figure].verdict(data)
    assert verdict.holds == (shift == 0.0)
    judged = [row for row in verdict.rows if row.judged]
    assert judged and all(row.simulation is not None and row.theory is not None for row in judged)
    assert all(abs(row.simulation.mean - row.theory - shift) < 1e-9 for row in judged if row.simulation)
    if figure == "tree-gibbs":  # no point with a replicon above 1 decides
        assert not any("alpha = 0.5" in row.what for row in judged)
    if figure != "tree-gibbs":  # the error of few units at the overlap found, by enumeration of their signs
        for limit in data.select(kind="limit", units=3, alpha=0.2):
            if "eps_g" in limit:
                p = limit.get("p", limit.get("value"))
                wrong = np.arccos(p) / np.pi
                assert limit["eps_g"] == pytest.approx(1.5 * wrong - 1.5 * wrong**2 + wrong**3)
                assert limit["eps_g_below"] > 0.0 and limit["eps_g_above"] > 0.0
    if figure == "tree-k":
        assert len(judged) == 20 and not any(row.what.endswith("K = 5, alpha=0.5") for row in judged)
    with figures.style():
        assert len(figures.rendered(FIGURES[figure].draw(data), "png")) > 1000


def test_matrices_name_the_best_anchor_at_each_depth() -> None:
    told: Any = Told(copy.deepcopy(FIGURES["tree-c"].scales["quick"]), 0.0)
    data = FIGURES["tree-c"].compute(told)
    verdict = FIGURES["tree-c"].verdict(data)
    assert verdict.holds and "ewc at 1 hidden layer (0.3900; kl 0.4000), l2 at 2 hidden layers (" in verdict.sentence
    with figures.style():
        assert len(figures.rendered(FIGURES["tree-c"].draw(data), "png")) > 1000


@pytest.mark.parametrize("figure", sorted(SMALL))
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(figure, SMALL[figure], tmp_path, monkeypatch).verdict.holds


def test_rows_are_those_of_solve() -> None:
    tasks = Task(alpha=0.5, channel=Tree()), Task(alpha=0.4, gamma=0.7, anchor="ewc", channel=Tree())
    chain, alone = solve(Chain(tasks, overlaps=0.2)), solve(Task(alpha=0.4, channel=Tree()))
    row = tree_chain_row(alpha=[0.5, 0.4], beta=20.0, r0=0.2, hidden_layers=1, anchor="ewc", gamma=0.7)
    assert row["eps_g"] == chain.eps_g.tolist()
    assert row["forgetting"] == [chain.eps_g[1, 0] - chain.eps_g[0, 0]]
    assert row["gain"] == alone.eps_g - chain.eps_g[1, 1]


def test_patterns_of_few_units_are_rounded_alike_at_every_size() -> None:
    """alpha N less the number of patterns: 0 or the same half at every N, so a term in 1/n."""
    for scale in FIGURES["tree-k"].scales.values():
        for units, sizes in scale["sizes"].items():
            for alpha in scale["sampled_at"]:
                missed = {round(alpha * int(units) * n - n_patterns(alpha, int(units) * n), 9) for n, _ in sizes}
                assert len(missed) == 1
