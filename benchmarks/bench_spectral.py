"""The cost of training with the spectral regulariser lam (1 - Phi) + eta BB, beside plain training and a plain version.

    python benchmarks/bench_spectral.py [--threads 1] [--steps 40] [--length 200699]

A training step of the CNN 1-16-32, 128 hidden units, batch 64, Adam, in the second task. "complex FFTs" writes the
definition down: two complex transforms a tensor, phases by arctangent, autograd. All versions take turns in one process
and CPU time is counted, over all threads, so that the ratios mean something on a busy machine. Then the value and
gradient of the regulariser alone, at the longest tensor of that network and at a length that is a large prime, and how
far both versions are from NumPy in double precision.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from statmech_cl.simulations import spectral
from statmech_cl.simulations.methods import Method, TaskInfo, get_method
from statmech_cl.simulations.networks import cnn
from torch import Tensor

from statmech_cl.spectral import regulariser as in_double

LAM, ETA = 1.0, 3.0


def by_definition(w: Tensor, w_prev: Tensor) -> Tensor:
    """The regulariser of one tensor, word for word."""
    now, before = torch.fft.fft(w.flatten()), torch.fft.fft(w_prev.flatten())
    power = now.abs().square()
    phi = (power / power.sum() * torch.exp(1j * torch.angle(now))).sum().abs()
    return LAM * (1.0 - phi) + ETA * torch.view_as_real(now - before).square().mean()


def in_second_task(name: str) -> Method:
    """A method after one step on a first task, in its second."""
    method = get_method(name)(cnn(), seed=0)
    for index in range(2):
        method.begin_task(TaskInfo(index=index, n_tasks=2, n_patterns=30_000, n_steps=1))
        method.step(*batch(), 0.0)
        if index == 0:
            method.end_task([batch()])
    return method


def batch() -> tuple[Tensor, Tensor]:
    """Images and labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 784, generator=generator), torch.randint(0, 10, (64,), generator=generator)


def training_steps() -> dict[str, Callable[[], object]]:
    """One step of each version."""
    x, y = batch()
    methods = {name: in_second_task(name) for name in ("plain", "l2", "rana")}
    written_out = in_second_task("rana")

    def penalty() -> Tensor:
        terms = [by_definition(w, written_out.previous[name]) for name, w in written_out.weights().items()]
        return torch.stack(terms).sum()

    written_out.penalty = penalty  # type: ignore[method-assign]
    steps: dict[str, Callable[[], object]] = {n: (lambda m=m: m.step(x, y, 0.5)) for n, m in methods.items()}
    return {**steps, "rana, complex FFTs": lambda: written_out.step(x, y, 0.5)}


def timed(versions: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """CPU milliseconds of each version, `repeats` times in turn, after warming up."""
    times: dict[str, list[float]] = {name: [] for name in versions}
    for turn in range(repeats + 3):
        for name, step in versions.items():
            started = time.process_time()
            step()
            if turn >= 3:
                times[name].append(1e3 * (time.process_time() - started))
    return times


def show(times: dict[str, list[float]]) -> None:
    """Median and fastest of each, and the ratios to the first."""
    first = next(iter(times.values()))
    print(f"{'version':<22}{'median ms':>10}{'ratio':>7}{'fastest ms':>12}{'ratio':>7}")
    for name, values in times.items():
        middle, best = np.median(values), min(values)
        print(f"{name:<22}{middle:>10.2f}{middle / np.median(first):>7.2f}{best:>12.2f}{best / min(first):>7.2f}")


def main() -> None:
    """Time the steps, then the regulariser alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--steps", type=int, default=40, help="timed steps of each version")
    parser.add_argument("--length", type=int, default=200_699, help="a length for the regulariser alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"one training step, {cnn().name}, batch 64, {arguments.threads} threads, CPU time")
    show(timed(training_steps(), arguments.steps))
    generator = torch.Generator().manual_seed(1)
    for n in (200_704, arguments.length):
        w, w_prev = torch.randn(n, generator=generator).requires_grad_(), torch.randn(n, generator=generator)
        both: dict[str, Callable[[], Tensor]] = {
            "package": lambda w=w, p=w_prev: spectral.regulariser({"w": w}, {"w": p}, LAM, ETA),
            "complex FFTs": lambda w=w, p=w_prev: by_definition(w, p),
        }
        print(f"\nvalue and gradient at length {n}")
        show(timed({name: lambda f=f, w=w: torch.autograd.grad(f(), w) for name, f in both.items()}, 10))
        exact = in_double(w, w_prev, LAM, ETA)
        off = {name: abs(float(f().detach()) / exact - 1.0) for name, f in both.items()}
        print("relative distance from NumPy in double:", ", ".join(f"{name} {gap:.1e}" for name, gap in off.items()))


if __name__ == "__main__":
    main()
