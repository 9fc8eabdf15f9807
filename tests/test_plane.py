"""Lines in planes: against tracing in one parameter, against determinants of Jacobians, cusps by two routes."""

from __future__ import annotations

import json
import math
import warnings
from itertools import pairwise

import numpy as np
import pytest

from statmech_cl import Chain, Task, cli, curve, phase_diagram, solve, trace
from statmech_cl.equilibrium.plane.curves import cusp_near
from statmech_cl.equilibrium.saddle import equations_of
from statmech_cl.orders import Orders, to_unknowns

FOLDS = (1.49889753830, 1.90580252848)
CROSSINGS = (0.72892604606, 1.505293017)
TRANSITION = 1.65021985450
CUSP = (1.54711948, 16.06789139)
SWALLOWTAIL = (16.5747959, 16.6044173)
PLANE = (("alpha", 0.2, 2.5), ("beta", 15.0, 21.0))


@pytest.fixture(scope="module")
def fold():
    (line,) = curve(Task(alpha=1.0), "fold", *PLANE, rows=2)
    return line


@pytest.fixture(scope="module")
def maxwells():
    return curve(Task(alpha=1.0), "maxwell", *PLANE, rows=2)


@pytest.fixture(scope="module")
def maxwell(maxwells):
    (line,) = (line for line in maxwells if "box" in line.ends)
    return line


def test_the_fold_line_crosses_beta_20_where_branches_says(fold):
    assert fold.crossing("beta", 20.0) == pytest.approx(FOLDS, abs=1e-8)
    assert fold.ends == ("box", "box")


def test_every_point_solves_its_equations(fold, maxwell):
    for line in (fold, maxwell):
        assert line.residual < 1e-10
        assert line.quadrature_error < 1e-9
        assert len(line.x) == len(line.y) == len(line.state) > 20
        assert all(2.5 >= x >= 0.2 for x in line.x)


def _singular(alpha: float, beta: float, q: float, r: float, q_star: float) -> float:
    """Smallest singular value of d(y' - y)/dy under a finer rule, by differences of fourth order."""
    equations = equations_of(Task(alpha=alpha, beta=beta))
    y = to_unknowns(Orders(q, r, q_star - q, 1.0 - q_star, q - r * r))
    columns = []
    for e in 3e-3 * np.eye(3):
        g = {k: equations.image(y + k * e, 1.5).gap for k in (-2, -1, 1, 2)}
        columns.append((8.0 * (g[1] - g[-1]) - (g[2] - g[-2])) / (12.0 * 3e-3))
    return float(np.linalg.svd(np.column_stack(columns))[1][-1])


def test_the_jacobian_is_singular_along_the_fold_line(fold):
    for k in range(0, len(fold.x), 6):
        assert _singular(fold.x[k], fold.y[k], *fold.state[k]) < 2e-8
    assert _singular(fold.x[0] + 1e-3, fold.y[0], *fold.state[0]) > 1e-7  # and nowhere else


def test_cusps_by_two_routes(fold, maxwell):
    """Where the fold line turns; where y' - y vanishes to third order along a curve (the Maxwell line ends there)."""
    turns = sorted(fold.cusps, key=lambda cusp: cusp["beta"])
    assert (turns[0]["alpha"], turns[0]["beta"]) == pytest.approx(CUSP, abs=1e-8)
    assert [cusp["beta"] for cusp in turns[1:]] == pytest.approx(SWALLOWTAIL, abs=1e-6)
    (end,) = maxwell.cusps
    assert "cusp" in maxwell.ends
    assert (end["alpha"], end["beta"]) == pytest.approx((turns[0]["alpha"], turns[0]["beta"]), abs=1e-8)
    plane = fold.line.plane
    for turn in turns:
        nearest = min(fold.nodes, key=lambda n: math.hypot(n.x[-2] - turn["alpha"], math.exp(n.x[-1]) - turn["beta"]))
        y, v = nearest.x[:3], nearest.x[3:6]
        tip = cusp_near(plane, np.concatenate([y - 0.01 * v, y + 0.01 * v, nearest.x[-2:]]))
        assert tip.x[-2] == pytest.approx(turn["alpha"], abs=1e-8)
        assert math.exp(tip.x[-1]) == pytest.approx(turn["beta"], abs=1e-8)


@pytest.mark.parametrize(("beta", "count"), [(16.06, 0), (16.08, 2), (16.59, 4)])
def test_trace_finds_folds_however_close(fold, beta, count):
    """Two folds 9e-5 apart at beta = 16.08, four within 1.2e-4 but for one at 16.59: as many as the line crosses."""
    branch = trace(Task(alpha=1.0, beta=beta), span=(1.4, 1.7))
    assert len(branch.folds) == count
    assert sorted(f["alpha"] for f in branch.folds) == pytest.approx(fold.crossing("beta", beta), abs=1e-8)
    for a, b in pairwise(branch.points):
        assert abs(a.q_star - b.q_star) < 0.1


def test_the_swallowtail_has_a_line_of_its_own(maxwells):
    (line,) = (line for line in maxwells if "box" not in line.ends)
    assert line.ends == ("cusp", "cusp")
    assert sorted(cusp["beta"] for cusp in line.cusps) == pytest.approx(SWALLOWTAIL, abs=1e-6)
    assert line.residual < 1e-10


def test_equal_free_entropies(maxwell):
    assert maxwell.crossing("beta", 20.0) == pytest.approx([TRANSITION], abs=1e-8)
    k = int(np.argmin(abs(maxwell.y - 18.5)))
    low, _, high = solve(Task(alpha=maxwell.x[k], beta=maxwell.y[k]), branch="all")
    assert low.free_entropy == pytest.approx(high.free_entropy, abs=1e-10)
    assert {round(low.r, 8), round(high.r, 8)} == set(np.round(maxwell.state[k][[1, 4]], 8))


def test_the_replicon_line(maxwell):
    lines = curve(Task(alpha=1.0), "replicon", ("alpha", 0.2, 2.5), ("beta", 18.0, 21.0), rows=2)
    assert sorted(a for one in lines for a in one.crossing("beta", 20.0)) == pytest.approx(CROSSINGS, abs=1e-8)
    (cross,) = [c for c in maxwell.crossings if c["event"] == "replicon"]
    replicons = [s.replicon for s in solve(Task(alpha=cross["alpha"], beta=cross["beta"]), branch="all")]
    assert min(abs(r - 1.0) for r in replicons) < 1e-6


def test_a_level_and_a_function_of_the_solution():
    def error_is_a_third(solution):
        return solution.eps_g - 0.33

    box = (("alpha", 0.3, 1.2), ("beta", 18.0, 22.0))
    (named,) = curve(Task(alpha=1.0), "eps_g = 0.33", *box, rows=2)
    (own,) = curve(Task(alpha=1.0), error_is_a_third, *box, rows=2)
    at = named.crossing("beta", 20.0)
    assert at == pytest.approx(own.crossing("beta", 20.0), abs=1e-9)
    assert solve(Task(alpha=at[0], beta=20.0)).eps_g == pytest.approx(0.33, abs=1e-10)
    assert (named.event, own.event) == ("eps_g = 0.33", "error_is_a_third")


def test_prescribed_q_star_is_a_parameter():
    (line,) = curve(Task(alpha=1.0, q_star=0.6), "replicon", ("alpha", 0.2, 1.5), ("q_star", 0.7, 0.9), rows=2)
    at = line.crossing("q_star", 0.8)[0]
    assert solve(Task(alpha=at, q_star=0.8)).replicon == pytest.approx(1.0, abs=1e-8)


@pytest.mark.slow
def test_a_later_tasks_lines():
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.0)
    (line,) = curve(chain, "eps_1 = 0.24", ("alpha", 0.6, 1.0), ("gamma", 0.4, 0.5), rows=2)
    k = len(line.x) // 2
    tasks = (Task(alpha=2.0), Task(alpha=line.x[k], gamma=line.y[k]))
    assert solve(Chain(tasks, overlaps=0.0)).eps_g[1, 0] == pytest.approx(0.24, abs=1e-9)
    assert line.residual < 1e-10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:alpha = :UserWarning")
def test_lines_in_a_chains_other_parameters():
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.5)
    (fold,) = curve(chain, "fold", ("alpha", 0.1, 5.0), ("overlap", -0.9, 0.9))
    (maxwell,) = curve(chain, "maxwell", ("alpha", 0.1, 5.0), ("overlap", -0.9, 0.9), rows=2)
    assert maxwell.cusps[0] == pytest.approx(fold.cusps[0], abs=1e-8)
    branch = trace(Chain(chain.tasks, overlaps=0.2), span=(0.1, 5.0))
    assert fold.crossing("overlap", 0.2) == pytest.approx(sorted(f["alpha"] for f in branch.folds), abs=1e-8)
    assert maxwell.crossing("overlap", 0.2) == pytest.approx(branch.transitions, abs=1e-8)


def test_bad_input_is_one_line():
    task = Task(alpha=1.0)
    cases = [
        ("folds", PLANE, "event must be one of .*did you mean 'fold'"),
        ("eps_g = much", PLANE, "event must set its level to a number"),
        ("eps_1 = 0.1", PLANE, "event must be one of"),
        ("fold", (("gamma", 0.1, 1.0), PLANE[1]), "x must be one of alpha, beta, q_star"),
        ("fold", (("alpha", 2.0, 1.0), PLANE[1]), "x must be a span low < high"),
        ("fold", (PLANE[0], PLANE[0]), "y must be another parameter"),
        ("fold", (PLANE[0], ("beta", -1.0, 2.0)), r"y \(beta\) must be"),
        ("fold", ("alpha", PLANE[1]), "x must be"),
    ]
    for event, (x, y), message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            curve(task, event, x, y)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="rows must be a whole number >= 2"):
        curve(task, "fold", *PLANE, rows=1)


def test_a_box_beyond_what_is_certified_is_said_once():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        curve(Task(alpha=1.0), "fold", ("alpha", 0.2, 0.4), ("beta", 0.8, 0.9), rows=2)
    assert {str(w.message) for w in said} >= {"beta = 0.8 lies outside the certified range [1, 200]"}


def test_a_diagram_and_its_regions():
    diagram = phase_diagram(Task(alpha=1.0), "alpha", "beta", ((0.3, 2.2), (14.0, 22.0)))
    assert {line.event for line in diagram.curves} == {"fold", "replicon", "maxwell"}
    assert all(line.residual < 1e-10 for line in diagram.curves)
    assert (diagram.cusps[0]["alpha"], diagram.cusps[0]["beta"]) == pytest.approx(CUSP, abs=1e-8)
    assert len(diagram.cusps) == 3
    assert {r.label for r in diagram.regions} == {
        "one solution", "one solution, unstable", "two solutions", "two solutions, unstable",
    }  # fmt: skip
    assert sum(r.share for r in diagram.regions) == pytest.approx(1.0, abs=0.05)
    for region in diagram.regions:
        all_of = solve(Task(alpha=region.x, beta=region.y), branch="all")
        top = max(all_of, key=lambda s: s.free_entropy)
        assert len(all_of) == 2 * region.solutions - 1
        assert (top.r, top.stable) == (pytest.approx(region.r, abs=1e-9), region.stable)


def test_the_command(capsys, tmp_path):
    picture = tmp_path / "phases.png"
    given = ["phase-diagram", "--x", "alpha=1.45:1.7", "--y", "beta=19.5:20.5", "--rows", "2"]
    assert cli.main([*given, "--json", "--plot", str(picture)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content) == {"x", "y", "box", "curves", "cusps", "regions"}
    assert (content["x"], content["y"]) == ("alpha", "beta")
    assert all({"event", "x", "y", "ends"} <= set(line) for line in content["curves"])
    assert all(set(cusp) == {"alpha", "beta"} for cusp in content["cusps"])
    assert {line["event"] for line in content["curves"]} == {"fold", "replicon", "maxwell"}
    assert all(len(line["x"]) == len(line["y"]) and len(line["ends"]) == 2 for line in content["curves"])
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert cli.main([*given, "--event", "fold"]) == 0
    assert "fold: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--x", "alpha"], "x must be a parameter and its span"),
        (["--x", "gamma=0:1"], "alpha must be given"),
        (["--x", "gamma=0:1", "--alpha", "1"], "x must be one of alpha, beta, q_star"),
        (["--alpha", "1"], "alpha must not be given where it is on an axis"),
        (["--gamma", "1"], "gamma must not be given for a single task"),
        (["--event", "foldd"], "did you mean 'fold'"),
        (["--alpha", "2", "--alpha", "1", "--gamma", "1", "--y", "gamma=0.1:1"], "gamma must not be given"),
        (["--alpha", "2", "--alpha", "0.5,1", "--y", "gamma=0.1:1"], "alpha must be one number"),
    ],
)
def test_the_command_refuses(options, said, capsys):
    assert cli.main(["phase-diagram", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
