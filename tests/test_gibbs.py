"""The sampler against direct integration at small N, its derivatives, its bookkeeping, and the extrapolation."""

import numpy as np
import pytest
import torch

from statmech_cl import Chain, Estimate, Task
from statmech_cl.simulations.perceptron import loss as perceptron
from statmech_cl.simulations.perceptron import teachers
from statmech_cl.simulations.perceptron.extrapolation import extrapolate
from statmech_cl.simulations.perceptron.gibbs import _PerceptronLoss, _Target, sample
from statmech_cl.simulations.perceptron.gibbs_records import OBSERVABLES, GibbsSettings
from statmech_cl.simulations.perceptron.loss import Anchor

N = 3


def grid_means(task: Task, seed: int, anchor_ref=None, index=0, chain=None) -> dict[str, float]:
    """r, p, q_star and q of one seed's measure at N = 3 by Gauss-Legendre quadrature over m in [-1, 1]^3."""
    chain = chain or Chain((task,))
    w = teachers.teachers(chain, N, seed)
    stream = teachers.generator(seed, index, "patterns")
    signed = teachers.signed_patterns(w[index], teachers.n_patterns(task.alpha, N), stream).double()
    nodes, weights = np.polynomial.legendre.leggauss(60)
    m = torch.from_numpy(np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), -1).reshape(-1, N))
    measure = torch.from_numpy(np.einsum("i,j,k->ijk", weights, weights, weights).reshape(-1))
    theta = torch.atanh(m).unsqueeze(0)  # (1, points, N): every point a replica
    energy = perceptron.energy(theta, signed.unsqueeze(0))
    ref = None if anchor_ref is None else anchor_ref.expand_as(theta)
    energy = energy + Anchor(task, ref).energy(theta)
    density = measure * torch.exp(-task.beta * (energy[0] - energy[0].min()))
    density /= density.sum()
    mean = density @ m
    teacher = w[index].double()
    return {
        "r": float(mean @ teacher / N),
        "p": float(density @ torch.sign(m) @ teacher / N),
        "q_star": float(density @ m.square().mean(1)),
        "q": float(mean @ mean / N),
    }


@pytest.mark.parametrize("prior", ["none", "kl"])
def test_one_task_against_direct_integration(prior):
    task = Task(alpha=1.0, beta=3.0, prior=prior)
    settings = GibbsSettings(warmup=200, draws=700, walkers=4, leapfrogs=6)
    sampled = sample(task, n=N, seeds=(0, 1), settings=settings)
    size = {name: values.min() for name, values in sampled.stages[0].ess().items()}
    for index, seed in enumerate((0, 1)):
        exact = grid_means(task, seed)
        for name in ("r", "p", "q_star"):
            series = sampled.stages[0].series()[name if name == "q_star" else f"{name}1"][index]
            error = series.std() / np.sqrt(size[name if name == "q_star" else f"{name}1"])
            assert abs(sampled.values(name)[index] - exact[name]) < 4.5 * error, name
        assert sampled.values("q")[index] == pytest.approx(exact["q"], abs=0.04)


def test_second_task_against_direct_integration_given_its_reference():
    chain = Chain((Task(alpha=1.0, beta=3.0), Task(alpha=1.0, beta=3.0, gamma=0.8)), overlaps=1 / 3)
    settings = GibbsSettings(warmup=200, draws=700, walkers=4, leapfrogs=6)
    sampled = sample(chain, n=N, seeds=(5,), settings=settings)
    reference = sampled.stages[0].theta[:1, :1]
    exact = grid_means(chain.tasks[1], 5, anchor_ref=reference, index=1, chain=chain)
    for name in ("r", "p", "q_star"):
        key = name if name == "q_star" else f"{name}2"
        error = sampled.stages[1].series()[key][0].std() / np.sqrt(sampled.stages[1].ess()[key][0])
        assert abs(sampled.values(name)[0] - exact[name]) < 4.5 * error, name
    assert sampled.values("q")[0] == pytest.approx(exact["q"], abs=0.04)


def test_without_patterns_the_measure_is_uniform():
    sampled = sample(Task(alpha=0.0), n=20, seeds=2, settings=GibbsSettings(warmup=100, draws=400, leapfrogs=8))
    assert sampled.values("q_star").mean() == pytest.approx(1 / 3, abs=0.01)
    assert abs(sampled.values("q")).max() < 0.02


@pytest.mark.parametrize("kind", ["kl", "ewc", "l2"])
def test_force_is_autograd_of_the_potential(kind):
    rng = torch.Generator().manual_seed(2)
    theta = torch.randn((2, 3, 8), generator=rng, dtype=torch.float64)
    signed = torch.randint(0, 2, (2, 6, 8), generator=rng).mul(2).sub(1).double()
    task = Task(alpha=0.75, beta=4.0, gamma=0.3, anchor=kind)
    target = _Target(task, _PerceptronLoss(signed), Anchor(task, theta.flip(-1)))
    theta.requires_grad_(True)
    value, force, _ = target(theta, 0.7)
    (expected,) = torch.autograd.grad(value.sum(), theta)
    torch.testing.assert_close(force.detach(), expected, rtol=1e-11, atol=1e-12)


def test_float32_rounds_the_potential_far_less_than_a_trajectory_changes_it():
    n, task = 500, Task(alpha=2.0, beta=20.0)
    stream = teachers.generator(0, 0, "patterns")
    w = teachers.teachers(Chain((task,)), n, 0)[0]
    signed = teachers.signed_patterns(w, 2 * n, stream).unsqueeze(0)
    rng = torch.Generator().manual_seed(0)
    theta = 2.0 * w.double() + 0.5 * torch.randn((1, 4, n), generator=rng, dtype=torch.float64)
    values = {}
    for dtype in (torch.float32, torch.float64):
        target = _Target(task, _PerceptronLoss(signed.to(dtype)), Anchor(task, None))
        values[dtype] = target(theta.float().to(dtype), 1.0)[0].double()
    assert (values[torch.float32] - values[torch.float64]).abs().max() < 0.01
    assert values[torch.float64].min() > 100  # a potential of that size rounds at this level


def test_seeds_do_not_see_each_other_and_same_seed_same_numbers():
    settings = GibbsSettings(warmup=20, draws=10, leapfrogs=4)
    kw = {"n": 30, "settings": settings, "dtype": torch.float64}
    both = sample(Task(alpha=0.5), seeds=(4, 9), **kw)
    alone = sample(Task(alpha=0.5), seeds=(9,), **kw)
    np.testing.assert_allclose(both.values("r")[1], alone.values("r")[0], rtol=1e-9)
    again = sample(Task(alpha=0.5), seeds=(9,), **kw)
    np.testing.assert_array_equal(alone.stages[0].q_star, again.stages[0].q_star)


def test_acceptance_is_what_was_asked_for_and_walkers_agree_at_small_alpha():
    settings = GibbsSettings(warmup=200, draws=200, leapfrogs=8)
    stage = sample(Task(alpha=0.2), n=60, seeds=2, settings=settings).stages[0]
    assert stage.acceptance.mean() == pytest.approx(0.8, abs=0.1)
    assert max(values.max() for values in stage.rhat().values()) < 1.05
    assert min(values.min() for values in stage.ess().values()) > 100


def test_extrapolation_recovers_a_line_and_its_error():
    rng = np.random.default_rng(0)
    sizes, sigma = (100, 200, 400, 800), np.array([0.02, 0.01, 0.01, 0.02])
    limits, errors = [], []
    for _ in range(400):
        y = 0.5 + 3.0 / np.array(sizes) + sigma * rng.normal(size=4)
        fit = extrapolate(sizes, [Estimate(v, s, 10) for v, s in zip(y, sigma, strict=True)])
        limits.append(fit.limit.mean)
        errors.append(fit.limit.error)
    assert np.std(limits) == pytest.approx(errors[0], rel=0.15)
    assert abs(np.mean(limits) - 0.5) < 4 * errors[0] / 20
    exact = extrapolate(sizes, [Estimate(0.5 + 3.0 / n, 0.01, 5) for n in sizes])
    assert exact.limit.mean == pytest.approx(0.5) and exact.slope.mean == pytest.approx(3.0)
    assert exact.chi2 == pytest.approx(0.0, abs=1e-12) and exact.dof == 2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="sizes must hold at least 2"):
        extrapolate((2, 2), [Estimate(0, 1, 2)] * 2)
    with pytest.raises(ValueError, match="at least 2 samples each"):
        extrapolate((1, 2, 3), [Estimate(0, 1.0, 1)] * 3)
    with pytest.raises(ValueError, match="positive errors"):
        extrapolate((1, 2, 3), [Estimate(0, 0.0, 2)] * 3)
    with pytest.raises(ValueError, match="q_star must be None"):
        sample(Task(alpha=1.0, q_star=0.5), n=10, seeds=2)
    with pytest.raises(ValueError, match="start must be one of prior, teacher"):
        GibbsSettings(start="reference")
    with pytest.raises(ValueError, match="walkers must be a whole number >= 2"):
        GibbsSettings(walkers=1)
    with pytest.raises(ValueError, match="name must be one of"):
        sample(Task(alpha=0.2), n=8, seeds=2, settings=GibbsSettings(warmup=10, draws=4)).values("loss")


def test_observables_are_all_reported():
    sampled = sample(Task(alpha=0.5), n=10, seeds=2, settings=GibbsSettings(warmup=10, draws=4, leapfrogs=2))
    for name in OBSERVABLES:
        assert np.isfinite(sampled.values(name)).all(), name


def test_starting_from_the_samples_of_the_first_task_equals_sampling_both():
    settings = GibbsSettings(warmup=10, draws=6, walkers=2, leapfrogs=3)
    kw = {"n": 20, "seeds": 2, "settings": settings}
    first = sample(Task(alpha=0.5), **kw)
    for r0 in (-0.5, 0.3):
        chain = Chain((Task(alpha=0.5), Task(alpha=0.8, gamma=0.5)), overlaps=r0)
        joined, whole = sample(chain, start=first, **kw), sample(chain, **kw)
        assert torch.equal(joined.stages[1].theta, whole.stages[1].theta)
        np.testing.assert_array_equal(joined.values("p", on=0), whole.values("p", on=0))
    with pytest.raises(ValueError, match="n, seeds, settings and dtype"):
        sample(chain, start=first, **{**kw, "n": 21})
    with pytest.raises(ValueError, match="first task alone"):
        sample(Chain((Task(alpha=0.6), Task(alpha=0.8))), start=first, **kw)
