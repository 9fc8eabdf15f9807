"""Many points in one call, tables for pandas, axes that vary together, and what is missing in one line."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from statmech_cl import Chain, Task, cli, solve, solve_many, trace
from statmech_cl.commands import simulation
from statmech_cl.sweep import points, sweep


def refuse_import(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if these were not installed."""
    true: Callable[..., Any] = builtins.__import__

    def importing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return true(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_many_alphas_are_the_single_ones() -> None:
    alphas = np.array([0.5, 1.7, 0.0, 2.5])
    for branch in ("best", "thermodynamic"):
        assert solve_many(Task(alpha=9.0), alpha=alphas, branch=branch) == [
            solve(Task(alpha=float(alpha)), branch=branch) for alpha in alphas
        ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"alpha": [0.5, -1.0]}, r"alpha must be a finite number in \[0, inf\), got -1.0"),
        ({"alpha": 0.5}, "alpha must be a one-dimensional array of numbers, got 0.5"),
        ({"alpha": [[0.5, 1.0]]}, "alpha must be a one-dimensional array"),
        ({"alpha": ["x"]}, r"alpha must be a finite number in \[0, inf\), got 'x'"),
        ({"alpha": [0.5], "branch": "all"}, "branch must be one of low, high, best, thermodynamic, got 'all'"),
    ],
)
def test_many_alphas_refuse(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        solve_many(Task(alpha=1.0), **arguments)
    with pytest.raises(ValueError, match="task must be a Task"):
        solve_many(Chain((Task(alpha=1.0),)), alpha=[0.5])  # type: ignore[arg-type]


def test_frames_hold_what_the_solutions_say() -> None:
    solution = solve(Task(alpha=0.5))
    assert solution.to_frame().to_dict("records") == [solution.to_dict()]
    chain = solve(Chain((Task(alpha=0.5), Task(alpha=0.3))))
    table = chain.to_frame()
    assert table["eps_g"].tolist() == chain.eps_g.ravel().tolist()
    assert list(zip(table["after_task"], table["on_task"], strict=True)) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    branch = trace(Task(alpha=1.85), parameter="alpha", span=(1.85, 1.95))
    points_of = branch.to_frame()
    assert points_of["r"].tolist() == [point.r for point in branch.points]
    assert points_of["curve"].nunique() == len(branch.curves)


def test_frames_without_pandas_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    solution = solve(Task(alpha=0.5))
    refuse_import(monkeypatch, "pandas")
    with pytest.raises(
        ValueError, match=r"^to_frame needs pandas; install it with: pip install 'statmech-cl\[sweep\]'$"
    ):
        solution.to_frame()


# Axes that vary together


def test_zipped_axes_vary_together() -> None:
    grid = points(Task(alpha=1.0), {"prior": ["none", "kl"]}, {"alpha": [0.5, 1.0], "beta": [10.0, 20.0]})
    assert [(p.values()["prior"], p.values()["alpha"], p.values()["beta"]) for p in grid] == [
        ("none", 0.5, 10.0),
        ("none", 1.0, 20.0),
        ("kl", 0.5, 10.0),
        ("kl", 1.0, 20.0),
    ]
    with ThreadPoolExecutor(1) as executor:
        table = sweep(Task(alpha=1.0), {}, zipped={"alpha": [0.5, 0.6], "beta": [10.0, 20.0]}, executor=executor)
    assert list(table.columns[:2]) == ["alpha", "beta"]
    assert table["eps_g"].tolist() == [solve(Task(alpha=a, beta=b)).eps_g for a, b in ((0.5, 10.0), (0.6, 20.0))]


@pytest.mark.parametrize(
    ("grid", "zipped", "says"),
    [
        ({}, {"alpha": [1.0, 2.0], "beta": [1.0]}, "zipped must hold lists of one length, got lengths"),
        ({"alpha": [1.0]}, {"alpha": [1.0]}, "alpha must be in only one of grid and zipped, got it in both"),
        ({}, {"alhpa": [1.0]}, r"zipped must be one of .* \(did you mean 'alpha'"),
        ({}, {"alpha": []}, r"zipped\['alpha'\] must hold at least one value"),
    ],
)
def test_zipped_axes_refuse(grid: dict[str, list[float]], zipped: dict[str, list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        points(Task(alpha=1.0), grid, zipped)


# Files


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[parameters]\nbteA = 1.0\n[grid]\nalpha = [1.0]", "[parameters] name must be one of "),
        ("[parameters]\nbetta = 1.0\n[grid]\nalpha = [1.0]", "got 'betta' (did you mean 'beta'?)"),
        ("[parameters]\nbeta = -1.0\n[grid]\nalpha = [1.0]", "[parameters] beta must be a finite number"),
        ("[grid]\nalpha = [1.0, -1.0]", "alpha must be a finite number in [0, inf), got -1.0"),
        ("[grid]\nalpha = [-1.0]", "[grid] alpha must be a finite number in [0, inf), got -1.0"),
        ("[grid]\nalhpa = [1.0]\n[parameters]\nalpha = 1.0", "grid must be one of "),
        ("[zip]\nalpha = [1.0]\nbeta = [1.0, 2.0]", "zipped must hold lists of one length"),
        ("[zip]\nalpha = [1.0]\n[parameters]\nalpha = 2.0", "alpha must be in only one of parameters and zip"),
        ("problem = 'chain'\n[parameters]\ntasks = [{alhpa = 1.0}]\n[grid]\nalpha_1 = [1.0]", "name in task 1 must be"),
        ("problem = 'chain'\n[parameters]\nlaws = 1\n[grid]\nalpha_1 = [1.0]", "got 'laws' (did you mean 'law'?)"),
        ("problem = 'descent'\n[parameters]\nepoch = 3\n[grid]\nalpha = [1.0]", "got 'epoch' (did you mean 'epochs'?)"),
        ("problem = 'descent'\n[parameters]\nepochs = 0\n[grid]\nalpha = [1.0]", "[parameters] epochs must be"),
        ("problem = 'descent'\n[parameters]\nbeta = 2.0\n[grid]\nalpha = [1.0]", "beta must not be given with descent"),
        ("problem = 'descent'\n[grid]\nalpha = [1.0]\nlearning_rate = [0.1, -1.0]", "learning_rate must be a finite"),
    ],
)
def test_a_bad_file_names_file_table_and_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(content)
    assert cli.main(["sweep", str(file), "--quiet"]) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.count("\n") == 1 and not (tmp_path / "grid.sqlite").exists()
    assert caught.err.startswith(f"statmech-cl: error: {file}: ") and says in caught.err


def test_a_file_may_zip(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text("[zip]\nalpha = [0.5]\nbeta = [10.0]\n")
    assert cli.main(["sweep", str(tmp_path / "grid.toml"), "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("0.5,10.0,")


# What is missing, in one line


@pytest.mark.parametrize(
    "command", ["benchmark permuted-mnist --methods plain", "reproduce fig2b", "compare --alpha 0.5"]
)
def test_no_cuda_device_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli.main([*command.split(), "--device", "cuda", "--out", str(tmp_path)]) == 2
    caught = capsys.readouterr()
    told = "device must be cpu on this machine (torch finds no CUDA device), got 'cuda'"
    assert (caught.out, caught.err) == ("", f"statmech-cl: error: {told}\n")


@pytest.mark.parametrize("name", ["pandas", "torch", "arviz_stats"])
def test_a_missing_extra_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(cli.group, "invoke", fails)
    assert cli.main(["solve", "--alpha", "0.5"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f" need {name}; install it with: pip install 'statmech-cl[" in err


def test_much_memory_is_said_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["simulate", "--alpha", "0.5", "--n", "40", "--seeds", "2", "--epochs", "2", "--quiet"]
    assert cli.main(arguments) == 0 and capsys.readouterr().err == ""
    monkeypatch.setattr(simulation, "MUCH_MEMORY", 1.0)
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err.startswith("the patterns take about ")


# Seeds


def test_the_seed_of_compare_matters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = {}
    for run, seed in (("a", "0"), ("b", "5"), ("c", "5")):
        command = ["compare", "--alpha", "0.3", "--with", "gibbs", "--n", "20", "--seeds", "3", "--warmup", "20"]
        status = cli.main([*command, "--draws", "20", "--seed", seed, "--quiet", "--out", str(tmp_path / run)])
        assert status in (0, 1)
        told[run] = (tmp_path / run / "compare.csv").read_bytes()
        capsys.readouterr()
    assert told["b"] == told["c"] != told["a"]
