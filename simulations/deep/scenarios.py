"""Tasks in order: permuted MNIST, MNIST then Fashion-MNIST, split MNIST."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from statmech_cl.validation import check_choice, check_count

from . import datasets
from .names import HEADS, NORMALISATIONS, SCENARIOS
from .networks import PIXELS

_PERMUTATION = 3


def stream_seed(*parts: int) -> int:
    """One 63-bit seed from several small numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class TaskData:
    """One task. Images (n, 784) uint8, labels (n,) int64 that are numbers of outputs.

    outputs : the outputs that this task's classes own. permutation : of the pixels, (784,), or None.
    mean, std : images go in as (pixel - mean) / std, pixels in [0, 1].
    outside : images of another data set, to see whether a network knows what it does not know; or None.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    outputs: tuple[int, ...]
    mean: float
    std: float
    permutation: Tensor | None = None
    outside: Tensor | None = None

    def images(self, raw: Tensor) -> Tensor:
        """What the network sees: permuted, normalised float32 images."""
        if self.permutation is not None:
            raw = raw[:, self.permutation]
        return raw.to(torch.float32).mul_(1.0 / (255.0 * self.std)).sub_(self.mean / self.std)


@dataclass(frozen=True)
class Scenario:
    """Tasks in order. `per_task_heads`: each task trains and is judged on its own outputs only."""

    name: str
    tasks: tuple[TaskData, ...]
    n_outputs: int
    per_task_heads: bool
    sources: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """sha256 of all that the tasks consist of: images, labels, split, normalisation, permutations."""
        digest = hashlib.sha256()
        seen: dict[tuple[int, int], bytes] = {}  # tasks share their images
        for task in self.tasks:
            digest.update(repr((task.name, task.outputs, task.mean, task.std)).encode())
            for part in (task.train_x, task.train_y, task.test_x, task.test_y, task.permutation, task.outside):
                if part is None:
                    digest.update(b"none")
                    continue
                place = (part.data_ptr(), part.numel())
                if place not in seen:
                    seen[place] = hashlib.sha256(part.contiguous().numpy().tobytes()).digest()
                digest.update(repr(tuple(part.shape)).encode() + seen[place])
        digest.update(repr((self.n_outputs, self.per_task_heads)).encode())
        return digest.hexdigest()


def scenario(
    name: str,
    *,
    n_tasks: int | None = None,
    heads: str = "single",
    data_dir: str | Path | None = None,
    subset: bool = False,
    permutation_seed: int = 0,
    validation: bool = False,
    normalisation: str = "data",
) -> Scenario:
    """The tasks of "permuted-mnist" (default 5), "mnist-fashion" (2) or "split-mnist" (2: digits 0-4, 5-9; or 5 pairs).

    Parameters
    ----------
    heads : "single", all tasks share the outputs (ten; split-mnist keeps ten digits), or "per-task".
    data_dir, subset : see `datasets.load`.
    permutation_seed : of the pixel permutations; task 1 is not permuted. 0 where no pixels are permuted.
    validation : judge on a held-out sixth of the training set instead of the test set: for choosing hyper-parameters.
    normalisation : "data", by mean and standard deviation of the training pixels, or "symmetric", to [-1, 1].

    Raises
    ------
    ValueError : unknown name, heads or normalisation, a number of tasks that the scenario does not have, a seed of
        permutations that it has none of; `DatasetError`.
    """
    kind = SCENARIOS[check_choice("scenario", name, tuple(SCENARIOS))]
    check_choice("heads", heads, HEADS)
    check_choice("normalisation", normalisation, NORMALISATIONS)
    n_tasks = check_count("tasks", kind.default_tasks if n_tasks is None else n_tasks)
    if kind.tasks and n_tasks not in kind.tasks:
        raise ValueError(f"tasks must be {' or '.join(map(str, kind.tasks))} for {name}, got {n_tasks}")
    if check_count("permutation_seed", permutation_seed, low=0) and not kind.permuted:
        raise ValueError(f"permutation_seed must be 0 for {name}, which permutes nothing, got {permutation_seed}")
    loaded = [_load(d, data_dir, subset, validation) for d in kind.datasets]
    # Everybody has the embedded images: what is asked about them does not depend on the machine.
    outside = None if "fashion-mnist" in kind.datasets else _load("fashion-mnist", None, True, validation).test_x
    tasks = []
    for index in range(n_tasks):
        data = loaded[index if name == "mnist-fashion" else 0]
        train_x, train_y, test_x, test_y = data.train_x, data.train_y, data.test_x, data.test_y
        label, permutation, first, owned = f"task {index + 1}", None, 0, 10
        if kind.permuted:
            label = f"permutation {index}"
            if index > 0:
                generator = torch.Generator().manual_seed(stream_seed(permutation_seed, _PERMUTATION, index))
                permutation = torch.randperm(PIXELS**2, generator=generator)
        elif name == "mnist-fashion":
            label = kind.datasets[index]
        else:
            owned = 10 // n_tasks
            first = index * owned
            label = f"digits {first}-{first + owned - 1}"
            train, test = ((y >= first) & (y < first + owned) for y in (train_y, test_y))
            train_x, train_y, test_x, test_y = train_x[train], train_y[train], test_x[test], test_y[test]
        # Split MNIST keeps the digit as the output under either choice: ten outputs, shared or parted.
        offset = index * owned if heads == "per-task" and name != "split-mnist" else 0
        tasks.append(
            TaskData(
                name=label,
                train_x=train_x,
                train_y=train_y + offset if offset else train_y,
                test_x=test_x,
                test_y=test_y + offset if offset else test_y,
                outputs=tuple(range(first + offset, first + offset + owned)),
                mean=data.mean if normalisation == "data" else 0.5,
                std=data.std if normalisation == "data" else 0.5,
                permutation=permutation,
                outside=outside,
            )
        )
    n_outputs = 10 * n_tasks if heads == "per-task" and name != "split-mnist" else 10
    return Scenario(name, tuple(tasks), n_outputs, heads == "per-task", tuple(data.source for data in loaded))


@dataclass(frozen=True)
class _Loaded:
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    mean: float
    std: float
    source: str


def _load(name: str, data_dir: str | Path | None, subset: bool, validation: bool) -> _Loaded:
    """One data set as tensors. With `validation` the last sixth of the training set is held out and takes the place of
    the test set, which is then not looked at."""
    place = datasets.find(name, data_dir, subset=subset)[0]["train_x"]
    return _read(name, str(place), None if data_dir is None else str(data_dir), subset, validation)


@lru_cache(maxsize=4)
def _read(name: str, _place: str, data_dir: str | None, subset: bool, validation: bool) -> _Loaded:
    data = datasets.load(name, data_dir, subset=subset)
    train_x = torch.from_numpy(data.train_x.copy()).reshape(-1, PIXELS**2)
    train_y = torch.from_numpy(data.train_y.astype(np.int64))
    if validation:
        cut = len(train_y) - len(train_y) // 6
        train_x, test_x, train_y, test_y = train_x[:cut], train_x[cut:], train_y[:cut], train_y[cut:]
    else:
        test_x = torch.from_numpy(data.test_x.copy()).reshape(-1, PIXELS**2)
        test_y = torch.from_numpy(data.test_y.astype(np.int64))
    mean, std = _scale(train_x)
    return _Loaded(train_x, train_y, test_x, test_y, mean, std, str(data))


def _scale(x: Tensor) -> tuple[float, float]:
    counts = torch.bincount(x.flatten(), minlength=256).to(torch.float64)
    levels = torch.arange(256, dtype=torch.float64) / 255.0
    mean = float((counts * levels).sum() / counts.sum())
    return mean, float(((counts * levels.square()).sum() / counts.sum() - mean**2).sqrt())
