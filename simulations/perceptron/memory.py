"""How much memory a simulation asks for: said, and checked, before it starts.

    descent : P N (S + 5) bytes.  Patterns are kept as int8 for all S seeds; drawing one seed's takes 5 bytes more.
    gibbs   : 5 P N S bytes.      Patterns are kept as float32 beside the int8 that they are drawn as.

P is the largest number of patterns of any task, or of fresh ones that the students are tested on. Fields and gradients,
of order N, are far smaller.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch

from statmech_cl.problem import Problem, Task

from ..device import check_device
from .teachers import n_learned


def tasks_of(problem: Problem) -> tuple[Task, ...]:
    """The tasks of a chain, or the one task."""
    return (problem,) if isinstance(problem, Task) else problem.tasks


def needed(problem: Problem, *, method: str, n: int, n_seeds: int, test_patterns: int = 0) -> float:
    """Bytes that simulating this problem takes at its peak."""
    tasks = tasks_of(problem)
    if not math.isfinite(n * max(task.alpha + sum(dict(task.replay).values()) for task in tasks)):
        return math.inf
    count = max(n_learned(task, n) for task in tasks)
    if method == "gibbs":
        return 5.0 * count * n * n_seeds
    return max(float(count) * n * (n_seeds + 5), 5.0 * test_patterns * n * (n_seeds + 1))


def available(device: str) -> float:
    """Bytes of memory that the device has in all."""
    where = check_device(device)
    if where.type == "cuda":
        return float(torch.cuda.mem_get_info(where)[1])
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    control = Path("/sys/fs/cgroup/memory.max")  # a container may have less than its machine
    if control.is_file() and (text := control.read_text().strip()).isdigit():
        limits.append(float(text))
    return min(limits)


def check(problem: Problem, *, method: str, n: int, n_seeds: int, device: str, **settings: Any) -> float:
    """Bytes needed, or a ValueError where the device has less.

    settings : those of the method; a descent's `test_patterns` are counted.
    """
    bytes_needed = needed(problem, method=method, n=n, n_seeds=n_seeds, test_patterns=settings.get("test_patterns", 0))
    there = available(device)
    if bytes_needed > there:
        most = max(task.alpha + sum(dict(task.replay).values()) for task in tasks_of(problem))
        raise ValueError(
            f"n must be small enough for the memory of {device}, got {n}: with alpha = {most:g}, replay "
            f"included, and {n_seeds} seeds the patterns take about {said(bytes_needed)}, and there are {said(there)}"
        )
    return bytes_needed


def said(count: float) -> str:
    """1.2 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000.0:
            return f"{count:.3g} {unit}"
        count /= 1000.0
    return f"{count:.3g} PB"
