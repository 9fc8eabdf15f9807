"""The dynamical theory against quadrature, closed forms, limits and itself."""

from __future__ import annotations

import numpy as np
import pytest
import slow_reference as slow

from statmech_cl import Task
from statmech_cl.dynamics import (
    DescentSettings,
    InstabilityError,
    LearningCurve,
    exact,
    forward,
    learn,
    learn_many,
    learning,
)
from statmech_cl.problem import Chain

METHODS = ("fast", "exact")
STEEP = DescentSettings(
    batch=None, epochs=3, learning_rate=0.15, warmup=2, momentum=0.5, weight_decay=0.1, start_spread=0.7
)


def _settings(epochs: int, **others: object) -> DescentSettings:
    return DescentSettings(batch=None, epochs=epochs, **others)


def _normal(n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return x, w / w.sum()


def _grid(*rules: tuple[np.ndarray, np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Nodes (one flat array for each coordinate) and weights of a product rule."""
    nodes = np.meshgrid(*(x for x, _ in rules), indexing="ij")
    weights = np.ones(())
    for _, w in rules:
        weights = np.multiply.outer(weights, w)
    return [node.ravel() for node in nodes], weights.ravel()


def _by_quadrature(alpha: float, settings: DescentSettings) -> dict[str, np.ndarray]:
    """r, q_star and loss at epochs 0 to 3 of one task: every average by a product rule, in up to five dimensions."""
    x, w = np.polynomial.legendre.leggauss(24)
    half = 4.0 * (x + 1.0), 4.0 * w * np.sqrt(2.0 / np.pi) * np.exp(-0.5 * (4.0 * (x + 1.0)) ** 2)
    pattern, of_pattern = _grid(half, _normal(24), _normal(12), _normal(8), _normal(6))  # z and the normals of w
    site, of_site = _grid(_normal(40), _normal(24), _normal(12), _normal(8))  # theta_0 and the normals of v; s = 1
    theta, velocity = settings.start_spread * site[0], 0.0 * site[0]
    out: dict[str, list[float]] = {"r": [], "q_star": [], "loss": []}
    away, phis = [], []
    moved: dict[int, np.ndarray] = {}  # dtheta/dg_u, now
    pushed: dict[int, np.ndarray] = {}  # dV/dg_u, now
    dm: dict[tuple[int, int], np.ndarray] = {}
    dphi: dict[tuple[int, int], np.ndarray] = {}
    for t in range(4):
        m = np.tanh(theta)
        var = 1.0 - m * m
        r, spare = of_site @ m, of_site @ var
        away.append(m - r)
        chol = np.linalg.cholesky(np.array([[of_site @ (a * b) for a in away] for b in away]))
        dm |= {(t, u): var * moved[u] for u in range(t)}
        response = [of_site @ dm[t, u] for u in range(t)]
        h = r * pattern[0] + sum(chol[t, j] * pattern[1 + j] for j in range(t + 1))
        h = h + sum(response[u] * phis[u] for u in range(t))
        at = -h / np.sqrt(spare)
        hazard = slow.hazard(at)
        out["r"].append(r)
        out["q_star"].append(of_site @ (m * m))
        out["loss"].append(-of_pattern @ slow.log_h(at))
        if t == 3:
            break
        slope = hazard * (hazard - at) / spare
        phis.append(-hazard / np.sqrt(spare))
        for u in range(t):
            dphi[t, u] = slope * sum(response[c] * dphi[c, u] for c in range(u, t))
        dphi[t, t] = slope
        gamma = [alpha * (of_pattern @ dphi[t, u]) for u in range(t + 1)]
        kappa = -alpha * (of_pattern @ (phis[t] * h)) / spare
        noise = np.linalg.cholesky(alpha * np.array([[of_pattern @ (a * b) for a in phis] for b in phis]))
        g = alpha * (of_pattern @ (pattern[0] * phis[t])) + sum(noise[t, j] * site[1 + j] for j in range(t + 1))
        g = g + sum(gamma[u] * away[u] for u in range(t + 1)) - kappa * m
        curvature = settings.weight_decay - 2.0 * m * var * g - kappa * var * var
        rate = settings.learning_rate * min(1.0, (t + 1) / settings.warmup)
        for u in range(t + 1):
            dg = float(u == t) + sum(gamma[c] * dm[c, u] for c in range(u + 1, t + 1))
            pushed[u] = settings.momentum * pushed.get(u, 0.0) + curvature * moved.get(u, 0.0) + var * dg
            moved[u] = moved.get(u, 0.0) - rate * pushed[u]
        velocity = settings.momentum * velocity + var * g + settings.weight_decay * theta
        theta = theta - rate * velocity
    return {name: np.array(values) for name, values in out.items()}


@pytest.fixture(scope="module")
def by_quadrature() -> dict[str, np.ndarray]:
    return _by_quadrature(1.2, STEEP)


@pytest.mark.parametrize("method", METHODS)
def test_three_steps_by_direct_quadrature(method: str, by_quadrature: dict[str, np.ndarray]) -> None:
    curve = learn(Task(alpha=1.2), STEEP, method=method, samples=8192, certify=False)
    stage = curve.stages[0]
    assert by_quadrature["r"][-1] > 0.2  # a start that has moved
    for name, expected in by_quadrature.items():
        mean, error = getattr(stage, name), getattr(stage, f"{name}_error")
        mean, error = (mean[0], error[0]) if name == "r" else (mean, error)
        assert np.all(error < 2e-3)
        assert np.all(np.abs(mean - expected) < 5.0 * error + 1e-6), name


def test_memory_matters_within_three_steps(by_quadrature: dict[str, np.ndarray]) -> None:
    stage = learn(Task(alpha=1.2), STEEP, certify=False, memory=False).stages[0]
    assert abs(stage.loss[3] - by_quadrature["loss"][3]) > 20.0 * stage.loss_error[3]


def _with_loss(monkeypatch: pytest.MonkeyPatch, loss_terms: object) -> None:
    for module in (forward, exact):
        monkeypatch.setattr(module, "loss_terms", loss_terms)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_loss_makes_every_weight_descend_alone(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """l = -a h: phi = -a, so g = b s + v with v constant in time: two Gaussian numbers decide each path."""
    alpha, a = 0.7, 0.4

    def linear(h, s, phi, slope):
        phi[:], slope[:] = -a, 0.0
        return -a * h.sum(), 0.0  # l does not depend on s: no kappa

    _with_loss(monkeypatch, linear)
    settings = _settings(40, momentum=0.8, learning_rate=0.03)
    stage = learn(Task(alpha=alpha), settings, method=method, samples=2048, certify=False).stages[0]
    (start, v), weights = _grid(_normal(60), _normal(60))
    theta, velocity = settings.start_spread * start, np.zeros_like(start)
    g = -alpha * a * np.sqrt(2.0 / np.pi) + np.sqrt(alpha) * a * v
    r, q_star = [], []
    for t in range(41):
        m = np.tanh(theta)
        r.append(weights @ m)
        q_star.append(weights @ m**2)
        velocity = settings.momentum * velocity + (1.0 - m * m) * g + settings.weight_decay * theta
        theta = theta - settings.learning_rate * min(1.0, (t + 1) / settings.warmup) * velocity
    assert r[-1] > 0.3
    # z is drawn, so b scatters by a little that the batches show
    assert np.all(np.abs(stage.r[0] - r) < 5.0 * stage.r_error[0] + 1e-5)
    assert np.all(np.abs(stage.q_star - q_star) < 5.0 * stage.q_star_error + 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_quadratic_loss_has_its_kernel_in_closed_form(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """l = (c/2) (h - 1)^2: phi is linear in h, so Gamma = alpha c (1 - c R)^(-1), and C_phi follows from C."""
    alpha, c, epochs = 0.8, 0.9, 40

    def quadratic(h, s, phi, slope):
        phi[:], slope[:] = c * (h - 1.0), c
        return 0.5 * c * np.square(h - 1.0).sum(), 0.0

    _with_loss(monkeypatch, quadratic)
    curve = learn(Task(alpha=alpha), _settings(epochs, learning_rate=0.05), method=method, samples=2048, certify=False)
    stage = curve.stages[0]
    solved = np.linalg.inv(np.eye(epochs) - c * stage.response[:epochs])
    expected = alpha * c * solved
    gap = np.abs(stage.gamma - expected)
    scale = np.abs(expected - np.diag(np.diag(expected))).max()
    if method == "exact":
        assert gap.max() < 1e-4 * scale
    # compressed kernels act on smooth paths
    paths = np.stack([np.ones(epochs), np.linspace(-1, 1, epochs), np.exp(-np.arange(epochs) / 10.0)])
    assert np.abs((stage.gamma - expected) @ paths.T).max() < 5e-3
    # E l by the linear response of h to its Gaussian drive
    mean_h = solved @ (stage.r[0][:epochs] * np.sqrt(2.0 / np.pi) - c * stage.response[:epochs].sum(1))
    r = stage.r[0][:epochs]
    drive = stage.covariance[:epochs, :epochs] + (1.0 - 2.0 / np.pi) * np.outer(r, r)
    second = np.diag(solved @ drive @ solved.T) + (mean_h - 1.0) ** 2
    # kernels are those of one batch, which scatters by the error times the root of their number
    scatter = np.sqrt(curve.batches) * stage.loss_error[:epochs]
    assert np.all(np.abs(stage.loss[:epochs] - 0.5 * c * second) < 4.0 * scatter + 1e-4)
    assert scatter.max() < 5e-3


def test_without_patterns_fields_decay_by_themselves() -> None:
    settings = _settings(30, weight_decay=0.2)
    stage = learn(Task(alpha=0.0), settings, samples=4096, batches=4, certify=False).stages[0]
    x, w = _normal(80)
    factor, velocity, q_star = 1.0, 0.0, []
    for t in range(31):
        q_star.append(w @ np.tanh(factor * settings.start_spread * x) ** 2)
        velocity = settings.momentum * velocity + settings.weight_decay * factor
        factor -= settings.learning_rate * min(1.0, (t + 1) / settings.warmup) * velocity
    assert np.allclose(stage.q_star, q_star, atol=2e-5)
    assert np.all(stage.loss == 0.0)


def _agree(one: LearningCurve, other: LearningCurve, names: tuple[str, ...]) -> None:
    for first, second in zip(one.stages, other.stages, strict=True):
        for name in names:
            a, b = getattr(first, name), getattr(second, name)
            error = np.hypot(getattr(first, f"{name}_error"), getattr(second, f"{name}_error"))
            # five standard errors, of which each is known from 8 batches only
            assert np.all(np.abs(a - b) < 6.0 * error + 1e-9), name


def test_fast_and_exact_agree_over_a_chain_with_every_observable() -> None:
    chain = Chain((Task(alpha=0.8, prior="kl"), Task(alpha=1.0, gamma=0.5, memory=0.9)), overlaps=0.4)
    settings = _settings(30, replicas=2)
    fast = learn(chain, settings, samples=2048, certify=False)
    slow = learn(chain, settings, samples=1024, method="exact", certify=False, seed=1)
    _agree(fast, slow, ("r", "p", "eps_g", "q_star", "q", "loss"))
    assert fast.slots < 30 and slow.slots == 0
    for stage in fast.stages:
        assert np.all(stage.q <= stage.q_star + 5.0 * stage.q_error)


@pytest.mark.parametrize("method", METHODS)
def test_chains_that_share_a_first_task_are_what_each_is_alone(method: str) -> None:
    first = Task(alpha=0.8, prior="kl")
    chains = [
        Chain((first, Task(alpha=0.6, gamma=0.5)), overlaps=0.4),
        Chain((first, Task(alpha=0.9, anchor="ewc"), Task(alpha=0.3)), overlaps=-0.3),
        Chain((first,)),
    ]
    given = {"samples": 512, "batches": 2, "certify": False, "method": method}
    for curve, chain in zip(learn_many(chains, _settings(5), **given), chains, strict=True):
        alone = learn(chain, _settings(5), **given)
        for one, other in zip(curve.stages, alone.stages, strict=True):
            for name in ("r", "p", "q_star", "loss", "r_error"):
                assert np.allclose(getattr(one, name), getattr(other, name), rtol=0.0, atol=1e-12), name
    with pytest.raises(ValueError, match="problems must have the same first task"):
        learn_many([Task(alpha=0.8), Task(alpha=0.9)])


def test_groups_of_patterns_agree_between_the_methods() -> None:
    fast, slow = (
        learn(Task(alpha=1.0), _settings(12), method=method, groups=3, samples=1024, certify=False, seed=2)
        for method in METHODS
    )
    _agree(fast, slow, ("r", "q_star", "loss"))
    whole = learn(Task(alpha=1.0), _settings(12), samples=1024, certify=False)
    assert abs(fast.stages[0].q_star[-1] - whole.stages[0].q_star[-1]) > 0.01


def test_one_replica_or_two_tell_the_same_and_two_begin_unrelated() -> None:
    one, two = (learn(Task(alpha=0.6), _settings(25, replicas=n), samples=2048, certify=False) for n in (1, 2))
    _agree(one, two, ("r", "q_star", "loss"))
    assert np.isnan(one.stages[0].q).all()
    q = two.stages[0].q
    assert abs(q[0]) < 5.0 * two.stages[0].q_error[0] and q[-1] > 0.3


def test_limits_of_a_second_task() -> None:
    first, settings = Task(alpha=0.8), _settings(20)

    def second(overlaps: float = 0.3, **task: object) -> LearningCurve:
        return learn(Chain((first, Task(**task)), overlaps=overlaps), settings, samples=1024, batches=4, certify=False)

    still = second(alpha=0.0, gamma=0.5).stages
    assert np.allclose(still[1].q_star, still[0].q_star[-1], atol=1e-12)
    assert np.allclose(still[1].r, still[0].r[:, -1:], atol=1e-12)
    fading = second(alpha=0.0, gamma=0.0).stages[1]
    assert np.all(np.diff(fading.q_star[1:]) < 0.0)
    same = second(overlaps=1.0, alpha=0.8)
    for stage in same.stages:
        assert np.array_equal(stage.p[0], stage.p[1]) and np.array_equal(stage.r[0], stage.r[1])
    opposite = second(overlaps=-1.0, alpha=0.8).stages[1]
    assert np.allclose(opposite.r[0], -opposite.r[1], atol=1e-12)
    assert opposite.eps_g[0, -1] > opposite.eps_g[0, 0] and opposite.eps_g[1, -1] < opposite.eps_g[1, 0]
    moved = [np.abs(np.diff(second(alpha=0.8, gamma=gamma).stages[1].r[1][[0, -1]]))[0] for gamma in (0.3, 3.0, 30.0)]
    assert moved[0] > 2.0 * moved[1] and moved[1] > 4.0 * moved[2]


def test_a_prescribed_q_star_is_held() -> None:
    stage = learn(Task(alpha=1.0, q_star=0.6), _settings(15), samples=1024, batches=3, certify=False).stages[0]
    assert np.allclose(stage.q_star, 0.6, atol=1e-10)
    assert stage.r[0, -1] > 0.2


def test_a_ramp_holds_each_level_in_turn_and_begins_as_the_first() -> None:
    settings = _settings(8, weight_decay=0.0)
    given = {"samples": 1024, "batches": 2, "certify": False}
    stage = learn(Task(alpha=1.0), settings, ramp=[0.3, 0.6, 0.4], **given).stages[0]
    assert stage.epochs[-1] == 24
    # a record at the end of a level is taken before the next begins
    for level, epochs in ((0.3, slice(0, 9)), (0.6, slice(9, 17)), (0.4, slice(17, 25))):
        assert np.allclose(stage.q_star[epochs], level, atol=1e-10)
    first = learn(Task(alpha=1.0, q_star=0.3), settings, **given).stages[0]
    assert np.array_equal(stage.p[0, :9], first.p[0])
    assert stage.response is None and stage.covariance is None


def test_a_curve_carries_errors_biases_and_kernels() -> None:
    settings = _settings(20)
    progress: list[tuple[int, int]] = []
    curve = learn(
        Task(alpha=0.5), settings, samples=1024, batches=3, progress=lambda done, total: progress.append((done, total))
    )
    assert progress[-1][0] == progress[-1][1] == len(progress)
    stage, told = curve.stages[0], curve.to_dict()
    assert set(told["bias"]) == {"samples", "tolerance"} and told["bias"]["tolerance"]["eps_g"] > 0.0
    assert len(told["stages"][0]["eps_g"]) == 1 and len(told["stages"][0]["eps_g"][0]) == 21
    assert told["method"] == "fast" and "q" not in told["stages"][0]
    assert np.all(stage.q_star_error > 0.0) and np.median(stage.eps_g_error) > 0.0
    estimate = curve.estimate("eps_g", epoch=20)
    assert (estimate.mean, estimate.error) == (stage.eps_g[0, -1], stage.eps_g_error[0, -1])
    again = learn(Task(alpha=0.5), settings, samples=1024, batches=3, certify=False)
    assert np.array_equal(again.stages[0].eps_g, stage.eps_g)
    other = learn(Task(alpha=0.5), settings, samples=1024, batches=3, certify=False, seed=1)
    assert not np.array_equal(other.stages[0].eps_g, stage.eps_g)
    # causal; Gamma(t, t) = alpha E phi' > 0; the covariance is that of m - r s
    assert np.all(np.triu(stage.gamma, 1) == 0.0) and np.all(np.triu(stage.response[:20]) == 0.0)
    assert np.all(np.diag(stage.gamma) > 0.0)
    assert np.allclose(np.diag(stage.covariance), stage.q_star - stage.r[0] ** 2, atol=0.02)


def test_a_runaway_is_refused() -> None:
    with pytest.raises(InstabilityError, match="smaller learning rate"):
        learn(Task(alpha=1.0), _settings(60, learning_rate=5.0), samples=512, batches=2)


def test_responses_that_contradict_the_averages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tangents that are wrong by a quarter draw a plausible curve; integration by parts gives them away."""
    right = forward.pattern_tangents

    def wrong(history, n_phi, n_m, response, slope, gamma):
        right(history, n_phi, n_m, response, slope, gamma)
        gamma *= 0.75

    monkeypatch.setattr(forward, "pattern_tangents", wrong)
    with pytest.raises(InstabilityError, match="contradict"):
        learn(Task(alpha=1.0), _settings(30), samples=4096, batches=2, certify=False)


@pytest.mark.parametrize(("name", "shift"), [("q_star", 0.05), ("p", 0.4)])
def test_two_tolerances_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, shift: float) -> None:
    right = learning.forward

    def coarse(chains, settings, accuracy, rng, **others):
        found = right(chains, settings, accuracy, rng, **others)
        if accuracy.tolerance == learning.TOLERANCE:
            for record in found[0]:
                setattr(record, name, [value + shift for value in getattr(record, name)])
        return found

    monkeypatch.setattr(learning, "forward", coarse)
    with pytest.raises(InstabilityError, match=f"{'eps_g' if name == 'p' else name} moves by"):
        learn(Task(alpha=0.5), _settings(4), samples=512, batches=2)


def test_a_few_wrong_signs_among_thousands_are_no_disagreement() -> None:
    all_right, eight_wrong = np.ones((2, 1, 1)), np.full((2, 1, 1), 1.0 - 16.0 / 4096)
    assert learning._eps_apart(all_right, eight_wrong, 2048) == 0.0
    # a hundred times as many samples tell the two apart: eps_g is 0 against 0.028
    assert learning._eps_apart(all_right, eight_wrong, 204800) > 0.01


@pytest.mark.slow
def test_the_fast_method_is_stable_at_alpha_2_over_400_epochs() -> None:
    curve = learn(Task(alpha=2.0), _settings(400), samples=2048, batches=4)
    stage = curve.stages[0]
    assert curve.miss < 2.0 and curve.slots < 100
    assert stage.eps_g[0, -1] < 0.02 and abs(stage.q_star[200] - 0.982) < 0.01
    assert curve.bias()["tolerance"]["q_star"] < 0.02


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("optimizer must be sgd", {"settings": DescentSettings(optimizer="adam", batch=None)}),
        ("batch must be None", {"settings": DescentSettings()}),
        ("method must be one of", {"method": "fats"}),
        ("samples must be a power of two", {"samples": 1000}),
        ("samples must be a whole number", {"samples": 256}),
        ("tolerance must be left out", {"method": "exact", "tolerance": 1e-3}),
        ("tolerance must be a finite number", {"tolerance": 0.0}),
        ("ramp must be a finite number in \\(0, 1\\), got 1.0", {"ramp": [0.5, 1.0]}),
        ("ramp must be left out with the exact method", {"ramp": [0.5], "method": "exact"}),
        ("batches must be", {"batches": 1}),
        ("groups must be", {"groups": 0}),
        ("seed must be", {"seed": -1}),
    ],
)
def test_bad_input_is_named(said: str, arguments: dict) -> None:
    with pytest.raises(ValueError, match=said):
        learn(Task(alpha=0.5), **arguments)
