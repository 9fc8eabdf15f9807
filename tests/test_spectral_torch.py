"""The regulariser on torch tensors: the values of the NumPy one, exact gradients, the methods that train with it."""

from __future__ import annotations

import math

import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from statmech_cl import spectral as arrays
from statmech_cl.simulations import spectral, spectral_cpu
from statmech_cl.simulations.deep.continual import run
from statmech_cl.simulations.deep.methods import TaskInfo
from statmech_cl.simulations.deep.networks import cnn, mlp
from statmech_cl.simulations.deep.registry import get_method


def weights(seed: int, *shape: int, dtype: torch.dtype = torch.float64, mean: float = 0.2) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) + mean


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 33))
def test_values_and_gradients(seed: int, n: int) -> None:
    w, w_prev = weights(seed, 1, n).requires_grad_(), weights(seed + 1, 1, n)

    def term(now: torch.Tensor) -> torch.Tensor:
        return spectral.regulariser({"w": now}, {"w": w_prev}, 1.0, 0.5)

    assert float(term(w).detach()) == pytest.approx(arrays.regulariser(w, w_prev, 1.0, 0.5), abs=1e-12)
    assert torch.autograd.gradcheck(term, (w,), atol=1e-5)


def naive(w: torch.Tensor, w_prev: torch.Tensor, lam: float, eta: float) -> torch.Tensor:
    """The definition, word for word: complex transforms, phases, autograd."""
    now, before = torch.fft.fft(w.flatten()), torch.fft.fft(w_prev.flatten())
    p = now.abs().square() / now.abs().square().sum()
    phi = (p * torch.exp(1j * torch.angle(now))).sum().abs()
    parts = torch.view_as_real(now - before)
    return lam * (1.0 - phi) + eta * parts.square().mean()


@pytest.mark.parametrize("shape", [(16, 1, 3, 3), (32, 16, 3, 3), (128, 1568), (7, 9), (8191, 1)])
def test_single_precision_training_term_against_the_definition(shape: tuple[int, ...]) -> None:
    w, w_prev = weights(1, *shape, dtype=torch.float32, mean=0.05), weights(2, *shape, dtype=torch.float32)
    w.requires_grad_()
    term = spectral.regulariser({"w": w}, {"w": w_prev}, 1.0, 3.0)
    (gradient,) = torch.autograd.grad(term, w)
    exact = w.detach().double().requires_grad_()
    expected = naive(exact, w_prev.double(), 1.0, 3.0)
    (expected_gradient,) = torch.autograd.grad(expected, exact)
    assert float(term.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert float(term.detach()) == pytest.approx(arrays.regulariser(w, w_prev), rel=1e-6)
    phi = float(spectral.coherence_and_gradient(w.reshape(1, -1))[0])
    assert phi == pytest.approx(arrays.coherence(w), abs=1e-6)
    assert float((gradient - expected_gradient).abs().max()) <= 1e-6 * float(expected_gradient.abs().max())


@pytest.mark.parametrize("n", [1, 2, 15, 16, 600, 255 * 145, 256 * 144])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_path_of_the_gpu_is_that_of_the_cpu(n: int, dtype: torch.dtype) -> None:
    w = weights(9, 2, n, dtype=dtype)
    w[1] *= 1e-20
    assert (spectral_cpu._divisor(n) > 1) == (n > 2**15)
    phi, gradient = spectral.coherence_and_gradient(w)
    other_phi, other_gradient = spectral._by_torch(w, True)
    exact = dtype == torch.float64
    assert torch.allclose(phi, other_phi, rtol=1e-10 if exact else 1e-5)
    assert phi.dtype == other_phi.dtype == gradient.dtype == other_gradient.dtype == dtype
    for row, other in zip(gradient, other_gradient, strict=True):
        assert float((row - other).abs().max()) <= (1e-10 if exact else 1e-5) * float(other.abs().max())
    assert torch.equal(spectral.coherence_and_gradient(w, with_gradient=False)[0], phi)


def test_nothing_finite_comes_of_nan() -> None:
    w = weights(14, 3, 8)
    w[1, 2] = torch.nan
    phi, gradient = spectral.coherence_and_gradient(w)
    assert phi.isnan().tolist() == [False, True, False]
    assert gradient.isnan().all(-1).tolist() == [False, True, False]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu() -> None:
    w, w_prev = weights(10, 30, 40, dtype=torch.float32), weights(11, 30, 40, dtype=torch.float32)
    values = []
    for device in ("cpu", "cuda"):
        here = w.to(device).requires_grad_()
        value = spectral.regulariser({"w": here}, {"w": w_prev.to(device)})
        values.append((value.detach().cpu(), torch.autograd.grad(value, here)[0].cpu()))
    assert torch.allclose(*(value for value, _ in values), rtol=1e-6)
    assert torch.allclose(*(gradient for _, gradient in values), rtol=1e-4, atol=1e-6)


def test_rows_are_independent() -> None:
    w = weights(3, 4, 2, 15)
    phi, gradient = spectral.coherence_and_gradient(w)
    assert phi.shape == (4, 2)
    expected = [arrays.coherence(row) for row in w.reshape(8, 15)]
    assert phi.flatten().tolist() == pytest.approx(expected, abs=1e-12)
    alone = spectral.coherence_and_gradient(w[1, :1])[1]
    assert torch.allclose(gradient[1, 0], alone[0])


def test_zeros_vanishing_frequencies_and_small_types() -> None:
    for dtype in (torch.float32, torch.float64):
        phi, gradient = spectral.coherence_and_gradient(torch.zeros(1, 6, dtype=dtype))
        assert float(phi) == 0.0
        assert not gradient.abs().any()
    # all frequencies of a constant but one are exactly 0
    gradient = spectral.coherence_and_gradient(torch.full((1, 8), 2.0))[1]
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().max()) < 1e-6  # the largest possible Phi
    w = weights(4, 1, 50, dtype=torch.float32)
    for scale in (1e-30, 1e30):
        phi, other = (float(spectral.coherence_and_gradient(one)[0]) for one in (w, scale * w))
        assert other == pytest.approx(phi, abs=1e-6)
    half = weights(5, 1, 50, dtype=torch.bfloat16)
    phi, gradient = spectral.coherence_and_gradient(half)
    assert gradient.dtype == torch.bfloat16
    assert float(phi) == pytest.approx(arrays.coherence(half), abs=1e-6)


def test_biases_are_left_out_as_of_arrays() -> None:
    now = {
        "a.weight": weights(0, 3, 4),
        "a.bias": weights(1, 3),
        "b.weight": weights(2, 2, 3),
        "steps": torch.tensor(7),
    }
    before = {name: 0.5 * w for name, w in now.items()}
    term = float(spectral.regulariser(now, before, 0.7, 2.0))
    assert term == pytest.approx(arrays.regulariser(now, before, 0.7, 2.0), rel=1e-12)
    del now["a.bias"], before["a.bias"]
    assert term == float(spectral.regulariser(now, before, 0.7, 2.0))


def test_strength_zero_costs_nothing_and_gives_nothing() -> None:
    w, w_prev = {"w": weights(6, 3, 4)}, {"w": weights(7, 3, 4)}
    assert float(spectral.regulariser(w, w_prev, 0.0, 0.0)) == 0.0
    only = float(spectral.regulariser(w, w_prev, 0.0, 2.0))
    assert only == pytest.approx(float((w["w"] - w_prev["w"]).square().sum()))


def test_the_order_of_the_entries_is_that_of_the_shape_not_of_the_memory() -> None:
    w, w_prev = weights(12, 2, 3, 4, 5), weights(13, 2, 3, 4, 5)
    moved = w.to(memory_format=torch.channels_last)
    assert not moved.is_contiguous()
    terms = []
    for one in (w, moved):
        one.requires_grad_()
        value = spectral.regulariser({"w": one}, {"w": w_prev})
        terms.append((float(value.detach()), torch.autograd.grad(value, one)[0]))
    assert terms[0][0] == pytest.approx(terms[1][0], rel=1e-12)
    assert torch.allclose(terms[0][1], terms[1][1])


@pytest.mark.parametrize(
    ("w", "w_prev", "message"),
    [
        ({}, {}, r"weights must hold a weight tensor of two or more dimensions, got names \[\]"),
        ({"a": torch.ones(2, 1)}, {}, "previous must hold the same tensors as weights, got no 'a'"),
        (
            {"a": torch.ones(0, 2)},
            {"a": torch.ones(0, 2)},
            r"weights\['a'\] must have at least one entry, got shape \(0, 2\)",
        ),
        (
            {"a": torch.ones(2, 3)},
            {"a": torch.ones(3)},
            r"previous\['a'\] must have shape \(2, 3\) as in weights, got \(3,\)",
        ),
    ],
)
def test_bad_tensors_are_refused_by_name(
    w: dict[str, torch.Tensor], w_prev: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spectral.regulariser(w, w_prev)


def test_methods_add_their_term_from_the_second_task_on() -> None:
    info = TaskInfo(index=0, n_tasks=2, n_patterns=10, n_steps=1)
    for name, options in (("rana", {"lam": 0.5, "eta": 2.0}), ("phi-only", {"lam": 0.5})):
        method = get_method(name)(cnn(), seed=0, options=options)
        method.begin_task(info)
        assert method.penalty() is None
        method.end_task([])
        with torch.no_grad():
            for p in method.model.parameters():
                p.mul_(1.1)
        now, before = dict(method.model.named_parameters()), method.previous
        expected = arrays.regulariser(now, before, 0.5, options.get("eta", 0.0))
        assert float(method.penalty().detach()) == pytest.approx(expected, rel=1e-5)


def test_without_coherence_the_regulariser_is_the_l2_anchor() -> None:
    without = run("rana", toy_scenario(), PROTOCOL, seed=0, options={"lam": 0.0, "eta": 3.0})
    anchor = run("l2", toy_scenario(), PROTOCOL, seed=0, options={"strength": 3.0})
    assert [row["accuracy"] for row in without.rows] == [row["accuracy"] for row in anchor.rows]


def test_coherence_alone_raises_coherence() -> None:
    info = [TaskInfo(index=i, n_tasks=2, n_patterns=8, n_steps=40) for i in (0, 1)]
    x, y = weights(8, 8, 6, dtype=torch.float32), torch.arange(8) % 3
    final = {}
    for lam in (0.0, 1.0):
        method = get_method("phi-only")(mlp((6, 40, 3)), seed=0, options={"lam": lam, "lr": 0.01})
        for task in info:
            method.begin_task(task)
            for _ in range(40):
                method.step(x, y, 0.0)
            method.end_task([])
        final[lam] = sum(arrays.coherence(w) for w in method.weight_tensors().values())
    assert final[1.0] > final[0.0] + 0.3
    assert math.isfinite(final[1.0])
