"""replay-a: both errors against replayed patterns, with and without an anchor, and what a replayed pattern is worth.

The worth of replay is told in gamma: the anchor that, without replay, leaves the same error on task 1. Rule: every
solution is certified; with the anchor the error on task 1 falls with every step of replay; the equal anchor leaves the
same error to 1e-8; as many patterns of both tasks without an anchor leave the same error on both to 1e-8.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .figure import Context, Data, Row, Verdict
from .replay_rows import replay_row, worth_row

_AGREED = 1e-8
_ANCHORS = ("kl", "none")
SCALES: dict[str, dict[str, Any]] = {
    scale: {"alpha_1": 2.0, "alpha_2": 1.0, "beta": 20.0, "overlap": 0.3, "gamma": 0.3, "replayed": replayed}
    for scale, replayed in (
        ("quick", [0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0]),
        ("paper", [round(0.05 * k, 2) for k in range(41)]),
    )
}


def compute(context: Context) -> Data:
    """A row for each anchor and amount of replay, and for each equal anchor."""
    size = dict(context.parameters)
    fixed = {name: size[name] for name in ("alpha_1", "alpha_2", "beta", "overlap", "gamma")}
    grid = [{"replayed": replayed, "anchor": anchor, **fixed} for anchor in _ANCHORS for replayed in size["replayed"]]
    solved = context.points(replay_row, grid, "replay")
    rows: list[dict[str, Any]] = [
        {"kind": "replay", "anchor": point["anchor"], "replayed": point["replayed"], "same_gamma": None, **row}
        for point, row in zip(grid, solved, strict=True)
    ]
    held = [row for row in rows if row["anchor"] == "kl"]
    asked = [{"eps_1": row["eps_1"], **fixed} for row in held]
    for row, same in zip(held, context.points(worth_row, asked, "equal anchors"), strict=True):
        rows.append({"kind": "equal anchor", "anchor": "kl", "replayed": row["replayed"], **same})
    return Data(rows, size)


def draw(data: Data) -> Any:
    """Errors on the left, hollow where the replicon is above 1; on the right what replayed patterns are worth."""
    from statmech_cl import figures

    figure, (left, right) = figures.new(1, 2, width=3.4, height=2.8)
    gamma = data.parameters["gamma"]
    for anchor, color, told in (("kl", "#0072B2", rf"$\gamma$ = {gamma:g}"), ("none", "#D55E00", "no anchor")):
        for name, line in (("eps_1", "-o"), ("eps_2", "--s")):
            x, y, replicon = (data.column(c, kind="replay", anchor=anchor) for c in ("replayed", name, "replicon"))
            label = rf"$\epsilon_{name[-1]}$, {told}"
            stable = [v if at < 1.0 else float("nan") for v, at in zip(y, replicon, strict=True)]
            left.plot(x, stable, line, color=color, markersize=2.5, label=label)
            unstable = [v if at >= 1.0 else float("nan") for v, at in zip(y, replicon, strict=True)]
            left.plot(x, unstable, line[-1], color=color, markersize=2.5, markerfacecolor="white")
    x, y = (data.column(name, kind="equal anchor") for name in ("replayed", "eps_2"))
    left.plot(x, y, ":", color="black", label=r"$\epsilon_2$, anchor of equal $\epsilon_1$")
    left.set_ylabel("error")
    left.set_ylim(bottom=0.0)
    left.legend(fontsize=6)
    right.plot(x, data.column("same_gamma", kind="equal anchor"), "-o", color="black", markersize=2.5)
    right.set_ylabel(r"$\gamma$ of equal $\epsilon_1$")
    for ax in (left, right):
        ax.set_xlabel("replayed patterns of task 1, per weight")
    return figure


def verdict(data: Data) -> Verdict:
    """See the module's text."""
    held = data.select(kind="replay", anchor="kl")
    same = data.select(kind="equal anchor")
    residual, error = (max(data.column(name)) for name in ("residual", "quadrature_error"))
    falls = all(b["eps_1"] < a["eps_1"] for a, b in pairwise(held))
    apart = max(abs(a["eps_1"] - b["eps_1"]) for a, b in zip(held, same, strict=True))
    alike = [
        abs(row["eps_1"] - row["eps_2"])
        for row in data.select(kind="replay", anchor="none", replayed=data.parameters["alpha_2"])
    ]
    rows = []
    for a, b in zip(held, same, strict=True):
        note = f"gamma {b['same_gamma']:.4f}; eps_2 {a['eps_2']:.4f} with replay, {b['eps_2']:.4f} with that anchor"
        rows.append(Row(f"eps_1 at {a['replayed']:g} replayed", a["eps_1"], None, note))
    first, last = same[0], same[-1]
    worth = (last["same_gamma"] - first["same_gamma"]) / (last["replayed"] - first["replayed"])
    sentence = (
        f"With the anchor eps_1 {'falls' if falls else 'does not fall'} with every step of replay, and one replayed "
        f"pattern per weight is worth {worth:.2f} of gamma on average; the equal anchors agree in eps_1 to "
        f"{apart:.0e}, equal numbers of patterns without an anchor in both errors to {max(alike, default=0.0):.0e}; "
        f"largest residual {residual:.0e}, quadrature error {error:.0e}."
    )
    exact = residual < 1e-10 and error < 1e-9 and apart < _AGREED and max(alike, default=1.0) < _AGREED
    return Verdict(rows, sentence, falls and exact)
