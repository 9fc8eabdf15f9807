"""Figures 2a and 2b at a small size: what is compared with what, and what the verdict says."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sqlite3
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import pytest

from statmech_cl import Task, solve
from statmech_cl.paper_repro import Data, fig2a, fig2b, one_task, reproduce

SMALL: dict[str, Any] = {
    "beta": 20.0,
    "prior": "none",
    "alphas": [0.5, 1.6, 2.0],
    "sizes": [[30, 4], [60, 3]],
    "dynamics": {"samples": 512, "batches": 2},
    "steps": [0.5, 0.8, 0.3],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def data(folder: Path) -> Data:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fig2b.SCALES, "quick", SMALL)
        return reproduce("fig2b", out=folder).data


def test_the_line_goes_round_both_folds(data: Data) -> None:
    alphas = data.column("alpha", kind="line")
    turns = sum((a - b) * (b - c) < 0 for a, b, c in zip(alphas, alphas[1:], alphas[2:], strict=False))
    assert turns == 2
    assert max(abs(a - b) for a, b in pairwise(alphas)) < 0.05
    assert sorted(data.column("alpha", kind="event", event="fold")) == pytest.approx([1.499, 1.906], abs=1e-3)
    assert data.column("alpha", kind="event", event="transition") == pytest.approx([1.650], abs=1e-3)
    assert min(data.column("alpha", kind="event", event="replicon 1")) == pytest.approx(0.729, abs=1e-3)
    for row in data.select(kind="line")[::10]:
        nearest = min(
            solve(Task(alpha=row["alpha"]), branch="all"),
            key=lambda s: abs(s.q - row["q"]) + abs(s.r - row["r"]),
        )
        assert (row["q"], row["r"]) == pytest.approx((nearest.q, nearest.r), abs=1e-7)


def test_solutions_at_the_simulated_alphas(data: Data) -> None:
    assert len(data.select(kind="solution")) == 5
    coexisting = data.select(kind="solution", alpha=1.6)
    assert [row["between"] for row in coexisting] == [False, True, False]
    assert [row["thermodynamic"] for row in coexisting] == [True, False, False]


def test_the_line_with_steps_begins_where_one_opens(data: Data) -> None:
    (row,) = data.select(kind="steps")
    found = solve(Task(alpha=0.8), rsb=1, branch="low")
    assert (row["alpha"], row["k"], row["q_star"], row["p"]) == (0.8, 1, found.q_star, found.p)


def test_every_alpha_has_theory_descent_at_each_n_and_its_limit(data: Data) -> None:
    for kind, copies in (("dynamics", 1), ("descent", 2), ("limit", 1)):
        assert data.column("alpha_1", kind=kind) == SMALL["alphas"] * copies
    assert data.column("n", kind="descent") == [30] * 3 + [60] * 3
    for row in data.select(kind="limit"):
        assert row["epoch"] == 200 and all(row[f"{name}_error"] > 0.0 for name in ("q", "r_1", "q_star", "p_1"))
        assert row["eps_1"] == pytest.approx(math.acos(min(1.0, max(-1.0, row["p_1"]))) / math.pi)


def test_figures_2a_and_2b_share_their_points(data: Data, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from statmech_cl.simulations.perceptron import curve_rows, gibbs_records

    small = {**SMALL, "gibbs": {"alphas": [0.5], "sizes": [[20, 3], [30, 3]]}}
    monkeypatch.setitem(fig2a.SCALES, "quick", small)
    monkeypatch.setattr(curve_rows, "descend_many", None)  # what figure 2b stored must do
    short = functools.partial(gibbs_records.GibbsSettings, warmup=10, draws=4, walkers=2)
    monkeypatch.setattr(gibbs_records, "GibbsSettings", short)
    result = reproduce("fig2a", out=folder)
    assert result.data.select(kind="descent") == data.select(kind="descent")
    assert len([row for row in result.verdict.rows if row.what.endswith("sampler")]) == 3


def _case(alpha: float, p: float) -> list[dict[str, Any]]:
    """A theory of p = 0.5 and q_star = 0.6, and descent at p."""
    where = {"alpha_1": alpha, "prior": "none", "task": 1, "epoch": 200}
    theory = {"kind": "dynamics", **where, "count": 8, "p_1": 0.5, "p_1_error": 0.001, "eps_1": 1 / 3}
    return [theory, {"kind": "limit", **where, "p_1": p, "p_1_error": 0.01, "p_1_n": 1000}]


@pytest.mark.parametrize(("p", "holds"), [(0.505, True), (0.47, True), (0.46, False), (0.6, False)])
def test_descent_is_judged_beside_its_dynamical_theory_wherever_equilibrium_says(p: float, holds: bool) -> None:
    # one solution below the replicon's crossing, one above it, several
    alphas = (0.5, 1.0, 1.6)
    rows = [row for alpha in alphas for row in _case(alpha, 0.5 if alpha < 1.6 else p)]
    for alpha in alphas:
        solutions = one_task.all_row(alpha=alpha, beta=20.0, prior="none")["solutions"]
        rows += [{"kind": "solution", **row} for row in solutions]
    verdict = one_task.verdict(Data(rows, {"dynamics": {"samples": 2048}}), ["p"])
    assert verdict.holds is holds and len(verdict.rows) == 3 and all(row.judged for row in verdict.rows)
    assert [row.what for row in verdict.rows] == [f"p_1 alpha_1={alpha:g}" for alpha in alphas]
    assert ("beyond: p_1 alpha_1=1.6" in verdict.sentence) is not holds
    assert "From the nearest equilibrium solution" in verdict.sentence


def test_exponent_of_the_high_branch(data: Data) -> None:
    low, high = (solve(Task(alpha=alpha)).eps_g for alpha in (1.93, 2.0))
    assert fig2b.exponent(data) == pytest.approx(log(high / low) / log(2.0 / 1.93), abs=0.3)


@pytest.mark.slow
def test_killed_and_resumed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    program = f"""
        import sys
        from statmech_cl.cli import main
        from statmech_cl.paper_repro import fig2b
        fig2b.SCALES["quick"] = {SMALL | {"sizes": [[150, 8], [300, 8]]}!r}
        sys.exit(main(["reproduce", "fig2b", "--quiet", "--out", sys.argv[1]]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    killed = subprocess.Popen([*command, "cut"], cwd=tmp_path)
    store = tmp_path / "cut" / "store.sqlite"
    finished = 0
    for _ in range(1200):
        time.sleep(0.05)
        if store.exists():
            with (
                contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection,
                contextlib.suppress(sqlite3.Error),
            ):
                (finished,) = connection.execute("SELECT COUNT(*) FROM points").fetchone()
        if finished >= 5:
            break
    killed.kill()
    killed.wait()
    assert finished >= 5 and not (tmp_path / "cut" / "fig2b.csv").exists()
    for folder in ("cut", "whole"):
        subprocess.run([*command, folder], cwd=tmp_path, check=True, capture_output=True)
    for suffix in ("csv", "png", "pdf"):
        cut, whole = ((tmp_path / folder / f"fig2b.{suffix}").read_bytes() for folder in ("cut", "whole"))
        assert cut == whole, suffix
    records = [json.loads((tmp_path / folder / "fig2b.json").read_text()) for folder in ("cut", "whole")]
    for record in records:
        del record["versions"]["commit"]  # of a checkout, which may be committed to meanwhile
    assert records[0] == records[1]
