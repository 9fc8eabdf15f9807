"""Trees of few units: one unit is the perceptron, G_E against nested Gauss-Hermite rules, the hats against its
derivatives, the error against enumeration, the limit of many units."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtr

from statmech_cl import Chain, Task, Tree, solve
from statmech_cl.channels import Perceptron
from statmech_cl.equilibrium.few_units import solve_few_units
from statmech_cl.few_units import FewUnits
from statmech_cl.orders import Orders


def orders(q: float, r: float, q_star: float) -> Orders:
    return Orders(q=q, r=r, fluctuation=q_star - q, uncertainty=1.0 - q_star, perpendicular=q - r * r)


AT = (0.4, 0.3, 0.6)


def test_one_unit_is_the_perceptron() -> None:
    for beta, refine in ((20.0, 1.5), (3.0, 1.0)):
        few, one = (channel.averages(orders(*AT), beta, refine) for channel in (FewUnits(units=1), Perceptron()))
        np.testing.assert_allclose(few.hats, one.hats, rtol=1e-9)
        assert few.g_e == pytest.approx(one.g_e, abs=1e-10) and few.bend == pytest.approx(one.bend, rel=1e-7)
    assert FewUnits(units=1).eps_g(0.2) == pytest.approx(Perceptron().eps_g(0.2), rel=1e-12)


def test_energetic_side_against_nested_rules() -> None:
    """E over z and x of three units, each by Gauss-Hermite, for beta = 2: nothing in common with the package's way."""
    x, w = np.polynomial.hermite_e.hermegauss(14)
    w = w / w.sum()
    q, r, q_star = AT
    x3 = np.array(list(itertools.product(x, repeat=3)))
    w3 = np.array(list(itertools.product(w, repeat=3))).prod(axis=1)

    def majority(p: np.ndarray) -> np.ndarray:
        a, b, c = p[..., 0], p[..., 1], p[..., 2]
        return a * b + b * c + a * c - 2.0 * a * b * c

    total = 0.0
    for z, weight in zip(x3, w3, strict=True):
        h = math.sqrt(q) * z + math.sqrt(q_star - q) * x3
        label = majority(ndtr(r * z / math.sqrt(q - r * r)))
        total += 2.0 * weight * label * math.log(w3 @ majority(ndtr(h / math.sqrt(1.0 - q_star))) ** 2)
    assert FewUnits(units=3).averages(orders(*AT), 2.0, 0.65).g_e == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("units", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_hats_are_derivatives(units: int) -> None:
    def g_e(q: float, r: float, q_star: float) -> float:
        return FewUnits(units=units).averages(orders(q, r, q_star), 4.0, 0.65).g_e

    step = 1e-4
    slopes = []
    for k in range(3):
        up, down = list(AT), list(AT)
        up[k] += step
        down[k] -= step
        slopes.append((g_e(*up) - g_e(*down)) / (2.0 * step))
    hats = FewUnits(units=units).averages(orders(*AT), 4.0, 0.65).hats
    np.testing.assert_allclose(hats, (-2.0 * slopes[0], slopes[1], slopes[2]), rtol=1e-5)


@pytest.mark.parametrize("units", [3, 5])
def test_error_by_enumeration(units: int) -> None:
    wrong = math.acos(0.4) / math.pi
    total = 0.0
    for teacher in itertools.product((-1, 1), repeat=units):
        for flips in itertools.product((-1, 1), repeat=units):
            lost = flips.count(-1)
            if sum(teacher) * sum(t * f for t, f in zip(teacher, flips, strict=True)) < 0:
                total += 0.5**units * wrong**lost * (1.0 - wrong) ** (units - lost)
    assert FewUnits(units=units).eps_g(0.3) == pytest.approx(total, rel=1e-12)


def test_finer_rules_agree() -> None:
    """Where the default rule of 96 points is good to 1e-9, 64 points miss by more than 120 do."""
    few = {points: FewUnits(units=3, points=points).averages(orders(*AT), 20.0, 1.0) for points in (64, 96, 120)}
    coarse, usual, fine = (np.array(few[points].hats) for points in (64, 96, 120))
    np.testing.assert_allclose(usual, fine, rtol=1e-9)
    assert np.abs(coarse / fine - 1.0).max() > 10.0 * np.abs(usual / fine - 1.0).max()
    assert FewUnits(units=3).averages(orders(*AT), 20.0, 1.0).hats == few[96].hats


def test_three_units_solve() -> None:
    (solution,) = solve_few_units(3, [0.2])
    many = solve(Task(alpha=0.2, channel=Tree()))
    one = solve(Task(alpha=0.2))
    assert solution.residual < 1e-10 and solution.quadrature_error < 1e-7
    assert many.r < solution.r < one.r and one.q < solution.q < many.q


def test_what_is_refused() -> None:
    few = Task(alpha=0.2, channel=FewUnits(units=3))
    for problem in (few, Chain((few, few), overlaps=0.0)):
        with pytest.raises(ValueError, match=r"^channel must be one whose branches are followed, got FewUnits\("):
            solve(problem)
    with pytest.raises(ValueError, match=r"^units must be one of 1, 3, 5, got 4"):
        FewUnits(units=4)
    with pytest.raises(ValueError, match=r"^points must be a whole number >= 16, got 3"):
        FewUnits(points=3)
    with pytest.raises(ValueError, match=r"^beta must be a whole number for a tree of few units, got 20.5"):
        FewUnits().averages(orders(*AT), 20.5, 1.0)
