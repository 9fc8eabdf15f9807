"""Spectral coherence and Anastrophic Beta: their definitions, by other routes, and what they do to random weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statmech_cl import spectral
from statmech_cl.output import to_table


def weights(seed: int, *shape: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) + mean


def matrix(n: int) -> np.ndarray:
    """The Fourier transform of length n as a matrix."""
    return np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)


def coherence_by_definition(w: np.ndarray) -> float:
    transform = matrix(w.size) @ w.ravel()
    p = np.abs(transform) ** 2 / (np.abs(transform) ** 2).sum()
    return float(abs((p * np.exp(1j * np.angle(transform))).sum()))


relaxed = settings(deadline=None, derandomize=True)
sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32)


@relaxed
@given(seeds, sizes)
def test_coherence_is_its_definition(seed: int, n: int) -> None:
    w = weights(seed, n, mean=0.3)
    value = spectral.coherence(w)
    assert value == pytest.approx(coherence_by_definition(w), abs=1e-12)
    assert 0.0 <= value <= 1.0 + 1e-12


@relaxed
@given(seeds, sizes)
def test_beta_is_the_mean_square_of_the_transforms_parts(seed: int, n: int) -> None:
    w, w_prev = weights(seed, n), weights(seed + 1, n)
    gap = matrix(n) @ w - matrix(n) @ w_prev
    parts = np.concatenate([gap.real, gap.imag])
    assert spectral.anastrophic_beta(w, w_prev) == pytest.approx(float(np.mean(parts**2)), rel=1e-10)
    assert spectral.anastrophic_beta(w, w_prev) == pytest.approx(0.5 * float(((w - w_prev) ** 2).sum()), rel=1e-13)
    orthonormal = gap / math.sqrt(n)
    halved = np.mean(np.concatenate([orthonormal.real, orthonormal.imag]) ** 2)
    assert n * halved == pytest.approx(spectral.anastrophic_beta(w, w_prev), rel=1e-10)


@relaxed
@given(seeds, sizes, st.floats(-300.0, 300.0), st.sampled_from([-1.0, 1.0]))
def test_coherence_knows_no_scale(seed: int, n: int, exponent: float, sign: float) -> None:
    w = weights(seed, n)
    assert spectral.coherence(sign * 10.0**exponent * w) == pytest.approx(spectral.coherence(w), abs=1e-12)


def test_coherence_of_known_tensors() -> None:
    assert spectral.coherence(np.full((3, 4), -2.0)) == pytest.approx(1.0)
    assert spectral.coherence([1.0, 0.0, 0.0, 0.0, 0.0]) == pytest.approx(1.0)
    assert spectral.coherence([0.0, 1.0]) == 0.0  # transform (1, -1): equal power at opposite phases
    j = np.arange(12)
    for shift in (0.0, 0.7, 2.0):  # one frequency: the twin phases add to a cosine
        w = np.cos(2.0 * np.pi * 3 * j / 12 + shift)
        assert spectral.coherence(w) == pytest.approx(abs(math.cos(shift)), abs=1e-12)


def test_zero_weights_are_defined() -> None:
    zero = np.zeros((2, 3))
    assert spectral.coherence(zero) == 0.0
    assert spectral.regulariser(zero, zero) == 1.0
    rows = spectral.summary({"a": zero}, {"a": zero})
    assert rows[0]["coherence"] == 0.0 and math.isnan(rows[0]["relative_beta"])


def test_coherence_changes_when_hidden_units_change_places_and_the_network_does_not() -> None:
    first, second = weights(0, 6, 4), weights(1, 3, 6)
    x = weights(2, 4, 10)
    order = np.random.default_rng(3).permutation(6)
    other_first, other_second = first[order], second[:, order]
    output = second @ np.maximum(first @ x, 0.0)
    assert np.allclose(other_second @ np.maximum(other_first @ x, 0.0), output, atol=1e-12)
    for w, other in ((first, other_first), (second, other_second)):
        assert abs(spectral.coherence(w) - spectral.coherence(other)) > 1e-3


@pytest.mark.parametrize("n", [1, 2, 3, 10, 11, 64, 65])
def test_mean_square_coherence_of_normal_weights_is_exact(n: int) -> None:
    samples = np.array([spectral.coherence(w) ** 2 for w in weights(n, 4000, n)])
    error = samples.std(ddof=1) / math.sqrt(samples.size)
    gap = samples.mean() - spectral.random_coherence(n) ** 2
    assert abs(gap) <= 4.0 * error + 1e-12
    assert n == 1 or error < 0.05 * samples.mean()


@pytest.mark.parametrize("law", ["normal", "uniform", "signs"])
def test_fluctuations_of_coherence_fall_as_the_root_of_the_size(law: str) -> None:
    draw = {
        "normal": lambda rng, n: rng.standard_normal(n),
        "uniform": lambda rng, n: rng.uniform(-1.0, 1.0, n),
        "signs": lambda rng, n: rng.choice([-1.0, 1.0], n),
    }[law]
    rng = np.random.default_rng(5)
    lengths = np.array([64, 256, 1024, 4096])
    root_mean_square = [
        math.sqrt(np.mean([spectral.coherence(draw(rng, n)) ** 2 for _ in range(600)])) for n in lengths
    ]
    exponent, _ = np.polyfit(np.log(lengths), np.log(root_mean_square), 1)
    assert exponent == pytest.approx(-0.5, abs=0.05)  # standard error 0.018
    # 600 samples of a law with E Phi^4 = 3 (E Phi^2)^2: 2.9 % on the root mean square
    assert np.allclose(root_mean_square * np.sqrt(lengths / 2.0), 1.0, atol=0.13)


@pytest.mark.parametrize("mean", [0.5, -1.0])
def test_coherence_of_weights_with_a_mean(mean: float) -> None:
    # Phi -> mean^2 / mean square, with variance V / n from the sample mean, the sample mean square and the other
    # frequencies: V = 4 m^2 s^2 / b^2 - 8 m^4 s^2 / b^3 + m^4 (2 s^4 + 4 m^2 s^2) / b^4 + 2 s^4 / b^2, b = m^2 + s^2.
    n, m2, b = 2000, mean**2, mean**2 + 1.0
    samples = np.array([spectral.coherence(w) for w in weights(7, 800, n, mean=mean)])
    variance = 4 * m2 / b**2 - 8 * m2**2 / b**3 + m2**2 * (2 + 4 * m2) / b**4 + 2 / b**2
    deviation = math.sqrt(variance / n)
    assert samples.std(ddof=1) == pytest.approx(deviation, rel=0.1)  # 4 standard errors
    assert samples.mean() == pytest.approx(m2 / b, abs=4.0 * deviation / math.sqrt(800) + 2.0 / n)


def test_regulariser_sums_over_weight_tensors_and_leaves_biases_out() -> None:
    now = {"a.weight": weights(0, 3, 4), "a.bias": weights(1, 3), "b.weight": weights(2, 2, 3), "steps": np.array(7)}
    before = {name: 0.5 * w for name, w in now.items()}
    expected = sum(
        0.7 * (1.0 - coherence_by_definition(now[name])) + 2.0 * 0.5 * ((now[name] - before[name]) ** 2).sum()
        for name in ("a.weight", "b.weight")
    )
    assert spectral.regulariser(now, before, lam=0.7, eta=2.0) == pytest.approx(expected, rel=1e-12)
    reordered = dict(reversed(before.items()))
    assert spectral.regulariser(now, reordered, lam=0.7, eta=2.0) == pytest.approx(expected, rel=1e-12)
    alone = spectral.regulariser(now["a.bias"], before["a.bias"], lam=0.0, eta=1.0)
    assert alone == pytest.approx(spectral.anastrophic_beta(now["a.bias"], before["a.bias"]))


def test_summary_is_a_table_of_the_layers() -> None:
    now = {"a": weights(0, 3, 4), "bias": weights(1, 3), "b": weights(2, 2, 3)}
    before = {"b": now["b"] + 1.0, "a": now["a"], "bias": now["bias"]}
    rows = spectral.summary(now, before)
    assert [row["tensor"] for row in rows] == ["a", "b", "all"]
    assert [row["n"] for row in rows] == [12, 6, 18]
    assert [row["beta"] for row in rows] == pytest.approx([0.0, 3.0, 3.0])
    size = 0.5 * (before["b"] ** 2).sum()
    assert rows[1]["relative_beta"] == pytest.approx(3.0 / size)
    assert rows[2]["coherence"] == pytest.approx(np.mean([row["coherence"] for row in rows[:2]]))
    assert rows[0]["chance"] == spectral.random_coherence(12)
    assert "relative_beta" in to_table(rows) and "beta" not in spectral.summary(now)[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectral.coherence([]), r"^w must have at least one entry, got shape \(0,\)$"),
        (lambda: spectral.coherence([1.0, np.nan]), r"^w must be a tensor of finite real numbers, got nan among its 2"),
        (lambda: spectral.coherence("tensor"), r"^w must be a tensor of finite real numbers, got str$"),
        (lambda: spectral.coherence([1.0, 1.0j]), r"^w must be a tensor of finite real numbers, got complex ones$"),
        (lambda: spectral.coherence([[1.0], [1.0, 2.0]]), r"^w must be a tensor of finite real numbers, got list$"),
        (
            lambda: spectral.anastrophic_beta(np.ones(3), np.ones(4)),
            r"^w_prev must have shape \(3,\) as in w, got \(4,\)$",
        ),
        (
            lambda: spectral.regulariser([1.0], [1.0], lam=-1.0),
            r"^lam must be a finite number in \[0, inf\), got -1.0$",
        ),
        (
            lambda: spectral.coherence({"bias": [1.0]}),
            r"^w must hold a weight tensor of two or more dimensions, got names",
        ),
        (
            lambda: spectral.summary({"a": np.full((2, 2), np.inf)}),
            r"^state_dict\['a'\] must be a tensor of finite real numbers, got inf among its 4 entries$",
        ),
        (
            lambda: spectral.summary({"a": np.ones((2, 2))}, {"b": np.ones((2, 2))}),
            r"^state_dict_prev must hold the same weight tensors as state_dict, got no 'a'$",
        ),
        (
            lambda: spectral.summary({"a": np.ones((2, 2))}, {"a": np.ones((2, 2)), "b": np.ones((2, 2))}),
            r"^state_dict must hold the same weight tensors as state_dict_prev, got no 'b'$",
        ),
        (
            lambda: spectral.summary({"a": np.ones((2, 2))}, {"a": np.ones((2, 3))}),
            r"^state_dict_prev\['a'\] must have shape \(2, 2\) as in state_dict, got \(2, 3\)$",
        ),
        (lambda: spectral.random_coherence(0), r"^n must be a whole number >= 1, got 0$"),
    ],
)
def test_bad_tensors_are_refused_in_one_line_that_names_them(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
