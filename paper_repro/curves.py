"""Descent beside its dynamical theory, for every figure that shows both: points, limits N -> infinity, verdict rows.

Rows, each with the case (alpha_1, alpha_2, gamma, r0), `task` (the one being learned, from 1) and `epoch` of it:

    dynamics : p_k, eps_k (arccos(p_k)/pi) of each teacher k, r_k, q_star, q, loss by theory, each with `_error`
    descent  : the same at one N, means over seeds
    limit    : a of mean(N) = a + b/N, with `_n` (degrees of freedom + 1) beside `_error`
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from statmech_cl.estimate import Estimate

from .agreement import at_infinite_n
from .figure import Context, Data, Row

CASE = ("alpha_1", "alpha_2", "gamma", "r0", "prior")


def whole_batch(**changes: Any) -> dict[str, Any]:
    """The one setting of descent on the whole batch. With the default rate, warm-up and momentum 0.9 a second task
    throws the fields of the first past zero (docs/dynamics.md): this one forgets smoothly, and learns alpha = 2."""
    from .perceptron_runs import settings

    chosen = {"batch": None, "learning_rate": 0.05, "warmup": 50, "momentum": 0.5, "records": 20, "test_patterns": 0}
    return settings(**{**chosen, **changes})


def compute(
    context: Context,
    cases: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    *,
    last: bool = False,
    line: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """All rows of `cases`; `last` keeps the end of the last task only. line : more cases, with theory alone, between
    the others by alpha_2.

    Reads `sizes` ([[N, seeds], ...]) and `dynamics` ({"samples", "batches"}) of the context's parameters.
    """
    from statmech_cl.simulations.perceptron.curve_rows import descent_curves

    from .curve_theory import theory_curves
    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    together = [name for name in ("alpha_1", "alpha_2") if name in cases[0]]
    drawn = sorted([*cases, *line], key=lambda case: case["alpha_2"]) if line else list(cases)
    grid = [{**case, **size["dynamics"], "seed": context.seed, **settings} for case in drawn]
    theory = context.groups(theory_curves, grid, "dynamics", together=together)
    rows = []
    for case, row in zip(drawn, theory, strict=True):
        rows += _flat("dynamics", case, row["stages"], row["batches"], last)
    by_size: dict[int, list[dict[str, Any]]] = {}
    for n, n_seeds in size["sizes"]:
        grid = [
            {**case, "n": n, "seeds": seeds_of(context.seed, n, n_seeds, case), "device": context.device, **settings}
            for case in cases
        ]
        by_size[n] = context.groups(descent_curves, grid, f"descent, N = {n}", together=together)
        for case, row in zip(cases, by_size[n], strict=True):
            rows += [{**flat, "n": n} for flat in _flat("descent", case, row["stages"], n_seeds, last, n)]
    return rows + _limits(rows)


def seeds_of(seed: int, n: int, n_seeds: int, case: Mapping[str, Any]) -> list[int]:
    """Seeds of their own for each N and each alpha of the task that is learned last: a line through 1/N takes the means
    for independent, and so does the count of points beyond 3."""
    alpha = case["alpha_1"] if case.get("alpha_2") is None else case["alpha_2"]
    first = seed + 1_000_000 * n + 100 * round(100.0 * alpha)
    return list(range(first, first + n_seeds))


def _flat(
    kind: str,
    case: Mapping[str, Any],
    stages: Sequence[Mapping[str, Any]],
    count: int,
    last: bool,
    n: int | None = None,
) -> list[dict[str, Any]]:
    """Rows of one case. n : weights of a simulation: its p cannot be sharper than one sign in all seeds."""
    rows = []
    for number, stage in enumerate(stages, start=1):
        for index, epoch in enumerate(stage["epochs"]):
            if last and (number < len(stages) or index < len(stage["epochs"]) - 1):
                continue
            row: dict[str, Any] = {"kind": kind, **{name: case[name] for name in CASE if name in case}}
            row |= {"task": number, "epoch": epoch, "count": count}
            for name in ("q_star", "q", "loss"):
                if name in stage:
                    row[name], row[f"{name}_error"] = stage[name][index], stage[f"{name}_error"][index]
            for teacher, (p, errors) in enumerate(zip(stage["p"], stage["p_error"], strict=True), start=1):
                error = max(errors[index], 2.0 / (n * count)) if n else errors[index]
                row[f"p_{teacher}"], row[f"p_{teacher}_error"] = p[index], error
                row |= _eps(teacher, p[index], error)
                row[f"r_{teacher}"] = stage["r"][teacher - 1][index]
                row[f"r_{teacher}_error"] = stage["r_error"][teacher - 1][index]
            rows.append(row)
    return rows


def _eps(teacher: int, p: float, error: float) -> dict[str, float]:
    """eps_g of a mean p; half of what it moves by between p - error and p + error."""

    def eps(value: float) -> float:
        return math.acos(min(1.0, max(-1.0, value))) / math.pi

    return {f"eps_{teacher}": eps(p), f"eps_{teacher}_error": 0.5 * (eps(p - error) - eps(p + error))}


def eps_of(teacher: int, row: Mapping[str, Any]) -> dict[str, float]:
    """eps_k and its error from p_k of a row."""
    return _eps(teacher, row[f"p_{teacher}"], row[f"p_{teacher}_error"])


def _limits(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows "limit" of the rows "descent"."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "descent":
            groups.setdefault(tuple(row.get(name) for name in (*CASE, "task", "epoch")), []).append(row)
    limits = []
    for members in groups.values():
        first = members[0]
        limit: dict[str, Any] = {"kind": "limit", **{name: first[name] for name in CASE if name in first}}
        limit |= {"task": first["task"], "epoch": first["epoch"]}
        for name in observables(first):
            estimates = {row["n"]: Estimate(row[name], row[f"{name}_error"], row["count"]) for row in members}
            if not all(one.error > 0.0 for one in estimates.values()):
                continue
            extrapolated = at_infinite_n(estimates)
            limit |= {name: extrapolated.mean, f"{name}_error": extrapolated.error, f"{name}_n": extrapolated.n}
            if name.startswith("p_"):
                limit |= _eps(int(name[2:]), extrapolated.mean, extrapolated.error)
        limits.append(limit)
    return limits


def observables(row: Mapping[str, Any]) -> list[str]:
    """What a row holds with an error, eps left out, which follows from p."""
    return [name for name in row if f"{name}_error" in row and not name.startswith("eps_")]


def beside(data: Data, names: Iterable[str], **wanted: Any) -> list[Row]:
    """Verdict rows: the limit of descent beside its theory, at every recorded epoch but the start, for `names`."""
    rows = []
    theory = {_key(row): row for row in data.select(kind="dynamics", **wanted)}
    for row in data.select(kind="limit", **wanted):
        expected = theory[_key(row)]
        for name in names:
            if row.get(name) is None or row["epoch"] == 0:
                continue
            # a theory without a wrong sign in any batch cannot show a smaller share than one
            error = expected[f"{name}_error"]
            if name.startswith("p_"):
                error = max(error, 2.0 / (data.parameters["dynamics"]["samples"] * expected["count"]))
            rows.append(
                Row(
                    f"{name} {_told(data, row)}",
                    expected[name],
                    Estimate(row[name], row[f"{name}_error"], row[f"{name}_n"]),
                    theory_error=error,
                    theory_n=expected["count"],
                )
            )
    return rows


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in (*CASE, "task", "epoch"))


def _told(data: Data, row: Mapping[str, Any]) -> str:
    """What tells a row from the others of its figure, its last alpha always."""
    told = []
    last = "alpha_2" if "alpha_2" in row else "alpha_1"
    for name in ("alpha_1", "alpha_2", "gamma", "r0", "task", "epoch"):
        if name == last or (name in row and len({other.get(name) for other in data.select(kind="limit")}) > 1):
            told.append(f"{name}={row[name]:g}")
    return " ".join(told)


def draw_line(ax: Any, data: Data, name: str, x: str, **look: Any) -> None:
    """The dynamical line and the limits of descent against column `x`. look : select (a dict), color, label."""
    from statmech_cl import figures

    wanted, color, label = look["select"], look["color"], look.get("label")
    line = data.select(kind="dynamics", **wanted)
    ax.plot([row[x] for row in line], [row[name] for row in line], color=color, linewidth=1.0)
    figures.points(ax, data.select(kind="limit", **wanted), name, x=x, color=color, label=label, fmt="o", markersize=3)
