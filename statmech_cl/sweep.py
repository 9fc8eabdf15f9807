"""Grids of problems: sweep(problem, grid) -> a tidy table, one row for each point of the Cartesian product.

Points run on any `concurrent.futures` executor (by default one process for each core, one thread each). With a store,
every finished point is on disk at once and a repeated call computes only what is missing. A point that fails is a row
with status "failed" and its message; it is not stored, so the next call tries it again.
"""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import os
import signal
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .problem import Chain, Task
from .progress import bar
from .provenance import code_version
from .store import Store
from .validation import check_choice, check_count

if TYPE_CHECKING:
    import pandas
    import xarray

_TASK_FIELDS = tuple(f.name for f in dataclasses.fields(Task))
_BRANCHES = ("best", "low", "high")
METHODS = ("descent", "gibbs")
# The fields of a task that each simulation reads, and the settings that a grid may vary.
_SIMULATED = {"descent": ("alpha", "prior", "q_star"), "gibbs": ("alpha", "beta", "prior")}
_COMMON = ("teacher_signs", "device")
_DESCENT = (
    "optimizer",
    "learning_rate",
    "momentum",
    "batch",
    "epochs",
    "weight_decay",
    "start_spread",
    "records",
    "warmup",
)
_SETTINGS = {
    "descent": (*_DESCENT, "replicas", "test_patterns", *_COMMON),
    "gibbs": ("warmup", "draws", "chains", "leapfrogs", "acceptance", "start", *_COMMON),
}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_LOADED = uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Perceptrons of one task as a problem of a sweep (needs torch where the points run).

    task : its beta is not used by a descent.
    method : "descent" or "gibbs" (Hamiltonian Monte Carlo).
    n, seeds : weights, and number of seeds (0, 1, ...), at least 2.
    settings : fields of statmech_cl.simulations.perceptron.descent.DescentSettings (gibbs.GibbsSettings), and `device`.
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


Problem = Task | Chain | Simulation


def flatten(problem: Problem) -> tuple[str, dict[str, Any]]:
    """Kind of the problem and its parameters under the names that a grid may vary.

    Task: its fields, and `branch`. Chain: `alpha_1`, `beta_1`, ... and `overlap_2`, ... (numbered from 1 as the paper
    does). Simulation: its task's alpha, prior and q_star, `n`, `seeds` and the settings.
    """
    if isinstance(problem, Task):
        return "task", {**problem.to_dict(), "branch": "best"}
    if isinstance(problem, Chain):
        flat = {
            f"{name}_{number}": value
            for number, task in enumerate(problem.tasks, start=1)
            for name, value in task.to_dict().items()
        }
        if problem.overlaps is None:
            flat["law"] = [[list(signs), weight] for signs, weight in dict(problem.law or {}).items()]
        else:
            overlaps: Any = problem.overlaps  # a tuple once the Chain has checked it
            flat.update((f"overlap_{number}", r0) for number, r0 in enumerate(overlaps, start=2))
        return "chain", flat
    if isinstance(problem, Simulation):
        task = {name: getattr(problem.task, name) for name in _SIMULATED[problem.method]}
        return problem.method, {**task, "n": problem.n, "seeds": problem.seeds, **problem.settings}
    raise ValueError(f"problem must be a Task, a Chain or a Simulation, got {problem!r}")


def build(kind: str, parameters: Mapping[str, Any]) -> Problem:
    """The problem that `flatten` took apart; a ValueError where a parameter is out of range."""
    if kind == "task":
        check_choice("branch", parameters["branch"], _BRANCHES)
        return Task.from_dict({name: parameters[name] for name in _TASK_FIELDS})
    if kind == "chain":
        count = sum(name.startswith("alpha_") for name in parameters)
        tasks = [
            Task.from_dict({name: parameters[f"{name}_{t}"] for name in _TASK_FIELDS}) for t in range(1, count + 1)
        ]
        if "law" in parameters:
            return Chain(tuple(tasks), law={tuple(signs): weight for signs, weight in parameters["law"]})
        return Chain(tuple(tasks), overlaps=tuple(parameters[f"overlap_{t}"] for t in range(2, count + 1)))
    rest = {name: value for name, value in parameters.items() if name not in (*_SIMULATED[kind], "n", "seeds")}
    task = Task(**{name: parameters[name] for name in _SIMULATED[kind]})
    return Simulation(task=task, method=kind, n=parameters["n"], seeds=parameters["seeds"], settings=rest)


def compute_row(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The result of one point as plain values: what a worker does."""
    if kind in METHODS:
        # By name: the theory does not know the simulations.
        measure = import_module("statmech_cl.simulations.perceptron.rows")
        import_module("statmech_cl.simulations.perceptron.descent").one_thread()
        row: dict[str, Any] = getattr(measure, f"{kind}_row")(**parameters)
        return {**row, "status": "diverged" if row["diverged"] else "done"}
    from . import solve

    found: Any
    problem: Any = build(kind, parameters)
    if kind == "task":
        found = solve(problem, branch=parameters["branch"])
        return dict(found.to_dict())
    found = solve(problem)
    return _chain_row(found.to_dict())


def _chain_row(found: Mapping[str, Any]) -> dict[str, Any]:
    """The forgetting matrix as `eps_g_after_t_on_k` and `p_after_t_on_k`, and each task's results as `q_t`, ..."""
    row: dict[str, Any] = {}
    for name in ("eps_g", "p"):
        for after, values in enumerate(found[name], start=1):
            row.update((f"{name}_after_{after}_on_{on}", value) for on, value in enumerate(values, start=1))
    for number, task in enumerate(found["tasks"], start=1):
        names = ("q", "r", "q_star", "free_entropy", "replicon", "residual", "quadrature_error")
        row.update((f"{name}_{number}", task[name]) for name in names)
    row.update((f"reference_overlap_{t}", value) for t, value in enumerate(found["reference_overlap"], start=2))
    failed = [task["status"] for task in found["tasks"] if task["status"] != "converged"]
    return {**row, "status": failed[0] if failed else "converged"}


def _attempt(kind: str, parameters: Mapping[str, Any], asked_from: str) -> dict[str, Any]:
    """`compute_row`, with a failure as a row: it must not end the sweep, nor need to be unpickled."""
    if asked_from != _process():
        use_one_thread()
    try:
        return compute_row(kind, parameters)
    except Exception as error:
        return {"status": "failed", "message": " ".join(f"{type(error).__name__}: {error}".split())}


def _process() -> str:
    """A name of this process that no other has, on this machine or another."""
    return f"{_LOADED}-{os.getpid()}"


def use_one_thread() -> None:
    """Let numba, BLAS and torch use one thread in this process: a worker beside others, one for each core.

    What is loaded already is told so (BLAS through threadpoolctl, which the extra `dask` brings); what is loaded later
    reads the environment.
    """
    loaded = [sys.modules[name] for name in ("numba", "torch") if name in sys.modules]
    for module in loaded:
        module.set_num_threads(1)
    # numba reads its variable again at every compilation, and refuses a change once its threads run.
    names = [name for name in _THREAD_VARIABLES if not (name.startswith("NUMBA") and "numba" in sys.modules)]
    os.environ.update(dict.fromkeys(names, "1"))
    with suppress(ModuleNotFoundError):
        import_module("threadpoolctl").threadpool_limits(1)


def points(problem: Problem, grid: Mapping[str, Iterable[Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Kind and parameters of every point, the last name of the grid varying fastest; all of them validated.

    Raises
    ------
    ValueError : a name that the problem does not have (names the nearest), no values, a value out of range.
    """
    kind, base = flatten(problem)
    values = {name: list(given) for name, given in grid.items()}
    for name, given in values.items():
        check_choice("grid", name, tuple(dict.fromkeys([*base, *_SETTINGS.get(kind, ())])))
        if not given:
            raise ValueError(f"grid[{name!r}] must hold at least one value, got none")
    combinations = itertools.product(*values.values())
    found = [{**base, **dict(zip(values, combination, strict=True))} for combination in combinations]
    for parameters in found:
        build(kind, parameters)
    return kind, found


def sweep(
    problem: Problem,
    grid: Mapping[str, Iterable[Any]],
    *,
    executor: Executor | None = None,
    store: str | Path | None = None,
    quiet: bool = False,
) -> pandas.DataFrame:
    """Compute `problem` at every point of the Cartesian product of `grid`.

    Parameters
    ----------
    problem : Task, Chain or Simulation; supplies every parameter that the grid does not vary.
    grid : name -> values, names as `flatten` gives them ("alpha"; of a chain "alpha_2", "overlap_2").
    executor : any concurrent.futures executor, e.g. dask.distributed.Client(...).get_executor(); it is not shut down.
        Default: one spawned process for each core, one thread each (a script needs `if __name__ == "__main__":`).
    store : file of the result store; finished points go there at once and are found there.
    quiet : no progress bar.

    Returns
    -------
    DataFrame: the grid's names, then the results, `status` and `message`; rows in the order of the product.
    `attrs` holds the kind, the parameters that do not vary, and the version.

    Raises
    ------
    ValueError : a name that the problem does not have, no values, a value out of range (before anything is computed).
    StoreError : the store is damaged or cannot be written.
    """
    import pandas

    listed = {name: list(values) for name, values in grid.items()}
    kind, wanted = points(problem, listed)
    version = _version(kind)
    rows: dict[int, dict[str, Any]] = {}
    with Store(store, version=version) if store is not None else nullcontext() as opened:
        if opened is not None:
            for index, parameters in enumerate(wanted):
                found = opened.get(f"sweep/{kind}", parameters)
                if found is not None:
                    rows[index] = found
        missing = {index: parameters for index, parameters in enumerate(wanted) if index not in rows}
        finished = _finished(kind, missing, executor)
        for index, row in bar(finished, "sweep", total=len(missing), quiet=quiet):
            if opened is not None and row.get("status") != "failed":
                row = opened.put(f"sweep/{kind}", wanted[index], row)
            rows[index] = row
    table = pandas.DataFrame([_tidy(wanted[index], listed, rows[index]) for index in range(len(wanted))])
    fixed = {name: value for name, value in wanted[0].items() if name not in listed}
    table.attrs.update(kind=kind, parameters=fixed, version=version)
    return table


def to_xarray(table: pandas.DataFrame, grid: Iterable[str]) -> xarray.Dataset:
    """The table of a sweep as labelled arrays, one dimension for each name of the grid (pass the grid itself)."""
    dataset: xarray.Dataset = table.set_index(list(grid)).to_xarray()
    dataset.attrs.update({name: str(value) for name, value in table.attrs.items()})
    return dataset


def _tidy(parameters: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the table: the grid's values, the results without lists and repeated parameters, status last."""
    line = {name: parameters[name] for name in grid}
    # q_star is both: a parameter when prescribed, and always a result.
    both = {name for name in row if name.startswith("q_star")} - set(grid)
    repeated = {*grid, *parameters, "status", "message"} - both
    line.update((name, value) for name, value in row.items() if name not in repeated and not isinstance(value, list))
    return {**line, "status": row["status"], "message": row.get("message", "")}


def _version(kind: str) -> str:
    simulated = kind in METHODS
    return code_version("statmech_cl.simulations.perceptron.rows" if simulated else "statmech_cl.equilibrium.solve")


def _finished(
    kind: str, missing: Mapping[int, Mapping[str, Any]], executor: Executor | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, row) of each missing point as it is done."""
    if executor is not None:
        yield from _through(executor, kind, missing)
        return
    if len(missing) < 2:
        for index, parameters in missing.items():
            yield index, _attempt(kind, parameters, _process())
        return
    left = dict(missing)
    idle_breaks = 0
    while left:
        # A pool that broke twice without finishing anything holds a point that kills its worker: find it alone.
        alone = idle_breaks == 2
        batch = dict([next(iter(left.items()))]) if alone else left
        try:
            with _own_pool(len(batch)) as pool:
                for index, row in _through(pool, kind, dict(batch)):
                    del left[index]
                    idle_breaks = 2 if alone else 0
                    yield index, row
        except BrokenExecutor:
            idle_breaks += 1
            if alone:
                (index,) = batch
                del left[index]
                idle_breaks = 0
                yield index, {"status": "failed", "message": "the worker process died (killed, or out of memory)"}


def _through(
    executor: Executor, kind: str, missing: Mapping[int, Mapping[str, Any]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    futures: dict[Future[dict[str, Any]], int] = {}
    try:
        for index, parameters in missing.items():
            futures[executor.submit(_attempt, kind, parameters, _process())] = index
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _own_pool(n_points: int) -> Iterator[ProcessPoolExecutor]:
    """Spawned workers, one for each core, one thread each; ended at once when the sweep is left early."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    # Libraries read these when they are loaded, so they must stand before the workers start.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    context = multiprocessing.get_context("spawn")
    strangers = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(_cores(), n_points), mp_context=context, initializer=_ignore_ctrl_c)
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - strangers:
            child.terminate()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ignore_ctrl_c() -> None:
    """Ctrl-C reaches the whole process group; the parent alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
