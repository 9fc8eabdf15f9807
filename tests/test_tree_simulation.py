"""Trees at finite size: the gradient against autograd, the linear tree against the perceptron."""

from __future__ import annotations

import pytest
import torch

from statmech_cl import Tree
from statmech_cl.simulations.perceptron import loss as perceptron
from statmech_cl.simulations.perceptron import teachers
from statmech_cl.simulations.tree.loss import Shape, drawn_loss


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("activation", ["sign", "erf", "relu", "linear"])
def test_gradient_is_that_of_autograd(layers: int, activation: str) -> None:
    shape = Shape(inputs=5, units=3, channel=Tree(hidden_layers=layers, activation=activation))
    rng = torch.Generator().manual_seed(1)
    w = teachers.draw_signs((2, shape.n), rng)
    loss = drawn_loss(shape, w, 0, (0, 1), 11, torch.float64)
    theta = torch.randn((2, 3, shape.n), generator=rng, dtype=torch.float64).requires_grad_()
    energy, gradient = loss.energy_and_gradient(theta)
    assert energy is not None
    (wanted,) = torch.autograd.grad(energy.sum(), theta)
    assert (gradient - wanted).abs().max() < 1e-12
    if activation == "linear":
        x = teachers.draw_signs((11, shape.n), teachers.generator(0, 0, "patterns"))
        signed = (x * shape.labels(w[0], x)[:, None])[None].to(torch.float64)
        assert torch.allclose(perceptron.energy(theta[:1], signed), energy[:1], rtol=1e-12)
