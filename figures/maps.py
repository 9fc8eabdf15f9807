"""Forgetting and transfer over a plane, with the places where transfer changes sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .axes import new

if TYPE_CHECKING:
    from ..protocols.similarity import SimilarityMap

_TICKED = 10  # values up to which each has a tick of its own
_KINDS = {"zero": "transfer vanishes", "jump": "transfer jumps"}
_COLORS = {"forgetting": "rise of the error on task 1", "transfer": "fall of the error on task 2"}
_NAMES = {"overlap": "overlap of the teachers, $r_0$", "alpha_2": r"$\alpha_2$", "gamma": r"$\gamma$"}


def similarity_map(source: SimilarityMap | Mapping[str, Any]) -> Figure:
    """Two panels, forgetting and transfer, of a SimilarityMap or a dict of its attributes; blank where it has nan.

    Where transfer changes sign: black points where it vanishes, red ones where it jumps between branches.
    """
    content = source if isinstance(source, Mapping) else _plain(source)
    figure, axes = new(1, 2, width=3.4, height=2.8, sharey=True)
    xs, ys = np.asarray(content["xs"]), np.asarray(content["ys"])
    for ax, name, colors in zip(axes, ("forgetting", "transfer"), ("viridis", "RdBu"), strict=True):
        values = np.asarray(content[name], dtype=float)
        ends: dict[str, float] = {}
        if name == "transfer" and np.isfinite(values).any():
            top = float(np.nanmax(np.abs(values)))
            ends = {"vmin": -top, "vmax": top}
        mesh = ax.pcolormesh(xs, ys, np.ma.masked_invalid(values), cmap=colors, shading="nearest", **ends)
        figure.colorbar(mesh, ax=ax, label=_COLORS[name])
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_title(name, fontsize=8)
        ax.set_xlabel(_NAMES[content["x"]])
    for kind, color in (("zero", "black"), ("jump", "#D55E00")):
        at = [(line["x"], line["y"]) for line in content["lines"] if line["kind"] == kind]
        if at:
            axes[1].plot(*zip(*at, strict=True), "o", color=color, markersize=2, label=_KINDS[kind])
    if content["lines"]:
        axes[1].legend(fontsize=6, loc="upper left")
    axes[0].set_ylabel(_NAMES[content["y"]])
    return figure


def value_map(
    x: str, y: str, xs: Sequence[float], ys: Sequence[float], grids: Mapping[str, Sequence[Sequence[float]]]
) -> Figure:
    """A panel for each grid, (ny, nx), under its title; x and y are "overlap", "alpha_2" or "gamma"."""
    figure, axes = new(1, len(grids), width=3.4, height=2.8, sharey=True, squeeze=False)
    for ax, (title, values) in zip(axes[0], grids.items(), strict=True):
        mesh = ax.pcolormesh(xs, ys, np.asarray(values, dtype=float), cmap="viridis", shading="nearest")
        figure.colorbar(mesh, ax=ax)
        ax.set_title(title, fontsize=8)
        ax.set_xlabel(_NAMES[x])
        if max(len(xs), len(ys)) <= _TICKED:
            ax.set_xticks(xs)
            ax.set_yticks(ys)
    axes[0, 0].set_ylabel(_NAMES[y])
    return figure


def _plain(source: SimilarityMap) -> dict[str, Any]:
    return {name: getattr(source, name) for name in ("x", "y", "xs", "ys", "forgetting", "transfer", "lines")}
