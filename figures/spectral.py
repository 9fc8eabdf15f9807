"""The spectral quantities: theory and descent, along training, coherence against chance, and beside forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from .axes import band, new, points

Rows = Sequence[Mapping[str, Any]]
_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73")
_ANCHORS = {"l2": "#0072B2", "kl": "#D55E00"}
# Methods in deep networks by what holds them; those that are not named here have an anchor.
_KINDS = {"phi-only": "1 - Phi in the loss", "rana": "1 - Phi in the loss"}
_KINDS |= dict.fromkeys(("plain", "vcl-none", "natural-gradient", "bounded-memory", "metaplasticity"), "no anchor")
_KINDS |= dict.fromkeys(("bayesbinn", "bimu"), "no anchor")
_LOOKS: dict[str, dict[str, Any]] = {
    "an anchor": {"color": "#0072B2", "marker": "o"},
    "1 - Phi in the loss": {"color": "#D55E00", "marker": "s"},
    "no anchor": {"color": "#000000", "marker": "^"},
}
_APART = 0.05  # of labels, as a share of the height


def overview(rows: Rows, *, published: tuple[float, float], notes: Mapping[str, str]) -> Figure:
    """Six panels of `rows`, which are told apart by their `kind`; perceptrons above, deep networks below:

    "theory" (alpha_2, eps_1, eps_2) and "perceptron" (label, alpha_2, eps_1, eps_2 and errors): lines and points;
    "along" (alpha_2, anchor, strength, lam, after_task, epoch, eps_1 and error): perceptrons, record by record;
    "fields" (anchor, alpha_2, beta, forgetting): one point a perceptron;
    "trade-off" (label, strength, a, b and errors): accuracies after both tasks, in per cent;
    "chance" (n, coherence): the line in the panel of the layers; "layer" (n, coherence, method, label): trained layers;
    "run" (method, label, forgetting, relative_beta): one point a run.
    published : (a, b) of the published point. notes : titles of the panels "fields" and "relative_beta".
    """
    figure, axes = new(2, 3, width=3.4, height=2.9)
    _theory(axes[0, 0], rows)
    _along_descent(axes[0, 1], rows)
    _fields(axes[0, 2], rows)
    axes[0, 2].set_title(notes["fields"])
    _trade_off(axes[1, 0], rows, published)
    _layers(axes[1, 1], rows)
    _beside_forgetting(axes[1, 2], rows)
    axes[1, 2].set_title(notes["relative_beta"])
    return figure


def _of(rows: Rows, kind: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def _labels(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _kind(method: str) -> str:
    return _KINDS.get(method, "an anchor")


def _written(ax: Axes, x: float, labels: Sequence[tuple[float, str, Any]]) -> None:
    """Labels (y, text, colour) to the right of x, each next to its y and clear of its neighbours; linear axis of y."""
    low, high = ax.get_ylim()
    gap, last = _APART * (high - low), -np.inf
    for y, text, color in sorted(labels):
        last = max(y, last + gap)
        place: dict[str, Any] = {"textcoords": "offset points", "xytext": (3, 0), "fontsize": 5, "va": "center"}
        ax.annotate(text, (x, last), color=color, annotation_clip=False, **place)


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
    for shift, (kind, look) in enumerate(_LOOKS.items(), start=-1):
        mine = [row for row in layers if _kind(row["method"]) == kind]
        x = [row["n"] * (1.0 + 0.12 * shift) for row in mine]
        ax.plot(x, [row["coherence"] for row in mine], linestyle="none", markersize=2, label=kind, **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("weights in the layer")
    ax.set_ylabel(r"coherence $\Phi$ after task 2")
    ax.set_title("trained layers and chance")
    ax.legend(fontsize=5)


def _along_descent(ax: Axes, rows: Rows) -> None:
    """eps_1 against the epoch of the task, with bands of one standard error: the first task once, the second under each
    anchor. Its start is drawn at 1/2."""
    along = _of(rows, "along")
    cases = list(dict.fromkeys((row["anchor"], row["strength"], row["lam"]) for row in along))
    seen: dict[tuple[str, bool], int] = {}
    labels = []
    end = 0.0
    for task, case in [(1, cases[0]), *((2, case) for case in cases)]:
        anchor, strength, lam = case
        mine = [row for row in along if (row["anchor"], row["strength"], row["lam"]) == case]
        mine = [row for row in mine if row["after_task"] == task]
        x = np.maximum([row["epoch"] for row in mine], 0.5)
        y, error = (np.array([row[column] for row in mine], dtype=float) for column in ("eps_1", "eps_1_error"))
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
        ax.plot(x, y, linewidth=0.9, **style)
        band(ax, x, y, error, style["color"])
        labels.append((float(y[-1]), label, style["color"]))
        end = max(end, float(x[-1]))
    ax.set_xscale("log")
    _written(ax, end, labels)
    ax.set_xlabel("epoch of the task (left end: start)")
    ax.set_ylabel(r"$\epsilon_1$ (band: one standard error)")
    ax.set_title(rf"perceptrons, $\alpha_2={along[0]['alpha_2']:g}$, epoch by epoch")


def _fields(ax: Axes, rows: Rows) -> None:
    fields = _of(rows, "fields")
    for anchor, color in _ANCHORS.items():
        mine = [row for row in fields if row["anchor"] == anchor]
        x, y = [row["beta"] for row in mine], [row["forgetting"] for row in mine]
        marker = {"l2": "o", "kl": "x"}[anchor]
        ax.plot(x, y, linestyle="none", marker=marker, markersize=2.5, color=color, label=f"{anchor.upper()} anchor")
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("BB per weight, perceptron's fields")
    ax.set_ylabel(r"rise of $\epsilon_1$ over task 2")
    ax.legend(fontsize=5)


def _beside_forgetting(ax: Axes, rows: Rows) -> None:
    """Forgetting against BB, one point a run, each method named beside its point of largest BB."""
    runs = _of(rows, "run")
    labels: list[tuple[float, str, Any]] = []
    for method in dict.fromkeys(row["method"] for row in runs):
        look = _LOOKS[_kind(method)]
        mine = [row for row in runs if row["method"] == method]
        x, y = [row["relative_beta"] for row in mine], [100.0 * row["forgetting"] for row in mine]
        ax.plot(x, y, linestyle="none", markersize=2.5, **look)
        labels.append((y[int(np.argmax(x))], method, look["color"]))
    ax.set_xscale("log")
    ax.set_xlim(right=ax.get_xlim()[1] * 1.1)
    _written(ax, ax.get_xlim()[1], labels)
    ax.set_xlabel(r"BB / $\frac{1}{2}||W_{prev}||^2$ after task 2")
    ax.set_ylabel("forgetting of task 1 (%)")
