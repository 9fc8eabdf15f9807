"""Grids of problems: sweep(problem, grid) -> a tidy table, one row for each point of the Cartesian product.

Points run on any `concurrent.futures` executor (by default one process for each core, one thread each). With a store,
every finished point is on disk at once and a repeated call computes only what is missing. A point that fails is a row
with status "failed" and its message; it is not stored, so the next call tries it again.
"""

from __future__ import annotations

import itertools
import math
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .points import Point, Sweepable, point_of
from .processes import cores, own_pool, use_one_thread
from .progress import bar
from .provenance import code_version
from .store import Store
from .validation import check_choice

if TYPE_CHECKING:
    import pandas
    import xarray

MOST_POINTS = 1_000_000
_LOADED = uuid.uuid4().hex


def compute_row(point: Point) -> dict[str, Any]:
    """The result of one point as plain values: what a worker does."""
    return point.row()


def _attempt(point: Point, asked_from: str) -> dict[str, Any]:
    """`compute_row`, with a failure as a row: it must not end the sweep, nor need to be unpickled."""
    if asked_from != _process():
        use_one_thread()
    try:
        return compute_row(point)
    except Exception as error:
        return {"status": "failed", "message": " ".join(f"{type(error).__name__}: {error}".split())}


def _process() -> str:
    """A name of this process that no other has, on this machine or another."""
    return f"{_LOADED}-{os.getpid()}"


def points(
    problem: Sweepable, grid: Mapping[str, Iterable[Any]], zipped: Mapping[str, Iterable[Any]] | None = None
) -> list[Point]:
    """Every point, the last name of the grid varying more slowly than what is `zipped`; all of them validated.

    Raises
    ------
    ValueError : a name that the problem does not have (names the nearest), no values, a value out of range.
    """
    base = point_of(problem)
    values = {name: list(given) for name, given in grid.items()}
    together = {name: list(given) for name, given in (zipped or {}).items()}
    known = tuple(base.values())
    for axis, table in (("grid", values), ("zipped", together)):
        for name, given in table.items():
            check_choice(axis, name, known)
            if not given:
                raise ValueError(f"{axis}[{name!r}] must hold at least one value, got none")
    twice = [name for name in together if name in values]
    if twice:
        raise ValueError(f"{twice[0]} must be in only one of grid and zipped, got it in both")
    lengths = {name: len(given) for name, given in together.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"zipped must hold lists of one length, got lengths {lengths}")
    steps = list(zip(*together.values(), strict=True)) if together else [()]
    count = math.prod([len(steps), *map(len, values.values())])
    if count > MOST_POINTS:
        raise ValueError(f"grid must come to at most {MOST_POINTS} points, got {count}")
    names = (*values, *together)
    return [
        base.at(dict(zip(names, (*combination, *step), strict=True)))
        for combination in itertools.product(*values.values())
        for step in steps
    ]


def sweep(
    problem: Sweepable,
    grid: Mapping[str, Iterable[Any]],
    *,
    zipped: Mapping[str, Iterable[Any]] | None = None,
    executor: Executor | None = None,
    store: str | Path | None = None,
    quiet: bool = False,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> pandas.DataFrame:
    """Compute `problem` at every point of the Cartesian product of `grid`, and of what is `zipped`.

    Parameters
    ----------
    problem : Task, Chain or Simulation; supplies every parameter that the grid does not vary.
    grid : name -> values, names as the point's `values` gives them ("alpha"; of a chain "alpha_2", "overlap_2").
    zipped : name -> values that vary together: the first of each, the second of each, ... (lists of one length).
    executor : any concurrent.futures executor, e.g. dask.distributed.Client(...).get_executor(); it is not shut down.
        Default: one spawned process for each core, one thread each (a script needs `if __name__ == "__main__":`).
    store : file of the result store; finished points go there at once and are found there.
    quiet : no progress bar.
    on_row : called with each line of the table (name -> value) as soon as it is there: those of the store first, then
        each computed point as it is done, once it is stored. What it raises ends the sweep; finished points stay.

    Returns
    -------
    DataFrame: the names of `grid` and `zipped`, then the results, `status` and `message`; rows in the order of the
    product. `attrs` holds the kind, the parameters that do not vary, and the version.

    Raises
    ------
    ValueError : a name that the problem does not have, no values, a value out of range (before anything is computed).
    StoreError : the store is damaged or cannot be written.
    """
    import pandas

    crossed = {name: list(values) for name, values in grid.items()}
    together = {name: list(values) for name, values in (zipped or {}).items()}
    wanted = points(problem, crossed, together)
    listed = crossed | together
    kind, version = wanted[0].kind, code_version(type(wanted[0]).__module__)
    lines: dict[int, dict[str, Any]] = {}

    def finish(index: int, row: dict[str, Any]) -> None:
        lines[index] = _tidy(wanted[index].values(), listed, row)
        if on_row is not None:
            on_row(dict(lines[index]))

    with Store(store, version=version) if store is not None else nullcontext() as opened:
        if opened is not None:
            for index, point in enumerate(wanted):
                stored = opened.get(f"sweep/{kind}", point.to_dict())
                if stored is not None:
                    finish(index, stored)
        missing = {index: point for index, point in enumerate(wanted) if index not in lines}
        finished = _finished(missing, executor)
        for index, row in bar(finished, "sweep", total=len(missing), quiet=quiet):
            if opened is not None and row.get("status") != "failed":
                row = opened.put(f"sweep/{kind}", wanted[index].to_dict(), row)
            finish(index, row)
    table = pandas.DataFrame([lines[index] for index in range(len(wanted))])
    fixed = {name: value for name, value in wanted[0].values().items() if name not in listed}
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


def _finished(missing: Mapping[int, Point], executor: Executor | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, row) of each missing point as it is done."""
    if executor is not None:
        yield from _through(executor, missing)
        return
    if len(missing) < 2:
        for index, point in missing.items():
            yield index, _attempt(point, _process())
        return
    left = dict(missing)
    idle_breaks = 0
    while left:
        # A pool that broke twice without finishing anything holds a point that kills its worker: find it alone.
        alone = idle_breaks == 2
        batch = dict([next(iter(left.items()))]) if alone else left
        try:
            with own_pool(min(cores(), len(batch))) as pool:
                for index, row in _through(pool, dict(batch)):
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


def _through(executor: Executor, missing: Mapping[int, Point]) -> Iterator[tuple[int, dict[str, Any]]]:
    futures: dict[Future[dict[str, Any]], int] = {}
    try:
        for index, point in missing.items():
            futures[executor.submit(_attempt, point, _process())] = index
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()
