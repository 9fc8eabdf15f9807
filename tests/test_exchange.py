"""Replica exchange: against the theory where replica symmetry holds, and its own account of itself."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Task, solve
from statmech_cl.simulations.perceptron.exchange import exchange
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
