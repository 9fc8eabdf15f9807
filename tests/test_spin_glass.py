"""The Sherrington-Kirkpatrick model by the recursion of the steps: published digits, and nested Gauss-Hermite sums."""

import math

import numpy as np
import pytest

from statmech_cl.equilibrium.spin_glass import solve_glass

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / math.sqrt(2.0 * math.pi)


def at_zero(k):
    """Energy and entropy in the limit of zero temperature: they end as squares and linearly."""
    warm, cold = solve_glass(0.02, k), solve_glass(0.0125, k)
    share = warm.temperature**2 - cold.temperature**2
    energy = (cold.energy * warm.temperature**2 - warm.energy * cold.temperature**2) / share
    return energy, (cold.entropy * 0.02 - warm.entropy * 0.0125) / 0.0075


@pytest.mark.parametrize(
    ("k", "energy", "entropy"),
    [(0, -0.7979, -0.16), (1, -0.7652, -0.01), pytest.param(2, -0.7636, -0.004, marks=pytest.mark.slow)],
)
def test_ground_state_energies_of_the_literature(k, energy, entropy):
    # As G. Parisi, J. Phys. A 13, L115 (1980), is remembered to print them: not read again.
    got = at_zero(k)
    assert got[0] == pytest.approx(energy, abs=1e-4)
    assert got[1] == pytest.approx(entropy, abs=0.005 if k < 2 else 5e-4)


def test_replica_symmetry_at_zero_temperature_is_exact():
    energy, entropy = at_zero(0)
    assert energy == pytest.approx(-math.sqrt(2.0 / math.pi), abs=3e-6)
    assert entropy == pytest.approx(-0.5 / math.pi, abs=3e-4)


@pytest.mark.slow
def test_more_steps_come_to_the_limit_of_infinitely_many():
    # 0.763166...: J. Basso et al., arXiv:2110.14206v3, p. 4. A finite number of steps bounds the energy from below.
    energies = [solve_glass(0.0125, k).energy for k in range(4)]
    assert np.all(np.diff(energies) > 0.0)
    assert -0.763166 - 2e-4 < energies[-1] < -0.763166


def parisi(beta, q_0, q_1, x):
    """-beta f of one step, by nested Gauss-Hermite sums."""
    b = beta * (math.sqrt(q_0) * NODES[:, None] + math.sqrt(q_1 - q_0) * NODES)
    inner = np.log(WEIGHTS @ np.cosh(b).T ** x) / x
    return 0.25 * beta**2 * (1 - 2 * q_1 + x * q_0**2 + (1 - x) * q_1**2) + math.log(2.0) + WEIGHTS @ inner


def test_one_step_against_nested_sums():
    solution = solve_glass(0.5, 1)
    at = np.array([*solution.overlaps, *solution.parisi])
    assert solution.residual < 1e-10
    assert solution.quadrature_error < 1e-9
    assert -0.5 * parisi(2.0, *at) == pytest.approx(solution.free_energy, abs=1e-11)
    slopes = [(parisi(2.0, *(at + e)) - parisi(2.0, *(at - e))) / 2e-5 for e in 1e-5 * np.eye(3)]
    assert np.abs(slopes).max() < 1e-8


def test_energy_is_the_slope_of_the_free_energy():
    low, here, high = (solve_glass(temperature, 1) for temperature in (0.599, 0.6, 0.601))
    entropy = -(high.free_energy - low.free_energy) / 0.002
    assert here.entropy == pytest.approx(entropy, rel=1e-5)
    assert here.energy == pytest.approx(here.free_energy + 0.6 * here.entropy, abs=1e-14)
    assert max(here.replicons) < max(solve_glass(0.6, 0).replicons)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1.0, 1), r"temperature must be a finite number in \(0, 1\), got 1.0"), ((0.5, -1), "k must be .* got -1")],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        solve_glass(*arguments)
