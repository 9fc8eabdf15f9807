"""The dynamical theory against descent of finite perceptrons: every recorded epoch, and the responses themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from statmech_cl import Task
from statmech_cl.dynamics import DescentSettings, learn
from statmech_cl.problem import Chain


def _descend(
    n: int,
    alpha: float,
    settings: DescentSettings,
    rng: np.random.Generator,
    push_g: dict[int, np.ndarray] | None = None,
    push_h: dict[int, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Descent of one perceptron, teacher 1, in plain numpy: m (epochs + 1, n) and phi (epochs, P).

    push_g, push_h : what is added to g of every weight, or h of every pattern, at some steps.
    """
    patterns = rng.choice([-1.0, 1.0], size=(round(alpha * n), n))
    patterns *= np.where(patterns.sum(1) < 0.0, -1.0, 1.0)[:, None]
    theta = settings.start_spread * rng.standard_normal(n)
    velocity, ms, phis = np.zeros(n), [], []
    for t in range(settings.epochs + 1):
        m = np.tanh(theta)
        ms.append(m)
        if t == settings.epochs:
            break
        var, root = 1.0 - m * m, np.sqrt(np.mean(1.0 - m * m))
        h = patterns @ m / np.sqrt(n) + (push_h or {}).get(t, 0.0)
        phi = -np.sqrt(2.0 / np.pi) / special.erfcx(-h / root / np.sqrt(2.0)) / root
        phis.append(phi)
        g = phi @ patterns / np.sqrt(n) + (push_g or {}).get(t, 0.0)
        kappa = -(phi @ h) / n / root**2
        velocity = settings.momentum * velocity + var * (g - kappa * m) + settings.weight_decay * theta
        rate = settings.learning_rate * (min(1.0, (t + 1) / settings.warmup) if settings.warmup else 1.0)
        theta = theta - rate * velocity
    return np.array(ms), np.array(phis)


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_responses_against_finite_differences_of_a_descent(method: str) -> None:
    """Push all weights (or patterns) at one step by random signs: the signed mean displacement is the response."""
    alpha, n, epochs, size = 0.8, 1500, 12, 1e-3
    settings = DescentSettings(batch=None, epochs=epochs, learning_rate=0.06, warmup=3, momentum=0.7)
    stage = learn(Task(alpha=alpha), settings, method=method, samples=4096, batches=2, certify=False).stages[0]
    count = round(alpha * n)
    for u in (2, 6):
        of_m, of_phi = [], []
        for seed in range(6):
            signs = np.random.default_rng([9, seed])
            push, push_h = size * signs.choice([-1.0, 1.0], n), size * signs.choice([-1.0, 1.0], count)
            up, down = (_descend(n, alpha, settings, np.random.default_rng(seed), {u: s * push})[0] for s in (1, -1))
            of_m.append((up - down) @ push / n / (2.0 * size**2))
            up, down = (
                _descend(n, alpha, settings, np.random.default_rng(seed), None, {u: s * push_h})[1] for s in (1, -1)
            )
            of_phi.append((up - down) @ push_h / n / (2.0 * size**2))
        for measured, theory, times in (
            (np.array(of_m), stage.response[:, u], epochs + 1),
            (np.array(of_phi), stage.gamma[:, u], epochs),
        ):
            mean, error = measured.mean(0), measured.std(0, ddof=1) / np.sqrt(len(measured))
            assert np.abs(theory).max() > 0.05
            # compression smooths a kernel at single times, by less than the descent tells apart
            assert np.all(np.abs(mean - theory[:times]) < 6.0 * error + 5e-3)


def _arrived(problem: Task | Chain, settings: DescentSettings, n: int, seeds: int, samples: int) -> None:
    """Every record of a descent within five standard errors of the theory, and a typical one within less than 1.5."""
    pytest.importorskip("torch")
    from statmech_cl.simulations.perceptron.descent import descend

    run = descend(problem, n=n, seeds=range(50, 50 + seeds), settings=settings)
    curve = learn(problem, settings, samples=samples, certify=False)
    scores = []
    for seen, told in zip(run.stages, curve.stages, strict=True):
        for name in ("r", "p", "q_star", "q", "loss"):
            mean, error = getattr(told, name), getattr(told, f"{name}_error")
            values = getattr(seen, name)
            spread = values.std(-1, ddof=1) / np.sqrt(seeds)
            gap = (values.mean(-1) - mean.T[seen.epochs]) / np.hypot(spread, error.T[seen.epochs])
            scores.append(gap[1:].ravel())
    z = np.concatenate(scores)
    assert np.abs(z).max() < 5.0
    assert np.sqrt(np.mean(z**2)) < 1.7


def test_descent_of_two_tasks_lies_on_the_theory() -> None:
    chain = Chain((Task(alpha=0.8), Task(alpha=0.6, gamma=0.5)), overlaps=0.4)
    settings = DescentSettings(batch=None, epochs=30, replicas=2, records=6, test_patterns=0)
    _arrived(chain, settings, n=2000, seeds=10, samples=4096)


def test_a_ramp_of_q_star_lies_on_the_theory() -> None:
    pytest.importorskip("torch")
    from statmech_cl.simulations.perceptron.descent import anneal

    levels = [0.2, 0.4, 0.6]
    settings = DescentSettings(batch=None, epochs=10, learning_rate=0.05, momentum=0.5, warmup=5, weight_decay=0.0)
    seen = anneal(1.0, levels, n=1500, seeds=10, settings=settings)["p"]
    told = learn(Task(alpha=1.0), settings, samples=4096, ramp=levels, certify=False).stages[0]
    gap = seen.mean(1) - told.p[0, 10::10]
    error = np.hypot(seen.std(1, ddof=1) / np.sqrt(10.0), told.p_error[0, 10::10])
    assert told.p[0, -1] > 0.4 and np.all(np.abs(gap) < 4.5 * error)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 1.5])
def test_long_descents_lie_on_the_theory(alpha: float) -> None:
    settings = DescentSettings(batch=None, epochs=200, replicas=2, records=10, test_patterns=0)
    _arrived(Task(alpha=alpha), settings, n=4000, seeds=10, samples=8192)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tasks",
    [
        (Task(alpha=0.5, prior="kl"), Task(alpha=1.0, gamma=0.3, anchor="ewc", memory=0.8)),
        (Task(alpha=1.0, q_star=0.6), Task(alpha=0.5, gamma=0.05, anchor="l2"), Task(alpha=0.5, anchor="none")),
    ],
)
def test_every_anchor_lies_on_the_theory(tasks: tuple[Task, ...]) -> None:
    settings = DescentSettings(batch=None, epochs=50, replicas=2, records=10, test_patterns=0)
    _arrived(Chain(tasks, overlaps=-0.3), settings, n=4000, seeds=10, samples=8192)
