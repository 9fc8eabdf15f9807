"""The perceptron figures at toy sizes: computed, judged and drawn; a killed run resumes to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_figures import drawn, shrink

from statmech_cl.paper_repro import Context, reproduce
from statmech_cl.simulations.perceptron.curve_rows import descent_curves
from statmech_cl.simulations.perceptron.rows import two_task_row, two_task_rows
from statmech_cl.store import Store

CURVES: dict[str, Any] = {"sizes": [[30, 4], [60, 3]], "dynamics": {"samples": 512, "batches": 2}}
FEW = {"alpha_2": [1.0], "warmup": 10, "draws": 6, "leapfrogs": 2, "start": "prior", "sizes": [[20, 3], [30, 3]]}
TWO: dict[str, Any] = {"r0": [0.5], "alpha_2": [1.0], "alpha_2_line": [0.5], "to": 1.2, "epochs": 4, "gibbs": FEW}
TWO |= CURVES
SMALL: dict[str, dict[str, Any]] = {
    "fig1a": {"alphas": [0.5, 1.5], "epochs": 4, **CURVES},
    "fig1b": {"alpha_2": [1.0], "epochs": 4, **CURVES},
    "fig1c": {"alpha_2": [1.0], "epochs": 4, **CURVES},
    "fig2c": {"alphas": [1.0, 2.0], "epochs": 20, "records": 10, **CURVES},
    "fig2d": {"q_stars": [0.4, 0.8], "fine": [0.4, 0.8], "epochs_per_level": 3, "epochs": 5, **CURVES},
    "fig3a": TWO,
    "fig3b": TWO,
    "figA1a": {"alphas": [0.5], **CURVES},
    "figA1d": TWO,
    "forgetting-curves": {"r0": [0.5], "gammas": [1.0], "epochs": 4, **CURVES},
    "dynamics": {"epochs": 12, "groups_epochs": 8, "samples": 512, "batches": 2, "sizes": CURVES["sizes"]},
    "methods": {
        "alphas": [0.5],
        "epochs": 20,
        "table": [10, 20],
        "exact": {"samples": 512, "batches": 2},
        **CURVES,
    },
    "settings": {
        "alphas": [0.5],
        "changes": {"whole batch": {"epochs": 6}, "rate / 4": {"learning_rate": 0.005, "epochs": 6}},
        "others": {"batch 8": {"batch": 8, "epochs": 6}},
        "n": 40,
        "n_seeds": 3,
        **CURVES,
    },
}
SAMPLER = {"warmup": 10, "draws": 8}
SMALL["gibbs-b"] = {
    "stable": [0.5],
    "unstable": [0.9],
    "fine": [0.5],
    "sizes": [[20, 3], [30, 3]],
    "n": 20,
    "n_seeds": 3,
}
SMALL["gibbs-b"] |= {"draws": 10, "warmup": 10, "leapfrogs": 2}
SMALL["gibbs-a"] = {
    "n_seeds": [3, 3, 3],
    "leapfrogs": 2,
    "cases": {
        "one": {"alpha": 0.5, "sizes": [10, 20, 30], **SAMPLER},
        "two": {"alpha_1": 2.0, "alpha_2": 1.0, "r0": 0.5, "gamma": 1.0, "sizes": [10, 20, 30], **SAMPLER},
    },
}


# These share all their code with another panel.
TWINS = {"fig1b", "fig1c", "fig3b"}


@pytest.mark.parametrize(
    "figure", [pytest.param(figure, marks=[pytest.mark.slow] * (figure in TWINS)) for figure in sorted(SMALL)]
)
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = drawn(figure, SMALL[figure], tmp_path, monkeypatch)
    assert all(row.simulation is not None for row in result.verdict.rows)


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = "figA1a"
    shrink(figure, SMALL[figure], monkeypatch)
    whole = reproduce(figure, out=tmp_path / "whole", quiet=True)
    plain = Context.points
    stopped = []

    def killed(self: Context, function: Any, grid: Any, label: str) -> Any:
        grid = list(grid)
        plain(self, function, grid[:1], label)
        stopped.append(function)
        raise KeyboardInterrupt

    monkeypatch.setattr(Context, "points", killed)
    with pytest.raises(KeyboardInterrupt):
        reproduce(figure, out=tmp_path / "resumed", quiet=True)
    monkeypatch.setattr(Context, "points", plain)
    resumed = reproduce(figure, out=tmp_path / "resumed", quiet=True)
    assert stopped
    for first, second in zip(whole.files, resumed.files, strict=True):
        if not first.name.endswith(".run.json"):  # times and dates
            assert first.read_bytes() == second.read_bytes(), first.name


def test_a_run_killed_between_two_rows_of_a_group_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = "fig3a"
    shrink(figure, SMALL[figure], monkeypatch)
    whole = reproduce(figure, out=tmp_path / "whole", quiet=True)
    plain = Store.put
    put: list[str] = []

    def killed(self: Store, kind: str, parameters: Any, row: Any, *, version: str) -> dict[str, Any]:
        put.append(kind)
        if put.count(f"{descent_curves.__module__}.descent_curves") == 2:  # the group has two rows, one for each gamma
            raise KeyboardInterrupt
        return plain(self, kind, parameters, row, version=version)

    monkeypatch.setattr(Store, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        reproduce(figure, out=tmp_path / "resumed", quiet=True)
    monkeypatch.setattr(Store, "put", plain)
    resumed = reproduce(figure, out=tmp_path / "resumed", quiet=True)
    for first, second in zip(whole.files, resumed.files, strict=True):
        if not first.name.endswith(".run.json"):  # times and dates
            assert first.read_bytes() == second.read_bytes(), first.name


def test_rows_of_two_tasks_together_equal_each_alone() -> None:
    common = {"alpha_1": 1.0, "alpha_2": 0.5, "n": 30, "seeds": [0, 1], "epochs": 3, "records": 1}
    points = [{**common, "gamma": gamma, "r0": r0} for gamma in (1.0, 0.1) for r0 in (-0.5, 0.5)]
    for point, row in zip(points, two_task_rows(points), strict=True):
        alone = two_task_row(**point)
        assert list(alone) == list(row)
        for name in ("eps_1", "eps_2", "q_star", "loss", "eps_1_before"):
            assert row[name] == pytest.approx(alone[name], abs=2e-3), name
    with pytest.raises(ValueError, match="points must differ in r0, gamma and anchor only"):
        two_task_rows([points[0], {**points[1], "n": 31}])
    with pytest.raises(ValueError, match="problems must have the same alphas"):
        two_task_rows([points[0], {**points[1], "alpha_2": 0.7}])
