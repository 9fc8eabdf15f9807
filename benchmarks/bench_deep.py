"""One training step of variational learning in field space: this package against plain versions of the same algorithm.

    python benchmarks/bench_deep.py [--threads 1] [--steps 40]

784-512-512-10, batch 64, Adam, KL anchor. All versions take turns in one process and processor time is counted, over
all threads, so that their ratios mean something on a busy machine; times are those of the fastest step. The limit is
what a product of large float32 matrices reaches: a variational step multiplies by means and by variances, on the way
there, on the way back, and for the gradients, and works through Adam's moments besides.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from table import Row, as_time, in_turn, parser_of, product_rate, show
from torch.nn import functional

from statmech_cl.simulations.deep.methods import TaskInfo
from statmech_cl.simulations.deep.networks import mlp
from statmech_cl.simulations.deep.registry import get_method

SIZES = (784, 512, 512, 10)
BATCH, PATTERNS, LR, BETA_F = 64, 60_000, 0.01, 5.0


def numpy_double() -> Callable[[], None]:
    """NumPy in double precision, layer by layer, with its own Adam."""
    rng = np.random.default_rng(0)
    shapes = list(pairwise(SIZES))
    theta = [0.1 * rng.standard_normal(shape) for shape in shapes]
    previous = [BETA_F * t for t in theta]
    first, second = [np.zeros(shape) for shape in shapes], [np.zeros(shape) for shape in shapes]
    x, y = rng.standard_normal((BATCH, SIZES[0])), rng.integers(0, 10, BATCH)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        h = [BETA_F * t for t in theta]
        mu = [np.tanh(f) for f in h]
        v = [np.cosh(f) ** -2 for f in h]
        inputs, noises, deviations = [], [], []
        a = x
        for index, (n, m) in enumerate(shapes):
            noise = rng.standard_normal((BATCH, m))
            sd = np.sqrt((a * a) @ v[index] / n + 1e-12)
            inputs.append(a)
            noises.append(noise)
            deviations.append(sd)
            z = a @ mu[index] / math.sqrt(n) + noise * sd
            a = np.maximum(z, 0.0) if index < len(shapes) - 1 else z
        p = np.exp(a - a.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(BATCH), y] -= 1.0
        g = p / BATCH
        for index in reversed(range(len(shapes))):
            n = shapes[index][0]
            k = g * noises[index] / (2.0 * deviations[index] * n)
            by_mean = inputs[index].T @ g / math.sqrt(n) - 2.0 * mu[index] * ((inputs[index] ** 2).T @ k)
            pull = (h[index] - previous[index]) / PATTERNS
            gradient = BETA_F * v[index] * (by_mean + pull)
            if index > 0:
                back = g @ mu[index].T / math.sqrt(n) + 2.0 * inputs[index] * (k @ v[index].T)
                g = back * (inputs[index] > 0.0)
            first[index] = 0.9 * first[index] + 0.1 * gradient
            second[index] = 0.99 * second[index] + 0.01 * gradient**2
            rate = LR * math.sqrt(1.0 - 0.99**count) / (1.0 - 0.9**count)
            theta[index] = theta[index] - rate * first[index] / (np.sqrt(second[index]) + 1e-8)

    return step


def torch_single() -> Callable[[], None]:
    """Plain float32 torch: modules of one parameter each, autograd, the default Adam."""
    generator = torch.Generator().manual_seed(0)
    shapes = list(pairwise(SIZES))
    theta = [(0.1 * torch.randn(shape, generator=generator)).requires_grad_() for shape in shapes]
    previous = [(BETA_F * t).detach() for t in theta]
    optimiser = torch.optim.Adam(theta, lr=LR, betas=(0.9, 0.99))
    x, y = torch.randn(BATCH, SIZES[0], generator=generator), torch.randint(0, 10, (BATCH,), generator=generator)

    def step() -> None:
        a, anchor = x, torch.zeros(())
        for index, (n, _) in enumerate(shapes):
            h = BETA_F * theta[index]
            mu = torch.tanh(h)
            v = torch.cosh(h) ** -2
            log_ratio = torch.log(torch.cosh(h)) - torch.log(torch.cosh(previous[index]))
            anchor = anchor + (mu * (h - previous[index]) - log_ratio).sum()
            z = a @ mu / math.sqrt(n)
            z = z + torch.randn(z.shape, generator=generator) * torch.sqrt((a * a) @ v / n + 1e-12)
            a = torch.relu(z) if index < len(shapes) - 1 else z
        loss = functional.cross_entropy(a, y) + anchor / PATTERNS
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def package(name: str) -> Callable[[], None]:
    """A step of one of this package's methods, in the second task, where the anchor acts."""
    method = get_method(name)(mlp(SIZES), seed=0)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(BATCH, SIZES[0], generator=generator), torch.randint(0, 10, (BATCH,), generator=generator)
    for index in range(2):
        method.begin_task(TaskInfo(index=index, n_tasks=2, n_patterns=PATTERNS, n_steps=1))
        method.step(x, y, 0.0)
        if index == 0:
            method.end_task([(x, y)])

    def step() -> None:
        method.step(x, y, 0.5)

    return step


def operations() -> float:
    """Of the matrix products of one variational step: two forward, two for the gradients, two to the layer before."""
    shapes = list(pairwise(SIZES))
    return sum((4 if index == 0 else 6) * 2 * BATCH * n * m for index, (n, m) in enumerate(shapes))


def rows(steps: int) -> Iterator[Row]:
    """Each version's fastest step: this package's vcl against the plain ones, then the other methods against vcl."""
    names = ("vcl", "vcl-sgd", "bounded-memory", "natural-gradient", "metaplasticity", "ewc", "plain")
    plain = {"NumPy, double": numpy_double(), "plain torch": torch_single()}
    times = in_turn({**plain, **{name: package(name) for name in names}}, steps)
    best = {name: min(values) for name, values in times.items()}
    peak = product_rate(time.process_time)
    for reference in plain:
        yield Row(
            what=f"vcl, step of {BATCH} images",
            seconds=best["vcl"],
            reference=reference,
            reference_seconds=best[reference],
            share=operations() / best["vcl"] / peak,
            limit=f"sgemm {peak / 1e9:.0f} Gflop/s",
            note=f"median {as_time(np.median(times['vcl']))}; {reference}: {as_time(np.median(times[reference]))}",
        )
    for name in names[1:]:
        yield Row(what=name, seconds=best[name], reference="vcl", reference_seconds=best["vcl"])


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (NumPy has one)")
    parser.add_argument("--steps", type=int, default=40, help="timed steps of each version")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    show(rows(arguments.steps), as_json=arguments.json)


if __name__ == "__main__":
    main()
