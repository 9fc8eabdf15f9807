"""Pictures of continual learning in deep networks: rows of evaluations in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import band, new

Rows = Sequence[Mapping[str, Any]]


def accuracy_against_epoch(rows: Rows, *, title: str = "") -> Figure:
    """Accuracy on each task against epoch, one panel a method, mean and standard error over seeds.

    rows : method, seed, after_task, epoch, on_task, view, accuracy, as `RunResult.rows` has them; the first view of
        each method is drawn.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    columns = min(len(methods), 3)
    lines = -(-len(methods) // columns)
    figure, axes = new(lines, columns, width=2.6, height=2.0, squeeze=False, sharex=True, sharey=True)
    for ax in axes.flat[len(methods) :]:
        ax.set_visible(False)
    for ax, method in zip(axes.flat, methods, strict=False):
        mine = [row for row in rows if row["method"] == method]
        accuracy_panel(ax, [row for row in mine if row["view"] == mine[0]["view"]])
        ax.set_title(f"{method} ({mine[0]['view']})")
    for ax in axes[:, 0]:
        ax.set_ylabel("test accuracy")
    for index, ax in enumerate(axes.flat[: len(methods)]):
        if index + columns >= len(methods):
            ax.set_xlabel("epoch")
            ax.xaxis.set_tick_params(labelbottom=True)
    title_of = "task (band: one standard error over seeds)"
    figure.legend(*axes.flat[0].get_legend_handles_labels(), title=title_of, loc="outside lower center", ncols=10)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def accuracy_against_task(rows: Rows, *, window: int = 5, title: str = "") -> Figure:
    """Accuracy against the number of tasks learned: on the newest one (left), on the average of the latest `window`
    (middle), and on every task after the last one against its number (right); one line a method, mean over seeds.

    rows : as of `accuracy_against_epoch`, at the ends of tasks. What was not measured is left out.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new(1, 3, width=2.8, height=2.4, squeeze=False, sharey=True)
    n_tasks = max(row["on_task"] for row in rows)
    for method in methods:
        mine = [row for row in rows if row["method"] == method]
        view = mine[0]["view"]
        by_place: dict[tuple[int, int], list[float]] = {}
        for row in mine:
            if row["view"] == view and row["end"] and row["after_task"] > 0:
                by_place.setdefault((row["after_task"], row["on_task"]), []).append(row["accuracy"])
        mean = {place: float(np.mean(values)) for place, values in by_place.items()}
        tasks = range(1, n_tasks + 1)
        latest = {t: [mean.get((t, on), np.nan) for on in range(t - window + 1, t + 1)] for t in tasks if t >= window}
        series = (
            [(t, mean[t, t]) for t in tasks if (t, t) in mean],
            [(t, float(np.mean(values))) for t, values in latest.items() if np.isfinite(values).all()],
            [(on, mean[n_tasks, on]) for on in tasks if (n_tasks, on) in mean],
        )
        for ax, line in zip(axes[0], series, strict=True):
            if line:
                ax.plot(*zip(*line, strict=True), linewidth=0.9, label=f"{method} ({view})")
    labels = ("the newest task", f"average of the latest {window}", f"each task after task {n_tasks}")
    for ax, label, what in zip(axes[0], labels, ("tasks learned", "tasks learned", "task"), strict=True):
        ax.set_title(label)
        ax.set_xlabel(what)
    axes[0, 0].set_ylabel("test accuracy")
    axes[0, 0].legend(loc="lower left", fontsize=6)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def accuracy_panel(ax: Axes, rows: Rows) -> Axes:
    """One line for each task from the epoch in which it is first learned, a band of one standard error over seeds."""
    epochs = max(row["epoch"] for row in rows)
    for on in sorted({row["on_task"] for row in rows}):
        by_epoch: dict[int, list[float]] = {}
        for row in rows:
            if row["on_task"] == on and row["after_task"] >= on:
                by_epoch.setdefault((row["after_task"] - 1) * epochs + row["epoch"], []).append(row["accuracy"])
        when = np.array(sorted(by_epoch))
        mean = np.array([np.mean(by_epoch[epoch]) for epoch in when])
        error = np.array([np.std(v, ddof=1) / np.sqrt(len(v)) if len(v := by_epoch[e]) > 1 else 0.0 for e in when])
        (line,) = ax.plot(when, mean, marker=".", markersize=3, label=str(on))
        band(ax, when, mean, error, line.get_color())
    for border in range(1, max(row["after_task"] for row in rows)):
        ax.axvline(border * epochs + 0.5, color="0.8", linewidth=0.5, zorder=0)
    return ax


def uncertainty(rows: Rows, *, epochs: int) -> Figure:
    """Mean v, saturated fraction and KL against epoch (mean over seeds), and the law of v after each task.

    rows : of kind "epoch" (method, seed, after_task, epoch, mean_v, saturated, kl) and of kind "law of v" (method,
        seed, after_task, v, fraction). epochs : of each task.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    columns = max(3, len(methods))
    figure, axes = new(2, columns, width=2.4, height=2.0, squeeze=False)
    for ax in [*axes[0, 3:], *axes[1, len(methods) :]]:
        ax.set_visible(False)
    labels = {"mean_v": "mean of v", "saturated": "saturated (v < 0.01)", "kl": "KL to the last task (nats)"}
    for ax, (name, label) in zip(axes[0], labels.items(), strict=False):
        for method in methods:
            mine = [row for row in rows if row["kind"] == "epoch" and row["method"] == method]
            by_epoch: dict[int, list[float]] = {}
            for row in mine:
                if name == "kl" and row["after_task"] == 1:
                    continue  # there is no task before the first
                by_epoch.setdefault((row["after_task"] - 1) * epochs + row["epoch"], []).append(row[name])
            ax.plot(
                list(by_epoch),
                [np.mean(values) for values in by_epoch.values()],
                marker=".",
                markersize=3,
                label=method,
            )
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 2].set_yscale("log")
    axes[0, 0].legend(fontsize=6)
    for ax, method in zip(axes[1], methods, strict=False):
        mine = [row for row in rows if row["kind"] == "law of v" and row["method"] == method]
        tasks = sorted({row["after_task"] for row in mine})
        for index, task in enumerate(tasks):
            here = [row for row in mine if row["after_task"] == task]
            at = sorted({row["v"] for row in here})
            fraction = [np.mean([row["fraction"] for row in here if row["v"] == v]) for v in at]
            shade = 0.85 - 0.75 * index / max(1, len(tasks) - 1)
            ax.plot(at, fraction, drawstyle="steps-mid", color=str(shade), label=str(task))
        ax.set_yscale("log")
        ax.set_ylim(3e-3, 1.2)
        ax.set_title(method)
        ax.set_xlabel("v")
    axes[1, 0].set_ylabel("fraction of weights")
    axes[1, 0].legend(title="after task", ncols=2, fontsize=6, title_fontsize=6)
    return figure
