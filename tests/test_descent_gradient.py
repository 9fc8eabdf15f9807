"""The perceptron's loss and its exact gradient against autograd, finite differences and high precision."""

import mpmath
import pytest
import torch

from statmech_cl import Task
from statmech_cl.simulations import field_space
from statmech_cl.simulations.perceptron import loss as perceptron
from statmech_cl.simulations.perceptron.loss import Anchor


def problem(dtype, *, n=12, n_patterns=9, seeds=3, replicas=2, scale=1.0):
    rng = torch.Generator().manual_seed(5)
    theta = scale * torch.randn(seeds, replicas, n, generator=rng, dtype=torch.float64)
    signed = torch.randint(0, 2, (seeds, n_patterns, n), generator=rng).mul(2).sub(1)
    return theta.to(dtype), signed.to(dtype)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 3.0])
def test_gradient_is_autograd_of_the_energy(scale):
    theta, signed = problem(torch.float64, scale=scale)
    theta.requires_grad_(True)
    (reference,) = torch.autograd.grad(perceptron.energy(theta, signed).sum(), theta)
    with torch.no_grad():
        value, exact = perceptron.energy_and_gradient(theta, signed)
        torch.testing.assert_close(exact, reference, rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(value, perceptron.energy(theta, signed), rtol=1e-14, atol=0)


def test_gradient_is_the_finite_difference_of_the_energy():
    theta, signed = problem(torch.float64)
    exact = perceptron.gradient(theta, signed)
    step = 1e-5
    for i in range(theta.shape[-1]):
        shift = torch.zeros_like(theta)
        shift[..., i] = step
        rise = perceptron.energy(theta + shift, signed) - perceptron.energy(theta - shift, signed)
        torch.testing.assert_close(exact[..., i], rise / (2 * step), rtol=1e-7, atol=1e-8)


def test_one_replica_equals_the_first_of_two():
    theta, signed = problem(torch.float64)
    alone = perceptron.gradient(theta[:, :1].contiguous(), signed)
    torch.testing.assert_close(alone, perceptron.gradient(theta, signed)[:, :1], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
@pytest.mark.parametrize("t", [-60.0, -12.0, -3.0, 0.0, 0.5, 5.0, 14.0, 39.0, 200.0])
def test_tails_of_h_against_high_precision(t, dtype, tolerance):
    with mpmath.workdps(60):
        h = mpmath.erfc(mpmath.mpf(t) / mpmath.sqrt(2)) / 2
        log_h = float(mpmath.log(h))
        hazard = float(mpmath.exp(-(mpmath.mpf(t) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi) / h)
    x = torch.tensor(t, dtype=dtype)
    smallest = torch.finfo(dtype).tiny
    # exp(-t^2/2) carries the rounding of t^2/2: its relative error grows with it on the far left
    allowance = tolerance * max(1.0, t * t / 2 if t < 0 else 1.0)
    assert float(perceptron.log_h(x)) == pytest.approx(log_h, rel=allowance, abs=smallest)
    assert float(perceptron.hazard(x)) == pytest.approx(hazard, rel=allowance, abs=smallest)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_stays_finite_for_saturated_weights(dtype):
    theta, signed = problem(dtype, scale=12.0)
    grad = perceptron.gradient(theta, signed)
    assert torch.isfinite(grad).all()
    assert torch.isfinite(perceptron.energy(theta, signed)).all()


def test_variance_does_not_vanish_in_float32():
    assert float(field_space.variance(torch.tensor(20.0))) == pytest.approx(4 * 4.248354255e-18, rel=1e-5)


@pytest.mark.parametrize("memory", [1.0, 0.6])
@pytest.mark.parametrize("kind", ["kl", "ewc", "l2", "none"])
def test_anchor_gradient_is_autograd_of_its_energy(kind, memory):
    theta, _ = problem(torch.float64)
    reference = problem(torch.float64, scale=0.7)[0].flip(-1)
    anchor = Anchor(Task(alpha=1.0, gamma=0.3, anchor=kind, memory=memory), reference)
    if kind == "none":
        assert anchor.energy(theta) == 0.0
        assert anchor.gradient(theta) == 0.0
        return
    theta.requires_grad_(True)
    value = anchor.energy(theta)
    assert (value > 0).all()
    (expected,) = torch.autograd.grad(value.sum(), theta)
    torch.testing.assert_close(anchor.gradient(theta.detach()), expected, rtol=1e-12, atol=1e-14)


def test_kl_anchor_is_the_divergence_of_the_weight_laws():
    theta, _ = problem(torch.float64)
    reference = problem(torch.float64, scale=0.7)[0].flip(-1)
    up, ref_up = torch.sigmoid(2 * theta), torch.sigmoid(2 * reference)
    direct = (up * torch.log(up / ref_up) + (1 - up) * torch.log((1 - up) / (1 - ref_up))).sum(-1)
    anchor = Anchor(Task(alpha=1.0, gamma=0.25, anchor="kl"), reference)
    torch.testing.assert_close(anchor.energy(theta), 0.25 * direct, rtol=1e-12, atol=1e-13)


def test_ewc_is_the_second_order_of_kl():
    reference, _ = problem(torch.float64)
    gap = 1e-4
    kl = Anchor(Task(alpha=1.0, anchor="kl"), reference).energy(reference + gap)
    ewc = Anchor(Task(alpha=1.0, anchor="ewc"), reference).energy(reference + gap)
    torch.testing.assert_close(kl, ewc, rtol=1e-3, atol=0)


def test_kl_prior_of_a_first_task_is_the_divergence_from_uniform_weights():
    theta, _ = problem(torch.float64)
    up = torch.sigmoid(2 * theta)
    direct = (up * torch.log(2 * up) + (1 - up) * torch.log(2 * (1 - up))).sum(-1)
    torch.testing.assert_close(Anchor(Task(alpha=1.0, prior="kl"), None).energy(theta), direct, rtol=1e-12, atol=1e-13)
    assert Anchor(Task(alpha=1.0), None).energy(theta) == 0.0


def test_overlaps_by_hand():
    teachers = torch.tensor([[[1, 1, -1, -1]], [[1, -1, 1, -1]]], dtype=torch.int8)
    m = torch.tensor([[[0.5, 0.5, -0.5, 0.1], [0.2, 0.0, 0.0, 0.0]]], dtype=torch.float64)
    out = perceptron.overlaps(torch.atanh(m), teachers)
    torch.testing.assert_close(out["r"][0], torch.tensor([[0.35, -0.15], [0.05, 0.05]], dtype=torch.float64))
    torch.testing.assert_close(out["p"][0], torch.tensor([[0.5, -0.5], [0.25, 0.25]], dtype=torch.float64))
    torch.testing.assert_close(out["q_star"][0], torch.tensor([0.19, 0.01], dtype=torch.float64))
    torch.testing.assert_close(out["q"], torch.tensor([0.025], dtype=torch.float64))
