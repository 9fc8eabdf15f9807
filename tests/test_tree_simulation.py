"""Trees at finite size: the gradient against autograd, the linear tree against the perceptron."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from statmech_cl import Chain, Task, Tree, cli
from statmech_cl.descent_settings import DescentSettings
from statmech_cl.simulations.perceptron import descent, teachers
from statmech_cl.simulations.perceptron import loss as perceptron
from statmech_cl.simulations.tree.descent import TreeDisorder, descend, descend_many
from statmech_cl.simulations.tree.loss import drawn_loss
from statmech_cl.simulations.tree.shape import Shape, shape_of


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
        signed = (x * shape.labels(w[0], x)[0][:, None])[None].to(torch.float64)
        assert torch.allclose(perceptron.energy(theta[:1], signed), energy[:1], rtol=1e-12)


def test_hidden_signs_are_summed_over_exactly() -> None:
    """Three units with shared inputs, against the polynomial of the majority; and the gradient against autograd."""
    shape = Shape(inputs=9, units=3, channel=Tree(), overlapping=True, counted=True)
    rng = torch.Generator().manual_seed(3)
    w = teachers.draw_signs((2, shape.n), rng)
    loss = drawn_loss(shape, w, 0, (0, 1), 7, torch.float64)
    theta = torch.randn((2, 2, shape.n), generator=rng, dtype=torch.float64).requires_grad_()
    energy, gradient = loss.energy_and_gradient(theta)
    m = torch.tanh(theta).view(2, 2, 3, 9)
    x = torch.stack([teachers.draw_signs((7, 9), teachers.generator(seed, 0, "patterns")) for seed in (0, 1)])
    fields = torch.einsum("srui,spi->srpu", m, x.double()) / (1.0 - m * m).sum(-1).sqrt().unsqueeze(2)
    a, b, c = torch.special.ndtr(loss.y[:, 0, :, :, None] * fields).unbind(-1)
    wanted = -torch.log(a * b + b * c + a * c - 2.0 * a * b * c).sum(-1)
    assert energy is not None and torch.allclose(energy, wanted, rtol=1e-12)
    (slope,) = torch.autograd.grad(wanted.sum(), theta)
    assert (gradient - slope).abs().max() < 1e-12


SHORT = DescentSettings(epochs=5, records=2, replicas=2, test_patterns=100)
TWO = Chain((Task(alpha=1.0), Task(alpha=0.5, gamma=0.3)), overlaps=0.4)


def test_gradient_of_a_mini_batch_is_that_of_autograd() -> None:
    """Rows of two problems whose teachers give the same patterns other labels, in pieces smaller than the block."""
    shape = Shape(inputs=5, units=3, channel=Tree(hidden_layers=1, flips=0.2))
    chains = [Chain((Task(alpha=1.0), Task(alpha=2.0)), overlaps=r0) for r0 in (-0.5, 0.5)]
    chains = [Chain(tuple(Task(alpha=t.alpha, channel=shape.channel) for t in c.tasks), overlaps=c.overlaps)
              for c in chains]  # fmt: skip
    patterns = TreeDisorder(shape, chains, shape.n, (0, 1), SHORT, torch.device("cpu")).task(1, torch.float64)
    patterns.size = 4  # type: ignore[attr-defined]
    theta = torch.randn((2, 4, shape.n), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    theta.requires_grad_()
    whole = patterns.energy(theta)
    assert whole.shape == (2, 4) and (whole[:, 0] != whole[:, 2]).all()
    (wanted,) = torch.autograd.grad(whole.sum(), theta)
    with torch.no_grad():
        found = sum(patterns.gradient(theta, block) for block in (slice(0, 13), slice(13, 30)))
    assert patterns.count == 30 and (found - wanted).abs().max() < 1e-12


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_descent_of_a_linear_tree_is_that_of_a_perceptron(optimizer: str) -> None:
    shape = Shape(inputs=7, units=5, channel=Tree(hidden_layers=1, activation="linear"))
    settings = DescentSettings(epochs=5, records=2, replicas=2, optimizer=optimizer, test_patterns=300)
    kw = {"seeds": 2, "settings": settings, "dtype": torch.float64}
    tree, plain = descend(TWO, shape=shape, **kw), descent.descend(TWO, n=35, **kw)
    for one, other in zip(tree.stages, plain.stages, strict=True):
        assert torch.allclose(one.theta, other.theta, rtol=1e-9, atol=1e-10)
        for name in ("r", "p", "eps_g", "eps_test", "loss", "q"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


def test_trees_descended_together_are_those_descended_alone() -> None:
    shape = shape_of(Tree(hidden_layers=2, activation="erf"), 54, 3)
    chains = [Chain(TWO.tasks, overlaps=r0) for r0 in (-0.5, 0.5)]
    kw = {"shape": shape, "settings": SHORT, "dtype": torch.float64}
    together = descend_many(chains, seeds=(3, 8), **kw)
    for chain, result in zip(chains, together, strict=True):
        alone = descend(chain, seeds=(8,), start=descend(TWO.tasks[0], seeds=(8,), **kw), **kw)
        assert torch.allclose(alone.stages[1].theta[0], result.stages[1].theta[1], rtol=1e-9, atol=1e-10)
        np.testing.assert_array_equal(alone.stages[1].eps_test[:, 0], result.stages[1].eps_test[:, 1])


def test_error_on_fresh_patterns_is_the_composed_one() -> None:
    """Students that differ from their teacher on a fifth of each unit's sites: p = 0.6."""
    shape = shape_of(Tree(), 41 * 40, 41)
    chain = Chain((Task(alpha=1.0, channel=shape.channel),))
    disorder = TreeDisorder(shape, [chain], shape.n, (0, 1), DescentSettings(), torch.device("cpu"))
    w = disorder.teachers[0, 0].double().view(2, 1, 41, 40).clone()
    w[..., :8] *= -1.0
    eps_g = disorder.eps_g(torch.tensor([0.6])).item()
    assert eps_g == pytest.approx(np.arccos(2.0 / np.pi * np.arcsin(0.6)) / np.pi, abs=1e-6)
    # 2 x 1500 patterns: binomial error 0.009; the law holds to O(1/K) and O(1/n)
    assert disorder.test_errors(w.flatten(2), 1500).mean().item() == pytest.approx(eps_g, abs=0.035)


def test_shapes_that_do_not_fit_are_refused() -> None:
    assert (shape_of(Tree(), 500).layers, shape_of(Tree(hidden_layers=3), 500).inputs) == ((25,), 4)
    with pytest.raises(ValueError, match=r"n must be a multiple of units\^hidden_layers = 49, such as 539, got 500"):
        shape_of(Tree(hidden_layers=2), 500, 7)
    with pytest.raises(ValueError, match="for an odd number of units of 3 or more, got 64"):
        shape_of(Tree(), 64)
    with pytest.raises(ValueError, match="channel must be that of the shape"):
        descend(Task(alpha=1.0, channel=Tree(hidden_layers=2)), shape=shape_of(Tree(), 45), seeds=1)


@pytest.fixture
def run(capsys):
    def called(*words: str) -> tuple[int, str]:
        code = cli.main([*words, "--n", "45", "--seeds", "2", "--quiet"])
        told = capsys.readouterr()
        return code, told.out + told.err

    return called


def test_simulate_takes_trees(run) -> None:
    tree = ("simulate", "--hidden-layers", "1", "--activation", "erf", "--epochs", "3", "--json")
    code, told = run(*tree, "--alpha", "0.4", "--units", "5")
    row = json.loads(told)
    assert code == 0 and (row["units"], row["hidden_layers"], row["activation"]) == (5, 1, "erf")
    shape = shape_of(Tree(activation="erf"), 45, 5)
    wanted = descend(Task(alpha=0.4), shape=shape, seeds=2, settings=DescentSettings(replicas=2, epochs=3))
    assert row["eps_g_seeds"] == pytest.approx(wanted.values("eps_g").tolist(), abs=1e-6)
    code, told = run(*tree, "--alpha", "0.4", "--alpha", "0.2", "--anchor", "ewc")
    assert code == 0 and "eps_g_after_2_on_1" in json.loads(told)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--units", "5"), "units must come with hidden_layers of 1 or more, got 5"),
        (
            ("--hidden-layers", "1", "--units", "7"),
            "n must be a multiple of units^hidden_layers = 7, such as 49, got 45",
        ),
    ],
)
def test_units_that_do_not_fit_are_refused(run, words: tuple[str, ...], said: str) -> None:
    code, told = run("simulate", "--alpha", "0.4", *words)
    assert code == 2 and said in told and "Traceback" not in told


def test_compare_takes_trees(run, tmp_path) -> None:
    words = ("--hidden-layers", "1", "--with", "gibbs", "--warmup", "10", "--draws", "4", "--out", str(tmp_path))
    code, told = run("compare", "--alpha", "0.1", *words)
    assert code == 1 and "the sampler is not in equilibrium" in told
    assert (tmp_path / "compare.png").stat().st_size > 0
