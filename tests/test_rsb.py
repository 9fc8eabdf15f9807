"""Steps of replica symmetry breaking: kernels against slow integration and against each other, equations against the
free entropy, and the solver against values computed apart."""

import json
import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import log_ndtr, logsumexp, ndtr

from statmech_cl import Task, solve
from statmech_cl.channels import PLAIN
from statmech_cl.cli import main
from statmech_cl.equilibrium import rsb_openings
from statmech_cl.equilibrium.rsb import StepEquations, to_step_orders, to_step_unknowns, weights_of
from statmech_cl.equilibrium.rsb_solve import CONVERGED
from statmech_cl.kernels.energetic import energetic
from statmech_cl.kernels.steps import energetic_steps, entropic_steps, field_grid
from statmech_cl.orders import StepOrders
from statmech_cl.sites import FreeSite

BETA = 20.0
INSTABILITY = 0.7289260461


def orders_of(r, overlaps, q_star, parisi):
    q = np.array(overlaps)
    return StepOrders(q[0], r, q[0] - r * r, np.diff(q), q_star - q[-1], 1.0 - q_star, np.array(parisi))


def patterns(orders, refine=1.0):
    return energetic_steps(
        orders.q, orders.r, orders.perpendicular, orders.steps, orders.fluctuation, orders.uncertainty, orders.parisi,
        BETA, 0.0, refine,
    )  # fmt: skip


def sites(hats, r_hat, q_star_hat, parisi, refine=1.0):
    hats, parisi = np.array(hats), np.array(parisi)
    a = q_star_hat - 0.5 * hats[-1]
    b, jacobian = field_grid(r_hat, r_hat, hats[0], np.diff(hats), parisi, a, refine)
    mass = np.zeros((2, b.size))
    mass[0] = jacobian * np.exp(-0.5 * (b - r_hat) ** 2 / hats[0]) / math.sqrt(2 * math.pi * hats[0])
    return entropic_steps(b, jacobian, mass, *FreeSite(0.0).local(b, a, refine), np.diff(hats), parisi)


def test_values_computed_apart():
    solution = solve(Task(alpha=1.0), rsb=1, parisi=0.5)
    got = [solution.q_star, solution.overlaps[1], solution.overlaps[0], solution.r, solution.p, solution.free_entropy]
    assert got == pytest.approx([0.895301, 0.889106, 0.786862, 0.617890, 0.646978, -3.164183], abs=6e-7)
    assert solution.residual < 1e-10
    assert solution.quadrature_error < 1e-9


def test_no_step_is_replica_symmetry():
    none = np.empty(0)
    q, r, q_star = 0.8490570650540248, 0.6053516190444992, 0.9117506156431219
    plain = energetic(q, r, q_star - q, 1 - q_star, q - r * r, BETA, 0.0, 1.0)
    steps = energetic_steps(q, r, q - r * r, none, q_star - q, 1 - q_star, none, BETA, 0.0, 1.0)
    assert steps[:4] == pytest.approx(plain[:4], rel=1e-11)
    assert steps[4][0] == pytest.approx(plain[4], rel=1e-9)
    plain, steps = solve(Task(alpha=0.9)), solve(Task(alpha=0.9), rsb=0)
    assert (steps.q, steps.overlaps, steps.parisi) == (plain.q, (plain.q,), ())


@pytest.mark.parametrize("closed", [0, 1])
def test_equal_neighbours_give_one_step_less(closed):
    one = orders_of(0.62, [0.75, 0.88], 0.89, [0.36])
    two = one._replace(
        steps=np.insert(one.steps, closed, 0.0), parisi=np.insert(one.parisi, closed, 0.2 if closed == 0 else 0.7)
    )
    base = StepEquations(1.0, BETA, FreeSite(0.0), PLAIN, 1)
    a = base.apply(one, to_step_unknowns(one, True), 1.0)
    b = StepEquations(1.0, BETA, FreeSite(0.0), PLAIN, 2).apply(two, np.zeros(7), 1.0)
    assert b.after.distance(b.after._replace(q=a.after.q)) < 1e-10
    assert b.after.overlaps[[0, -1]] == pytest.approx(a.after.overlaps[[0, -1]], abs=1e-10)
    assert (b.after.r, b.after.q_star) == pytest.approx((a.after.r, a.after.q_star), abs=1e-10)
    assert base.free_entropy(b) == pytest.approx(base.free_entropy(a), abs=1e-10)


def test_equations_are_derivatives_of_the_free_entropy():
    """At a point that is no solution: G_E by r, q_l, q_star and x_l; G_S by the hats and x_l."""
    r, overlaps, q_star, parisi = 0.6, [0.7, 0.8, 0.86], 0.9, [0.3, 0.6]
    x0 = np.array([r, *overlaps, q_star, *parisi])

    def g_e(x):
        return patterns(orders_of(x[0], x[1:4], x[4], x[5:]), 1.3)[3]

    q_hat, r_hat, q_star_hat, _, _, gains, entropies = patterns(orders_of(r, overlaps, q_star, parisi))
    hats = q_hat + np.array([0.0, *np.cumsum(gains)])
    weights = weights_of(np.array(parisi))
    wanted = [r_hat, *(-0.5 * weights * hats), q_star_hat, *(entropies / np.array(parisi) ** 2)]
    assert _gradient(g_e, x0) == pytest.approx(wanted, rel=2e-6, abs=1e-6)

    h0 = np.array([8.0, 40.0, 70.0, 90.0, 50.0, *parisi])  # r_hat, q_hat_l, q_star_hat, x_l

    def g_s(h):
        return sites(h[1:4], h[0], h[4], h[5:], 1.3)[6]

    q, r, steps, v, d, _, _, _, entropies, _ = sites(h0[1:4], h0[0], h0[4], h0[5:])
    overlaps = q + np.array([0.0, *np.cumsum(steps)])
    assert overlaps[-1] + v == pytest.approx(1.0 - d, abs=1e-11)
    wanted = [r, *(-0.5 * weights * overlaps), 1.0 - d, *(entropies / np.array(parisi) ** 2)]
    assert _gradient(g_s, h0) == pytest.approx(wanted, rel=2e-6, abs=1e-6)


def _gradient(function, x, step=1e-5):
    return [(function(x + e) - function(x - e)) / (2 * step) for e in step * np.eye(x.size)]


SLOW = pytest.mark.slow
POINTS = [
    (0.62, [0.75, 0.88], 0.89, [0.36]),
    pytest.param((0.3, [0.4, 0.5], 0.6, [0.7]), marks=SLOW),
    pytest.param((0.72, [0.79, 0.91], 0.916, [0.2]), marks=SLOW),
    pytest.param((0.85, [0.86, 0.9], 0.95, [0.9]), marks=SLOW),
    pytest.param((0.55, [0.7, 0.78, 0.83], 0.86, [0.3, 0.7]), marks=SLOW),
    pytest.param((0.62, [0.75, 0.879, 0.881], 0.8907, [0.36, 0.44]), marks=SLOW),
]


@pytest.mark.parametrize("point", POINTS)
def test_patterns_against_nested_integration(point):
    """G_E, q_hat_0, q_hat_1 ... from uniform grids, a spline of F and SciPy's ln H: another way to the same numbers."""
    orders = orders_of(*point)
    r, _, q_star, parisi = point
    d = 1.0 - q_star
    w = np.linspace(-9.0, 9.0, 1201)
    y = np.linspace(-30.0, 10.0, 6001)
    f = np.empty_like(w)
    for i, value in enumerate(w):
        exponent = -0.5 * y * y + BETA * log_ndtr(-(math.sqrt(orders.fluctuation) * y + value) / math.sqrt(d))
        f[i] = logsumexp(exponent) + math.log((y[1] - y[0]) / math.sqrt(2 * math.pi))
    z = np.linspace(-10.0, 10.0, 801)
    weight = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    spline = CubicSpline(w, f)

    levels = []  # from the last one down: f_l, and the kernel that takes averages to the level below
    for x, variance in zip(reversed(parisi), reversed(orders.steps), strict=True):
        at = np.clip(w[:, None] + math.sqrt(variance) * z, w[0], w[-1])
        exponent = x * spline(at)
        top = exponent.max(axis=1, keepdims=True)
        tilted = weight * np.exp(exponent - top)
        total = tilted.sum(axis=1, keepdims=True)
        levels.append((spline, tilted / total, at))
        spline = CubicSpline(w, (np.log(total) + top)[:, 0] / x)
    squares = [spline(w, 1) ** 2]
    for start in reversed(range(len(levels))):
        value = levels[start][0](w, 1) ** 2
        for _, kernel, at in levels[start:]:
            value = (kernel * CubicSpline(w, value)(at)).sum(axis=1)
        squares.append(value)
    outer = np.exp(-0.5 * w * w / orders.q) / math.sqrt(2 * math.pi * orders.q) * (w[1] - w[0])
    outer = 2.0 * outer * ndtr(-r * w / math.sqrt(orders.q * orders.perpendicular))
    got = patterns(orders)
    hats = got[0] + np.array([0.0, *np.cumsum(got[5])])
    assert outer @ spline(w) == pytest.approx(got[3], rel=2e-7)
    assert [outer @ square for square in squares] == pytest.approx(hats, rel=2e-5)


def test_stable_symmetry_comes_back():
    for k in (1, 3):
        broken, plain = solve(Task(alpha=0.5), rsb=k), solve(Task(alpha=0.5))
        assert broken.overlaps == (k + 1) * (plain.q,)
        assert (broken.eps_g, broken.free_entropy, broken.steps) == (plain.eps_g, plain.free_entropy, 0)
        assert all(math.isnan(x) for x in broken.parisi)
        assert broken.weights[0] == 1.0
    assert solve(Task(alpha=2.0), rsb="converged").q == solve(Task(alpha=2.0)).q


def test_one_step_opens_at_the_instability_and_is_stable_there():
    near, far = solve(Task(alpha=INSTABILITY + 1e-3), rsb=1), solve(Task(alpha=0.8), rsb=1)
    plain = solve(Task(alpha=INSTABILITY + 1e-3))
    assert plain.replicon > 1.0
    assert 0.0 < near.overlaps[1] - near.overlaps[0] < 0.01
    assert near.eps_g == pytest.approx(plain.eps_g, abs=1e-6)
    assert max(far.replicons) < 1.0
    two = solve(Task(alpha=0.8), rsb=2)
    assert two.overlaps[1] == two.overlaps[2] == far.overlaps[1]
    assert two.eps_g == far.eps_g


def test_the_low_branch_ends_earlier_with_a_step():
    low, middle, high = solve(Task(alpha=1.6), branch="all")
    (only,) = solve(Task(alpha=1.6), rsb=1, branch="all")
    assert only.steps == 0 and only.eps_g == high.eps_g and only.thermodynamic
    with pytest.raises(ValueError, match=r"^branch 'low' ends at alpha = 1.5315"):
        solve(Task(alpha=1.6), rsb=1, branch="low")
    one, other = (solve(Task(alpha=alpha), rsb=1, branch="thermodynamic") for alpha in (1.515, 1.52))
    assert one.steps == 1 and other.steps == 0 and low.r < one.r < middle.r < other.r


def test_free_breaking_point_makes_the_free_entropy_stationary():
    task = Task(alpha=1.0)
    free = solve(task, rsb=1)
    x = free.parisi[0]
    low, high = solve(task, rsb=1, parisi=x - 1e-3), solve(task, rsb=1, parisi=x + 1e-3)
    slope = (high.free_entropy - low.free_entropy) / 2e-3
    assert abs(slope) < 1e-5
    assert min(low.free_entropy, high.free_entropy) > free.free_entropy
    # Sigma = -x^2 dPhi/dx by differences of Phi: positive below, negative above
    below = [solve(task, rsb=1, parisi=value) for value in (0.249, 0.25, 0.251)]
    difference = -(0.25**2) * (below[2].free_entropy - below[0].free_entropy) / 2e-3
    assert below[1].complexity == pytest.approx(difference, rel=1e-4)
    assert low.complexity > 0.0 > high.complexity
    assert free.residual < 1e-10
    assert free.quadrature_error < 1e-9


def test_two_steps_improve_on_one():
    one, two = (solve(Task(alpha=1.2), rsb=k) for k in (1, 2))
    assert two.overlaps[0] < two.overlaps[1] < two.overlaps[2] < two.q_star
    assert 0.0 < two.parisi[0] < two.parisi[1] < 1.0
    assert two.residual < 1e-10
    assert two.quadrature_error < 1e-9
    assert two.free_entropy < one.free_entropy
    assert max(two.replicons) < max(one.replicons)
    assert CONVERGED < abs(two.eps_g - one.eps_g) < 1e-5


def test_branches():
    everything = solve(Task(alpha=1.52), rsb=1, branch="all")
    assert len(everything) == 3
    best, low = solve(Task(alpha=1.52), rsb=1), solve(Task(alpha=1.52), rsb=1, branch="low")
    assert best.steps == 0
    assert low.steps == 1
    assert best.free_entropy == max(one.free_entropy for one in everything)
    with pytest.raises(ValueError, match=r"branch 'low' ends at alpha = 1\.53152 with one step, got alpha 1\.6"):
        solve(Task(alpha=1.6), rsb=1, branch="low")
    assert solve(Task(alpha=1.6), rsb=1).steps == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"parisi": 0.5}, "parisi must come with rsb=1, got parisi 0.5 without rsb"),
        ({"rsb": 2, "parisi": 0.5}, "parisi prescribes the breaking point of one step: rsb must be 1, got 2"),
        ({"rsb": 1, "parisi": 1.5}, r"parisi must be a finite number in \(0, 1\), got 1.5"),
        ({"rsb": -1}, "rsb must be a whole number >= 0, got -1"),
        ({"rsb": "all"}, "rsb must be a whole number >= 0 or 'converged', got 'all'"),
    ],
)
def test_bad_input(asked, message):
    with pytest.raises(ValueError, match=message):
        solve(Task(alpha=1.0), **asked)


def test_prescribed_q_star_is_refused():
    with pytest.raises(ValueError, match=r"q_star must be None with rsb, got 0\.8"):
        solve(Task(alpha=1.0, q_star=0.8), rsb=1)


def test_command(capsys):
    assert main(["solve", "--alpha", "1.25", "--rsb", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert len(row["overlaps"]) == 2
    assert len(row["parisi"]) == 1
    assert row["overlaps"][0] < row["overlaps"][1] < row["q_star"]
    assert row["complexity"] == 0.0
    assert main(["solve", "--alpha", "1.25", "--rsb", "1", "--parisi", "0.2", "--json"]) == 0
    fixed = json.loads(capsys.readouterr().out)
    assert fixed["parisi"] == [0.2]
    assert fixed["complexity"] > 0.0
    assert main(["solve", "--alpha", "0.5", "--json"]) == 0
    assert "overlaps" not in json.loads(capsys.readouterr().out)
    assert main(["solve", "--alpha", "0.5", "--rsb", "1"]) == 0
    assert "overlaps" in capsys.readouterr().out
    assert main(["solve", "--alpha", "1", "--parisi", "0.2"]) == 2
    assert capsys.readouterr().err == "statmech-cl: error: parisi must come with rsb=1, got parisi 0.2 without rsb\n"
    assert main(["solve", "--alpha", "1", "--rsb", "some"]) == 2


def test_unknowns_there_and_back():
    orders = orders_of(0.6, [0.7, 0.8, 0.86], 0.9, [0.3, 0.6])
    back = to_step_orders(to_step_unknowns(orders, True), None)
    assert back.overlaps == pytest.approx(orders.overlaps, abs=1e-14)
    assert back.parisi == pytest.approx(orders.parisi, abs=1e-14)
    assert back.distance(orders) < 1e-14


@pytest.mark.slow
def test_levels_spread_anew_end_where_an_opened_one_does(monkeypatch):
    """The third step from levels that are spread anew, and from a level that is opened: two starts, one solution."""
    quick = solve(Task(alpha=1.25), rsb=3, branch="low")
    monkeypatch.setattr(rsb_openings, "_spread_anew", lambda *_: None)
    slow = solve(Task(alpha=1.25), rsb=3, branch="low")
    assert quick.overlaps == pytest.approx(slow.overlaps, abs=1e-8)
    assert quick.parisi == pytest.approx(slow.parisi, abs=1e-6)
    assert (quick.free_entropy, quick.eps_g) == pytest.approx((slow.free_entropy, slow.eps_g), abs=1e-10)


def test_spread_levels_keep_their_ends():
    """A straight q(x) cut into two pieces, cut into three: jumps and overlaps lie on the same line."""
    two = orders_of(0.5, [0.5, 0.7, 0.8], 0.85, [0.3, 0.36])
    three = rsb_openings._spread_anew(two, np.array([0.9, 1.2, 1.1]), 1)
    assert three.overlaps[[0, -1]] == pytest.approx([0.5, 0.8], abs=1e-15)
    assert three.parisi == pytest.approx([0.3, 0.336, 0.372], abs=1e-15)
    assert three.overlaps[1:3] == pytest.approx([0.68, 0.74], abs=1e-15)
    assert (three.perpendicular, three.fluctuation) == pytest.approx((two.perpendicular, two.fluctuation), abs=1e-15)
    assert rsb_openings._spread_anew(two, np.array([0.9, 0.9, 1.1]), 2) is None
