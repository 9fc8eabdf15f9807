"""The published rivals: each update against its formula, written out anew and slowly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario

from statmech_cl.simulations.deep.continual import run
from statmech_cl.simulations.deep.methods import Method, TaskInfo
from statmech_cl.simulations.deep.methods_gaussian import MESU
from statmech_cl.simulations.deep.methods_online import OnlineEWC, SynapticIntelligence
from statmech_cl.simulations.deep.methods_sampled import BayesBiNN, BiMU, SampledMethod
from statmech_cl.simulations.deep.networks import mlp
from statmech_cl.simulations.deep.networks_sampled import activate, binary_draw, loss_gradient, propagate, relaxed_draws
from statmech_cl.simulations.deep.registry import get_method

P = 50
SHAPE = mlp((6, 5, 3))


def task(index: int = 0) -> TaskInfo:
    return TaskInfo(index=index, n_tasks=2, n_patterns=P, n_steps=10)


def batch(seed: int = 1, n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 6, generator=g), torch.randint(0, 3, (n,), generator=g)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_relaxed_draws_are_those_of_a_logistic_variable(temperature: float) -> None:
    h = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    draws = relaxed_draws(h, torch.tanh(h), temperature, 4, generator())
    u = torch.rand(4, 9, generator=generator(), dtype=torch.float64)
    expected = torch.tanh((h + 0.5 * (torch.log(u) - torch.log(1.0 - u))) / temperature)
    assert torch.allclose(draws, expected, atol=1e-6)


def test_draws_have_the_means_of_their_fields() -> None:
    h = torch.linspace(-2.0, 2.0, 5, dtype=torch.float64)
    many = h.repeat_interleave(40_000)
    hard = binary_draw(torch.tanh(many), generator()).view(5, -1)
    assert set(hard.unique().tolist()) == {-1.0, 1.0}
    soft = relaxed_draws(many, torch.tanh(many), 0.01, 1, generator())[0].view(5, -1)
    for draws in (hard, soft.sign()):
        error = torch.sqrt(1.0 - torch.tanh(h) ** 2) / math.sqrt(40_000)
        assert ((draws.mean(dim=1) - torch.tanh(h)).abs() < 4.0 * error).all()


def test_the_gradient_in_the_weights_is_that_of_finite_differences() -> None:
    x, y = batch()
    w = torch.randn(2, SHAPE.n_weights, generator=generator(), dtype=torch.float64)

    def loss(weights: torch.Tensor) -> float:
        logits = propagate(SHAPE, x.double(), weights, activation="relu")
        log_p = torch.log_softmax(logits, dim=-1)
        return -sum(float(log_p[s, i, y[i]]) for s in range(2) for i in range(len(y))) / 2.0

    value, gradient = loss_gradient(SHAPE, x.double(), y, w, None, activation="relu")
    assert value == pytest.approx(loss(w), rel=1e-12)
    for place in ((0, 3), (1, 20), (0, 40), (1, 44)):
        step = torch.zeros_like(w)
        step[place] = 1e-6
        slope = (loss(w + step) - loss(w - step)) / 2e-6
        assert float(gradient[place]) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_activations_and_what_they_pass_back() -> None:
    z = torch.tensor([-1.7, -1.4, -1.1, -0.6, -0.3, 0.3, 0.6, 1.1, 1.4, 1.7], requires_grad=True)
    gate = activate("gate", z)
    assert gate.tolist() == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    (by_z,) = torch.autograd.grad(gate.sum(), z)
    assert by_z.tolist() == [0, -1, -1, -1, 0, 0, 1, 1, 1, 0]
    (by_z,) = torch.autograd.grad(activate("sign", z).sum(), z)
    assert by_z.tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]


def test_every_layer_is_normalised_over_its_units() -> None:
    w = torch.randn(1, SHAPE.n_weights, generator=generator())
    logits = propagate(SHAPE, batch()[0], w, activation="gate")
    assert torch.allclose(logits.mean(dim=-1), torch.zeros(1, 8), atol=1e-5)
    scaled = propagate(SHAPE, batch()[0], 7.0 * w, activation="gate")
    assert torch.allclose(logits, scaled, atol=1e-3)


def learner(name: str, **options: Any) -> Method:
    method = get_method(name)(SHAPE, seed=0, options=options)
    method.begin_task(task())
    return method


def recorded(method: SampledMethod) -> dict[str, torch.Tensor]:
    """One step, with the fields before and what `update` was given."""
    seen = {"theta": method.theta.clone().double(), "mu": torch.tanh(method.theta.double())}
    update = method.update

    def spy(gradient: torch.Tensor, draws: torch.Tensor, progress: float) -> None:
        seen.update(gradient=gradient.clone().double(), w=draws.clone().double())
        update(gradient, draws, progress)

    method.update = spy  # type: ignore[method-assign]
    method.step(*batch(), progress=0.25)
    return seen


def test_bimu_steps_as_released() -> None:
    o = {"lr": 3.0, "lr_max": 0.05, "likelihood": 2.0, "kl": 1.5, "memory": 40.0, "samples": 3}
    method = learner("bimu", **o, activation="relu")
    assert isinstance(method, BiMU)
    method.theta.mul_(4.0)
    torch.tanh(method.theta, out=method.mu)
    seen = recorded(method)
    for i in range(SHAPE.n_weights):
        theta, mu = float(seen["theta"][i]), float(seen["mu"][i])
        g = 2.0 * sum(float(seen["gradient"][s, i]) * (1.0 - float(seen["w"][s, i]) ** 2) for s in range(3))
        cv = 1.5 * (1.0 - mu * mu)
        below = cv + 2.0 * g * mu + 2.0 * abs(g) + 1.0 / 0.05
        expected = theta - (3.0 * g + cv * theta / 40.0) / below
        assert float(method.theta[i]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert torch.allclose(method.mu, torch.tanh(method.theta))


def test_bimu_s_step_is_longer_towards_certainty_and_never_longer_than_its_limit() -> None:
    method = learner("bimu", lr=1.0, memory=1e12, kl=0.0)
    assert isinstance(method, BiMU)
    steps = []
    for g in (-0.3, 0.3):  # away from zero and towards it
        method.theta.fill_(1.0)
        torch.tanh(method.theta, out=method.mu)
        w = torch.zeros(5, SHAPE.n_weights)
        method.update(torch.full_like(w, g / 161.3 / 5.0), w, 0.0)
        steps.append(float((method.theta - 1.0).abs().max()))
    assert steps[0] > steps[1] > 0.0
    assert steps[0] <= 0.3 * method.options["lr_max"]


def test_bayesbinn_steps_as_published() -> None:
    method = learner("bayesbinn", lr=0.02, temperature=0.5, samples=2)
    assert isinstance(method, BayesBiNN)
    assert method.theta.abs().unique().tolist() == [10.0]
    assert 0.2 < float((method.theta > 0).double().mean()) < 0.8
    method.theta.mul_(0.05)
    torch.tanh(method.theta, out=method.mu)
    method.previous.fill_(0.3)
    seen = recorded(method)
    lr = 0.02 * 0.5 * (1.0 + math.cos(math.pi * 0.25))
    for i in range(SHAPE.n_weights):
        g = 0.0
        for s in range(2):
            scale = (1.0 - float(seen["w"][s, i]) ** 2) / (0.5 * (1.0 - float(seen["mu"][i]) ** 2))
            g += P / 8.0 * float(seen["gradient"][s, i]) * scale  # 8 images; the mean over draws is in the loss
        theta = float(seen["theta"][i])
        assert float(method.theta[i]) == pytest.approx(theta - lr * (g + theta - 0.3), rel=1e-3, abs=1e-5)
    method.begin_task(task(1))
    assert torch.equal(method.previous, method.theta)


def test_mesu_steps_as_released() -> None:
    method = learner("mesu", samples=4, lr_mean=0.7, lr_deviation=0.9, prior=0.4, memory=30.0, clamp=0.0)
    assert isinstance(method, MESU)
    m, s = method.mean.clone().double(), method.deviation.clone().double()
    e = torch.randn((4, len(m)), generator=torch.Generator().manual_seed(0)).double()
    state = method.generator.get_state()
    e = torch.randn((4, len(m)), generator=method.generator).double()
    method.generator.set_state(state)
    mean, deviation = m.clone().requires_grad_(), s.clone().requires_grad_()
    x, y = batch()
    logits = propagate(SHAPE, x.double(), mean + deviation * e, activation="relu", norm=False)
    loss = -torch.log_softmax(logits, dim=-1)[:, torch.arange(8), y].mean(dim=0).sum()
    by_mean, by_deviation = torch.autograd.grad(loss, (mean, deviation))
    method.step(x, y, progress=0.0)
    pull = 30.0 * 0.4**2
    assert torch.allclose(method.mean.double(), m + 0.7 * (-(s**2) * by_mean - s**2 * m / pull), rtol=1e-3, atol=1e-5)
    spread = -(s**2) * by_deviation + s * (0.4**2 - s**2) / pull
    assert torch.allclose(method.deviation.double(), s + 0.45 * spread, rtol=1e-3, atol=1e-5)


def test_mesu_without_data_forgets_to_its_prior_and_clamps_its_gradients() -> None:
    method = learner("mesu", prior=0.4, memory=5.0)
    assert isinstance(method, MESU)
    nothing = torch.zeros_like(method.mean)
    for _ in range(3000):
        method.update(nothing, nothing)
    assert float(method.mean.abs().max()) < 1e-3
    assert torch.allclose(method.deviation, torch.full_like(nothing, 0.4), atol=1e-3)
    clamped, before = learner("mesu", clamp=0.1, memory=1e12), None
    assert isinstance(clamped, MESU)
    before = clamped.mean.clone()
    clamped.update(nothing + 1e6, nothing)
    limit = clamped.options["lr_mean"] * 0.1 * clamped.deviation
    assert torch.allclose(before - clamped.mean, limit, rtol=1e-4)


def test_online_ewc_keeps_one_decaying_fisher_information() -> None:
    method = learner("online-ewc", fisher_patterns=16, decay=0.5)
    assert isinstance(method, OnlineEWC)
    first, second = ({"layers.0.weight": torch.full((5, 6), v)} for v in (4.0, 1.0))
    fishers = iter([first, second])
    method.fisher = lambda _batches: next(fishers)  # type: ignore[method-assign]
    method.remember([])
    method.remember([])
    assert torch.equal(method.memory["layers.0.weight"], torch.full((5, 6), 0.5 * 4.0 + 1.0))
    with pytest.raises(ValueError, match=r"option decay of online-ewc must be at most 1, got 1\.5"):
        run("online-ewc", toy_scenario(), PROTOCOL, seed=0, options={"decay": 1.5})


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_synaptic_intelligence_adds_up_along_the_path(optimiser: str) -> None:
    method = learner("si", strength=3.0, damping=0.2, optimiser=optimiser, lr=0.05)
    assert isinstance(method, SynapticIntelligence)
    for index in range(2):
        if index == 1:
            method.begin_task(task(1))
        memory = {k: v.clone() for k, v in method.memory.items()}
        start = {k: p.detach().clone() for k, p in method.model.named_parameters()}
        path = {k: torch.zeros_like(p) for k, p in start.items()}
        for step in range(3):
            x, y = batch(step)
            before = {k: p.detach().clone() for k, p in method.model.named_parameters()}
            loss = torch.nn.functional.cross_entropy(method.model(x), y)
            gradients = torch.autograd.grad(loss, list(method.model.parameters()))
            method.step(x, y, progress=0.0)
            for (k, p), g in zip(method.model.named_parameters(), gradients, strict=True):
                path[k] -= g * (p.detach() - before[k])
        method.end_task([])
        for k, p in method.model.named_parameters():
            omega = path[k].clamp(min=0.0) / ((p.detach() - start[k]) ** 2 + 0.2)
            expected = 2.0 * omega + (memory[k] if index else 0.0)
            assert torch.allclose(method.memory[k], expected, rtol=1e-4, atol=1e-7)
    assert any(float(m.max()) > 0.0 for m in method.memory.values())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bimu", {"samples": 0}, "option samples of bimu must be a whole number >= 1, got 0"),
        ("bimu", {"activation": "tanh"}, "option activation of bimu must be one of gate, sign, relu, got 'tanh'"),
        ("bayesbinn", {"temperature": 0.0}, r"option temperature of bayesbinn must be above 0, got 0\.0"),
        ("mesu", {"samples": 0}, "option samples of mesu must be a whole number >= 1, got 0"),
        ("si", {"damping": 0.0}, r"option damping of si must be above 0, got 0\.0"),
    ],
)
def test_bad_options_are_refused_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_method(name)(SHAPE, seed=0, options=options)
