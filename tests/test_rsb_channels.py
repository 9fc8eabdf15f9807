"""Steps of replica symmetry breaking beyond one perceptron: trees, and the Bayes-optimal limit."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Task, Tree, solve
from statmech_cl.channels import PLAIN
from statmech_cl.equilibrium.classical import BinarySite, posterior_transitions, solve_posterior
from statmech_cl.equilibrium.rsb import StepEquations, to_step_unknowns, weights_of
from statmech_cl.orders import StepOrders
from statmech_cl.sites import FreeSite

BETA = 20.0
SIGN_INSTABILITY = 0.44951590


def orders_of(r: float, overlaps: list[float], q_star: float, parisi: list[float]) -> StepOrders:
    q = np.array(overlaps)
    return StepOrders(q[0], r, q[0] - r * r, np.diff(q), q_star - q[-1], 1.0 - q_star, np.array(parisi))


TWO_STEPS = orders_of(0.6, [0.7, 0.8, 0.86], 0.9, [0.3, 0.6])


@pytest.mark.parametrize("layers", [1, 2])
def test_a_linear_tree_is_the_perceptron(layers: int) -> None:
    tree = Tree(hidden_layers=layers, activation="linear").step_averages(TWO_STEPS, BETA, 1.0)
    for one, other in zip(tree, PLAIN.step_averages(TWO_STEPS, BETA, 1.0), strict=True):
        assert one == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize(("layers", "activation"), [(1, "sign"), (2, "erf"), (1, "relu")])
def test_hats_of_a_tree_are_derivatives_of_its_free_entropy(layers: int, activation: str) -> None:
    tree = Tree(hidden_layers=layers, activation=activation)
    x = np.array([0.6, 0.7, 0.8, 0.86, 0.9, 0.3, 0.6])  # r, q_l, q_star, x_l

    def g_e(x: np.ndarray) -> float:
        return tree.step_averages(orders_of(x[0], x[1:4], x[4], x[5:]), BETA, 1.3).g_e

    averages = tree.step_averages(TWO_STEPS, BETA, 1.0)
    hats = averages.q_hat + np.concatenate([[0.0], np.cumsum(averages.steps)])
    wanted = [
        averages.r_hat,
        *(-0.5 * weights_of(x[5:]) * hats),
        averages.q_star_hat,
        *(averages.entropies / x[5:] ** 2),
    ]
    slopes = [(g_e(x + e) - g_e(x - e)) / 2e-5 for e in 1e-5 * np.eye(x.size)]
    assert slopes == pytest.approx(wanted, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize("closed", [0, 1])
def test_equal_neighbours_in_a_tree_give_one_step_less(closed: int) -> None:
    one = orders_of(0.62, [0.75, 0.88], 0.89, [0.36])
    between = 0.2 if closed == 0 else 0.7
    two = one._replace(steps=np.insert(one.steps, closed, 0.0), parisi=np.insert(one.parisi, closed, between))
    site, tree = FreeSite(0.0), Tree()
    base = StepEquations(1.0, BETA, site, tree, 1)
    a = base.apply(one, to_step_unknowns(one, True), 1.0)
    b = StepEquations(1.0, BETA, site, tree, 2).apply(two, np.zeros(7), 1.0)
    assert b.after.overlaps[[0, -1]] == pytest.approx(a.after.overlaps[[0, -1]], abs=1e-10)
    assert (b.after.r, b.after.q_star) == pytest.approx((a.after.r, a.after.q_star), abs=1e-10)
    assert base.free_entropy(b) == pytest.approx(base.free_entropy(a), abs=1e-10)
    assert sorted(b.replicons)[0] == pytest.approx(min(a.replicons), rel=1e-10)


@pytest.mark.slow
def test_a_linear_tree_has_the_perceptron_s_solutions() -> None:
    tree, plain = (
        solve(Task(alpha=1.25, channel=channel), rsb=2, branch="low") for channel in (Tree(activation="linear"), PLAIN)
    )
    assert tree.overlaps == pytest.approx(plain.overlaps, abs=1e-11)
    assert (tree.r, tree.q_star, tree.eps_g) == pytest.approx((plain.r, plain.q_star, plain.eps_g), abs=1e-12)


@pytest.mark.slow
def test_one_step_of_a_tree_of_signs_is_stable() -> None:
    """Its curve begins where the composed replicon passes 1, and no further step opens."""
    near = solve(Task(alpha=SIGN_INSTABILITY + 1e-3, channel=Tree()), rsb=1, branch="low")
    plain = solve(Task(alpha=SIGN_INSTABILITY + 1e-3, channel=Tree()), branch="low")
    assert 1.0 < plain.replicon < 1.01
    assert 0.0 < near.overlaps[1] - near.overlaps[0] < 0.01
    assert near.eps_g == pytest.approx(plain.eps_g, abs=1e-5)
    assert solve(Task(alpha=SIGN_INSTABILITY - 1e-3, channel=Tree()), rsb=1).steps == 0
    one, three = (solve(Task(alpha=0.8, channel=Tree()), rsb=k, branch="low") for k in (1, 3))
    assert max(one.replicons) < 1.0 < solve(Task(alpha=0.8, channel=Tree()), branch="low").replicon
    assert one.residual < 1e-10 and one.quadrature_error < 1e-9
    assert (three.eps_g, three.steps) == (one.eps_g, 1)


@pytest.mark.slow
def test_the_curve_of_one_step_is_found_once() -> None:
    """In a tree of signs it begins and ends on a replica-symmetric curve: two instabilities, and one curve."""
    solutions = solve(Task(alpha=1.4, channel=Tree()), rsb=1, branch="all")
    assert sorted(one.q_star for one in solutions) == pytest.approx([0.929275, 0.935687, 0.991206], abs=1e-5)
    assert [one.saddle for one in sorted(solutions, key=lambda one: one.q_star)] == [True, False, False]


def test_the_posterior_does_not_break() -> None:
    """Its replicon is below 1 as far as it exists, and the raw map closes a step that is opened by hand."""
    spinodal = posterior_transitions().spinodal
    replicons = [solve_posterior(alpha, branch="low").replicon for alpha in (0.1, 0.8, 1.24, spinodal - 1e-4)]
    assert replicons[0] > 0.0 and replicons[-1] < 1.0 and np.all(np.diff(replicons) > 0.0)
    plain = solve_posterior(1.2, branch="low")
    equations = StepEquations(1.2, 1.0, BinarySite(), PLAIN, 1, (0.5,))
    open_step = orders_of(0.6, [0.62, 0.72], 0.86, [0.5])
    y = to_step_unknowns(open_step, False)
    for _ in range(12):
        image = equations.image(y)
        y = y + image.gap
    assert image.after.steps[0] < 1e-4
    assert image.after.overlaps == pytest.approx(2 * [plain.q], abs=2e-3)
    closed = image.before._replace(q=plain.q, r=plain.r, perpendicular=plain.q - plain.r**2, steps=np.zeros(1),
                                   fluctuation=0.5 * (1.0 - plain.q), uncertainty=0.5 * (1.0 - plain.q))  # fmt: skip
    exact = equations.apply(closed, np.zeros(4), 1.0)
    assert exact.after.overlaps == pytest.approx(2 * [plain.q], abs=1e-10)
    assert exact.replicons == pytest.approx(2 * [plain.replicon], rel=1e-8)
    assert equations.free_entropy(exact) == pytest.approx(plain.free_entropy, abs=1e-10)
