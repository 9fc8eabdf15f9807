"""Methods: their updates against the formulas they state, and the interface a user's method has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from statmech_cl.simulations.deep import registry
from statmech_cl.simulations.deep.continual import run
from statmech_cl.simulations.deep.methods import TaskInfo, register, unregister
from statmech_cl.simulations.deep.methods_field import AdamField, FieldMethod
from statmech_cl.simulations.deep.methods_metaplastic import Metaplasticity
from statmech_cl.simulations.deep.methods_weights import WeightMethod
from statmech_cl.simulations.deep.networks import Annealing, WeightNetwork, mlp
from statmech_cl.simulations.deep.registry import get_method
from statmech_cl.simulations.field_space import kl_divergence

P = 50


def task(index: int = 0) -> TaskInfo:
    return TaskInfo(index=index, n_tasks=2, n_patterns=P, n_steps=10)


def batch(seed: int = 1, n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 6, generator=g), torch.randint(0, 3, (n,), generator=g)


def field_method(name: str, **options: Any) -> FieldMethod:
    method = get_method(name)(mlp((6, 5, 3)), seed=0, options={"init": 0.8, **options})
    assert isinstance(method, FieldMethod)
    return method


def in_second_task(method: FieldMethod) -> FieldMethod:
    """The method after two steps on a first task and the beginning of a second."""
    method.begin_task(task(0))
    for step in range(2):
        method.step(*batch(step), progress=0.1 * step)
    method.end_task([])
    method.begin_task(task(1))
    method.step(*batch(2), progress=0.0)
    return method


@pytest.mark.parametrize(
    ("name", "anchor"),
    [
        ("vcl", lambda h, prev: kl_divergence(h, prev).sum()),
        ("vcl-ewc", lambda h, prev: 0.5 * (torch.cosh(prev) ** -2 * (h - prev) ** 2).sum()),
        ("vcl-l2", lambda h, prev: 0.5 * ((h - prev) ** 2).sum()),
        ("vcl-none", lambda h, prev: 0.0 * h.sum()),
    ],
)
def test_the_gradient_is_that_of_the_evidence_bound(name: str, anchor: Any) -> None:
    gamma = {} if name == "vcl-none" else {"gamma": 3.0}
    method = in_second_task(field_method(name, **gamma))
    assert isinstance(method, AdamField)
    network = method.network
    network.refresh(method.temperature(0.3))
    noise = network.draw_noise(8)
    x, y = batch(3)
    network.loss_gradient(x, y, noise=noise)
    theta = network.theta.clone().double().requires_grad_()
    h = network.beta_f * theta
    mu = torch.tanh(h)
    logits = network.propagate(x.double(), mu, 1.0 - mu * mu, [n.double() for n in noise])
    bound = functional.cross_entropy(logits, y) + 3.0 / P * anchor(h, method.reference.double())
    (expected,) = torch.autograd.grad(bound, theta)
    method.optimiser.step = lambda: None  # type: ignore[method-assign]
    method.update(0.3)
    assert torch.allclose(network.theta.grad.double(), expected, rtol=1e-3, atol=1e-6)


def test_the_last_update_variant_knows_the_last_step_only() -> None:
    method = in_second_task(field_method("vcl-last-update", gamma=2.0))
    network = method.network
    before, last = network.theta.clone(), method.last.clone()
    network.refresh(method.temperature(0.3))
    network.loss_gradient(*batch(3))
    plain = network.beta_f * network.v * network.gradient
    method.optimiser.step = lambda: None
    method.update(0.3)
    extra = 2.0 * network.beta_f**2 * network.v * (before - last)
    assert torch.allclose(network.theta.grad, plain + extra, rtol=1e-4, atol=1e-7)
    assert torch.equal(method.last, before)
    assert not torch.equal(before, last)


def test_plain_gradient_and_natural_gradient_steps() -> None:
    for name, factor, more in (("vcl-sgd", 1, {}), ("natural-gradient", 0, {"momentum": 0.0})):
        method = in_second_task(field_method(name, lr=0.5, gamma=2.0, **more))
        network = method.network
        network.refresh(1.0)
        network.loss_gradient(*batch(3))
        before, gradient, v = network.theta.clone(), network.gradient.clone(), network.v.clone()
        method.update(0.0)
        direction = gradient + 2.0 / P * (before - method.reference)
        assert torch.allclose(network.theta, before - 0.5 * v**factor * direction, rtol=1e-5, atol=1e-7)


def test_bounded_memory_forgets_without_data() -> None:
    method = field_method("bounded-memory", lr=0.5, memory=10.0)
    network = method.network
    method.begin_task(task())
    for _ in range(2000):
        network.refresh(1.0)
        network.gradient.zero_()
        method.update(0.0)
    assert float(network.theta.abs().max()) < 1e-6
    unbounded = field_method("bounded-memory", lr=0.5, memory=0.0)
    before = unbounded.network.theta.clone()
    unbounded.network.gradient.zero_()
    unbounded.update(0.0)
    assert torch.equal(unbounded.network.theta, before)


@given(st.floats(-30.0, 30.0), st.floats(-30.0, 30.0))
def test_kl_is_that_of_two_binary_laws(h: float, prev: float) -> None:
    def law(x: float) -> tuple[float, float]:
        return 1.0 / (1.0 + math.exp(-2.0 * x)), 1.0 / (1.0 + math.exp(2.0 * x))

    expected = sum(p * (math.log(p) - math.log(r)) for p, r in zip(law(h), law(prev), strict=True))
    divergence = float(kl_divergence(torch.tensor(h, dtype=torch.float64), torch.tensor(prev, dtype=torch.float64)))
    assert divergence == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert divergence >= -1e-12


def test_reading_the_network_leaves_training_alone() -> None:
    runs = []
    for looks in (0, 3):
        method = field_method("vcl")
        method.begin_task(task())
        for step in range(4):
            method.step(*batch(step), progress=0.2 * step)
            for view in method.views * looks:
                method.prepare(view, 0)
                method.logits(batch()[0], view, 0)
        runs.append(method.network.theta.clone())
    assert torch.equal(*runs)


def test_fisher_information_is_the_mean_squared_score() -> None:
    # An untrained softmax layer: F_ij = E_y (p_j - [y = j])^2 x_i^2, here by summing over the drawn labels' law.
    method = get_method("ewc")(mlp((6, 3)), seed=0, options={"fisher_patterns": 4000})
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(3)).expand(4000, 6)
    fisher = method.fisher([(x, torch.zeros(4000))])["layers.0.weight"]
    p = torch.softmax(method.model(x[:1])[0], dim=0).detach()
    expected = (p * (1.0 - p))[:, None] * x[:1] ** 2
    assert torch.allclose(fisher, expected, rtol=0.1)


def test_ewc_penalty_acts_from_the_second_task_on() -> None:
    method = get_method("ewc")(mlp((6, 5, 3)), seed=0, options={"strength": 10.0, "fisher_patterns": 16})

    def penalty() -> float:
        return float(method.penalty().detach())

    method.begin_task(task(0))
    assert method.penalty() is None
    method.step(*batch(0), progress=0.0)
    method.end_task([batch(1)])
    method.begin_task(task(1))
    assert penalty() == 0.0
    method.step(*batch(2), progress=0.0)
    now = {name: p.detach() for name, p in method.model.named_parameters()}
    by_hand = sum((method.memory[name] * (w - method.previous[name]) ** 2).sum() for name, w in now.items())
    assert penalty() == pytest.approx(5.0 * float(by_hand), rel=1e-5)
    assert penalty() > 0.0
    first = {name: f.clone() for name, f in method.memory.items()}
    method.end_task([batch(3)])
    assert all((method.memory[name] >= first[name]).all() for name in first)
    assert any((method.memory[name] > first[name]).any() for name in first)


def test_ewc_under_sgd_steps_its_penalty_implicitly() -> None:
    lr, strength = 0.1, 1e6  # an explicit step would diverge
    options = {"optimiser": "sgd", "lr": lr, "strength": strength, "fisher_patterns": 16}
    method = get_method("ewc")(mlp((6, 5, 3)), seed=0, options=options)
    method.begin_task(task(0))
    method.step(*batch(0), progress=0.0)
    method.end_task([batch(1)])
    free = get_method("plain")(mlp((6, 5, 3)), seed=0, options={"optimiser": "sgd", "lr": lr})
    free.load_state({**method.state(), "memory": {}})
    for each in (method, free):
        each.begin_task(task(1))
        each.step(*batch(2), progress=0.0)
    moved = dict(free.model.named_parameters())
    for name, p in method.model.named_parameters():
        # The minimum over W of (W - moved)^2 / (2 lr) + (strength/2) F (W - previous)^2.
        stiffness = lr * strength * method.memory[name]
        expected = (moved[name] + stiffness * method.previous[name]) / (1.0 + stiffness)
        assert torch.allclose(p, expected, atol=1e-6)


def test_l2_penalty_is_half_the_strength_times_the_squared_distance_of_the_weights() -> None:
    method = get_method("l2")(mlp((6, 5, 3)), seed=0, options={"strength": 3.0})
    method.begin_task(task(0))
    method.end_task([])
    with torch.no_grad():
        for p in method.model.parameters():
            p.add_(0.1)
    assert float(method.penalty().detach()) == pytest.approx(1.5 * 0.01 * (6 * 5 + 5 * 3), rel=1e-4)


def test_metaplastic_weights_resist_shrinking_only() -> None:
    steps = {}
    for meta in (0.0, 1.35):
        method = get_method("metaplasticity")(mlp((6, 5, 3)), seed=0, options={"meta": meta, "init": 2.0})
        assert isinstance(method, Metaplasticity)
        method.begin_task(task())
        before = [h.detach().clone() for h in method.hidden]
        method.step(*batch(), progress=0.0)
        steps[meta] = [(h.detach() - old, old) for h, old in zip(method.hidden, before, strict=True)]
    for (free, old), (held, _) in zip(steps[0.0], steps[1.35], strict=True):
        shrinking = free * old < 0.0
        assert shrinking.any()
        expected = torch.where(shrinking, free * (1.0 - torch.tanh(1.35 * old.abs()) ** 2), free)
        assert torch.allclose(held, expected, atol=1e-6)


def test_metaplastic_norms_are_per_task_or_shared() -> None:
    for norm, count in (("per-task", 2), ("shared", 1)):
        method = get_method("metaplasticity")(mlp((6, 5, 3)), seed=0, options={"norm": norm})
        method.begin_task(task(0))
        method.begin_task(task(1))
        assert len(method.norms) == count
        assert method.told_task(method.options) == (norm == "per-task")


def test_a_metaplastic_answer_to_one_image_does_not_depend_on_the_others() -> None:
    method = get_method("metaplasticity")(mlp((6, 5, 3)), seed=0)
    for index in range(2):
        method.begin_task(task(index))
        for step in range(60):
            method.step(*batch(step, n=16), progress=0.0)
    assert isinstance(method, Metaplasticity)
    x = batch(99, n=200)[0]
    before = [p.clone() for norm in method.norms[0] for p in (norm.mean, norm.variance)]
    whole = method.logits(x, "sign", 0)
    one_by_one = torch.cat([method.logits(image[None], "sign", 0) for image in x])
    assert torch.allclose(whole, one_by_one, atol=1e-5)
    after = [p for norm in method.norms[0] for p in (norm.mean, norm.variance)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    # running statistics are those of the training batches: the first layer's inputs have mean 0 and variance 1
    first = method.norms[1][0]
    a = torch.cat([batch(step, n=16)[0] for step in range(60)]) @ torch.sign(method.hidden[0].detach()) / math.sqrt(6)
    assert torch.allclose(first.variance, a.var(dim=0), rtol=0.5)


def test_annealing_by_steps_knows_no_horizon() -> None:
    steps = Annealing("steps", maximum=10.0, offset=0.1, rate=2.0, steps=500)
    run_ = Annealing("run", maximum=10.0, offset=0.1, rate=2.0)
    for n_tasks in (5, 7):  # 100 steps each: the same up to step 500 if the run is of five tasks
        assert steps(2, n_tasks, 0.5, 250) == 10.0 * math.tanh(0.1 + 2.0 * 0.5)
    assert run_(2, 5, 0.5, 250) == steps(2, 99, 0.5, 250)
    assert run_(2, 7, 0.5, 250) < steps(2, 7, 0.5, 250)
    assert get_method("vcl").knows_horizon(get_method("vcl").defaults)
    assert not get_method("vcl-steps").knows_horizon(get_method("vcl-steps").defaults)
    results = [
        run("vcl-steps", toy_scenario(n), PROTOCOL, seed=0, options={"anneal_steps": 30}).matrix("sign") for n in (2, 3)
    ]
    assert np.array_equal(results[0], results[1][:2, :2])  # what comes later does not show before


@pytest.mark.parametrize("name", sorted(registry.methods()))
def test_every_method_learns_and_goes_on_from_its_state(name: str) -> None:
    # fields that begin at +-10 need thousands of steps
    options = {"lr": 0.05, "init": 0.3, "temperature": 1.0} if name == "bayesbinn" else {}
    result = run(name, toy_scenario(), PROTOCOL, seed=0, options=options)
    assert result.metrics(get_method(name).views[0])["learned"] > 0.5
    architecture = mlp((6, 5, 3))
    first = get_method(name)(architecture, seed=0)
    first.begin_task(task(0))
    first.step(*batch(0), progress=0.0)
    first.end_task([batch(1)])
    first.begin_task(task(1))
    first.step(*batch(2), progress=0.1)
    second = get_method(name)(architecture, seed=5)
    second.begin_task(task(1))
    second.load_state(first.state())
    first.step(*batch(3), progress=0.2)
    second.step(*batch(3), progress=0.2)
    for (key, mine), (other, theirs) in zip(
        first.weight_tensors().items(), second.weight_tensors().items(), strict=True
    ):
        assert key == other
        assert torch.equal(mine, theirs)


def test_a_method_in_twenty_lines() -> None:
    @register
    class Frozen(WeightMethod):
        name = "frozen"
        summary = "pulls every weight back to the last task's"
        defaults = {**WeightMethod.defaults, "strength": 1e4}  # noqa: RUF012  (as a user would write it)

        def penalty(self) -> torch.Tensor | None:
            if not self.previous:
                return None
            moved = [(w - self.previous[name]).square().sum() for name, w in self.weights().items()]
            return self.options["strength"] * torch.stack(moved).sum()

    held = run("frozen", toy_scenario(), PROTOCOL, seed=0).matrix("weights")
    unregister("frozen")
    free = run("plain", toy_scenario(), PROTOCOL, seed=0).matrix("weights")
    assert held[0, 0] == free[0, 0]
    assert held[1, 1] < free[1, 1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vlc", {}, "method must be one of .* \\(did you mean 'vcl'"),
        ("vcl", {"gama": 1.0}, "option of vcl must be one of .* \\(did you mean 'gamma'"),
        ("vcl", {"gamma": -1.0}, "option gamma of vcl must be a finite number"),
        ("vcl", {"anneal": 3.0}, "option anneal of vcl must be a text, got 3.0"),
        ("vcl", {"anneal": "often"}, "anneal must be one of run, task, steps, none, got 'often'"),
        ("ewc", {"fisher_patterns": 1.5}, "option fisher_patterns of ewc must be a whole number, got 1.5"),
        ("vcl", {"anneal_steps": 10}, "anneal_steps must be 0 unless anneal is steps, got 10"),
        ("vcl", {"anneal": "steps"}, "anneal_steps must be a whole number >= 1, got 0"),
        ("plain", {"optimiser": "lbfgs"}, "option optimiser of plain must be adam or sgd, got 'lbfgs'"),
        ("metaplasticity", {"norm": "none"}, "option norm of metaplasticity must be shared or per-task, got 'none'"),
    ],
)
def test_bad_options_are_refused_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_method(name)(mlp((6, 5, 3)), seed=0, options=options)


def test_full_precision_initial_weights_follow_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        return WeightNetwork(mlp((6, 5, 3)), torch.Generator().manual_seed(seed)).layers[0].weight

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))
