"""Replay in descent and sampler: what is learned, against a recipe by hand; commands; the sampler beside the theory."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from statmech_cl import Chain, Perceptron, Task, Tree, cli, solve
from statmech_cl.sweep import sweep

torch = pytest.importorskip("torch")

from statmech_cl.simulations.perceptron import memory, teachers  # noqa: E402
from statmech_cl.simulations.perceptron.descent import DescentSettings, descend, descend_many  # noqa: E402
from statmech_cl.simulations.perceptron.gibbs import GibbsSettings, _patterns, sample  # noqa: E402
from statmech_cl.simulations.perceptron.training import Disorder  # noqa: E402

N = 40


def two(replay: float, alpha: float = 1.0, overlap: float = 0.3, flips: float = 0.0, **options: Any) -> Chain:
    first = Task(alpha=0.5, channel=Perceptron(flips=flips))
    return Chain((first, Task(alpha=alpha, replay={1: replay} if replay else {}, **options)), overlaps=overlap)


def three(replay: dict[int, float], flips: float = 0.0, alpha: float = 0.5) -> Chain:
    """Three tasks; flips : of the second teacher's labels."""
    second = Task(alpha=alpha, gamma=0.3, channel=Perceptron(flips=flips))
    return Chain((Task(alpha=alpha), second, Task(alpha=alpha, gamma=0.3, replay=replay)), overlaps=0.3)


def disorder(chain: Chain) -> Disorder:
    return Disorder([chain], N, (0, 1), DescentSettings(), torch.device("cpu"))


def rows_of(signed: Any) -> list[tuple[int, ...]]:
    return sorted(tuple(row.tolist()) for row in signed)


@pytest.mark.parametrize("flips", [0.0, 0.3])
def test_what_is_learned_by_hand(flips: float) -> None:
    data = disorder(two(0.5, flips=flips))
    signed, _ = data.patterns(1, torch.float64)
    assert signed.shape == (2, 60, N)
    for s, seed in enumerate((0, 1)):
        w = data.teachers[0, :, s]
        own = teachers.signed_patterns(w[1], 40, teachers.generator(seed, 1, "patterns"))
        old = teachers.signed_patterns(w[0], 20, teachers.generator(seed, 1, "patterns", 1))
        if flips:
            old = old * teachers.mistakes([flips], 20, seed, 1, 1)[0].unsqueeze(-1)
            assert ((old.double() @ w[0].double()) < 0).any()
        else:
            assert ((old.double() @ w[0].double()) >= 0).all()
        assert rows_of(signed[s]) == rows_of(torch.cat([own, old]))
        assert not torch.equal(signed[s], torch.cat([own, old]))  # mixed: every mini-batch holds both
    assert torch.equal(signed, _patterns(two(0.5, flips=flips), data.teachers[0], 1, (0, 1), N))


@pytest.mark.parametrize("flips", [0.0, 0.3])
def test_what_a_third_task_learns_by_hand(flips: float) -> None:
    chain = three({1: 0.25, 2: 0.5}, flips=flips)
    data = disorder(chain)
    signed, _ = data.patterns(2, torch.float64)
    assert signed.shape == (2, 50, N)
    for s, seed in enumerate((0, 1)):
        w = data.teachers[0, :, s]
        parts = [
            teachers.signed_patterns(w[teacher], count, teachers.generator(seed, 2, "patterns", replayed))
            for teacher, count, replayed in ((2, 20, 0), (0, 10, 1), (1, 20, 2))
        ]
        if flips:  # the second teacher errs on what is replayed of it, the others do not
            parts[2] = parts[2] * teachers.mistakes([flips], 20, seed, 2, 2)[0].unsqueeze(-1)
            assert ((parts[2].double() @ w[1].double()) < 0).any()
        assert ((parts[1].double() @ w[0].double()) >= 0).all()
        assert rows_of(signed[s]) == rows_of(torch.cat(parts))
    assert torch.equal(signed, _patterns(chain, data.teachers[0], 2, (0, 1), N))


def test_three_tasks_descend_and_are_sampled() -> None:
    settings = DescentSettings(epochs=40, batch=None, test_patterns=0)
    plain, replayed = (descend(three(replay), n=200, seeds=4, settings=settings) for replay in ({}, {1: 0.5, 2: 0.5}))
    for on in (0, 1):  # the same seeds: the first two tasks are the same
        assert np.array_equal(plain.values("p", after=1, on=on), replayed.values("p", after=1, on=on))
        assert replayed.estimate("p", on=on).mean > plain.estimate("p", on=on).mean + 0.05
    sampled = sample(three({2: 0.5}), n=N, seeds=2, settings=GibbsSettings(warmup=20, draws=20, walkers=2))
    assert all(np.isfinite(sampled.values("p", on=on)).all() for on in range(3))


def test_replayed_patterns_are_fresh_and_the_others_stay() -> None:
    data, plain = disorder(two(0.5)), disorder(two(0.0))
    signed, own = (d.patterns(1, torch.float64)[0] for d in (data, plain))
    learned_first = data.patterns(0, torch.float64)[0]
    for s in (0, 1):
        rows = set(rows_of(signed[s]))
        assert set(rows_of(own[s])) < rows and not rows & set(rows_of(learned_first[s]))
    assert torch.equal(learned_first, plain.patterns(0, torch.float64)[0])


def test_problems_with_replay_descend_together() -> None:
    settings = DescentSettings(epochs=5, test_patterns=0)
    chains = [two(0.5, overlap=overlap, flips=0.1) for overlap in (0.0, 0.6)]
    together = descend_many(chains, n=N, seeds=2, settings=settings)
    for chain, both in zip(chains, together, strict=True):
        alone = descend(chain, n=N, seeds=2, settings=settings)
        assert alone.values("eps_g", on=0) == pytest.approx(both.values("eps_g", on=0), abs=1e-5)
    with pytest.raises(ValueError, match="problems must have the same replay, task by task"):
        descend_many([two(0.5), two(0.25)], n=N, seeds=2, settings=settings)


def test_memory_counts_what_is_replayed() -> None:
    plain, more = (memory.needed(two(replay), method="gibbs", n=N, n_seeds=2) for replay in (0.0, 1.0))
    assert more == 2.0 * plain


def test_trees_refuse() -> None:
    from statmech_cl.simulations.tree.gibbs import sample as sample_trees
    from statmech_cl.simulations.tree.loss import Shape

    with pytest.raises(ValueError, match="replay must be left out in a sampling of other networks than perceptrons"):
        sample_trees(two(0.5), shape=Shape(units=(3,), inputs=11, channel=Tree()), seeds=2)


def test_words_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--alpha 0.5 --alpha 1 --overlap 0.3 --gamma 0.3 --replay 1=0.5"
    assert cli.main([*f"chain {words} --json".split()]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tasks"][1]["replay"] == {"1": 0.5} and told["tasks"][1]["r_1"] > 0.0
    run = "--n 40 --seeds 2 --epochs 3 --csv --quiet"
    assert cli.main([*f"simulate {words} {run}".split()]) == 0
    header, values = (line.split(",") for line in capsys.readouterr().out.splitlines())
    row = dict(zip(header, values, strict=True))
    assert (row["patterns_2"], row["replayed_1"], row["replayed_2"], row["replay_2"]) == ("40", "0", "20", "1=0.5")


@pytest.mark.parametrize(
    ("words", "amounts"),
    [
        ("--replay 1=0.5,2=0.25", [{"1": 0.5}, {"1": 0.5, "2": 0.25}]),  # once: each task takes what is of earlier ones
        ("--replay 2=0.25", [None, {"2": 0.25}]),
        ("--replay none --replay 2=0.25", [None, {"2": 0.25}]),
        ("--replay 1=0.5 --replay 1=0.25,2=1", [{"1": 0.5}, {"1": 0.25, "2": 1.0}]),
    ],
)
def test_words_for_three_tasks(words: str, amounts: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*f"chain --alpha 0.5 --alpha 0.5 --alpha 0.5 --gamma 0.3 {words} --json".split()]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert [task.get("replay") for task in tasks[1:]] == amounts


def test_a_file_and_a_sweep_know_replay_of_any_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = "[[tasks]]\nalpha = 0.5\n" * 2 + "[[tasks]]\nalpha = 0.5\ngamma = 0.3\nreplay = {1 = 0.5, 2 = 0.25}\n"
    (tmp_path / "chain.toml").write_text(f"overlaps = 0.3\n{tasks}")
    assert cli.main(["chain", "--file", str(tmp_path / "chain.toml"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    chain = Chain((Task(alpha=0.5), Task(alpha=0.5), Task(alpha=0.5, gamma=0.3)), overlaps=0.3)
    swept = sweep(chain, {"replay_3": [{1: 0.5, 2: 0.25}, {2: 0.25}]}, executor=ThreadPoolExecutor(1), quiet=True)
    first, second = swept["eps_g_after_3_on_1"]
    assert first == pytest.approx(told["eps_g"][2][0], abs=1e-12) and first < second - 0.01


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--alpha 1 --alpha 1 --replay 0.5", "replay must be task=alpha such as 1=0.5, 1=0.5,2=0.25 or none, got '0.5"),
        ("--alpha 1 --alpha 1 --replay 1=x", "replay must be task=alpha such as 1=0.5, 1=0.5,2=0.25 or none, got '1=x"),
        ("--alpha 1 --alpha 1 --replay 1=-1", "replay[1] must be a finite number in [0, inf), got -1.0"),
        ("--alpha 1 --alpha 1 --replay 2=1", "replay must be of earlier tasks, got {2: 1.0} in task 2"),
        ("--alpha 1 --alpha 1 --alpha 1 --replay 3=1", "replay must be of earlier tasks, got {3: 1.0} in task 3"),
        ("--alpha 1 --alpha 1 --alpha 1 --replay 2=1 --replay 1=1", "earlier tasks, got {2: 1.0} in task 2"),
        ("--alpha 1 --alpha 1 --replay 1=1,1=2", "replay must name each task once, got '1=1,1=2'"),
        ("--alpha 1 --alpha 1 --replay 1=1 --anchor ewc", "anchor must be kl or none with replay, got 'ewc'"),
    ],
)
def test_bad_words_are_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chain", *words.split()]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


@pytest.mark.slow
def test_the_sampler_reaches_the_theory() -> None:
    """N = 200, 24 seeds: the bias in 1/N is below the error there (replay-b extrapolates)."""
    chain = two(0.5, alpha=0.5, gamma=0.3)
    told = solve(chain)
    sampled = sample(chain, n=200, seeds=24, settings=GibbsSettings(warmup=200, draws=200, walkers=2))
    for on in (0, 1):
        estimate = sampled.estimate("p", on=on)
        assert abs(estimate.mean - told.p[1, on]) < 4.0 * estimate.error
    without = solve(two(0.0, alpha=0.5, gamma=0.3))
    assert told.p[1, 0] - without.p[1, 0] > 4.0 * sampled.estimate("p", on=0).error  # replay is seen
    assert np.isfinite(sampled.values("q")).all()


@pytest.mark.slow
def test_the_sampler_of_three_tasks_reaches_the_theory() -> None:
    """N = 200, 24 seeds; docs/replay.md extrapolates."""
    replay = {1: 0.5, 2: 0.5}
    told, without = solve(three(replay)), solve(three({}))
    sampled = sample(three(replay), n=200, seeds=24, settings=GibbsSettings(warmup=200, draws=200, walkers=2))
    for on in range(3):
        estimate = sampled.estimate("p", on=on)
        assert abs(estimate.mean - told.p[2, on]) < 4.0 * estimate.error
    for on in (0, 1):  # replay is seen
        assert told.p[2, on] - without.p[2, on] > 4.0 * sampled.estimate("p", on=on).error
