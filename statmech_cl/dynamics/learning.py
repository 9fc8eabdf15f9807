"""learn(problem) -> LearningCurve: what gradient descent does, epoch by epoch, as N -> infinity.

Independent batches, each a forward pass with its own draws, give the means and their standard errors. Two more sets of
passes estimate what is common to all batches: one with a quarter of the samples, and one with a tenth of the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._version import __version__
from ..descent_settings import DescentSettings
from ..problem import Chain, Task, refuse_replay
from ..solution import InstabilityError
from ..validation import check_choice, check_count, check_number
from .curve import OBSERVABLES, Bias, LearningCurve, LearningStage
from .exact import forward_exact
from .forward import Record, forward
from .group import Accuracy
from .local import flips_of
from .loops import CHUNK

METHODS = ("fast", "exact")
SAMPLES = {"fast": 8192, "exact": 2048}
TOLERANCE = 1e-3
_RESPONDERS = 1024  # at most; with more, the errors stay the same
_NOISE = 0.1  # tolerance of the noise, relative to that of the memory
_PAIRS = 2  # batches that are run again at a tenth of the tolerance
# A sound pass misses integration by parts by 0.1 to 1 of what independent draws would leave.
_LARGEST_MISS = 4.0
# Two tolerances further apart than this, beyond five standard errors, are no curve.
_LARGEST_BIAS = 0.01
Batch = list[dict[str, np.ndarray]]


def learn(
    problem: Task | Chain,
    settings: DescentSettings | None = None,
    *,
    method: str = "fast",
    samples: int | None = None,
    tolerance: float | None = None,
    batches: int = 8,
    groups: int = 1,
    seed: int = 0,
    memory: bool = True,
    ramp: Sequence[float] = (),
    certify: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> LearningCurve:
    """h_t = r_t z + w_t + sum_{u<t} R(t,u) phi_u,   g_t = b_t s + v_t + sum_{u<=t} Gamma(t,u) (m_u - r_u s).

    The learning curve of gradient descent with momentum, by dynamical mean-field theory: exact as N -> infinity, step
    by step, with no assumption of replica symmetry or equilibrium (docs/dynamics.md has the equations; the method is
    that of Agoritsas, Biroli, Urbani and Zamponi, J. Phys. A 51, 085002 (2018), and Gerbelot et al., arXiv:2210.06591,
    carried over to binary weights in field space). It describes what `simulations.perceptron.descent.descend` does with
    the same problem and settings.

    Parameters
    ----------
    problem : Task or Chain; beta is not used. Every anchor, the KL prior and a prescribed q_star are known.
    settings : DescentSettings with optimizer "sgd" and batch None; default: the default settings with batch=None. With
        replicas=2 the overlap q of two students on the same patterns comes too, at twice the price. `records`,
        `test_patterns` and `teacher_signs` concern descent at finite N: here every epoch is recorded.
    method : "fast" keeps time in few coordinates, O(M T n^2) with n = 20 to 60; "exact" keeps every pair of times,
        O(M T^3) work and 4 M T^2 bytes.
    samples : M of each batch, a power of two from 512; default 8192 (fast) or 2048 (exact).
    tolerance : of paths, relative, fast method only; default 1e-3.
    batches : independent batches, at least 2.
    groups : the patterns are cut into this many groups, visited in turn in a random order each epoch, one step each;
        1 is the whole batch. The work grows with its cube. Each batch draws an order of its own.
    seed : of all draws.
    memory : False leaves out what the system remembers, R(t,u) and Gamma(t,u) at u < t. That is not what descent does;
        it shows what memory adds.
    ramp : values of q_star at which the first task is held in turn, `settings.epochs` at each: slow annealing, as
        `simulations.perceptron.descent.anneal` does it. Patterns stay, fields are scaled to each level, velocity and
        warm-up start afresh. Fast method only; the epochs of the stage count on through all levels.
    certify : False skips the estimates of bias.
    progress : called with (epochs done, epochs in all), all passes counted.

    Returns
    -------
    LearningCurve

    Raises
    ------
    ValueError : an argument out of range. InstabilityError : a pass that diverges or fails its checks.
    """
    (curve,) = learn_many(
        [problem],
        settings,
        method=method,
        samples=samples,
        tolerance=tolerance,
        batches=batches,
        groups=groups,
        seed=seed,
        memory=memory,
        ramp=ramp,
        certify=certify,
        progress=progress,
    )
    return curve


def learn_many(
    problems: Sequence[Task | Chain],
    settings: DescentSettings | None = None,
    *,
    method: str = "fast",
    samples: int | None = None,
    tolerance: float | None = None,
    batches: int = 8,
    groups: int = 1,
    seed: int = 0,
    memory: bool = True,
    ramp: Sequence[float] = (),
    certify: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[LearningCurve]:
    """`learn` of several problems whose first tasks are the same, which is then learned once.

    Each curve is what `learn` gives for that problem alone, to rounding.

    Raises
    ------
    ValueError : as `learn`; first tasks that differ, or no problem. InstabilityError : as `learn`.
    """
    chains = [Chain((problem,)) if isinstance(problem, Task) else problem for problem in problems]
    if len({chain.tasks[0] for chain in chains}) != 1:
        raise ValueError(f"problems must have the same first task, got {[chain.tasks[0] for chain in chains]!r}")
    settings = settings or DescentSettings(batch=None)
    for chain in chains:
        for task in chain.tasks:
            flips_of(task)  # refuses what is no perceptron
            refuse_replay(task, "a learning curve")
    if settings.optimizer != "sgd":
        raise ValueError(f"optimizer must be sgd (the theory knows no other), got {settings.optimizer!r}")
    if settings.batch is not None:
        raise ValueError(f"batch must be None (all patterns, which `groups` may cut), got {settings.batch}")
    check_choice("method", method, METHODS)
    samples = SAMPLES[method] if samples is None else check_count("samples", samples, low=4 * CHUNK)
    if samples & (samples - 1):
        raise ValueError(f"samples must be a power of two, got {samples}")
    if method == "exact" and tolerance is not None:
        raise ValueError(f"tolerance must be left out with the exact method, which has none, got {tolerance!r}")
    if method == "fast":
        tolerance = TOLERANCE if tolerance is None else check_number("tolerance", tolerance, low=1e-6, high=0.1)
    ramp = tuple(check_number("ramp", level, low=0.0, high=1.0, open_low=True, open_high=True) for level in ramp)
    if ramp and method == "exact":
        raise ValueError(f"ramp must be left out with the exact method, got {ramp!r}")
    if ramp and chains[0].tasks[0].q_star is not None:
        raise ValueError(f"ramp must be left out where the first task prescribes q_star={chains[0].tasks[0].q_star:g}")
    check_count("batches", batches, low=2)
    groups, seed = check_count("groups", groups), check_count("seed", seed, low=0)
    pairs = _PAIRS if certify and method == "fast" else 0
    passes = batches * (2 if certify else 1) + pairs
    # the exact method shares no first task
    stages = sum(len(chain.tasks) - (method == "fast") for chain in chains) + (method == "fast")
    total = passes * settings.epochs * (stages + max(0, len(ramp) - 1))
    done = 0

    def on_epoch() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def run(number: int, accuracy: Accuracy, stream: int) -> list[list[Record]]:
        """One pass. The draws depend on seed, stream and number alone."""

        def one(pass_of: Callable[..., Any], chosen: Any, **more: Any) -> Any:
            draws, orders = (np.random.default_rng([seed, stream, number, which]) for which in (0, 1))
            return pass_of(chosen, settings, accuracy, draws, groups=groups, orders=orders, on_epoch=on_epoch, **more)

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            try:
                results = (
                    one(forward, chains, ramp=ramp)
                    if method == "fast"
                    else [one(forward_exact, chain) for chain in chains]
                )
            except np.linalg.LinAlgError as error:
                raise InstabilityError(f"the pass broke down ({error}): take a smaller learning rate") from error
        for records in results:
            _check(records, accuracy, settings)
        return results

    accuracy = _accuracy(samples, tolerance or 0.0, memory)
    main = [run(number, accuracy, 0) for number in range(batches)]
    few: list[list[list[Record]]] = []
    fine: list[list[list[Record]]] = []
    if certify:
        quarter = _accuracy(samples // 4, tolerance or 0.0, memory)
        few = [run(number, quarter, 1) for number in range(batches)]
    if pairs:
        tenth = _accuracy(samples, (tolerance or 0.0) / 10.0, memory)
        fine = [run(number, tenth, 0) for number in range(pairs)]
    curves = []
    for number, chain in enumerate(chains):
        records = [one[number] for one in main]
        sets = [[_observed(one[number]) for one in passes] for passes in (main, few, fine)]
        curves.append(
            LearningCurve(
                chain=chain,
                settings=settings,
                method=method,
                samples=samples,
                responders=accuracy.responders if method == "fast" else samples,
                tolerance=tolerance or 0.0,
                batches=batches,
                groups=groups,
                seed=seed,
                version=__version__,
                stages=tuple(
                    _stage(records[0][index], *(_of_stage(batch, index) for batch in sets), samples=samples)
                    for index in range(len(chain.tasks))
                ),
                miss=max((miss for one in records for record in one for miss in record.miss), default=0.0),
                slots=max(max(record.slots) for one in records for record in one),
            )
        )
    return curves


def _accuracy(samples: int, tolerance: float, memory: bool) -> Accuracy:
    return Accuracy(
        samples=samples,
        responders=max(CHUNK, min(_RESPONDERS, samples // 4)),
        tolerance=tolerance,
        noise_tolerance=_NOISE * tolerance,
        memory=memory,
    )


def _check(records: Sequence[Record], accuracy: Accuracy, settings: DescentSettings) -> None:
    """Refuse a pass that went wrong."""
    for index, record in enumerate(records):
        told = f"task {index + 1}, learning_rate={settings.learning_rate:g}, samples={accuracy.samples}"
        bad = ~np.isfinite(np.array(record.loss) + np.array(record.q_star))
        if bad.any():
            raise InstabilityError(f"numbers are no longer finite at epoch {int(np.argmax(bad))}: {told}")
        worst = max(record.miss, default=0.0)
        if not worst < _LARGEST_MISS:
            raise InstabilityError(
                f"responses and averages contradict each other (integration by parts is off by {worst:.3g} times "
                f"the sampling noise, {_LARGEST_MISS:g} allowed): {told}; take more samples or a smaller learning rate"
            )


def _observed(records: Sequence[Record]) -> Batch:
    """The observables of one batch, stage by stage; eps_g comes from the mean p of all batches."""
    return [
        {
            "r": np.array(record.r).T,
            "p": np.array(record.p).T,
            "q_star": np.array(record.q_star),
            "q": np.array(record.q),
            "loss": np.array(record.loss),
        }
        for record in records
    ]


def _of_stage(batches: Sequence[Batch], index: int) -> dict[str, np.ndarray]:
    """Observables of one stage, (batches, ...)."""
    if not batches:
        return {}
    return {name: np.stack([batch[index][name] for batch in batches]) for name in batches[0][index]}


def _eps(p: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(p, -1.0, 1.0)) / math.pi


def _mean_and_error(values: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Over batches. eps_g is that of the mean p, as arccos bends near p = 1; its error is the jackknife's."""
    if name != "eps_g":
        x = values[name]
        return x.mean(0), x.std(0, ddof=1) / math.sqrt(len(x))
    p = values["p"]
    n = len(p)
    without = _eps((p.sum(0) - p) / (n - 1))
    return _eps(p.mean(0)), np.sqrt((n - 1) / n * ((without - without.mean(0)) ** 2).sum(0))


def _eps_apart(p: np.ndarray, again: np.ndarray, samples: int) -> np.ndarray:
    """How far eps_g of the mean `again` is from that of the mean p, beyond five standard errors of counting signs.

    Near p = 1 eps_g is a square root of the share of wrong signs: one sign among all samples reads as 0.01. So the
    errors belong to p.
    """
    one, other = p.mean(0), again.mean(0)
    counted = len(p) * samples
    wrong = np.clip(0.5 - 0.5 * np.minimum(one, other), 1.0 / counted, 0.5)
    noise = 5.0 * 2.0 * np.sqrt(2.0 * wrong * (1.0 - wrong) / counted)
    low, high = _eps(one + noise), _eps(one - noise)
    return np.maximum(0.0, np.maximum(low - _eps(other), _eps(other) - high))


def _stage(
    first: Record,
    main: dict[str, np.ndarray],
    few: dict[str, np.ndarray],
    fine: dict[str, np.ndarray],
    *,
    samples: int,
) -> LearningStage:
    means, errors = {}, {}
    of_samples, of_tolerance = {}, {}
    n = len(main["p"])
    for name in OBSERVABLES:
        means[name], errors[name] = _mean_and_error(main, name)
        if few:
            mean, error = _mean_and_error(few, name)
            # a bias proportional to 1/M is a third of the difference
            of_samples[name] = Bias((mean - means[name]) / 3.0, np.hypot(error, errors[name]) / 3.0)
        if fine:
            again = len(fine["p"])
            same = {key: value[:again] for key, value in main.items()}
            gap = _mean_and_error(same, name)[0] - _mean_and_error(fine, name)[0]
            # as if the draws were not the same: two pairs say too little of their own scatter
            of_tolerance[name] = Bias(gap, errors[name] * math.sqrt(2.0 * n / again))
            beyond = np.abs(gap) - 5.0 * of_tolerance[name].error
            if name == "eps_g":
                beyond = _eps_apart(same["p"], fine["p"], samples)
            if name in ("eps_g", "q_star") and np.max(beyond) > _LARGEST_BIAS:
                raise InstabilityError(
                    f"{name} moves by {np.abs(gap).flat[np.argmax(beyond)]:.3g} when the tolerance is a tenth: "
                    "take a smaller tolerance, or the exact method"
                )
    # after a ramp times are no longer one to a step
    complete = len(first.gamma) > 0 and len(first.response) == len(first.gamma) + 1
    return LearningStage(
        epochs=np.arange(len(first.loss)),
        **means,
        **{f"{name}_error": error for name, error in errors.items()},
        batches=main,
        samples_bias=of_samples,
        tolerance_bias=of_tolerance,
        response=_kernel(first.response) if complete else None,
        gamma=_kernel(first.gamma) if complete else None,
        covariance=first.covariance,
    )


def _kernel(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows t = 0, 1, ... of a causal kernel as a matrix."""
    out = np.zeros((len(rows), max(row.size for row in rows)))
    for t, row in enumerate(rows):
        out[t, : row.size] = row
    return out
