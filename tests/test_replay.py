"""Replay in the second task of a chain: limits, slow integration of the whole map, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slow_chain
import slow_reference

from statmech_cl import Chain, Task, solve
from statmech_cl.dynamics.learning import learn
from statmech_cl.equilibrium.chain import Walk
from statmech_cl.orders import Hats
from statmech_cl.paper_repro import FIGURES, Data, reproduce
from statmech_cl.problem import from_dict, to_dict


def two(alpha: float, replay: float, overlap: float = 0.3, **options: Any) -> Chain:
    second = Task(alpha=alpha, replay={1: replay}, **options)
    return Chain((Task(alpha=2.0), second), overlaps=overlap)


def test_none_replayed_is_a_plain_task() -> None:
    assert two(1.0, 0.0) == Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.3)
    for anchor in ("kl", "none"):
        plain, nearly = (solve(two(1.0, replay, anchor=anchor, gamma=0.3)) for replay in (0.0, 1e-12))
        assert plain.tasks[1].r_of == {} and list(nearly.tasks[1].r_of) == [1]
        assert np.abs(plain.eps_g - nearly.eps_g).max() < 1e-10


@pytest.mark.parametrize("anchor", ["kl", "none"])
def test_the_same_teacher_replayed_is_more_patterns(anchor: str) -> None:
    mixed, whole = (solve(two(alpha, 1.5 - alpha, overlap=1.0, anchor=anchor)) for alpha in (1.0, 1.5))
    a, b = mixed.tasks[1], whole.tasks[1]
    assert np.abs(mixed.eps_g - whole.eps_g).max() < 1e-10
    for name in ("q", "r", "q_star", "replicon", "free_entropy", "q_hat", "q_star_hat"):
        assert abs(getattr(a, name) - getattr(b, name)) < 1e-9, name
    assert abs(a.r_of[1] - a.r) < 1e-10 and abs(a.r_hat + a.r_hat_of[1] - b.r_hat) < 1e-8


def test_task_1_is_replayed_in_a_third_task() -> None:
    """Teacher 3 is teacher 1: what is replayed of it counts like the task's own."""
    before = (Task(alpha=2.0), Task(alpha=1.0, gamma=0.4))
    mixed, whole = (
        solve(Chain((*before, Task(alpha=alpha, gamma=0.3, replay={1: 1.5 - alpha})), overlaps=(0.3, 1.0)))
        for alpha in (1.0, 1.5)
    )
    assert np.abs(mixed.eps_g - whole.eps_g).max() < 1e-10
    other = solve(Chain((*before, Task(alpha=1.0, gamma=0.3, replay={1: 0.5})), overlaps=(0.3, 0.3)))
    plain = solve(Chain((*before, Task(alpha=1.0, gamma=0.3)), overlaps=(0.3, 0.3)))
    assert other.eps_g[2, 0] < plain.eps_g[2, 0] - 0.01 and other.tasks[2].r_of[1] > plain.p[2, 0] * 0.5


def test_as_many_patterns_of_both_treat_both_alike() -> None:
    solution = solve(two(1.0, 1.0, anchor="none"))
    assert abs(solution.eps_g[1, 0] - solution.eps_g[1, 1]) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize(("replay", "overlap", "gamma"), [(0.5, 0.3, 0.3), (1.5, -0.4, 0.1)])
def test_the_whole_map_by_slow_integration(replay: float, overlap: float, gamma: float) -> None:
    solution = solve(two(1.0, replay, overlap, gamma=gamma))
    one, last = solution.tasks
    assert last.residual < 1e-10 and last.quadrature_error < 1e-9
    q, q_star, sums = last.q, last.q_star, np.zeros(2)
    for r, alpha, r_hat in ((last.r, 1.0, last.r_hat), (last.r_of[1], replay, last.r_hat_of[1])):
        orders = slow_reference.Orders(q, r, q_star - q, 1.0 - q_star, q - r * r)
        hats = slow_reference.energetic(orders, 20.0)[0]
        assert abs(alpha * hats.r_hat - r_hat) < 1e-8 * abs(r_hat)
        sums += alpha * np.array([hats.q_hat, hats.q_star_hat])
    assert sums == pytest.approx([last.q_hat, last.q_star_hat], rel=1e-8)
    scale = 20.0 * gamma
    reference = slow_chain.first_reference(slow_chain.Hats(one.q_hat, one.r_hat, one.q_star_hat), 0.0, overlap)
    shifted = reference.theta + last.r_hat_of[1] / scale  # a field on every site moves the reference's
    hats = slow_chain.Hats(last.q_hat, last.r_hat, last.q_star_hat)
    both, plus, minus = (
        slow_chain.by_field(slow_chain.Reference(shifted, reference.masses * side), hats, scale, scale)[0]
        for side in ([1.0, 1.0], [1.0, 0.0], [0.0, 1.0])
    )
    assert [both.q, both.r, both.q_star] == pytest.approx([last.q, last.r, last.q_star], abs=1e-9)
    assert plus.r - minus.r == pytest.approx(last.r_of[1], abs=1e-9)
    assert [both.p_first, both.p] == pytest.approx(solution.p[1], abs=1e-9)


def test_r_1_is_a_derivative_of_the_potential() -> None:
    problem = two(0.5, 0.5)
    site: Any = Walk.begin(problem, "best", "raise").equations(1, problem.tasks[1]).site
    at = Hats(9.0, 2.0, 4.0)
    here, up, down = (replace(site, replayed=(1.5 + e,)).averages(at, 1.0) for e in (0.0, 1e-3, -1e-3))
    ((r_1, perpendicular),) = here.others.T
    assert abs((up.g_s - down.g_s) / 2e-3 - r_1) < 1e-7
    assert abs(here.orders.q - r_1**2 - perpendicular) < 1e-10


def test_plain_values_and_back() -> None:
    problem = two(1.0, 0.5)
    assert to_dict(problem)["chain"]["tasks"][1]["replay"] == {"1": 0.5}
    assert from_dict(to_dict(problem)) == problem
    assert solve(problem).to_dict()["tasks"][1]["replay"] == {"1": 0.5}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Task(alpha=1.0, replay={0: 1.0}), "replay must be a whole number >= 1, got 0"),
        (lambda: Task(alpha=1.0, replay={1: -1.0}), r"replay\[1\] must be a finite number in \[0, inf\), got -1.0"),
        (lambda: Task(alpha=1.0, replay=0.5), "replay must map tasks to patterns per weight, got 0.5"),
        (lambda: Task(alpha=1.0, replay={1: 0.5}, anchor="ewc"), "anchor must be kl or none with replay, got 'ewc'"),
        (lambda: Task(alpha=0.0, replay={1: 0.5}), "alpha must be > 0 with replay"),
        (lambda: Task(alpha=1.0, replay={1: 0.5}, q_star=0.5), "q_star must be None with replay, got 0.5"),
        (lambda: Chain((Task(alpha=1.0, replay={1: 0.5}),)), "replay must be of earlier tasks, got {1: 0.5} in task 1"),
        (lambda: Chain((Task(alpha=1.0), Task(alpha=1.0, replay={2: 0.5}))), "earlier tasks, got {2: 0.5} in task 2"),
        (lambda: solve(Task(alpha=1.0, replay={1: 0.5})), "replay must be left out in a single task, got {1: 0.5}"),
        (lambda: solve(Task(alpha=1.0, replay={1: 0.5}), rsb=1), "replay must be left out in a single task"),
        (lambda: learn(two(1.0, 0.5)), "replay must be left out in a learning curve, got {1: 0.5}"),
    ],
)
def test_refused_in_one_line(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_the_figure_of_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES["replay-a"].scales["quick"], "replayed", [0.0, 1.0])
    result = reproduce("replay-a", out=tmp_path, quiet=True)
    assert result.verdict.holds, result.verdict.sentence
    assert "worth 0.19 of gamma" in result.verdict.sentence  # gamma 0.3 without replay, 0.4854 with
    assert all(path.stat().st_size > 0 for path in result.files)
    rows = [dict(row) for row in result.data.rows]
    for row in rows:
        if row["kind"] == "equal anchor":
            row["eps_1"] += 1e-6
    assert not FIGURES["replay-a"].verdict(Data(rows, result.data.parameters)).holds
