"""Networks in field space: moments, gradients, the Gaussian field approximation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from statmech_cl.simulations.deep.networks import Annealing, FieldNetwork, WeightNetwork, cnn, mlp
from statmech_cl.simulations.field_space import moments_into


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int, n_inputs: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(seed)
    x = torch.randn(n, n_inputs, generator=g, dtype=torch.float64)
    return x, torch.randint(0, 3, (n,), generator=g)


@given(st.lists(st.floats(-42.0, 42.0, width=32), min_size=1, max_size=8))
def test_moments_keep_their_relative_accuracy(fields: list[float]) -> None:
    h = torch.tensor(fields, dtype=torch.float32)
    mu, v = torch.empty_like(h), torch.empty_like(h)
    moments_into(h, mu, v)
    exact = h.double()
    assert torch.allclose(mu.double(), torch.tanh(exact), rtol=0.0, atol=1.2e-7)
    assert torch.allclose(v.double(), torch.cosh(exact) ** -2, rtol=5e-6, atol=0.0)


def test_certain_weights_keep_a_variance_where_one_minus_the_square_is_zero() -> None:
    h = torch.tensor([10.0])
    mu, v = torch.empty(1), torch.empty(1)
    moments_into(h, mu, v)
    assert float(1.0 - torch.tanh(h) ** 2) == 0.0
    assert float(v) == pytest.approx(4.0 * math.exp(-20.0), rel=1e-5)


def small(dtype: torch.dtype = torch.float64) -> FieldNetwork:
    network = FieldNetwork(mlp((6, 5, 4, 3)), generator(), init=0.7, dtype=dtype)
    network.refresh(1.3)
    return network


@pytest.mark.parametrize("masked", [False, True])
def test_explicit_gradient_is_autograd_s(masked: bool) -> None:
    network = small()
    x, y = batch(7, 6)
    mask = torch.tensor([0.0, 0.0, -torch.inf], dtype=torch.float64) if masked else None
    y = y.clamp(max=1) if masked else y
    noise = network.draw_noise(7)
    explicit_loss = network._explicit(x, y, mask, noise)
    explicit = network.gradient.clone()
    loss = network._autograd(x, y, mask, noise)
    assert explicit_loss == pytest.approx(loss, rel=1e-12)
    assert torch.allclose(explicit, network.gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("architecture", [mlp((6, 5, 4, 3)), None])
def test_gradient_in_the_fields_is_that_of_finite_differences(architecture: object) -> None:
    convolutional = architecture is None
    network = FieldNetwork(cnn(3, hidden=4), generator(), init=0.7, dtype=torch.float64) if convolutional else small()
    x, y = batch(3, network.architecture.n_inputs)
    noise = network.draw_noise(3)

    def loss() -> float:
        network.refresh(1.3)
        return float(functional.cross_entropy(network.propagate(x, network.mu, network.v, noise), y))

    network.refresh(1.3)
    network.loss_gradient(x, y, noise=noise)
    by_theta = (1.3 * network.v * network.gradient).clone()
    picked = np.random.default_rng(0).choice(network.architecture.n_weights, 25, replace=False)
    step = 1e-6
    for index in picked:
        theta = float(network.theta[index])
        sides = []
        for sign in (1.0, -1.0):
            network.theta[index] = theta + sign * step
            sides.append(loss())
        network.theta[index] = theta
        assert (sides[0] - sides[1]) / (2.0 * step) == pytest.approx(float(by_theta[index]), rel=1e-5, abs=1e-9)


def test_single_precision_follows_double_precision() -> None:
    double, single = small(), small(torch.float32)
    single.theta.copy_(double.theta)
    single.refresh(1.3)
    x, y = batch(7, 6)
    noise = double.draw_noise(7)
    loss = double.loss_gradient(x, y, noise=noise)
    assert single.loss_gradient(x.float(), y, noise=[n.float() for n in noise]) == pytest.approx(loss, rel=1e-5)
    assert torch.allclose(single.gradient.double(), double.gradient, rtol=1e-4, atol=1e-6)


def test_dead_inputs_and_decided_weights_have_finite_gradients() -> None:
    network = FieldNetwork(mlp((6, 5, 3)), generator(), init=200.0)
    network.refresh(10.0)
    network.loss_gradient(torch.zeros(4, 6), torch.tensor([0, 1, 2, 0]))
    assert torch.isfinite(network.gradient).all()


def test_sampled_weights_have_the_moments_of_the_gaussian_field() -> None:
    # One layer: over draws of the weights the logits have mean mu a / sqrt n and variance v a^2 / n, exactly.
    network = FieldNetwork(mlp((40, 3)), generator(), init=0.8, dtype=torch.float64)
    x = torch.randn(1, 40, generator=generator(2), dtype=torch.float64)
    g = generator(3)
    draws = torch.stack([network.propagate(x, network.draw_weights(g))[0] for _ in range(4000)])
    mean = network.propagate(x, network.mu)[0]
    variance = ((x * x) @ network.v.view(40, 3))[0] / 40
    assert ((draws.mean(0) - mean).abs() < 4.0 * (variance / 4000).sqrt()).all()
    # The fourth cumulant of a sum of 40 signs is negative: the Gaussian error of the variance is an upper bound.
    assert ((draws.var(0) - variance).abs() < 4.0 * variance * math.sqrt(2.0 / 4000)).all()
    assert set(network.draw_weights(g).unique().tolist()) == {-1.0, 1.0}


def test_signs_are_the_limit_of_large_fields() -> None:
    network = small()
    x, _ = batch(5, 6)
    network.refresh(1e6)
    assert torch.allclose(network.propagate(x, network.mu), network.propagate(x, network.signs()), atol=1e-12)
    assert network.saturated() == 1.0


def test_architectures() -> None:
    assert mlp().name == "784-512-512-10"
    assert mlp().n_weights == 784 * 512 + 512 * 512 + 512 * 10
    network = cnn()
    assert (network.n_inputs, network.n_outputs, network.dense) == (784, 10, False)
    assert [tuple(view.shape) for view in network.views(torch.zeros(network.n_weights))] == [
        (16, 1, 3, 3),
        (32, 16, 3, 3),
        (1568, 128),
        (128, 10),
    ]
    full = WeightNetwork(network, generator())
    assert full(torch.zeros(2, 784)).shape == (2, 10)
    assert full.weight_names == ("layers.0.weight", "layers.1.weight", "layers.2.weight", "layers.3.weight")
    for widths in ((784,), (784, 0, 10), (784, 2.5, 10)):
        with pytest.raises(ValueError, match="widths must"):
            mlp(widths)


def test_annealing() -> None:
    run = Annealing("run", 10.0, 0.1, 2.0)
    assert run(0, 5, 0.0, 7) == pytest.approx(10.0 * math.tanh(0.1))
    assert run(4, 5, 1.0, 7) == pytest.approx(10.0 * math.tanh(2.1))
    assert run(1, 5, 0.0, 7) == run(0, 5, 1.0, 7)
    task = Annealing("task", 10.0, 0.1, 2.0)
    assert task(3, 5, 0.0, 7) == run(0, 5, 0.0, 7)
    assert Annealing("none")(2, 5, 0.7, 7) == 1.0
    steps = Annealing("steps", 10.0, 0.1, 2.0, 100)
    assert steps(1, 5, 0.3, 50) == pytest.approx(10.0 * math.tanh(1.1)) == steps(4, 9, 0.9, 50)
    with pytest.raises(ValueError, match="did you mean 'task'"):
        Annealing("tasks")
    with pytest.raises(ValueError, match="beta_max must"):
        Annealing("run", 0.0)
