"""statmech-cl curves: learning and forgetting curves of gradient descent, by theory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..output import parted_table, to_json, write_atomic
from ..problem import Chain, Task
from ..progress import bar
from ..validation import check_count
from .chain_options import chain_options, columns
from .options import Choice, Count, Number, quiet_option
from .results import ROWS, check_plot, choose_form, deliver, result_options, rows_as

if TYPE_CHECKING:
    from ..dynamics import LearningCurve

_LATER = ("overlap", "gamma", "anchor", "memory")
_SETTINGS = ("epochs", "learning_rate", "momentum", "warmup", "weight_decay", "start_spread", "replicas")
_SHOWN = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class _Batch(click.ParamType):
    """`full`, or a number of groups of patterns."""

    name = "full|groups"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """The number of groups; 1 is the whole batch."""
        if value == "full":
            return 1
        try:
            return check_count("batch", int(value))
        except ValueError:
            raise ValueError(f"batch must be 'full' or a whole number of groups >= 1, got {value!r}") from None


@click.command("curves")
@chain_options("alpha", "overlap", "gamma", "anchor", "memory", "prior")
@click.option("--epochs", type=Count(), help="Passes over the patterns of each task.  [default: 200]")
@click.option("--learning-rate", type=Number(low=0.0, open_low=True), help="eta.  [default: 0.02]")
@click.option("--momentum", type=Number(low=0.0, high=1.0, open_high=True), help="[default: 0.9]")
@click.option("--warmup", type=Count(low=0), help="Epochs over which eta rises in each task.  [default: 10]")
@click.option("--weight-decay", type=Number(low=0.0), help="Of fields that nothing else holds.  [default: 0.03]")
@click.option("--start-spread", type=Number(low=0.0), help="Of the fields at the start.  [default: 0.7]")
@click.option("--replicas", type=Count(), help="2 adds q, the overlap of two students.  [default: 1]")
@click.option("--batch", type=_Batch(), default="full", show_default=True, help="Groups of patterns a step each.")
@click.option("--method", type=Choice(["fast", "exact"]), default="fast", show_default=True, help="exact is slow.")
@click.option("--samples", type=Count(), help="M of each pass, a power of two.  [default: 8192, exact 2048]")
@click.option("--tolerance", type=Number(low=0.0, open_low=True), help="Of paths; fast only.  [default: 1e-3]")
@click.option("--seed", type=Count(low=0), default=0, show_default=True, help="Of all draws.")
@click.option("--no-bias", is_flag=True, help="Skip the estimates of bias, which take about half of the time.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw eps_g against epoch (.pdf, .png, .svg).")
@quiet_option()
@result_options(as_json="Write JSON: every observable at every epoch.", as_csv="Write CSV: one row for each epoch.")
def command(form: str | None, output: Path | None, plot: Path | None, quiet: bool, no_bias: bool, **given: Any) -> None:
    """What gradient descent does at every epoch as N -> infinity: dynamical mean-field theory, tasks one after another.

    --overlap, --gamma, --anchor and --memory are given once, or once for each task after the first. With --batch K the
    patterns are cut into K groups, visited in turn.

    \b
    Example:
      statmech-cl curves --alpha 2 --alpha 1 --gamma 1 --overlap 0.5 --epochs 200
      statmech-cl curves --alpha 0.5 --batch 4 --epochs 50 --json -o curve.json
      statmech-cl curves --alpha 1 --alpha 1 --anchor ewc --plot curves.pdf
    """
    form = choose_form(form, output)
    check_plot(plot)
    chain = _chain(given)
    from ..dynamics import DescentSettings, learn

    chosen = {name: given[name] for name in _SETTINGS if given[name] is not None}
    settings = DescentSettings(batch=None, **chosen)
    moved = _Moved(quiet)
    curve = learn(
        chain,
        settings,
        method=given["method"],
        samples=given["samples"],
        tolerance=given["tolerance"],
        groups=given["batch"],
        seed=given["seed"],
        certify=not no_bias,
        progress=moved,
    )
    moved.close()
    if plot is not None:
        _draw(curve, plot)
    deliver(_written(curve, form), output)


def _chain(given: dict[str, Any]) -> Chain:
    """The one chain that the options describe."""
    described = columns(given, alone="alpha must be given, once for each task")
    n_tasks = len(described["alpha"])
    for name in _LATER:
        if n_tasks == 1 and given[name]:
            raise ValueError(
                f"{name} must not be given with one task, as it ties a later one; give --alpha once for each task"
            )
    for name, values in described.items():
        for value in values:
            if isinstance(value, tuple) and len(value) > 1:
                raise ValueError(f"{name} must be one number for each task, got {', '.join(map(str, value))}")
    names = ("alpha", "gamma", "anchor", "memory", "prior")
    at = {name: [v[0] if isinstance(v, tuple) else v for v in values] for name, values in described.items()}
    tasks = tuple(Task(**{name: at[name][t] for name in names}) for t in range(n_tasks))
    return Chain(tasks, overlaps=tuple(at["overlap"][1:]))


class _Moved:
    """A bar over the epochs of all passes, moved by a callback."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._steps: Iterator[int] = iter(())

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` epochs are there."""
        if done == 1:
            self._steps = iter(bar(range(total), "epochs", total=total, quiet=self._quiet))
        next(self._steps)

    def close(self) -> None:
        """Take the bar away."""
        for _ in self._steps:
            pass


def _written(curve: LearningCurve, form: str) -> str | bytes:
    if form == "json":
        return to_json(curve.to_dict())
    if form in ROWS:
        return rows_as([row for number in range(len(curve.stages)) for row in _rows(curve, number)], form)
    return _text(curve)


def _names(curve: LearningCurve) -> tuple[str, ...]:
    return ("q_star", "q", "loss") if curve.settings.replicas == 2 else ("q_star", "loss")


def _rows(curve: LearningCurve, number: int) -> list[dict[str, Any]]:
    """One row for each epoch of a stage; teachers counted from 1."""
    stage = curve.stages[number]
    rows = []
    for index, epoch in enumerate(stage.epochs.tolist()):
        row: dict[str, Any] = {"task": number + 1, "epoch": epoch}
        for name in _names(curve):
            row[name] = float(getattr(stage, name)[index])
            row[f"{name}_error"] = float(getattr(stage, f"{name}_error")[index])
        for name in ("r", "p", "eps_g"):
            for teacher in range(len(curve.stages)):
                row[f"{name}_{teacher + 1}"] = float(getattr(stage, name)[teacher, index])
                row[f"{name}_{teacher + 1}_error"] = float(getattr(stage, f"{name}_error")[teacher, index])
        rows.append(row)
    return rows


def _text(curve: LearningCurve) -> str:
    """A table of some epochs of each task, and what the numbers rest on."""
    rows = []
    for number, stage in enumerate(curve.stages):
        last = int(stage.epochs[-1])
        for epoch in [shown for shown in _SHOWN if shown < last] + [last]:
            row: dict[str, Any] = {"task": str(number + 1), "epoch": str(epoch)}
            for teacher in range(len(curve.stages)):
                row[f"eps_{teacher + 1}"] = str(curve.estimate("eps_g", epoch=epoch, after=number, on=teacher))
            for name in _names(curve):
                row[name] = str(curve.estimate(name, epoch=epoch, after=number))
            rows.append(row)
    told = f"{curve.method} method, {curve.batches} batches of {curve.samples} samples, seed {curve.seed}"
    for kind, sizes in curve.bias().items():
        if sizes:
            told += f"; bias from {kind} at most {sizes['eps_g']:.2g} in eps_g, {sizes['q_star']:.2g} in q_star"
    return f"{parted_table(rows, 2)}\n\n{told}\n"


def _draw(curve: LearningCurve, file: Path) -> None:
    from statmech_cl import figures

    with figures.style():
        figure, ax = figures.new(width=4.4, height=3.2)
        figures.learning_curve(ax, curve.to_dict())
        write_atomic(file, figures.rendered(figure, file.suffix[1:]))
