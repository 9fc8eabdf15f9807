"""Chains with steps of replica symmetry breaking: limits, and the reference that a broken task leaves."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Chain, ChainSolution, Task, solve
from statmech_cl.channels import PLAIN
from statmech_cl.equilibrium.chain import Walk
from statmech_cl.equilibrium.rsb import StepEquations
from statmech_cl.equilibrium.step_chain import StepWalk
from statmech_cl.orders import StepOrders

BROKEN, STABLE = Task(alpha=1.0), Task(alpha=0.5)


def same(one: ChainSolution, other: ChainSolution, within: float) -> bool:
    pairs = [(one.eps_g, other.eps_g), (one.p, other.p), (one.reference_overlap, other.reference_overlap)]
    return all(np.abs(a - b).max() < within for a, b in pairs)


def test_stable_chains_come_back() -> None:
    chain = Chain((STABLE, Task(alpha=0.4), Task(alpha=0.3, anchor="none")), overlaps=(0.3, 0.2))
    assert same(solve(chain, rsb=1), solve(chain), 1e-10)
    assert all(task.steps == 0 for task in solve(chain, rsb=2).tasks)


def test_a_broken_task_leaves_its_own_measure() -> None:
    """The density of theta_1 has the moments of the solution with a step, not those of the symmetric one."""
    chain = Chain((BROKEN,))
    first = solve(BROKEN, rsb=1)
    assert first.steps == 1
    reference = StepWalk.first(chain, first).reference
    m, masses = np.tanh(reference.theta), reference.masses[:, 0]
    assert masses @ m == pytest.approx(first.r, abs=1e-11)
    assert masses @ m**2 == pytest.approx(first.q_star, abs=1e-11)
    assert abs(masses @ m**2 - solve(BROKEN).q_star) > 0.01
    # without patterns and with the weakest of anchors nothing of it is left
    gone = solve(Chain((BROKEN, Task(alpha=0.0, gamma=0.0)), overlaps=(0.5,)), rsb=1)
    assert gone.eps_g[1] == pytest.approx([0.5, 0.5], abs=1e-12)
    # a strong anchor alone keeps its signs
    kept = solve(Chain((BROKEN, Task(alpha=0.0, gamma=5.0)), overlaps=(0.5,)), rsb=1)
    assert kept.eps_g[1, 0] == pytest.approx(first.eps_g, abs=1e-4)


def test_a_closed_step_behind_a_reference_is_replica_symmetry() -> None:
    chain = Chain((STABLE, Task(alpha=0.9, gamma=0.3)), overlaps=(0.4,))
    walk = Walk.begin(chain, "best", "raise")
    plain = walk.equations(1, chain.tasks[1])
    second = solve(chain).tasks[1]
    orders = StepOrders(
        second.q, second.r, second.q - second.r**2, np.zeros(1), second.q_star - second.q, 1.0 - second.q_star,
        np.array([0.4]),
    )  # fmt: skip
    image = StepEquations(0.9, 20.0, plain.site, PLAIN, 1).apply(orders, np.zeros(5), 1.0)
    assert image.after.overlaps == pytest.approx(2 * [second.q], abs=1e-10)
    assert (image.after.r, image.after.q_star) == pytest.approx((second.r, second.q_star), abs=1e-10)
    assert image.replicons == pytest.approx(2 * [second.replicon], rel=1e-8)
    equations = StepEquations(0.9, 20.0, plain.site, PLAIN, 1)
    assert equations.free_entropy(image) == pytest.approx(second.free_entropy, abs=1e-10)


@pytest.mark.slow
def test_without_an_anchor_a_later_task_is_a_single_one() -> None:
    solution = solve(Chain((STABLE, Task(alpha=1.0, gamma=0.0))), rsb=1)
    alone = solve(Task(alpha=1.0), rsb=1)
    assert solution.tasks[1].overlaps == pytest.approx(alone.overlaps, abs=1e-10)
    assert solution.tasks[1].parisi == pytest.approx(alone.parisi, abs=1e-9)
    assert solution.eps_g[1] == pytest.approx([0.5, alone.eps_g], abs=1e-10)


@pytest.mark.slow
def test_a_task_breaks_behind_its_anchor() -> None:
    chain = Chain((BROKEN, Task(alpha=1.2, gamma=0.02), Task(alpha=0.5, gamma=0.5)), overlaps=(0.3, 0.3))
    solution = solve(chain, rsb=1)
    assert [task.steps for task in solution.tasks] == [1, 1, 0]
    second = solution.tasks[1]
    assert second.residual < 1e-10 and second.quadrature_error < 1e-9
    assert second.overlaps[0] < second.overlaps[1] < second.q_star
    # carried up column by column, the masses give the share of wrong signs that the solution was certified with
    walk = StepWalk.first(chain, solution.tasks[0]).step(1, 1, "best", "raise")[0]
    assert walk.flipped[1][1] == pytest.approx(0.5 * (1.0 - second.p), abs=1e-10)
    signs, m = walk.reference.signs, np.tanh(walk.reference.theta)
    weights = np.array([chain.weights[(chain.signs[:, :2] == row).all(axis=1)].sum() for row in signs])
    assert weights @ (m**2 @ walk.reference.masses) == pytest.approx(second.q_star, abs=1e-9)
    assert weights @ (signs[:, 1] * (m @ walk.reference.masses)) == pytest.approx(second.r, abs=1e-9)


def test_what_is_refused() -> None:
    chain = Chain((STABLE, Task(alpha=0.3)))
    with pytest.raises(ValueError, match=r"^parisi must come with a Task, got 0\.5 with a Chain"):
        solve(chain, rsb=1, parisi=0.5)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"^branch must be one of best, thermodynamic, all, got 'low'"):
        solve(chain, rsb=1, branch="low")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"^rsb must be a whole number >= 0, got -1"):
        solve(chain, rsb=-1)
