"""The options that describe a chain of tasks, and what they say of each task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click

from .. import anchors
from ..channels import PLAIN, Channel
from ..problem import PRIORS, Chain, Problem, Task
from .options import Choice, Numbers, Replay

DEFAULTS: dict[str, Any] = {
    "beta": (20.0,),
    "overlap": (0.0,),
    "gamma": (1.0,),
    "anchor": "kl",
    "memory": (1.0,),
    "prior": "none",
    "replay": (),
}
_OPTIONS: dict[str, tuple[click.ParamType, str]] = {
    "alpha": (Numbers(low=0.0), "Once for each task, in the order of learning."),
    "beta": (Numbers(low=0.0, open_low=True), "Inverse temperature; default 20."),
    "overlap": (Numbers(low=-1.0, high=1.0), "Of the teacher with the first one; default 0."),
    "gamma": (Numbers(low=0.0), "Strength of the anchor; default 1."),
    "anchor": (Choice(anchors.names()), "Anchor to the task before; default kl."),
    "memory": (Numbers(low=0.0, high=1.0), "What the anchor keeps; default 1."),
    "prior": (Choice(PRIORS), "Prior: once, or once for each task; default none."),
    "replay": (Replay(), "Of earlier tasks, 1=0.5 or 1=0.5,2=1; default none."),
}


ALL = tuple(_OPTIONS)
LATER = ("overlap", "gamma", "anchor", "memory", "replay")  # what a first task does not have


def chain_options(*names: str) -> Callable[[Any], Any]:
    """The options `names` of a chain; each may be given several times and arrives as a tuple."""
    known = {name: _OPTIONS[name] for name in names}
    options = [click.option(f"--{name}", type=kind, multiple=True, help=told) for name, (kind, told) in known.items()]
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def columns(given: Mapping[str, tuple[Any, ...]], *, alone: str) -> dict[str, list[Any]]:
    """What each option says of each task, a list of as many as there are tasks.

    alone : what is said where no alpha was given.
    """
    n_tasks = len(given["alpha"])
    if n_tasks == 0:
        raise ValueError(alone)
    columns: dict[str, list[Any]] = {}
    for name in (name for name in DEFAULTS if name in given):
        default = DEFAULTS[name]
        values = given[name] or (default,)
        if n_tasks == 1 and len(values) > 1:
            raise ValueError(f"{name} must be given once for one task, got {len(values)}")
        if len(values) == 1:
            columns[name] = list(values) * n_tasks
        elif len(values) == n_tasks - 1:
            columns[name] = [default, *values]
        elif name in ("beta", "prior") and len(values) == n_tasks:
            columns[name] = list(values)
        else:
            raise ValueError(f"{name} must be given once or {n_tasks - 1} times for {n_tasks} tasks, got {len(values)}")
    if given.get("anchor") and not any(name != "none" for name in columns["anchor"][1:]):
        for name in ("gamma", "memory"):
            if given.get(name):
                raise ValueError(f"{name} must not be given where the anchor is none, got {_said(given[name])}")
    columns["alpha"] = list(given["alpha"])
    if "replay" in columns:
        columns["replay"] = _replayed(columns["replay"], once=len(given["replay"]) == 1)
    return columns


def _replayed(pairs: list[Any], *, once: bool) -> list[dict[int, float]]:
    """What each task replays. Said once it is for all later tasks: each takes what is of tasks before it, and the last
    one all, so that a task that is never an earlier one is refused."""
    last = len(pairs) - 1
    return [
        {k: amount for k, amount in told if t == last or not once or k <= t} if t > 0 else {}
        for t, told in enumerate(pairs)
    ]


def _said(values: tuple[Any, ...]) -> str:
    """Numbers as they were given: 1, 0.5."""
    return ", ".join(f"{number:g}" for value in values for number in value)


def points_of(
    given: Mapping[str, tuple[Any, ...]], *, alone: str = "Missing option '--alpha'.", channel: Channel = PLAIN
) -> list[tuple[dict[str, float], Chain]]:
    """(what is swept, chain) for every chain that the options describe: one, or one for each value of what is swept."""
    described = columns(given, alone=alone)
    n_tasks = len(described["alpha"])
    spread = {
        (name, t)
        for name, values in described.items()
        for t, value in enumerate(values)
        if isinstance(value, tuple) and len(value) > 1
    }
    names = {name if len(given[name]) == 1 else f"{name}_{t + 1}" for name, t in spread}
    if len(names) > 1:
        raise ValueError(f"a range in one argument sweeps it, got ranges in {' and '.join(sorted(names))}")
    if not spread:
        return [({}, _chain(described, n_tasks, None, channel))]
    (name,) = names
    swept_name, t = min(spread)
    values = described[swept_name][t]
    return [({name: value}, _chain(described, n_tasks, k, channel)) for k, value in enumerate(values)]


def _chain(described: dict[str, list[Any]], n_tasks: int, index: int | None, channel: Channel) -> Chain:
    """The chain with the index-th value of what is swept."""

    def at(name: str, t: int) -> Any:
        value = described[name][t]
        if not isinstance(value, tuple):
            return value
        return value[0] if len(value) == 1 or index is None else value[index]

    names = ("alpha", "beta", "gamma", "anchor", "memory", "prior", "replay")
    tasks = tuple(Task(**{name: at(name, t) for name in names}, channel=channel) for t in range(n_tasks))
    return Chain(tasks, overlaps=tuple(at("overlap", t) for t in range(1, n_tasks)))


def one_chain(given: Mapping[str, tuple[Any, ...]]) -> Chain:
    """The one chain that the options describe.

    Raises
    ------
    ValueError : one argument holds a range or a list, and what `points_of` refuses.
    """
    for name, values in given.items():
        for value in values:
            if isinstance(value, tuple) and name != "replay" and len(value) != 1:
                raise ValueError(f"{name} must be one number here, got {len(value)}")
    (point,) = points_of(given)
    return point[1]


def problems_of(
    given: Mapping[str, tuple[Any, ...]], channel: Channel = PLAIN
) -> list[tuple[dict[str, float], Problem]]:
    """As `points_of`, where one alpha (or a list or range of it) means single tasks.

    Raises
    ------
    ValueError : an option of later tasks with one task, and what `points_of` refuses.
    """
    if len(given["alpha"]) > 1:
        return list(points_of(given, channel=channel))
    for name in LATER:
        if given.get(name):
            raise ValueError(
                f"{name} must not be given with one task, as it ties a later one; give --alpha once for each task"
            )
    return [(swept, chain.tasks[0]) for swept, chain in points_of(given, channel=channel)]
