"""The protocol: scenarios, accuracies labelled [after_task, on_task], resumed runs, the benchmark command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario

from statmech_cl.cli import main
from statmech_cl.simulations.deep import protocol
from statmech_cl.simulations.deep.continual import run
from statmech_cl.simulations.deep.methods import Method
from statmech_cl.simulations.deep.protocol import Protocol
from statmech_cl.simulations.deep.registry import get_method
from statmech_cl.simulations.deep.results import RunResult, metrics
from statmech_cl.simulations.deep.runs import CHOSEN
from statmech_cl.simulations.deep.scenarios import scenario
from statmech_cl.simulations.deep.tables import differences, summarise, table


def test_permuted_mnist_permutes_pixels_and_nothing_else() -> None:
    tasks = scenario("permuted-mnist", n_tasks=3, subset=True)
    again = scenario("permuted-mnist", n_tasks=2, subset=True)
    first, second, third = tasks.tasks
    assert tasks.sources == ("mnist: 10000 training and 2000 test images from the embedded subset",)
    assert first.permutation is None
    assert torch.equal(second.permutation, again.tasks[1].permutation)
    assert not torch.equal(second.permutation, third.permutation)
    plain, permuted = first.images(first.test_x[:5]), second.images(second.test_x[:5])
    assert torch.equal(permuted, plain[:, second.permutation])
    whole = first.images(first.train_x)
    assert float(whole.double().mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(whole.double().std()) == pytest.approx(1.0, abs=1e-4)
    other = scenario("permuted-mnist", n_tasks=2, subset=True, permutation_seed=1)
    assert not torch.equal(other.tasks[1].permutation, second.permutation)


def test_validation_looks_at_held_out_training_images_only() -> None:
    test, held_out = (scenario("permuted-mnist", n_tasks=1, subset=True, validation=v).tasks[0] for v in (False, True))
    assert (len(held_out.train_y), len(held_out.test_y)) == (8334, 1666)
    assert torch.equal(torch.cat([held_out.train_x, held_out.test_x]), test.train_x)


@pytest.mark.parametrize(("n_tasks", "heads"), [(2, "single"), (5, "per-task")])
def test_split_mnist_parts_the_digits(n_tasks: int, heads: str) -> None:
    split = scenario("split-mnist", n_tasks=n_tasks, heads=heads, subset=True)
    assert split.n_outputs == 10
    assert split.per_task_heads == (heads == "per-task")
    seen: list[int] = []
    for task in split.tasks:
        for labels in (task.train_y, task.test_y):
            assert sorted(labels.unique().tolist()) == list(task.outputs)
        seen += task.outputs
    assert seen == list(range(10))
    assert sum(len(task.test_y) for task in split.tasks) == 2000


def test_heads_per_task_have_outputs_of_their_own() -> None:
    two = scenario("mnist-fashion", heads="per-task", subset=True)
    assert two.n_outputs == 20
    assert [task.name for task in two.tasks] == ["mnist", "fashion-mnist"]
    assert two.tasks[1].outputs == tuple(range(10, 20))
    assert sorted(two.tasks[1].train_y.unique().tolist()) == list(range(10, 20))
    single = scenario("mnist-fashion", subset=True)
    assert single.n_outputs == 10
    assert single.tasks[1].outputs == tuple(range(10))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("permuted-mnst", {}, "did you mean 'permuted-mnist'"),
        ("mnist-fashion", {"n_tasks": 3}, "tasks must be 2 for mnist-fashion, got 3"),
        ("split-mnist", {"n_tasks": 3}, "tasks must be 2 or 5 for split-mnist, got 3"),
        ("permuted-mnist", {"n_tasks": 0}, "tasks must be a whole number >= 1, got 0"),
        ("permuted-mnist", {"heads": "many"}, "heads must be one of single, per-task, got 'many'"),
        ("split-mnist", {"normalisation": "none"}, "normalisation must be one of data, symmetric, got 'none'"),
    ],
)
def test_bad_scenarios_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenario(name, subset=True, **options)


def test_pixels_are_normalised_by_the_data_or_symmetrically() -> None:
    by_data, symmetric = (
        scenario("split-mnist", subset=True, normalisation=name).tasks[1] for name in ("data", "symmetric")
    )
    pixels = by_data.train_x.to(torch.float64) / 255.0
    torch.testing.assert_close(symmetric.images(by_data.train_x), (2.0 * pixels - 1.0).float(), atol=1e-6, rtol=0.0)
    expected = ((pixels - by_data.mean) / by_data.std).float()
    torch.testing.assert_close(by_data.images(by_data.train_x), expected, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("last_batch", [False, True])
def test_the_last_batch_is_left_out_or_smaller(last_batch: bool) -> None:
    length = replace(PROTOCOL, epochs=1, batches=0, batch_size=48, last_batch=last_batch)
    sizes = []

    class Counting(get_method("plain")):  # type: ignore[misc]
        def step(self, x: torch.Tensor, y: torch.Tensor, progress: float) -> float:
            sizes.append(len(x))
            return float(super().step(x, y, progress))

    protocol.run(Counting, toy_scenario(1), length, seed=0)
    n = len(toy_scenario(1).tasks[0].train_y)
    assert n % 48
    assert sizes == [48] * (n // 48) + [n % 48] * last_batch


def test_a_last_batch_without_all_data_is_refused() -> None:
    with pytest.raises(ValueError, match="last_batch needs an epoch over all data, batches = 0, got batches = 7"):
        Protocol(batches=7, last_batch=True)


def test_metrics_by_hand() -> None:
    accuracy = np.array([[0.9, 0.2, 0.1], [0.7, 0.8, 0.3], [0.8, 0.6, 0.7]])
    measured = metrics(accuracy, np.array([0.1, 0.15, 0.05]))
    assert measured["average"] == pytest.approx((0.8 + 0.6 + 0.7) / 3)
    assert measured["learned"] == pytest.approx((0.9 + 0.8 + 0.7) / 3)
    assert measured["forgetting"] == pytest.approx(((0.9 - 0.8) + (0.8 - 0.6)) / 2)
    assert measured["backward_transfer"] == pytest.approx(((0.8 - 0.9) + (0.6 - 0.8)) / 2)
    assert measured["forward_transfer"] == pytest.approx(((0.2 - 0.15) + (0.3 - 0.05)) / 2)
    assert measured["recent"] == measured["average"]
    assert np.isnan(metrics(np.array([[0.5]]))["forgetting"])


def test_metrics_of_many_tasks_leave_out_what_was_not_measured() -> None:
    accuracy = np.tri(7) * 0.9 + np.diag(np.full(6, 0.1), 1)
    accuracy[-1] = np.linspace(0.1, 0.7, 7)
    accuracy[4, 0] = 0.95
    accuracy[3, 0] = accuracy[5, 0] = np.nan
    measured = metrics(accuracy)
    assert measured["recent"] == pytest.approx(np.mean([0.3, 0.4, 0.5, 0.6, 0.7]))
    assert measured["average"] == pytest.approx(0.4)
    assert measured["forgetting"] == pytest.approx((0.95 - 0.1 + sum(0.9 - x for x in (0.2, 0.3, 0.4, 0.5, 0.6))) / 6)


def test_rows_say_after_which_task_and_on_which() -> None:
    result = run("vcl", toy_scenario(3), replace(PROTOCOL, epochs=1), seed=0)
    sign = result.matrix("sign")
    assert sign.shape == (3, 3)
    assert np.isfinite(sign).all()
    assert np.diag(sign).min() > 0.6
    assert sign[0, 1:].max() < 0.6  # not yet learned
    mean = result.matrix("mean")
    assert np.isfinite(np.diag(mean)).all()
    assert np.isfinite(mean[-1]).all()
    assert np.isnan(mean[0, 1])
    errors = {row["view"]: row["error"] for row in result.rows}
    assert errors["sign"] is None
    assert errors["mean"] is None
    assert errors["sampled"] >= 0.0
    assert {row["after_task"] for row in result.rows} == {0, 1, 2, 3}
    assert [row["after_task"] for row in result.log] == [1, 2, 3]
    assert {"loss", "saturated", "mean_v", "kl"} <= set(result.log[-1])


@pytest.mark.parametrize("method", ["plain", "ewc", "vcl", "natural-gradient"])
def test_a_head_per_task_is_trained_alone(method: str) -> None:
    result = run(method, toy_scenario(2, per_task_heads=True), PROTOCOL, seed=0)
    view = result.rows[0]["view"]
    assert np.array_equal(result.matrix(view), result.matrix(view, task_aware=True))
    assert result.matrix(view)[-1].mean() > 0.5  # chance is 1/4 in a task, 1/8 over all outputs


def test_task_aware_accuracy_is_at_least_the_single_head_s() -> None:
    tasks = scenario("split-mnist", subset=True)
    result = run("plain", tasks, Protocol(epochs=1, batches=30, widths=(32,)), seed=0)
    single, aware = result.matrix("weights")[-1], result.matrix("weights", task_aware=True)[-1]
    assert (aware >= single).all()
    assert aware[0] > single[0] + 0.2  # one head forgets digits 0-4; among themselves they are still told apart


class _Killed(Exception):
    pass


@pytest.mark.parametrize("method", ["vcl", "vcl-last-update", "natural-gradient", "metaplasticity", "ewc", "plain"])
@pytest.mark.parametrize("kill_at", [1, 2, 3])
def test_a_killed_run_goes_on_to_the_same_accuracies(tmp_path: Path, method: str, kill_at: int) -> None:
    tasks = toy_scenario()
    path = tmp_path / "run.checkpoint"
    whole = run(method, tasks, PROTOCOL, seed=3)
    epochs = 0

    def kill(_method: Method, _result: RunResult) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == kill_at + 1:  # in an epoch that is not yet on disk
            raise _Killed

    with pytest.raises(_Killed):
        run(method, tasks, PROTOCOL, seed=3, checkpoint=path, on_epoch=kill)
    assert path.exists()
    counted: list[int] = []
    resumed = run(method, tasks, PROTOCOL, seed=3, checkpoint=path, on_epoch=lambda *_: counted.append(1))
    assert len(counted) == 4 - kill_at
    assert resumed.rows == whole.rows
    assert [row["loss"] for row in resumed.log] == [row["loss"] for row in whole.log]
    assert not path.exists()


def test_two_commands_may_save_the_same_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.checkpoint"
    write = torch.save
    others = iter([True])

    def save(content: Any, where: Any) -> None:
        write(content, where)
        if next(others, False):  # before the first is in its place, the other command saves
            protocol._save(path, content)

    monkeypatch.setattr(torch, "save", save)
    beside = run("plain", toy_scenario(), PROTOCOL, seed=0, checkpoint=path)
    assert beside.rows == run("plain", toy_scenario(), PROTOCOL, seed=0).rows
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"

    def kill(_method: Method, result: RunResult) -> None:
        if len(result.log) == 2:
            raise _Killed

    with pytest.raises(_Killed):
        run("plain", toy_scenario(), PROTOCOL, seed=3, checkpoint=path, on_epoch=kill)
    with pytest.raises(ValueError, match=r"belongs to another run \(other seed\)"):
        run("plain", toy_scenario(), PROTOCOL, seed=4, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"checkpoint .* cannot be read"):
        run("plain", toy_scenario(), PROTOCOL, seed=3, checkpoint=path)


def test_results_travel_as_json_and_follow_the_seed() -> None:
    first, again, other = (
        run("bounded-memory", toy_scenario(), PROTOCOL, seed=seed, curve=False) for seed in (0, 0, 1)
    )
    assert RunResult.from_dict(json.loads(json.dumps(first.to_dict()))).rows == first.rows == again.rows
    assert first.rows != other.rows
    line = table([first, other])[0]
    assert line["method"] == "bounded-memory"
    assert line["seeds"] == 2
    assert line["task id"] == "no"
    mean = 50.0 * sum(r.metrics("sign")["average"] for r in (first, other))
    assert line["average"].mean == pytest.approx(mean)
    assert summarise([first], "sign")["average"] == first.metrics("sign")["average"]
    assert table([run("metaplasticity", toy_scenario(), PROTOCOL, seed=0)])[0]["task id"] == "yes"


def test_differences_are_paired_by_seed() -> None:
    results = [run(name, toy_scenario(), PROTOCOL, seed=seed) for name in ("plain", "vcl") for seed in (0, 1, 2)]
    (line,) = differences(results)
    assert line["difference"] == "vcl - plain"
    average = {r.method + str(r.seed): r.metrics(r.rows[0]["view"])["average"] for r in results}
    gaps = 100.0 * np.array([average[f"vcl{seed}"] - average[f"plain{seed}"] for seed in range(3)])
    assert line["average"].mean == pytest.approx(gaps.mean())
    assert line["average"].error == pytest.approx(gaps.std(ddof=1) / np.sqrt(3))
    assert differences(results[:1]) == []


def test_evaluating_less_often_changes_nothing_else() -> None:
    often, seldom = (run("vcl", toy_scenario(), PROTOCOL, seed=0, curve=curve) for curve in (True, False))
    assert np.array_equal(often.matrix("sign"), seldom.matrix("sign"))
    assert len(often.rows) > len(seldom.rows)


def test_looking_back_changes_what_is_judged_and_nothing_else() -> None:
    whole, short = (
        run("vcl", toy_scenario(4), replace(PROTOCOL, epochs=1), seed=0, look_back=look) for look in (None, 2)
    )
    every, seen = whole.matrix("sign"), short.matrix("sign")
    measured = np.isfinite(seen)
    assert measured.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]]
    assert np.array_equal(seen[measured], every[measured])
    for name in ("average", "learned", "backward_transfer", "forward_transfer"):
        assert short.metrics("sign")[name] == whole.metrics("sign")[name]
    with pytest.raises(ValueError, match="look_back must be a whole number >= 1, got 0"):
        run("vcl", toy_scenario(), PROTOCOL, seed=0, look_back=0)


def test_a_histogram_of_v_is_kept_for_each_task() -> None:
    result = run("vcl", toy_scenario(), PROTOCOL, seed=0)
    assert [sum(fractions) for fractions in result.histograms] == pytest.approx([1.0, 1.0])
    saturated = result.log[-1]["saturated"]
    assert result.histograms[-1][0] >= saturated > 0.0  # v < 0.05, and v < 0.01
    assert run("plain", toy_scenario(), PROTOCOL, seed=0).histograms == [[], []]


_SMALL = ["--tasks", "2", "--seeds", "2", "--epochs", "1", "--batches", "5", "--widths", "16", "--subset", "--quiet"]


def test_benchmark_writes_a_table_and_finds_finished_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["benchmark", "permuted-mnist", "--methods", "vcl,plain", "--out", str(tmp_path), *_SMALL]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "10000 training and 2000 test images from the embedded subset" in shown.err
    lines = shown.out.splitlines()
    assert lines[0].split()[:3] == ["method", "view", "average"]
    assert ["difference", "average"] in [line.split()[:2] for line in lines]
    assert ["plain", "-", "vcl"] in [line.split()[:3] for line in lines]
    assert [line.split()[0] for line in lines[2:4]] == ["vcl", "plain"]
    record = json.loads((tmp_path / "benchmark-permuted-mnist.json").read_text())
    assert record["seeds"] == [0, 1]
    assert record["options"]["vcl"]["gamma"] == 0.1
    assert len(record["accuracy[after_task][on_task]"]["plain seed 0 weights"]) == 2
    assert (tmp_path / "benchmark-permuted-mnist.png").stat().st_size > 10_000
    csv = (tmp_path / "benchmark-permuted-mnist.csv").read_text()
    assert csv.startswith("method,seed,after_task,epoch,on_task,view,accuracy,")
    monkeypatch.setattr(protocol, "run", lambda *_, **__: pytest.fail("computed again"))
    assert main(arguments) == 0
    assert capsys.readouterr().out == shown.out
    assert (tmp_path / "benchmark-permuted-mnist.csv").read_text() == csv


def test_very_many_tasks_are_judged_at_their_ends_and_drawn_against_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "benchmark permuted-mnist --methods plain,vcl-steps --tasks 12 --seeds 1 --epochs 1 --batches 1 --widths 8"
    words += " --subset --quiet --look-back 5 --ends-only --test-images 20"
    words += " --set vcl-steps.anneal=steps --set vcl-steps.anneal_steps=12"
    assert main([*words.split(), "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "last 5" in lines[0]
    assert any("horizon" in line for line in lines)
    rows = list(csv.DictReader((tmp_path / "benchmark-permuted-mnist.csv").read_text().splitlines()))
    first = [row for row in rows if row["method"] == "plain"]
    places = {(int(row["after_task"]), int(row["on_task"])) for row in first}
    assert places == {(t, on) for t in range(1, 12) for on in range(max(1, t - 4), t + 2)} | {
        (12, on) for on in range(1, 13)
    }
    views = {row["view"]: int(row["after_task"]) for row in rows if row["method"] == "vcl-steps"}
    assert views == dict.fromkeys(("sign", "mean", "sampled", "fields"), 12)
    assert (tmp_path / "benchmark-permuted-mnist.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--methods", "vlc"], "methods must be one of"),
        (["--methods", "vcl", "--set", "vcl.gama=1"], "(did you mean 'gamma'?)"),
        (["--methods", "vcl", "--set", "gamma=1"], "set must be METHOD.OPTION=VALUE, got 'gamma=1'"),
        (["--methods", "vcl", "--widths", "16,x"], "widths must be a whole number >= 1, got 'x'"),
        (["--methods", "vcl", "--data-dir", "/does/not/exist"], "data_dir must name a folder that exists"),
    ],
)
def test_bad_benchmarks_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    small = [word for word in _SMALL if not (word == "--subset" and "--data-dir" in extra)]
    if "--widths" in extra:
        at = small.index("--widths")
        small = small[:at] + small[at + 2 :]
    assert main(["benchmark", "permuted-mnist", "--out", str(tmp_path), *small, *extra]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_data_list_says_what_would_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATMECH_CL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["data"]) == 2
    assert capsys.readouterr().err == "statmech-cl: error: command must be one of list, fetch, got none\n"
    assert main(["data", "list"]) == 0
    assert "fashion-mnist: 10000 training" in capsys.readouterr().out
    assert main(["data", "fetch", "mnist", "--mirror", (tmp_path / "empty").as_uri()]) == 2
    assert "expected a copy from a mirror, found file://" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["plain", "ewc", "vcl"])
def test_the_small_cnn_learns_too(method: str) -> None:
    tasks = scenario("split-mnist", n_tasks=5, subset=True)
    few = [replace(task, test_x=task.test_x[:100], test_y=task.test_y[:100]) for task in tasks.tasks[:2]]
    two = replace(tasks, tasks=tuple(few))
    options = {"fisher_patterns": 32} if method == "ewc" else {}
    result = run(method, two, Protocol(epochs=1, batches=12, network="cnn"), seed=0, options=options, curve=False)
    view = result.rows[0]["view"]
    assert result.matrix(view, task_aware=True)[0, 0] > 0.7


def test_metaplasticity_refuses_the_cnn() -> None:
    with pytest.raises(ValueError, match="architecture of metaplasticity must have dense layers only, got 'cnn-"):
        run("metaplasticity", toy_scenario(), replace(PROTOCOL, network="cnn"), seed=0)


def test_a_diverging_run_says_so() -> None:
    options = {"optimiser": "sgd", "lr": 1e30}
    with pytest.raises(ValueError, match=r"training of plain diverged \(loss nan in task 1, epoch 1\); lower its lr"):
        run("plain", toy_scenario(), PROTOCOL, seed=0, options=options)


@pytest.mark.slow
def test_two_jobs_give_the_numbers_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)  # as each job has it
    tables = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        arguments = ["benchmark", "permuted-mnist", "--methods", "vcl,plain", "--out", str(out), "--jobs", jobs]
        assert main([*arguments, *_SMALL]) == 0
        tables.append((out / "benchmark-permuted-mnist.csv").read_text())
        capsys.readouterr()
    assert tables[0] == tables[1]


def test_a_search_cannot_keep_more_than_a_method_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["search", "permuted-mnist", "--methods", "vcl,plain", "--keep", "9", "--subset", "--out"]
    assert main([*arguments, str(tmp_path)]) == 2
    assert capsys.readouterr().err.strip().endswith("keep must be at most 8, the number of settings of plain, got 9")


def test_the_chosen_settings_are_the_best_of_the_search() -> None:
    with (Path(__file__).parent.parent / "docs" / "search" / "permuted-mnist.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["length"] == "full"]
    for method in dict.fromkeys(row["method"] for row in rows):
        best = max((row for row in rows if row["method"] == method), key=lambda row: float(row["average"]))
        defaults = get_method(method).defaults
        told = dict(part.split("=") for part in best["setting"].split() if part != "defaults")
        expected = {
            name: value if isinstance(defaults[name], str) else type(defaults[name])(float(value))
            for name, value in told.items()
        }
        for scenario_name in ("permuted-mnist", "mnist-fashion"):
            chosen = CHOSEN[scenario_name].get(method, {})
            changed = {name: value for name, value in chosen.items() if value != defaults[name]}
            assert changed == expected, method
