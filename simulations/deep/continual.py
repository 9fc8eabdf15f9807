"""Task after task: scenarios, the protocol, and what comes of it.

Results are `accuracy[after_task, on_task]`: the accuracy on the test images of task `on_task` after training on task
`after_task`, both counted from 1. Everything random follows from the seed of the run: a run that is killed and started
again goes on from its last finished epoch and ends in the same accuracies.
"""

from __future__ import annotations

import io
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from statmech_cl.estimate import Estimate
from statmech_cl.output import write_atomic
from statmech_cl.store import point_key
from statmech_cl.validation import check_choice, check_count

from . import datasets
from .methods import Method, TaskInfo, check_options, get_method
from .networks import PIXELS, Architecture, cnn, mlp

SCENARIOS = ("permuted-mnist", "mnist-fashion", "split-mnist")
HEADS = ("single", "per-task")
_EVALUATION_BATCH = 2000
# Seeds of the streams that one run draws from, so that none is used twice.
_ORDER, _END, _PERMUTATION = 1, 2, 3


def _seed(*parts: int) -> int:
    """One 63-bit seed from several small numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class TaskData:
    """One task. Images (n, 784) uint8, labels (n,) int64 that are numbers of outputs.

    outputs : the outputs that this task's classes own. permutation : of the pixels, (784,), or None.
    mean, std : of the training pixels in [0, 1]; images go in as (pixel - mean) / std.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    outputs: tuple[int, ...]
    mean: float
    std: float
    permutation: Tensor | None = None

    def images(self, raw: Tensor) -> Tensor:
        """What the network sees: permuted, normalised float32 images."""
        if self.permutation is not None:
            raw = raw[:, self.permutation]
        return raw.to(torch.float32).mul_(1.0 / (255.0 * self.std)).sub_(self.mean / self.std)


@dataclass(frozen=True)
class Scenario:
    """Tasks in order. `per_task_heads`: each task trains and is judged on its own outputs only."""

    name: str
    tasks: tuple[TaskData, ...]
    n_outputs: int
    per_task_heads: bool
    sources: tuple[str, ...]


def needed(name: str) -> tuple[str, ...]:
    """The datasets that scenario `name` is made of."""
    return datasets.DATASETS if name == "mnist-fashion" else ("mnist",)


def _tensors(data: datasets.Dataset, validation: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and evaluation images and labels. With `validation` the last sixth of the training set is held out and
    takes the place of the test set, which is then not looked at."""
    train_x = torch.from_numpy(data.train_x.copy()).reshape(-1, PIXELS**2)
    train_y = torch.from_numpy(data.train_y.astype(np.int64))
    if validation:
        cut = len(train_y) - len(train_y) // 6
        return train_x[:cut], train_y[:cut], train_x[cut:], train_y[cut:]
    test_x = torch.from_numpy(data.test_x.copy()).reshape(-1, PIXELS**2)
    return train_x, train_y, test_x, torch.from_numpy(data.test_y.astype(np.int64))


def _scale(x: Tensor) -> tuple[float, float]:
    counts = torch.bincount(x.flatten(), minlength=256).to(torch.float64)
    levels = torch.arange(256, dtype=torch.float64) / 255.0
    mean = float((counts * levels).sum() / counts.sum())
    return mean, float(((counts * levels.square()).sum() / counts.sum() - mean**2).sqrt())


def scenario(
    name: str,
    *,
    n_tasks: int | None = None,
    heads: str = "single",
    data_dir: str | Path | None = None,
    subset: bool = False,
    permutation_seed: int = 0,
    validation: bool = False,
) -> Scenario:
    """The tasks of "permuted-mnist" (default 5), "mnist-fashion" (2) or "split-mnist" (2: digits 0-4, 5-9; or 5 pairs).

    Parameters
    ----------
    heads : "single", all tasks share the outputs (ten; split-mnist keeps ten digits), or "per-task".
    data_dir, subset : see `datasets.load`.
    permutation_seed : of the pixel permutations; task 1 is not permuted.
    validation : judge on a held-out sixth of the training set instead of the test set: for choosing hyper-parameters.

    Raises
    ------
    ValueError : unknown name or heads, a number of tasks that the scenario does not have; `DatasetError`.
    """
    check_choice("scenario", name, SCENARIOS)
    check_choice("heads", heads, HEADS)
    per_task = heads == "per-task"
    n_tasks = {"permuted-mnist": 5, "mnist-fashion": 2, "split-mnist": 2}[name] if n_tasks is None else n_tasks
    check_count("tasks", n_tasks)
    if name == "mnist-fashion" and n_tasks != 2:
        raise ValueError(f"tasks must be 2 for mnist-fashion, got {n_tasks}")
    if name == "split-mnist" and n_tasks not in (2, 5):
        raise ValueError(f"tasks must be 2 or 5 for split-mnist, got {n_tasks}")
    loaded = [datasets.load(d, data_dir, subset=subset) for d in needed(name)]
    tensors = [_tensors(data, validation) for data in loaded]
    tasks = []
    for index in range(n_tasks):
        train_x, train_y, test_x, test_y = tensors[index if name == "mnist-fashion" else 0]
        mean, std = _scale(train_x)
        label, permutation, first, owned = f"task {index + 1}", None, 0, 10
        if name == "permuted-mnist":
            label = f"permutation {index}"
            if index > 0:
                generator = torch.Generator().manual_seed(_seed(permutation_seed, _PERMUTATION, index))
                permutation = torch.randperm(PIXELS**2, generator=generator)
        elif name == "mnist-fashion":
            label = loaded[index].name
        else:
            owned = 10 // n_tasks
            first = index * owned
            label = f"digits {first}-{first + owned - 1}"
            train, test = ((y >= first) & (y < first + owned) for y in (train_y, test_y))
            train_x, train_y, test_x, test_y = train_x[train], train_y[train], test_x[test], test_y[test]
        # Split MNIST keeps the digit as the output under either choice: ten outputs, shared or parted.
        offset = index * owned if per_task and name != "split-mnist" else 0
        tasks.append(
            TaskData(
                name=label,
                train_x=train_x,
                train_y=train_y + offset,
                test_x=test_x,
                test_y=test_y + offset,
                outputs=tuple(range(first + offset, first + offset + owned)),
                mean=mean,
                std=std,
                permutation=permutation,
            )
        )
    n_outputs = 10 * n_tasks if per_task and name != "split-mnist" else 10
    return Scenario(name, tuple(tasks), n_outputs, per_task, tuple(str(data) for data in loaded))


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How long, and on what network.

    epochs : for each task. batches : of an epoch, drawn without replacement; 0 for all of the training set.
    network : "mlp" of the given hidden `widths`, or "cnn" (16 and 32 channels, 128 hidden units).
    """

    epochs: int = 5
    batches: int = 500
    batch_size: int = 64
    network: str = "mlp"
    widths: tuple[int, ...] = (512, 512)

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs)
        check_count("batches", self.batches, low=0)
        check_count("batch_size", self.batch_size)
        check_choice("network", self.network, ("mlp", "cnn"))
        object.__setattr__(self, "widths", tuple(check_count("widths", width) for width in self.widths))

    def architecture(self, n_outputs: int) -> Architecture:
        """The network with `n_outputs` logits."""
        return cnn(n_outputs) if self.network == "cnn" else mlp((PIXELS**2, *self.widths, n_outputs))

    def steps(self, n_patterns: int) -> int:
        """Batches of one epoch over `n_patterns` patterns."""
        whole = max(1, n_patterns // self.batch_size)
        return whole if self.batches == 0 else min(self.batches, whole)


@dataclass
class RunResult:
    """One method, one seed.

    Attributes
    ----------
    rows : one for each evaluation: after_task, epoch (within that task), on_task (both tasks from 1), view, accuracy
        (under the scenario's heads), accuracy_task_aware (argmax among the task's own outputs only), error (standard
        error over the draws of a sampled view, else None). after_task = 0 is the network before training.
    log : one for each epoch: after_task, epoch, loss (mean over its batches), seconds, and the method's diagnostics.
    histograms : at the end of each task the method's `histogram()`: of v for binary weights, empty for others.
    """

    method: str
    seed: int
    options: dict[str, Any]
    n_tasks: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    histograms: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_mib: float = 0.0

    def matrix(self, view: str, *, task_aware: bool = False) -> np.ndarray:
        """accuracy[after_task, on_task] at the ends of the tasks, (n_tasks, n_tasks); nan where it was not measured."""
        out = np.full((self.n_tasks, self.n_tasks), np.nan)
        column = "accuracy_task_aware" if task_aware else "accuracy"
        last = {(r["after_task"], r["on_task"]): r[column] for r in self.rows if r["view"] == view and r["end"]}
        for (after, on), value in last.items():
            if after > 0:
                out[after - 1, on - 1] = value
        return out

    def untrained(self, view: str) -> np.ndarray:
        """Accuracy on each task before any training, (n_tasks,)."""
        first = {r["on_task"]: r["accuracy"] for r in self.rows if r["view"] == view and r["after_task"] == 0}
        return np.array([first.get(on, np.nan) for on in range(1, self.n_tasks + 1)])

    def metrics(self, view: str, *, task_aware: bool = False) -> dict[str, float]:
        """See `metrics`."""
        return metrics(self.matrix(view, task_aware=task_aware), self.untrained(view))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> RunResult:
        """The result that `to_dict` wrote."""
        return cls(**saved)


def metrics(accuracy: np.ndarray, untrained: np.ndarray | None = None) -> dict[str, float]:
    """What `accuracy[after_task, on_task] : (T, T)` comes to.

    average            mean over tasks of accuracy[T, k]
    recent             the same over the last five tasks
    learned            mean over tasks of accuracy[k, k], each task just after it was learned
    forgetting         mean over k < T of max_{t < T} accuracy[t, k] - accuracy[T, k]
    backward_transfer  mean over k < T of accuracy[T, k] - accuracy[k, k]
    forward_transfer   mean over k > 1 of accuracy[k-1, k] - untrained[k]
    (nan where there is nothing to average; what was not measured, nan, is left out of the maximum).
    """
    n = len(accuracy)
    last, diagonal = accuracy[-1], np.diag(accuracy)
    out = {"average": float(last.mean()), "recent": float(last[-5:].mean()), "learned": float(diagonal.mean())}
    if n == 1:
        return {**out, "forgetting": np.nan, "backward_transfer": np.nan, "forward_transfer": np.nan}
    best = np.array([np.nanmax(accuracy[k : n - 1, k]) for k in range(n - 1)])
    out["forgetting"] = float((best - last[:-1]).mean())
    out["backward_transfer"] = float((last[:-1] - diagonal[:-1]).mean())
    before = np.full(n, np.nan) if untrained is None else untrained
    out["forward_transfer"] = float((np.diag(accuracy, 1) - before[1:]).mean())
    return out


def summarise(results: Sequence[RunResult], view: str, *, task_aware: bool = False) -> dict[str, Estimate | float]:
    """Each metric over the seeds, with its standard error (a bare number where there is one seed only)."""
    each = [result.metrics(view, task_aware=task_aware) for result in results]
    return {
        name: Estimate.from_samples(np.array([m[name] for m in each])) if len(each) > 1 else each[0][name]
        for name in each[0]
    }


def table(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One line for each method: means over its seeds with their standard errors, in per cent where they are accuracies.

    "average", "learned", "forgetting" and the transfers are of the method's first view, so is "last 5", the average of
    the last five tasks, where there are more; where a method has several
    views, "mean", "sampled" and "fields" are their averages over the tasks after the last one. "task-aware" is the
    average when only the task's own outputs compete, where that differs; of two tasks both are given ("on task 1",
    "task-aware 1"); "task id" says whether the method was told which task an image comes from; "seconds" and "MiB" are
    the time of training and the peak of the process.
    """
    lines = []
    for name in dict.fromkeys(result.method for result in results):
        mine = [result for result in results if result.method == name]
        kind = get_method(name)
        line: dict[str, Any] = {"method": name, "view": kind.views[0]}
        for metric, value in summarise(mine, kind.views[0]).items():
            if metric != "recent":
                line[metric] = _percent(value)
            elif mine[0].n_tasks > 5:
                line["last 5"] = _percent(value)
        for view in kind.views[1:]:
            line[view] = _percent(summarise(mine, view)["average"])
        aware = _percent(summarise(mine, kind.views[0], task_aware=True)["average"])
        if aware != line["average"]:
            line["task-aware"] = aware
        if mine[0].n_tasks == 2:
            last = np.array([100.0 * result.matrix(kind.views[0])[-1] for result in mine])
            own = np.array([100.0 * result.matrix(kind.views[0], task_aware=True)[-1] for result in mine])
            for on, (values, among_own) in enumerate(zip(last.T, own.T, strict=True), start=1):
                line[f"on task {on}"] = Estimate.from_samples(values) if len(values) > 1 else float(values[0])
                if "task-aware" in line:
                    told = Estimate.from_samples(among_own) if len(values) > 1 else float(among_own[0])
                    line[f"task-aware {on}"] = told
        line["task id"] = "yes" if kind.told_task(mine[0].options) else "no"
        line["seeds"] = len(mine)
        line["seconds"] = round(float(np.mean([result.seconds for result in mine])), 1)
        line["MiB"] = round(max(result.peak_mib for result in mine))
        lines.append(line)
    return lines


def _percent(value: Estimate | float) -> Estimate | float:
    if isinstance(value, Estimate):
        return Estimate(100.0 * value.mean, 100.0 * value.error, value.n)
    return 100.0 * value


def run(
    method: str,
    scenario: Scenario,
    protocol: Protocol,
    *,
    seed: int,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[Method, RunResult], None] | None = None,
    curve: bool = True,
    look_back: int | None = None,
) -> RunResult:
    """Train `method` on the tasks of `scenario` in order, and evaluate it.

    After each epoch the first view is evaluated on every task seen so far (`curve`), after each task the first view on
    all tasks and the other views on this one, after the last task the other views on all.

    Parameters
    ----------
    seed : of initial weights, noise and the order of the batches.
    checkpoint : a file to which the state goes after each epoch and from which a killed run goes on; it belongs to this
        very run and is removed at its end.
    on_epoch : called after each epoch's evaluation with the method and the result so far.
    look_back : with very many tasks, the number of latest tasks that are evaluated on before the last one has been
        learned (and the next one, for the forward transfer); None for all.

    Raises
    ------
    ValueError : unknown method or option, a checkpoint of another run, a loss that is no longer finite.
    """
    kind = get_method(method)
    architecture = protocol.architecture(scenario.n_outputs)
    result = RunResult(method, seed, check_options(kind, options or {}), len(scenario.tasks))
    learner = kind(architecture, seed=seed, device=device, options=options)
    identity = {
        "method": method,
        "options": result.options,
        "seed": seed,
        "architecture": architecture.name,
        "scenario": [scenario.name, scenario.per_task_heads, list(scenario.sources), len(scenario.tasks)],
        "protocol": {**asdict(protocol), "widths": list(protocol.widths)},
        "look_back": look_back if look_back is None else check_count("look_back", look_back),
    }
    path = None if checkpoint is None else Path(checkpoint)
    done = 0  # epochs finished, over all tasks
    if path is not None and path.exists():
        done = _resume(path, identity, learner, result, scenario, protocol)
    else:
        for on in range(len(scenario.tasks)):
            _evaluate(learner, scenario, on, learner.views[0], result, after=0, epoch=0, end=True)
    for index, task in enumerate(scenario.tasks):
        n_steps = protocol.steps(len(task.train_y))
        total = n_steps * protocol.epochs
        for epoch in range(protocol.epochs):
            number = index * protocol.epochs + epoch
            if number < done:
                continue
            started = time.perf_counter()
            if epoch == 0:
                learner.begin_task(_info(scenario, protocol, index))
            loss = 0.0
            batches = _batches(task, protocol.batch_size, n_steps, _seed(seed, _ORDER, number), device)
            for step, (x, y) in enumerate(batches):
                loss += learner.step(x, y, (epoch * n_steps + step) / total)
            if not math.isfinite(loss):
                where = f"task {index + 1}, epoch {epoch + 1}"
                raise ValueError(f"training of {method} diverged (loss {loss} in {where}); lower its lr or its anchor")
            last = epoch == protocol.epochs - 1
            if last:
                fresh = _batches(task, protocol.batch_size, n_steps, _seed(seed, _END, index), device)
                diagnostics = learner.diagnostics()  # before the reference moves to the weights just learned
                result.histograms.append(learner.histogram())
                learner.end_task(fresh)
            else:
                diagnostics = learner.diagnostics()
            seconds = time.perf_counter() - started
            result.seconds += seconds
            place = {"after_task": index + 1, "epoch": epoch + 1}
            result.log.append({**place, "loss": loss / n_steps, "seconds": seconds, **diagnostics})
            if last or curve:
                _evaluate_epoch(learner, scenario, index, epoch, last, look_back, result)
            result.peak_mib = max(result.peak_mib, _peak_mib())
            if on_epoch is not None:
                on_epoch(learner, result)
            if path is not None:
                saved = {"identity": identity, "done": number + 1, "state": learner.state()}
                _save(path, {**saved, "result": result.to_dict()})
    if path is not None:
        path.unlink(missing_ok=True)
    return result


def run_point(
    *,
    method: str,
    options: Mapping[str, Any],
    scenario_name: str,
    n_tasks: int | None,
    heads: str,
    subset: bool,
    validation: bool,
    epochs: int,
    batches: int,
    batch_size: int,
    network: str,
    widths: Sequence[int],
    seed: int,
    device: str,
    look_back: int | None = None,
    data_dir: str | Path | None = None,
    checkpoints: str | Path | None = None,
) -> dict[str, Any]:
    """One method, one seed, from plain values to plain values: `RunResult.to_dict()`, for stores and processes.

    checkpoints : a folder; the run's checkpoint is a file there, named after the values above.
    """
    point = {name: value for name, value in locals().items() if name not in ("data_dir", "checkpoints")}
    folder = None if data_dir is None else str(data_dir)
    tasks = _cached_scenario(scenario_name, n_tasks, heads, subset, validation, folder)
    protocol = Protocol(epochs=epochs, batches=batches, batch_size=batch_size, network=network, widths=tuple(widths))
    path = None
    if checkpoints is not None:
        path = Path(checkpoints) / f"{method}-{seed}-{point_key('run', point)[:16]}.checkpoint"
    return run(
        method, tasks, protocol, seed=seed, options=options, device=device, checkpoint=path, look_back=look_back
    ).to_dict()


@lru_cache(maxsize=1)
def _cached_scenario(
    name: str, n_tasks: int | None, heads: str, subset: bool, validation: bool, data_dir: str | None
) -> Scenario:
    return scenario(name, n_tasks=n_tasks, heads=heads, data_dir=data_dir, subset=subset, validation=validation)


def _info(scenario: Scenario, protocol: Protocol, index: int) -> TaskInfo:
    task = scenario.tasks[index]
    n = len(task.train_y)
    return TaskInfo(
        index=index,
        n_tasks=len(scenario.tasks),
        n_patterns=n,
        n_steps=protocol.steps(n) * protocol.epochs,
        outputs=task.outputs if scenario.per_task_heads else None,
    )


def _batches(task: TaskData, size: int, count: int, seed: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(task.train_y), generator=torch.Generator().manual_seed(seed))
    for chunk in order[: count * size].split(size):
        yield task.images(task.train_x[chunk]).to(device), task.train_y[chunk].to(device)


def _evaluate_epoch(
    learner: Method, scenario: Scenario, index: int, epoch: int, last: bool, look_back: int | None, result: RunResult
) -> None:
    first, *others = learner.views
    n_tasks = len(scenario.tasks)
    final = last and index == n_tasks - 1
    begin = 0 if final or look_back is None else max(0, index + 1 - look_back)
    end = index + 1 if not last else n_tasks if final or look_back is None else index + 2
    for on in range(begin, end):
        _evaluate(learner, scenario, on, first, result, after=index + 1, epoch=epoch + 1, end=last)
    if last:
        for view in others:
            for on in range(0 if final else index, index + 1):
                _evaluate(learner, scenario, on, view, result, after=index + 1, epoch=epoch + 1, end=True)


def _evaluate(
    learner: Method, scenario: Scenario, on: int, view: str, result: RunResult, *, after: int, epoch: int, end: bool
) -> None:
    task = scenario.tasks[on]
    own = torch.full((scenario.n_outputs,), -torch.inf, device=learner.device)
    own[list(task.outputs)] = 0.0
    draws = []
    for sample in range(learner.samples(view)):
        learner.prepare(view, sample)
        right = np.zeros(2)
        for raw, y in zip(task.test_x.split(_EVALUATION_BATCH), task.test_y.split(_EVALUATION_BATCH), strict=True):
            logits = learner.logits(task.images(raw).to(learner.device), view, on)
            y = y.to(learner.device)
            right += [int((scores.argmax(dim=1) == y).sum()) for scores in (logits, logits + own)]
        draws.append(right / len(task.test_y))
    plain, aware = np.mean(draws, axis=0)
    error = float(np.std(draws, axis=0, ddof=1)[0] / np.sqrt(len(draws))) if len(draws) > 1 else None
    result.rows.append(
        {
            "after_task": after,
            "epoch": epoch,
            "on_task": on + 1,
            "view": view,
            "accuracy": float(aware if scenario.per_task_heads else plain),
            "accuracy_task_aware": float(aware),
            "error": error,
            "end": end,
        }
    )


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _save(path: Path, content: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    write_atomic(path, buffer.getvalue())  # two commands may be at the same run


def _resume(
    path: Path,
    identity: Mapping[str, Any],
    learner: Method,
    result: RunResult,
    scenario: Scenario,
    protocol: Protocol,
) -> int:
    try:
        saved = torch.load(path, weights_only=True, map_location=learner.device)
        found = saved["identity"]
    except Exception as error:
        reason = type(error).__name__
        raise ValueError(f"checkpoint {path} cannot be read ({reason}); move it away and run again") from None
    if found != dict(identity):
        differing = ", ".join(key for key in identity if found.get(key) != identity[key])
        raise ValueError(f"checkpoint {path} belongs to another run (other {differing}); choose another file")
    for name, value in saved["result"].items():
        setattr(result, name, value)
    done = int(saved["done"])
    if done % protocol.epochs != 0:
        learner.begin_task(_info(scenario, protocol, done // protocol.epochs))
    learner.load_state(saved["state"])
    return done
