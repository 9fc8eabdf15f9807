"""Branches: folds, stability, transition and selection, re-derived without the package's Newton and continuation."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar, root

from statmech_cl import ConvergenceError, Task, cli, solve, trace
from statmech_cl.equilibrium.saddle import equations_of
from statmech_cl.orders import Orders, to_unknowns

FOLDS = (1.90580252848, 1.49889753830)
CROSSING = 0.72892604606
TRANSITION = 1.65021985450


@pytest.fixture(scope="module")
def s_curve():
    return trace(Task(alpha=1.0, beta=20.0), span=(0.2, 2.2))


def gap(y, alpha: float) -> np.ndarray:
    return equations_of(Task(alpha=alpha)).image(np.asarray(y, dtype=float)).gap


def unknowns(s) -> np.ndarray:
    return to_unknowns(Orders(s.q, s.r, s.q_star - s.q, 1.0 - s.q_star, s.q - s.r**2))


def test_a_fine_line_has_no_corners_and_the_same_events():
    task = Task(alpha=1.0, beta=100.0, prior="kl")
    coarse, fine = (trace(task, span=(0.2, 2.2), fine=fine) for fine in (False, True))
    assert (fine.folds, fine.stability, fine.transitions) == (coarse.folds, coarse.stability, coarse.transitions)
    rows = [point.to_dict() for point in coarse.points]
    assert [row for row in (point.to_dict() for point in fine.points) if row in rows] == rows
    assert max(point.residual for point in fine.points) < 1e-10

    places = [
        (alpha / 2.0, s.eps_g)
        for alpha in np.linspace(0.2, 2.2, 60)
        for s in solve(replace(task, alpha=alpha), branch="all")
    ]

    def off(branch) -> float:
        """How far the farthest solution lies from the line through the branch's points, in a square picture."""
        corners = np.array([(point.task.alpha / 2.0, point.eps_g) for point in branch.points])
        start, along = corners[:-1], np.diff(corners, axis=0)
        squares = np.maximum((along**2).sum(axis=1), 1e-300)
        shares = [np.clip(((at - start) * along).sum(axis=1) / squares, 0.0, 1.0)[:, None] for at in np.array(places)]
        gaps = [np.hypot(*(at - start - share * along).T).min() for at, share in zip(places, shares, strict=True)]
        return float(max(gaps))

    assert off(fine) < 1.5e-4 and off(coarse) > 6e-4, (off(fine), off(coarse))


def test_folds_stability_and_transition(s_curve):
    assert [fold["alpha"] for fold in s_curve.folds] == pytest.approx(FOLDS, abs=1e-8)
    assert s_curve.stability[0] == pytest.approx(CROSSING, abs=1e-8)
    assert s_curve.transitions == pytest.approx([TRANSITION], abs=1e-8)
    assert s_curve.ends == ["span"]
    assert len(s_curve.curves) == 1
    assert (s_curve.points[0].task.alpha, s_curve.points[-1].task.alpha) == pytest.approx((0.2, 2.2))


def test_second_crossing_lies_on_the_unstable_branch(s_curve):
    # Past the fold at 1.4989, not on the high branch, which is stable all along.
    at = s_curve.stability[1]
    assert at == pytest.approx(1.505293, abs=1e-5)
    high = [p for p in s_curve.points if p.r > s_curve.folds[1]["r"] + 1e-9]
    assert high
    assert all(p.stable for p in high)


def test_every_point_of_a_curve_is_certified(s_curve):
    for p in s_curve.points:
        assert p.residual < 1e-10
        assert p.quadrature_error < 1e-9
        assert p.r**2 <= p.q <= p.q_star < 1.0


@pytest.mark.parametrize("which", [0, 1])
def test_fold_is_the_extreme_alpha_at_given_overlap(s_curve, which):
    """Along the curve alpha is a smooth function of y3; SciPy finds it and its extremum, without any tangent."""
    fold = s_curve.folds[which]
    node = min(s_curve.points, key=lambda p: abs(p.r - fold["r"]))
    start = unknowns(node)

    def alpha_at(y3: float) -> float:
        def equations(x):
            return gap([x[0], x[1], y3], x[2])

        solved = root(equations, [start[0], start[1], node.task.alpha], tol=1e-11)
        assert np.abs(equations(solved.x)).max() < 1e-9
        return float(solved.x[2])

    sign = -1.0 if which == 0 else 1.0
    # offset by 0.01, so that the search does not begin at the answer
    best = minimize_scalar(
        lambda y3: sign * alpha_at(y3),
        bracket=(start[2] - 0.2, start[2] + 0.01, start[2] + 0.19),
        options={"xtol": 1e-6},
    )
    assert alpha_at(best.x) == pytest.approx(fold["alpha"], abs=1e-8)


def test_jacobian_is_singular_at_a_fold(s_curve):
    def determinant(s) -> float:
        y = unknowns(s)
        step = 1e-4
        columns = [(gap(y + e, s.task.alpha) - gap(y - e, s.task.alpha)) / (2 * step) for e in step * np.eye(3)]
        return float(np.linalg.det(np.column_stack(columns)))

    fold = s_curve.folds[0]["alpha"]
    low, saddle = solve(Task(alpha=fold - 0.01), branch="all")[:2]
    assert determinant(low) * determinant(saddle) < 0.0
    near = solve(Task(alpha=fold - 1e-8), branch="low")
    assert abs(determinant(near)) < 1e-2 * abs(determinant(low))


def test_transition_by_equal_free_entropies():
    y = {branch: unknowns(solve(Task(alpha=1.65), branch=branch)) for branch in ("low", "high")}

    def difference(alpha: float) -> float:
        values = []
        for start in y.values():
            solved = root(lambda x: gap(x, alpha), start, tol=1e-11)
            equations = equations_of(Task(alpha=alpha))
            values.append(equations.free_entropy(equations.image(solved.x)))
        return values[0] - values[1]

    assert brentq(difference, 1.6, 1.7, xtol=1e-10) == pytest.approx(TRANSITION, abs=1e-8)


def test_stability_crossing_by_plain_solves():
    crossing = brentq(lambda alpha: solve(Task(alpha=alpha), branch="low").replicon - 1.0, 0.5, 0.9, xtol=1e-11)
    assert crossing == pytest.approx(CROSSING, abs=1e-9)


def test_curve_and_solve_agree(s_curve):
    for p in s_curve.points[::7]:
        same = min(solve(Task(alpha=p.task.alpha), branch="all"), key=lambda s: abs(s.r - p.r))
        assert (same.q, same.r, same.q_star, same.free_entropy) == pytest.approx(
            (p.q, p.r, p.q_star, p.free_entropy), abs=1e-9
        )


def test_forward_and_backward_agree():
    # The same solutions whether followed in alpha from below, or in beta down from above.
    forward = trace(Task(alpha=1.0), parameter="beta", span=(20.0, 40.0))
    for s in (forward.points[0], forward.points[-1]):
        again = solve(Task(alpha=1.0, beta=s.task.beta), branch="low")
        assert (s.q, s.r, s.q_star) == pytest.approx((again.q, again.r, again.q_star), abs=1e-9)
    rows = [(p.task.beta, p.r) for p in forward.points]
    assert rows == sorted(rows)


def test_continuation_in_beta_meets_the_fold_in_alpha():
    branch = trace(Task(alpha=FOLDS[0]), parameter="beta", span=(15.0, 30.0))
    assert [fold["beta"] for fold in branch.folds] == pytest.approx([20.0], abs=1e-6)


def test_continuation_in_q_star_passes_the_free_solution():
    branch = trace(Task(alpha=2.0), parameter="q_star", span=(0.95, 0.99))
    free = solve(Task(alpha=2.0), branch="high")
    # At the free solution q_star_hat is 2 alpha Int dF/dq_star, so that dPhi/dq_star = 0: the free entropy peaks there.
    high = [p for p in branch.points if p.r > 0.95]
    best = max(high, key=lambda p: p.free_entropy)
    assert best.free_entropy <= free.free_entropy + 1e-10
    again = solve(Task(alpha=2.0, q_star=free.q_star), branch="all")
    assert max(s.free_entropy for s in again) == pytest.approx(free.free_entropy, abs=1e-10)


def test_selection():
    low, saddle, high = sorted(solve(Task(alpha=1.7), branch="all"), key=lambda s: s.r)
    assert solve(Task(alpha=1.7), branch="low").r == pytest.approx(low.r, abs=1e-9)
    assert solve(Task(alpha=1.7), branch="high").r == pytest.approx(high.r, abs=1e-9)
    assert saddle.free_entropy < min(low.free_entropy, high.free_entropy)
    assert high.stable
    assert not low.stable
    # Among stable solutions the largest free entropy: at 1.6 the low branch has more, but is unstable.
    at = {branch: solve(Task(alpha=1.6), branch=branch) for branch in ("low", "high", "best")}
    assert at["low"].free_entropy > at["high"].free_entropy
    assert at["best"].r == pytest.approx(at["high"].r, abs=1e-12)
    # None is stable: the largest of all, and it says so.
    only = solve(Task(alpha=1.2))
    assert not only.stable
    assert only.to_dict()["stable"] is False


def test_a_branch_that_ends_is_refused_with_where():
    with pytest.raises(ValueError, match=r"branch 'low' ends at alpha = 1\.9058, got alpha 2\.0; there it folds back"):
        solve(Task(alpha=2.0), branch="low")
    with pytest.raises(ValueError, match=r"branch 'high' ends at alpha = 1\.4989, got alpha 1\.2"):
        solve(Task(alpha=1.2), branch="high")
    with pytest.raises(
        ValueError, match=r"branch 'low' ends at alpha = 2\.3\d+, got alpha 2\.5; there q_star reaches 1"
    ):
        solve(Task(alpha=2.5, beta=60.0), branch="low")


def test_just_inside_a_fold_all_solutions_are_found():
    assert len(solve(Task(alpha=FOLDS[0] - 1e-5), branch="all")) == 3
    assert len(solve(Task(alpha=FOLDS[0] + 1e-5), branch="all")) == 1
    assert len(solve(Task(alpha=FOLDS[1] + 1e-5), branch="all")) == 3
    assert len(solve(Task(alpha=FOLDS[1] - 1e-5), branch="all")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameter": "gamma"}, "parameter must be one of alpha, beta, q_star"),
        ({"parameter": "beta"}, "span must be given"),
        ({"span": (2.0, 1.0)}, "low < high"),
        ({"span": (0.0, 1.0)}, r"span\[0\] must be a finite number in \(0, inf\), got 0"),
        ({"span": (0.5, math.inf)}, r"span\[1\] must be"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        trace(Task(alpha=1.0), **options)


def test_nothing_known_beyond_the_edge_is_said():
    # Between the ends of two curves may lie none that is followed: an error with advice, not a wrong number.
    try:
        solutions = solve(Task(alpha=2.36, beta=60.0), branch="all")
    except ConvergenceError as error:
        assert "1 - q_star" in str(error)
    else:
        assert all(s.residual < 1e-10 for s in solutions)


# The command line


def test_command(capsys, tmp_path):
    picture = tmp_path / "branches.svg"
    arguments = ["branches", "--beta", "20", "--alpha", "1.2:2.2", "--json", "--plot", str(picture)]
    assert cli.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["parameter"] == "alpha"
    assert [fold["alpha"] for fold in printed["folds"]] == pytest.approx(FOLDS, abs=1e-8)
    assert set(printed["folds"][0]) == {"alpha", "q", "r", "q_star"}
    assert printed["transitions"] == pytest.approx([TRANSITION], abs=1e-8)
    assert printed["stability"] == pytest.approx([1.505293], abs=1e-5)
    assert all(point["residual"] < 1e-10 for point in printed["points"])
    first = picture.read_bytes()
    assert b"<svg" in first
    assert cli.main(arguments) == 0
    assert picture.read_bytes() == first


def test_command_writes_files_and_text(capsys, tmp_path):
    out = tmp_path / "points.csv"
    assert cli.main(["branches", "--alpha", "1.85:1.95", "-o", str(out)]) == 0
    assert out.read_text().startswith("alpha,beta,prior,q,r,q_star")
    assert cli.main(["branches", "--alpha", "1.85:1.95"]) == 0
    assert "fold at alpha = 1.905802528" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--alpha", "1"], "exactly one of alpha, beta and q_star must be a span low:high, got none"),
        (["--beta", "2:3"], "exactly one of alpha, beta and q_star must be a span low:high, got alpha, beta"),
        (["--alpha", "2:1"], "alpha must be a number or a span low:high with low < high, got '2:1'"),
        (["--alpha", "x"], "alpha must be a number or a span low:high with low < high, got 'x'"),
        (["--alpha", "1:2", "--plot", "a.txt"], "plot must end in .pdf, .png or .svg, got 'a.txt'"),
    ],
)
def test_command_refuses(capsys, arguments, message):
    assert cli.main(["branches", *arguments]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err == f"statmech-cl: error: {message}\n"


@pytest.mark.parametrize("beta", [16.0906, 16.09, 16.075])
def test_folds_next_to_a_cusp(beta: float) -> None:
    """The cusp is at beta = 16.06789: the two folds born there are less than 3e-4 apart."""
    high, low = (fold["alpha"] for fold in trace(Task(alpha=1.0, beta=beta), span=(0.2, 2.2)).folds)
    assert 0.0 < high - low < 3e-4
    assert [len(solve(Task(alpha=a, beta=beta), branch="all")) for a in (low - 1e-4, 0.5 * (low + high))] == [1, 3]
