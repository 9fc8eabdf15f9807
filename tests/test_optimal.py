"""The optimum of a chain's anchors: against a scan, its derivatives against differences of solve(), its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from statmech_cl import Chain, Task, optimise, solve
from statmech_cl.protocols import optimal
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
    assert optimum.gradient < 1e-6 and optimum.converged
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


def test_a_search_cut_short_is_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimal, "_MOST_ITERATIONS", 1)
    optimum = optimise(PAIR, objective=(0.3, 0.7), n_starts=1)
    assert not optimum.converged and optimum.gradient > 1e-4
    assert optimum.to_dict()["converged"] is False and optimum.rows()[0]["converged"] is False
    assert "not converged" in repr(optimum)


def test_an_end_that_a_bound_holds_is_converged() -> None:
    optimum = optimise(PAIR, objective=(0.3, 0.7), bounds={"gamma": (1.0, 2.0)}, n_starts=1)
    (gamma,) = optimum.values["gamma"]
    assert gamma in (pytest.approx(1.0), pytest.approx(2.0)) and optimum.converged


def test_only_the_latest_iterates_are_kept() -> None:
    problem = checked(PAIR, ("gamma",), "mean", None)
    for gamma in np.geomspace(0.1, 1.0, 12):
        problem.derivatives(np.log([gamma]))
    assert len(problem.walks) == len(problem.slopes) == 8 and problem.n_solves == 12
    problem.errors(np.log([1.0]))
    assert problem.n_solves == 12


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


def test_derivatives_where_q_star_is_prescribed() -> None:
    chain = Chain((Task(alpha=1.0), Task(alpha=1.0, q_star=0.6)), overlaps=0.3)
    problem = checked(chain, ("gamma",), "mean", None)
    u, step = np.log([0.3]), 2e-3
    around = [solve(problem.chain_at(u + k * step)).eps_g[-1] for k in (-2, -1, 1, 2)]
    slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
    assert problem.derivatives(u)[:, 0] == pytest.approx(slow, abs=1e-7)


def test_derivatives_along_the_chain_where_a_task_has_no_patterns() -> None:
    chain = Chain((Task(alpha=1.0), Task(alpha=0.0), Task(alpha=0.5)), overlaps=0.3)
    problem = checked(chain, ("gamma",), "mean", None)
    u = np.log([0.4, 0.6])
    derivative, step = problem.derivatives(u), 2e-3
    for i in (0, 1):
        e = step * np.eye(2)[i]
        around = [solve(problem.chain_at(u + k * e)).eps_g[-1] for k in (-2, -1, 1, 2)]
        slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
        assert derivative[:, i] == pytest.approx(slow, abs=1e-7)
    assert np.abs(derivative).max(axis=0).min() > 1e-3


def test_derivatives_in_replay_are_those_of_solve() -> None:
    problem = checked(TRIPLE, ("gamma", "replay_1"), "mean", None)
    u = np.array([np.log(0.3), np.log(0.8), 0.4, problem.box[3, 0]])
    derivative, step = problem.derivatives(u), 2e-3
    e = step * np.eye(4)[2]
    around = [solve(problem.chain_at(u + k * e)).eps_g[-1] for k in (-2, -1, 1, 2)]
    slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
    assert derivative[:, 2] == pytest.approx(slow, abs=1e-7)
    inside = [solve(problem.chain_at(u + k * step * np.eye(4)[3])).eps_g[-1] for k in (0, 1, 2, 3)]
    slow = (-11.0 * inside[0] + 18.0 * inside[1] - 9.0 * inside[2] + 2.0 * inside[3]) / (6.0 * step)
    assert derivative[:, 3] == pytest.approx(slow, abs=1e-5)  # no replay: from inside


def test_replay_alone_is_chosen_where_both_tasks_err_alike() -> None:
    bare = replace(PAIR, tasks=(PAIR.tasks[0], Task(alpha=1.0, anchor="none")))
    optimum = optimise(bare, over=["replay"], objective="worst", n_starts=1)
    assert optimum.values["replay_1"][0] == pytest.approx(1.0, abs=1e-6)  # as many patterns of both treat both alike
    assert optimum.gradient < 1e-6 and dict(optimum.chain.tasks[1].replay) == {1: optimum.values["replay_1"][0]}


def test_where_no_replay_is_best_there_is_none() -> None:
    optimum = optimise(PAIR, over=["replay"], objective=[0.0, 1.0], n_starts=1)
    assert optimum.values["replay_1"].tolist() == [0.0] and optimum.chain.tasks[1].replay == ()
    assert optimum.objective == pytest.approx(solve(PAIR).eps_g[1, 1], abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"over": ["gama"]}, "over must be one of gamma, memory, replay, got 'gama' .did you mean 'gamma'"),
        ({"objective": "best"}, "objective must be one of mean, worst, got 'best'"),
        ({"objective": [1.0]}, "objective must hold 2 weights"),
        ({"bounds": {"memory": (0.0, 1.0)}}, "bounds must be one of gamma, got 'memory'"),
        ({"bounds": {"gamma": (0.0, 1.0)}}, r"bounds\['gamma'\] must be a finite number in \(0"),
        ({"n_starts": 5}, "n_starts must be at most 4, got 5"),
        ({"chain": Chain((Task(alpha=1.0), Task(alpha=1.0, anchor="none")))}, "anchor must not be 'none'"),
        ({"over": 5}, "over must be distinct names among gamma, memory, replay, got 5"),
        ({"objective": 0.5}, "objective must be mean, worst or 2 weights, got 0.5"),
        ({"bounds": [(0.1, 1.0)]}, r"bounds must be a dict such as .*, got \[\(0.1, 1.0\)\]"),
        ({"bounds": {"gamma": 1.0}}, r"bounds\['gamma'\] must be two numbers, got 1.0"),
        ({"bounds": {"gamma": (1.0, 1e6)}}, r"bounds\['gamma'\] must keep beta gamma at most 100000, got .* 2e\+07"),
        ({"over": ["memory"], "bounds": {"memory": (0.0, 1e-4)}}, r"bounds\['memory'\] must lie at least 0.001 apart"),
        ({"over": ["replay"], "bounds": {"replay": (1.0, 0.5)}}, r"bounds\['replay'\] must be a finite number in \(1"),
        ({"over": "replay", "chain": Chain((Task(alpha=1.0), Task(alpha=1.0, anchor="ewc")))}, "anchor must be kl or"),
    ],
)
def test_bad_input_is_one_line(arguments: dict, line: str) -> None:
    given = {"chain": PAIR, **arguments}
    with pytest.raises(ValueError, match=line):
        optimise(given.pop("chain"), **given)


# --- replay of several earlier tasks ----------------------------------------------------------------------------------

THREE = Chain((Task(alpha=0.5), Task(alpha=0.5, gamma=0.3), Task(alpha=0.5, gamma=0.3, replay={1: 0.2})), overlaps=0.3)


def test_a_schedule_of_replay_is_of_every_earlier_task() -> None:
    problem = checked(THREE, ["replay"], "mean", {"replay": (0.0, 1.5)})
    assert problem.slots == [("replay_1", 1), ("replay_1", 2), ("replay_2", 2)]
    assert problem.box[:, 1].tolist() == [1.5] * 3
    chain = problem.chain_at(np.array([0.1, 0.2, 0.3]))
    assert [task.replay for task in chain.tasks] == [(), ((1, 0.1),), ((1, 0.2), (2, 0.3))]
    alone = checked(THREE, ["replay_2"], "mean", None)  # what the chain says of task 1 stays
    assert alone.slots == [("replay_2", 2)] and alone.chain_at(np.array([0.3])).tasks[2].replay == ((1, 0.2), (2, 0.3))
    assert alone.parameters(np.array([0.3]))["replay_2"].tolist() == [0.0, 0.3]


def test_derivatives_in_a_schedule_of_replay_are_those_of_solve() -> None:
    problem = checked(THREE, ["replay"], "mean", None)
    u, step = np.array([0.3, 0.2, 0.4]), 2e-3
    derivative = problem.derivatives(u)
    for i in range(3):
        e = step * np.eye(3)[i]
        around = [solve(problem.chain_at(u + k * e)).eps_g[-1] for k in (-2, -1, 1, 2)]
        slow = (around[0] - 8.0 * around[1] + 8.0 * around[2] - around[3]) / (12.0 * step)
        assert derivative[:, i] == pytest.approx(slow, abs=1e-7)
    assert np.abs(derivative).max(axis=0).min() > 1e-3


@pytest.mark.slow
def test_three_tasks_that_are_alike_are_replayed_alike() -> None:
    law = {(s, t): (1.0 + 0.3 * (s + t + s * t)) / 4.0 for s in (1, -1) for t in (1, -1)}
    bare = Chain([Task(alpha=1.0, anchor="none")] * 3, law=law)
    optimum = optimise(bare, over=["replay_1", "replay_2"], objective="worst", n_starts=1)
    assert optimum.converged and optimum.gradient < 1e-6
    assert [optimum.values[name][1] for name in ("replay_1", "replay_2")] == pytest.approx([1.0, 1.0], abs=1e-6)
    row = optimum.rows()[1]
    assert (row["replay_1"], row["replay_2"]) == (optimum.values["replay_1"][1], optimum.values["replay_2"][1])
    assert optimum.rows()[0]["replay_2"] == 0.0


@pytest.mark.parametrize(
    ("over", "line"),
    [
        (["replay_3"], "over must name the replay of a task from 1 to 2, got 'replay_3'"),
        (["replay_0"], "over must name the replay of a task from 1 to 2, got 'replay_0'"),
        (["replay", "replay_1"], "over must be distinct names among gamma, memory, replay, got"),
        (["replay_x"], "over must be one of gamma, memory, replay, got 'replay_x'"),
    ],
)
def test_a_replay_that_is_none_is_refused(over: list[str], line: str) -> None:
    with pytest.raises(ValueError, match=line) as refused:
        optimise(THREE, over=over)
    assert "\n" not in str(refused.value)
