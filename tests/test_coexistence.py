"""Which of several solutions is meant: saddles, the thermodynamic one, how many there are, what is drawn of them."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Chain, Task, figures, solve, trace
from statmech_cl.equilibrium.landscape import landscape
from statmech_cl.equilibrium.saddle import equations_of, is_saddle, jacobian_of, newton

COEXISTING = Task(alpha=1.6)
PRIOR = Task(alpha=1.8, beta=100.0, prior="kl")
CHAIN = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.5)


@pytest.mark.parametrize("task", [COEXISTING, PRIOR])
def test_the_saddle_is_the_one_in_the_middle_and_never_stable(task: Task) -> None:
    solutions = sorted(solve(task, branch="all"), key=lambda solution: solution.r)
    assert [solution.saddle for solution in solutions] == [False, True, False]
    assert min(solutions, key=lambda solution: solution.free_entropy).saddle
    assert not solutions[1].stable
    assert [solution.coexisting for solution in solutions] == [2, 2, 2]
    assert sum(solution.thermodynamic for solution in solutions) == 1


def test_a_saddle_with_a_replicon_below_1_is_not_stable() -> None:
    (saddle,) = (solution for solution in solve(PRIOR, branch="all") if solution.saddle)
    assert saddle.replica_stable and not saddle.stable
    assert not saddle.to_dict()["stable"]


def test_best_says_that_it_is_metastable_and_thermodynamic_is_another() -> None:
    best, leading = solve(COEXISTING), solve(COEXISTING, branch="thermodynamic")
    assert best.stable and best.thermodynamic is False and best.coexisting == 2
    assert leading.thermodynamic and leading.free_entropy > best.free_entropy
    assert solve(COEXISTING, branch="low").coexisting == 2
    alone = solve(Task(alpha=0.5))
    assert alone.thermodynamic and alone.coexisting == 0 and not alone.saddle


def test_saddles_lie_between_the_folds_of_a_traced_curve() -> None:
    branch = trace(COEXISTING, span=(1.3, 2.1))
    overlaps = sorted(fold["r"] for fold in branch.folds)
    for point in branch.points:
        if min(abs(point.r - r) for r in overlaps) > 1e-3:
            assert point.saddle == (overlaps[0] < point.r < overlaps[1])


def test_the_axis_is_the_parameter_that_was_followed() -> None:
    branch = trace(Task(alpha=1.0), parameter="beta", span=(10.0, 20.0))
    _, ax = figures.new()
    figures.curve(ax, branch, "eps_g")
    assert ax.get_xlabel() == r"$\beta$"
    drawn = np.concatenate([line.get_xdata() for line in ax.lines])
    assert drawn.min() == pytest.approx(10.0) and drawn.max() == pytest.approx(20.0)


def test_forgetting_along_a_chain_can_be_drawn() -> None:
    branch = trace(CHAIN, parameter="gamma", span=(0.5, 1.0))
    _, ax = figures.new()
    figures.curve(ax, branch, "eps_1")
    at, drawn = ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
    for gamma, eps_1 in zip(at, drawn, strict=True):
        again = solve(Chain((Task(alpha=2.0), Task(alpha=1.0, gamma=gamma)), overlaps=0.5))
        assert eps_1 == pytest.approx(again.eps_g[1, 0], abs=1e-9)
    with pytest.raises(ValueError, match=r"^column must be one of .*, got 'p_7' \(did you mean 'p_[12]'\?\)$"):
        figures.curve(ax, branch, "p_7")
    assert branch.to_dict()["points"][0]["eps_1"] == pytest.approx(drawn[0])


def test_continuation_that_steps_beyond_alpha_0_turns_back() -> None:
    strong = Chain((Task(alpha=2.0), Task(alpha=1.0, gamma=10.0)), overlaps=0.3)
    assert solve(strong, branch="thermodynamic").eps_g[1, 0] == pytest.approx(solve(strong).eps_g[1, 0], abs=1e-9)


def test_what_a_chain_forgets_and_carries_over() -> None:
    solution = solve(CHAIN)
    assert solution.forgetting[0] == solution.eps_g[1, 0] - solution.eps_g[0, 0] > 0.0
    assert solution.transfer[0] == 0.5 - solution.eps_g[0, 1] > 0.0
    assert solution.average_accuracy == pytest.approx(1.0 - solution.eps_g[1].mean())
    assert str(solution).startswith("ChainSolution(2 tasks")


@pytest.mark.parametrize("alpha", [0.3, 1.5, 1.905, 1.90580252])
def test_derivatives_along_a_curve_are_close_to_those_taken_afresh(alpha: float):
    task = Task(alpha=alpha)
    equations = equations_of(task)
    for stretch in landscape(task).stretches:
        if not stretch.low <= alpha <= stretch.high:
            continue
        near = stretch.near(alpha)
        root = newton(equations, near.y, polish=True)
        fresh = jacobian_of(equations, equations.image(root.image.y), 1.0)
        if near.jacobian is not None:
            assert near.jacobian == pytest.approx(fresh, abs=2e-3)
        with_it = newton(equations, near.y, polish=True, jacobian=near.jacobian)
        assert with_it.image.before.distance(root.image.before) < 1e-10
        assert is_saddle(with_it) == (np.linalg.det(-fresh) < 0.0) == (stretch.order == 1)


def test_next_to_a_fold_no_derivative_is_guessed():
    first = landscape(Task(alpha=1.0)).stretches[0]
    assert first.near(1.0).jacobian is not None
    assert first.near(first.high - 1e-9).jacobian is None
