"""The cost of training with the spectral regulariser lam (1 - Phi) + eta BB, beside plain training and a plain version.

    python benchmarks/bench_spectral.py [--threads 1] [--steps 40] [--length 200699]

A training step of the CNN 1-16-32, 128 hidden units, batch 64, Adam, in the second task. "complex FFTs" writes the
definition down: two complex transforms a tensor, phases by arctangent, autograd. All versions take turns in one process
and processor time is counted, over all threads, so that the ratios mean something on a busy machine; times are those of
the fastest step. Then the value and gradient of the regulariser alone, at the longest tensor of that network and at a
length that is a large prime, and how far both versions are from NumPy in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from table import Row, in_turn, parser_of, show
from torch import Tensor

from statmech_cl.simulations import spectral
from statmech_cl.simulations.deep.methods import Method, TaskInfo
from statmech_cl.simulations.deep.networks import cnn
from statmech_cl.simulations.deep.registry import get_method
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


def rows(steps: int, length: int) -> Iterator[Row]:
    """The training steps, then the regulariser alone."""
    times = in_turn(training_steps(), steps)
    best = {name: min(values) for name, values in times.items()}
    for name, reference in (("plain", ""), ("l2", "plain"), ("rana", "plain"), ("rana", "rana, complex FFTs")):
        middle = np.median(times[name]) / np.median(times[reference or name])
        yield Row(
            what=f"{name}, training step of {cnn().name}",
            seconds=best[name],
            reference=reference,
            reference_seconds=best.get(reference),
            note=f"ratio of the medians to {reference} {1 / middle:.2f}" if reference else "",
        )
    generator = torch.Generator().manual_seed(1)
    for n in (200_704, length):
        w, w_prev = (torch.randn(1, n, generator=generator) for _ in range(2))
        w.requires_grad_()
        both: dict[str, Callable[[], Tensor]] = {
            "package": lambda w=w, p=w_prev: spectral.regulariser({"w": w}, {"w": p}, LAM, ETA),
            "complex FFTs": lambda w=w, p=w_prev: by_definition(w, p),
        }
        alone = in_turn({name: lambda f=f, w=w: torch.autograd.grad(f(), w) for name, f in both.items()}, 10)
        exact = in_double(w, w_prev, LAM, ETA)
        off = ", ".join(f"{name} {abs(float(f().detach()) / exact - 1.0):.1e}" for name, f in both.items())
        yield Row(
            what=f"value and gradient, length {n}",
            seconds=min(alone["package"]),
            reference="complex FFTs",
            reference_seconds=min(alone["complex FFTs"]),
            note=f"relative distance from NumPy in double: {off}",
        )


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--steps", type=int, default=40, help="timed steps of each version")
    parser.add_argument("--length", type=int, default=200_699, help="a length for the regulariser alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    show(rows(arguments.steps, arguments.length), as_json=arguments.json)


if __name__ == "__main__":
    main()
