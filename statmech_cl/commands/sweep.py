"""statmech-cl sweep: a grid of problems from a TOML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import click

from statmech_cl.simulations.perceptron.simulation import METHODS, Simulation

from ..output import to_json, to_table
from ..points import TIES, Point, Sweepable
from ..problem import Chain, Task
from ..sweep import points, sweep
from ..validation import check_choice
from .options import parse_numbers, quiet_option, read_law, read_network
from .results import ROWS, choose_form, deliver, kept_in, read_toml, rows_as

_TABLES = ("problem", "parameters", "grid", "zip")
_NETWORK = ("hidden_layers", "activation")
_FIRST = tuple(name for name in Task.__dataclass_fields__ if name not in TIES)
_TASK = (*_FIRST, "branch")
_PARAMETERS = {
    "task": (*(name for name in _TASK if name != "channel"), *_NETWORK),
    "chain": ("tasks", "overlaps", "law", *_NETWORK),
}
_KINDS = ("task", "chain", *METHODS)


@click.command("sweep")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A .csv, .json, .txt, .parquet or .xlsx file; default: CSV to the terminal.",
)
@click.option("--store", type=click.Path(path_type=Path), help="Finished points; default: FILE with suffix .sqlite.")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster at this address (tcp://host:port).")
@quiet_option()
def command(file: Path, output: Path | None, store: Path | None, dask: str | None, quiet: bool) -> None:
    """Compute every point of the grid in FILE (TOML), on all cores or on a Dask cluster.

    Finished points are on disk at once; the same command again computes only what is missing. A point that fails is
    a row with its message, and the exit status is then 1.

    \b
    Example:
      statmech-cl sweep grid.toml -o grid.csv
    where grid.toml holds
      problem = "task"
      [parameters]
      beta = 20.0
      [grid]
      alpha = "0.1:2:0.1"
      prior = ["none", "kl"]

    Names in a table [zip], each with a list of the same length, vary together instead of forming a grid.

    A chain has parameters.tasks = [{alpha = 2.0}, {alpha = 1.0}], parameters.overlaps = [0.0] and a grid over alpha_1,
    alpha_2, overlap_2, ...; problem = "descent" has alpha, n, seeds, and the settings of the descent. The theory's
    problems take hidden_layers and activation among their parameters: a tree in place of the perceptron.
    """
    form = choose_form("csv" if output is None else None, output)
    problem, grid, zipped = _read(file, fits=dask is None)
    where = store if store is not None else file.with_suffix(".sqlite")
    with kept_in(where):
        if dask is None:
            table = sweep(problem, grid, zipped=zipped, store=where, quiet=quiet)
        else:
            with _client(dask) as client:
                executor = client.get_executor()
                table = sweep(problem, grid, zipped=zipped, executor=executor, store=where, quiet=quiet)
    rows = [{str(name): _cell(value) for name, value in row.items()} for row in table.to_dict("records")]
    content = rows_as(rows, form) if form in ROWS else to_table(rows) + "\n"
    deliver(to_json({**table.attrs, "rows": rows}) if form == "json" else content, output)
    failed = sum(row["status"] == "failed" for row in rows)
    if failed:
        click.echo(f"statmech-cl: {failed} of {len(rows)} points failed; their rows say why", err=True)
        raise click.exceptions.Exit(1)


def _cell(value: Any) -> Any:
    # Columns that some rows lack are filled with nan by pandas: empty cells again.
    return None if isinstance(value, float) and value != value else value


_Values: TypeAlias = dict[str, list[Any]]


def _read(file: Path, *, fits: bool) -> tuple[Sweepable, _Values, _Values]:
    """The problem, the grid and what is zipped, every point checked; an error names the file, the table and the key.

    fits : simulated points have to fit into this machine's memory.
    """
    content = read_toml(file)
    for name in content:
        check_choice(f"{file}: name", name, _TABLES)
    kind = check_choice(f"{file}: problem", content.get("problem", "task"), _KINDS)
    with _named(file):
        parameters = _table(content, "parameters")
        grid = {name: _values(f"grid.{name}", given) for name, given in _table(content, "grid").items()}
        zipped = {name: _values(f"zip.{name}", given) for name, given in _table(content, "zip").items()}
        for axis, values in (("grid", grid), ("zip", zipped)):
            for name in values if kind == "task" else ():
                check_choice(axis, name, _TASK)
        if not grid and not zipped:
            raise ValueError("grid must hold at least one name with its values")
        for name in parameters:
            if name in grid or name in zipped:
                axis = "grid" if name in grid else "zip"
                raise ValueError(f"{name} must be in only one of parameters and {axis}, got it in both")
    with _named(file, {"grid": grid, "zip": zipped}, other="[parameters] "):
        for name in parameters:
            check_choice("name", name, _PARAMETERS.get(kind, (name,)))
        if kind == "descent" and "beta" in parameters:
            raise ValueError("beta must not be given with descent, which has no temperature")
        if kind == "task" and "branch" in parameters:  # no field of a task: it is an axis of one value
            grid["branch"] = [parameters.pop("branch")]
        problem = _problem(kind, parameters, {**grid, **zipped})
    with _named(file):
        wanted = points(problem, grid, zipped)
        if fits:
            _check_memory(wanted)
    return problem, grid, zipped


def _check_memory(wanted: Sequence[Point]) -> None:
    """A ValueError where a simulated point needs more memory than there is, before the first one is begun."""
    for point in wanted:
        if isinstance(point, Simulation):
            from statmech_cl.simulations.perceptron import memory

            settings = point.values()
            sizes = {"method": point.method, "n": point.n, "n_seeds": point.seeds, "device": settings["device"]}
            memory.check(point.task, **sizes, test_patterns=settings.get("test_patterns", 0))


@contextmanager
def _named(file: Path, tables: Mapping[str, _Values] | None = None, *, other: str = "") -> Iterator[None]:
    """A ValueError inside names the file, and which of the tables holds the key that it begins with, or `other`."""
    try:
        yield
    except ValueError as error:
        key = str(error).split(" ")[0]
        table = next((f"[{name}] " for name, values in (tables or {}).items() if key in values), other)
        raise ValueError(f"{file}: {table}{error}") from None


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a table, got {table!r}")
    return dict(table)


def _values(name: str, given: Any) -> list[Any]:
    if isinstance(given, str) and ":" in given:
        return list(parse_numbers(name, given))
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ValueError(f"{name} must hold at least one value, got none")
    return values


def _problem(kind: str, parameters: dict[str, Any], grid: Mapping[str, list[Any]]) -> Sweepable:
    """The problem that supplies what the grid does not vary; what it does vary takes its first value."""
    if kind == "chain":
        read_law(parameters)
        listed = parameters.pop("tasks", [])
        if not isinstance(listed, list) or not all(isinstance(task, dict) for task in listed):
            raise ValueError(f"tasks must be a list of tables [{{alpha = 1.0}}, ...], got {listed!r}")
        channel = read_network(parameters)
        tasks = []
        for number, task in enumerate(listed, start=1):
            for name in task:
                check_choice(f"name in task {number}", name, tuple(Task.__dataclass_fields__) if number > 1 else _FIRST)
            _check_anchored(number, task, grid)
            tasks.append(Task.from_dict({"channel": channel, **_varied(grid, f"_{number}"), **task}))
        return Chain(tuple(tasks), **parameters)
    first = {name: values[0] for name, values in grid.items()}
    if "alpha" not in first and "alpha" not in parameters:
        raise ValueError("alpha must be given for a task, got none")
    if kind == "task":
        names = {name: value for name, value in {**first, **parameters}.items() if name != "branch"}
        return Task.from_dict({"channel": read_network(names), **names})
    given = {**first, **parameters}
    read = ("alpha", "beta", "prior", "q_star", "channel")
    task = Task.from_dict({name: given.pop(name) for name in read if name in given})
    sizes = {name: given.pop(name) for name in ("n", "seeds") if name in given}
    return Simulation(task=task, method=kind, settings=given, **sizes)


def _check_anchored(number: int, task: Mapping[str, Any], grid: Mapping[str, list[Any]]) -> None:
    """A ValueError where a task has a strength or a memory of an anchor that it has not."""
    if task.get("anchor") == "none":
        for name in ("gamma", "memory"):
            if name in task or f"{name}_{number}" in grid:
                raise ValueError(f"{name} must not be given where the anchor is none, in task {number}")


def _varied(grid: Mapping[str, list[Any]], suffix: str) -> dict[str, Any]:
    """First values of the grid's names that end in `suffix`, under their bare names; overlaps belong to the chain."""
    varied = {name.removesuffix(suffix): values[0] for name, values in grid.items() if name.endswith(suffix)}
    return {name: value for name, value in varied.items() if name != "overlap"}


def _client(address: str) -> Any:
    try:
        from dask.distributed import Client
    except ModuleNotFoundError:
        raise ValueError("--dask needs Dask; install it with: pip install 'statmech-cl[dask]'") from None
    try:
        return Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ValueError(f"dask must be the address of a running scheduler, got {address!r} ({error})") from None
