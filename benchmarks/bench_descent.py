"""Descent of 20 perceptrons (N = 1000, alpha = 2, mini-batches of 32): this package against a plain loop over seeds.

    python benchmarks/bench_descent.py [--threads 1] [--device cpu] [--epochs 3]

The plain loop is what a script usually does: for every seed a DataLoader of single patterns in batches of 32, autograd,
torch.optim.SGD. Printed are the fastest epochs, as steps of all seeds a second (one step moves every seed by one
mini-batch), their ratio, and the pattern bandwidth beside that of a copy and a triad.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from statmech_cl.simulations.descent import DescentSettings, _Data, _train
from statmech_cl.simulations.perceptron import Anchor
from torch.utils.data import DataLoader, TensorDataset

from statmech_cl import Task
from statmech_cl.problem import Chain

N, ALPHA, SEEDS, BATCH = 1000, 2.0, 20, 32


def fastest(function: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls, after one to warm up."""
    times = []
    for turn in range(repeats + 1):
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if turn:
            times.append(time.perf_counter() - started)
    return min(times)


def plain_epoch(signed: torch.Tensor) -> Callable[[], None]:
    """One epoch of every seed by the usual script."""
    patterns = [rows.float() for rows in signed.cpu()]
    thetas = [(0.7 * torch.randn(N)).requires_grad_() for _ in patterns]
    optimizers = [torch.optim.SGD([theta], lr=0.02, momentum=0.9) for theta in thetas]
    loaders = [
        DataLoader(TensorDataset(rows, torch.ones(len(rows))), batch_size=BATCH, shuffle=True) for rows in patterns
    ]

    def run() -> None:
        for theta, optimizer, loader in zip(thetas, optimizers, loaders, strict=True):
            for x, y in loader:
                m = torch.tanh(theta)
                t = y * (x @ m) / torch.sqrt((1 - m * m).sum())
                loss = -torch.special.log_ndtr(t).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return run


def package_epoch(signed: torch.Tensor, batch: int | None) -> Callable[[], None]:
    """One epoch of all seeds by this package."""
    theta = 0.7 * torch.randn(SEEDS, 1, N, device=signed.device)
    order = torch.Generator().manual_seed(0)
    anchor = Anchor(Task(alpha=ALPHA), None)
    settings = DescentSettings(epochs=1, batch=batch)

    def run() -> None:
        _train(theta, signed, anchor, settings, order, q_star=None, on_epoch=lambda epoch: None)

    return run


def bandwidth(device: torch.device) -> tuple[float, float]:
    """GB/s of a copy and of a triad a = b + s c, float32, 200 MB arrays."""
    a, b, c = (torch.ones(50_000_000, device=device) for _ in range(3))
    gigabytes = a.numel() * 4 / 1e9
    copy = 2 * gigabytes / fastest(lambda: a.copy_(b), device, 5)
    triad = 3 * gigabytes / fastest(lambda: torch.add(b, c, alpha=0.5, out=a), device, 5)
    return copy, triad


def main() -> None:
    """Time both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; the plain loop stays on the CPU")
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of the plain loop")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    data = _Data(Chain((Task(alpha=ALPHA),)), N, range(SEEDS), DescentSettings(), device)
    signed = data.patterns(0, round(ALPHA * N))
    steps = -(-signed.shape[1] // BATCH)
    plain = fastest(plain_epoch(signed), torch.device("cpu"), arguments.epochs) / steps
    batched = fastest(package_epoch(signed, BATCH), device, 10 * arguments.epochs) / steps
    whole = fastest(package_epoch(signed, None), device, 5)
    copy, triad = bandwidth(device)
    print(f"{SEEDS} seeds, N = {N}, alpha = {ALPHA:g}, batch {BATCH}, {device}, {arguments.threads} thread(s)")
    print(f"plain loop      {1 / plain:10.1f} steps/s  {1e3 * plain:8.3f} ms")
    print(f"this package    {1 / batched:10.1f} steps/s  {1e3 * batched:8.3f} ms")
    print(f"ratio           {plain / batched:10.1f}")
    print(f"copy {copy:.1f} GB/s, triad {triad:.1f} GB/s")
    stored = SEEDS * BATCH * N / 1e9  # int8: every pattern is fetched from memory once a step
    moved = stored * (1 + 3 * 4)  # and written once and read twice as float32, which stays in the cache
    for name, seconds, patterns in (("mini-batch", batched, BATCH), ("full batch", whole, signed.shape[1])):
        fetched, worked = (value * patterns / BATCH / seconds for value in (stored, moved))
        print(
            f"{name}: {1e3 * seconds:.2f} ms a step; int8 patterns fetched at {fetched:.1f} GB/s "
            f"({fetched / triad:.0%} of the triad), float32 pieces in the cache worked at {worked:.1f} GB/s "
            f"({worked / triad:.0%})"
        )


if __name__ == "__main__":
    main()
