"""The second task given a measured reference: the theory's own density must give the theory's own answer."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Chain, Task, solve
from statmech_cl.equilibrium.chain import _first, solve_given
from statmech_cl.paper_repro.theory_rows import given_reference_row, two_task_solutions_row
from statmech_cl.simulations.perceptron.descent import DescentSettings, descend
from statmech_cl.simulations.perceptron.rows import gibbs_reference_row, reference_row

CASE = {"alpha_1": 2.0, "alpha_2": 1.0, "gamma": 1.0, "r0": 0.5, "beta": 100.0, "prior": "kl"}
CHAIN = Chain((Task(alpha=2.0, beta=100.0, prior="kl"), Task(alpha=1.0, beta=100.0)), overlaps=0.5)


def test_the_theorys_own_density_gives_its_own_solution():
    _, theta, masses = _first(CHAIN.tasks[0], "best", "raise")
    expected = solve(CHAIN)
    (solution,) = solve_given(CHAIN, theta, 3.0 * masses[:, 0])  # masses need not be normalised
    for name in ("q", "r", "q_star", "eps_g"):
        assert getattr(solution.tasks[1], name) == pytest.approx(getattr(expected.tasks[1], name), abs=1e-9)
    np.testing.assert_allclose(solution.eps_g, expected.eps_g, atol=1e-9)


def test_bins_and_smoothing_of_a_measured_density_cost_little():
    _, theta, masses = _first(CHAIN.tasks[0], "best", "raise")
    number = np.rint(theta / 0.02).astype(int)
    bins, inverse = np.unique(number, return_inverse=True)
    share = np.bincount(inverse.ravel(), weights=masses[:, 0])
    kept = share > 1e-12
    binned = {"theta": (0.02 * bins[kept]).tolist(), "share": share[kept].tolist()}
    (measured,), (expected,) = (row["solutions"] for row in (given_reference_row(**binned, **CASE), _theory()))
    for name in ("eps_1", "eps_2", "q_star"):
        assert measured[name] == pytest.approx(expected[name], abs=2e-3), name


def _theory():
    return two_task_solutions_row(**CASE)


@pytest.mark.parametrize("method", ["descent", "gibbs"])
def test_a_measured_density_is_that_of_the_fields_along_the_teacher(method):
    common = {"alpha": 1.0, "n": 41, "seeds": [0, 1, 2]}
    if method == "descent":
        row = reference_row(**common, epochs=20, records=1)
        result = descend(Task(alpha=1.0), n=41, seeds=3, settings=DescentSettings(epochs=20, records=1))
        np.testing.assert_array_equal(row["eps_g_seeds"], result.values("eps_g"))
    else:
        row = gibbs_reference_row(**common, warmup=10, draws=6, walkers=2, leapfrogs=3)
    theta, share = np.array(row["theta"]), np.array(row["share"])
    assert share.sum() == pytest.approx(1.0) and (np.diff(theta) > 0.019).all()
    if method == "descent":
        assert np.mean(result.values("p")) == pytest.approx(share @ np.sign(theta), abs=0.03)  # but for the bin at 0
        assert np.mean(result.values("r")) == pytest.approx(share @ np.tanh(theta), abs=1e-3)


def test_only_chains_of_two_tasks_have_a_reference_to_give():
    with pytest.raises(ValueError, match="chain must have two tasks, got 1"):
        solve_given(Chain((Task(alpha=1.0),)), np.zeros(1), np.ones(1))
