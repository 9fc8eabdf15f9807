"""Descent: batched equals single, determinism, chains, divergence, observables against each other."""

import math

import numpy as np
import pytest
import torch

from statmech_cl import Chain, Task
from statmech_cl.simulations.perceptron.descent import (
    DescentSettings,
    anneal,
    check_device,
    descend,
    descend_many,
)
from statmech_cl.simulations.perceptron.loss import Anchor, energy
from statmech_cl.simulations.perceptron.records import convergence_epochs, record_epochs
from statmech_cl.simulations.perceptron.training import Signed, hold_q_star, train

SHORT = DescentSettings(epochs=6, records=3, test_patterns=200)


def test_batched_equals_single_seeds():
    problem = Chain((Task(alpha=0.8), Task(alpha=0.5, gamma=0.5)), overlaps=0.2)
    kw = {"n": 60, "settings": SHORT, "dtype": torch.float64}
    together = descend(problem, seeds=(3, 11, 4), **kw)
    for index, seed in enumerate((3, 11, 4)):
        alone = descend(problem, seeds=(seed,), **kw)
        for one, all_ in zip(alone.stages, together.stages, strict=True):
            torch.testing.assert_close(one.theta[0], all_.theta[index], rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(one.r[..., 0], all_.r[..., index], atol=1e-10)
            np.testing.assert_array_equal(one.eps_test[:, 0], all_.eps_test[:, index])


def test_same_command_same_numbers():
    first, second = (descend(Task(alpha=1.0), n=50, seeds=2, settings=SHORT) for _ in range(2))
    assert torch.equal(first.stages[0].theta, second.stages[0].theta)


@pytest.mark.parametrize("prior", ["none", "kl"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_full_batch_descent_follows_the_textbook_optimizer_of_torch(optimizer, prior):
    settings = DescentSettings(
        optimizer=optimizer, batch=None, epochs=7, learning_rate=0.03, weight_decay=0.1, momentum=0.8, warmup=0
    )
    rng = torch.Generator().manual_seed(1)
    theta = torch.randn((1, 1, 20), generator=rng, dtype=torch.float64)
    signed = torch.randint(0, 2, (1, 15, 20), generator=rng).mul(2).sub(1).to(torch.int8)
    twin = theta.clone().requires_grad_(True)
    anchor = Anchor(Task(alpha=0.75, prior=prior), None)
    train(theta, Signed(signed), anchor, settings, torch.Generator(), q_star=None, on_epoch=lambda epoch: None)
    if optimizer == "sgd":
        reference = torch.optim.SGD([twin], lr=0.03, momentum=0.8)
    else:
        reference = torch.optim.Adam([twin], lr=0.03, betas=(0.8, 0.999))
    for _ in range(7):
        reference.zero_grad()
        penalty = anchor.energy(twin) if prior == "kl" else 0.05 * twin.square().sum(-1)
        (energy(twin, signed.double()) + penalty).sum().backward()
        reference.step()
    torch.testing.assert_close(theta, twin.detach(), rtol=1e-9, atol=1e-10)


def test_mini_batches_add_up_to_one_gradient_step_for_a_small_rate():
    """Without momentum an epoch moves theta by eta dE/dtheta + O(eta^2), whatever the batch."""
    kw = {"momentum": 0.0, "learning_rate": 1e-6, "epochs": 1, "weight_decay": 0.5, "warmup": 0, "test_patterns": 0}

    def end(alpha, prior="none", **change):
        task = Task(alpha=alpha, prior=prior)
        return descend(task, n=40, seeds=2, dtype=torch.float64, settings=DescentSettings(**{**kw, **change}))

    start = end(0.0, weight_decay=0.0).stages[0].theta
    for prior in ("none", "kl"):
        moves = [end(1.0, prior, batch=batch).stages[0].theta - start for batch in (None, 7)]
        torch.testing.assert_close(moves[0], moves[1], rtol=1e-4, atol=1e-11)
        assert moves[0].abs().max() > 1e-7


def test_decay_acts_on_what_nothing_else_holds():
    """A chain of free tasks moves with the decay; where a prior or an anchor stands it changes nothing."""

    def end(decay, **held):
        chain = Chain((Task(alpha=1.0, prior="kl"), Task(alpha=0.5, **held)))
        settings = DescentSettings(epochs=2, weight_decay=decay, test_patterns=0)
        return descend_many([chain], n=20, seeds=1, settings=settings)[0].stages[1].theta

    for held in ({"gamma": 0.1}, {"gamma": 0.1, "anchor": "l2"}):
        assert torch.equal(end(0.0, **held), end(0.5, **held))
    for free in ({"gamma": 0.0}, {"anchor": "none"}):
        assert end(0.5, **free).square().sum() < end(0.0, **free).square().sum() - 1e-3


def test_a_task_is_learned():
    result = descend(Task(alpha=2.0), n=200, seeds=3)
    assert result.values("eps_g").max() < 0.05
    assert result.values("loss").max() < 0.15
    history = result.stages[0]
    assert history.epochs[0] == 0 and history.epochs[-1] == 200
    assert history.eps_g[0].mean() == pytest.approx(0.5, abs=0.1)


def test_error_on_fresh_patterns_is_the_arccos_law():
    settings = DescentSettings(epochs=60, test_patterns=4000, records=1)
    result = descend(Task(alpha=0.8), n=301, seeds=4, settings=settings)
    # 4000 patterns: binomial error 0.007 a seed; the law itself holds to O(1/N)
    np.testing.assert_allclose(result.values("eps_test"), result.values("eps_g"), atol=0.03)


def test_chain_forgets_without_an_anchor_and_remembers_with_a_strong_one():
    settings = DescentSettings(epochs=60, records=1, test_patterns=0)
    kw = {"n": 200, "seeds": 3, "settings": settings}
    first = descend(Task(alpha=2.0), **kw)
    ends = {}
    for gamma in (0.0, 5.0):
        chain = Chain((Task(alpha=2.0), Task(alpha=2.0, gamma=gamma)), overlaps=0.0)
        ends[gamma] = descend(chain, start=first, **kw).estimate("eps_g", on=0).mean
    assert ends[0.0] > 0.35
    assert ends[5.0] < 0.2


def test_starting_from_the_first_task_equals_training_both():
    settings = DescentSettings(epochs=5, records=1)
    kw = {"n": 64, "seeds": 2, "settings": settings}
    chain = Chain((Task(alpha=1.0), Task(alpha=1.5, anchor="ewc")), overlaps=-0.5)
    joined = descend(chain, start=descend(Task(alpha=1.0), **kw), **kw)
    assert torch.equal(joined.stages[1].theta, descend(chain, **kw).stages[1].theta)


@pytest.mark.parametrize(
    ("change", "names"),
    [({"seeds": 3}, "n, seeds and settings"), ({"n": 65}, "n, seeds and settings")],
)
def test_a_start_that_does_not_fit_is_refused(change, names):
    kw = {"n": 64, "seeds": 2, "settings": DescentSettings(epochs=1)}
    first = descend(Task(alpha=1.0), **kw)
    chain = Chain((Task(alpha=1.0), Task(alpha=1.5)))
    with pytest.raises(ValueError, match=names):
        descend(chain, start=first, **{**kw, **change})
    with pytest.raises(ValueError, match="first task alone"):
        descend(Chain((Task(alpha=1.1), Task(alpha=1.5))), start=first, **kw)


def test_a_diverging_seed_is_named_and_leaves_the_others_alone(monkeypatch):
    from statmech_cl.simulations.perceptron import descent

    clean = descend(Task(alpha=1.0), n=50, seeds=3, settings=SHORT)
    drawn = descent.first_fields

    def poisoned(seed, n, settings):
        theta = drawn(seed, n, settings)
        if seed == 1:
            theta[0, 0] = 400.0
            theta[0, 1:] = 360.0  # every weight saturated: the variance underflows and the gradient is nan
        return theta

    monkeypatch.setattr(descent, "first_fields", poisoned)
    spoiled = descend(Task(alpha=1.0), n=50, seeds=3, settings=SHORT)
    (report,) = spoiled.diverged
    assert report.seed == 1
    assert "seed 1" in str(report) and "alpha=1" in str(report) and "epochs=6" in str(report)
    for name in ("r", "p", "eps_g", "q_star", "loss", "eps_test"):
        values = spoiled.values(name)
        assert math.isnan(values[1]), name
        np.testing.assert_allclose(np.delete(values, 1), np.delete(clean.values(name), 1), rtol=1e-5)
    assert spoiled.estimate("p").n == 2


def test_replicas_share_patterns_but_not_starts():
    settings = DescentSettings(epochs=60, records=1, replicas=2, test_patterns=0)
    result = descend(Task(alpha=1.0), n=200, seeds=3, settings=settings)
    q, q_star, r = (result.values(name) for name in ("q", "q_star", "r"))
    assert (q < q_star - 0.02).all()
    assert (q > r**2 - 0.05).all()


def test_q_star_is_held():
    theta = torch.randn((3, 1, 300), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for target in (0.05, 0.5, 0.95, 0.999):
        hold_q_star(theta, target)
        assert theta.tanh().square().mean(-1).sub(target).abs().max() < 1e-5
    result = descend(Task(alpha=1.0, q_star=0.6), n=100, seeds=2, settings=SHORT)
    np.testing.assert_allclose(result.stages[0].q_star, 0.6, atol=1e-5)


def test_annealing_ramps_q_star_up():
    levels = (0.3, 0.6, 0.9)
    annealed = anneal(2.0, levels, n=100, seeds=2, settings=DescentSettings(epochs=20, records=1))
    assert annealed["eps_g"].shape == (3, 2)
    np.testing.assert_allclose(annealed["q_star"], np.array(levels)[:, None] * np.ones(2), atol=1e-5)
    assert annealed["eps_g"][-1].mean() < annealed["eps_g"][0].mean()
    with pytest.raises(ValueError, match="q_stars"):
        anneal(2.0, (0.5, 1.2), n=100, seeds=2)


def test_without_patterns_only_the_decay_acts():
    result = descend(Task(alpha=0.0), n=50, seeds=2, settings=DescentSettings(epochs=3, weight_decay=0.0))
    assert result.stages[0].q_star[0] == pytest.approx(result.stages[0].q_star[-1])
    assert (result.values("loss") == 0).all()


def test_convergence_epochs_by_hand():
    epochs = np.array([0, 10, 20, 30, 40])
    loss = np.array([[4.0, 4.0], [2.0, 3.0], [1.0, 2.0], [0.5, 1.05], [0.5, 1.0]])
    np.testing.assert_array_equal(convergence_epochs(epochs, loss, tolerance=0.1), [30, 30])
    np.testing.assert_array_equal(convergence_epochs(epochs, loss, tolerance=0.01), [30, 40])


def test_recorded_epochs():
    assert record_epochs(100, 4) == {0, 25, 50, 75, 100}
    assert record_epochs(100, 1) == {0, 100}
    assert record_epochs(3, 50) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        ({"optimizer": "sdg"}, "optimizer must be one of sgd, adam, got 'sdg' .did you mean 'sgd'"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"batch": 0}, "batch"),
        ({"warmup": -1}, "warmup"),
        ({"epochs": 0}, "epochs"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"replicas": 3}, "replicas"),
        ({"teacher_signs": "some"}, "teacher_signs"),
    ],
)
def test_bad_settings_name_the_argument(bad, names):
    with pytest.raises(ValueError, match=names):
        DescentSettings(**bad)


def test_bad_arguments_name_themselves():
    with pytest.raises(ValueError, match="n must be a whole number >= 2, got 1"):
        descend(Task(alpha=1.0), n=1, seeds=2)
    with pytest.raises(ValueError, match="seeds"):
        descend(Task(alpha=1.0), n=10, seeds=(1, 1))
    with pytest.raises(ValueError, match="seeds"):
        descend(Task(alpha=1.0), n=10, seeds=0)
    with pytest.raises(ValueError, match="device must be cpu or cuda, got 'gpu'"):
        check_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            check_device("cuda")


def _several():
    """Two-task problems that differ in all that problems of one size may differ in."""
    first = {"none": Task(alpha=0.8), "kl": Task(alpha=0.8, prior="kl"), "held": Task(alpha=0.8, q_star=0.5)}
    return [
        Chain((first["none"], Task(alpha=0.5, gamma=0.5)), overlaps=0.2),
        Chain((first["kl"], Task(alpha=0.5, gamma=1.0, anchor="ewc")), overlaps=-0.6),
        Chain((first["none"], Task(alpha=0.5, gamma=0.3, anchor="l2", memory=0.5)), overlaps=0.2),
        Chain((first["held"], Task(alpha=0.5, gamma=0.0, anchor="none", q_star=0.7)), overlaps=0.0),
    ]


@pytest.mark.parametrize("replicas", [1, 2])
def test_problems_together_equal_each_alone(replicas):
    settings = DescentSettings(epochs=4, records=2, test_patterns=100, replicas=replicas, batch=9)
    kw = {"n": 30, "seeds": (3, 11), "settings": settings, "dtype": torch.float64}
    problems = _several()
    for problem, together in zip(problems, descend_many(problems, **kw), strict=True):
        alone = descend(problem, **kw)
        assert together.chain == alone.chain
        for one, all_ in zip(alone.stages, together.stages, strict=True):
            torch.testing.assert_close(one.theta, all_.theta, rtol=1e-9, atol=1e-10)
            for name in ("r", "p", "eps_g", "q_star", "loss", "q", "eps_test"):
                np.testing.assert_allclose(getattr(one, name), getattr(all_, name), atol=1e-9, err_msg=name)


def test_problems_together_share_the_first_task():
    settings = DescentSettings(epochs=3, records=1, test_patterns=0)
    kw = {"n": 40, "seeds": 2, "settings": settings, "dtype": torch.float64}
    first = descend(Task(alpha=1.0), **kw)
    problems = [Chain((Task(alpha=1.0), Task(alpha=1.5, gamma=g)), overlaps=r0) for g in (0.1, 1.0) for r0 in (-0.5, 0)]
    whole = descend_many(problems, **kw)
    for joined, alone in zip(descend_many(problems, start=first, **kw), whole, strict=True):
        torch.testing.assert_close(joined.stages[1].theta, alone.stages[1].theta, rtol=1e-9, atol=1e-10)
    with pytest.raises(ValueError, match="first task alone"):
        descend_many([problems[0], Chain((Task(alpha=1.0, prior="kl"), Task(alpha=1.5)))], start=first, **kw)


def test_a_diverging_problem_leaves_the_others_alone():
    """A strong anchor makes the step of its problem unstable; the problems beside it do not notice."""
    wild = Chain((Task(alpha=0.5), Task(alpha=0.5, gamma=1e30, anchor="l2")), overlaps=0.3)
    tame = Chain((Task(alpha=0.5), Task(alpha=0.5, gamma=0.5)), overlaps=0.3)
    kw = {"n": 30, "seeds": 2, "settings": SHORT}
    spoiled = descend_many([tame, wild, tame], **kw)
    alone = descend(tame, **kw)
    assert {(left.seed, left.task) for left in spoiled[1].diverged} == {(0, 1), (1, 1)}
    assert "gamma=1e+30" in str(spoiled[1].diverged[0])
    assert np.isnan(spoiled[1].values("eps_g")).all() and np.isfinite(spoiled[1].values("eps_g", after=0)).all()
    for result in (spoiled[0], spoiled[2]):
        assert not result.diverged
        for name in ("r", "p", "eps_g", "q_star", "loss", "eps_test"):
            np.testing.assert_allclose(result.values(name), alone.values(name), rtol=1e-3, atol=1e-4, err_msg=name)


def test_problems_of_different_sizes_are_refused():
    kw = {"n": 30, "seeds": 2, "settings": SHORT}
    with pytest.raises(ValueError, match=r"problems must have the same alphas, task by task, got \(1.0,\), \(1.5,\)"):
        descend_many([Task(alpha=1.0), Task(alpha=1.5)], **kw)
    with pytest.raises(ValueError, match="problems must have the same alphas, task by task, got none"):
        descend_many([], **kw)


def test_the_rate_warms_up():
    """Without momentum and mini-batches the first step of a task is `warmup` times shorter."""
    kw = {"n": 40, "seeds": 1, "dtype": torch.float64}
    settings = {"momentum": 0.0, "epochs": 1, "batch": None, "test_patterns": 0}

    def end(**change):
        return descend(Task(alpha=1.0), settings=DescentSettings(**settings, **change), **kw).stages[0].theta

    start = descend(Task(alpha=0.0), settings=DescentSettings(**settings, weight_decay=0.0), **kw).stages[0].theta
    torch.testing.assert_close(10.0 * (end() - start), end(warmup=0) - start, rtol=1e-9, atol=1e-12)
