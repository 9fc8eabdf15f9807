"""What the figures of simulated perceptrons share: their seeds, the one setting of descent, and what a row keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .figure import Context


def seeds(context: Context) -> list[int]:
    """The seeds of a run: n_seeds of them from the run's seed on."""
    return list(range(context.seed, context.seed + context.parameters["n_seeds"]))


def settings(**changes: Any) -> dict[str, Any]:
    """The one setting of descent that every figure uses, with what a figure must change (records, epochs)."""
    from statmech_cl.simulations.perceptron.descent import DescentSettings

    return dataclasses.asdict(DescentSettings(**changes))


def prepare() -> None:
    """One thread for torch: the steps of a descent are too short for more."""
    from statmech_cl.simulations.device import one_thread

    one_thread()


def without_seeds(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the values of the single seeds, `x_seeds`; their number, `n_seeds`, stays."""
    return {name: value for name, value in row.items() if name == "n_seeds" or not name.endswith("_seeds")}
