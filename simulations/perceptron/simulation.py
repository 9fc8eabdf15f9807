"""Perceptrons of one task as a point of a sweep: `sweep(Simulation(task=Task(alpha=1.0)), {"n": [100, 200]})`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from statmech_cl.channels import Perceptron
from statmech_cl.descent_settings import DescentSettings
from statmech_cl.problem import Task, refuse_replay
from statmech_cl.validation import check_choice, check_count

# The fields of a task that each method reads.
_READ = {"descent": ("alpha", "prior", "q_star", "channel"), "gibbs": ("alpha", "beta", "prior", "channel")}
METHODS = tuple(_READ)


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Perceptrons of one task, simulated (needs torch where the points run).

    task : its beta is not used by a descent. Its channel must be a Perceptron; labels may be flipped.
    method : "descent" or "gibbs" (Hamiltonian Monte Carlo).
    n, seeds : weights, and number of seeds (0, 1, ...), at least 2.
    settings : fields of DescentSettings (gibbs_records.GibbsSettings), and `device`.
    """

    task: Task
    method: str = "descent"
    n: int = 500
    seeds: int = 8
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_count("n", self.n, low=2)
        check_count("seeds", self.seeds, low=2)
        if not isinstance(self.task.channel, Perceptron):
            raise ValueError(f"task.channel must be a Perceptron in a simulated point, got {self.task.channel!r}")
        refuse_replay(self.task, "a simulated point")
        self._chosen()

    @property
    def kind(self) -> str:
        """The method: a sweep's table says so."""
        return self.method

    def values(self) -> dict[str, Any]:
        """The task's fields that the method reads, n, seeds and every setting."""
        return {**self._read(), "n": self.n, "seeds": self.seeds, **self._chosen()}

    def at(self, changes: Mapping[str, Any]) -> Simulation:
        """The same with other values of some names."""
        given = dict(changes)
        read = {name: given.pop(name) for name in _READ[self.method] if name in given}
        sizes = {name: given.pop(name) for name in ("n", "seeds") if name in given}
        task = Task.from_dict({**self.task.to_dict(), **read})
        return dataclasses.replace(self, task=task, settings={**self.settings, **given}, **sizes)

    def to_dict(self) -> dict[str, Any]:
        """The whole of it in plain values."""
        sizes = {"method": self.method, "n": self.n, "seeds": self.seeds}
        return {"task": self.task.to_dict(), **sizes, "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Simulation:
        """The simulation that `to_dict` wrote."""
        return cls(**{**values, "task": Task.from_dict(values["task"])})

    def row(self) -> dict[str, Any]:
        """Descended or sampled: the observables with their errors, and `status`."""
        from ..device import one_thread
        from .rows import descent_row, gibbs_row

        one_thread()
        row_of = descent_row if self.method == "descent" else gibbs_row
        row = row_of(**self._read(), n=self.n, seeds=self.seeds, **self.settings)
        return {**row, "status": "diverged" if row["diverged"] else "done"}

    def _read(self) -> dict[str, Any]:
        task = self.task.to_dict()
        return {name: task[name] for name in _READ[self.method]}

    def _chosen(self) -> dict[str, Any]:
        """Every setting, those that were not given at their defaults."""
        kind: Any
        if self.method == "descent":
            kind, plain = DescentSettings, {"replicas": 2}
        else:
            from .gibbs_records import GibbsSettings

            kind, plain = GibbsSettings, {}
        known = [f.name for f in dataclasses.fields(kind)]
        for name in self.settings:
            check_choice(f"setting of {self.method}", name, (*known, "device"))
        given = {**plain, **self.settings}
        device = check_choice("device", given.pop("device", "cpu"), ("cpu", "cuda"))
        return {**dataclasses.asdict(kind(**given)), "device": device}
