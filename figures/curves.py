"""Learning and forgetting curves: theory against epoch, over one task or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .axes import band


def learning_curve(ax: Axes, told: Mapping[str, Any]) -> Axes:
    """eps_g of every teacher against the epoch, tasks side by side, with a band of one standard error.

    told : what `LearningCurve.to_dict` gives. A teacher is drawn from the start of its own task on.
    """
    stages = told["stages"]
    starts = np.cumsum([0, *(stage["epochs"][-1] for stage in stages)])
    for teacher in range(len(stages)):
        later = range(teacher, len(stages))
        epoch = np.concatenate([starts[k] + np.array(stages[k]["epochs"]) for k in later])
        eps = np.concatenate([stages[k]["eps_g"][teacher] for k in later])
        error = np.concatenate([stages[k]["eps_g_error"][teacher] for k in later])
        ax.plot(epoch, eps, color=f"C{teacher}", label=rf"$\epsilon_{teacher + 1}$")
        band(ax, epoch, eps, error, f"C{teacher}")
    for start in starts[1:-1]:
        ax.axvline(start, color="0.6", linewidth=0.6)
    ax.set(xlabel="epoch", ylabel=r"$\epsilon_g$")
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.legend()
    return ax
