"""A tree at finite size: how many units a layer and inputs a unit, what it answers, how it is chosen for N weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from statmech_cl.channels import Channel
from statmech_cl.problem import Chain, Problem, Task
from statmech_cl.trees import Tree
from statmech_cl.validation import check_count

from .activations import ACTIVATIONS, Activation


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A tree at finite size.

    inputs : n, inputs of each unit of the first layer.
    units : K of each hidden layer: how many units of it feed one unit above; L numbers, or one for all.
    channel : the tree of the theory that it approaches.
    overlapping : every unit of the one hidden layer reads the same inputs: a committee, and no tree any more.
    counted : the student's hidden signs are summed over exactly, which takes 2^K terms; else their sum is taken as
        Gaussian, which is exact for many units. One hidden layer of an odd number of signs.
    """

    inputs: int
    units: tuple[int, ...] | int
    channel: Tree
    overlapping: bool = False
    counted: bool = False

    def __post_init__(self) -> None:
        layers = self.channel.hidden_layers
        check_count("inputs", self.inputs)
        given = (self.units,) * layers if isinstance(self.units, int) else tuple(self.units)
        units = tuple(check_count("units", k) for k in given)
        if layers == 0 or len(units) != layers:
            raise ValueError(
                f"units must hold {layers} numbers, one a hidden layer of at least one, got {self.units!r}"
            )
        if self.overlapping and layers != 1:
            raise ValueError(f"overlapping must be False with {layers} hidden layers, got True")
        if self.counted and (layers != 1 or self.channel.activation != "sign" or units[0] % 2 == 0 or units[0] > 9):
            raise ValueError("counted must be False but for one hidden layer of 1, 3, 5, 7 or 9 signs, got True")
        object.__setattr__(self, "units", units)

    @property
    def first(self) -> int:
        """Units of the first hidden layer."""
        return math.prod(self.layers)

    @property
    def layers(self) -> tuple[int, ...]:
        return self.units if isinstance(self.units, tuple) else (self.units,)

    @property
    def n(self) -> int:
        """Weights N."""
        return self.inputs * self.first

    @property
    def width(self) -> int:
        """Entries of a pattern."""
        return self.inputs if self.overlapping else self.n

    @property
    def activation(self) -> Activation:
        return ACTIVATIONS[str(self.channel.activation)]

    def signs(self, count: int, like: torch.Tensor) -> torch.Tensor:
        """v_l / sqrt K of a layer whose units come in groups of `count`."""
        v = like.new_full((count,), count**-0.5)
        if not self.activation.odd:
            v[1::2] *= -1.0
        return v

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Patterns `(..., P, width)` unit by unit: (..., units, P, inputs)."""
        if self.overlapping:
            return x.unsqueeze(-3).expand(*x.shape[:-2], self.first, -1, -1)
        return x.unflatten(-1, (self.first, self.inputs)).transpose(-3, -2)

    def outputs(self, w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What trees of weights `w : (n_trees, N)` put out on `x : (P, width)` before the last sign: (n_trees, P)."""
        by_unit = w.to(torch.float64).view(-1, self.first, self.inputs)
        a = torch.einsum("kui,upi->kpu", by_unit, self.split(x.to(torch.float64)))
        a = a / math.sqrt(self.inputs)
        for count in self.layers:
            f = self.activation.value(a).unflatten(-1, (-1, count))
            a = f @ self.signs(count, f)
        return a[..., 0]

    def labels(self, w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """y : (n_trees, P) int8 of +-1; a tie is +1 (for odd activations a fair coin, by the symmetry x -> -x)."""
        return torch.where(self.outputs(w, x) < 0, -1, 1).to(torch.int8)


def tree_of(problem: Problem) -> Tree | None:
    """The tree with hidden layers that every task of a problem is about; None where it is about perceptrons.

    Raises
    ------
    ValueError : tasks of different networks.
    """
    tasks = (problem,) if isinstance(problem, Task) else problem.tasks
    trees = {_silent(task.channel) for task in tasks}
    if len(trees) > 1:
        raise ValueError(f"channel must be the same network in every task of a simulation, got {trees!r}")
    (tree,) = trees
    return tree


def _silent(channel: Channel) -> Tree | None:
    """The tree without its teacher's noise."""
    return replace(channel, flips=0.0) if isinstance(channel, Tree) and channel.hidden_layers > 0 else None


def of_shape(problem: Problem, shape: Shape) -> Chain:
    """The problem as a chain of tasks of this shape's network; tasks without a channel of their own get it."""
    chain = Chain((problem,)) if isinstance(problem, Task) else problem
    plain = Task(alpha=0.0).channel
    for task in chain.tasks:
        if task.channel != plain and _silent(task.channel) != _silent(shape.channel):
            raise ValueError(f"channel must be that of the shape, {shape.channel!r}, got {task.channel!r}")
    named = [shape.channel if task.channel == plain else task.channel for task in chain.tasks]
    tasks = (replace(task, channel=channel) for task, channel in zip(chain.tasks, named, strict=True))
    return replace(chain, tasks=tuple(tasks))


def shape_of(channel: Tree, n: int, units: int | None = None) -> Shape:
    """The tree of n weights with `units` units a layer; without them, the odd number that comes nearest to as many
    inputs a unit as units a layer.

    Raises
    ------
    ValueError : n is no multiple of units^L, or of no odd number to that power.
    """
    layers, n = channel.hidden_layers, check_count("n", n, low=2)
    if units is not None:
        first = check_count("units", units) ** layers
        if n % first:
            above = -(-n // first) * first
            raise ValueError(f"n must be a multiple of units^hidden_layers = {first}, such as {above}, got {n}")
        return Shape(inputs=n // first, units=units, channel=channel)
    odd = [k for k in range(3, round(n ** (1.0 / layers)) + 2, 2) if n % k**layers == 0]
    if not odd:
        said = " x ".join(["units"] * layers)
        raise ValueError(f"n must be a multiple of {said} for an odd number of units of 3 or more, got {n}")
    best = min(odd, key=lambda k: abs(math.log(n / k ** (layers + 1))))
    return Shape(inputs=n // best**layers, units=best, channel=channel)
