"""Figure 1b: eps_1 against epoch over the switch from task 1 (alpha_1 = 2) to task 2, at three alpha_2."""

from __future__ import annotations

from typing import Any

from . import switch
from .framework import Data, Verdict

SCALES, compute = switch.SCALES, switch.compute


def draw(data: Data) -> Any:
    """Descent over epochs, theory at the end."""
    return switch.draw(data, 1)


def verdict(data: Data) -> Verdict:
    """Theory beside descent."""
    return switch.verdict(data, 1)
