"""Figure A1c: eps_2 against alpha_2, task 1 with the KL prior, beta = 100."""

from __future__ import annotations

from typing import Any

from . import two_tasks
from .framework import Data, Verdict

SCALES = two_tasks.scales(gamma=1.0, prior="kl", beta=100.0)
compute = two_tasks.compute


def draw(data: Data) -> Any:
    """Theory lines, descent points."""
    return two_tasks.draw(data, (2,))


def verdict(data: Data) -> Verdict:
    """Theory beside descent."""
    return two_tasks.verdict(data, (2,))
