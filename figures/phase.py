"""A plane of two parameters: lines by event, cusps, and what holds between the lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import LABELS, new

if TYPE_CHECKING:
    from ..equilibrium.plane.diagram import PhaseDiagram

_LINES = {  # colour, dashes, and what a legend says
    "fold": ("#000000", "-", "fold"),
    "replicon": ("#D55E00", "--", "replicon = 1"),
    "maxwell": ("#0072B2", "-", "equal free entropies"),
    "edge": ("0.6", ":", r"$q_* \to 1$"),
}
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LOGARITHMIC = 4.0  # ratio of the ends of beta or gamma from which an axis is logarithmic
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}  # behind words, over lines
_WRITTEN = 0.02  # share of the box from which a region has room for words


def phase_diagram(source: PhaseDiagram | Mapping[str, Any], *, n_tasks: int = 1) -> Figure:
    """The lines of a PhaseDiagram, or of what its `to_dict` gave; its cusps as dots, its regions by their labels.

    n_tasks : tasks of the problem; alpha and beta of a chain are told as those of its last task.
    """
    content: Mapping[str, Any] = source if isinstance(source, Mapping) else source.to_dict()
    x, y = content["x"], content["y"]
    figure, ax = new(width=4.4, height=3.4)
    others = iter(_OTHERS)
    styles = dict(_LINES)
    told = set()
    for line in content["curves"]:
        event = line["event"]
        if event not in styles:
            styles[event] = (next(others, "0.3"), "-", event)
        color, dashes, label = styles[event]
        ax.plot(line["x"], line["y"], dashes, color=color, label=None if event in told else label, linewidth=1.1)
        told.add(event)
    for cusp in content["cusps"]:
        ax.plot(cusp[x], cusp[y], "o", color="black", markersize=3)
    for name, (low, high), axis in zip((x, y), content["box"], (ax.xaxis, ax.yaxis), strict=True):
        if name.partition("_")[0] in ("beta", "gamma") and low > 0.0 and high / low >= _LOGARITHMIC:
            (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
        axis.set_label_text(_label(name, n_tasks))
    ax.set_xlim(*content["box"][0])
    ax.set_ylim(*content["box"][1])
    for region in content["regions"]:
        if region["share"] > _WRITTEN:
            _written(ax, region[x], region[y], region["label"])
    if told:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=4, fontsize=6)
    return figure


def _written(ax: Axes, x: float, y: float, label: str) -> None:
    """The label at its place, one word to a line where a longer line would lie on a curve."""
    text = ax.text(x, y, label.replace(", ", "\n"), fontsize=6, color="0.35", ha="center", va="center", bbox=_PAPER)
    covered = text.get_window_extent()
    if any(line.get_transform().transform_path(line.get_path()).intersects_bbox(covered, False) for line in ax.lines):
        text.set_text(label.replace(", ", "\n").replace(" ", "\n"))


def _label(name: str, n_tasks: int) -> str:
    if name == "q_star":
        return LABELS[name]
    kind, _, task = name.partition("_")
    if n_tasks > 1 and kind in ("alpha", "beta"):
        task = task or str(n_tasks)
    symbol = {"overlap": "r_0", "memory": r"\rho"}.get(kind, rf"\{kind}")
    return f"${symbol}_{{{task}}}$" if task and kind != "overlap" else f"${symbol}$"
