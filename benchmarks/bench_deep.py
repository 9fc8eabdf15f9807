"""One training step of variational learning in field space: this package against plain versions of the same algorithm.

    python benchmarks/bench_deep.py [--threads 2] [--steps 40]

784-512-512-10, batch 64, Adam, KL anchor. All versions take turns in one process, so that their ratios mean something
on a busy machine; printed are the median and the fastest step of each, and the ratios of the fastest.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from statmech_cl.simulations.methods import TaskInfo, get_method
from statmech_cl.simulations.networks import mlp
from torch.nn import functional

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


def main() -> None:
    """Time the versions in turn and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (NumPy keeps its own)")
    parser.add_argument("--steps", type=int, default=40, help="timed steps of each version")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    names = ("vcl", "vcl-sgd", "bimu", "bayesbinn", "metaplasticity", "ewc", "plain")
    versions = {"NumPy, double": numpy_double(), "torch, plain": torch_single()}
    versions.update((name, package(name)) for name in names)
    times: dict[str, list[float]] = {name: [] for name in versions}
    for turn in range(arguments.steps + 3):
        for name, step in versions.items():
            started = time.perf_counter()
            step()
            if turn >= 3:  # after warming up
                times[name].append(1e3 * (time.perf_counter() - started))
    base = min(times["vcl"])
    print(f"one step, batch {BATCH}, {'-'.join(map(str, SIZES))}, {arguments.threads} threads of torch")
    print(f"{'version':<16}{'median ms':>10}{'fastest ms':>12}{'fastest / vcl':>15}")
    for name, values in times.items():
        print(f"{name:<16}{np.median(values):>10.2f}{min(values):>12.2f}{min(values) / base:>15.2f}")


if __name__ == "__main__":
    main()
