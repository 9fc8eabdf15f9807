"""Figures 2a and 2b at a small size: what is compared with what, and what the verdict says."""

from __future__ import annotations

import contextlib
import functools
import json
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

SMALL = {"beta": 20.0, "prior": "none", "alphas": [0.5, 1.6, 2.0], "n": 40, "n_seeds": 2}


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
    assert one_task.unique(data) == [0.5, 2.0]


def test_every_alpha_has_its_simulated_point_with_errors(data: Data) -> None:
    assert data.column("alpha", kind="descent") == SMALL["alphas"]
    for row in data.select(kind="descent"):
        assert all(row[f"{name}_error"] >= 0.0 for name in one_task.OBSERVABLES)


def test_figures_2a_and_2b_share_their_points(data: Data, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from statmech_cl.simulations.perceptron import gibbs
    from statmech_cl.simulations.perceptron import rows as measure

    monkeypatch.setitem(fig2a.SCALES, "quick", {**SMALL, "gibbs": {"alphas": [0.5], "n": 20}})
    monkeypatch.setattr(measure, "descend", None)  # what figure 2b stored must do
    short = functools.partial(gibbs.GibbsSettings, warmup=10, draws=4, chains=2)
    monkeypatch.setattr(gibbs, "GibbsSettings", short)
    result = reproduce("fig2a", out=folder)
    assert result.data.select(kind="descent") == data.select(kind="descent")
    assert len([row for row in result.verdict.rows if row.note.startswith("gibbs")]) == 3


def _point(alpha: float, eps_g: float, error: float = 0.001) -> dict[str, Any]:
    point = {"kind": "descent", "alpha": alpha, "n_seeds": 8, "diverged": 0}
    for name in one_task.OBSERVABLES:
        point |= {name: eps_g, f"{name}_error": error}
    return point


def _judged(*points: dict[str, Any]) -> tuple[bool, str, list[str]]:
    solutions = [
        {"kind": "solution", **row}
        for alpha in dict.fromkeys(point["alpha"] for point in points)
        for row in one_task.all_row(alpha=alpha, beta=20.0, prior="none")["solutions"]
    ]
    verdict = one_task.verdict(Data([*solutions, *points], {}), ["eps_g"], judged="eps_g")
    return verdict.holds, verdict.sentence, [row.note for row in verdict.rows]


def test_a_point_far_from_a_unique_solution_breaks_the_verdict() -> None:
    theory = solve(Task(alpha=0.5)).eps_g
    assert _judged(_point(0.5, theory + 0.005))[0]
    holds, sentence, _ = _judged(_point(0.5, theory + 0.05))
    assert not holds and "apart at eps_g alpha=0.5" in sentence


def test_coexisting_solutions_are_named_and_not_judged() -> None:
    holds, sentence, notes = _judged(_point(1.6, 0.02), _point(1.8, 0.2))
    assert holds and "At alpha = 1.6, 1.8 solutions coexist" in sentence
    assert notes[0].startswith("high branch is nearest, (thermodynamic: 0.227")
    assert notes[1].startswith("low branch is nearest, (thermodynamic: 0.00475")


def test_exponent_of_the_high_branch(data: Data) -> None:
    low, high = (solve(Task(alpha=alpha)).eps_g for alpha in (1.93, 2.0))
    assert fig2b.exponent(data) == pytest.approx(log(high / low) / log(2.0 / 1.93), abs=0.3)


@pytest.mark.slow
def test_killed_and_resumed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    program = f"""
        import sys
        from statmech_cl.cli import main
        from statmech_cl.paper_repro import fig2b
        fig2b.SCALES["quick"] = {SMALL | {"n": 300, "n_seeds": 8}!r}
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
