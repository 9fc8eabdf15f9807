"""The deep figures at a size that only shows that they run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from statmech_cl.paper_repro import FIGURES, Data, deep_a, deep_d, reproduce

SMALL = {"n_tasks": 2, "epochs": 2, "batches": 4, "batch_size": 32, "widths": [16], "n_seeds": 2, "subset": True}
METHODS = ["vcl", "vcl-sgd", "metaplasticity"]


@pytest.mark.parametrize("figure", ["deep-a", "deep-b", "deep-c"])
def test_a_deep_figure_is_computed_drawn_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: str
) -> None:
    methods = ["vcl-none", "vcl"] if figure == "deep-c" else METHODS
    monkeypatch.setitem(FIGURES[figure].scales, "quick", {**SMALL, "methods": methods})
    result = reproduce(figure, out=tmp_path, quiet=True)
    kinds = ("png", "pdf", "csv", "json", "run.json")
    assert {path.name for path in result.files} == {f"{figure}.{kind}" for kind in kinds}
    assert (tmp_path / f"{figure}.png").stat().st_size > 10_000
    record = json.loads((tmp_path / f"{figure}.json").read_text())
    assert record["verdict"]["sentence"] == result.verdict.sentence
    assert len(result.verdict.rows) >= 6
    assert {row["seed"] for row in result.data.rows} == {0, 1}
    if figure == "deep-c":
        for method in methods:
            for task in (1, 2):
                law = result.data.column("fraction", kind="law of v", method=method, seed=0, after_task=task)
                assert sum(law) == pytest.approx(1.0)
    again = reproduce(figure, out=tmp_path, quiet=True)
    assert again.data.rows == result.data.rows


def test_the_benchmark_finds_the_runs_of_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from statmech_cl.cli import main
    from statmech_cl.simulations.deep import protocol

    monkeypatch.setitem(deep_a.SCALES, "quick", {**SMALL, "methods": [*METHODS, "plain"]})
    reproduce("deep-a", out=tmp_path, quiet=True)
    monkeypatch.setattr(protocol, "run", lambda *_, **__: pytest.fail("computed again"))
    command = "benchmark permuted-mnist --methods plain,vcl --tasks 2 --seeds 2 --epochs 2 --batches 4 --batch-size 32"
    assert main([*command.split(), "--widths", "16", "--subset", "--quiet", "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize("figure", ["deep-a", "deep-b"])
def test_the_whole_of_the_data_is_asked_for_at_paper_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: str
) -> None:
    monkeypatch.delenv("STATMECH_CL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=f"{figure} at this scale needs the whole of mnist, found the embedded subset"):
        reproduce(figure, scale="paper", out=tmp_path, quiet=True)


def test_verdicts_follow_the_numbers() -> None:
    def rows(method: str, kept: float) -> list[dict[str, object]]:
        return [
            {
                "method": method,
                "seed": seed,
                "after_task": after,
                "epoch": 1,
                "on_task": on,
                "view": "sign",
                "accuracy": (kept if (after, on) == (2, 1) else 0.9) + 0.001 * seed * on,
                "accuracy_task_aware": 0.9,
                "error": None,
                "end": True,
            }
            for seed in (0, 1, 2)
            for after in (1, 2)
            for on in (1, 2)
        ]

    parameters = {"n_tasks": 2, "methods": METHODS}
    for kept, holds in ((0.85, True), (0.5, False)):
        table = [*rows("vcl", kept), *rows("vcl-sgd", 0.85), *rows("metaplasticity", 0.6 + 0.002)]
        assert deep_a.verdict(Data(table, parameters)).holds is holds


def test_many_tasks_are_judged_on_the_latest_and_in_the_end_on_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**SMALL, "n_tasks": 6, "epochs": 1, "batches": 2, "look_back": 5, "curve": False, "test_images": 100}
    monkeypatch.setitem(FIGURES["deep-d"].scales, "quick", {**small, "methods": ["vcl-sgd", "plain"]})
    result = reproduce("deep-d", out=tmp_path, quiet=True)
    assert (tmp_path / "deep-d.png").stat().st_size > 10_000
    told = {row.what: row.simulation for row in result.verdict.rows}
    for method, view in (("vcl-sgd", "sign"), ("plain", "weights")):
        rows = result.data.select(method=method, view=view, after_task=6)
        assert {row["on_task"] for row in rows} == {1, 2, 3, 4, 5, 6}
        every, latest = told[f"{method}: all tasks at the end"], told[f"{method} ({view}): latest 5 after 6 tasks"]
        assert every is not None and latest is not None
        assert every.mean == pytest.approx(np.mean([row["accuracy"] for row in rows]))
        assert latest.mean == pytest.approx(np.mean([row["accuracy"] for row in rows if row["on_task"] > 1]))


@pytest.mark.parametrize(("kept", "holds"), [(0.96, True), (0.94, False)])
def test_the_goal_of_many_tasks_is_judged_on_binary_weights_alone(kept: float, holds: bool) -> None:
    rows = [
        {"method": method, "seed": seed, "after_task": after, "epoch": 1, "on_task": on, "view": view, "end": True}
        | {"accuracy": (kept if view == "sign" else 0.99) + 1e-4 * seed, "accuracy_task_aware": 0.9}
        for method, view in (("vcl-sgd", "sign"), ("online-ewc", "weights"))
        for seed in (0, 1, 2)
        for after in range(1, 7)
        for on in range(1, after + 1)
    ]
    told = deep_d.verdict(Data(rows, {"n_tasks": 6, "methods": ["vcl-sgd", "online-ewc"]}))
    assert told.holds is holds
    assert "the best binary method, vcl-sgd" in told.sentence
