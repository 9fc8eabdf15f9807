"""Descent of 20 perceptrons (N = 1000, alpha = 2, mini-batches of 32): this package against a plain loop over seeds.

    python benchmarks/bench_descent.py [--threads 1] [--device cpu] [--epochs 3]

The plain loop is what a script usually does: for every seed a DataLoader of single patterns in batches of 32, autograd,
torch.optim.SGD. Times are those of one step, which moves every seed by one mini-batch, in the fastest epoch: processor
time on a CPU. The limit is the bandwidth of a triad in memory: patterns lie there as int8 and are fetched once a step;
the float32 pieces that a step works on are written once and read twice, in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from table import Row, fastest, parser_of, show, triad_rate
from torch.utils.data import DataLoader, TensorDataset

from statmech_cl import Task
from statmech_cl.problem import Chain
from statmech_cl.simulations.perceptron.descent import DescentSettings
from statmech_cl.simulations.perceptron.loss import Anchor
from statmech_cl.simulations.perceptron.training import Disorder, Patterns, Signed, train

N, ALPHA, SEEDS, BATCH, PROBLEMS = 1000, 2.0, 20, 32, 6


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


def package_epoch(patterns: Patterns, batch: int | None, device: torch.device) -> Callable[[], None]:
    """One epoch of all seeds by this package."""
    theta = 0.7 * torch.randn(SEEDS, 1, N, device=device)
    order = torch.Generator().manual_seed(0)
    anchor = Anchor(Task(alpha=ALPHA), None)
    settings = DescentSettings(epochs=1, batch=batch)

    def run() -> None:
        train(theta, patterns, anchor, settings, order, on_epoch=lambda epoch: None)

    return run


def second_task_epoch(count: int, device: torch.device) -> Callable[[], None]:
    """One epoch of all seeds of `count` second tasks that differ in overlap and gamma."""
    tasks = [(r0, Task(alpha=ALPHA, gamma=gamma)) for gamma in (1.0, 0.1) for r0 in (-0.5, 0.0, 0.5)][:count]
    chains = [Chain((Task(alpha=ALPHA), task), overlaps=r0) for r0, task in tasks]
    settings = DescentSettings(epochs=1)
    data = Disorder(chains, N, range(SEEDS), settings, device)
    patterns = data.task(1, torch.float32)
    theta = 0.7 * torch.randn(SEEDS, count, N, device=device)
    anchor, order = Anchor([task for _, task in tasks], theta.clone()), torch.Generator().manual_seed(0)

    def run() -> None:
        train(theta, patterns, anchor, settings, order, on_epoch=lambda epoch: None)

    return run


def rows(device: torch.device, epochs: int) -> Iterator[Row]:
    """Both ways to train, with mini-batches, and this package with all patterns in one step."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time

    def timed(function: Callable[[], None], repeats: int) -> float:
        def whole() -> None:
            function()
            if on_gpu:
                torch.cuda.synchronize()

        return fastest(whole, repeats, clock)

    data = Disorder([Chain((Task(alpha=ALPHA),))], N, range(SEEDS), DescentSettings(), device)
    signed, _ = data.patterns(0, torch.float32)
    steps = -(-signed.shape[1] // BATCH)
    plain = fastest(plain_epoch(signed), epochs) / steps
    batched = timed(package_epoch(Signed(signed), BATCH, device), 10 * epochs) / steps
    full = timed(package_epoch(Signed(signed), None, device), 5)
    triad = triad_rate(device, clock)
    compared = {"reference": "DataLoader, loop over seeds", "reference_seconds": plain}
    for name, seconds, patterns, against in (
        ("mini-batch", batched, BATCH, compared),
        ("full-batch", full, signed.shape[1], {}),
    ):
        fetched = SEEDS * patterns * N / seconds
        yield Row(
            what=f"{name} step of {SEEDS} seeds, N = {N}, {device}",
            seconds=seconds,
            share=12 * fetched / triad,
            limit=f"triad {triad / 1e9:.1f} GB/s",
            note=f"{1 / seconds:.0f} steps/s; int8 patterns come at {fetched / 1e9:.2f} GB/s ({fetched / triad:.0%})",
            **against,  # type: ignore[arg-type]
        )
    alone, together = (timed(second_task_epoch(count, device), 10 * epochs) / steps for count in (1, PROBLEMS))
    yield Row(
        what=f"mini-batch step of {PROBLEMS} second tasks of {SEEDS} seeds, N = {N}, {device}",
        seconds=together,
        reference="one after another",
        reference_seconds=PROBLEMS * alone,
        note=f"{1 / together:.0f} steps/s; three overlaps and two gammas share their patterns",
    )


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; the plain loop stays on the CPU")
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of the plain loop")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    show(rows(torch.device(arguments.device), arguments.epochs), as_json=arguments.json)


if __name__ == "__main__":
    main()
