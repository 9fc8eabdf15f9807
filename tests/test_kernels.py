"""The energetic and entropic kernels: against the slow reference, mpmath, closed forms, and as derivatives."""

import math

import mpmath
import numpy as np
import pytest
import slow_reference as slow
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from statmech_cl.kernels.energetic import energetic, tilted
from statmech_cl.kernels.entropic import entropic, flipped
from statmech_cl.kernels.grids import graded_nodes
from statmech_cl.kernels.local import (
    half_nodes,
    interval_nodes,
    local_moments,
    local_nodes,
    negative_share,
    sign_nodes,
)
from statmech_cl.kernels.vector import exp as vector_exp
from statmech_cl.kernels.vector import log as vector_log

# Order parameters by their small differences: 1 - q_star, (q_star - q) / q_star, (q - r^2) / q.
ORDERS = st.tuples(st.floats(-5.0, -0.2), st.floats(-4.0, -0.1), st.floats(-4.0, -0.02), st.sampled_from([1.0, -1.0]))
BETAS = st.floats(0.0, math.log(200.0)).map(math.exp)


def orders_of(drawn) -> slow.Orders:
    d, v, u = 10.0 ** drawn[0], (1.0 - 10.0 ** drawn[0]) * 10.0 ** drawn[1], 0.0
    q = 1.0 - d - v
    u = q * 10.0 ** drawn[2]
    return slow.Orders(q, drawn[3] * math.sqrt(q - u), v, d, u)


def tilted_at(w, v, d, beta):
    """F and the means of h, h^2 and u h at one w."""
    return [float(row[0]) for row in tilted(np.array([w]), math.sqrt(v), math.sqrt(d), beta, 1.0)]


def hats_of(drawn) -> slow.Hats:
    """q_hat, r_hat and the coefficient a = q_star_hat - q_hat/2 of m^2, as Gaussian mean and variance of the field."""
    q_hat, ratio, a = drawn
    return slow.Hats(10.0**q_hat, ratio * math.sqrt(10.0**q_hat), a + 0.5 * 10.0**q_hat)


HATS = st.tuples(st.floats(-2.0, 4.0), st.floats(-1.0, 6.0), st.floats(-150.0, 40.0)).map(hats_of)


def test_slow_reference_agrees_with_nested_quad():
    # Trust in the reference: one application by SciPy's quad alone, inner and outer.
    from scipy.integrate import quad

    q, r, v, d, u = slow.Orders(0.55, 0.4, 0.15, 0.3, 0.55 - 0.16)
    beta = 12.0

    def mean_hazard(w):
        s, shift = math.sqrt(v / d), w / math.sqrt(d)
        norm = quad(lambda x: math.exp(-0.5 * x * x + beta * slow.log_h(s * x + shift)), -25, 9, epsabs=0, limit=300)[0]
        first = quad(
            lambda x: math.exp(-0.5 * x * x + beta * slow.log_h(s * x + shift)) * float(slow.hazard(s * x + shift)),
            -25, 9, epsabs=0, limit=300,
        )[0]  # fmt: skip
        return first / norm

    def integrand(z):
        gauss = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return gauss * mean_hazard(math.sqrt(u) * z)

    r_hat = 2.0 * beta / math.sqrt(2 * math.pi * d) * quad(integrand, -8, 8, epsabs=1e-12, epsrel=1e-11, limit=100)[0]
    assert slow.energetic(slow.Orders(q, r, v, d, u), beta)[0].r_hat == pytest.approx(r_hat, rel=1e-10)


@pytest.mark.parametrize(
    ("w", "v", "d", "beta"),
    [(0.3, 0.14, 0.32, 20.0), (1.9, 0.2, 0.1, 20.0), (-0.5, 1e-4, 0.02, 100.0), (0.2, 3e-3, 1e-4, 200.0),
     (1.0, 0.4, 0.5, 1.0)],
)  # fmt: skip
def test_tilted_against_mpmath(w, v, d, beta):
    s, shift = math.sqrt(v / d), w / math.sqrt(d)
    mode = minimize_scalar(lambda x: 0.5 * x * x - beta * slow.log_h(s * x + shift), bounds=(-40.0, 0.0)).x

    with mpmath.workdps(25):

        def log_h(x):
            return mpmath.log(mpmath.erfc((s * x + shift) / mpmath.sqrt(2)) / 2)

        top = -(mode**2) / 2 + beta * log_h(mode)

        def weight(x):
            return mpmath.exp(-x * x / 2 + beta * log_h(x) - top)

        width = 1.0 / math.sqrt(1.0 + beta * s * s)
        cuts = [
            mode - 9,
            *(mode + k * width for k in (-12, -6, -3, -1, 0, 1, 3, 6, 12) if abs(k * width) < 9),
            mode + 9,
        ]
        norm, first = mpmath.quad(weight, cuts), mpmath.quad(lambda x: x * weight(x), cuts)
        log_mean = float(mpmath.log(norm / mpmath.sqrt(2 * mpmath.pi)) + top)
        slope = float(first / norm) / math.sqrt(v)  # F' = <x> / sqrt(V), by Gaussian integration by parts
    f, h1, _, _ = tilted_at(w, v, d, beta)
    assert f == pytest.approx(log_mean, abs=1e-10)
    assert -beta / math.sqrt(d) * h1 == pytest.approx(slope, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(ORDERS, BETAS, st.floats(-3.0, 3.0))
def test_tilted_against_slow(drawn, beta, w):
    _, _, v, d, _ = orders_of(drawn)
    f, *means = tilted_at(w, v, d, beta)
    true, slow_means = slow.tilted(w, v, d, beta)
    assert f == pytest.approx(true, abs=1e-9, rel=1e-9)
    for mean, slow_mean in zip(means, slow_means, strict=False):
        assert mean == pytest.approx(slow_mean, rel=1e-8, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(ORDERS, BETAS)
def test_nodes_for_all_w_at_once_or_for_each_give_the_same(drawn, beta):
    _, _, v, d, _ = orders_of(drawn)
    w = np.linspace(-2.0, 2.0, 41)
    together = np.array(tilted(w, math.sqrt(v), math.sqrt(d), beta, 1.0))
    alone = np.transpose([tilted_at(each, v, d, beta) for each in w])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(BETAS, st.floats(-2.0, 2.0))
def test_curvature_of_f_is_a_variance(beta, w):
    # F'' = (<x^2> - <x>^2 - 1) / V: the same second derivative by integration by parts, without any hazard.
    v, d = 0.15, 0.3
    _, h1, h2, uh = tilted_at(w, v, d, beta)
    _, (_, _, _, x1, x2) = slow.tilted(w, v, d, beta)
    assert (beta / d) * ((beta - 1) * h2 + uh - beta * h1**2) == pytest.approx(
        (x2 - x1**2 - 1) / v, rel=1e-8, abs=1e-10
    )


@pytest.mark.slow  # tests/test_saddle.py does the same at solutions; here anywhere
@settings(max_examples=25, deadline=None)
@given(ORDERS, BETAS)
def test_energetic_against_slow(drawn, beta):
    orders = orders_of(drawn)
    q_hat, r_hat, q_star_hat, g_e, bend = energetic(*orders, beta, 0.0, 1.0)
    hats, slow_g_e, slow_bend = slow.energetic(orders, beta)
    for fast, true in zip((q_hat, r_hat, q_star_hat), hats, strict=True):
        assert fast == pytest.approx(true, rel=1e-8, abs=1e-12)
    assert g_e == pytest.approx(slow_g_e, rel=1e-8)
    assert bend == pytest.approx(slow_bend, rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.floats(-300.0, 40.0), st.floats(-400.0, 400.0), st.sampled_from([0.0, 5.0, 100.0]))
def test_local_averages_against_slow(a, b, kappa):
    slope = abs(b) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, 1.0)
    log_z, mean, deficit, excess, edge, variance = local_moments(b, m, shortfall, sech2, base, np.empty((3, m.size)))
    slow_log_z, slow_deficit, slow_edge, slow_variance, slow_share = slow.local(a, b, kappa)
    assert log_z == pytest.approx(slow_log_z, rel=1e-9, abs=1e-9)
    assert deficit == pytest.approx(slow_deficit, rel=1e-8)
    assert mean == pytest.approx(1.0 - slow_deficit, abs=1e-10)
    assert excess == pytest.approx(1.0 + mean, abs=1e-14)
    assert edge == pytest.approx(slow_edge, rel=1e-8)
    assert variance == pytest.approx(slow_variance, rel=1e-7)
    m, base = sign_nodes(a, kappa, slope, 1.0)
    assert negative_share(b, m, base, base) == pytest.approx(slow_share, rel=1e-10, abs=1e-30)


def check_negative_share(a, b):
    """Against Int_0^1 exp(a m^2 -+ b m) dm in 40 digits, without the KL prior."""
    slope = abs(b) + 2.0 * abs(a)
    both = half_nodes(a, 0.0, 0.0, slope, 1.0)[1:], sign_nodes(a, 0.0, slope, 1.0)
    with mpmath.workdps(40):

        def half(slope):
            """ln of the integral; its largest exponent is taken out, as mpmath estimates errors near 1 best."""
            vertex = [-slope / (2 * a)] if a < 0.0 < slope < -2 * a else []
            top = max(a * mpmath.mpf(x) ** 2 + slope * mpmath.mpf(x) for x in (0, 1, *vertex))
            # panels that shrink towards both ends, where the integrand falls off fastest
            near = [mpmath.mpf(2) ** -k for k in range(12, 0, -1)]
            cuts = [0, *near, *(1 - x for x in near[-2::-1]), 1]
            return top + mpmath.log(mpmath.quad(lambda x: mpmath.exp(a * x * x + slope * x - top), cuts))

        true = 1 / (1 + mpmath.exp(half(b) - half(-b)))
        relative = max(abs(negative_share(b, m, base, base) / true - 1) for m, base in both)
    # m and a m^2 + b m are rounded: the exponent, of this size, is all there is to know the share from
    assert relative < 1e-12 + 4e-16 * (abs(a) + abs(b))


@pytest.mark.parametrize(
    ("a", "b"), [(0.0, 38.0), (0.0, 600.0), (-300.0, 38.0), (-300.0, 650.0), (40.0, 400.0), (40.0, -12.0)]
)
def test_negative_share_in_many_digits(a, b):
    check_negative_share(a, b)


@pytest.mark.slow  # pytest --hypothesis-profile=wide searches further
@given(st.floats(-500.0, 60.0), st.floats(-600.0, 600.0))
def test_negative_share_anywhere(a, b):
    check_negative_share(a, b)


@settings(max_examples=60, deadline=None)
@given(st.floats(-300.0, 100.0), st.floats(-300.0, 300.0), st.floats(-2.0, 0.0), st.sampled_from([0.65, 1.0]))
def test_nodes_in_m_and_in_theta_give_the_same(a, b, log_share, refine):
    slope = abs(b) + 2.0 * abs(a)
    nodes = interval_nodes(a, 0.0, slope, refine), local_nodes(a, 0.0, 0.0, slope, 1.5, 1.0)[1:]
    short, long = (local_moments(10.0**log_share * b, *each, np.empty((3, each[0].size))) for each in nodes)
    np.testing.assert_allclose(short, long, rtol=1e-11 if refine == 1.0 else 1e-7, atol=1e-12)


@given(st.floats(0.0, 690.0))
@example(38.0)
def test_negative_share_in_closed_form(b):
    # Without a and prior: 1 / (1 + exp(b)).
    _, m, base = half_nodes(0.0, 0.0, 0.0, b, 1.0)
    assert negative_share(b, m, base, base) == pytest.approx(1.0 / (1.0 + math.exp(b)), rel=1e-12, abs=0.0)


@settings(max_examples=200, deadline=None)
@given(st.floats(-800.0, 20.0))
def test_vector_exponential(x):
    assert vector_exp(x) == pytest.approx(math.exp(max(x, -708.0)), rel=5e-16, abs=0.0)


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-300, 1e300) | st.floats(0.5, 2.0))
def test_vector_logarithm(x):
    assert vector_log(x) == pytest.approx(math.log(x), rel=4e-16, abs=3e-16)


@settings(max_examples=60, deadline=None)
@given(st.floats(-600.0, 60.0), st.sampled_from([0.0, 5.0, 2000.0]), st.floats(-1.0, 5.0), st.sampled_from([0.65, 1.5]))
def test_local_nodes_are_uniform_in_their_coordinate(a, kappa, log_slope, refine):
    theta, *_ = local_nodes(a, kappa, 3.0, 10.0**log_slope, refine, 1.0)
    tau = math.hypot(1.9, 1.5) * theta + math.sqrt(2.0 * abs(a)) * np.tanh(theta)
    tau += 2.0 * math.sqrt(kappa) * np.arctan(np.tanh(0.5 * theta))
    np.testing.assert_allclose(np.diff(tau), 0.32 / refine, rtol=1e-11)


@settings(max_examples=60, deadline=None)
@given(st.floats(-600.0, 60.0), st.floats(-1.0, 4.0), st.floats(-1.0, 4.0), st.floats(-1.0, 3.0), st.booleans())
def test_graded_nodes_are_uniform_in_their_coordinate(a, log_low, log_high, log_smooth, one_sided):
    low, high, smooth = -(10.0**log_low), 10.0**log_high, max(10.0**log_smooth, 1e-3 * (10.0**log_low + 10.0**log_high))
    if one_sided:
        low, high = 0.5 * high, high
    b, jacobian = graded_nodes(low, high, smooth, a, 1.0)
    corner = max(-2.0 * a, 0.0)
    width = math.sqrt(1.0 + corner)
    crowd = 5.0 * corner**2 / (corner**2 + 4.0 * width**2)
    t = b / (0.65 * smooth) + 5.0 * np.arcsinh(b / width)
    t += crowd * (np.arcsinh((b - corner) / width) + np.arcsinh((b + corner) / width))
    step = (t[-1] - t[0]) / (b.size - 1)
    assert 0.0 < step <= 1.15
    np.testing.assert_allclose(np.diff(t), step, rtol=1e-9)
    assert jacobian == pytest.approx(step * np.gradient(b, t), rel=0.5)
    assert (b[0], b[-1]) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(HATS, st.sampled_from([0.0, 5.0, 100.0]))
def test_entropic_against_slow(hats, kappa):
    fast = entropic(*hats, kappa, 1.0)
    orders, g_s, spread, share = slow.entropic(hats, kappa)
    for a, b in zip(fast[:5], orders, strict=True):
        assert a == pytest.approx(b, rel=1e-8, abs=1e-10)
    assert fast[5] == pytest.approx(g_s, rel=1e-9, abs=1e-9)
    assert fast[6] == pytest.approx(spread, rel=1e-8, abs=1e-12)
    assert flipped(*hats, kappa, 1.0) == pytest.approx(share, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(ORDERS, BETAS)
def test_energetic_does_not_move_under_refinement(drawn, beta):
    orders = orders_of(drawn)
    coarse, fine = (energetic(*orders, beta, 0.0, refine) for refine in (1.0, 1.7))
    np.testing.assert_allclose(coarse[:4], fine[:4], rtol=1e-8)
    assert coarse[4] == pytest.approx(fine[4], rel=1e-6)  # of the replicon, which no solution depends on


@settings(max_examples=40, deadline=None)
@given(HATS, st.sampled_from([0.0, 5.0, 100.0]))
def test_entropic_does_not_move_under_refinement(hats, kappa):
    coarse, fine = (entropic(*hats, kappa, refine) for refine in (1.0, 1.7))
    np.testing.assert_allclose(coarse, fine, rtol=1e-8, atol=1e-10)
    assert flipped(*hats, kappa, 1.0) == pytest.approx(flipped(*hats, kappa, 1.7), abs=1e-10)


def _derivative(f, at: float, step: float) -> float:
    """Central difference of order 4."""
    return (8.0 * (f(at + step) - f(at - step)) - (f(at + 2 * step) - f(at - 2 * step))) / (12.0 * step)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 0.8), st.floats(0.3, 0.9), st.floats(0.2, 0.9), st.floats(1.0, 100.0))
def test_hats_are_derivatives_of_the_energetic_potential(q_star, fraction, cosine, beta):
    # dG_E/dq = -q_hat/2, dG_E/dr = r_hat, dG_E/dq_star = q_star_hat at alpha = 1: Phi's stationarity.
    q = fraction * q_star
    r = cosine * math.sqrt(q)

    def g_e(q, r, q_star):
        return energetic(q, r, q_star - q, 1.0 - q_star, q - r * r, beta, 0.0, 1.0)[3]

    q_hat, r_hat, q_star_hat, _, _ = energetic(q, r, q_star - q, 1.0 - q_star, q - r * r, beta, 0.0, 1.0)
    step = 0.01 * min(q_star - q, 1.0 - q_star, q - r * r)
    assert _derivative(lambda x: g_e(x, r, q_star), q, step) == pytest.approx(-0.5 * q_hat, rel=1e-5)
    assert _derivative(lambda x: g_e(q, x, q_star), r, step) == pytest.approx(r_hat, rel=1e-5)
    assert _derivative(lambda x: g_e(q, r, x), q_star, step) == pytest.approx(q_star_hat, rel=1e-5, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 200.0), st.floats(-2.0, 5.0), st.floats(-50.0, 20.0), st.sampled_from([0.0, 5.0, 100.0]))
def test_orders_are_derivatives_of_the_entropic_potential(q_hat, ratio, a, kappa):
    r_hat, q_star_hat = ratio * math.sqrt(q_hat), a + 0.5 * q_hat
    q, r, v, d, u, _, _ = entropic(q_hat, r_hat, q_star_hat, kappa, 1.0)
    assert v == pytest.approx(1.0 - d - q, abs=1e-11)
    assert u == pytest.approx(q - r * r, abs=1e-11)

    def g_s(q_hat, r_hat, q_star_hat):
        return entropic(q_hat, r_hat, q_star_hat, kappa, 1.0)[5]

    step = 0.01 * min(1.0, q_hat)
    assert _derivative(lambda x: g_s(x, r_hat, q_star_hat), q_hat, step) == pytest.approx(-0.5 * q, abs=1e-7)
    assert _derivative(lambda x: g_s(q_hat, x, q_star_hat), r_hat, step) == pytest.approx(r, abs=1e-7)
    assert _derivative(lambda x: g_s(q_hat, r_hat, x), q_star_hat, step) == pytest.approx(1.0 - d, abs=1e-7)


@pytest.mark.parametrize("a", [-300.0, -8.0, -0.5, 0.5, 8.0, 60.0])
def test_moments_without_field_in_closed_form(a):
    # <m^2> = (exp(a) / Int_0^1 exp(a m^2) dm - 1) / (2 a), with the error function or Dawson's integral.
    from scipy.special import dawsn, erf

    root = math.sqrt(abs(a))
    half = math.sqrt(math.pi) / 2 * erf(root) / root * math.exp(-a) if a < 0 else dawsn(root) / root
    true = (1.0 / half - 1.0) / (2.0 * a)
    q, r, _, d, _, g_s, _ = entropic(1e-12, 0.0, a, 0.0, 1.0)
    assert 1.0 - d == pytest.approx(true, abs=1e-11)
    assert g_s == pytest.approx(math.log(2.0 * half) + a, abs=1e-11)
    assert q < 1e-11
    assert abs(r) < 1e-11


def test_uniform_measure():
    _, _, _, d, _, g_s, _ = entropic(1e-14, 0.0, 0.0, 0.0, 1.0)
    assert 1.0 - d == pytest.approx(1.0 / 3.0, abs=1e-13)
    assert g_s == pytest.approx(math.log(2.0), abs=1e-13)
    assert flipped(1e-14, 0.0, 0.0, 0.0, 1.0) == pytest.approx(0.5, abs=1e-13)
