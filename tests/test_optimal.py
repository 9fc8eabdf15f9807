"""The optimum of a chain's anchors: against a scan, its derivatives against differences of solve(), its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from statmech_cl import Chain, Task, optimise, solve
from statmech_cl.protocols.optimal import checked

PAIR = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.3)
TRIPLE = Chain((Task(alpha=1.0),) * 3, overlaps=0.3)


def _error(chain: Chain, gamma: float, weights: tuple[float, float]) -> float:
    tasks = (chain.tasks[0], replace(chain.tasks[1], gamma=gamma))
    return float(np.dot(weights, solve(replace(chain, tasks=tasks)).eps_g[-1]))


def test_the_worst_error_is_where_both_tasks_err_alike() -> None:
    optimum = optimise(PAIR, objective="worst", n_starts=1)
    (gamma,) = optimum.values["gamma"]
    after = optimum.solution.eps_g[-1]
    assert after[0] == pytest.approx(after[1], abs=1e-8)
    assert optimum.objective == pytest.approx(after.max(), abs=1e-9)
    assert optimum.gradient < 1e-6
    for other in (0.9 * gamma, 1.1 * gamma):
        beside = replace(PAIR, tasks=(PAIR.tasks[0], replace(PAIR.tasks[1], gamma=other)))
        assert solve(beside).eps_g[-1].max() > optimum.objective + 1e-4


def test_weights_inside_the_bounds_are_minimised() -> None:
    weights = (0.3, 0.7)
    optimum = optimise(PAIR, objective=weights, n_starts=2)
    scan = {gamma: _error(PAIR, gamma, weights) for gamma in np.geomspace(1e-3, 10.0, 13)}
    assert optimum.objective <= min(scan.values()) + 1e-9
    assert optimum.objective == pytest.approx(_error(PAIR, optimum.values["gamma"][0], weights), abs=1e-10)
    assert optimum.gradient < 1e-5


def test_derivatives_are_those_of_solve() -> None:
    problem = checked(TRIPLE, ("gamma", "memory"), "mean", None)
    u = np.array([np.log(0.3), np.log(0.8), 0.9, 1.0])
    derivative = problem.derivatives(u)
    step = 2e-3
    for i in (0, 1, 2):
        e = step * np.eye(4)[i]
        around = [solve(problem.chain_at(u + k * e)).eps_g[-1] for k in (-2, -1, 1, 2)]
        slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
        assert derivative[:, i] == pytest.approx(slow, abs=1e-7)
    inside = [solve(problem.chain_at(u - k * step * np.eye(4)[3])).eps_g[-1] for k in (0, 1, 2, 3)]
    slow = (11.0 * inside[0] - 18.0 * inside[1] + 9.0 * inside[2] - 2.0 * inside[3]) / (6.0 * step)
    assert derivative[:, 3] == pytest.approx(slow, abs=1e-5)  # at the bound: from inside


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"over": ["gama"]}, "over must be one of gamma, memory, got 'gama' .did you mean 'gamma'"),
        ({"objective": "best"}, "objective must be one of mean, worst, got 'best'"),
        ({"objective": [1.0]}, "objective must hold 2 weights"),
        ({"bounds": {"memory": (0.0, 1.0)}}, "bounds must be one of gamma, got 'memory'"),
        ({"bounds": {"gamma": (0.0, 1.0)}}, r"bounds\['gamma'\] must be a finite number in \(0"),
        ({"n_starts": 5}, "n_starts must be at most 4, got 5"),
        ({"chain": Chain((Task(alpha=1.0), Task(alpha=1.0, anchor="none")))}, "anchor must not be 'none'"),
    ],
)
def test_bad_input_is_one_line(arguments: dict, line: str) -> None:
    given = {"chain": PAIR, **arguments}
    with pytest.raises(ValueError, match=line):
        optimise(given.pop("chain"), **given)
