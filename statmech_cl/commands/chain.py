"""statmech-cl chain: tasks learned one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..output import fitted_table, to_json, to_table
from ..problem import Chain, Task
from ..solution import BRANCHES, long_rows
from ..validation import check_choice
from .chain_options import ALL, chain_options, points_of
from .options import Choice, network, network_options, quiet_option, read_law, read_network
from .results import (
    ROWS,
    Failed,
    all_option,
    choose_form,
    deliver,
    in_file,
    read_toml,
    result_options,
    rows_as,
    solve_each,
    store_option,
)

_FILE_NAMES = ("tasks", "overlaps", "law", "hidden_layers", "activation")
_SHOWN = (
    *("task", "alpha", "q", "r", "q_star", "p", "eps_g", "replicon", "quadrature_error"),
    *("coexisting", "thermodynamic", "status"),
)
_SPARE = ("quadrature_error", "p", "q", "r", "replicon")
_IN_A_ROW = 6  # columns of the forgetting matrix beside each other


@click.command("chain")
@chain_options(*ALL)
@click.option("--file", type=click.Path(path_type=Path), help="A TOML file with the chain, instead of the options.")
@click.option(
    "--branch", type=Choice(BRANCHES), default="best", show_default=True, help="Which solution of the last task."
)
@network_options
@result_options(
    as_json="Write JSON: an object, or a list for a range or --branch all.",
    as_csv="Write CSV: one row for each after_task and on_task.",
)
@all_option()
@store_option()
@quiet_option()
def command(
    file: Path | None,
    branch: str,
    hidden_layers: int | None,
    activation: str | None,
    form: str | None,
    output: Path | None,
    everything: bool,
    store: Path | None,
    quiet: bool,
    **given: tuple[Any, ...],
) -> None:
    """Solve a chain of tasks and its forgetting matrix, tasks counted from 1.

    --overlap, --gamma, --anchor, --memory and --replay are given once, or once for each task after the first. --beta is
    given once, once for each task after the first (the first then takes 20), or once for each task. --replay 1=0.5,2=1
    has 0.5 N fresh patterns of task 1 and N of task 2 learned beside a task's own (given once: of those that are
    earlier); none is for a task without. A range or list in one of the other arguments sweeps it. Ctrl-C writes the
    finished points; with --store the same command again solves only what is missing.

    \b
    Example:
      statmech-cl chain --alpha 2 --alpha 1 --gamma 1 --overlap 0.5 --anchor kl
      statmech-cl chain --alpha 2 --alpha 0.5:3:0.5 --gamma 0.1 --csv
      statmech-cl chain --alpha 2 --alpha 1 --gamma 0.3 --overlap 0.3 --replay 1=0.5
      statmech-cl chain --alpha 1 --alpha 1 --alpha 1 --overlap 0.3 --replay none --replay 2=0.5
      statmech-cl chain --file chain.toml --json
    where chain.toml holds
      overlaps = [0.0, 0.5]
      [[tasks]]
      alpha = 2.0
      [[tasks]]
      alpha = 1.0
      gamma = 0.1
      [[tasks]]
      alpha = 1.0
      anchor = "ewc"
    """
    chosen = choose_form(form, output, everything=everything)
    if file is not None:
        named = [name for name, values in given.items() if values]
        named += ["hidden-layers"] * (hidden_layers is not None) + ["activation"] * (activation is not None)
        if named:
            raise ValueError(f"--file holds the whole chain; give it or --{named[0]}, not both")
        points: list[tuple[dict[str, float], Chain]] = [({}, _read(file))]
    else:
        alone = "alpha must be given once for each task, or the chain in a --file"
        points = points_of(given, alone=alone, channel=network(hidden_layers, activation))
    single = len(points) == 1 and branch != "all"

    def write(rows: list[tuple[dict[str, float], Any]]) -> None:
        deliver(_written(rows, chosen, single=single, everything=everything), output)

    solve_each(points, branch, write, store=store, quiet=quiet)


def _read(file: Path) -> Chain:
    """The chain in a TOML file: tables `tasks`, `overlaps` or `law` (a table {"+-" = 0.25, ...}), and the network."""
    content = read_toml(file)
    for name in content:
        check_choice(f"{file}: name", name, _FILE_NAMES)
    listed = content.pop("tasks", None)
    if not isinstance(listed, list) or not all(isinstance(task, dict) for task in listed):
        raise ValueError(f"{file}: tasks must be a list of tables [[tasks]], got {listed!r}")
    with in_file(file):
        read_law(content)
    known = tuple(Task.__dataclass_fields__)
    for number, task in enumerate(listed, start=1):
        for name in task:
            check_choice(f"{file}: name in task {number}", name, known)
        if "alpha" not in task:
            raise ValueError(f"{file}: task {number} must have an alpha")
    with in_file(file):
        channel = read_network(content)
    tasks = []
    for number, task in enumerate(listed, start=1):
        with in_file(file, f"task {number}: "):
            tasks.append(Task.from_dict({"channel": channel, **task}))
    with in_file(file):
        return Chain(tuple(tasks), **content)


def _written(
    rows: list[tuple[dict[str, float], dict[str, Any] | Failed]], form: str, *, single: bool, everything: bool
) -> str | bytes:
    if form == "json":
        objects = [
            {**swept, "status": "failed", "message": solved} if isinstance(solved, Failed) else {**swept, **solved}
            for swept, solved in rows
        ]
        return to_json(objects[0] if single else objects)
    if form in ROWS:
        return rows_as([row for swept, solved in rows for row in _long(swept, solved)], form)
    return "\n".join(_text(swept, solved, everything=everything) for swept, solved in rows)


def _long(swept: dict[str, float], solved: dict[str, Any] | Failed) -> list[dict[str, Any]]:
    """One row for each after_task and on_task."""
    if isinstance(solved, Failed):
        return [{**swept, "status": "failed", "message": solved}]
    return [{**swept, **row} for row in long_rows(solved)]


def _text(swept: dict[str, float], solved: dict[str, Any] | Failed, *, everything: bool) -> str:
    """Two tables: each task's order parameters, and eps_g after each task on each task."""
    title = "".join(f"{name} = {value:g}\n" for name, value in swept.items())
    if isinstance(solved, Failed):
        return f"{title}failed: {solved}\n"
    tasks = [{"task": str(t), **task} for t, task in enumerate(solved["tasks"], start=1)]
    first = to_table(tasks, _SHOWN) if everything else fitted_table(tasks, _SHOWN, _SPARE)
    numbers = range(1, len(tasks) + 1)
    width, digits = (len(numbers), 10) if everything else (_IN_A_ROW, 6)
    errors = [
        to_table(
            [
                {"eps_g": f"after task {t}", **{f"on task {k}": row[k - 1] for k in numbers[start : start + width]}}
                for t, row in zip(numbers, solved["eps_g"], strict=True)
            ],
            digits=digits,
        )
        for start in range(0, len(numbers), width)
    ]
    return title + "\n\n".join([first, *errors]) + "\n"
