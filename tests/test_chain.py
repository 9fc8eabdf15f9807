"""Chains of tasks against a slow independent integration, the potential's own derivatives, and what must hold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slow_chain as slow

from statmech_cl import Chain, ChainSolution, ConvergenceError, Solution, Task, responses, solve, trace
from statmech_cl.equilibrium import chain
from statmech_cl.equilibrium.saddle import Equations
from statmech_cl.orders import Hats, to_unknowns

FIRST = Task(alpha=2.0)


def two(alpha: float, *, r0: float = 0.0, first: Task = FIRST, **last: Any) -> Chain:
    return Chain((first, Task(alpha=alpha, **last)), overlaps=r0)


def hats(solution: Solution) -> slow.Hats:
    return slow.Hats(solution.q_hat, solution.r_hat, solution.q_star_hat)


def deviation(problem: Chain, *, pairs: bool) -> float:
    """Largest distance of (q, r, q_star, p1, p2, overlap) from one slow application of the map at the hats."""
    solution = solve(problem)
    assert isinstance(solution, ChainSolution)
    first, last = solution.tasks
    task = last.task
    assert problem.overlaps is not None
    (r0,) = problem.overlaps
    reference = slow.first_reference(hats(first), first.task.beta if first.task.prior == "kl" else 0.0, r0)
    prior = task.beta if task.prior == "kl" else 0.0
    strength = task.beta * task.gamma if task.anchor != "none" else 0.0
    if pairs:
        after, _ = slow.by_pairs(reference, hats(last), prior, task.anchor, strength, task.memory)
    else:
        after, _ = slow.by_field(reference, hats(last), prior + strength, strength * task.memory)
    expected = (last.q, last.r, last.q_star, solution.p[1, 0], solution.p[1, 1], solution.reference_overlap[0])
    slowly = (after.q, after.r, after.q_star, after.p_first, after.p, after.overlap)
    assert last.residual < 1e-10 and last.quadrature_error < 1e-9
    return max(abs(a - b) for a, b in zip(expected, slowly, strict=True))


@pytest.mark.parametrize(
    ("problem", "pairs"),
    [
        (two(1.0), False),
        (two(0.1, r0=-0.5), False),
        (two(5.0, r0=0.5, gamma=0.1), False),
        (two(0.3, r0=0.5, gamma=0.1, memory=0.5), False),
        (two(2.0, r0=-0.5, gamma=0.1, prior="kl"), False),
        (two(1.0, r0=0.5, anchor="none"), False),
        (two(0.3, r0=-0.5, first=Task(alpha=0.5, prior="kl"), gamma=0.1), True),
        (two(0.5, r0=0.5, first=Task(alpha=0.5), gamma=0.1, anchor="ewc", memory=0.8), True),
        (two(0.3, r0=0.5, first=Task(alpha=0.5), gamma=0.1, anchor="l2"), True),
    ],
    ids=lambda value: f"{value.tasks[1].anchor}-{value.tasks[1].alpha:g}" if isinstance(value, Chain) else "",
)
def test_slow_integration_agrees(problem: Chain, pairs: bool) -> None:
    assert deviation(problem, pairs=pairs) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("anchor", ["kl", "ewc", "l2"])
@pytest.mark.parametrize(
    ("alpha", "r0", "options"),
    [
        (1.0, 0.0, {}),
        (3.0, -0.5, {"gamma": 0.1}),
        (0.3, 0.5, {"gamma": 0.1, "memory": 0.5}),
        (2.0, 0.5, {"gamma": 0.3, "prior": "kl"}),
    ],
)
def test_slow_integration_agrees_everywhere(anchor: str, alpha: float, r0: float, options: dict[str, Any]) -> None:
    assert deviation(two(alpha, r0=r0, anchor=anchor, **options), pairs=True) < 1e-9


@pytest.mark.parametrize(
    ("alpha", "r0", "eps_1", "eps_2"), [(1.0, 0.0, 0.150452, 0.468785), (2.0, 0.5, 0.188868, 0.267376)]
)
def test_check_points(alpha: float, r0: float, eps_1: float, eps_2: float) -> None:
    assert np.abs(solve(two(alpha, r0=r0)).eps_g[1] - [eps_1, eps_2]).max() < 1e-6


def test_third_task_by_slow_integration() -> None:
    problem = Chain((Task(alpha=1.2), Task(alpha=1.0, gamma=0.3), Task(alpha=0.8, gamma=0.2)), overlaps=(0.2, -0.4))
    solution = solve(problem)
    one, last = solution.tasks[0], solution.tasks[2]
    reference = slow.first_reference(hats(one), 0.0, 0.2)
    _, after = slow.by_field(reference, hats(solution.tasks[1]), 20.0 * 0.3, 20.0 * 0.3)
    signs = np.array([1.0, -1.0])  # of the second teacher, in the columns of `after`; the third's are independent
    columns = [after.masses @ np.ones(2), after.masses @ signs]  # plain, and weighted by s_2
    third = [slow.Reference(after.theta, c[:, None] * np.array([0.3, 0.7])) for c in columns]
    plain, _ = slow.by_field(third[0], hats(last), 20.0 * 0.2, 20.0 * 0.2)
    assert abs(plain.q - last.q) + abs(plain.r - last.r) + abs(plain.q_star - last.q_star) < 1e-9
    assert abs(plain.p_first - solution.p[2, 0]) + abs(plain.p - solution.p[2, 2]) < 1e-9
    assert abs(plain.overlap - solution.reference_overlap[1]) < 1e-9
    # p[2, 1] = E s_2 <sign m_3>: the difference of the two columns of sites
    by_sign = [
        slow.by_field(slow.Reference(after.theta, np.outer(c, [0.3, 0.7])), hats(last), 4.0, 4.0)[0].p_first
        for c in after.masses.T
    ]
    assert abs(by_sign[0] - by_sign[1] - solution.p[2, 1]) < 1e-9


# --- identities -------------------------------------------------------------------------------------------------------


def site_of(problem: Chain) -> Equations:
    walk = chain.Walk.begin(problem, "best", "raise")
    return walk.equations(1, problem.tasks[1])


@pytest.mark.parametrize(("anchor", "memory"), [("kl", 0.7), ("none", 1.0), ("ewc", 1.0), ("l2", 0.7)])
def test_orders_are_derivatives_of_the_potential(anchor: str, memory: float) -> None:
    problem = two(0.5, r0=0.3, first=Task(alpha=0.5), gamma=0.2, anchor=anchor, memory=memory)
    site = site_of(problem).site
    at = np.array([9.0, 2.0, 4.0])
    q, r, v, d, u = site.averages(Hats(*at), 1.0).orders
    step = 1e-3 * np.eye(3)
    by_q_hat, by_r_hat, by_q_star_hat = (
        (site.averages(Hats(*(at + e)), 1.0).g_s - site.averages(Hats(*(at - e)), 1.0).g_s) / 2e-3 for e in step
    )
    assert abs(by_q_hat + 0.5 * q) < 1e-7
    assert abs(by_r_hat - r) < 1e-7
    assert abs(by_q_star_hat - (1.0 - d)) < 1e-7
    assert abs(q + v + d - 1.0) < 1e-10 and abs(q - r * r - u) < 1e-10


HATS = (Hats(20.0, 5.0, 8.0), Hats(600.0, 60.0, 290.0))


def site_behind(anchor: str, r0: float = 0.3) -> Any:
    """The site of a second task, under the anchor."""
    problem = Chain((Task(alpha=1.0), Task(alpha=1.0, anchor=anchor, gamma=0.5)), overlaps=r0)
    return chain.Walk.begin(problem, "best", "raise").equations(1, problem.tasks[1]).site


@pytest.mark.parametrize("hats", HATS)
@pytest.mark.parametrize("anchor", ["kl", "ewc", "l2", "none"])
def test_sites_tell_their_derivatives(anchor: str, hats: Hats) -> None:
    """Those in the hats, from cumulants, against central differences of the unknowns."""
    site = site_behind(anchor)
    told = responses.of_sites(site.averages(hats, 0.999999))
    for i, hat in enumerate(hats):
        step = 1e-4 * hat
        ends = [site.averages(Hats(*(hat + sign * step * (i == k) for k, hat in enumerate(hats))), 1.0)
                for sign in (1.0, -1.0)]  # fmt: skip
        measured = (to_unknowns(ends[0].orders) - to_unknowns(ends[1].orders)) / (2.0 * step)
        assert np.allclose(told[:, i], measured, rtol=2e-6, atol=1e-6 * np.abs(measured).max())


@pytest.mark.parametrize("hats", [Hats(0.0, 0.0, 0.0), *HATS])
@pytest.mark.parametrize("anchor", ["kl", "ewc", "none"])
def test_half_of_the_sites_mirrors_the_other(anchor: str, hats: Hats) -> None:
    """Averages over one of each pair (theta, s), (-theta, -s) are those over both."""
    half, whole = site_behind(anchor), site_behind(anchor)
    if anchor == "ewc":
        assert half.even and half.used[0].size == half.theta.size // 2 + 1
        whole.__dict__["even"] = False
    else:
        assert half.pairs is not None
        whole = replace(whole, pairs=None)
    for refine in (1.0, 1.25):
        a, b = half.averages(hats, refine), whole.averages(hats, refine)
        assert np.allclose(a.orders[2:4], b.orders[2:4], rtol=1e-11, atol=0.0)
        assert np.allclose(a.orders, b.orders, rtol=1e-11, atol=1e-14)
        assert math.isclose(a.g_s, b.g_s, rel_tol=1e-11) and math.isclose(a.spread, b.spread, rel_tol=1e-11)
    assert math.isclose(half.flipped(hats, 1.0), whole.flipped(hats, 1.0), rel_tol=1e-12)


@pytest.mark.parametrize("anchor", ["kl", "ewc", "l2"])
def test_gamma_zero_is_no_anchor(anchor: str) -> None:
    free, none = (solve(two(0.7, r0=0.4, gamma=g, anchor=a)) for g, a in ((0.0, anchor), (1.0, "none")))
    assert np.array_equal(free.p, none.p) and free.tasks[1].q == none.tasks[1].q
    alone = solve(Task(alpha=0.7))
    assert abs(none.tasks[1].eps_g - alone.eps_g) < 1e-10  # a task without anchor is a first task
    assert abs(none.tasks[1].r - alone.r) < 1e-10


@pytest.mark.parametrize("anchor", ["kl", "l2"])
def test_strong_anchor_without_patterns_returns_the_reference(anchor: str) -> None:
    first = Task(alpha=0.5)
    gaps = []
    for gamma in (5.0, 50.0):
        solution = solve(two(0.0, r0=0.3, first=first, gamma=gamma, anchor=anchor))
        gaps.append(solution.eps_g[1] - solution.eps_g[0])
        assert abs(solution.reference_overlap[0] - solution.tasks[0].q_star) < 0.1 / gamma
    assert np.all(gaps[1] > 0.0) and np.all(gaps[1] < 0.2 * gaps[0]) and np.all(gaps[1] < 1e-4)


@pytest.mark.slow
def test_ewc_is_kl_in_the_limit_of_small_steps() -> None:
    gaps = []
    for gamma in (1.0, 10.0, 40.0):
        kl, ewc = (solve(two(0.5, first=Task(alpha=0.5), gamma=gamma, anchor=a)).eps_g[1] for a in ("kl", "ewc"))
        gaps.append(np.abs(kl - ewc).max())
    assert gaps[1] < 0.4 * gaps[0] and gaps[2] < 0.4 * gaps[1]


def test_ewc_is_kl_to_second_order() -> None:
    """A = KL up to O(step^3) about a moderate reference, so that both integrands agree where steps are small."""
    theta_ref = np.array([-1.3, 0.2, 0.9])
    for step, allowed in ((1e-2, 1e-6), (1e-3, 1e-9)):
        pairs = [np.diag(slow.anchor_of(name, theta_ref + step, theta_ref)) for name in ("kl", "ewc")]
        assert np.abs(pairs[0] - pairs[1]).max() < allowed


def test_a_third_task_without_patterns_and_anchor_forgets_everything() -> None:
    solution = solve(Chain((FIRST, Task(alpha=1.0), Task(alpha=0.0, gamma=0.0)), overlaps=(0.5, 0.2)))
    assert np.abs(solution.p[2]).max() < 1e-12
    assert np.abs(solution.eps_g[2] - 0.5).max() < 1e-12
    assert abs(solution.tasks[2].q_star - 1.0 / 3.0) < 1e-12


def test_independent_law_is_overlaps() -> None:
    tasks = (FIRST, Task(alpha=1.0), Task(alpha=0.5, gamma=0.3))
    law = {(s, t): (1.0 + 0.4 * s) * (1.0 - 0.2 * t) / 4.0 for s in (1, -1) for t in (1, -1)}
    given, independent = solve(Chain(tasks, law=law)), solve(Chain(tasks, overlaps=(0.4, -0.2)))
    assert np.abs(given.p - independent.p).max() < 1e-12


def test_a_correlated_law_differs_from_its_overlaps() -> None:
    """Teachers 2 and 3 are equal: task 3 then repeats task 2."""
    tasks = (FIRST, Task(alpha=1.0), Task(alpha=1.0))
    same = solve(Chain(tasks, law={(1, 1): 0.5, (-1, -1): 0.5}))
    assert abs(same.p[2, 1] - same.p[2, 2]) < 1e-10
    assert same.eps_g[2, 1] < same.eps_g[1, 1]
    assert solve(Chain(tasks, overlaps=0.0)).eps_g[2, 1] != pytest.approx(same.eps_g[2, 1], abs=1e-3)


def test_two_tasks_are_the_beginning_of_three() -> None:
    pair = solve(two(1.0, r0=0.3))
    more = solve(Chain((FIRST, Task(alpha=1.0), Task(alpha=0.5)), overlaps=(0.3, 0.0)))
    assert np.abs(more.p[:2, :2] - pair.p).max() < 1e-14


def test_sign_of_the_overlap_is_a_gauge_of_task_one() -> None:
    """Turning teacher 2 into its opposite turns eps_1 alone, once the anchor is gone."""
    plus, minus = (solve(two(1.0, r0=r0, anchor="none")) for r0 in (0.4, -0.4))
    assert abs(plus.p[1, 0] + minus.p[1, 0]) < 1e-12
    assert abs(plus.p[1, 1] - minus.p[1, 1]) < 1e-12


def test_identical_teachers_have_equal_errors() -> None:
    solution = solve(two(1.0, r0=1.0, gamma=0.3))
    assert solution.eps_g[1, 0] == pytest.approx(solution.eps_g[1, 1], abs=1e-12)
    assert solution.eps_g[1, 1] < 0.2 * solve(Task(alpha=1.0)).eps_g  # the reference helps


@pytest.mark.parametrize("alpha", [1.85, 1.95, 1.0])
def test_the_best_of_a_chain_claims_no_more_than_it_looked_for(alpha: float) -> None:
    """At alpha = 1.85 five solutions exist, and the thermodynamic one is unstable; "best" meets two of them."""
    chain = Chain((Task(alpha=2.0), Task(alpha=alpha, gamma=0.1)), overlaps=-0.5)
    best, every = solve(chain).tasks[1], [solution.tasks[1] for solution in solve(chain, branch="all")]
    (same,) = (solution for solution in every if abs(solution.r - best.r) < 1e-8)
    assert best.coexisting is None and best.thermodynamic is None
    assert same.coexisting == len(every) - 1
    assert same.thermodynamic is (same.free_entropy == max(s.free_entropy for s in every if not s.saddle))


@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("r0", [-0.9, 0.0, 0.9])
def test_bounds(gamma: float, r0: float) -> None:
    solution = solve(two(0.8, r0=r0, gamma=gamma))
    last = solution.tasks[1]
    assert last.r**2 <= last.q <= last.q_star < 1.0
    assert np.all(np.abs(solution.p) <= 1.0) and np.all((solution.eps_g >= 0.0) & (solution.eps_g <= 1.0))
    assert last.residual < 1e-10 and last.quadrature_error < 1e-9
    assert np.allclose(solution.eps_g, np.arccos(solution.p) / math.pi, atol=1e-8)


def test_rare_signs_keep_their_digits() -> None:
    solution = solve(two(5.0, r0=0.5, gamma=0.1))
    assert 0.0 < solution.eps_g[1, 1] < 1e-15
    assert solution.tasks[1].quadrature_error < 1e-12


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_chains() -> None:
    for arguments, says in (
        ({"overlaps": 1.5}, "overlaps must be a finite number in [-1, 1], got 1.5"),
        ({"overlaps": (0.1, 0.2)}, "overlaps must hold 1 numbers, one a task after the first, got 2"),
        ({"law": {(1,): 1.2, (-1,): -0.2}}, "law[(1,)] must be a finite number in [0, 1], got 1.2"),
        ({"law": {(1,): 0.5}}, "law must sum to 1, got 0.5"),
    ):
        with pytest.raises(ValueError) as caught:
            Chain((FIRST, Task(alpha=1.0)), **arguments)  # type: ignore[arg-type]
        assert str(caught.value) == says
    with pytest.raises(ValueError, match=r"^gamma must be a finite number in \[0, inf\), got -1.0$"):
        Task(alpha=1.0, gamma=-1.0)
    with pytest.raises(ValueError, match=r"^anchor must be one of none, kl, ewc, l2, got 'ewv' \(did you mean 'ewc'"):
        Task(alpha=1.0, anchor="ewv")
    with pytest.raises(ValueError, match=r"^branch must be one of low, high, best, thermodynamic, all, got 'up'$"):
        solve(two(1.0), branch="up")


def test_a_reference_that_does_not_converge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Solution:
        raise ConvergenceError("no fixed point", state=(0.0, 0.0, 0.0), residual=1.0)

    monkeypatch.setattr(chain, "solve_task", fails)
    with pytest.raises(ConvergenceError):
        solve(two(1.0, first=Task(alpha=1.2345)))


# --- branches ---------------------------------------------------------------------------------------------------------


def test_all_branches_and_the_best_of_them() -> None:
    """At gamma = 0.1, r0 = -1/2, alpha_2 = 2 two solutions and the saddle between them coexist."""
    problem = two(2.0, r0=-0.5, gamma=0.1)
    solutions = solve(problem, branch="all")
    assert len(solutions) == 3 and all(one.tasks[1].residual < 1e-10 for one in solutions)
    errors = sorted(one.eps_g[1, 1] for one in solutions)
    assert errors[0] < 0.005 and errors[1] > 0.2
    best = max((one for one in solutions if one.tasks[1].stable), key=lambda one: one.tasks[1].free_entropy)
    assert solve(problem).eps_g[1, 1] == pytest.approx(best.eps_g[1, 1], abs=1e-10)


@pytest.mark.slow
def test_trace_in_gamma_goes_round_folds() -> None:
    problem = two(1.0, gamma=7.0)  # its own gamma is not read
    branch = trace(problem, parameter="gamma", span=(0.05, 0.5))
    low, high = sorted(fold["gamma"] for fold in branch.folds)
    (transition,) = branch.transitions
    assert low < transition < high
    assert branch.ends == ["span"]
    ends = [branch.points[0], branch.points[-1]]
    for point, gamma in zip(ends, (0.05, 0.5), strict=True):
        assert point.task.gamma == pytest.approx(gamma)
        assert point.eps_g == pytest.approx(solve(two(1.0, gamma=gamma)).tasks[1].eps_g, abs=1e-9)
    # free entropies of the coexisting solutions are equal at the transition
    values = [one.tasks[1] for one in solve(two(1.0, gamma=transition), branch="all")]
    gaps = [abs(a.free_entropy - b.free_entropy) for a in values for b in values if abs(a.q - b.q) > 1e-4]
    assert len(values) == 3 and min(gaps) < 1e-8


def test_trace_refuses() -> None:
    with pytest.raises(ValueError, match=r"^parameter must be one of alpha, gamma, got 'beta'"):
        trace(two(1.0), parameter="beta", span=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"^problem must be a chain of two tasks or more, got 1; trace its Task$"):
        trace(Chain((FIRST,)))


def test_where_newton_fails_from_afar_continuation_helps() -> None:
    solution = solve(two(1.5625, r0=-0.5, gamma=0.1))
    assert solution.tasks[1].residual < 1e-10 and solution.tasks[1].quadrature_error < 1e-9


def test_very_strong_anchors_are_not_certified() -> None:
    with pytest.warns(UserWarning, match=r"^beta gamma = 3000 lies outside the certified range \[0, 2000\]$"):
        solve(two(0.0, first=Task(alpha=0.5), gamma=150.0))


@pytest.mark.parametrize("gamma", [10.0, 100.0])
def test_the_thermodynamic_branch_behind_a_strong_anchor(gamma: float) -> None:
    solution = solve(Chain((Task(alpha=2.0), Task(alpha=1.0, gamma=gamma)), overlaps=0.3), branch="thermodynamic")
    assert solution.tasks[1].thermodynamic and solution.tasks[1].residual < 1e-10
    assert solution.eps_g[1, 0] == pytest.approx(solution.eps_g[0, 0], abs=0.03 / gamma)


def test_a_problem_is_printed_short_and_reads_back() -> None:
    for problem, text in (
        (Task(alpha=1.0), "Task(alpha=1.0)"),
        (Task(alpha=0.5, beta=5.0, anchor="none"), "Task(alpha=0.5, beta=5.0, anchor='none')"),
        (Chain((Task(alpha=1.0), Task(alpha=2.0))), "Chain((Task(alpha=1.0), Task(alpha=2.0)))"),
        (Chain((Task(alpha=1.0),) * 2, overlaps=0.3), "Chain((Task(alpha=1.0), Task(alpha=1.0)), overlaps=(0.3,))"),
        (Chain((Task(alpha=1.0),) * 2, law={(1,): 0.75, (-1,): 0.25}), None),
    ):
        assert text is None or repr(problem) == text
        assert eval(repr(problem)) == problem


@pytest.mark.parametrize("overlap", [0.0, 0.4])
def test_a_reference_at_zero_has_its_balance_at_zero(overlap: float) -> None:
    """<m> steps at field 0 where theta_ref = 0; the grid of fields is fine around the balance that is found."""
    chain = Chain((Task(alpha=2.0), Task(alpha=1.3, gamma=0.03, anchor="ewc")), overlaps=overlap)
    assert solve(chain).tasks[1].quadrature_error < 1e-11
