"""How to sample the Gibbs measure, and what a sampler leaves behind: series, diagnostics, estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain
from statmech_cl.validation import check_choice, check_count, check_number

STARTS = ("prior", "teacher")
OBSERVABLES = ("r", "p", "eps_g", "q_star", "q", "energy")


@dataclass(frozen=True, kw_only=True)
class GibbsSettings:
    """How to sample.

    warmup : iterations that are thrown away; over their first half beta rises linearly to its value (from "prior"), so
        that a walker settles where it first finds room; steps are adapted until their end.
    draws : iterations kept.
    walkers : independent Markov chains of each seed, at least 2: q is the overlap of different walkers.
    leapfrogs : mean number of leapfrog steps of a trajectory; each takes between a half and one and a half times it.
    acceptance : acceptance that the steps are adapted to.
    start : "prior", m uniform on [-1, 1]^N; "teacher", fields of the teacher's sign: the high-overlap branch.
    teacher_signs : "exact" or "random" overlaps of the teachers, see teachers.teachers.
    """

    warmup: int = 300
    draws: int = 300
    walkers: int = 4
    leapfrogs: int = 20
    acceptance: float = 0.8
    start: str = "prior"
    teacher_signs: str = "exact"

    def __post_init__(self) -> None:
        check_count("warmup", self.warmup, low=10)
        check_count("draws", self.draws, low=4)
        check_count("walkers", self.walkers, low=2)
        check_count("leapfrogs", self.leapfrogs)
        check_number("acceptance", self.acceptance, low=0.0, high=1.0, open_low=True, open_high=True)
        check_choice("start", self.start, STARTS)
        check_choice("teacher_signs", self.teacher_signs, ("exact", "random"))


@dataclass(frozen=True)
class GibbsStage:
    """What the sampler saw of one task. n_tasks counts all teachers of the chain.

    r, p : (n_seeds, n_walkers, n_draws, n_tasks) overlaps mean W m and mean W sign(m).
    q_star, energy : (n_seeds, n_walkers, n_draws) mean m^2, and E/P without the anchor (0 where there are no patterns).
    q : (n_seeds,) overlap of the walkers' mean m, averaged over pairs of different walkers.
    acceptance, step : (n_seeds, n_walkers) mean acceptance after warm-up, and the adapted step.
    theta : (n_seeds, n_walkers, N) the last draw.
    """

    r: np.ndarray
    p: np.ndarray
    q_star: np.ndarray
    energy: np.ndarray
    q: np.ndarray
    acceptance: np.ndarray
    step: np.ndarray
    theta: torch.Tensor

    def series(self) -> dict[str, np.ndarray]:
        """The recorded scalars by name, each (n_seeds, n_walkers, n_draws)."""
        out = {"q_star": self.q_star, "energy": self.energy}
        for task in range(self.r.shape[-1]):
            out[f"r{task + 1}"], out[f"p{task + 1}"] = self.r[..., task], self.p[..., task]
        return out

    def ess(self) -> dict[str, np.ndarray]:
        """Bulk effective sample size of each scalar and seed over all its walkers, (n_seeds,): ArviZ's rank-based."""
        return self._diagnosed("ess")

    def rhat(self) -> dict[str, np.ndarray]:
        """Rank-normalised split R-hat of each scalar and seed, (n_seeds,): 1 where the walkers agree."""
        return self._diagnosed("rhat")

    def _diagnosed(self, name: str) -> dict[str, np.ndarray]:
        from arviz_stats.base import array_stats  # half a second to import; only diagnostics need it

        measure = getattr(array_stats, name)
        # a series that does not move (p at overlap one) has no autocorrelation: its walkers agree trivially
        return {
            key: np.array([measure(seed, chain_axis=0, draw_axis=1) if np.ptp(seed) > 0 else np.nan for seed in values])
            for key, values in self.series().items()
        }


@dataclass(frozen=True)
class GibbsResult:
    """Samples of a task, or of the tasks of a chain, each given a draw from the one before."""

    chain: Chain
    n: int
    seeds: tuple[int, ...]
    settings: GibbsSettings
    device: str
    dtype: str
    stages: tuple[GibbsStage, ...]

    def values(self, name: str, *, after: int = -1, on: int | None = None) -> np.ndarray:
        """`name` ("r", "p", "eps_g", "q_star", "q", "energy") averaged over walkers and draws, for each seed, after
        task `after` and with respect to teacher `on` (the same task's unless told): (n_seeds,).
        """
        check_choice("name", name, OBSERVABLES)
        stage = self.stages[after]
        if name == "q":
            return stage.q
        if name in ("q_star", "energy"):
            return getattr(stage, name).mean(axis=(1, 2))
        on = range(len(self.stages))[after] if on is None else on
        mean = getattr(stage, "p" if name == "eps_g" else name)[..., on].mean(axis=(1, 2))
        if name != "eps_g":
            return mean
        channel = self.chain.tasks[on].channel
        return np.array([channel.eps_g(0.5 * (1.0 - p)) for p in mean])

    def estimate(self, name: str, *, after: int = -1, on: int | None = None) -> Estimate:
        """Mean and standard error over the disorder: seeds are independent, whatever the walkers' autocorrelation."""
        return Estimate.from_samples(self.values(name, after=after, on=on))
