"""The figures of trees at toy sizes: computed, judged by their rule, drawn."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from statmech_cl import Chain, Task, Tree, solve
from statmech_cl.estimate import Estimate
from statmech_cl.paper_repro import FIGURES, reproduce
from statmech_cl.paper_repro.tree_rows import tree_chain_row
from statmech_cl.paper_repro.two_sizes import plane

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
    scales = FIGURES[figure].scales
    small = {**copy.deepcopy(scales["quick"]), **SLOW[figure]}
    assert set(small) == set(scales["quick"]), f"{figure}: a size that the figure does not have"
    monkeypatch.setitem(scales, "quick", small)
    result = reproduce(figure, out=tmp_path, quiet=True)
    assert result.verdict.rows and result.verdict.sentence.endswith(".")
    assert all(path.stat().st_size > 0 for path in result.files)


def test_a_plane_through_two_sizes() -> None:
    """a + b/K + c/n is found exactly; the errors are those of least squares over many draws."""
    sizes = [(9, 15), (9, 31), (17, 15), (17, 31)]
    exact = {(k, n): 0.3 + 0.5 / k - 0.7 / n for k, n in sizes}
    fit = plane({at: Estimate(value, 0.01, 16) for at, value in exact.items()})
    assert (fit.limit.mean, fit.by_units.mean, fit.by_inputs.mean) == pytest.approx((0.3, 0.5, -0.7))
    assert fit.chi2 < 1e-20 and fit.dof == 1 and fit.correction(9, 15) == pytest.approx(exact[9, 15] - 0.3)
    rng = np.random.default_rng(0)
    drawn = [
        plane({at: Estimate(value + 0.01 * rng.normal(), 0.01, 16) for at, value in exact.items()}) for _ in range(400)
    ]
    spread = np.std([one.limit.mean for one in drawn])
    assert spread == pytest.approx(fit.limit.error, rel=0.15)
    assert np.mean([one.chi2 for one in drawn]) == pytest.approx(1.0, abs=0.3)
    with pytest.raises(ValueError, match=r"^found must hold sizes in a plane"):
        plane({(9, 15): Estimate(0.1, 0.01, 4), (9, 31): Estimate(0.1, 0.01, 4), (9, 63): Estimate(0.1, 0.01, 4)})


@pytest.mark.parametrize("figure", sorted(SMALL))
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = FIGURES[figure].scales
    small = {**copy.deepcopy(scales["quick"]), **SMALL[figure]}
    assert set(small) == set(scales["quick"]), f"{figure}: a size that the figure does not have"
    monkeypatch.setitem(scales, "quick", small)
    result = reproduce(figure, out=tmp_path, quiet=True)
    assert result.verdict.holds and result.verdict.rows and result.verdict.sentence.endswith(".")
    assert all(path.stat().st_size > 0 for path in result.files)


def test_rows_are_those_of_solve() -> None:
    tasks = Task(alpha=0.5, channel=Tree()), Task(alpha=0.4, gamma=0.7, anchor="ewc", channel=Tree())
    chain, alone = solve(Chain(tasks, overlaps=0.2)), solve(Task(alpha=0.4, channel=Tree()))
    row = tree_chain_row(alpha=[0.5, 0.4], beta=20.0, r0=0.2, hidden_layers=1, anchor="ewc", gamma=0.7)
    assert row["eps_g"] == chain.eps_g.tolist()
    assert row["forgetting"] == [chain.eps_g[1, 0] - chain.eps_g[0, 0]]
    assert row["gain"] == alone.eps_g - chain.eps_g[1, 1]
