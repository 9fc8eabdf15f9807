"""Figure 3a: eps_1 against alpha_2 at gamma = 1."""

from __future__ import annotations

from typing import Any

from . import two_tasks
from .framework import Data, Verdict

SCALES = two_tasks.scales(gamma=1.0, gammas=(1.0, 0.1))
compute = two_tasks.compute


def draw(data: Data) -> Any:
    """Theory lines, descent points."""
    return two_tasks.draw(data, (1,))


def verdict(data: Data) -> Verdict:
    """Theory beside descent."""
    return two_tasks.verdict(data, (1,))
