"""The spectral quantities: theory and descent, coherence against chance, along training, and beside forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from .axes import band, new, points

Rows = Sequence[Mapping[str, Any]]
_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73")
_FIELDS_ALONG = {
    "coherence": r"$\Phi$ of the fields",
    "beta": "BB a weight",
    "eps_1": r"$\epsilon_1$",
}
_LAYERS_ALONG = {
    "coherence": r"mean $\Phi$ of the layers",
    "relative_beta": r"BB / $\frac{1}{2}||W_{prev}||^2$",
    "fall": "fall on task 1 (%)",
}


def overview(rows: Rows, *, published: tuple[float, float], notes: Mapping[str, str]) -> Figure:
    """Twelve panels of `rows`, which are told apart by their `kind`:

    "theory" (alpha_2, eps_1, eps_2) and "perceptron" (label, alpha_2, eps_1, eps_2 and errors): lines and points;
    "trade-off" (label, strength, a, b and errors): accuracies after both tasks, in per cent;
    "chance" (n, coherence): the line in the panel of the layers; "layer" (n, coherence, method, label): trained layers;
    "along" (alpha_2, anchor, strength, lam, after_task, epoch, coherence, beta, eps_1 and errors): perceptrons, record
    by record;
    "epoch" (method, label, epoch, coherence, relative_beta, fall): deep networks along training, means over seeds;
    "fields" (anchor, alpha_2, beta, forgetting): one point a perceptron;
    "run" (method, label, forgetting, relative_beta, coherence): one point a run.
    published : (a, b) of the published point. notes : titles of the panels "fields", "coherence" and "relative_beta".
    """
    figure, axes = new(4, 3, width=3.4, height=2.7)
    _theory(axes[0, 0], rows)
    _trade_off(axes[0, 1], rows, published)
    _layers(axes[0, 2], rows)
    for ax, (name, label) in zip(axes[1], _FIELDS_ALONG.items(), strict=True):
        _along_descent(ax, rows, name)
        ax.set_ylabel(label)
    axes[1, 1].set_title(rf"perceptrons, $\alpha_2={_of(rows, 'along')[0]['alpha_2']:g}$, epoch by epoch")
    for ax, (name, label) in zip(axes[2], _LAYERS_ALONG.items(), strict=True):
        _along_training(ax, rows, name)
        ax.set_ylabel(label)
    axes[2, 1].set_title("deep networks, epoch by epoch")
    _fields(axes[3, 0], rows)
    axes[3, 0].set_title(notes["fields"])
    for ax, name in zip(axes[3, 1:], ("coherence", "relative_beta"), strict=True):
        _beside_forgetting(ax, rows, name)
        ax.set_xlabel(f"{_LAYERS_ALONG[name]} after task 2")
        ax.set_title(notes[name])
    methods = list(dict.fromkeys(row["method"] for row in _of(rows, "run")))
    handles = [Line2D([], [], label=method, **_style(index)) for index, method in enumerate(methods)]
    title = "methods in deep networks; several points or lines of one method are its strengths"
    figure.legend(handles=handles, loc="outside lower center", ncols=7, fontsize=6, title=title)
    return figure


def _of(rows: Rows, kind: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def _labels(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _style(index: int) -> dict[str, Any]:
    """A colour and a marker for each of up to 21 names."""
    colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
    return {"color": colors[index % len(colors)], "marker": "os^"[index // len(colors) % 3]}


def _theory(ax: Axes, rows: Rows) -> None:
    line = sorted(_of(rows, "theory"), key=lambda row: row["alpha_2"])
    perceptrons = _of(rows, "perceptron")
    for task, dash in ((1, "-"), (2, "--")):
        x, y = [row["alpha_2"] for row in line], [row[f"eps_{task}"] for row in line]
        ax.plot(x, y, dash, color="0.5", label=rf"theory, $\epsilon_{task}$")
        for index, label in enumerate(_labels(perceptrons)):
            mine = [
                {**row, "at": row["alpha_2"] * (1.0 + 0.03 * index)} for row in perceptrons if row["label"] == label
            ]
            options = {"color": _COLORS[index], "fmt": "os^v"[index], "label": label if task == 1 else None}
            points(ax, mine, f"eps_{task}", x="at", **options)
    ax.set_xlabel(r"$\alpha_2$ (points of one $\alpha_2$ drawn side by side)")
    ax.set_ylabel(r"$\epsilon_1$ (solid), $\epsilon_2$ (dashed)")
    ax.set_title("perceptron, L2 anchor: theory and descent")
    ax.margins(y=0.2)
    ax.legend(fontsize=5, ncols=3, loc="upper center")


def _trade_off(ax: Axes, rows: Rows, published: tuple[float, float]) -> None:
    chosen = _of(rows, "trade-off")
    for index, label in enumerate(_labels(chosen)):
        mine = [row for row in chosen if row["label"] == label]
        ax.errorbar(
            [row["a"] for row in mine],
            [row["b"] for row in mine],
            xerr=[row["a_error"] for row in mine],
            yerr=[row["b_error"] for row in mine],
            label=label,
            linewidth=0.8,
            color=_COLORS[index],
            marker="os^v"[index],
            markerfacecolor="white",
        )
        for row in mine:
            if index == 0:
                place: dict[str, Any] = {"textcoords": "offset points", "xytext": (3, 4), "fontsize": 5}
                ax.annotate(f"{row['strength']:g}", (row["a"], row["b"]), **place)
    ax.plot(*published, "*", markersize=9, color="#CC79A7", label="published, eta = 3")
    ax.set_xlabel("digits 0-4 after both tasks (%)")
    ax.set_ylabel("digits 5-9 (%)")
    ax.set_title("split MNIST, one head; numbers: eta")
    ax.legend(fontsize=5, loc="lower left")


def _layers(ax: Axes, rows: Rows) -> None:
    line = sorted(_of(rows, "chance"), key=lambda row: row["n"])
    ax.plot([row["n"] for row in line], [row["coherence"] for row in line], color="0.5", label="random weights, rms")
    layers = _of(rows, "layer")
    for index, method in enumerate(dict.fromkeys(row["method"] for row in layers)):
        mine = [row for row in layers if row["method"] == method]
        x = [row["n"] * (1.0 + 0.04 * (index - 6)) for row in mine]
        ax.plot(x, [row["coherence"] for row in mine], linestyle="none", markersize=2, **_style(index))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("weights in the layer (methods side by side)")
    ax.set_ylabel(r"coherence $\Phi$ after task 2")
    ax.set_title("trained layers and chance")
    ax.legend(fontsize=6)


def _along_descent(ax: Axes, rows: Rows, name: str) -> None:
    """`name` against the epoch of the task, with bands of one standard error: the first task once, the second under
    each anchor. Its start is drawn at 1/2."""
    along = _of(rows, "along")
    cases = list(dict.fromkeys((row["anchor"], row["strength"], row["lam"]) for row in along))
    drawn = [(1, cases[0])] * (name != "beta") + [(2, case) for case in cases]
    seen: dict[tuple[str, bool], int] = {}
    for task, case in drawn:
        anchor, strength, lam = case
        mine = [row for row in along if (row["anchor"], row["strength"], row["lam"]) == case]
        mine = [row for row in mine if row["after_task"] == task and (name, row["epoch"]) != ("beta", 0)]  # BB = 0
        x = np.maximum([row["epoch"] for row in mine], 0.5)
        y, error = (np.array([row[column] for row in mine], dtype=float) for column in (name, f"{name}_error"))
        if task == 1:
            style: dict[str, Any] = {"color": "0.6", "linestyle": ":"}
            label = "task 1"
        else:
            family = anchor, lam > 0.0
            shade = seen[family] = seen.get(family, -1) + 1
            tone = {("l2", False): "Blues", ("kl", False): "Oranges"}.get(family, "Greens")
            style = {"color": colormaps[tone](0.45 + 0.25 * shade), "linestyle": "--" if lam else "-"}
            label = f"{anchor.upper()} {strength:g}"
            if lam:
                label += rf", $\lambda={'' if lam == 1.0 else format(lam, 'g')}N$"
        ax.plot(x, y, linewidth=0.9, label=label, **style)
        band(ax, x, y, error, style["color"])
    ax.set_xscale("log")
    if name != "eps_1":
        ax.set_yscale("log")
    else:
        ax.margins(y=0.3)  # room for the legend
        ax.legend(fontsize=5, ncols=2, loc="upper right")
    ax.set_xlabel("epoch of the task (left end: start)")


def _along_training(ax: Axes, rows: Rows, name: str) -> None:
    measured = _of(rows, "epoch")
    for index, method in enumerate(dict.fromkeys(row["method"] for row in measured)):
        for label in _labels([row for row in measured if row["method"] == method]):
            mine = [row for row in measured if row["label"] == label and row.get(name) is not None]
            epochs = sorted({row["epoch"] for row in mine})
            mean = np.array([np.mean([row[name] for row in mine if row["epoch"] == epoch]) for epoch in epochs])
            ax.plot(epochs, mean * (100.0 if name == "fall" else 1.0), markersize=2, linewidth=0.7, **_style(index))
    if name != "fall":
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch, both tasks")


def _fields(ax: Axes, rows: Rows) -> None:
    fields = _of(rows, "fields")
    for index, alpha in enumerate(sorted({row["alpha_2"] for row in fields})):
        for anchor, marker in (("l2", "o"), ("kl", "x")):
            mine = [row for row in fields if row["alpha_2"] == alpha and row["anchor"] == anchor]
            x, y = [row["beta"] for row in mine], [row["forgetting"] for row in mine]
            style = {**_style(index), "marker": marker}
            label = rf"{anchor.upper()}, $\alpha_2={alpha:g}$"
            ax.plot(x, y, linestyle="none", markersize=2.5, label=label, **style)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("BB a weight, perceptron's fields")
    ax.set_ylabel(r"rise of $\epsilon_1$ over task 2")
    ax.legend(fontsize=5)


def _beside_forgetting(ax: Axes, rows: Rows, name: str) -> None:
    runs = _of(rows, "run")
    for index, method in enumerate(dict.fromkeys(row["method"] for row in runs)):
        mine = [row for row in runs if row["method"] == method]
        x, y = [row[name] for row in mine], [100.0 * row["forgetting"] for row in mine]
        ax.plot(x, y, linestyle="none", markersize=2.5, **_style(index))
    ax.set_xscale("log")
    ax.set_ylabel("forgetting of task 1 (%)")
