"""The options that describe a chain of tasks, and what they say of each task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click

from .. import anchors
from ..problem import PRIORS
from .options import Choice, Numbers

DEFAULTS: dict[str, Any] = {
    "beta": (20.0,),
    "overlap": (0.0,),
    "gamma": (1.0,),
    "anchor": "kl",
    "memory": (1.0,),
    "prior": "none",
}
_OPTIONS: dict[str, tuple[click.ParamType, str]] = {
    "alpha": (Numbers(low=0.0), "Once a task, in the order of learning."),
    "beta": (Numbers(low=0.0, open_low=True), "Inverse temperature; default 20."),
    "overlap": (Numbers(low=-1.0, high=1.0), "Of a teacher with the first; 0."),
    "gamma": (Numbers(low=0.0), "Strength of the anchor; default 1."),
    "anchor": (Choice(anchors.names()), "Anchor to the task before; default kl."),
    "memory": (Numbers(low=0.0, high=1.0), "What the anchor keeps; default 1."),
    "prior": (Choice(PRIORS), "Prior: once for all, or once a task; default none."),
}


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
    found: dict[str, list[Any]] = {}
    for name in (name for name in DEFAULTS if name in given):
        default = DEFAULTS[name]
        values = given[name] or (default,)
        first = (default,) if len(values) == n_tasks - 1 and n_tasks > 2 else values[:1]
        if len(values) == 1:
            found[name] = list(values) * n_tasks
        elif len(values) == n_tasks - 1:
            found[name] = [*first, *values]
        elif name in ("beta", "prior") and len(values) == n_tasks:
            found[name] = list(values)
        else:
            raise ValueError(f"{name} must be given once or {n_tasks - 1} times for {n_tasks} tasks, got {len(values)}")
    found["alpha"] = list(given["alpha"])
    return found
