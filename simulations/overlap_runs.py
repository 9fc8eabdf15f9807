"""Runs that follow the overlap of a network's weights, inputs and logits with those it had when it learned a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .deep.continual import run
from .deep.methods import Method
from .deep.protocol import Protocol
from .deep.results import RunResult
from .deep.scenarios import scenario


@dataclass(frozen=True)
class _Kept:
    """A network at the end of a task: the layers as the first view reads them, their means (of fields; else the same),
    the tensors that are trained, the logits on the task's test images, and the accuracy there."""

    read: list[Tensor]
    means: list[Tensor]
    trained: list[Tensor]
    logits: Tensor
    accuracy: float


def overlap_row(
    *,
    method: str,
    options: Mapping[str, Any],
    subset: bool,
    n_tasks: int,
    epochs: int,
    batches: int,
    widths: Sequence[int],
    seed: int,
    device: str,
) -> dict[str, Any]:
    """One run of `method` on permuted MNIST, with permutations of its own seed.

    Returns {"pairs": [...]}, one for each task `on` and each later one, `after`: the accuracy just learned (before) and
    then (accuracy), of the first view; of the network then with that when `on` was learned: the overlaps of the layers'
    weights as the first view reads them (weights) and of their means (means), the correlation of the first layer's
    preactivations over the test images of `on` (inputs) and that of the logits over images and classes (logits), and
    ||W - W_then||^2 / ||W_then||^2 of what is trained (relative_beta).
    """
    tasks = scenario("permuted-mnist", n_tasks=n_tasks, subset=subset, permutation_seed=seed)
    images = [task.images(task.test_x).to(device) for task in tasks.tasks]
    kept: list[_Kept] = []
    pairs: list[dict[str, Any]] = []

    def look(learner: Method, result: RunResult) -> None:
        if result.log[-1]["epoch"] != epochs:
            return
        after, view = result.log[-1]["after_task"], learner.views[0]
        learner.prepare(view, 0)
        logits = [_centred(learner.logits(x, view, on)) for on, x in enumerate(images[:after])]
        accuracies = {
            r["on_task"]: r["accuracy"] for r in result.rows if r["after_task"] == after and r["view"] == view
        }
        trained = {name: w.double().clone() for name, w in learner.weight_tensors().items()}
        read = [torch.sign(w) if view == "sign" else w for w in trained.values()]
        fields = [name.endswith(".fields") for name in trained]
        means = [torch.tanh(w) if f else r for w, f, r in zip(trained.values(), fields, read, strict=True)]
        kept.append(_Kept(read, means, list(trained.values()), logits[-1], accuracies[after]))
        for on in range(1, after):
            now, then = kept[-1], kept[on - 1]
            moved = sum(float((a - b).square().sum()) for a, b in zip(now.trained, then.trained, strict=True))
            pairs.append(
                {
                    "after": after,
                    "on": on,
                    "before": then.accuracy,
                    "accuracy": accuracies[on],
                    "weights": [overlap(a, b) for a, b in zip(now.read, then.read, strict=True)],
                    "means": [overlap(a, b) for a, b in zip(now.means, then.means, strict=True)],
                    "inputs": seen_overlap(now.read[0], then.read[0], images[on - 1]),
                    "logits": overlap(logits[on - 1], then.logits),
                    "relative_beta": moved / sum(float(b.square().sum()) for b in then.trained),
                }
            )

    protocol = Protocol(epochs=epochs, batches=batches, widths=tuple(widths))
    run(method, tasks, protocol, seed=seed, options=options, device=device, on_epoch=look, curve=False)
    return {"pairs": pairs}


def overlap(a: Tensor, b: Tensor) -> float:
    """a . b / (|a| |b|) over all entries; 0 where one of them vanishes."""
    norm = float(a.norm() * b.norm())
    return float((a * b).sum()) / norm if norm > 0.0 else 0.0


def seen_overlap(a: Tensor, b: Tensor, x: Tensor) -> float:
    """Correlation of the preactivations x a and x b over images and units, each unit's mean over the images taken
    away; a, b : (n_inputs, n) or (n, n_inputs), x : (images, n_inputs)."""
    if a.shape[0] != x.shape[1]:
        a, b = a.T, b.T
    x = (x - x.mean(dim=0)).double()
    return overlap(x @ a, x @ b)


def _centred(logits: Tensor) -> Tensor:
    """What is the same for all classes moves no answer."""
    return (logits - logits.mean(dim=1, keepdim=True)).double()
