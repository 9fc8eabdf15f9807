"""Figure deep-overlap: does the overlap of the weights, layer by layer, say what a deep network forgets?

The theory of `simulations.deep.overlaps` from measured weights, beside the spectral proxy BB, over methods and
strengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from .figure import Context, Data, Row, Verdict
from .spectral import SCALES as SPECTRAL
from .spectral import rank_correlation, spearman

_SHARED = {"methods": SPECTRAL["quick"]["deep"]["methods"], "n_tasks": 3}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {"subset": True, **_SHARED, "epochs": 3, "batches": 125, "widths": [128, 128], "n_seeds": 2},
    "paper": {"subset": False, **_SHARED, "epochs": 5, "batches": 500, "widths": [512, 512], "n_seeds": 5},
}
# What rho of the logits is made of, from the theory alone to what is measured.
LEVELS = {
    "means": "layers' means",
    "weights": "layers' weights",
    "inputs": "first layer on the images, then weights",
    "logits": "measured logits",
}
_PROXY = "relative_beta"
_DRAWS = 400
__all__ = ["SCALES", "compute", "draw", "verdict"]


def compute(context: Context) -> Data:
    """One row for each pair of tasks of each run, with the accuracy that each level predicts; a row for each level:
    its calibrated share, error and rank correlation."""
    from statmech_cl.simulations.deep.overlaps import accuracy_left, calibrate, logit_overlap
    from statmech_cl.simulations.overlap_runs import overlap_row

    p = context.parameters
    same = {name: p[name] for name in ("subset", "n_tasks", "epochs", "batches", "widths")} | {"device": context.device}
    grid = [
        {"method": method, "options": options, "seed": context.seed + index, **same}
        for index in range(p["n_seeds"])
        for method, options in p["methods"]
    ]
    rows: list[dict[str, Any]] = []
    for point, measured in zip(grid, context.points(overlap_row, grid, "deep-overlap"), strict=True):
        setting = " ".join([point["method"], *(f"{name}={value:g}" for name, value in point["options"].items())])
        for pair in measured["pairs"]:
            activation = "sign" if point["method"] == "metaplasticity" else "relu"
            layers = {name: pair[name] for name in ("means", "weights")}
            layers["inputs"] = [pair["inputs"], *pair["weights"][1:]]
            rho = {f"rho_{name}": logit_overlap(overlaps, activation) for name, overlaps in layers.items()}
            about = {"kind": "pair", "method": point["method"], "setting": setting, "seed": point["seed"]}
            kept = {name: pair[name] for name in ("after", "on", "before", "accuracy", "relative_beta")}
            rho["rho_logits"] = pair["logits"]
            rows.append({**about, **kept, "fall": pair["before"] - pair["accuracy"], **rho})
    columns = {name: [row[name] for row in rows] for name in ("before", "accuracy", "fall", _PROXY)}
    settings = [row["setting"] for row in rows]
    judged = []
    for level in LEVELS:
        rho_of = [row[f"rho_{level}"] for row in rows]
        share = calibrate(columns["before"], rho_of, columns["accuracy"])
        for row, r in zip(rows, rho_of, strict=True):
            row[f"told_{level}"] = accuracy_left(row["before"], r, share=share)
        told = [row["before"] - row[f"told_{level}"] for row in rows]
        order = rank_correlation(told, columns["fall"], settings)
        better = _better(told, columns[_PROXY], columns["fall"], settings)
        missed = float(np.sqrt(np.mean(np.square(np.subtract(told, columns["fall"])))))
        judged.append({"kind": "level", "level": level, "share": share, "rms": missed, **_both(order, better)})
    order = rank_correlation(columns[_PROXY], columns["fall"], settings)
    unmoved = float(np.sqrt(np.mean(np.square(columns["fall"]))))
    judged.append({"kind": "level", "level": _PROXY, "share": None, "rms": unmoved, **_both(order, None)})
    return Data([*rows, *judged], dict(context.parameters))


def _both(order: Estimate, better: Estimate | None) -> dict[str, Any]:
    return {
        "rank": order.mean,
        "rank_error": order.error,
        "better": None if better is None else better.mean,
        "better_error": None if better is None else better.error,
        "n": order.n,
    }


def _better(told: Sequence[float], proxy: Sequence[float], fall: Sequence[float], groups: Sequence[str]) -> Estimate:
    """Rank correlation of `fall` with `told` less that with `proxy`, with a bootstrap error over `groups`, both drawn
    together."""
    members = [np.flatnonzero([g == group for g in groups]) for group in dict.fromkeys(groups)]
    a, b, f = (np.asarray(x, dtype=float) for x in (told, proxy, fall))
    rng = np.random.default_rng(0)
    again = []
    for draw in rng.integers(0, len(members), (_DRAWS, len(members))):
        at = np.concatenate([members[i] for i in draw])
        again.append(spearman(a[at], f[at]) - spearman(b[at], f[at]))
    return Estimate(spearman(a, f) - spearman(b, f), float(np.std(again, ddof=1)), len(members))


def draw(data: Data) -> Any:
    """Predicted against measured fall of the accuracy, one panel a level, one colour a method; BB in the last."""
    from statmech_cl.figures.overlap import fall_against_prediction

    return fall_against_prediction(data.select(kind="pair"), LEVELS, proxy=_PROXY)


def verdict(data: Data) -> Verdict:
    """Whether the overlaps of the layers' means order forgetting better than BB does."""
    levels = {row["level"]: row for row in data.select(kind="level")}
    rows = []
    for level, score in levels.items():
        order = Estimate(score["rank"], score["rank_error"], score["n"])
        note = f"rms error {score['rms']:.3f}"
        if score["share"] is not None:
            note += f", share {score['share']:.2f}"
        what = LEVELS.get(level, "BB / |W_then|^2; rms of the fall itself")
        rows.append(Row(f"rank correlation with the fall: {what}", None, order, note))
    gains = {
        level: Estimate(score["better"], score["better_error"], score["n"])
        for level, score in levels.items()
        if level in LEVELS
    }
    for level, gain in gains.items():
        rows.append(Row(f"{LEVELS[level]}, less that of BB", None, gain, judged=level == "means"))
    gain = gains["means"]
    holds = gain.mean > 2.0 * gain.error
    sentence = (
        f"the overlaps of the layers' means {'order' if holds else 'do not clearly order'} forgetting better than BB: "
        f"rank correlation higher by {gain}; rms error {levels['means']['rms']:.3f} of a fall of "
        f"{levels[_PROXY]['rms']:.3f}"
    )
    return Verdict(rows, sentence, holds)
