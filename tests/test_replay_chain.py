"""Replay of any earlier task in a chain of three: limits, identities, derivatives, slow integration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slow_chain
import slow_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from statmech_cl import Chain, Perceptron, Task, solve, trace
from statmech_cl.equilibrium.chain import Walk
from statmech_cl.orders import Hats
from statmech_cl.problem import from_dict, to_dict

LAW = {(1, 1): 0.4, (1, -1): 0.25, (-1, 1): 0.2, (-1, -1): 0.15}  # overlaps 0.3, 0.2, and 0.1 of teachers 2 and 3


def three(
    replay: dict[int, float], alpha: float = 1.0, *, law: Any = LAW, gamma: float = 0.3, flips: float = 0.0, **last: Any
) -> Chain:
    """flips : of the second teacher's labels."""
    second = Task(alpha=1.0, gamma=0.4, channel=Perceptron(flips=flips))
    return Chain((Task(alpha=1.0), second, Task(alpha=alpha, gamma=gamma, replay=replay, **last)), law=law)


# --- limits and identities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("anchor", ["kl", "none"])
def test_next_to_nothing_replayed_is_a_plain_chain(anchor: str) -> None:
    plain, nearly = (solve(three(replay, anchor=anchor)) for replay in ({}, {1: 1e-12, 2: 1e-12}))
    assert list(nearly.tasks[2].r_of) == [1, 2] and plain.tasks[2].r_of == {}
    assert np.abs(plain.eps_g - nearly.eps_g).max() < 1e-10
    # the overlaps with the other teachers are there without any replay
    site: Any = Walk.begin(nearly.chain, "best", "raise").step(1, "best", "raise")[0].site(2, nearly.chain.tasks[2])
    last = plain.tasks[2]
    others = site.averages(Hats(last.q_hat, last.r_hat, last.q_star_hat), 1.0).others
    assert others[0] == pytest.approx(list(nearly.tasks[2].r_of.values()), abs=1e-9)


@pytest.mark.parametrize("anchor", ["kl", "none"])
def test_replay_of_a_task_with_the_same_teacher_is_more_patterns(anchor: str) -> None:
    law = {(1, 1): 0.65, (-1, -1): 0.35}  # teacher 3 is teacher 2
    mixed, whole = (solve(three({2: 1.5 - alpha}, alpha, law=law, anchor=anchor)) for alpha in (1.0, 1.5))
    a, b = mixed.tasks[2], whole.tasks[2]
    assert np.abs(mixed.eps_g - whole.eps_g).max() < 1e-10
    for name in ("q", "r", "q_star", "replicon", "free_entropy"):
        assert abs(getattr(a, name) - getattr(b, name)) < 1e-9, name
    assert abs(a.r_of[2] - a.r) < 1e-10 and abs(a.r_hat + a.r_hat_of[2] - b.r_hat) < 1e-8


def test_two_earlier_tasks_with_the_same_teacher_share_their_patterns() -> None:
    law = {(1, 1): 0.6, (1, -1): 0.4}  # teacher 2 is teacher 1
    amounts: list[dict[int, float]] = [{1: 0.2, 2: 0.3}, {1: 0.5}, {2: 0.5}]
    both, first, second = (solve(three(replay, law=law)) for replay in amounts)
    assert np.abs(both.eps_g - first.eps_g).max() < 1e-12 and np.abs(second.eps_g - first.eps_g).max() < 1e-12
    last = both.tasks[2]
    assert last.r_of[1] == last.r_of[2] == pytest.approx(first.tasks[2].r_of[1], abs=1e-10)
    assert sum(last.r_hat_of.values()) == pytest.approx(first.tasks[2].r_hat_of[1], abs=1e-8)


@settings(max_examples=4, deadline=None)
@given(overlap=st.floats(-0.3, 0.9), alpha=st.floats(0.2, 1.0), anchor=st.sampled_from(["none", "kl"]))
def test_as_many_patterns_of_each_treat_all_alike(overlap: float, alpha: float, anchor: str) -> None:
    """Three teachers that are alike in their law, and no reference that tells them apart."""
    law = {(s, t): (1.0 + overlap * (s + t + s * t)) / 4.0 for s in (1, -1) for t in (1, -1)}
    solution = solve(three({1: alpha, 2: alpha}, alpha, law=law, anchor=anchor, gamma=0.0))
    last = solution.tasks[2]
    assert last.residual < 1e-10 and last.quadrature_error < 1e-9
    assert np.ptp(solution.eps_g[2]) < 1e-10
    assert np.ptp([last.r, *last.r_of.values()]) < 1e-9
    assert np.ptp([last.r_hat, *last.r_hat_of.values()]) < 1e-7 * last.r_hat


def test_replay_keeps_the_task_that_it_is_of() -> None:
    plain, of_first, of_second = (solve(three(replay)).eps_g[2] for replay in ({}, {1: 0.5}, {2: 0.5}))
    assert of_first[0] < plain[0] - 0.01 and of_second[1] < plain[1] - 0.01
    assert of_first[2] > plain[2] and of_second[2] > plain[2]


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("varied", ["alpha", 1, 2])
def test_the_potential_changes_by_the_energy_of_what_is_added(varied: str | int) -> None:
    """dPhi/d alpha = G_E(q, r, q_star) and dPhi/d a_k = G_E(q, r_k, q_star): all else is stationary."""
    step = 2e-3

    def at(k: int) -> Chain:
        amounts: dict[str | int, float] = {1: 0.25, 2: 0.5, "alpha": 0.8}
        amounts[varied] += k * step
        return three({1: amounts[1], 2: amounts[2]}, amounts["alpha"], flips=0.1)

    around = [solve(at(k)).tasks[2].free_entropy for k in (-2, -1, 1, 2)]
    slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
    last = solve(at(0)).tasks[2]
    number, r = (varied, last.r_of[varied]) if isinstance(varied, int) else (3, last.r)
    orders = slow_reference.Orders(last.q, r, last.q_star - last.q, 1.0 - last.q_star, last.q - r * r)
    assert at(0).tasks[number - 1].channel.averages(orders, 20.0, 1.0).g_e == pytest.approx(slow, abs=1e-8)


@pytest.mark.parametrize("anchor", ["kl", "none"])
def test_overlaps_are_derivatives_of_the_site(anchor: str) -> None:
    problem = three({1: 0.5, 2: 0.5}, anchor=anchor)
    walk = Walk.begin(problem, "best", "raise").step(1, "best", "raise")[0]
    site: Any = walk.site(2, problem.tasks[2])
    at, held = Hats(9.0, 2.0, 4.0), np.array([1.5, -0.7])
    here = replace(site, replayed=tuple(held)).averages(at, 1.0)
    for (r_k, perpendicular), e in zip(here.others.T, 1e-3 * np.eye(2), strict=True):
        up, down = (replace(site, replayed=tuple(held + side * e)).averages(at, 1.0).g_s for side in (1.0, -1.0))
        assert abs((up - down) / 2e-3 - r_k) < 1e-7
        assert abs(here.orders.q - r_k**2 - perpendicular) < 1e-10
    site = replace(site, replayed=tuple(held))
    up, down = (site.averages(Hats(9.0, r_hat, 4.0), 1.0).g_s for r_hat in (2.001, 1.999))
    assert abs((up - down) / 2e-3 - here.orders.r) < 1e-7


# --- slow integration -------------------------------------------------------------------------------------------------


def hats_of(solution: Any) -> slow_chain.Hats:
    return slow_chain.Hats(solution.q_hat, solution.r_hat, solution.q_star_hat)


@pytest.mark.slow
def test_the_patterns_by_slow_integration() -> None:
    replay = {1: 0.25, 2: 0.5}
    last = solve(three(replay)).tasks[2]
    terms = [(1.0, last.r, last.r_hat)]
    terms += [(amount, last.r_of[k], last.r_hat_of[k]) for k, amount in replay.items()]
    sums = np.zeros(2)
    for amount, r, r_hat in terms:  # each term by itself
        orders = slow_reference.Orders(last.q, r, last.q_star - last.q, 1.0 - last.q_star, last.q - r * r)
        hats = slow_reference.energetic(orders, 20.0)[0]
        assert abs(amount * hats.r_hat - r_hat) < 1e-8 * abs(r_hat)
        sums += amount * np.array([hats.q_hat, hats.q_star_hat])
    assert sums == pytest.approx([last.q_hat, last.q_star_hat], rel=1e-8)


@pytest.mark.parametrize(
    "replay", [{1: 0.25, 2: 0.5}, *(pytest.param({k: 0.5}, marks=pytest.mark.slow) for k in (1, 2))]
)
def test_the_sites_by_slow_integration(replay: dict[int, float]) -> None:
    solution = solve(three(replay))
    one, two, last = solution.tasks
    assert last.residual < 1e-10 and last.quadrature_error < 1e-9
    # sites of s_2 = +1 and of s_2 = -1 apart, each with its own reference, field and share of s_3
    overlap = sum(weight * signs[0] for signs, weight in LAW.items())
    first = slow_chain.first_reference(hats_of(one), 0.0, overlap)
    _, after = slow_chain.by_field(first, hats_of(two), 20.0 * 0.4, 20.0 * 0.4)
    scale, found = 20.0 * 0.3, {"q": 0.0, "q_star": 0.0, "r": np.zeros(3), "p": np.zeros(3)}
    for s_2, column in zip((1, -1), after.masses.T, strict=True):
        field = last.r_hat_of.get(1, 0.0) + s_2 * last.r_hat_of.get(2, 0.0)
        for s_3 in (1, -1):
            share = LAW[s_2, s_3] / (LAW[s_2, 1] + LAW[s_2, -1])
            masses = np.outer(column, [share, 0.0] if s_3 > 0 else [0.0, share])
            moved = slow_chain.Reference(after.theta + field / scale, masses)  # a field moves the reference
            here = slow_chain.by_field(moved, hats_of(last), scale, scale)[0]
            signs = np.array([1, s_2, s_3])
            found["q"] += here.q
            found["q_star"] += here.q_star
            found["r"] += signs * s_3 * here.r
            found["p"] += signs * here.p_first
    assert [found["q"], found["q_star"]] == pytest.approx([last.q, last.q_star], abs=1e-9)
    assert found["r"][[k - 1 for k in (*replay, 3)]] == pytest.approx([*last.r_of.values(), last.r], abs=1e-9)
    assert found["p"] == pytest.approx(solution.p[2], abs=1e-9)


# --- what else takes a chain ------------------------------------------------------------------------------------------


def test_a_trace_passes_through_what_solve_says() -> None:
    chain = three({1: 0.25, 2: 0.5})
    traced = trace(chain, parameter="gamma", span=(0.2, 0.4)).chains
    near = min(traced, key=lambda point: abs(point.tasks[2].task.gamma - 0.3))
    last = chain.tasks[2]
    told = solve(replace(chain, tasks=(*chain.tasks[:2], replace(last, gamma=near.tasks[2].task.gamma))))
    assert np.abs(near.eps_g - told.eps_g).max() < 1e-8 and near.tasks[2].r_of == pytest.approx(told.tasks[2].r_of)


@pytest.mark.slow
def test_all_branches_are_found_with_replay() -> None:
    solutions = solve(three({1: 0.5, 2: 0.5}, anchor="none"), branch="all")
    assert len({round(one.tasks[2].r, 6) for one in solutions}) == len(solutions)
    assert all(str(one.tasks[2].status) == "converged" and one.tasks[2].quadrature_error < 1e-9 for one in solutions)


def test_plain_values_and_back() -> None:
    problem = three({2: 0.5, 1: 0.25})
    assert problem.tasks[2].replay == ((1, 0.25), (2, 0.5)) and from_dict(to_dict(problem)) == problem
    row = solve(problem).to_dict()["tasks"][2]
    assert row["replay"] == {"1": 0.25, "2": 0.5} and {"r_1", "r_hat_1", "r_2", "r_hat_2"} < set(row)
    assert not {"r_of", "r_hat_of"} & set(row)


@pytest.mark.parametrize("number", [3, 4])
def test_no_task_replays_itself_or_a_later_one(number: int) -> None:
    with pytest.raises(ValueError, match=rf"^replay must be of earlier tasks, got {{{number}: 0.5}} in task 3$"):
        three({number: 0.5})
