"""Curves of theory and points of simulation on an Axes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from statmech_cl.validation import check_choice

STYLE_FILE = Path(__file__).with_name("statmech_cl.mplstyle")
# One colour for one quantity, in every figure (Okabe and Ito).
COLORS = {
    "q": "#0072B2",
    "r": "#D55E00",
    "q_star": "#009E73",
    "p": "#CC79A7",
    "eps_g": "#000000",
}
LABELS = {
    "alpha": r"$\alpha$",
    "beta": r"$\beta$",
    "gamma": r"$\gamma$",
    "q": "$q$",
    "r": "$r$",
    "q_star": r"$q_*$",
    "p": "$p$",
    "eps_g": r"$\epsilon_g$",
    "free_entropy": r"$\Phi$",
    "replicon": "replicon",
}


def style() -> AbstractContextManager[None]:
    """The journal style, for the figures made and saved within: `with figures.style(): ...`."""
    return matplotlib.style.context(STYLE_FILE)


def new(
    rows: int = 1, columns: int = 1, *, width: float = 3.4, height: float = 2.6, **options: Any
) -> tuple[Figure, Any]:
    """A figure of `rows` x `columns` panels, each `width` x `height` inches, and its Axes (as `plt.subplots`).

    Not registered with pyplot: nothing has to be closed.
    """
    figure = Figure(figsize=(columns * width, rows * height))
    return figure, figure.subplots(rows, columns, **options)


def rendered(figure: Figure, kind: str) -> bytes:
    """The file of a figure, `kind` "png", "pdf" or "svg": without date or random names, so the same picture has the
    same bytes."""
    buffer = io.BytesIO()
    stamp = {"png": "Software", "pdf": "CreationDate", "svg": "Date"}[kind]
    with matplotlib.rc_context({"svg.hashsalt": "statmech-cl"}):
        figure.savefig(buffer, format=kind, metadata={stamp: None})
    return buffer.getvalue()


def _values(source: Any, name: str) -> np.ndarray:
    """Column `name` of a Solution, a sequence of Solutions or dicts, a table (DataFrame, dict of columns) or an object
    with array attributes."""
    if isinstance(source, Mapping) or hasattr(source, "columns"):
        return np.atleast_1d(np.asarray(source[name], dtype=float))
    if hasattr(source, "to_dict"):
        return np.atleast_1d(np.asarray(_row(source)[check_choice("column", name, tuple(_row(source)))], dtype=float))
    if hasattr(source, name):
        return np.atleast_1d(np.asarray(getattr(source, name), dtype=float))
    rows = [_row(row) for row in source]
    check_choice("column", name, tuple(dict.fromkeys(key for row in rows for key in row)) or (name,))
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=float)


def _row(source: Any) -> Mapping[str, Any]:
    """The columns of one solution; of a chain those of its last task, and the errors on every task (`eps_1`, ...)."""
    if isinstance(source, Mapping):
        return source
    row: dict[str, Any] = source.to_dict()
    return {**row["tasks"][-1], **source.after_last()} if hasattr(source, "after_last") else row


def curve(
    ax: Axes,
    source: Any,
    y: str,
    *,
    x: str | None = None,
    stable: Sequence[bool] | np.ndarray | None = None,
    label: str | None = None,
    **options: Any,
) -> Axes:
    """Draw column `y` of `source` against column `x`, in the given order; dashed where `stable` is false.

    source : a Branch, a Solution or ChainSolution, a sequence of them or of dicts, a DataFrame, or a dict of columns.
        Of chains "eps_1", "p_2" and so on are the errors and overlaps on each task after the last.
    x : by default the parameter that a Branch follows, "alpha" otherwise.
    stable : (n,) which points are stable; by default what the source says in its column "stable", all of it if nothing.
    """
    if hasattr(source, "curves") and hasattr(source, "points"):
        x = x or source.parameter
        rows = getattr(source, "chains", None) or source.points
        for start, stop in source.curves:
            curve(ax, rows[start:stop], y, x=x, stable=stable, label=label, **options)
            label = None
        return _named(ax, x, y)
    x = x or "alpha"
    horizontal, vertical = _values(source, x), _values(source, y)
    options.setdefault("color", COLORS.get(y))
    stable_at = _stability(source, horizontal.size) if stable is None else np.asarray(stable, bool)
    if horizontal.size == 1:
        ax.plot(horizontal, vertical, marker="o", linestyle="none", label=label, **options)
        return _named(ax, x, y)
    # A segment is drawn as stable when both its ends are; the two styles meet at shared points.
    edges = np.flatnonzero(np.diff(stable_at.astype(int))) + 1
    for start, stop in zip((0, *edges), (*edges, stable_at.size), strict=True):
        solid = bool(stable_at[start])
        # An unstable stretch reaches over to its stable neighbours, so that no gap is left.
        first, last = (start, stop) if solid else (max(start - 1, 0), min(stop + 1, stable_at.size))
        line = "-" if solid else "--"
        ax.plot(horizontal[first:last], vertical[first:last], line, label=label, **options)
        label = None
    return _named(ax, x, y)


def _stability(source: Any, size: int) -> np.ndarray:
    """The column "stable" of a source that has one, all true otherwise (missing values count as stable)."""
    try:
        values = _values(source, "stable")
    except (ValueError, KeyError, AttributeError, TypeError):
        return np.ones(size, bool)
    return np.isnan(values) | (values > 0.0)


def band(ax: Axes, x: Any, y: Any, error: Any, color: Any) -> None:
    """One standard error to both sides of a line."""
    y, error = np.asarray(y, dtype=float), np.asarray(error, dtype=float)
    ax.fill_between(x, y - error, y + error, color=color, alpha=0.25, linewidth=0)


def points(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    y: str,
    *,
    x: str = "alpha",
    error: str | None = None,
    label: str | None = None,
    **options: Any,
) -> Axes:
    """Draw column `y` of `rows` with the error bars of column `error` (default: `y` + "_error")."""
    options = {"fmt": "o", "markerfacecolor": "white", "linewidth": 0.8, "color": COLORS.get(y), **options}
    ax.errorbar(_values(rows, x), _values(rows, y), yerr=_values(rows, error or f"{y}_error"), label=label, **options)
    return _named(ax, x, y)


def marked(ax: Axes, x: float, text: str, *, top: float = 1.0, linestyle: str = "-") -> None:
    """A grey vertical line at x with what it marks, written along it below `top`, a share of the height."""
    ax.axvline(x, color="0.7", linewidth=0.6, linestyle=linestyle, zorder=0)
    ax.annotate(
        text, (x, top), xycoords=("data", "axes fraction"), xytext=(-1.5, -2.0), textcoords="offset points",
        rotation=90, fontsize=5.5, color="0.45", ha="right", va="top", zorder=0,
    )  # fmt: skip


def upper_bounds(ax: Axes, x: Sequence[float], bounds: Sequence[float], **look: Any) -> None:
    """Arrows that hang down from `bounds`: the value lies somewhere below. look : color, label."""
    ax.errorbar(
        x, bounds, yerr=0.45 * np.asarray(bounds), uplims=True, fmt="_", linewidth=0.8, capsize=2, markersize=5, **look
    )


def _named(ax: Axes, x: str, y: str) -> Axes:
    if not ax.get_xlabel():
        ax.set_xlabel(label_of(x))
    if not ax.get_ylabel():
        ax.set_ylabel(label_of(y))
    return ax


def label_of(name: str) -> str:
    """A quantity as it is typeset on an axis; with a number behind it that of one task, `eps_1`, `alpha_2`."""
    stem, _, number = name.rpartition("_")
    whole = LABELS.get("eps_g" if stem == "eps" else stem, "")
    if number.isdigit() and whole.endswith("$"):
        return f"{whole.replace('_g', '')[:-1]}_{number}$"
    return LABELS.get(name, name)
