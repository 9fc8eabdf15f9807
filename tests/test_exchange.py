"""Replica exchange: against the theory where replica symmetry holds, and its own account of itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from statmech_cl import Chain, Task, solve
from statmech_cl.simulations.perceptron.exchange import evened, exchange
from statmech_cl.simulations.perceptron.exchange_records import ExchangeSettings
from statmech_cl.simulations.perceptron.exchange_rows import BINS, exchange_row

TASK = Task(alpha=0.5)
FINITE_N = 2.0 / 100  # N = 100: corrections of order 1/N


@pytest.fixture(scope="module")
def row() -> dict[str, object]:
    return exchange_row(alpha=TASK.alpha, n=100, seeds=6, rungs=6, warmup=150, draws=300)


@pytest.mark.parametrize("name", ["q", "r", "q_star", "p"])
def test_it_meets_the_theory_where_symmetry_holds(row: dict[str, float], name: str) -> None:
    assert abs(row[name] - getattr(solve(TASK), name)) < 4.0 * row[f"{name}_error"] + FINITE_N


def test_walkers_travel_and_agree(row: dict[str, float]) -> None:
    assert row["rhat"] < 1.1 and row["round_trips"] > 0.2 and 0.05 < row["swapped"] < 1.0
    histogram = np.array(row["histogram"])
    assert histogram.min() >= 0.0 and histogram.sum() == pytest.approx(BINS)
    centres = (np.arange(BINS) + 0.5) / BINS
    assert histogram @ centres / BINS == pytest.approx(row["q"], abs=0.5 / BINS)


def test_the_same_seeds_give_the_same_numbers() -> None:
    settings = ExchangeSettings(rungs=3, warmup=10, draws=8)
    one, two = (exchange(TASK, n=20, seeds=2, settings=settings) for _ in range(2))
    assert np.array_equal(one.overlaps, two.overlaps)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^q_star must be None"):
        exchange(Task(alpha=0.5, q_star=0.5), n=20, seeds=2)
    with pytest.raises(ValueError, match=r"^beta_low must lie below the task's beta, 2.0, got 5.0$"):
        exchange(Task(alpha=0.5, beta=2.0), n=20, seeds=2)
    with pytest.raises(ValueError, match=r"^rungs must be a whole number >= 2, got 1$"):
        ExchangeSettings(rungs=1)
    with pytest.raises(ValueError, match=r"^rhat and doublings must be given together, got None and 2$"):
        ExchangeSettings(doublings=2)
    with pytest.raises(ValueError, match=r"^start must be one of .*, got 'teacher'$"):
        ExchangeSettings(start="teacher")


def test_even_rungs_share_what_is_rejected() -> None:
    betas, rejected = np.array([5.0, 8.0, 12.0, 20.0]), np.array([0.2, 0.2, 0.8])
    moved = evened(betas, rejected)
    assert moved[0] == 5.0 and moved[-1] == 20.0
    sums = np.interp(np.log(moved), np.log(betas), np.concatenate([[0.0], np.cumsum(rejected)]))
    assert np.diff(sums) == pytest.approx(0.4)
    assert evened(betas, np.full(3, 0.5)) == pytest.approx(betas)


def test_even_ladders_swap_evenly() -> None:
    """Beside equal ratios, at one end of which fewer swaps are accepted than at the other."""
    settings = ExchangeSettings(beta_low=0.3, rungs=10, warmup=150, draws=150, leapfrogs=5)
    spread = {}
    for even in (False, True):
        result = exchange(Task(alpha=1.0), n=20, seeds=6, settings=replace(settings, even=even))
        assert np.all(np.diff(result.betas) > 0.0) and np.allclose(result.betas[:, [0, -1]], [0.3, 20.0])
        spread[even] = float((result.swapped.max(axis=1) - result.swapped.min(axis=1)).mean())
    assert spread[True] < 0.6 * spread[False]


def test_a_problem_whose_ladders_disagree_goes_on_by_itself() -> None:
    """Two short ladders from both sides: the mark divides the problems. Those below it keep the draws they had; the
    others' come from a run that is two times as long, thinned to the same number.
    """
    settings = ExchangeSettings(beta_low=8.0, rungs=3, warmup=10, draws=16, start="both")
    seeds = (3, 4, 5, 6)
    short = exchange(TASK, n=20, seeds=seeds, settings=settings)
    worst = np.nanmax(list(short.stage.rhat().values()), axis=0)
    mark = float(np.sort(worst)[1:3].mean())
    longer = exchange(TASK, n=20, seeds=seeds, settings=replace(settings, rhat=mark, doublings=2))
    settled = worst < mark
    assert settled.sum() == 2
    assert np.array_equal(longer.overlaps[settled], short.overlaps[settled])
    assert np.array_equal(longer.made[settled], [16, 16]) and np.all(longer.thin[settled] == 1)
    assert not np.any(longer.overlaps[~settled] == short.overlaps[~settled])
    assert set(zip(longer.made[~settled], longer.thin[~settled], strict=True)) <= {(32, 1), (64, 2)}
    assert longer.overlaps.shape == short.overlaps.shape and longer.stage.r.shape == short.stage.r.shape


def test_a_problem_goes_on_whoever_is_beside_it() -> None:
    settings = ExchangeSettings(beta_low=8.0, rungs=3, warmup=10, draws=16, start="both", rhat=1.0001, doublings=2)
    one, two = (exchange(TASK, n=20, seeds=seeds, settings=settings) for seeds in ((3, 4), (4, 5)))
    assert one.made[1] == two.made[0] == 64 and one.thin[1] == 2
    assert one.overlaps[1] == pytest.approx(two.overlaps[0], abs=1e-6)


def test_ladders_start_on_both_sides() -> None:
    """Trajectories of one step lead nowhere in this time."""
    settings = ExchangeSettings(beta_low=8.0, rungs=3, warmup=10, draws=4, leapfrogs=1, start="both")
    r = exchange(Task(alpha=0.5), n=60, seeds=2, settings=settings).stage.r[:, :, 0, 0]
    assert r[:, 0].max() + 0.1 < r[:, 1].min()


def test_later_tasks_hold_on_to_a_draw_of_the_first() -> None:
    """A strong anchor keeps the second task at its reference; the first task is sampled as if it were alone."""
    settings = ExchangeSettings(beta_low=8.0, rungs=3, warmup=40, draws=40)
    first = Task(alpha=0.5)
    second = Task(alpha=0.1, gamma=50.0)
    result = exchange(Chain((first, second), overlaps=(0.0,)), n=40, seeds=2, settings=settings)
    assert result.earlier is not None and result.task is second
    alone = exchange(first, n=40, seeds=2, settings=settings)
    assert result.earlier.stage.q_star == pytest.approx(alone.stage.q_star, abs=1e-5)
    before, after = (one.stage.theta.tanh() for one in (result.earlier, result))
    assert float((after - before[:, :1]).abs().mean()) < 0.1
    assert abs(result.values("r", on=0) - result.earlier.stage.r[:, 0, -1, 0]).max() < 0.05
