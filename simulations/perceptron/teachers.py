"""Teachers, patterns and labels: the disorder of a chain of tasks, one independent stream of numbers for each seed.

Patterns x in {-1,+1}^N are uniform, labels are y = sign(W . x) of a teacher W in {-1,+1}^N (Phys. Rev. E 108, 014309,
section II), flipped where a noisy teacher errs. What a seed draws depends on (seed, task, purpose) alone, not on the
seeds batched with it, the device, or the other tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from statmech_cl.channels import Channel, Perceptron
from statmech_cl.problem import Chain, Task
from statmech_cl.trees import Tree
from statmech_cl.validation import check_choice, check_count

_PURPOSES = ("teacher", "patterns", "start", "test", "order", "sampler", "noise", "mix")


def generator(seed: int, task: int, purpose: str, replayed: int = 0) -> torch.Generator:
    """A CPU generator of its own for (seed, task, purpose), and for what a task replays of task `replayed` >= 1."""
    entropy = (seed, task, _PURPOSES.index(purpose), *([replayed] if replayed else []))
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def draw_signs(shape: tuple[int, ...], rng: torch.Generator) -> torch.Tensor:
    """Uniform +-1 as int8: a quarter of the memory traffic of float32, which is what a descent step waits for."""
    return torch.randint(0, 2, shape, dtype=torch.int8, generator=rng).mul_(2).sub_(1)


def teachers(chain: Chain, n: int, seed: int, *, signs: str = "exact") -> torch.Tensor:
    """W_1, ..., W_T of one seed, `(n_tasks, n)` int8, with the joint law of the chain's sign patterns.

    W_1 is uniform and W_t = s_t W_1, where the pattern (s_2, ..., s_T) of a site follows the chain's law.

    signs : "exact", each sign pattern on its share of the n sites (rounded by largest remainder), at random places: the
        overlaps are then the prescribed ones to 1/n in every seed. "random", independent at every site: the overlaps
        fluctuate by n^(-1/2) from seed to seed.
    """
    n = check_count("n", n)
    check_choice("signs", signs, ("exact", "random"))
    rng = generator(seed, 0, "teacher")
    first = draw_signs((n,), rng)
    if signs == "exact":
        share = chain.weights * n
        counts = np.floor(share).astype(int)
        counts[np.argsort(counts - share, kind="stable")[: n - counts.sum()]] += 1
        rows = np.repeat(np.arange(counts.size), counts)
        pattern = torch.from_numpy(rows)[torch.randperm(n, generator=rng)]
    else:
        pattern = torch.multinomial(torch.from_numpy(chain.weights), n, replacement=True, generator=rng)
    return torch.from_numpy(chain.signs).T[:, pattern] * first


def signed_patterns(teacher: torch.Tensor, n_patterns: int, rng: torch.Generator) -> torch.Tensor:
    """y_mu x_mu of `n_patterns` fresh patterns, `(n_patterns, n)` int8, y_mu = sign(W . x_mu).

    A pattern with W . x = 0 (n even) gets y = +1: by the symmetry x -> -x that is a fair coin.
    """
    return shared_patterns(teacher.unsqueeze(0), n_patterns, rng)[0]


def shared_patterns(teachers: torch.Tensor, n_patterns: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The same fresh patterns x_mu labelled by several teachers, `teachers : (n_teachers, n)`.

    Returns y_1mu x_mu, `(n_patterns, n)` int8, signed by the first teacher, and y_kmu y_1mu, `(n_teachers, n_patterns)`
    int8: what turns it into the signed patterns of teacher k. The patterns are kept once, however many teachers.
    """
    x = draw_signs((n_patterns, teachers.shape[-1]), rng)
    fields = teachers.to(torch.float32) @ x.to(torch.float32).T  # sums of +-1: exact in float32 up to 2^24
    y = torch.where(fields < 0, -1, 1).to(torch.int8)
    return x.mul_(y[0].unsqueeze(-1)), y * y[0]


def mistakes(shares: Sequence[float], count: int, seed: int, task: int, replayed: int = 0) -> torch.Tensor:
    """-1 where a noisy teacher mislabels a pattern of a training set, else 1: `(n_teachers, count)` int8.

    shares : what share of the labels each teacher flips. One uniform number a pattern serves all of them: the labels
        that a teacher flips rarely, one who errs more often flips too.
    """
    u = torch.rand((count,), generator=generator(seed, task, "noise", replayed), dtype=torch.float64)
    rows = [torch.where(u < share, -1, 1) for share in shares]
    return torch.stack(rows).to(torch.int8)


def flips(channel: Channel) -> float:
    """The share of the labels that a channel's teacher flips."""
    return float(getattr(channel, "flips", 0.0))


def perceptron(channel: Channel) -> Perceptron:
    """The channel, known to be that of a perceptron: a tree without hidden layers is one."""
    if isinstance(channel, Tree) and channel.hidden_layers == 0:
        return Perceptron(flips=channel.flips)
    if not isinstance(channel, Perceptron):
        raise ValueError(f"channel must be a Perceptron for simulated perceptrons, got {channel!r}")
    return channel


def check_seeds(seeds: Sequence[int] | int) -> tuple[int, ...]:
    """Seeds as a tuple: a number n stands for 0, 1, ..., n - 1."""
    if isinstance(seeds, (int, np.integer)):
        return tuple(range(check_count("seeds", seeds)))
    checked = tuple(check_count("seeds", seed, low=0) for seed in seeds)
    if not checked or len(set(checked)) != len(checked):
        raise ValueError(f"seeds must be a number >= 1 or distinct whole numbers >= 0, got {seeds!r}")
    return checked


def n_patterns(alpha: float, n: int) -> int:
    """P = alpha n, rounded to the nearest whole number."""
    return round(alpha * n)


def parts(task: Task, number: int, n: int) -> list[tuple[int, int, int]]:
    """What task `number` (from 0) learns, part by part: the teacher (from 0), how many patterns, and 0 for the task's
    own or the number (from 1) of the task that is replayed.
    """
    replayed = [(k - 1, n_patterns(alpha, n), k) for k, alpha in dict(task.replay).items()]
    return [(number, n_patterns(task.alpha, n), 0), *replayed]


def n_learned(task: Task, n: int) -> int:
    """How many patterns a task learns, replayed ones included."""
    return sum(count for _, count, _ in parts(task, 0, n))


def learned(
    of_task: Task,
    number: int,
    n: int,
    seed: int,
    drawn: torch.Tensor,
    flipped: Sequence[Sequence[float]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """The signed patterns that task `number` (from 0) learns with one seed, noise in the labels included: the task's
    own, and fresh ones of each task that it replays, mixed at random places.

    Several problems may share the patterns; `drawn : (n_problems, n_tasks, n)` are their teachers, `flipped` the shares
    of the labels that these flip, problem by problem. Returns (P, n) int8, signed for the first problem, and
    (n_problems, P) of +-1, as `shared_patterns` does.
    """
    signed, differ = [], []
    for teacher, count, replayed in parts(of_task, number, n):
        x, unlike = shared_patterns(drawn[:, teacher], count, generator(seed, number, "patterns", replayed))
        shares = [noise[teacher] for noise in flipped]
        if any(shares):
            wrong = mistakes(shares, count, seed, number, replayed)
            x *= wrong[0].unsqueeze(-1)
            unlike = unlike * wrong * wrong[0]
        signed.append(x)
        differ.append(unlike)
    if len(signed) == 1:
        return signed[0], differ[0]
    order = torch.randperm(sum(len(x) for x in signed), generator=generator(seed, number, "mix"))
    return torch.cat(signed)[order], torch.cat(differ, dim=1)[:, order]
