"""The classical limit: published numbers, Nishimori's identities, and an independent calculation by SciPy alone."""

import math

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad
from scipy.optimize import brentq

from statmech_cl.equilibrium.classical import posterior_transitions, solve_posterior


def gauss(f) -> float:
    return quad(lambda z: math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * f(z), -12, 12, epsabs=1e-13, limit=300)[0]


def overlap(q_hat: float) -> float:
    return gauss(lambda z: math.tanh(math.sqrt(q_hat) * z + q_hat))


def energy_slope(q: float) -> float:
    """q_hat / alpha as a function of q."""
    return (
        2
        / math.sqrt(2 * math.pi * (1 - q))
        * gauss(lambda z: math.exp(-0.5 * q * z * z - special.log_ndtr(-math.sqrt(q) * z)) / math.sqrt(2 * math.pi))
    )


def information(q: float) -> float:
    """dPhi/dalpha: minus the information that one more label brings."""
    root = math.sqrt(q / (1 - q))
    return 2 * gauss(lambda z: special.ndtr(-root * z) * special.log_ndtr(-root * z))


def potential(q_hat: float) -> tuple[float, float]:
    """alpha and Phi on the curve parametrised by q_hat: explicit, without any iteration."""
    q = overlap(q_hat)
    alpha = q_hat / energy_slope(q)
    log_cosh = gauss(lambda z: np.logaddexp(b := math.sqrt(q_hat) * z + q_hat, -b))
    return alpha, -0.5 * q_hat * (1 + q) + log_cosh + alpha * information(q)


@pytest.mark.parametrize(("alpha", "q"), [(0.5, 0.293089030), (1.0, 0.560714737), (1.2, 0.668661380)])
def test_published_overlaps(alpha, q):
    # State evolution of approximate message passing, nine digits.
    s = solve_posterior(alpha, branch="low")
    assert s.q == pytest.approx(q, abs=5e-9)
    assert s.residual < 1e-10
    assert s.quadrature_error < 1e-9


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.7, 1.24, 1.45])
def test_nishimori(alpha):
    s = solve_posterior(alpha, branch="low")
    assert s.r == pytest.approx(s.q, rel=1e-8)
    assert s.r_hat == pytest.approx(s.q_hat, rel=1e-8)


@pytest.mark.parametrize("q_hat", [0.05, 0.8, 1.6, 2.2])
def test_against_the_explicit_curve(q_hat):
    alpha, phi = potential(q_hat)
    s = solve_posterior(alpha, branch="low")
    assert (s.q_hat, s.q) == pytest.approx((q_hat, overlap(q_hat)), abs=1e-9)
    assert s.free_entropy == pytest.approx(phi, abs=1e-10)


def test_free_entropy_is_what_the_labels_leave_of_ln_2():
    # Thermodynamic integration from alpha = 0, where the entropy is ln 2: fixes the constant that the transition needs.
    lost = quad(lambda a: information(solve_posterior(a, branch="low").q), 0.0, 1.2, epsabs=1e-9)[0]
    assert math.log(2.0) + lost == pytest.approx(solve_posterior(1.2, branch="low").free_entropy, abs=1e-8)


def test_transitions():
    transitions = posterior_transitions()
    assert transitions.spinodal == pytest.approx(1.493, abs=5e-4)
    assert transitions.information_theoretic == pytest.approx(1.245, abs=5e-4)
    # The same two by SciPy alone, from the explicit curve.
    at_zero = brentq(lambda q_hat: potential(q_hat)[1], 1.0, 2.0, xtol=1e-12)
    assert transitions.information_theoretic == pytest.approx(potential(at_zero)[0], abs=1e-9)
    grid = np.linspace(2.6, 3.4, 9)
    alphas = [potential(float(x))[0] for x in grid]
    fit = np.polynomial.Polynomial.fit(grid, alphas, 8)
    turn = [x.real for x in fit.deriv().roots() if abs(x.imag) < 1e-9 and grid[0] < x.real < grid[-1]]
    assert len(turn) == 1
    assert transitions.spinodal == pytest.approx(fit(turn[0]), abs=1e-6)


def test_best_turns_to_the_teacher_at_the_transition():
    at = posterior_transitions().information_theoretic
    assert solve_posterior(at - 1e-3).q < 0.7
    after = solve_posterior(at + 1e-3)
    assert (after.q, after.free_entropy, after.eps_bayes) == (1.0, 0.0, 0.0)
    assert solve_posterior(0.0).free_entropy == math.log(2.0)


def test_bad_input():
    with pytest.raises(ValueError, match=r"branch 'low' ends at alpha = 1\.49263, got alpha 1\.6"):
        solve_posterior(1.6, branch="low")
    with pytest.raises(ValueError, match="alpha must be a finite number in"):
        solve_posterior(-1.0)
    with pytest.raises(ValueError, match="branch must be one of low, perfect, best"):
        solve_posterior(1.0, branch="high")
