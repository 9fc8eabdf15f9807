"""The interface between a continual-learning method and the protocol, and the table of methods.

A method is a class with a name. Most derive from one of the two bases and fill one hook:

- `methods_weights.WeightMethod` (full-precision weights, Adam or SGD): override `penalty()`, a term added to the loss,
  and `remember(batches)`, called when a task ends; what must survive goes into `self.memory`.
- `methods_field.FieldMethod` (binary weights in field space): override `update()`, or of its `AdamField` `curvature()`,
  the anchor's.

A whole new method:

    @register
    class Shrink(WeightMethod):
        name = "shrink"
        summary = "pull all weights towards zero after the first task"
        defaults = {**WeightMethod.defaults, "strength": 1e-3}

        def penalty(self):
            if not self.previous:
                return None
            return self.options["strength"] * sum(w.square().sum() for w in self.weights().values())

A package that is installed with the entry point

    [project.entry-points."statmech_cl.methods"]
    shrink = "its_module"

has it in every table: `statmech-cl benchmark permuted-mnist --methods shrink,ewc`. See `registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from statmech_cl.validation import check_choice, check_number

from .networks import Architecture

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """What a method is told when a task begins.

    Attributes
    ----------
    index, n_tasks : number of the task, from 0, of how many.
    n_patterns : P, its training patterns.
    n_steps : optimiser steps that will be made on it.
    outputs : the outputs in play (one head per task), or None for all.
    """

    index: int
    n_tasks: int
    n_patterns: int
    n_steps: int
    outputs: tuple[int, ...] | None = None


class Method(ABC):
    """A network and the way it is trained, task after task.

    Class attributes
    ----------------
    name : what it is called on the command line.
    summary : one line for tables and help.
    defaults : options and their default values; numbers, strings or booleans.
    views : ways of reading the trained network; the first is the one that is reported first.

    Parameters
    ----------
    architecture : layers of the network.
    seed : of everything random in the method: initial weights, noise.
    device : torch device.
    options : overrides of `defaults`.

    Raises
    ------
    ValueError : an unknown option, or a value of another kind than its default.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}
    views: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(
        self, architecture: Architecture, *, seed: int, device: str = "cpu", options: Mapping[str, Any] | None = None
    ) -> None:
        self.architecture = architecture
        self.device = torch.device(device)
        self.options = check_options(type(self), options or {})
        self.generator = torch.Generator(device=self.device).manual_seed(seed)
        self.task: TaskInfo | None = None
        self.mask: Tensor | None = None

    @classmethod
    def told_task(cls, options: Mapping[str, Any]) -> bool:
        """Whether, under these options, evaluation is told which task the images come from; the tables say so."""
        return False

    def begin_task(self, task: TaskInfo) -> None:
        """Called before the first step on a task. An override calls this first."""
        self.task = task
        self.mask = None
        if task.outputs is not None:
            self.mask = torch.full((self.architecture.n_outputs,), -torch.inf, device=self.device)
            self.mask[list(task.outputs)] = 0.0

    @classmethod
    def knows_horizon(cls, options: Mapping[str, Any]) -> bool:
        """Whether, under these options, training is told in advance how many tasks will come; the tables say so."""
        return False

    @abstractmethod
    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        """One optimiser step on a batch `x : (batch, n_inputs)`, `y : (batch,)`; returns its mean loss.

        progress : fraction of the task's steps already made, in [0, 1).
        """

    def end_task(self, batches: Batches) -> None:  # noqa: B027  (most methods have nothing to do here)
        """Called after the last step on a task, with a fresh pass over (part of) its training patterns."""

    @abstractmethod
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        """Logits (batch, n_outputs) under one of `views`; `task` (from 0) may be used only where `told_task`."""

    def prepare(self, view: str, sample: int) -> None:  # noqa: B027
        """Called before evaluating under `view`; a view that samples draws its sample number `sample` here."""

    def samples(self, view: str) -> int:
        """How many independent samples an evaluation under `view` averages; 1 where nothing is drawn."""
        return 1

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """A copy of everything needed to go on later: nested dicts, lists, tensors and numbers."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()` of an equal method, to the same numbers."""

    def diagnostics(self) -> dict[str, float]:
        """Numbers worth a line in the log at the end of an epoch."""
        return {}

    def histogram(self) -> list[float]:
        """A distribution worth keeping at the end of a task, as fractions in equal bins; empty where there is none."""
        return []

    def weight_tensors(self) -> dict[str, Tensor]:
        """The weight tensors by layer (biases left out), detached: what diagnostics look at."""
        return {}


METHODS: dict[str, type[Method]] = {}

M = TypeVar("M", bound=type[Method])


def register(method: M) -> M:
    """Class decorator: put `method` into the table under its name.

    Raises
    ------
    ValueError : another class has that name.
    """
    known = METHODS.setdefault(method.name, method)
    if (known.__module__, known.__qualname__) != (method.__module__, method.__qualname__):
        raise ValueError(f"method {method.name!r} is taken by {known.__module__}.{known.__qualname__}")
    METHODS[method.name] = method  # a module that was loaded anew
    return method


def unregister(name: str) -> None:
    """Take the method called `name` out of the table."""
    del METHODS[name]


def check_options(method: type[Method], options: Mapping[str, Any]) -> dict[str, Any]:
    """`method.defaults` with `options` put over them, each checked against the kind of its default."""
    merged = dict(method.defaults)
    for name, value in options.items():
        check_choice(f"option of {method.name}", name, tuple(method.defaults))
        default = method.defaults[name]
        if isinstance(default, (bool, str)):
            if not isinstance(value, type(default)):
                kind = "true or false" if isinstance(default, bool) else "a text"
                raise ValueError(f"option {name} of {method.name} must be {kind}, got {value!r}")
            merged[name] = value
        elif isinstance(default, int):
            number = check_number(f"option {name} of {method.name}", value, low=0.0)
            if number != int(number):
                raise ValueError(f"option {name} of {method.name} must be a whole number, got {value!r}")
            merged[name] = int(number)
        else:
            merged[name] = check_number(f"option {name} of {method.name}", value, low=0.0)
    return merged
