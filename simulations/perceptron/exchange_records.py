"""How to sample by replica exchange, and what a run leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.problem import Task
from statmech_cl.validation import check_choice, check_count, check_number

from .gibbs_records import OBSERVABLES, GibbsStage

STARTS = ("prior", "both")


@dataclass(frozen=True, kw_only=True)
class ExchangeSettings:
    """How to sample.

    beta_low : the hottest rung; walkers must mix there by themselves.
    rungs : inverse temperatures from beta_low to the task's beta, in equal ratios. A swap is accepted often enough
        while the ratio stays near 1 + sqrt(2 / N).
    even : move the rungs between the ends, in every problem by itself, so that all swaps are accepted equally often:
        twice in the second half of warm-up, by what was accepted there.
    ladders : independent ladders of each seed, at least 2: q is the overlap of different ones.
    start : "prior", m uniform on [-1, 1]^N; "both", every second ladder at fields of the teacher's sign, all its rungs,
        and never heated: R-hat then compares ladders that came from opposite sides.
    warmup : iterations that are thrown away; over their first half all betas rise from 0; steps are adapted throughout.
    draws : iterations kept. An iteration is a trajectory at every rung and a round of swaps.
    leapfrogs, acceptance : as in GibbsSettings.
    rhat, doublings : a problem whose largest R-hat is not below `rhat` goes on, at most `doublings` times. Each time
        all that it has drawn becomes warm-up, and as many iterations as it has made since its first one follow: those
        are kept, thinned to `draws`. None, None: no problem goes on.
    """

    beta_low: float = 5.0
    rungs: int = 12
    even: bool = False
    ladders: int = 2
    start: str = "prior"
    warmup: int = 300
    draws: int = 700
    leapfrogs: int = 10
    acceptance: float = 0.8
    rhat: float | None = None
    doublings: int | None = None

    def __post_init__(self) -> None:
        check_number("beta_low", self.beta_low, low=0.0, open_low=True)
        check_count("rungs", self.rungs, low=2)
        check_count("ladders", self.ladders, low=2)
        check_choice("start", self.start, STARTS)
        check_count("warmup", self.warmup, low=10)
        check_count("draws", self.draws, low=4)
        check_count("leapfrogs", self.leapfrogs)
        check_number("acceptance", self.acceptance, low=0.0, high=1.0, open_low=True, open_high=True)
        if (self.rhat is None) != (self.doublings is None):
            raise ValueError(f"rhat and doublings must be given together, got {self.rhat!r} and {self.doublings!r}")
        if self.rhat is not None:
            check_number("rhat", self.rhat, low=1.0, open_low=True)
            check_count("doublings", self.doublings)

    def betas(self, beta: float) -> np.ndarray:
        """The ladder of a task at `beta` in equal ratios, (n_rungs,), hottest first."""
        return np.geomspace(self.beta_low, beta, self.rungs)


@dataclass(frozen=True)
class ExchangeResult:
    """Samples of one task; of the last one, if there was a chain.

    stage : what the coldest rung saw (one walker a ladder): series, R-hat, effective sample sizes.
    betas : (n_seeds, n_rungs) the ladders. rung_means : {"r", "p", "q_star", "energy"} : (n_seeds, n_rungs) means at
        every rung.
    overlaps : (n_seeds, n_pairs, n_draws) mean m_a m_b of two ladders' coldest walkers, draw by draw: P(q).
    swapped : (n_seeds, n_rungs - 1) share of accepted swaps between a rung and the next.
    round_trips : (n_seeds, n_ladders) walks from the coldest rung to the hottest and back, in the kept iterations.
    made, thin : (n_seeds,) iterations since the first warm-up, and how many of them a kept draw stands for.
    earlier : the result of the tasks before, None for a first task.
    """

    task: Task
    n: int
    seeds: tuple[int, ...]
    settings: ExchangeSettings
    stage: GibbsStage
    betas: np.ndarray
    rung_means: dict[str, np.ndarray]
    overlaps: np.ndarray
    swapped: np.ndarray
    round_trips: np.ndarray
    made: np.ndarray
    thin: np.ndarray
    earlier: ExchangeResult | None = None

    def values(self, name: str, *, on: int = -1) -> np.ndarray:
        """`name` ("r", "p", "eps_g", "q_star", "q", "energy") at the task's beta, averaged over draws, with respect to
        teacher `on` (the last one unless told): (n_seeds,).
        """
        check_choice("name", name, OBSERVABLES)
        if name == "q":
            return self.overlaps.mean(axis=(1, 2))
        series = getattr(self.stage, "p" if name == "eps_g" else name)
        mean = (series if series.ndim == 3 else series[..., on]).mean(axis=(1, 2))
        return np.arccos(np.clip(mean, -1.0, 1.0)) / math.pi if name == "eps_g" else mean

    def estimate(self, name: str, *, on: int = -1) -> Estimate:
        """Mean and standard error over the disorder: seeds are independent, whatever the autocorrelation."""
        return Estimate.from_samples(self.values(name, on=on))

    def autocorrelation(self) -> dict[str, np.ndarray]:
        """Integrated autocorrelation time of each scalar and seed, in iterations: those of all ladders / ESS."""
        kept = self.settings.ladders * self.settings.draws * self.thin
        return {name: kept / size for name, size in self.stage.ess().items()}
