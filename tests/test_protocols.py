"""Similarity maps against solve() point by point, and the lines of no transfer against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from statmech_cl import Chain, Task, similarity_map, solve
from statmech_cl.paper_repro import FIGURES, Data, reproduce

CHAIN = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.3)


def _solved(alpha_2: float, overlap: float, gamma: float) -> tuple[float, float, float]:
    """Forgetting, transfer and eps_2 without any warm start."""
    solution = solve(Chain((Task(alpha=2.0), Task(alpha=alpha_2, gamma=gamma)), overlaps=overlap))
    alone = solve(Task(alpha=alpha_2))
    return solution.forgetting[0], alone.eps_g - solution.eps_g[1, 1], solution.eps_g[1, 1]


def test_a_map_says_what_solve_says() -> None:
    mapped = similarity_map(CHAIN, xs=[-0.5, 0.3, 0.8], ys=[0.3, 1.0, 2.2])
    assert (mapped.reason == "").all()
    for i, overlap in enumerate(mapped.xs):
        for j, alpha_2 in enumerate(mapped.ys):
            told = mapped.forgetting[j, i], mapped.transfer[j, i], mapped.eps_2[j, i]
            assert told == pytest.approx(_solved(alpha_2, overlap, 1.0), abs=1e-9)
    zeros = [line for line in mapped.lines if line["kind"] == "zero"]
    assert zeros
    for line in zeros:
        assert abs(_solved(line["y"], line["x"], 1.0)[1]) < 1e-8
    assert np.sign(mapped.transfer).min() < 0.0 < mapped.transfer.max()


def test_best_looks_further_where_a_saddle_is_met() -> None:
    chain = Chain((Task(alpha=2.0), Task(alpha=2.74)), overlaps=0.8)
    best, everything = solve(chain), solve(chain, branch="all")
    assert sorted(s.tasks[1].saddle for s in everything) == [False, False, True]
    stable = [s for s in everything if s.tasks[1].stable]
    assert best.tasks[1].q == max(stable, key=lambda s: s.tasks[1].free_entropy).tasks[1].q


def test_transfer_jumps_where_the_task_alone_does() -> None:
    mapped = similarity_map(CHAIN, xs=[0.75, 0.8], ys=[1.42, 1.54])
    assert [line["kind"] for line in mapped.lines] == ["jump", "jump"]
    for line in mapped.lines:
        assert line["y"] == pytest.approx(1.4988975383, abs=1.2e-4)


def test_a_map_in_gamma() -> None:
    mapped = similarity_map(CHAIN, x="overlap", y="gamma", xs=[0.2, 0.6], ys=[0.05, 0.5])
    assert (mapped.alone == mapped.alone[0, 0]).all()
    for i, overlap in enumerate(mapped.xs):
        for j, gamma in enumerate(mapped.ys):
            told = mapped.forgetting[j, i], mapped.transfer[j, i], mapped.eps_2[j, i]
            assert told == pytest.approx(_solved(1.0, overlap, gamma), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"x": "alpha2"}, "x must be one of .*, got 'alpha2'"),
        ({"x": "alpha_2"}, "y must be one of overlap, gamma, got 'alpha_2'"),
        ({"xs": [0.0, 2.0]}, r"xs must be a finite number in \[-1, 1\], got 2.0"),
        ({"ys": [1.0, 0.5]}, "ys must be at least two rising values"),
        ({"xs": 0.5}, "xs must be at least two rising values, got 0.5"),
        ({"xs": ["a", 1.0]}, "xs must be a finite number in .*, got 'a'"),
        ({"y": "gamma", "ys": [1.0, 1e6]}, "gamma must keep beta gamma at most 100000"),
        ({"n_workers": 0}, "n_workers must be a whole number >= 1, got 0"),
        ({"chain": Chain((Task(alpha=1.0),))}, "chain must be a Chain of two tasks"),
        ({"chain": Chain((Task(alpha=1.0), Task(alpha=1.0, anchor="none"))), "y": "gamma"}, "gamma must not be varied"),
    ],
)
def test_bad_input_is_one_line(arguments: dict, line: str) -> None:
    given = {"chain": CHAIN, "xs": [0.0, 0.5], "ys": [0.5, 1.0], **arguments}
    with pytest.raises(ValueError, match=line):
        similarity_map(given.pop("chain"), **given)


def test_the_figure_of_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {**FIGURES["map-a"].scales["quick"], "x": [0.1, 0.5, 2], "y": [0.5, 1.0, 2]}
    monkeypatch.setitem(FIGURES["map-a"].scales, "quick", small)
    result = reproduce("map-a", out=tmp_path, quiet=True)
    assert result.verdict.holds and len(result.verdict.rows) == 4, result.verdict.sentence
    assert all(path.stat().st_size > 0 for path in result.files)


def test_the_verdict_on_a_map_can_fail() -> None:
    at = {"overlap": 0.5, "alpha_2": 1.0, "forgetting": 0.1, "note": ""}
    wrong = [{"kind": "map", **at, "transfer": 0.2}, {"kind": "solved", **at, "transfer": 0.21}]
    assert not FIGURES["map-a"].verdict(Data(wrong, {})).holds
