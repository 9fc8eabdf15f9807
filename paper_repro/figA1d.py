"""Figure A1d: eps_1 and eps_2 against alpha_2 after a first task at alpha_1 = 1.4."""

from __future__ import annotations

from typing import Any

from . import two_tasks
from .framework import Data, Verdict

SCALES = two_tasks.scales(gamma=1.0, alpha_1=1.4)
compute = two_tasks.compute


def draw(data: Data) -> Any:
    """Theory lines, descent points."""
    return two_tasks.draw(data, (1, 2))


def verdict(data: Data) -> Verdict:
    """Theory beside descent."""
    return two_tasks.verdict(data, (1, 2))
