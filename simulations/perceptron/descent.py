"""theta <- theta - eta v,  v <- momentum v + dE_B/dtheta + (B/P) [gamma dA/dtheta, or weight_decay theta without A].

Gradient descent of a teacher-student perceptron of binary weights in field space (Phys. Rev. E 108, 014309, section
II), task after task, all seeds in one tensor program: `theta : (n_seeds, n_rows, N)`, a row for each replica of each
problem. Problems of equal sizes descend together and share the patterns, which are read once for all of them: a seed
draws the same x for every problem, and teachers differ in labels alone. E_B sums over the B patterns of a mini-batch,
so one epoch moves the fields by eta times the gradient of the whole E = sum over P patterns, whatever B is: learning
rates are independent of N, P and B. Descent minimises E; it does not sample exp(-beta E), so it has no beta.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.problem import Chain, Task
from statmech_cl.validation import check_count, check_number

from ..device import check_device
from . import teachers
from .loss import Anchor
from .records import DescentResult, Divergence, Recorder, Stage, record_epochs
from .teachers import check_seeds
from .training import Disorder, first_fields, held_at, hold_q_star, train

_log = logging.getLogger(__name__)
# (chains of equal sizes, n, seeds, settings, device) -> their disorder
DrawDisorder = Callable[[Sequence[Chain], int, tuple[int, ...], DescentSettings, torch.device], Disorder]


def descend(
    problem: Task | Chain,
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: DescentSettings | None = None,
    start: DescentResult | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    term: Callable[[torch.Tensor], torch.Tensor] | None = None,
    observe: Callable[[int, int, torch.Tensor], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DescentResult:
    """Train perceptrons on a task, or on the tasks of a chain one after another; each later task starts from the fields
    that the one before left, and is anchored to them.

    Parameters
    ----------
    problem : Task or Chain. beta is not used. A task with `q_star` is descended with mean m^2 held at that value.
    n : number of weights N; P_t = alpha_t N patterns of task t, and what it replays besides.
    seeds : seeds of the disorder and of the start, or their number (0, 1, ...). A seed's numbers do not depend on
        the seeds beside it (to rounding).
    settings : DescentSettings; the defaults are documented there.
    start : the result of descending the chain's first task alone (same n, seeds and settings): saves training it again
        when many chains share it. Its Stage knows the first teacher only.
    device, dtype : where and in which precision.
    term : gradient of a further term of E, from the second task on: a function of theta, shaped like theta.
    observe : called with (task from 0, epoch, theta) at every record, for quantities that a Stage does not hold; theta
        goes on changing in place.
    progress : called with (epochs done, epochs in all).

    Returns
    -------
    DescentResult; runs whose fields are no longer finite are logged as warnings, listed in `diverged`, and do not
    touch the others.

    Raises
    ------
    ValueError : an argument out of range, an unknown or absent device, a `start` that does not fit.
    """
    (result,) = descend_many(
        [problem],
        n=n,
        seeds=seeds,
        settings=settings,
        start=start,
        device=device,
        dtype=dtype,
        term=term,
        observe=observe,
        progress=progress,
    )
    return result


def descend_many(
    problems: Sequence[Task | Chain],
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: DescentSettings | None = None,
    start: DescentResult | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    term: Callable[[torch.Tensor], torch.Tensor] | None = None,
    observe: Callable[[int, int, torch.Tensor], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    draw: DrawDisorder = Disorder,
) -> list[DescentResult]:
    """`descend` of several problems at once, in one tensor program that reads the patterns once for all of them.

    Each result is what `descend` gives for that problem alone, to rounding (which descent amplifies where its outcome
    hangs in the balance); a problem that diverges leaves the others alone.

    Parameters
    ----------
    problems : tasks or chains with the same number of tasks, and the same alpha and replay of each; overlaps, gammas,
        anchors, memories, priors and q_star may differ.
    start : the descent of the first task that all of them share.
    draw : teachers, patterns and loss, for networks that are no perceptrons (statmech_cl.simulations.tree).
    Everything else as in `descend`.

    Raises
    ------
    ValueError : as `descend`; problems of different sizes, or none.
    """
    chains = [Chain((problem,)) if isinstance(problem, Task) else problem for problem in problems]
    for name, said in (("alpha", "alphas"), ("replay", "replay")):
        sizes = [tuple(getattr(task, name) for task in chain.tasks) for chain in chains]
        if len(set(sizes)) != 1:
            told = "none" if not sizes else ", ".join(str(size) for size in dict.fromkeys(sizes))
            raise ValueError(f"problems must have the same {said}, task by task, got {told}")
    settings = settings or DescentSettings()
    n = check_count("n", n, low=2)
    seeds = check_seeds(seeds)
    where = check_device(device)
    data = draw(chains, n, seeds, settings, where)
    begun = [_begun(start, chain, n, seeds, settings) for chain in chains]
    stages, diverged = [stages for stages, _ in begun], [diverged for _, diverged in begun]
    begin = start.stages[-1].theta if start else torch.stack([first_fields(seed, n, settings) for seed in seeds])
    theta = begin.to(where, dtype).repeat(1, len(chains), 1)
    first = len(stages[0])
    total = settings.epochs * (len(sizes[0]) - first)
    done = 0
    keep = record_epochs(settings.epochs, settings.records)
    for index in range(first, len(sizes[0])):
        tasks = [chain.tasks[index] for chain in chains]
        by_row = [task for task in tasks for _ in range(settings.replicas)]
        patterns = data.task(index, dtype)
        held = held_at(by_row, theta)
        if held is not None:
            hold_q_star(theta, held)
        recorders = [Recorder(of_one, data.eps_g) for of_one in data.teachers]
        alive = torch.isfinite(theta).all(-1)

        def record(
            epoch: int, *, index=index, theta=theta, tasks=tasks, patterns=patterns, to=recorders, alive=alive
        ) -> None:
            loss = patterns.energy(theta) / max(1, patterns.count)
            for number, recorder in enumerate(to):
                rows = slice(number * settings.replicas, (number + 1) * settings.replicas)
                recorder.add(epoch, theta[:, rows], loss[:, rows])
            if observe is not None:
                observe(index, epoch, theta)
            now = torch.isfinite(theta).all(-1)
            for s, row in (alive & ~now).nonzero().tolist():
                number, replica = divmod(row, settings.replicas)
                left = Divergence(seeds[s], replica, index, epoch, _parameters(tasks[number], n, settings))
                _log.warning("%s", left)
                diverged[number].append(left)
            alive &= now

        def on_epoch(epoch: int, *, record=record) -> None:
            nonlocal done
            done += 1
            if epoch in keep:
                record(epoch)
            if progress is not None:
                progress(done, total)

        record(0)
        train(
            theta,
            patterns,
            _anchor(by_row, theta, first=index == 0),
            settings,
            teachers.generator(0, index, "order"),
            q_star=held,
            on_epoch=on_epoch,
            term=term if index > 0 else None,
        )
        eps_test = data.test_errors(theta, settings.test_patterns)
        for number, recorder in enumerate(recorders):
            rows = slice(number * settings.replicas, (number + 1) * settings.replicas)
            stages[number].append(recorder.stage(eps_test[number], theta[:, rows]))
    return [
        DescentResult(
            chain=chain,
            n=n,
            seeds=seeds,
            settings=settings,
            device=str(where),
            dtype=str(dtype).removeprefix("torch."),
            stages=tuple(stages[number]),
            diverged=tuple(diverged[number]),
        )
        for number, chain in enumerate(chains)
    ]


def _anchor(tasks: Sequence[Task], theta: torch.Tensor, *, first: bool) -> Anchor:
    """What ties each row to where its task starts; a first task to nothing, or by its prior to the origin."""
    if not first:
        return Anchor(tasks, theta.clone())
    if len({task.prior for task in tasks}) == 1:
        return Anchor(tasks[0], None)
    priors = [dataclasses.replace(task, anchor=task.prior, gamma=1.0) for task in tasks]
    return Anchor(priors, torch.zeros_like(theta))


def anneal(
    alpha: float,
    q_stars: Sequence[float],
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: DescentSettings | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """One task descended while mean m^2 = q_star is held and ramped through `q_stars`, `settings.epochs` at each level.

    Slow annealing of the paper's figure 2d: each level starts from the fields that the one before left, on the same
    patterns. Returns arrays (n_levels, n_seeds) of "q_star", "r", "p", "eps_g" and "loss"; nan where it diverged.

    Raises
    ------
    ValueError : a level outside (0, 1), or an argument that `descend` refuses.
    """
    settings = settings or DescentSettings()
    levels = [check_number("q_stars", q, low=0.0, high=1.0, open_low=True, open_high=True) for q in q_stars]
    chain = Chain((Task(alpha=alpha),))
    n, seeds, where = check_count("n", n, low=2), check_seeds(seeds), check_device(device)
    data = Disorder([chain], n, seeds, settings, where)
    patterns = data.task(0, dtype)
    theta = torch.stack([first_fields(seed, n, settings) for seed in seeds]).to(where, dtype)
    recorder = Recorder(data.teachers[0], data.eps_g)
    order = teachers.generator(0, 0, "order")
    for index, level in enumerate(levels):
        hold_q_star(theta, level)

        def on_epoch(epoch: int, *, index: int = index) -> None:
            if progress is not None:
                progress(index * settings.epochs + epoch, len(levels) * settings.epochs)

        train(theta, patterns, Anchor(chain.tasks[0], None), settings, order, q_star=level, on_epoch=on_epoch)
        recorder.add(index, theta, patterns.energy(theta) / max(1, patterns.count))
    rows = recorder.rows
    arrays = {name: np.stack([row[name] for row in rows]) for name in ("q_star", "loss")}
    return arrays | {name: np.stack([row[name][0] for row in rows]) for name in ("r", "p", "eps_g")}


def _parameters(task: Task, n: int, settings: DescentSettings) -> str:
    """The task, N and those settings that differ from the defaults, for a one-line report."""
    plain = DescentSettings()
    said = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    changed = ", ".join(f"{name}={value!r}" for name, value in said.items() if value != getattr(plain, name))
    return f"alpha={task.alpha:g}, gamma={task.gamma:g}, anchor={task.anchor}, n={n}" + (changed and ", " + changed)


def _begun(
    start: DescentResult | None, chain: Chain, n: int, seeds: tuple[int, ...], settings: DescentSettings
) -> tuple[list[Stage], list[Divergence]]:
    """The stage that `start` brings along, once it is known to be the first task of this chain."""
    if start is None:
        return [], []
    if (start.n, start.seeds, start.settings) != (n, seeds, settings):
        raise ValueError("start must have the same n, seeds and settings as this descent")
    first, begun = chain.tasks[0], start.chain.tasks
    names = ("alpha", "prior", "q_star", "channel")
    if len(begun) != 1 or any(getattr(begun[0], name) != getattr(first, name) for name in names):
        raise ValueError(f"start must be a descent of the first task alone, {first!r}, got {start.chain!r}")
    return list(start.stages), list(start.diverged)
