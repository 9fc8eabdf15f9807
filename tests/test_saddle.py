"""solve(): certified solutions, against the slow reference, the identities, the limits and the check values."""

import math
import warnings

import numpy as np
import pytest
import slow_reference as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from statmech_cl import ConvergenceError, Status, Task, solve
from statmech_cl.channels import angle
from statmech_cl.equilibrium import saddle
from statmech_cl.equilibrium.saddle import equations_of, newton
from statmech_cl.kernels.energetic import energetic
from statmech_cl.kernels.entropic import entropic
from statmech_cl.orders import Hats, Orders, to_orders, to_unknowns

# alpha, beta, prior, branch: scattered over beta in [1, 200] and alpha in (0, 3], low and high overlap.
QUICK = [
    (0.9, 20.0, "none", "low"),
    (2.0, 20.0, "none", "high"),
]
SCATTERED = [
    (1.4, 100.0, "kl", "low"),
    (2.0, 200.0, "none", "low"),
    (2.34, 200.0, "none", "low"),
    (0.05, 20.0, "none", "low"),
    (1.8, 20.0, "none", "low"),
    (1.5, 20.0, "none", "high"),
    (3.0, 20.0, "none", "high"),
    (0.5, 1.0, "none", "low"),
    (3.0, 1.0, "none", "best"),
    (1.3, 3.3, "none", "best"),
    (2.2, 7.0, "none", "best"),
    (0.8, 50.0, "none", "low"),
    (2.1, 50.0, "none", "low"),
    (1.6, 50.0, "none", "high"),
    (0.3, 120.0, "none", "low"),
    (2.6, 120.0, "none", "high"),
    (0.01, 200.0, "none", "low"),
    (1.2, 200.0, "none", "low"),
    (1.5, 200.0, "none", "high"),
    (3.0, 200.0, "none", "high"),
    (0.4, 1.0, "kl", "low"),
    (2.9, 1.0, "kl", "best"),
    (1.0, 6.0, "kl", "best"),
    (0.7, 20.0, "kl", "low"),
    (2.0, 20.0, "kl", "best"),
    (2.4, 100.0, "kl", "high"),
    (0.1, 200.0, "kl", "low"),
    (1.9, 200.0, "kl", "high"),
    (3.0, 200.0, "kl", "high"),
]


def kappa_of(task: Task) -> float:
    return task.beta if task.prior == "kl" else 0.0


def deviations(s) -> dict[str, float]:
    """What one slow application of the map, from the hats of a solution, changes."""
    hats = slow.Hats(s.q_hat, s.r_hat, s.q_star_hat)
    orders, g_s, spread, share = slow.entropic(hats, kappa_of(s.task))
    back, g_e, bend = slow.energetic(orders, s.task.beta, s.task.channel.flips)
    alpha = s.task.alpha
    g_s -= kappa_of(s.task) * math.log(2.0)  # KL = ln 2 - Ent
    phi = 0.5 * s.q_hat * s.q - s.q_star_hat * s.q_star - s.r_hat * s.r + g_s + alpha * g_e
    return {
        "q": abs(orders.q - s.q),
        "r": abs(orders.r - s.r),
        "q_star": abs(1.0 - orders.uncertainty - s.q_star),
        "eps_g": abs(2.0 / math.pi * math.asin(math.sqrt(share)) - s.eps_g),
        "p": abs(1.0 - 2.0 * share - s.p),
        "q_hat": abs(alpha * back.q_hat / s.q_hat - 1.0),
        "r_hat": abs(alpha * back.r_hat / s.r_hat - 1.0),
        # 2 alpha dF/dq_star carries the factor beta - 1
        "q_star_hat": abs(alpha * back.q_star_hat - s.q_star_hat) / (abs(s.q_star_hat) + abs(s.q_hat)),
        "free_entropy": abs(phi - s.free_entropy) / max(1.0, abs(s.free_entropy)),
        "replicon": abs(alpha * bend * spread / s.replicon - 1.0),
    }


def check_against_slow(point) -> None:
    alpha, beta, prior, branch = point
    gaps = deviations(solve(Task(alpha=alpha, beta=beta, prior=prior), branch=branch))
    allowed = {"q": 1e-9, "r": 1e-9, "q_star": 1e-9, "eps_g": 1e-9, "p": 1e-9}
    for name, deviation in gaps.items():
        assert deviation < allowed.get(name, 1e-8), f"{name} is off by {deviation:.1e} at {point}"


@pytest.mark.parametrize("point", QUICK)
def test_fixed_point_of_the_slow_map(point):
    check_against_slow(point)


@pytest.mark.slow
@pytest.mark.parametrize("point", SCATTERED)
def test_fixed_point_of_the_slow_map_everywhere(point):
    check_against_slow(point)


@pytest.mark.parametrize(
    ("alpha", "branch", "q", "r", "q_star", "eps_g"),
    [
        (0.5, "low", 0.5395258633, 0.3789743112, 0.6797674174, 0.3554333076),
        (0.9, "low", 0.8079418962, 0.5712310527, 0.8822306107, 0.2940164732),
        (2.0, "high", 0.9782378786, 0.9889991129, 0.9783937443, 0.001327522259),
    ],
)
def test_check_values(alpha, branch, q, r, q_star, eps_g):
    # From an independent calculation, 10 digits; at alpha = 0.5 confirmed by Hamiltonian Monte Carlo at N = 400.
    s = solve(Task(alpha=alpha, beta=20.0), branch=branch)
    assert (s.q, s.r, s.q_star, s.eps_g) == pytest.approx((q, r, q_star, eps_g), abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    st.floats(0.0, math.log(200.0)).map(lambda x: min(math.exp(x), 200.0)),
    st.floats(1e-12, 3.0),
    st.sampled_from(["none", "kl"]),
)
def test_every_solution_is_certified_and_bounded(beta, alpha, prior):
    for s in solve(Task(alpha=alpha, beta=beta, prior=prior), branch="all"):
        assert s.status is Status.CONVERGED
        assert s.residual < 1e-10
        assert s.quadrature_error < 1e-9
        assert 0.0 <= s.r**2 <= s.q * (1.0 + 1e-15)
        assert s.q <= s.q_star < 1.0
        assert -1e-14 <= s.p <= 1.0
        assert 0.0 <= s.eps_g <= 0.5
        assert s.replicon > 0.0


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.floats(0.0, math.log(200.0)).map(lambda x: min(math.exp(x), 200.0)),
    st.lists(st.floats(1e-12, 3.0), min_size=5, max_size=5),
    st.sampled_from(["none", "kl"]),
)
def test_every_solution_is_certified_and_bounded_everywhere(beta, alphas, prior):
    for alpha in alphas:
        for s in solve(Task(alpha=alpha, beta=beta, prior=prior), branch="all"):
            assert s.residual < 1e-10
            assert s.quadrature_error < 1e-9
            assert 0.0 <= s.r**2 <= s.q * (1.0 + 1e-15)
            assert s.q <= s.q_star < 1.0


@pytest.mark.parametrize(
    ("alpha", "beta", "prior", "branch"),
    [(0.3, 1.0, "none", "low"), (0.9, 20.0, "none", "low"), (1.7, 20.0, "none", "high"), (1.7, 20.0, "none", "low"),
     (2.3, 200.0, "none", "low"), (3.0, 200.0, "none", "high"), (2.0, 200.0, "kl", "high"), (0.4, 60.0, "kl", "low")],
)  # fmt: skip
def test_quadrature_error_is_honest(alpha, beta, prior, branch):
    # The same root under a much finer rule with wider windows: steps / 3, log-windows * 3.
    task = Task(alpha=alpha, beta=beta, prior=prior)
    s = solve(task, branch=branch)
    equations = equations_of(task)
    root = newton(equations, to_unknowns(Orders(s.q, s.r, s.q_star - s.q, 1 - s.q_star, s.q - s.r**2)))
    y = root.image.y
    for _ in range(3):
        y = y - np.linalg.solve(saddle.jacobian_of(equations, equations.image(y), 1.0), equations.image(y, 3.0).gap)
    fine = equations.image(y, 3.0)
    eps = angle(equations.site.flipped(fine.hats, 3.0))
    exact = (fine.before.q, fine.before.r, fine.before.q_star, eps)
    true_error = max(abs(a - b) for a, b in zip(exact, (s.q, s.r, s.q_star, s.eps_g), strict=True))
    assert true_error < 1e-9
    # An estimate may fall short of a true error by rounding only.
    assert true_error <= 2.0 * s.quadrature_error + 1e-12


def test_quadrature_error_sees_a_bad_rule():
    # The solution of a rule of half the nodes must confess.
    task = Task(alpha=0.5)
    equations = equations_of(task)
    root = newton(equations, saddle.low_start(equations))
    y = root.image.y
    for _ in range(4):
        y = y - np.linalg.solve(
            saddle.jacobian_of(equations, equations.image(y, 0.5), 0.5), equations.image(y, 0.5).gap
        )
    s = saddle.certify(task, equations, saddle.Root(equations.image(y, 0.5), root.jacobian, 0, True))
    error = abs(s.q - 0.5395258633)
    assert error > 1e-9  # the rule is really off
    assert s.quadrature_error > 0.5 * error


@pytest.mark.parametrize(("alpha", "beta", "prior"), [(0.6, 20.0, "none"), (0.8, 5.0, "kl"), (1.1, 60.0, "none")])
def test_order_parameters_are_stationary_points_of_phi(alpha, beta, prior):
    """Phi as a function of six independent variables does not change to first order around a solution."""
    task = Task(alpha=alpha, beta=beta, prior=prior)
    s = solve(task, branch="low")
    equations = equations_of(task)

    def phi(x):
        q, r, q_star, q_hat, r_hat, q_star_hat = x
        g_e = energetic(q, r, q_star - q, 1 - q_star, q - r * r, beta, 0.0, 1.0)[3]
        g_s = equations.site.averages(Hats(q_hat, r_hat, q_star_hat), 1.0).g_s
        return 0.5 * q_hat * q - q_star_hat * q_star - r_hat * r + g_s + alpha * g_e

    at = np.array([s.q, s.r, s.q_star, s.q_hat, s.r_hat, s.q_star_hat])
    assert phi(at) == pytest.approx(s.free_entropy, abs=1e-12)
    scale = 0.02 * np.array([*[min(s.q_star - s.q, 1 - s.q_star, s.q - s.r**2)] * 3, 1.0, 1.0, 1.0])
    conjugate = np.abs([0.5 * s.q_hat, s.r_hat, s.q_star_hat, 0.5 * s.q, s.r, s.q_star])
    for step, term in zip(np.diag(scale), conjugate, strict=True):
        slope = (8 * (phi(at + step) - phi(at - step)) - (phi(at + 2 * step) - phi(at - 2 * step))) / (12 * step.sum())
        assert slope == pytest.approx(0.0, abs=1e-6 * max(1.0, term))


@pytest.mark.parametrize("branch", ["low", "high"])
def test_free_entropy_grows_with_alpha_as_g_e(branch):
    # At a stationary point dPhi/dalpha = G_E, whatever the branch.
    alpha, step = 1.7, 1e-3
    values = [solve(Task(alpha=alpha + k * step), branch=branch).free_entropy for k in (-2, -1, 1, 2)]
    slope = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)
    task = Task(alpha=alpha)
    s = solve(task, branch=branch)
    orders = Orders(s.q, s.r, s.q_star - s.q, 1 - s.q_star, s.q - s.r**2)
    g_e = energetic(*orders, task.beta, 0.0, 1.0)[3]
    assert slope == pytest.approx(g_e, rel=1e-8)


@pytest.mark.parametrize(("beta", "prior"), [(1.0, "none"), (20.0, "none"), (200.0, "none"), (10.0, "kl")])
def test_small_alpha_by_series(beta, prior):
    """First order in alpha around q = r = 0: q = q_hat c^2, r = r_hat c, q_star = c + q_star_hat (<m^4> - c^2)."""
    from scipy.integrate import quad

    kappa = beta if prior == "kl" else 0.0

    def moment(k):
        def weight(m):
            return math.exp(-kappa * sum((1 + s * m) / 2 * math.log((1 + s * m) / 2) for s in (-1, 1)) - kappa)

        up, norm = (quad(lambda m, k=j: m**k * weight(m), -1, 1, epsabs=0, epsrel=1e-11)[0] for j in (k, 0))
        return up / norm

    c, m4 = moment(2), moment(4)
    _, (h1, h2, *_) = slow.tilted(0.0, c, 1.0 - c, beta)
    slope, by_q_star = -beta / math.sqrt(1 - c) * h1, 0.5 * beta * (beta - 1) / (1 - c) * h2
    first = np.array(
        [slope**2 * c**2, -2 / math.sqrt(2 * math.pi) * slope * c, by_q_star * (m4 - c * c)]
    )  # of q, r, q_star - c; H(0) = 1/2 in q_hat and q_star_hat

    def remainder(alpha):
        s = solve(Task(alpha=alpha, beta=beta, prior=prior), branch="low")
        return np.array([s.q, s.r, s.q_star - c]) / alpha - first

    scale = np.abs(first) + 1e-3  # at beta = 1 the slope of q_star is 0
    small, tiny = remainder(1e-4 / beta), remainder(1e-5 / beta)
    assert np.all(np.abs(small) < 1e-2 * scale)
    # what is left is of second order: it falls in proportion to alpha
    np.testing.assert_allclose(tiny, 0.1 * small, rtol=0.05, atol=2e-6 * scale.max())


@pytest.mark.parametrize("prior", ["none", "kl"])
@pytest.mark.parametrize("q_star", [None, 0.6])
def test_alpha_zero(prior, q_star):
    s = solve(Task(alpha=0.0, prior=prior, q_star=q_star))
    assert (s.q, s.r, s.p, s.eps_g, s.q_hat, s.r_hat) == (0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    assert s.status is Status.CONVERGED
    if q_star is not None:
        assert s.q_star == pytest.approx(q_star, abs=1e-9)
    elif prior == "none":
        assert s.q_star == pytest.approx(1.0 / 3.0, abs=1e-12)
        assert s.free_entropy == pytest.approx(math.log(2.0), abs=1e-12)
    near = solve(Task(alpha=1e-9, prior=prior, q_star=q_star))
    assert (near.q, near.q_star, near.free_entropy) == pytest.approx((s.q, s.q_star, s.free_entropy), abs=1e-7)
    assert solve(Task(alpha=0.0, prior=prior, q_star=q_star), branch="all") == [s]


@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e-3])
def test_tiny_alpha_is_quick_and_certified(alpha):
    s = solve(Task(alpha=alpha))
    assert s.residual < 1e-10
    assert s.quadrature_error < 1e-9
    assert s.r == pytest.approx(alpha * solve(Task(alpha=1e-7)).r / 1e-7, rel=0.01)


@pytest.mark.parametrize(("branch", "low", "high"), [("low", 0.005, 1.905), ("high", 1.499, 3.0)])
def test_eps_g_falls_along_a_branch(branch, low, high):
    eps = [solve(Task(alpha=float(a)), branch=branch).eps_g for a in np.linspace(low, high, 40)]
    assert np.all(np.diff(eps) < 0.0)


@pytest.mark.parametrize(
    ("alpha", "branch", "prior"), [(0.7, "low", "none"), (1.0, "low", "kl"), (2.0, "high", "none")]
)
def test_prescribing_the_free_q_star_changes_nothing(alpha, branch, prior):
    free = solve(Task(alpha=alpha, prior=prior), branch=branch)
    same = [
        s
        for s in solve(Task(alpha=alpha, prior=prior, q_star=free.q_star), branch="all")
        if abs(s.r - free.r) < 1e-4
    ]  # fmt: skip
    assert len(same) == 1
    for name in ("q", "r", "eps_g", "free_entropy"):
        assert getattr(same[0], name) == pytest.approx(getattr(free, name), abs=1e-8)
    assert same[0].q_star_hat == pytest.approx(free.q_star_hat, rel=1e-5)


@pytest.mark.parametrize(("alpha", "q_star", "prior"), [(2.0, 0.9, "none"), (0.5, 0.3, "none"), (1.0, 0.5, "kl")])
def test_prescribed_q_star_is_enforced(alpha, q_star, prior):
    s = solve(Task(alpha=alpha, q_star=q_star, prior=prior))
    assert s.residual < 1e-10
    assert s.quadrature_error < 1e-9
    assert s.q_star == pytest.approx(q_star, abs=1e-14)
    # E<m^2> under the hats, which nothing in the unknowns fixes
    q, r, _, d, *_ = entropic(s.q_hat, s.r_hat, s.q_star_hat, kappa_of(s.task), 2.0)
    assert (q, r, 1.0 - d) == pytest.approx((s.q, s.r, q_star), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.tuples(st.floats(-20.0, 30.0), st.floats(-20.0, 30.0), st.floats(-15.0, 15.0)))
def test_unknowns_round_trip(y):
    orders = to_orders(np.array(y))
    assert orders.r**2 <= orders.q <= 1.0
    np.testing.assert_allclose(to_unknowns(orders), y, rtol=1e-6, atol=1e-6)


def test_convergence_error_carries_its_state(monkeypatch):
    monkeypatch.setattr(saddle, "_MAX_STEPS", 0)
    with pytest.raises(
        ConvergenceError, match=r"alpha=0\.777, beta=20, prior=none \(residual .*, wanted 1e-10\)"
    ) as info:
        solve(Task(alpha=0.777), branch="low")
    q, r, q_star = info.value.state
    assert 0.0 < r * r <= q <= q_star < 1.0
    assert 0.0 < info.value.residual < 0.1
    assert "trace the branch from a nearby alpha" in str(info.value)
    s = solve(Task(alpha=0.777), branch="low", on_failure="return")
    assert s.status is Status.NOT_CONVERGED
    assert s.residual == info.value.residual
    assert (s.q, s.r, s.q_star) == info.value.state


@pytest.mark.parametrize("task", [Task(alpha=0.4, beta=0.5), Task(alpha=0.4, beta=250.0), Task(alpha=3.4, beta=20.0)])
def test_outside_the_certified_range_is_computed_with_a_warning(task):
    with pytest.warns(UserWarning, match="lies outside the certified range") as caught:
        s = solve(task)
    assert caught[0].filename == __file__  # the warning points at the caller
    assert s.status is Status.CONVERGED
    assert s.residual < 1e-10


def test_inside_the_certified_range_there_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for beta in (1.0, 200.0):
            solve(Task(alpha=3.0, beta=beta))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: solve(Task(alpha=1.0), branch="upper"),
            "branch must be one of low, high, best, thermodynamic, all, got 'upper'",
        ),
        (lambda: solve(Task(alpha=1.0), on_failure="ignore"), "on_failure must be one of raise, return, got 'ignore'"),
        (lambda: solve(1.0), "problem must be a Task or a Chain"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("entry", [math.nan, math.inf, -math.inf])
def test_a_gap_that_is_no_number_is_not_small(entry: float):
    for gap in ([entry, 0.0, 0.0], [0.0, 0.0, entry]):
        assert saddle.largest(np.array(gap)) == math.inf
    assert saddle.largest(np.array([1.0, -3.0, 2.0])) == 3.0
