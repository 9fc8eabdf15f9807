"""Two tasks, sampled and descended, beside equilibrium theory: what replay-b, map-b and optimum-a share.

The sampler is judged by the rule of `agreement` on the overlaps p_1 and p_2 after task 2, extrapolated in 1/N, at every
point where the replicon of the theory's solution is below 1. Descent is shown beside it and is not judged: it minimises
E and has no temperature. At each N all points see the same seeds, so the same first task: what differs between two
points is told seed by seed (`difference`), and is sharper than the points themselves. So these points move together: a
first task out of the ordinary moves them all, and they do not count in shares over a whole record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import at_infinite_n
from .figure import Context, Data, Row
from .pair_rows import pair_row
from .perceptron_runs import prepare, without_seeds

# N and seeds of each.
SIZES: dict[str, Any] = {
    "quick": {"gibbs": [[100, 24], [200, 16]], "descent": [[500, 12], [1000, 8]]},
    "paper": {"gibbs": [[200, 48], [400, 32]], "descent": [[1000, 24], [2000, 16]]},
}
SAMPLER: dict[str, Any] = {"warmup": 200, "draws": 60, "leapfrogs": 16, "start": "teacher"}
NAMES = ("p_1", "p_2")
Seeds = dict[int, dict[str, list[float]]]  # of one point: N -> the values of single seeds of p_1 and p_2
_CASE = ("alpha_1", "alpha_2", "gamma", "r0", "replay", "anchor")


def compute(
    context: Context, cases: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, list[Seeds]]]:
    """Rows "theory", "gibbs" and "descent" at each N, "gibbs limit" and "descent limit" of each case: alpha_1, alpha_2,
    gamma, r0, beta, and where they differ from their defaults replay and anchor. And by method the single seeds of each
    case."""
    from statmech_cl.simulations.perceptron.rows import gibbs_two_task_row, two_task_row

    prepare()
    theory = context.points(pair_row, cases, "theory")
    rows: list[dict[str, Any]] = [{"kind": "theory", **case, **row} for case, row in zip(cases, theory, strict=True)]
    methods: list[tuple[str, Any, dict[str, Any], tuple[str, ...]]] = [
        ("gibbs", gibbs_two_task_row, SAMPLER, (*_CASE, "beta")),
        ("descent", two_task_row, curves.whole_batch(), _CASE),
    ]
    single: dict[str, list[Seeds]] = {}
    for method, function, run, read in methods:
        single[method] = [{} for _ in cases]
        by_size: list[dict[int, dict[str, Any]]] = [{} for _ in cases]
        for n, count in context.parameters["sizes"][method]:
            first = context.seed + 1_000_000 * n
            common = {**run, "n": n, "seeds": list(range(first, first + count)), "device": context.device}
            grid = [{**{name: case[name] for name in read if name in case}, **common} for case in cases]
            simulated = context.points(function, grid, f"{method}, N = {n}")
            for of_case, of_seeds, row in zip(by_size, single[method], simulated, strict=True):
                of_case[n] = without_seeds(row)
                of_seeds[n] = {name: row[f"{name}_seeds"] for name in NAMES}
        for case, of_case in zip(cases, by_size, strict=True):
            rows += [{"kind": method, **case, **row} for row in of_case.values()]
            rows.append({"kind": f"{method} limit", **case, **_limit(of_case)})
    return rows, single


def difference(a: Seeds, name_a: str, b: Seeds, name_b: str) -> Estimate:
    """Of overlap `name_a` at point a minus `name_b` at point b, seed by seed, for N -> infinity; seeds of which one
    diverged are left out."""
    estimates = {}
    for n, of_a in a.items():
        both = zip(of_a[name_a], b[n][name_b], strict=True)
        gaps = [one - other for one, other in both if one is not None and other is not None]
        at = Estimate.from_samples(np.array(gaps))
        estimates[n] = Estimate(at.mean, max(at.error, 2.0 / (len(gaps) * n)), at.n)
    return at_infinite_n(estimates)


def _limit(by_size: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """p_1 and p_2 for N -> infinity, and the errors that they stand for."""
    limit: dict[str, Any] = {}
    for name in NAMES:
        estimates = {}
        for n, row in by_size.items():
            kept = row["n_seeds"] - row.get("diverged", 0)
            # signs that all agree cannot show a p sharper than one sign in all seeds
            estimates[n] = Estimate(row[name], max(row[f"{name}_error"], 2.0 / (kept * n)), kept)
        one = at_infinite_n(estimates)
        limit |= {name: one.mean, f"{name}_error": one.error, f"{name}_n": one.n}
    return limit | curves.eps_of(1, limit) | curves.eps_of(2, limit)


def label(case: Mapping[str, Any]) -> str:
    """The case in words."""
    words = [f"{name}={case[name]:.4g}" for name in ("alpha_2", "r0", "gamma", "replay") if case.get(name) is not None]
    return " ".join([*words, *(["no anchor"] if case.get("anchor") == "none" else [])])


def beside(data: Data, method: str) -> list[Row]:
    """The simulated limits beside the theory; the sampler's are judged where the replicon is below 1."""
    rows = []
    for theory in data.select(kind="theory"):
        same = {name: theory[name] for name in _CASE if name in theory}
        (limit,) = data.select(kind=f"{method} limit", **same)
        stable = theory["replicon"] < 1.0
        note = "" if stable else f"replicon {theory['replicon']:.2f}"
        for name in NAMES:
            simulated = Estimate(limit[name], limit[f"{name}_error"], limit[f"{name}_n"])
            told = "the sampler" if method == "gibbs" else method
            rows.append(
                Row(f"{name} {label(theory)}, {told}", theory[name], simulated, note, method == "gibbs" and stable)
            )
    return rows


def apart(data: Data) -> float:
    """How far descent lies from the theory in eps, at most."""
    gaps = []
    for theory in data.select(kind="theory"):
        (limit,) = data.select(kind="descent limit", **{name: theory[name] for name in _CASE if name in theory})
        gaps += [abs(limit[name] - theory[name]) for name in ("eps_1", "eps_2")]
    return max(gaps)
