"""Calibration, likelihood and separation from other data, against values by hand and slow counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario

from statmech_cl.simulations.deep.continual import run
from statmech_cl.simulations.deep.scenarios import scenario
from statmech_cl.simulations.deep.tables import table
from statmech_cl.simulations.deep.uncertainty import (
    auroc,
    entropy,
    expected_calibration_error,
    negative_log_likelihood,
)


def test_by_hand() -> None:
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [1.0, 0.0]])
    y = torch.tensor([0, 1, 1, 0])
    assert negative_log_likelihood(p, y) == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.8, 1.0])), rel=1e-6)
    # ten bins (0.5, 0.6], (0.7, 0.8], (0.8, 0.9], (0.9, 1]: one pattern in each
    expected = (abs(0.0 - 0.6) + abs(1.0 - 0.8) + abs(1.0 - 0.9) + 0.0) / 4
    assert expected_calibration_error(p, y, bins=10) == pytest.approx(expected, abs=1e-6)
    assert entropy(p)[0] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), rel=1e-6)
    assert float(entropy(p)[3]) == 0.0


def test_a_calibrated_forecast_has_no_calibration_error_and_an_overconfident_one_has() -> None:
    g = torch.Generator().manual_seed(0)
    confidence = 0.5 + 0.5 * torch.rand(200_000, generator=g)
    p = torch.stack([confidence, 1.0 - confidence], dim=1)
    y = (torch.rand(200_000, generator=g) > confidence).long()
    assert expected_calibration_error(p, y) < 0.01
    sure = torch.tensor([[0.999, 0.001]]).expand(200_000, 2)
    assert expected_calibration_error(sure, y) == pytest.approx(0.999 - 0.75, abs=0.01)


def test_auroc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 12, 70), rng.integers(4, 15, 50)
    pairs = (outside[None, :] > inside[:, None]).mean() + 0.5 * (outside[None, :] == inside[:, None]).mean()
    assert auroc(torch.tensor(inside), torch.tensor(outside)) == pytest.approx(pairs, abs=1e-12)
    assert auroc(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])) == 1.0


def test_every_row_says_what_its_probabilities_are_worth() -> None:
    result = run("vcl", toy_scenario(), PROTOCOL, seed=0)
    for row in result.rows:
        assert 0.0 <= row["ece"] <= 1.0
        assert row["nll"] >= 0.0
        assert row["auroc"] is None  # no other data in this scenario
    sampled = [row for row in result.rows if row["view"] == "sampled"]
    assert all(row["error"] is not None for row in sampled)
    others = [row for row in result.rows if row["view"] != "sampled"]
    assert all(row["accuracy_averaged"] == pytest.approx(row["accuracy"], abs=1e-6) for row in others)
    line = table([result])[0]
    assert {"nll sign", "ece mean", "auroc sampled"} <= set(line)
    assert "nll fields" not in line
    assert line["ece mean"] == pytest.approx(100 * result.at_the_end("mean", "ece"))


def test_the_other_data_set_is_asked_for_after_the_last_task() -> None:
    tasks = scenario("permuted-mnist", n_tasks=2, subset=True)
    held = scenario("permuted-mnist", n_tasks=2, subset=True, validation=True)
    fashion = scenario("mnist-fashion", subset=True)
    assert torch.equal(tasks.tasks[0].outside, fashion.tasks[1].test_x)
    assert len(held.tasks[0].outside) == 10000 // 6
    assert fashion.tasks[0].outside is None
    from statmech_cl.simulations.deep.protocol import Protocol

    length = Protocol(epochs=1, batches=60, widths=(32,), test_images=500)
    result = run("plain", tasks, length, seed=0, options={"lr": 3e-3})
    auroc = {(r["after_task"], r["on_task"]): r["auroc"] for r in result.rows}
    assert auroc[1, 1] is None
    assert 0.5 < auroc[2, 1] <= 1.0
    assert 0.5 < auroc[2, 2] <= 1.0
