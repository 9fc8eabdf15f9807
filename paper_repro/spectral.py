"""Figure spectral: what the regulariser lam (1 - Phi) + eta BB and its parts do (Zenodo, record 18699347).

Perceptron descent beside the theory of the L2 anchor; split MNIST in one head; Phi and BB of the layers along training,
beside forgetting.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.spectral import random_coherence

from .agreement import agreement
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, settings, without_seeds
from .theory_rows import two_task_theory_row

PUBLISHED = (71.16, 86.69)  # digits 0-4 retained, digits 5-9, at lam = 1, eta = 3
# Every method; those with an anchor at strengths over three decades.
_ALONE = ("plain", "phi-only", "vcl-none", "vcl-ewc", "natural-gradient", "bounded-memory", "metaplasticity")
_STRENGTHS = {
    "l2": ("strength", (0.01, 0.1, 1.0, 10.0)),
    "rana": ("eta", (0.01, 0.1, 1.0, 10.0)),
    "ewc": ("strength", (1.0, 10.0, 100.0, 1000.0)),
    "vcl": ("gamma", (0.01, 0.1, 1.0, 10.0)),
    "vcl-l2": ("gamma", (0.01, 0.1, 1.0, 10.0)),
    "vcl-sgd": ("gamma", (0.02, 0.05, 0.2, 0.5)),
}
_PUSHED = ("phi-only", "rana")  # with 1 - Phi in the loss
_METHODS = [
    *([name, {}] for name in _ALONE),
    *([name, {option: s}] for name, (option, strengths) in _STRENGTHS.items() for s in strengths),
]
_PERCEPTRON = {
    "alpha_1": 2.0,
    "r0": 0.0,
    "beta": 20.0,
    "eta": 1.0,
    "alpha_2": [0.5, 1.0, 2.0, 4.0],
    # Strengths of 1 - Phi: none, 1 in all, and 1 and 10 for each weight.
    "lam": [["L2 anchor alone", 0.0, False], [r"$\lambda=1$", 1.0, False], [r"$\lambda=N$", 1.0, True]],
    "strong": [[r"$\lambda=10N$", 10.0, True]],
    "etas": [0.03, 0.1, 0.3, 1.0, 3.0],
    "anchors": ["l2", "kl"],
    # Followed epoch by epoch: anchor, its strength, and that of 1 - Phi for each weight.
    "along": {
        "alpha_2": 1.0,
        "cases": [
            *(["l2", eta, 0.0] for eta in (0.1, 1.0, 10.0)),
            *(["kl", gamma, 0.0] for gamma in (0.1, 1.0, 10.0)),
            *(["l2", 1.0, lam] for lam in (1.0, 10.0)),
        ],
    },
    "epochs": 200,
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        "subset": True,
        "perceptron": {**_PERCEPTRON, "n": 300, "n_seeds": 6},
        "trade_off": {"strengths": [0.3, 1.0, 3.0, 10.0], "epochs": 1, "n_seeds": 2},
        "deep": {"methods": _METHODS, "epochs": 3, "batches": 125, "widths": [128, 128], "n_seeds": 2},
    },
    "paper": {
        "subset": False,
        "perceptron": {**_PERCEPTRON, "n": 1000, "n_seeds": 20},
        "trade_off": {"strengths": [0.3, 1.0, 2.0, 3.0, 5.0, 10.0], "epochs": 3, "n_seeds": 3},
        "deep": {"methods": _METHODS, "epochs": 5, "batches": 500, "widths": [512, 512], "n_seeds": 5},
    },
}


def compute(context: Context) -> Data:
    """Theory, perceptrons, split MNIST, and every method on two permuted tasks."""
    prepare()
    rows = [*_theory(context), *_perceptrons(context), *_along(context), *_trade_off(context), *_deep(context)]
    for what, estimate in _correlations(rows).items():
        rows.append(
            {
                "kind": "correlation",
                "what": what,
                "value": estimate.mean,
                "value_error": estimate.error,
                "n": estimate.n,
            }
        )
    return Data(rows, dict(context.parameters))


def _theory(context: Context) -> list[dict[str, Any]]:
    p = context.parameters["perceptron"]
    shared = {"alpha_1": p["alpha_1"], "r0": p["r0"], "beta": p["beta"], "gamma": p["eta"], "anchor": "l2"}
    grid = [{**shared, "alpha_2": a} for a in p["alpha_2"]]
    solved = context.points(two_task_theory_row, grid, "theory")
    return [
        {"kind": "theory", "alpha_2": point["alpha_2"], **{name: row[name] for name in ("eps_1", "eps_2")}}
        for point, row in zip(grid, solved, strict=True)
    ]


def _perceptrons(context: Context) -> list[dict[str, Any]]:
    """The points beside the theory line, and, in the rows of kind "fields", one for each seed of a sweep over anchors,
    their strengths and alpha_2."""
    from statmech_cl.simulations.spectral_runs import perceptron_row

    p = context.parameters["perceptron"]
    shared, seeds = _shared(context, records=1)
    grid, about = [], []
    for label, lam, by_weight in [*p["lam"], *p["strong"]]:
        strength = lam if by_weight else lam / p["n"]
        for a in p["alpha_2"]:
            grid.append({**shared, "alpha_2": a, "eta": p["eta"], "lam_per_weight": strength})
            about.append({"kind": "perceptron", "label": label, "alpha_2": a})
    for anchor, eta, a in product(p["anchors"], p["etas"], p["alpha_2"]):
        grid.append({**shared, "alpha_2": a, "eta": eta, "anchor": anchor, "lam_per_weight": 0.0})
        about.append({"kind": "fields", "anchor": anchor, "strength": eta, "alpha_2": a})
    trained = context.points(perceptron_row, grid, "perceptrons")
    rows: list[dict[str, Any]] = []
    for place, row in zip(about, trained, strict=True):
        if place["kind"] == "perceptron":
            kept = ("eps_1", "eps_2", "coherence", "coherence_before", "beta", "forgetting")
            numbers = {k: row[k] for name in kept for k in (name, f"{name}_error")}
            rows.append({**place, **numbers, "n_seeds": row["n_seeds"]})
        else:
            for seed, f, phi, beta in zip(
                seeds, row["forgetting_seeds"], row["coherence_seeds"], row["beta_seeds"], strict=True
            ):
                rows.append({**place, "seed": seed, "forgetting": f, "coherence": phi, "beta": beta})
    return rows


def _along(context: Context) -> list[dict[str, Any]]:
    """Phi and BB of the fields, and eps_1, at the first ten epochs of each task and ever more sparsely afterwards."""
    from statmech_cl.simulations.spectral_runs import perceptron_row

    p = context.parameters["perceptron"]
    shared, _ = _shared(context, records=p["epochs"])
    alpha_2 = p["along"]["alpha_2"]
    cases = p["along"]["cases"]
    grid = [
        {**shared, "alpha_2": alpha_2, "anchor": anchor, "eta": s, "lam_per_weight": lam} for anchor, s, lam in cases
    ]
    steps = {*range(11), *np.geomspace(10, p["epochs"], 16).round().astype(int).tolist()}
    rows: list[dict[str, Any]] = []
    for (anchor, strength, lam), trained in zip(
        cases, context.points(perceptron_row, grid, "epoch by epoch"), strict=True
    ):
        place = {"kind": "along", "alpha_2": alpha_2, "anchor": anchor, "strength": strength, "lam": lam}
        for line in trained["along"]:
            epoch = line["epoch"] - (line["after_task"] - 1) * p["epochs"]
            if epoch in steps:
                rows.append({**place, **without_seeds(line), "epoch": epoch, "n_seeds": trained["n_seeds"]})
    return rows


def _shared(context: Context, *, records: int) -> tuple[dict[str, Any], list[int]]:
    """What all perceptrons have in common, and their seeds."""
    p = context.parameters["perceptron"]
    seeds = list(range(context.seed, context.seed + p["n_seeds"]))
    shared = {"alpha_1": p["alpha_1"], "r0": p["r0"], "n": p["n"], "seeds": seeds, "device": context.device}
    return shared | settings(epochs=p["epochs"], records=records, test_patterns=0), seeds


def _trade_off(context: Context) -> list[dict[str, Any]]:
    from statmech_cl.simulations.deep.continual import run_point
    from statmech_cl.simulations.deep.results import RunResult

    t = context.parameters["trade_off"]
    shared = {"scenario_name": "split-mnist", "n_tasks": 2, "heads": "single", "validation": False, "batches": 0}
    shared |= {"subset": context.parameters["subset"], "epochs": t["epochs"], "batch_size": 64, "network": "cnn"}
    shared |= {"widths": [512, 512], "device": context.device}
    cases = [(n, o, s) for n, o in (("rana", "eta"), ("l2", "strength")) for s in t["strengths"]]
    grid = [
        {"method": name, "options": {option: s}, "seed": context.seed + i, **shared}
        for name, option, s in cases
        for i in range(t["n_seeds"])
    ]
    results = [RunResult.from_dict(row) for row in context.points(run_point, grid, "split MNIST")]
    rows = []
    for index, (name, _, strength) in enumerate(cases):
        mine = results[index * t["n_seeds"] : (index + 1) * t["n_seeds"]]
        last = np.array([100.0 * result.matrix("weights")[-1] for result in mine])
        aware = np.array([100.0 * result.matrix("weights", task_aware=True)[-1] for result in mine])
        label = "with $1-\\Phi$" if name == "rana" else "BB alone (L2)"
        row: dict[str, Any] = {"kind": "trade-off", "label": label, "method": name, "strength": strength}
        columns = zip(("a", "b", "a_task_aware", "b_task_aware"), [*last.T, *aware.T], strict=True)
        for column, values in columns:
            estimate = Estimate.from_samples(values)
            row |= {column: estimate.mean, f"{column}_error": estimate.error}
        rows.append({**row, "n_seeds": t["n_seeds"]})
    return rows


def _deep(context: Context) -> list[dict[str, Any]]:
    from statmech_cl.simulations.spectral_runs import deep_row

    d = context.parameters["deep"]
    shared = {"subset": context.parameters["subset"], "epochs": d["epochs"], "batches": d["batches"]}
    shared |= {"widths": d["widths"], "device": context.device}
    grid = [
        {"method": name, "options": options, "seed": context.seed + i, **shared}
        for name, options in d["methods"]
        for i in range(d["n_seeds"])
    ]
    rows: list[dict[str, Any]] = []
    sizes: set[int] = set()
    for point, trained in zip(grid, context.points(deep_row, grid, "methods"), strict=True):
        label = " ".join([point["method"], *(f"{value:g}" for value in point["options"].values())])
        who = {"label": label, "method": point["method"], "seed": point["seed"]}
        who |= {"strength": next(iter(point["options"].values()), None)}
        learned = next(line["accuracy_1"] for line in trained["epochs"] if line["epoch"] == d["epochs"])
        for line in trained["epochs"]:
            layer = {k: line[k] for k in ("tensor", "n", "coherence", "beta", "relative_beta") if k in line}
            epoch = (line["after_task"] - 1) * d["epochs"] + line["epoch"]
            whole = line["tensor"] == "all"
            rows.append({"kind": "epoch" if whole else "layer epoch", **who, "epoch": epoch, **layer})
            if whole and line["after_task"] == 2:
                rows[-1]["fall"] = learned - line["accuracy_1"]
            if epoch == 2 * d["epochs"]:
                rows.append({"kind": "run" if whole else "layer", **who, **layer})
                if whole:
                    rows[-1] |= {"forgetting": trained["forgetting"], "average": trained["average"]}
                else:
                    sizes.add(line["n"])
    rows += [{"kind": "chance", "n": n, "coherence": random_coherence(n)} for n in sorted(sizes)]
    return rows


def spearman(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Rank correlation of x and y, (n,) each; 0 where one of them is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(x), rankdata(y)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0.0 and b.std() > 0.0 else 0.0


def rank_correlation(x: Sequence[float], y: Sequence[float], groups: Sequence[Any]) -> Estimate:
    """Spearman's rank correlation of x and y, (n,) each, with a bootstrap error over `groups`: runs of one setting that
    differ in the seed alone are no independent evidence."""
    members = [np.flatnonzero([g == group for g in groups]) for group in dict.fromkeys(groups)]
    both = np.array([x, y], dtype=float)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(members), (400, len(members)))
    again = [spearman(*both[:, np.concatenate([members[i] for i in draw])]) for draw in draws]
    return Estimate(spearman(x, y), float(np.std(again, ddof=1)), len(members))


def _correlations(rows: list[dict[str, Any]]) -> dict[str, Estimate]:
    """Rank correlations of forgetting with Phi and BB: over all deep runs, over some methods' runs, within each method
    over its strengths, and over perceptrons."""
    runs = [row for row in rows if row["kind"] == "run"]
    fields = [row for row in rows if row["kind"] == "fields"]
    methods = dict.fromkeys(row["method"] for row in runs)
    lost = {method: sum(row["forgetting"] for row in runs if row["method"] == method) for method in methods}
    some = {
        "all methods": runs,
        "methods without 1 - Phi": [row for row in runs if row["method"] not in _PUSHED],
        "methods that forget on average": [row for row in runs if lost[row["method"]] > 0.0],
    }
    correlations: dict[str, Estimate] = {}
    for name in ("coherence", "relative_beta"):
        correlations |= {f"{name}, {what}": _correlation(mine, name) for what, mine in some.items() if mine}
        within = {method: _within(runs, method, name) for method in _STRENGTHS}
        each = {method: value for method, value in within.items() if value is not None}
        correlations |= {f"{name}, within {method}": value for method, value in each.items()}
        if len(each) > 1:
            means = np.array([value.mean for value in each.values()])
            correlations[f"{name}, mean within a method"] = Estimate.from_samples(means)
    for name in ("coherence", "beta"):
        for anchor in dict.fromkeys(row["anchor"] for row in fields):
            mine = [row for row in fields if row["anchor"] == anchor]
            correlations[f"{name}, perceptrons {anchor}"] = _correlation(mine, name)
        correlations[f"{name}, perceptrons"] = _correlation(fields, name)
    return correlations


def _correlation(rows: list[dict[str, Any]], name: str) -> Estimate:
    groups = [row.get("label") or (row["anchor"], row["strength"], row["alpha_2"]) for row in rows]
    return rank_correlation([row[name] for row in rows], [row["forgetting"] for row in rows], groups)


def _within(runs: list[dict[str, Any]], method: str, name: str) -> Estimate | None:
    """Rank correlation over the strengths of one method, seed by seed: its mean and the error of that; None where there
    are fewer than three strengths or two seeds."""
    mine = [row for row in runs if row["method"] == method]
    seeds = sorted({row["seed"] for row in mine})
    if len({row["strength"] for row in mine}) < 3 or len(seeds) < 2:
        return None
    of_seeds = [[row for row in mine if row["seed"] == seed] for seed in seeds]
    values = [spearman([row[name] for row in of_one], [row["forgetting"] for row in of_one]) for of_one in of_seeds]
    return Estimate.from_samples(np.array(values))


def _kept_correlations(data: Data) -> dict[str, Estimate]:
    rows = data.select(kind="correlation")
    return {row["what"]: Estimate(row["value"], row["value_error"], row["n"]) for row in rows}


def draw(data: Data) -> Any:
    """Six panels; the rest of the data is in the CSV."""
    from statmech_cl.figures.spectral import overview

    correlations = _kept_correlations(data)
    notes = {"relative_beta": f"rank correlation: all {correlations['relative_beta, all methods']}"}
    if "relative_beta, mean within a method" in correlations:
        notes["relative_beta"] += f", within {correlations['relative_beta, mean within a method']}"
    anchors = data.parameters["perceptron"]["anchors"]
    each = ", ".join(f"{anchor.upper()} {correlations[f'beta, perceptrons {anchor}']}" for anchor in anchors)
    notes["fields"] = f"perceptrons, rank correlation: {each}"
    return overview(data.rows, published=PUBLISHED, notes=notes)


def verdict(data: Data) -> Verdict:
    """Descent with 1 - Phi beside descent without, by the rule for verdicts (they are expected to agree at strengths 1
    and N); the L2 anchor's equilibrium; the trade-off; what goes with forgetting."""
    theory = {row["alpha_2"]: row for row in data.select(kind="theory")}
    rows: list[Row] = []
    near: list[Row] = []
    labels = [label for label, *_ in data.parameters["perceptron"]["lam"]]
    for row in data.select(kind="perceptron"):
        for task in (1, 2):
            estimate = Estimate(row[f"eps_{task}"], row[f"eps_{task}_error"], row["n_seeds"])
            expected = theory[row["alpha_2"]][f"eps_{task}"]
            name = row["label"].replace("$", "").replace("\\lambda", "lam")
            judged = row["label"] in labels
            what = f"eps_{task} alpha_2={row['alpha_2']:g}, {name}"
            rows.append(Row(what, expected, estimate, "L2 equilibrium", judged=False))
            if judged and row["label"] != labels[0]:
                (base,) = data.select(kind="perceptron", label=labels[0], alpha_2=row["alpha_2"])
                without, error = base[f"eps_{task}"], base[f"eps_{task}_error"]
                note = "beside the L2 anchor alone"
                near.append(Row(what, without, estimate, note, theory_error=error, theory_n=base["n_seeds"]))
    reached = False
    for row in data.select(kind="trade-off"):
        for column, published in zip("ab", PUBLISHED, strict=True):
            estimate = Estimate(row[column], row[f"{column}_error"], row["n_seeds"])
            name = f"split MNIST {column.upper()} (%), {row['method']} {row['strength']:g}"
            if row["strength"] == 3.0:
                rows.append(Row(name, published, estimate, "published", judged=False))
            else:
                rows.append(Row(name, None, estimate, judged=False))
        reached |= row["a"] >= PUBLISHED[0] and row["b"] >= PUBLISHED[1]
    correlations = _kept_correlations(data)
    rows += [
        Row(f"rank correlation of forgetting with {what}", None, e, judged=False) for what, e in correlations.items()
    ]
    met = "is met" if reached else "is not met"
    told, holds = agreement(near, "Strengths 1 and N of 1 - Phi beside the L2 anchor alone")
    sentence = (
        f"{told} The published pair A {PUBLISHED[0]:g}, B {PUBLISHED[1]:g} {met} at any "
        f"eta tried at this scale; over all methods and strengths, forgetting has rank correlation "
        f"{correlations['relative_beta, all methods']} with BB / (1/2)||W_prev||^2 and "
        f"{correlations['coherence, all methods']} with Phi; over perceptrons with BB "
        f"{correlations['beta, perceptrons l2']} under the L2 anchor and "
        f"{correlations['beta, perceptrons kl']} under the KL anchor."
    )
    return Verdict([*rows, *near], sentence, holds)
