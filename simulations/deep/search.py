"""Choosing settings: every method's grid at a short length, its best at full length, on held-out training images.

Successive halving with two rungs. Every run is a stored point, so that a search that was killed goes on where it was,
and a longer one finds what a shorter one has computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from statmech_cl.store import Store
from statmech_cl.validation import check_choice, check_count

from .registry import get_method
from .results import RunResult
from .runs import run_points

Settings = tuple[dict[str, Any], ...]


def _crossed(same: Mapping[str, Any], **values: Sequence[Any]) -> Settings:
    """Every combination of the `values`, over `same`."""
    settings: list[dict[str, Any]] = [dict(same)]
    for name, each in values.items():
        settings = [{**setting, name: value} for setting in settings for value in each]
    return tuple(settings)


_SGD = {"optimiser": "sgd"}
_FREE = {"anneal": "none", "anneal_steps": 0}
# What is tried, over each method's defaults.
GRIDS: dict[str, Settings] = {
    "vcl": (
        *_crossed({}, gamma=(0.03, 0.1, 0.3), lr=(0.003, 0.01)),
        {"gamma": 0.1, "lr": 0.03},
        {"gamma": 0.1, "beta_max": 5.0},
        {"gamma": 0.1, "anneal": "task"},
    ),
    "vcl-steps": (
        *_crossed({}, gamma=(0.1, 0.3), anneal_steps=(4000, 12500, 40000)),
        *_crossed(_FREE, gamma=(0.1,), lr=(0.03, 0.1)),
    ),
    "vcl-none": _crossed({}, lr=(0.001, 0.003, 0.01, 0.03), beta_max=(3.0, 10.0)),
    "vcl-last-update": _crossed({}, gamma=(0.003, 0.01, 0.03, 0.1), lr=(0.003, 0.01)),
    "vcl-sgd": _crossed({}, lr=(1000.0, 2000.0, 4000.0, 8000.0), gamma=(0.05, 0.1)),
    "natural-gradient": (
        *_crossed({}, lr=(100.0, 300.0, 1000.0), gamma=(0.1, 1.0)),
        *_crossed({"momentum": 0.0}, lr=(300.0, 1000.0), gamma=(0.3,)),
    ),
    "bounded-memory": _crossed({}, lr=(500.0, 1000.0, 2000.0, 4000.0), memory=(1e6, 1e7)),
    "metaplasticity": _crossed({}, meta=(1.35, 4.0, 8.0, 12.0, 20.0), lr=(0.001, 0.005)),
    "ewc": (
        *_crossed(_SGD, lr=(0.03, 0.1), strength=(10.0, 30.0, 100.0)),
        *_crossed({}, strength=(30.0, 100.0)),
    ),
    "online-ewc": (
        *_crossed(_SGD, lr=(0.03, 0.1), strength=(10.0, 30.0, 100.0)),
        *_crossed({**_SGD, "lr": 0.1}, strength=(30.0, 100.0), decay=(1.0,)),
    ),
    "si": _crossed(_SGD, lr=(0.03, 0.1), strength=(0.1, 1.0), damping=(0.1, 0.01)),
    "bimu": (
        *_crossed({"samples": 1}, memory=(30.0, 300.0, 3000.0), likelihood=(40.0, 160.0)),
        *_crossed({"samples": 1, "memory": 300.0}, lr=(1.5, 15.0)),
        *_crossed({"samples": 1, "lr": 15.0}, memory=(3000.0, 30000.0)),
    ),
    "l2": (
        *_crossed(_SGD, lr=(0.1,), strength=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
        *_crossed({}, strength=(1e-3, 1e-2, 1e-1)),
    ),
    "plain": (
        *_crossed(_SGD, lr=(0.003, 0.01, 0.03, 0.1, 0.3)),
        *_crossed({}, lr=(1e-4, 3e-4, 1e-3)),
    ),
}


def search(
    store: Store,
    methods: Sequence[str],
    shared: Mapping[str, Any],
    *,
    short: Mapping[str, Any],
    keep: int,
    checkpoints: str | Path,
    data_dir: str | Path | None = None,
    jobs: int = 1,
) -> Iterator[dict[str, Any]]:
    """One row for each run: method, length ("short" or "full"), its options as far as they are not the defaults,
    average, learned (of the first view), seconds.

    Parameters
    ----------
    shared : arguments of `continual.run_point` of all runs at full length; validation must be on.
    short : what differs at short length. keep : how many settings of each method go on to full length.

    Raises
    ------
    ValueError : a method without a grid or with fewer than `keep` settings, or runs that would look at test images.
    """
    check_count("keep", keep)
    if not shared["validation"]:
        raise ValueError("validation must be True for a search, got False")
    for name in methods:
        check_choice("methods", name, tuple(GRIDS))
    fewest = min(methods, key=lambda name: len(GRIDS[name]))
    if keep > len(GRIDS[fewest]):
        raise ValueError(f"keep must be at most {len(GRIDS[fewest])}, the number of settings of {fewest}, got {keep}")
    how: dict[str, Any] = {"checkpoints": checkpoints, "data_dir": data_dir, "jobs": jobs}
    best: dict[str, list[tuple[float, dict[str, Any]]]] = {name: [] for name in methods}
    points = [{"method": name, "options": o, **shared, **short} for name in methods for o in GRIDS[name]]
    for number, result in run_points(store, points, **how):
        row = _row(result, "short")
        best[result.method].append((row["average"], points[number]["options"]))
        yield row
    points = [
        {"method": name, "options": options, **shared}
        for name in methods
        for _, options in sorted(best[name], key=lambda metrics: -metrics[0])[:keep]
    ]
    for _, result in run_points(store, points, **how):
        yield _row(result, "full")


def _row(result: RunResult, length: str) -> dict[str, Any]:
    kind = get_method(result.method)
    metrics = result.metrics(kind.views[0])
    changed = {name: value for name, value in result.options.items() if value != kind.defaults[name]}
    return {
        "method": result.method,
        "length": length,
        "setting": " ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in changed.items()
        )
        or "defaults",
        "average": metrics["average"],
        "learned": metrics["learned"],
        "seconds": result.seconds,
    }
