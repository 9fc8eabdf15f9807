"""What is to be solved: one task, or a chain of tasks. Frozen, keyword-only, validated once, here.

Everything downstream (kernels, solvers, simulations) trusts these objects and checks nothing again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from . import anchors, channels
from .channels import PLAIN, Channel
from .validation import check_choice, check_count, check_number

PRIORS = ("none", "kl")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a network of binary weights trained in field space.

    E(theta) = -sum_mu ln H(-y_mu (m . x_mu) / sqrt(sum_i (1 - m_i^2))) + gamma A(theta | reference),  m = tanh theta,
    weighted by exp(-beta E) over m in [-1, 1]^N, with P = alpha N patterns (Phys. Rev. E 108, 014309, sections II-III).

    Parameters
    ----------
    alpha : patterns per weight, alpha >= 0.
    beta : inverse temperature, beta > 0.
    prior : "none", or "kl" for -beta KL(q_theta || uniform).
    q_star : prescribes E<m^2> (the annealed variant of figure 2d), 0 < q_star < 1; None leaves it free.
    gamma : strength of the anchor to the previous task's reference, gamma >= 0. A first task has no reference and
        does not read `gamma`, `anchor` and `memory`.
    anchor : "none", "kl", "ewc", "l2", or one that was added (`anchors.register`); see docs/continual-learning.md.
    memory : the reference enters the anchor as memory * theta_ref, 0 <= memory <= 1.
    channel : the network and its teacher's labels: Perceptron(), as in E above, or Perceptron(flips=0.1), whose labels
        are flipped with probability 0.1.
    replay : {1: 0.5, 2: 0.25} mixes 0.5 N fresh patterns of task 1 and 0.25 N of task 2 in while a later task of a
        chain is learned (docs/replay.md). Kept as pairs (task, patterns per weight), entries of 0 left out.

    Raises
    ------
    ValueError : an argument out of range; one line that names it and says what is allowed.
    """

    alpha: float
    beta: float = 20.0
    prior: str = "none"
    q_star: float | None = None
    gamma: float = 1.0
    anchor: str = "kl"
    memory: float = 1.0
    channel: Channel = PLAIN
    replay: Mapping[int, float] | tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("alpha", check_number("alpha", self.alpha, low=0.0))
        put("beta", check_number("beta", self.beta, low=0.0, open_low=True))
        put("prior", check_choice("prior", self.prior, PRIORS))
        put("gamma", check_number("gamma", self.gamma, low=0.0))
        put("anchor", anchors.get(self.anchor).name)
        put("memory", check_number("memory", self.memory, low=0.0, high=1.0))
        if self.q_star is not None:
            put("q_star", check_number("q_star", self.q_star, low=0.0, high=1.0, open_low=True, open_high=True))
        if not isinstance(self.channel, Channel):
            raise ValueError(f"channel must be a channel such as Perceptron(), got {self.channel!r}")
        put("replay", self._checked_replay())

    def __repr__(self) -> str:
        """Short: alpha, and every field that is not at its default."""
        told = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Task({', '.join(told)})"

    def _checked_replay(self) -> tuple[tuple[int, float], ...]:
        given: Any = self.replay
        try:
            pairs = dict(given)
        except (TypeError, ValueError):
            raise ValueError(f"replay must map tasks to patterns per weight, got {given!r}") from None
        checked = {check_count("replay", k): check_number(f"replay[{k!r}]", v, low=0.0) for k, v in pairs.items()}
        kept = tuple((k, v) for k, v in sorted(checked.items()) if v > 0.0)
        if kept and anchors.get(self.anchor).curvature is not None:
            raise ValueError(f"anchor must be kl or none with replay, got {self.anchor!r}")
        if kept and self.alpha == 0.0:
            raise ValueError("alpha must be > 0 with replay, got 0.0")
        if kept and self.q_star is not None:
            raise ValueError(f"q_star must be None with replay, got {self.q_star!r}")
        return kept

    def to_dict(self) -> dict[str, Any]:
        """Every field as a plain value; `from_dict` reads it back."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        replay = {str(task): alpha for task, alpha in dict(self.replay).items()}
        return {**plain, "channel": channels.to_dict(self.channel), "replay": replay}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """The task that `to_dict` wrote; fields that are missing have their defaults.

        Raises
        ------
        ValueError : an unknown field (the line names the nearest one), no alpha, a value out of range.
        """
        given = _known(cls, values)
        if "alpha" not in given:
            raise ValueError(f"alpha must be given for a task, got only {', '.join(values) or 'nothing'}")
        if isinstance(given.get("channel"), Mapping):
            given["channel"] = channels.from_dict(given["channel"])
        if isinstance(given.get("replay"), Mapping):
            pairs = given["replay"].items()
            given["replay"] = {int(k) if isinstance(k, str) and k.isdigit() else k: v for k, v in pairs}
        return cls(**given)


@dataclass(frozen=True)
class Chain:
    """Tasks learned one after another; each is anchored to a configuration of the one before.

    In the gauge where the first teacher is 1, a site carries the signs (s_1 = 1, s_2, ..., s_T) of the T teachers,
    drawn from `law`.

    Parameters
    ----------
    tasks : the T >= 1 tasks in the order in which they are learned.
    overlaps : overlap r0 of each later teacher with the first, T - 1 numbers in [-1, 1] (one number serves for all);
        the signs are then independent given s_1: P(s_t = 1) = (1 + r0_t) / 2. Default 0.
    law : instead of `overlaps`, the full joint law: a mapping from tuples (s_2, ..., s_T) of +-1 to probabilities.

    Attributes
    ----------
    signs : (K, T) array of +-1, the sign patterns of positive probability; column 0 is 1.
    weights : (K,) array of their probabilities, summing to 1.

    Raises
    ------
    ValueError : an overlap outside [-1, 1], a negative probability, probabilities not summing to 1, unequal lengths,
        replay of a task that is no earlier one.
    """

    tasks: tuple[Task, ...]
    overlaps: Sequence[float] | float | None = field(default=None, kw_only=True)
    law: Mapping[tuple[int, ...], float] | None = field(default=None, kw_only=True)
    signs: np.ndarray = field(init=False, repr=False, compare=False)
    weights: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tasks = tuple(self.tasks)
        if not tasks or not all(isinstance(task, Task) for task in tasks):
            raise ValueError(f"tasks must be a non-empty sequence of Task, got {self.tasks!r}")
        for t, task in enumerate(tasks, start=1):
            told = dict(task.replay)
            if any(k >= t for k in told):
                raise ValueError(f"replay must be of earlier tasks, got {told!r} in task {t}")
        later = len(tasks) - 1
        if self.law is not None and self.overlaps is not None:
            raise ValueError("law and overlaps exclude each other; give one of them")
        if self.law is None:
            overlaps = self._checked_overlaps(later)
            object.__setattr__(self, "overlaps", overlaps)
            law: dict[tuple[int, ...], float] = {(): 1.0}
            for r0 in overlaps:
                law = {(*signs, s): weight * (1.0 + s * r0) / 2.0 for signs, weight in law.items() for s in (1, -1)}
        else:
            law = self._checked_law(later)
            object.__setattr__(self, "law", law)
        present = [(signs, weight) for signs, weight in law.items() if weight > 0.0]
        object.__setattr__(self, "tasks", tasks)
        object.__setattr__(self, "signs", np.array([(1, *signs) for signs, _ in present], dtype=np.int8))
        object.__setattr__(self, "weights", np.array([weight for _, weight in present]))

    def __repr__(self) -> str:
        """Short: the tasks, and what of their teachers is not at its default."""
        told = "" if self.law is None else f", law={self.law!r}"
        if self.law is None and any(np.asarray(self.overlaps)):
            told = f", overlaps={self.overlaps!r}"
        return f"Chain({self.tasks!r}{told})"

    def to_dict(self) -> dict[str, Any]:
        """{"tasks": [...], "overlaps": [...]}, or "law" as a list of [signs, probability]; plain values."""
        plain: dict[str, Any] = {"tasks": [task.to_dict() for task in self.tasks]}
        if self.law is not None:
            return {**plain, "law": [[list(signs), weight] for signs, weight in self.law.items()]}
        overlaps: Any = self.overlaps  # a tuple once it has been checked
        return {**plain, "overlaps": list(overlaps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Chain:
        """The chain that `to_dict` wrote.

        Raises
        ------
        ValueError : an unknown field (the line names the nearest one), no tasks, a value out of range.
        """
        given = _known(cls, values)
        tasks = tuple(Task.from_dict(task) for task in given.pop("tasks", ()))
        if "law" in given:
            given["law"] = _law_of(given["law"])
        return cls(tasks, **given)

    def _checked_overlaps(self, later: int) -> tuple[float, ...]:
        given = 0.0 if self.overlaps is None else self.overlaps
        if isinstance(given, str) or not isinstance(given, (Real, Sequence, np.ndarray)):
            raise ValueError(f"overlaps must be a number or {later} of them, got {given!r}")
        values: list[object] = [given] * later if isinstance(given, Real) else list(given)
        if len(values) != later:
            raise ValueError(f"overlaps must hold {later} numbers, one a task after the first, got {len(values)}")
        return tuple(check_number("overlaps", value, low=-1.0, high=1.0) for value in values)

    def _checked_law(self, later: int) -> dict[tuple[int, ...], float]:
        law: dict[tuple[int, ...], float] = {}
        if not isinstance(self.law, Mapping):
            raise ValueError(f"law must map tuples of {later} signs +1 or -1 to probabilities, got {self.law!r}")
        for signs, weight in self.law.items():
            key = tuple(signs) if isinstance(signs, Sequence) else ()
            if len(key) != later or any(s not in (1, -1) for s in key):
                raise ValueError(f"law must map tuples of {later} signs +1 or -1 to probabilities, got key {signs!r}")
            law[key] = check_number(f"law[{signs!r}]", weight, low=0.0, high=1.0)
        total = math.fsum(law.values())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"law must sum to 1, got {total!r}")
        return law


Problem: TypeAlias = Task | Chain


def refuse_replay(task: Task, where: str) -> None:
    """Refuse a task with replay where nothing would come of it.

    Raises
    ------
    ValueError : the task replays patterns of another.
    """
    if task.replay:
        raise ValueError(f"replay must be left out in {where}, got {dict(task.replay)!r}")


def to_dict(problem: Problem) -> dict[str, Any]:
    """{"task": ...} or {"chain": ...}: a whole problem in plain values."""
    return {"task" if isinstance(problem, Task) else "chain": problem.to_dict()}


def from_dict(values: Mapping[str, Any]) -> Problem:
    """The problem that `to_dict` wrote.

    Raises
    ------
    ValueError : not one of "task" and "chain", or what is in it is out of range.
    """
    if list(values) == ["task"]:
        return Task.from_dict(values["task"])
    if list(values) == ["chain"]:
        return Chain.from_dict(values["chain"])
    raise ValueError(f"problem must hold one of task and chain, got {list(values)!r}")


def _law_of(pairs: Any) -> dict[tuple[int, ...], float]:
    """{(s_2, ...): probability} of a list of [signs, probability]."""
    try:
        return {tuple(signs): weight for signs, weight in pairs}
    except (TypeError, ValueError):
        told = "law must be a list of signs and probabilities such as [[[1], 0.75], [[-1], 0.25]]"
        raise ValueError(f"{told}, got {pairs!r}") from None


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values`, once every name in it is known to be a field of `kind`."""
    names = [f.name for f in fields(kind) if f.init]
    for name in values:
        check_choice(f"{kind.__name__.lower()} field", name, names)
    return dict(values)
