"""Runs by name: a method, a scenario and a protocol in plain values, for stores, processes and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from statmech_cl.store import point_key

from . import protocol
from .methods import Method
from .protocol import Protocol
from .registry import get_method
from .results import RunResult
from .scenarios import Scenario, scenario


def run(method: str, scenario: Scenario, protocol_: Protocol, **how: Any) -> RunResult:
    """Train the method called `method`; the other arguments as for `protocol.run`.

    Raises
    ------
    ValueError : an unknown method; what `protocol.run` refuses.
    """
    return protocol.run(get_method(method), scenario, protocol_, **how)


def run_point(
    *,
    method: type[Method] | str,
    options: Mapping[str, Any],
    scenario_name: str,
    n_tasks: int | None,
    heads: str,
    subset: bool,
    validation: bool,
    epochs: int,
    batches: int,
    batch_size: int,
    network: str,
    widths: Sequence[int],
    seed: int,
    device: str,
    permutation_seed: int = 0,
    normalisation: str = "data",
    last_batch: bool = False,
    test_images: int = 0,
    curve: bool = True,
    look_back: int | None = None,
    data_dir: str | Path | None = None,
    checkpoints: str | Path | None = None,
) -> dict[str, Any]:
    """One method, one seed, from plain values to plain values: `RunResult.to_dict()`.

    method : a name, or the class itself, which a worker process finds by its module, wherever that comes from.
    checkpoints : a folder; the run's checkpoint is a file there, named after the values above and the code, so that
        edited code begins afresh.
    """
    point = {name: value for name, value in locals().items() if name not in ("method", "data_dir", "checkpoints")}
    kind = get_method(method) if isinstance(method, str) else method
    tasks = scenario(
        scenario_name,
        n_tasks=n_tasks,
        heads=heads,
        data_dir=data_dir,
        subset=subset,
        permutation_seed=permutation_seed,
        validation=validation,
        normalisation=normalisation,
    )
    length = Protocol(
        epochs=epochs,
        batches=batches,
        batch_size=batch_size,
        network=network,
        widths=tuple(widths),
        test_images=test_images,
        last_batch=last_batch,
    )
    path = None
    if checkpoints is not None:
        key = point_key("run", {**point, "method": kind.name, "code": protocol.code_of(kind)})
        path = Path(checkpoints) / f"{kind.name}-{seed}-{key[:16]}.checkpoint"
    how: dict[str, Any] = {"seed": seed, "options": options, "device": device, "checkpoint": path}
    return protocol.run(kind, tasks, length, **how, curve=curve, look_back=look_back).to_dict()
