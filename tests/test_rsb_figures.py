"""The figures of replica symmetry breaking at toy sizes: computed, judged by their rule, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_figures import drawn

from statmech_cl import Task, solve
from statmech_cl.estimate import Estimate
from statmech_cl.paper_repro import Data, rsb_a, rsb_c
from statmech_cl.paper_repro.rsb_rows import held_row, step_row

CASES = [{"alpha": 1.0, "beta_low": 8.0, "sizes": [[20, 3, 3], [30, 3, 3]]}]
SAMPLER: dict[str, Any] = {"k": [0, 1], "cases": CASES, "warmup": 10, "draws": 12, "ladders": {"even": True}}
SMALL: dict[str, dict[str, Any]] = {
    "rsb-a": {
        **SAMPLER,
        "line": [0.5, 2.0, 0.75],
        "alphas": [0.8],
        "sizes": [[30, 3], [60, 3]],
        "dynamics": {"samples": 512, "batches": 2},
    },
    "rsb-b": SAMPLER,
    "rsb-c": {"alphas": [1.0], "x": [0.1, 0.8, 3], "marked": [0.4]},
}


@pytest.mark.parametrize("figure", sorted(SMALL))
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = drawn(figure, SMALL[figure], tmp_path, monkeypatch)
    if figure == "rsb-c":
        assert result.verdict.holds


def limits(off: float, rhat: float) -> Data:
    """A sampler that lies `off` standard errors from one step."""
    told = dict.fromkeys(("p", "q_star"), 0.5)
    theory = [{"kind": "theory", "alpha": 1.0, "rsb": k, **told} for k in (0, 1)]
    limit: dict[str, Any] = {"kind": "limit", "alpha": 1.0, "rhat_median": rhat, "round_trips": 3.0}
    for name, value in told.items():
        limit |= {name: value + 0.01 * off, f"{name}_error": 0.01, f"{name}_n": 1000}
    return Data([*theory, limit], {})


def test_the_verdict_can_fail() -> None:
    assert rsb_a.verdict(limits(0.5, 1.01)).holds
    assert not rsb_a.verdict(limits(3.5, 1.01)).holds
    doubtful = rsb_a.verdict(limits(0.5, 1.2))
    assert not doubtful.holds and "Not judged at alpha = 1: " in doubtful.sentence


def test_only_one_step_is_judged() -> None:
    rows = rsb_a.verdict(limits(0.5, 1.01)).rows
    assert [row.judged for row in rows] == [True, False, True, False]
    assert rows[0].simulation == Estimate(0.505, 0.01, 1000)


def test_complexity_of_other_numbers_does_not_hold() -> None:
    rows: list[dict[str, Any]] = []
    for x in (0.396, 0.404):
        rows.append({"kind": "pair", "alpha": 1.0, "marked": 0.4, **held_row(alpha=1.0, beta=20.0, parisi=x)})
    good = {"alpha": 1.0, "x": 0.36, "complexity": 0.0, "residual": 0.0, "quadrature_error": 0.0}
    rows += [{"kind": "same", **good}, {"kind": "line", **good}]
    sizes = {"alphas": [1.0], "marked": [0.4]}
    assert rsb_c.verdict(Data(rows, sizes)).holds
    rows[0]["complexity"] *= 1.01
    assert not rsb_c.verdict(Data(rows, sizes)).holds


def test_rows_are_solutions_or_say_why_there_is_none() -> None:
    row = step_row(alpha=1.0, beta=20.0, rsb=1, branch="low")
    solution = solve(Task(alpha=1.0), rsb=1, branch="low")
    assert (row["missing"], row["q_star"], row["overlaps"]) == (None, solution.q_star, list(solution.overlaps))
    gone = step_row(alpha=1.6, beta=20.0, rsb=1, branch="low")
    assert "branch 'low' ends at alpha = 1.53" in gone["missing"]
