"""Runs that look at the spectral quantities, and the figure made of them, at toy sizes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from statmech_cl import Chain, Task
from statmech_cl import spectral as arrays
from statmech_cl.paper_repro import reproduce, spectral
from statmech_cl.simulations.perceptron.descent import DescentSettings, descend
from statmech_cl.simulations.spectral_runs import deep_row, perceptron_row

SMALL = {"alpha_1": 1.0, "alpha_2": 0.5, "r0": 0.0, "n": 40, "seeds": [0, 1, 2], "epochs": 20, "records": 1}


def test_perceptron_without_coherence_is_descent_with_the_l2_anchor() -> None:
    row = perceptron_row(**SMALL, eta=0.5, lam_per_weight=0.0)
    chain = Chain((Task(alpha=1.0), Task(alpha=0.5, gamma=0.5, anchor="l2")), overlaps=0.0)
    result = descend(chain, n=40, seeds=3, settings=DescentSettings(epochs=20, records=1))
    assert row["eps_1_seeds"] == pytest.approx(result.values("eps_g", on=0).tolist())
    gap = (result.stages[1].theta - result.stages[0].theta).double()
    assert row["beta"] == pytest.approx(0.5 * float(gap.square().mean()))
    forgetting = np.array(row["eps_1_seeds"]) - np.array(row["eps_1_before_seeds"])
    assert row["forgetting_seeds"] == pytest.approx(forgetting.tolist())


def test_fields_are_followed_from_record_to_record() -> None:
    more = {**SMALL, "records": 4}
    row = perceptron_row(**more, eta=0.5, lam_per_weight=0.0, anchor="kl")
    chain = Chain((Task(alpha=1.0), Task(alpha=0.5, gamma=0.5, anchor="kl")), overlaps=0.0)
    seen: list[torch.Tensor] = []
    result = descend(
        chain,
        n=40,
        seeds=3,
        settings=DescentSettings(epochs=20, records=4),
        observe=lambda task, epoch, theta: seen.append(theta[:, 0].double().clone()),
    )
    assert [(line["after_task"], line["epoch"]) for line in row["along"]] == [
        *((1, epoch) for epoch in (0, 5, 10, 15, 20)),
        *((2, epoch) for epoch in (20, 25, 30, 35, 40)),
    ]
    for index, line in enumerate(row["along"]):
        expected = [arrays.coherence(fields) for fields in seen[index]]
        assert line["coherence_seeds"] == pytest.approx(expected, abs=1e-6)
        stage = result.stages[line["after_task"] - 1]
        assert line["eps_1_seeds"] == pytest.approx(stage.eps_g[index % 5, 0].tolist())
        if line["after_task"] == 2:
            expected = [arrays.anastrophic_beta(*pair) / 40 for pair in zip(seen[index], seen[4], strict=True)]
            assert line["beta_seeds"] == pytest.approx(expected)
    assert "beta" not in row["along"][4]
    assert row["along"][5]["beta"] == 0.0
    assert row["beta_seeds"] == row["along"][-1]["beta_seeds"]
    assert row["coherence_before_seeds"] == row["along"][4]["coherence_seeds"]


def test_coherence_term_acts_on_the_fields_in_proportion_to_their_number() -> None:
    rows = {s: perceptron_row(**SMALL, eta=0.5, lam_per_weight=s) for s in (0.0, 1e-6, 5.0)}
    assert rows[1e-6]["eps_1_seeds"] == pytest.approx(rows[0.0]["eps_1_seeds"])
    assert rows[5.0]["coherence"] > rows[0.0]["coherence"] + 0.4
    assert rows[5.0]["coherence_before"] == rows[0.0]["coherence_before"]


def test_a_further_term_enters_descent_from_the_second_task_on() -> None:
    chain = Chain((Task(alpha=0.0), Task(alpha=0.0, gamma=0.0)), overlaps=0.0)
    plain = DescentSettings(epochs=200, weight_decay=0.0, learning_rate=0.02, records=1, test_patterns=0)
    target = 0.3
    result = descend(chain, n=10, seeds=2, settings=plain, term=lambda theta: theta - target)
    assert float(result.stages[0].theta.std()) > 0.3
    assert torch.allclose(result.stages[1].theta, torch.full((2, 1, 10), target), atol=1e-3)


def test_deep_row_follows_every_layer() -> None:
    row = deep_row(
        method="l2", options={"strength": 1.0}, subset=True, epochs=1, batches=3, widths=[12], seed=0, device="cpu"
    )
    assert [(line["after_task"], line["tensor"]) for line in row["epochs"]] == [
        (task, name) for task in (1, 2) for name in ("layers.0.weight", "layers.1.weight", "all")
    ]
    assert "beta" not in row["epochs"][0]
    assert row["epochs"][-1]["beta"] > 0.0
    assert row["epochs"][-1]["beta"] == pytest.approx(sum(line["beta"] for line in row["epochs"][3:5]))


def test_rank_correlation() -> None:
    x = np.arange(12.0)
    groups = [int(i) // 2 for i in range(12)]
    assert spectral.rank_correlation(x, np.exp(x), groups).mean == pytest.approx(1.0)
    assert spectral.rank_correlation(x, -x, groups).mean == pytest.approx(-1.0)
    noise = spectral.rank_correlation(x, np.random.default_rng(0).standard_normal(12), groups)
    assert abs(noise.mean) < 4.0 * noise.error
    assert 0.1 < noise.error < 0.8
    assert noise.n == 6
    assert spectral.rank_correlation(x, np.ones(12), groups).mean == 0.0


def test_correlation_within_a_method_is_taken_over_its_strengths_alone() -> None:
    rows = [
        {"method": "l2", "seed": seed, "strength": s, "beta": 1.0 / s + 100.0 * seed, "forgetting": 1.0 / s - seed}
        for seed in range(3)
        for s in (0.1, 1.0, 10.0)
    ]
    within = spectral._within(rows, "l2", "beta")
    assert within is not None
    assert (within.mean, within.error, within.n) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-12), 3)
    assert spectral._correlation([{**row, "label": row["strength"]} for row in rows], "beta").mean < 0.0
    assert spectral._within(rows[:3], "l2", "beta") is None
    assert spectral._within(rows, "ewc", "beta") is None


def test_figure_at_toy_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def line(*, alpha_2: float, **_: Any) -> dict[str, float]:  # the chain solver takes seconds a point
        return {"eps_1": 0.1 * alpha_2, "eps_2": 0.5 - 0.1 * alpha_2}

    monkeypatch.setattr(spectral, "two_task_theory_row", line)
    cases = [["l2", 1.0, 0.0], ["kl", 0.1, 0.0], ["l2", 1.0, 10.0]]
    small = {
        "subset": True,
        "perceptron": {
            **spectral._PERCEPTRON, "alpha_2": [0.5, 1.0], "etas": [0.1, 1.0], "epochs": 12, "n": 20, "n_seeds": 2,
            "along": {"alpha_2": 1.0, "cases": cases},
        },
        "trade_off": {"strengths": [], "epochs": 1, "n_seeds": 2},
        "deep": {
            "methods": [["plain", {}], *(["l2", {"strength": s}] for s in (0.1, 1.0, 10.0))],
            "epochs": 1, "batches": 2, "widths": [8], "n_seeds": 2,
        },
    }  # fmt: skip
    monkeypatch.setitem(spectral.SCALES, "quick", small)
    result = reproduce("spectral", out=tmp_path, quiet=True)
    kinds = {row["kind"] for row in result.data.rows}
    assert kinds == {
        "theory", "perceptron", "fields", "along", "epoch", "layer epoch", "layer", "run", "chance", "correlation"
    }  # fmt: skip
    assert len(result.data.select(kind="run")) == 8
    last = {(row["label"], row["seed"]): row["fall"] for row in result.data.select(kind="epoch") if row["epoch"] == 2}
    assert last == pytest.approx({(r["label"], r["seed"]): r["forgetting"] for r in result.data.select(kind="run")})
    along = result.data.select(kind="along")
    assert {(row["after_task"], row["epoch"]) for row in along} == {(t, e) for t in (1, 2) for e in (*range(13),)}
    assert len(along) == 26 * len(cases)
    assert all(row["coherence_error"] >= 0.0 and row["eps_1_error"] >= 0.0 for row in along)
    correlated = {row["what"] for row in result.data.select(kind="correlation")}
    assert {"relative_beta, within l2", "relative_beta, all methods", "beta, perceptrons kl"} <= correlated
    assert "relative_beta, within rana" not in correlated
    assert all(math.isfinite(row["relative_beta"]) for row in result.data.select(kind="run"))
    assert (tmp_path / "spectral.png").stat().st_size > 10_000
    assert "rank correlation" in result.verdict.sentence
