"""The spectral quantities: theory and descent, coherence against chance, along training, and beside forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from .axes import new, points

Rows = Sequence[Mapping[str, Any]]
_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73")


def overview(rows: Rows, *, published: tuple[float, float], notes: Mapping[str, str]) -> Figure:
    """Eight panels of `rows`, which are told apart by their `kind`:

    "theory" (alpha_2, eps_1, eps_2) and "perceptron" (label, alpha_2, eps_1, eps_2 and errors): lines and points;
    "chance" (n, coherence): the line in the panel of the layers; "layer" (n, coherence, method, label): trained layers;
    "fields" (alpha_2, coherence, relative_beta, forgetting): one point a perceptron;
    "epoch" (label, epoch, coherence, relative_beta): means over seeds, along training;
    "run" (label, forgetting, relative_beta, coherence): one point a run;
    "trade-off" (label, strength, a, b and errors): accuracies after both tasks, in per cent.
    published : (a, b) of the published point. notes : titles of the panels "fields", "coherence" and "relative_beta".
    """
    figure, axes = new(4, 2, width=3.5, height=2.5)
    _theory(axes[0, 0], rows)
    _trade_off(axes[0, 1], rows, published)
    _layers(axes[1, 0], rows)
    _fields(axes[1, 1], rows)
    axes[1, 1].set_title(notes["fields"])
    names = {"coherence": r"mean $\Phi$ of the layers", "relative_beta": r"BB / $\frac{1}{2}||W_{prev}||^2$"}
    for column, (name, label) in enumerate(names.items()):
        _along_training(axes[2, column], rows, name)
        axes[2, column].set_ylabel(label)
        _beside_forgetting(axes[3, column], rows, name)
        axes[3, column].set_xlabel(f"{label} after task 2")
        axes[3, column].set_title(notes[name])
    handles, labels = axes[3, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, fontsize=6, title="methods in deep networks")
    return figure


def _of(rows: Rows, kind: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def _labels(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _style(index: int) -> dict[str, Any]:
    """A colour and a marker for each of up to 21 labels."""
    colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
    return {"color": colors[index % len(colors)], "marker": "os^"[index // len(colors) % 3]}


def _theory(ax: Axes, rows: Rows) -> None:
    line = sorted(_of(rows, "theory"), key=lambda row: row["alpha_2"])
    found = _of(rows, "perceptron")
    for task, dash in ((1, "-"), (2, "--")):
        x, y = [row["alpha_2"] for row in line], [row[f"eps_{task}"] for row in line]
        ax.plot(x, y, dash, color="0.5", label=rf"theory, $\epsilon_{task}$")
        for index, label in enumerate(_labels(found)):
            mine = [{**row, "at": row["alpha_2"] * (1.0 + 0.03 * index)} for row in found if row["label"] == label]
            options = {"color": _COLORS[index], "fmt": "os^v"[index], "label": label if task == 1 else None}
            points(ax, mine, f"eps_{task}", x="at", **options)
    ax.set_xlabel(r"$\alpha_2$ (points of one $\alpha_2$ drawn side by side)")
    ax.set_ylabel(r"$\epsilon_1$ (solid), $\epsilon_2$ (dashed)")
    ax.set_title("perceptron, L2 anchor: theory and descent")
    ax.margins(y=0.2)
    ax.legend(fontsize=5, ncols=3, loc="upper center")


def _trade_off(ax: Axes, rows: Rows, published: tuple[float, float]) -> None:
    found = _of(rows, "trade-off")
    for index, label in enumerate(_labels(found)):
        mine = [row for row in found if row["label"] == label]
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
    found = _of(rows, "layer")
    for index, label in enumerate(_labels(found)):
        mine = [row for row in found if row["label"] == label]
        x = [row["n"] * (1.0 + 0.04 * (index - 6)) for row in mine]
        ax.plot(x, [row["coherence"] for row in mine], linestyle="none", markersize=2.5, **_style(index))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("weights in the layer (methods drawn side by side)")
    ax.set_ylabel(r"coherence $\Phi$ after task 2")
    ax.set_title("trained layers and chance")
    ax.legend(fontsize=6)


def _fields(ax: Axes, rows: Rows) -> None:
    found = _of(rows, "fields")
    for index, alpha in enumerate(sorted({row["alpha_2"] for row in found})):
        mine = [row for row in found if row["alpha_2"] == alpha]
        x, y = [row["relative_beta"] for row in mine], [row["forgetting"] for row in mine]
        ax.plot(x, y, linestyle="none", markersize=2.5, label=rf"$\alpha_2={alpha:g}$", **_style(index))
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("BB a weight, perceptron's fields")
    ax.set_ylabel(r"rise of $\epsilon_1$ over task 2")
    ax.legend(fontsize=6)


def _along_training(ax: Axes, rows: Rows, name: str) -> None:
    found = [row for row in _of(rows, "epoch") if row.get(name) is not None]
    for index, label in enumerate(_labels(_of(rows, "epoch"))):
        mine = [row for row in found if row["label"] == label]
        epochs = sorted({row["epoch"] for row in mine})
        mean = [np.mean([row[name] for row in mine if row["epoch"] == epoch]) for epoch in epochs]
        ax.plot(epochs, mean, markersize=2.5, linewidth=0.8, **_style(index))
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch, both tasks")


def _beside_forgetting(ax: Axes, rows: Rows, name: str) -> None:
    found = _of(rows, "run")
    for index, label in enumerate(_labels(found)):
        mine = [row for row in found if row["label"] == label]
        x, y = [row[name] for row in mine], [100.0 * row["forgetting"] for row in mine]
        ax.plot(x, y, linestyle="none", markersize=3, label=label, **_style(index))
    ax.set_xscale("log")
    ax.set_ylabel("forgetting of task 1 (%)")
