"""What scenarios there are, without torch: the command line and the protocol read the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_TASKS = 10_000
MOST_UNITS = 100_000  # of one hidden layer


@dataclass(frozen=True, kw_only=True)
class ScenarioKind:
    """datasets: what it is made of. tasks: the numbers of tasks it can have, the first by default; () for any number,
    5 by default. permuted: whether the pixels of each task are permuted. usual: its protocol, where it differs."""

    datasets: tuple[str, ...]
    tasks: tuple[int, ...] = ()
    permuted: bool = False
    usual: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default_tasks(self) -> int:
        """Number of tasks unless told otherwise."""
        return self.tasks[0] if self.tasks else 5


SCENARIOS: dict[str, ScenarioKind] = {
    "permuted-mnist": ScenarioKind(datasets=("mnist",), permuted=True),
    "mnist-fashion": ScenarioKind(datasets=("mnist", "fashion-mnist"), tasks=(2,)),
    "split-mnist": ScenarioKind(datasets=("mnist",), tasks=(2, 5), usual={"epochs": 3, "batches": 0, "network": "cnn"}),
}
HEADS = ("single", "per-task")
NORMALISATIONS = ("data", "symmetric")
NETWORKS = ("mlp", "cnn")
# The protocol of a scenario that says nothing else.
USUAL: dict[str, Any] = {"epochs": 5, "batches": 500, "network": "mlp"}
