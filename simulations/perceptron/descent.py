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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain, Task
from statmech_cl.validation import check_choice, check_count, check_number

from . import loss as perceptron
from . import teachers
from .loss import Anchor

_log = logging.getLogger(__name__)
# seeds x patterns x sites converted to floating point at a time: on a CPU a piece that stays in the cache
_PIECE = {"cpu": 2**21, "cuda": 2**28}


@dataclass(frozen=True)
class Divergence:
    """A descent that left the finite numbers: which seed and replica, on which task, seen at which epoch."""

    seed: int
    replica: int
    task: int
    epoch: int
    parameters: str

    def __str__(self) -> str:
        return (
            f"descent diverged: seed {self.seed}, replica {self.replica}, task {self.task + 1}, "
            f"by epoch {self.epoch}, {self.parameters}"
        )


@dataclass(frozen=True)
class Stage:
    """What was recorded while one task was trained. n_tasks counts all teachers of the chain, learned yet or not.

    epochs : (n_records,) epochs of the records; 0 is the state before training.
    r, p, eps_g : (n_records, n_tasks, n_seeds) overlaps mean W m, mean W sign(m), and arccos(p)/pi.
    q_star, loss : (n_records, n_seeds) mean m^2, and E/P on all patterns of the task (0 where it has none).
    q : (n_records, n_seeds) mean m_a m_b of two replicas, nan with one.
    eps_test : (n_tasks, n_seeds) error of the final sign(theta) on fresh patterns, nan where none were asked for.
    theta : (n_seeds, n_replicas, N) the final fields.
    """

    epochs: np.ndarray
    r: np.ndarray
    p: np.ndarray
    eps_g: np.ndarray
    q_star: np.ndarray
    loss: np.ndarray
    q: np.ndarray
    eps_test: np.ndarray
    theta: torch.Tensor


@dataclass(frozen=True)
class DescentResult:
    """Descents of a chain of tasks: the history of each task's training, seed by seed.

    stages : one Stage for each task, in order.
    diverged : the runs that left the finite numbers; they are nan in the records and are left out of estimates.
    """

    chain: Chain
    n: int
    seeds: tuple[int, ...]
    settings: DescentSettings
    device: str
    dtype: str
    stages: tuple[Stage, ...]
    diverged: tuple[Divergence, ...]

    def values(self, name: str, *, after: int = -1, on: int | None = None) -> np.ndarray:
        """`name` ("r", "p", "eps_g", "eps_test", "q", "q_star", "loss") of every seed after training task `after`, with
        respect to teacher `on` (the task just trained unless told): (n_seeds,), nan where it diverged.
        """
        check_choice("name", name, ("r", "p", "eps_g", "eps_test", "q", "q_star", "loss"))
        stage = self.stages[after]
        last = getattr(stage, name)
        if name != "eps_test":
            last = last[-1]
        if last.ndim == 1:
            return last
        return last[range(len(self.stages))[after] if on is None else on]

    def estimate(self, name: str, *, after: int = -1, on: int | None = None) -> Estimate:
        """Mean and standard error over the seeds that stayed finite; see `values`."""
        values = self.values(name, after=after, on=on)
        return Estimate.from_samples(values[np.isfinite(values)])


def one_thread() -> None:
    """Let torch use one thread in this process: descent steps are too short for two threads to pay on a CPU."""
    torch.set_num_threads(1)


def check_device(device: str) -> torch.device:
    """The torch device, or a ValueError that says what is allowed."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device!r}")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be cpu on this machine (torch finds no CUDA device), got {device!r}")
    return chosen


def check_seeds(seeds: Sequence[int] | int) -> tuple[int, ...]:
    """Seeds as a tuple: a number n stands for 0, 1, ..., n - 1."""
    if isinstance(seeds, (int, np.integer)):
        return tuple(range(check_count("seeds", seeds)))
    checked = tuple(check_count("seeds", seed, low=0) for seed in seeds)
    if not checked or len(set(checked)) != len(checked):
        raise ValueError(f"seeds must be a number >= 1 or distinct whole numbers >= 0, got {seeds!r}")
    return checked


class _Data:
    """The disorder of chains of equal sizes on one device: teachers, and the patterns of one task at a time.

    teachers : (n_problems, n_tasks, n_seeds, N) int8.
    """

    def __init__(
        self, chains: Sequence[Chain], n: int, seeds: Sequence[int], settings: DescentSettings, device: torch.device
    ) -> None:
        self.seeds, self.device, self.settings = seeds, device, settings
        drawn = [
            [teachers.teachers(chain, n, seed, signs=settings.teacher_signs) for seed in seeds] for chain in chains
        ]
        self.teachers = torch.stack([torch.stack(of_one, dim=1) for of_one in drawn]).to(device)

    def patterns(
        self, task: int, count: int, dtype: torch.dtype, purpose: str = "patterns"
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Signed patterns y x of a task for the first problem, `(n_seeds, count, n)` int8, and what turns them into
        those of every row, `(n_seeds, n_rows, count)` of +-1; None where all rows have the same teacher.
        """
        of_task = self.teachers[:, task]
        n_problems, n_seeds, n = of_task.shape
        signed = torch.empty((n_seeds, count, n), dtype=torch.int8, device=self.device)
        flips = torch.empty((n_seeds, n_problems, count), dtype=dtype, device=self.device)
        for index, seed in enumerate(self.seeds):
            rng = teachers.generator(seed, task, purpose)
            signed[index], flips[index] = teachers.shared_patterns(of_task[:, index].cpu(), count, rng)
        if (flips == 1).all():
            return signed, None
        return signed, flips.repeat_interleave(self.settings.replicas, dim=1)


class _Optimizer:
    """SGD with momentum, or Adam, acting in place; its state starts afresh with every task."""

    def __init__(self, settings: DescentSettings, theta: torch.Tensor) -> None:
        self.settings = settings
        self.first = torch.zeros_like(theta)
        self.second = torch.zeros_like(theta) if settings.optimizer == "adam" else None
        self.steps = 0

    def step(self, theta: torch.Tensor, grad: torch.Tensor, warmup: int) -> None:
        """One step; the rate rises over the first `warmup` of them."""
        self.steps += 1
        rate, momentum = self.settings.learning_rate, self.settings.momentum
        if self.steps < warmup:
            rate *= self.steps / warmup
        if self.second is None:
            self.first.mul_(momentum).add_(grad)
            theta.add_(self.first, alpha=-rate)
            return
        self.first.lerp_(grad, 1.0 - momentum)
        self.second.mul_(0.999).addcmul_(grad, grad, value=0.001)
        size = self.second.sqrt().div_((1.0 - 0.999**self.steps) ** 0.5).add_(1e-8)
        theta.addcdiv_(self.first, size, value=-rate / (1.0 - momentum**self.steps))


def hold_q_star(theta: torch.Tensor, q_star: float | torch.Tensor) -> None:
    """Scale the fields of every seed and row, in place, so that mean tanh^2 theta = q_star.

    q_star : one for all rows, or `(n_rows, 1)` with nan for the rows that are left alone. Newton on ln(scale), started
    from the last step's near miss: the mean of tanh^2 rises with the scale.
    """
    scale = torch.ones_like(theta[..., :1])
    for _ in range(20):
        scaled = theta * scale
        m, var = perceptron.moments(scaled)
        miss = m.square().mean(-1, keepdim=True) - q_star
        slope = (2.0 * m * var * scaled).mean(-1, keepdim=True)
        # a step of at most a factor e keeps a start far off on the road
        scale *= torch.exp((-miss / slope).clamp(-1.0, 1.0))
        if not (miss.abs() > 1e-6).any():  # nan counts as done: it is reported as a divergence
            break
    if isinstance(q_star, torch.Tensor):
        scale = torch.where(q_star.isnan(), 1.0, scale)
    theta.mul_(scale)


def _held(tasks: Sequence[Task], theta: torch.Tensor) -> torch.Tensor | None:
    """The q_star at which each row is held, for `hold_q_star`; `tasks` holds one for each row."""
    if all(task.q_star is None for task in tasks):
        return None
    return theta.new_tensor([float("nan") if task.q_star is None else task.q_star for task in tasks]).unsqueeze(-1)


def _pieces(
    signed: torch.Tensor, flips: torch.Tensor | None, like: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """`signed : (n_seeds, P, N)` int8, piece by piece in the number type of `like`, each in the same small buffer, with
    the piece of `flips` that belongs to it."""
    n_seeds, count, n = signed.shape
    size = max(1, min(count, _PIECE[signed.device.type] // (n_seeds * n)))
    buffer = torch.empty((n_seeds, size, n), dtype=like.dtype, device=like.device)
    for start in range(0, count, size):
        piece = signed[:, start : start + size]
        flipped = None if flips is None else flips[..., start : start + size]
        yield buffer[:, : piece.shape[1]].copy_(piece), flipped


def evaluate_loss(theta: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None = None) -> torch.Tensor:
    """E/P on all patterns, `signed : (n_seeds, P, N)` int8, for each seed and row: (n_seeds, n_rows)."""
    total = torch.zeros(theta.shape[:2], dtype=theta.dtype, device=theta.device)
    for piece, flipped in _pieces(signed, flips, theta):
        total += perceptron.energy(theta, piece, flipped)
    return total / max(1, signed.shape[1])


def _test_errors(theta: torch.Tensor, data: _Data, count: int) -> torch.Tensor:
    """Share of fresh patterns on which sign(theta) and each teacher disagree: (n_problems, n_tasks, n_seeds).

    Patterns with W . x = 0 (a share of sqrt(2 / (pi n)) for even n) have no right answer and are left out; a student
    with sign(theta) . x = 0 is wrong by one half.
    """
    n_problems, n_tasks, n_seeds, _ = data.teachers.shape
    errors = theta.new_full((n_problems, n_tasks, n_seeds), torch.nan)
    if count == 0:
        return errors
    for task in range(n_tasks):
        signed, flips = data.patterns(task, count, theta.dtype, "test")
        signed = signed.to(theta.dtype)
        wrong = 0.5 * (1.0 - torch.sign(perceptron.fields(torch.sign(theta), signed, flips)))
        decided = perceptron.fields(data.teachers[:, task].transpose(0, 1).to(theta.dtype), signed) != 0
        wrong = wrong.unflatten(1, (n_problems, -1)) * decided.unsqueeze(2)
        errors[:, task] = (wrong.sum(-1) / decided.sum(-1).unsqueeze(2)).mean(2).T
    # torch.sign(nan) is 0, which would look like an error of one half
    finite = torch.isfinite(theta).all(-1).unflatten(1, (n_problems, -1)).all(2).T
    return torch.where(finite.unsqueeze(1), errors, torch.nan)


class _Recorder:
    """Collects observables of all seeds of one problem at the recorded epochs."""

    def __init__(self, teachers: torch.Tensor) -> None:
        self.teachers = teachers
        self.rows: list[dict[str, np.ndarray]] = []
        self.epochs: list[int] = []

    def add(self, epoch: int, theta: torch.Tensor, loss: torch.Tensor) -> None:
        seen = perceptron.overlaps(theta, self.teachers)
        p = seen["p"].clamp(-1.0, 1.0)
        row = {
            "r": seen["r"].mean(1).T,
            "p": p.mean(1).T,
            "eps_g": (torch.arccos(p) / torch.pi).mean(1).T,
            "q_star": seen["q_star"].mean(1),
            "loss": loss.mean(1),
            "q": seen.get("q", torch.full_like(seen["q_star"][:, 0], torch.nan)),
        }
        self.rows.append({name: value.double().cpu().numpy() for name, value in row.items()})
        self.epochs.append(epoch)

    def stage(self, eps_test: torch.Tensor, theta: torch.Tensor) -> Stage:
        columns = {name: np.stack([row[name] for row in self.rows]) for name in self.rows[0]}
        return Stage(
            epochs=np.array(self.epochs), eps_test=eps_test.double().cpu().numpy(), theta=theta.clone(), **columns
        )


def record_epochs(epochs: int, records: int) -> set[int]:
    """0, and `records` evenly spaced epochs that end with the last."""
    records = min(records, epochs)
    return {0, *(round(epochs * k / records) for k in range(1, records + 1))}


def _train(
    theta: torch.Tensor,
    signed: torch.Tensor,
    anchor: Anchor,
    settings: DescentSettings,
    order: torch.Generator,
    *,
    flips: torch.Tensor | None = None,
    q_star: float | torch.Tensor | None = None,
    on_epoch: Callable[[int], None],
    term: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> None:
    """Descend in place for `settings.epochs` sweeps over `signed : (n_seeds, P, N)`; calls on_epoch after each."""
    count = signed.shape[1]
    size = min(settings.batch or count, count)
    starts = range(0, count, size) if count else [0]
    optimizer = _Optimizer(settings, theta)
    decay = settings.weight_decay * anchor.free
    for epoch in range(1, settings.epochs + 1):
        for index in torch.randperm(len(starts), generator=order).tolist():
            block = slice(starts[index], starts[index] + size)
            patterns = signed[:, block]
            share = patterns.shape[1] / count if count else 1.0
            grad = torch.zeros_like(theta)
            for piece, flipped in _pieces(patterns, None if flips is None else flips[..., block], theta):
                grad += perceptron.gradient(theta, piece, flipped)
            pull = anchor.gradient(theta)
            if isinstance(pull, torch.Tensor):
                grad.add_(pull, alpha=share)
            if term is not None:
                grad.add_(term(theta), alpha=share)
            if isinstance(decay, torch.Tensor):
                grad.addcmul_(theta, decay, value=share)
            elif decay > 0.0:
                grad.add_(theta, alpha=share * decay)
            optimizer.step(theta, grad, settings.warmup * len(starts))
            if q_star is not None:
                hold_q_star(theta, q_star)
        on_epoch(epoch)


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
    n : number of weights N; P_t = alpha_t N patterns of task t.
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
    DescentResult; runs that left the finite numbers are logged as warnings, listed in `diverged`, and do not touch the
    others.

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
) -> list[DescentResult]:
    """`descend` of several problems at once, in one tensor program that reads the patterns once for all of them.

    Each result is what `descend` gives for that problem alone, to rounding (which descent amplifies where its outcome
    hangs in the balance); a problem that diverges leaves the others alone.

    Parameters
    ----------
    problems : tasks or chains with the same number of tasks and the same alpha of each; overlaps, gammas, anchors,
        memories, priors and q_star may differ.
    start : the descent of the first task that all of them share.
    Everything else as in `descend`.

    Raises
    ------
    ValueError : as `descend`; problems of different sizes, or none.
    """
    chains = [Chain((problem,)) if isinstance(problem, Task) else problem for problem in problems]
    sizes = [tuple(task.alpha for task in chain.tasks) for chain in chains]
    if len(set(sizes)) != 1:
        said = "none" if not sizes else ", ".join(str(size) for size in dict.fromkeys(sizes))
        raise ValueError(f"problems must have the same alphas, task by task, got {said}")
    settings = settings or DescentSettings()
    n = check_count("n", n, low=2)
    seeds = check_seeds(seeds)
    where = check_device(device)
    data = _Data(chains, n, seeds, settings, where)
    begun = [_begun(start, chain, n, seeds, settings) for chain in chains]
    stages, diverged = [stages for stages, _ in begun], [diverged for _, diverged in begun]
    begin = start.stages[-1].theta if start else torch.stack([_start(seed, n, settings) for seed in seeds])
    theta = begin.to(where, dtype).repeat(1, len(chains), 1)
    first = len(stages[0])
    total = settings.epochs * (len(sizes[0]) - first)
    done = 0
    keep = record_epochs(settings.epochs, settings.records)
    for index in range(first, len(sizes[0])):
        tasks = [chain.tasks[index] for chain in chains]
        by_row = [task for task in tasks for _ in range(settings.replicas)]
        signed, flips = data.patterns(index, teachers.n_patterns(tasks[0].alpha, n), dtype)
        held = _held(by_row, theta)
        if held is not None:
            hold_q_star(theta, held)
        recorders = [_Recorder(of_one) for of_one in data.teachers]
        alive = torch.isfinite(theta).all(-1)

        def record(
            epoch: int, *, index=index, theta=theta, tasks=tasks, patterns=(signed, flips), to=recorders, alive=alive
        ) -> None:
            loss = evaluate_loss(theta, *patterns)
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
        _train(
            theta,
            signed,
            _anchor(by_row, theta, first=index == 0),
            settings,
            teachers.generator(0, index, "order"),
            flips=flips,
            q_star=held,
            on_epoch=on_epoch,
            term=term if index > 0 else None,
        )
        eps_test = _test_errors(theta, data, settings.test_patterns)
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
    data = _Data([chain], n, seeds, settings, where)
    signed, _ = data.patterns(0, teachers.n_patterns(chain.tasks[0].alpha, n), dtype)
    theta = torch.stack([_start(seed, n, settings) for seed in seeds]).to(where, dtype)
    recorder = _Recorder(data.teachers[0])
    order = teachers.generator(0, 0, "order")
    for index, level in enumerate(levels):
        hold_q_star(theta, level)

        def on_epoch(epoch: int, *, index: int = index) -> None:
            if progress is not None:
                progress(index * settings.epochs + epoch, len(levels) * settings.epochs)

        _train(theta, signed, Anchor(chain.tasks[0], None), settings, order, q_star=level, on_epoch=on_epoch)
        recorder.add(index, theta, evaluate_loss(theta, signed))
    rows = recorder.rows
    found = {name: np.stack([row[name] for row in rows]) for name in ("q_star", "loss")}
    return found | {name: np.stack([row[name][0] for row in rows]) for name in ("r", "p", "eps_g")}


def convergence_epochs(epochs: np.ndarray, loss: np.ndarray, *, tolerance: float) -> np.ndarray:
    """First recorded epoch from which |loss - last loss| stays below `tolerance` times (first loss - last loss).

    `epochs : (n_records,)`, `loss : (n_records, n_seeds)`; returns (n_seeds,). A run that is still moving at its end
    gets an epoch near the end: look at the history before trusting it.
    """
    far = np.abs(loss - loss[-1]) >= tolerance * np.abs(loss[0] - loss[-1])
    last_far = far.shape[0] - 1 - np.argmax(far[::-1], axis=0)  # the start itself is always far
    return epochs[np.minimum(last_far + 1, far.shape[0] - 1)]


def _start(seed: int, n: int, settings: DescentSettings) -> torch.Tensor:
    """The fields that a seed's first task starts from, `(n_replicas, n)`."""
    rng = teachers.generator(seed, 0, "start")
    return settings.start_spread * torch.randn((settings.replicas, n), generator=rng, dtype=torch.float64)


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
    if len(begun) != 1 or (begun[0].alpha, begun[0].prior, begun[0].q_star) != (first.alpha, first.prior, first.q_star):
        raise ValueError(f"start must be a descent of the first task alone, {first!r}, got {start.chain!r}")
    return list(start.stages), list(start.diverged)
