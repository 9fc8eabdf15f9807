"""Forgetting matrices and fronts: what is drawn, and what is read off the curves."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl import Chain, Task, figures, solve
from statmech_cl.paper_repro import anchors, forgetting


def test_forgetting_matrix_shows_every_number() -> None:
    solution = solve(Chain((Task(alpha=0.5), Task(alpha=0.4), Task(alpha=0.3)), overlaps=0.2))
    figure, ax = figures.new()
    figures.forgetting_matrix(ax, solution)
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): float(t.get_text()) for t in ax.texts}
    assert set(shown) == {(after, on) for after in range(3) for on in range(3)}
    assert all(abs(shown[place] - solution.eps_g[place]) <= 0.005 for place in shown)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("error on task", "after learning task")
    image = ax.images[0].get_array()
    assert np.array_equal(np.ma.getmaskarray(image), np.triu(np.ones((3, 3), bool), 1))
    figure.canvas.draw()


def test_front_has_a_curve_an_anchor_in_the_order_of_gamma() -> None:
    rows = [
        {"anchor": "kl", "gamma": g, "forgetting": 0.5 - g, "eps_2": 0.2 + g, "replicon": 1.1 - g}
        for g in (0.3, 0.05, 0.2)
    ] + [{"anchor": "none", "gamma": 0.0, "forgetting": 0.5, "eps_2": 0.2}]
    _, ax = figures.new()
    figures.front(ax, rows)
    lines = {line.get_label(): line.get_xydata() for line in ax.lines if not line.get_label().startswith("_")}
    assert set(lines) == {"KL", r"$\gamma = 0$"}
    assert np.allclose(lines["KL"], [[0.25, 0.45], [0.4, 0.3], [0.5, 0.2]])
    dashes = [line.get_linestyle() for line in ax.lines if line.get_label().startswith("_")]
    assert dashes == [":", "-"]  # the replicon is above 1 at the first point
    figures.front(ax, [{**rows[0], "gamma": 0.1}])
    assert r"$\gamma = 0.1$" in ax.get_legend_handles_labels()[1]


def test_error_at_equal_forgetting() -> None:
    rows = [{"gamma": g, "forgetting": 0.5 - g, "eps_2": 0.2 + 2.0 * g} for g in (0.0, 0.1, 0.3)]
    assert anchors.at_forgetting(rows, 0.3) == pytest.approx(0.6)
    assert anchors.at_forgetting(rows, 0.45) == pytest.approx(0.3)
    assert anchors.at_forgetting(rows, 0.1) is None


def test_rows_of_the_figures_are_theory() -> None:
    task = {"alpha_1": 0.5, "alpha_2": 0.4, "beta": 20.0, "r0": 0.2, "anchor": "kl", "gamma": 0.3}
    row = anchors.point(**task)
    solution = solve(Chain((Task(alpha=0.5), Task(alpha=0.4, gamma=0.3)), overlaps=0.2))
    assert (row["eps_1"], row["eps_2"]) == tuple(solution.eps_g[1])
    assert row["forgetting"] == solution.eps_g[1, 0] - solution.eps_g[0, 0]
    matrix = forgetting.matrix_row(alpha=[0.5, 0.4], beta=20.0, r0=0.2, gamma=0.3)
    assert matrix["eps_g"] == solution.eps_g.tolist()
