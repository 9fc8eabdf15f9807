"""The protocol: train a method on one task after the other, evaluate it, survive being killed.

Results are `accuracy[after_task, on_task]`: the accuracy on the test images of task `on_task` after training on task
`after_task`, both counted from 1. Everything random follows from the seed of the run: a run that is killed and started
again goes on from its last finished epoch and ends in the same accuracies. A checkpoint carries the identity of its
run, which is everything that decides the numbers: method and options, seed, architecture, protocol, the digest of the
data (images, split, normalisation, permutations) and that of the code.
"""

from __future__ import annotations

import io
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from statmech_cl.output import write_atomic
from statmech_cl.provenance import code_version
from statmech_cl.validation import check_choice, check_count

from . import uncertainty
from .methods import Method, TaskInfo, check_options
from .names import MOST_UNITS, NETWORKS
from .networks import PIXELS, Architecture, cnn, mlp
from .results import RunResult
from .scenarios import Scenario, TaskData, stream_seed

_EVALUATION_BATCH = 2000
# Seeds of the streams that one run draws from, so that none is used twice.
_ORDER, _END = 1, 2


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How long, and on what network.

    epochs : for each task. batches : of an epoch, drawn without replacement; 0 for all of the training set.
    network : "mlp" of the given hidden `widths`, or "cnn" (16 and 32 channels, 128 hidden units).
    test_images : how many of each task's test images, from the first on, are judged on; 0 for all.
    last_batch : whether an epoch over all of the training set ends with what is left over, a smaller batch.
    """

    epochs: int = 5
    batches: int = 500
    batch_size: int = 64
    network: str = "mlp"
    widths: tuple[int, ...] = (512, 512)
    test_images: int = 0
    last_batch: bool = False

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs)
        check_count("batches", self.batches, low=0)
        check_count("batch_size", self.batch_size)
        check_count("test_images", self.test_images, low=0)
        if self.last_batch and self.batches:
            raise ValueError(f"last_batch needs an epoch over all data, batches = 0, got batches = {self.batches}")
        check_choice("network", self.network, NETWORKS)
        object.__setattr__(
            self, "widths", tuple(check_count("widths", width, high=MOST_UNITS) for width in self.widths)
        )

    def architecture(self, n_outputs: int) -> Architecture:
        """The network with `n_outputs` logits."""
        return cnn(n_outputs) if self.network == "cnn" else mlp((PIXELS**2, *self.widths, n_outputs))

    def steps(self, n_patterns: int) -> int:
        """Batches of one epoch over `n_patterns` patterns."""
        available = max(1, (n_patterns + self.last_batch * (self.batch_size - 1)) // self.batch_size)
        return available if self.batches == 0 else min(self.batches, available)


def code_of(kind: type[Method]) -> str:
    """Digest of what a method's results rest on: a change of one method leaves the stored runs of the others."""
    return code_version(kind.__module__, __name__)


def run(
    kind: type[Method],
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
    """Train a method of class `kind` on the tasks of `scenario` in order, and evaluate it.

    After each task the first view is evaluated on all tasks, after the last task the other views too. With `curve` also
    the first view before training, after each epoch on every task seen so far, and after each task the other views on
    that one.

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
    architecture = protocol.architecture(scenario.n_outputs)
    result = RunResult(kind.name, seed, check_options(kind, options or {}), len(scenario.tasks))
    learner = kind(architecture, seed=seed, device=device, options=options)
    look_back = look_back if look_back is None else check_count("look_back", look_back)
    path = None if checkpoint is None else Path(checkpoint)
    identity: dict[str, Any] = {}
    if path is not None:
        identity = {
            "method": kind.name,
            "options": result.options,
            "seed": seed,
            "architecture": architecture.name,
            "scenario": [scenario.name, scenario.per_task_heads, len(scenario.tasks)],
            "data": scenario.digest,
            "protocol": {**asdict(protocol), "widths": list(protocol.widths)},
            "evaluation": [curve, look_back],
            "code": code_of(kind),
        }
    done = 0  # epochs finished, over all tasks
    if path is not None and path.exists():
        done = _resume(path, identity, learner, result, scenario, protocol)
    else:
        for on in range(len(scenario.tasks) if curve else 0):
            place: dict[str, Any] = {"after": 0, "epoch": 0, "end": True}
            _evaluate(learner, scenario, on, learner.views[0], result, **place, n_images=protocol.test_images)
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
            batches = _batches(task, protocol.batch_size, n_steps, stream_seed(seed, _ORDER, number), device)
            for step, (x, y) in enumerate(batches):
                loss += learner.step(x, y, (epoch * n_steps + step) / total)
            if not math.isfinite(loss):
                where = f"task {index + 1}, epoch {epoch + 1}"
                raise ValueError(
                    f"training of {kind.name} diverged (loss {loss} in {where}); lower its lr or its anchor"
                )
            last = epoch == protocol.epochs - 1
            if last:
                fresh = _batches(task, protocol.batch_size, n_steps, stream_seed(seed, _END, index), device)
                diagnostics = learner.diagnostics()  # before the reference moves to the weights just learned
                result.histograms.append(learner.histogram())
                learner.end_task(fresh)
            else:
                diagnostics = learner.diagnostics()
            seconds = time.perf_counter() - started
            result.seconds += seconds
            when = {"after_task": index + 1, "epoch": epoch + 1}
            result.log.append({**when, "loss": loss / n_steps, "seconds": seconds, **diagnostics})
            _evaluate_epoch(learner, scenario, protocol, index, epoch, curve, look_back, result)
            result.peak_mib = max(result.peak_mib, _peak_mib())
            if on_epoch is not None:
                on_epoch(learner, result)
            if path is not None:
                saved = {"identity": identity, "done": number + 1, "state": learner.state()}
                _save(path, {**saved, "result": result.to_dict()})
    if path is not None:
        path.unlink(missing_ok=True)
    return result


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
    learner: Method,
    scenario: Scenario,
    protocol: Protocol,
    index: int,
    epoch: int,
    curve: bool,
    look_back: int | None,
    result: RunResult,
) -> None:
    first, *others = learner.views
    n_tasks = len(scenario.tasks)
    last = epoch == protocol.epochs - 1
    final = last and index == n_tasks - 1
    begin = 0 if final or look_back is None else max(0, index + 1 - look_back)
    end = index + 1 if not last else n_tasks if final or look_back is None else index + 2
    asked = [(on, first) for on in range(begin, end)] if last or curve else []
    if final or (last and curve):
        asked += [(on, view) for view in others for on in range(0 if final else index, index + 1)]
    place: dict[str, Any] = {"after": index + 1, "epoch": epoch + 1, "end": last}
    for on, view in asked:
        _evaluate(learner, scenario, on, view, result, **place, n_images=protocol.test_images, outside=final)


def _evaluate(
    learner: Method,
    scenario: Scenario,
    on: int,
    view: str,
    result: RunResult,
    *,
    after: int,
    epoch: int,
    end: bool,
    n_images: int,
    outside: bool = False,
) -> None:
    task = scenario.tasks[on]
    own = torch.full((scenario.n_outputs,), -torch.inf, device=learner.device)
    own[list(task.outputs)] = 0.0
    images, labels = task.test_x, task.test_y.to(learner.device)
    if n_images > 0:
        images, labels = images[:n_images], labels[:n_images]
    draws = []
    n_draws = learner.samples(view)
    p: Tensor | float = 0.0  # averaged over the draws
    p_outside: Tensor | float = 0.0
    for sample in range(n_draws):
        learner.prepare(view, sample)
        logits = _logits(learner, task, images, view, on)
        draws.append([float((s.argmax(dim=1) == labels).double().mean()) for s in (logits, logits + own)])
        judged = own if scenario.per_task_heads else 0.0
        p = p + torch.softmax(logits + judged, dim=1) / n_draws
        if outside and task.outside is not None:
            foreign = _logits(learner, task, task.outside, view, on)
            p_outside = p_outside + torch.softmax(foreign + judged, dim=1) / n_draws
    assert isinstance(p, Tensor)
    plain, aware = np.mean(draws, axis=0)
    error = float(np.std(draws, axis=0, ddof=1)[0] / np.sqrt(n_draws)) if n_draws > 1 else None
    known = isinstance(p_outside, Tensor)
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
            "accuracy_averaged": float((p.argmax(dim=1) == labels).double().mean()),
            "nll": uncertainty.negative_log_likelihood(p, labels),
            "ece": uncertainty.expected_calibration_error(p, labels),
            "auroc": uncertainty.auroc(uncertainty.entropy(p), uncertainty.entropy(p_outside)) if known else None,
        }
    )


def _logits(learner: Method, task: TaskData, images: Tensor, view: str, on: int) -> Tensor:
    chunks = images.split(_EVALUATION_BATCH)
    return torch.cat([learner.logits(task.images(raw).to(learner.device), view, on) for raw in chunks])


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
        stored = saved["identity"]
    except Exception as error:
        reason = type(error).__name__
        raise ValueError(f"checkpoint {path} cannot be read ({reason}); move it away and run again") from None
    if stored != dict(identity):
        differing = ", ".join(key for key in identity if stored.get(key) != identity[key])
        raise ValueError(f"checkpoint {path} belongs to another run (other {differing}); choose another file")
    for name, value in saved["result"].items():
        setattr(result, name, value)
    done = int(saved["done"])
    if done % protocol.epochs != 0:
        learner.begin_task(_info(scenario, protocol, done // protocol.epochs))
    learner.load_state(saved["state"])
    return done
