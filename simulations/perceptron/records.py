"""What a descent leaves: observables epoch by epoch, the last fields of each task, the runs that diverged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain
from statmech_cl.validation import check_choice

from . import loss as perceptron


@dataclass(frozen=True)
class Divergence:
    """A descent whose fields are no longer finite: which seed and replica, on which task, seen at which epoch."""

    seed: int
    replica: int
    task: int
    epoch: int
    parameters: str

    def __str__(self) -> str:
        return (
            f"descent diverged: seed {self.seed}, replica {self.replica}, task {self.task + 1}, "
            f"by epoch {self.epoch}, {self.parameters}"
        )


@dataclass(frozen=True)
class Stage:
    """What was recorded while one task was trained. n_tasks counts all teachers of the chain, learned yet or not.

    epochs : (n_records,) epochs of the records; 0 is the state before training.
    r, p, eps_g : (n_records, n_tasks, n_seeds) overlaps mean W m, mean W sign(m), and the error that p means,
        arccos(p)/pi of a perceptron.
    q_star, loss : (n_records, n_seeds) mean m^2, and E/P on all patterns of the task (0 where it has none).
    q : (n_records, n_seeds) mean m_a m_b of two replicas, nan with one.
    eps_test : (n_tasks, n_seeds) error of the final sign(theta) on fresh patterns, nan where none were asked for.
    theta : (n_seeds, n_replicas, N) the final fields.
    """

    epochs: np.ndarray
    r: np.ndarray
    p: np.ndarray
    eps_g: np.ndarray
    q_star: np.ndarray
    loss: np.ndarray
    q: np.ndarray
    eps_test: np.ndarray
    theta: torch.Tensor


@dataclass(frozen=True)
class DescentResult:
    """Descents of a chain of tasks: the history of each task's training, seed by seed.

    stages : one Stage for each task, in order.
    diverged : the runs whose fields are no longer finite; they are nan in the records and are left out of estimates.
    """

    chain: Chain
    n: int
    seeds: tuple[int, ...]
    settings: DescentSettings
    device: str
    dtype: str
    stages: tuple[Stage, ...]
    diverged: tuple[Divergence, ...]

    def values(self, name: str, *, after: int = -1, on: int | None = None) -> np.ndarray:
        """`name` ("r", "p", "eps_g", "eps_test", "q", "q_star", "loss") of every seed after training task `after`, with
        respect to teacher `on` (the task just trained unless told): (n_seeds,), nan where it diverged.
        """
        check_choice("name", name, ("r", "p", "eps_g", "eps_test", "q", "q_star", "loss"))
        stage = self.stages[after]
        last = getattr(stage, name)
        if name != "eps_test":
            last = last[-1]
        if last.ndim == 1:
            return last
        return last[range(len(self.stages))[after] if on is None else on]

    def estimate(self, name: str, *, after: int = -1, on: int | None = None) -> Estimate:
        """Mean and standard error over the seeds that stayed finite; see `values`."""
        values = self.values(name, after=after, on=on)
        return Estimate.from_samples(values[np.isfinite(values)])


class Recorder:
    """Collects observables of all seeds of one problem at the recorded epochs."""

    def __init__(self, teachers: torch.Tensor, eps_g: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.teachers, self.eps_g = teachers, eps_g
        self.rows: list[dict[str, np.ndarray]] = []
        self.epochs: list[int] = []

    def add(self, epoch: int, theta: torch.Tensor, loss: torch.Tensor) -> None:
        seen = perceptron.overlaps(theta, self.teachers)
        p = seen["p"].clamp(-1.0, 1.0)
        row = {
            "r": seen["r"].mean(1).T,
            "p": p.mean(1).T,
            "eps_g": self.eps_g(p).mean(1).T,
            "q_star": seen["q_star"].mean(1),
            "loss": loss.mean(1),
            "q": seen.get("q", torch.full_like(seen["q_star"][:, 0], torch.nan)),
        }
        self.rows.append({name: value.double().cpu().numpy() for name, value in row.items()})
        self.epochs.append(epoch)

    def stage(self, eps_test: torch.Tensor, theta: torch.Tensor) -> Stage:
        columns = {name: np.stack([row[name] for row in self.rows]) for name in self.rows[0]}
        return Stage(
            epochs=np.array(self.epochs), eps_test=eps_test.double().cpu().numpy(), theta=theta.clone(), **columns
        )


def record_epochs(epochs: int, records: int) -> set[int]:
    """0, and `records` evenly spaced epochs that end with the last."""
    records = min(records, epochs)
    return {0, *(round(epochs * k / records) for k in range(1, records + 1))}


def convergence_epochs(epochs: np.ndarray, loss: np.ndarray, *, tolerance: float) -> np.ndarray:
    """First recorded epoch from which |loss - last loss| stays below `tolerance` times (first loss - last loss).

    `epochs : (n_records,)`, `loss : (n_records, n_seeds)`; returns (n_seeds,). A run that is still moving at its end
    gets an epoch near the end: look at the history before trusting it.
    """
    far = np.abs(loss - loss[-1]) >= tolerance * np.abs(loss[0] - loss[-1])
    last_far = far.shape[0] - 1 - np.argmax(far[::-1], axis=0)  # the start itself is always far
    return epochs[np.minimum(last_far + 1, far.shape[0] - 1)]
