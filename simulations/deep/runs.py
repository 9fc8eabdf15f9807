"""Many runs of deep networks: those in the result store are read, the others computed and kept as each one ends.

The command `benchmark` and the deep figures share them: what one has computed the other finds, in the same folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path
from typing import Any

from statmech_cl.processes import own_pool
from statmech_cl.store import Store

from ..device import one_thread
from .continual import run_point
from .methods import check_options
from .protocol import code_of
from .registry import get_method
from .results import RunResult

# What the search on held-out images chose (docs/deep-networks.md), 5 epochs of 500 batches per task, where it differs
# from the defaults; on split MNIST the settings of the published comparison, and l2 at the strength of rana's eta.
_SGD = {"optimiser": "sgd", "lr": 0.1}
_PERMUTED: dict[str, dict[str, Any]] = {
    "vcl-sgd": {"lr": 2000.0},
    "bimu": {"samples": 1, "lr": 15.0, "memory": 3000.0},
    "vcl-steps": {"anneal": "none", "anneal_steps": 0, "lr": 0.03},
    "ewc": {**_SGD, "strength": 30.0},
    "online-ewc": _SGD,
    "si": _SGD,
    "plain": {"optimiser": "sgd", "lr": 0.03},
    "metaplasticity": {"meta": 12.0},
}
CHOSEN: dict[str, dict[str, dict[str, Any]]] = {
    "permuted-mnist": _PERMUTED,
    "mnist-fashion": _PERMUTED,
    "split-mnist": {"l2": {"strength": 3.0}, "ewc": {"strength": 5000.0}},
}
_KIND = "benchmark"


def run_points(
    store: Store,
    points: Sequence[Mapping[str, Any]],
    *,
    checkpoints: str | Path,
    data_dir: str | Path | None = None,
    jobs: int = 1,
) -> Iterator[tuple[int, RunResult]]:
    """(number, result) of every point, as they come.

    Parameters
    ----------
    points : arguments of `continual.run_point`, `method` a name; options that are left out have
        the method's defaults.
    checkpoints : folder of the runs under way; a killed run goes on from its last epoch there.
    jobs : runs at a time; if more than one, each in a process of its own. Each uses one thread of torch.

    Raises
    ------
    ValueError : an unknown method or option, a run that diverged; runs that were finished stay in the store.
    """
    waiting = []
    versions: dict[str, str] = {}
    for number, given in enumerate(points):
        kind = get_method(given["method"])
        point = {**given, "options": check_options(kind, given["options"])}
        if kind.name not in versions:
            versions[kind.name] = code_of(kind)
        keyed = {**point, "code": versions[kind.name]}
        row = store.get(_KIND, keyed)
        if row is None:
            waiting.append((number, keyed, {**point, "method": kind}))
        else:
            yield number, RunResult.from_dict(row)
    compute = partial(run_point, data_dir=data_dir, checkpoints=checkpoints)
    # One thread for each run: torch's own gain less than a second run beside the first, stall on a busy machine, and
    # add in another order, so that numbers would depend on the machine's cores.
    if jobs == 1:
        if waiting:
            one_thread()
        for number, keyed, point in waiting:
            yield number, RunResult.from_dict(store.put(_KIND, keyed, compute(**point)))
        return
    with own_pool(jobs, one_thread) as pool:
        futures = {pool.submit(compute, **point): (number, keyed) for number, keyed, point in waiting}
        for future in as_completed(futures):
            number, keyed = futures[future]
            yield number, RunResult.from_dict(store.put(_KIND, keyed, future.result()))
