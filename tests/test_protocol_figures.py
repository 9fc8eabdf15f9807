"""The figures of protocols at toy sizes: computed, judged by their rules, drawn; and the rules can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_figures import drawn

from statmech_cl import Chain, Task, optimise, solve
from statmech_cl.paper_repro import FIGURES, Data

torch = pytest.importorskip("torch")

TINY = {"gibbs": [[10, 3], [14, 3]], "descent": [[16, 3], [24, 3]]}
SMALL: dict[str, dict[str, Any]] = {
    "replay-b": {"sizes": TINY, "line": [0.0, 1.0]},
    "map-b": {"sizes": TINY, "r0": [0.0], "alpha_2": [0.5], "line": [0.5, 1.0]},
    "optimum-a": {"sizes": TINY, "cases": [{"alpha_2": 1.0, "r0": 0.6}], "line": [0.5, 1.0, 2.0]},
    "map-c": {"epochs": 6, "r0": [0.0, 0.5], "alpha_2": [0.5, 1.0], "dynamics": {"samples": 512, "batches": 2}},
}


@pytest.mark.parametrize(
    "figure",
    [
        "map-b",
        "map-c",
        pytest.param("replay-b", marks=pytest.mark.slow),
        pytest.param("optimum-a", marks=pytest.mark.slow),
    ],
)
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(figure, SMALL[figure], tmp_path, monkeypatch)


def points(off: float, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sampler and descent `off` standard errors from the theory."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        told = {"p_1": 0.5, "p_2": 0.4, "eps_1": 0.333, "eps_2": 0.369}
        rows.append({"kind": "theory", **case, **told, "replicon": 0.5})
        for method in ("gibbs", "descent"):
            limit: dict[str, Any] = {"kind": f"{method} limit", **case}
            for name, value in told.items():
                limit |= {name: value + 0.01 * off, f"{name}_error": 0.01, f"{name}_n": 400}
            rows.append(limit)
    return rows


def replayed(off: float, gain: float) -> Data:
    cases = [{"gamma": 0.3, "anchor": "kl", "replay": replay} for replay in (0.0, 1.0)]
    gained = {"kind": "gibbs gain", **cases[1], "p_1": gain, "p_1_error": 0.01, "p_1_n": 40}
    return Data([*points(off, cases), gained], {})


def test_the_verdict_on_replay_can_fail() -> None:
    verdict = FIGURES["replay-b"].verdict
    assert verdict(replayed(0.5, 0.05)).holds
    assert not verdict(replayed(3.5, 0.05)).holds
    assert not verdict(replayed(0.5, 0.02)).holds


def around(off: float, loss: float, gradient: float = 1e-9) -> Data:
    cases = [{"alpha_2": 1.0, "r0": 0.6, "gamma": gamma} for gamma in (0.1, 0.2, 0.4)]
    best = {"kind": "optimum", **cases[1], "gradient": gradient, "thermodynamic": True}
    losses = [
        {"kind": f"{method} loss", **case, "p": loss, "p_error": 0.01, "p_n": 40}
        for method in ("gibbs", "descent")
        for case in (cases[0], cases[2])
    ]
    return Data([best, *points(off, cases), *losses], {})


def test_the_verdict_on_an_optimum_can_fail() -> None:
    verdict = FIGURES["optimum-a"].verdict
    assert verdict(around(0.5, 0.05)).holds
    assert not verdict(around(3.5, 0.05)).holds
    assert not verdict(around(0.5, 0.02)).holds
    assert not verdict(around(0.5, 0.05, gradient=1e-3)).holds


def test_points_where_replica_symmetry_is_unstable_are_not_judged() -> None:
    data = around(3.5, 0.05)
    for row in data.rows:
        if row["kind"] == "theory" and row["gamma"] != 0.1:
            row["replicon"] = 2.0
    judged = [row.judged for row in FIGURES["optimum-a"].verdict(data).rows if "the sampler" in row.what]
    assert judged == [True, True, False, False, False, False]


def test_the_verdict_on_other_draws_can_fail() -> None:
    point = {"r0": 0.0, "alpha_2": 1.0, "rate_error": 0.001, "overshoot_error": 0.001, "epoch": 30}
    here = {"kind": "map", **point, "rate": 0.01, "overshoot": 0.02}
    for gap, holds in ((0.001, True), (0.01, False)):
        again = {**here, "kind": "again", "overshoot": 0.02 + gap}
        data = Data([here, again], {"dynamics": {"batches": 6}})
        assert FIGURES["map-c"].verdict(data).holds == holds


def test_rows_are_those_of_solve_and_optimise() -> None:
    from statmech_cl.paper_repro.pair_rows import optimum_row, pair_row

    case = {"alpha_1": 2.0, "alpha_2": 1.0, "r0": 0.3, "beta": 20.0}
    row = pair_row(**case, gamma=0.3, replay=0.5)
    second = Task(alpha=1.0, gamma=0.3, replay={1: 0.5})
    expected = solve(Chain((Task(alpha=2.0), second), overlaps=0.3), branch="thermodynamic")
    assert [row["eps_1"], row["eps_2"]] == expected.eps_g[1].tolist() and row["replicon"] == expected.tasks[1].replicon
    best = optimise(Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.3), objective="worst")
    assert optimum_row(**case)["gamma"] == best.values["gamma"][0]
