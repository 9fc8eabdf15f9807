"""The theory against samples of the Gibbs measure that it describes: no optimiser, no shared equations between them."""

import pytest
import torch

from statmech_cl import Chain, Perceptron, Task, solve
from statmech_cl.simulations.perceptron.extrapolation import extrapolate
from statmech_cl.simulations.perceptron.gibbs import sample
from statmech_cl.simulations.perceptron.gibbs_records import GibbsSettings

torch.set_num_threads(1)
FINITE_SIZE = 0.015  # corrections of order 1/N at N = 100 and 200


def test_one_task_where_the_ansatz_is_stable():
    task = Task(alpha=0.5, beta=20.0)
    settings = GibbsSettings(warmup=120, draws=50, leapfrogs=12)
    theory, sampled = solve(task), sample(task, n=100, seeds=24, settings=settings)
    for name in ("q", "r", "q_star", "p"):
        estimate = sampled.estimate(name)
        assert estimate.error < 0.02
        assert abs(estimate.mean - getattr(theory, name)) < 4.0 * estimate.error + FINITE_SIZE, name


@pytest.mark.slow
def test_forgetting_matrix_of_four_tasks_with_three_kinds_of_anchor():
    tasks = (
        Task(alpha=2.0),
        Task(alpha=1.0, anchor="kl"),
        Task(alpha=1.0, anchor="ewc"),
        Task(alpha=0.5, anchor="l2", gamma=0.3),
    )
    chain = Chain(tasks, overlaps=(0.3, 0.0, 0.5))
    settings = GibbsSettings(warmup=150, draws=60, leapfrogs=16, start="teacher")
    theory, sampled = solve(chain), sample(chain, n=200, seeds=24, settings=settings)
    for after in range(4):
        for on in range(after + 1):
            estimate = sampled.estimate("eps_g", after=after, on=on)
            assert estimate.error < 0.01
            assert abs(estimate.mean - theory.eps_g[after, on]) < 4.0 * estimate.error + FINITE_SIZE, (after, on)


@pytest.mark.slow
def test_a_noisy_teacher():
    """The limit of N = 100, 200, 400 lies within 4 standard errors of the theory, and far from a teacher without
    mistakes."""
    task = Task(alpha=0.5, channel=Perceptron(flips=0.1))
    settings = GibbsSettings(warmup=200, draws=100, leapfrogs=16)
    sizes, n_seeds = (100, 200, 400), (64, 48, 32)
    sampled = [
        sample(task, n=n, seeds=range(1000 * n, 1000 * n + count), settings=settings)
        for n, count in zip(sizes, n_seeds, strict=True)
    ]
    theory, plain = solve(task), solve(Task(alpha=0.5))
    for name in ("q", "r", "q_star", "p"):
        limit = extrapolate(sizes, [one.estimate(name) for one in sampled]).limit
        print(f"{name}: theory {getattr(theory, name):.5f} ({getattr(plain, name):.5f} without noise), sampled {limit}")
        assert abs(limit.z(getattr(theory, name))) < 4.0, name
        if name in ("r", "p"):
            assert abs(limit.z(getattr(plain, name))) > 4.0, name


@pytest.mark.slow
def test_the_second_task_has_a_noisy_teacher():
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0, channel=Perceptron(flips=0.2))), overlaps=0.5)
    settings = GibbsSettings(warmup=150, draws=60, leapfrogs=16, start="teacher")
    theory, sampled = solve(chain), sample(chain, n=200, seeds=24, settings=settings)
    for on in (0, 1):
        estimate = sampled.estimate("eps_g", on=on)
        print(f"eps_{on + 1}: theory {theory.eps_g[1, on]:.5f}, sampled {estimate}")
        assert abs(estimate.mean - theory.eps_g[1, on]) < 4.0 * estimate.error + FINITE_SIZE
