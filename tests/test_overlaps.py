"""What is said of a network's accuracy from the overlap of its weights, against networks and draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from statmech_cl.paper_repro import FIGURES, reproduce
from statmech_cl.simulations.deep.overlaps import accuracy_left, accuracy_of, calibrate, logit_overlap, signal_of
from statmech_cl.simulations.overlap_runs import seen_overlap


def test_the_accuracy_of_a_signal_is_that_of_draws() -> None:
    rng = np.random.default_rng(0)
    for signal, classes in ((0.0, 10), (1.5, 10), (2.5, 4)):
        z = rng.standard_normal((200_000, classes))
        z[:, 0] += signal
        accuracy = (z.argmax(axis=1) == 0).mean()
        assert accuracy_of(signal, classes) == pytest.approx(accuracy, abs=4.0 * np.sqrt(0.25 / len(z)))
    assert accuracy_of(0.0, 10) == pytest.approx(0.1, abs=1e-12)


@pytest.mark.parametrize("accuracy", [0.05, 0.1, 0.5, 0.93, 0.9999])
def test_the_signal_of_an_accuracy_gives_it_back(accuracy: float) -> None:
    assert accuracy_of(signal_of(accuracy)) == pytest.approx(accuracy, abs=1e-10)


@pytest.mark.parametrize("activation", ["relu", "sign"])
def test_logits_of_wide_networks_with_isotropic_changes_overlap_as_said(activation: str) -> None:
    rng = np.random.default_rng(1)
    act = np.sign if activation == "sign" else (lambda z: np.maximum(z, 0.0))
    overlaps = (0.9, 0.8, 0.95)
    n, images = 1500, 400
    a = b = rng.standard_normal((images, n))
    for layer, c in enumerate(overlaps):
        w = rng.choice([-1.0, 1.0], (n, n))
        moved = np.where(rng.random((n, n)) < 0.5 * (1.0 - c), -w, w)
        if layer > 0:
            # what is the same for all images is a shift of every unit, which the theory leaves out
            a, b = act(a), act(b)
            a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        a, b = a @ w / np.sqrt(n), b @ moved / np.sqrt(n)
        if layer < len(overlaps) - 1:
            a, b = a / a.std(), b / b.std()
    overlap = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    assert logit_overlap(overlaps, activation) == pytest.approx(overlap, abs=0.02)


def test_nothing_is_lost_without_a_change_and_all_without_an_overlap() -> None:
    assert logit_overlap([1.0, 1.0, 1.0]) == pytest.approx(1.0)
    assert accuracy_left(0.93, 1.0) == pytest.approx(0.93)
    assert accuracy_left(0.93, 0.0) == pytest.approx(0.1)
    assert accuracy_left(0.93, 0.0, share=0.0) == pytest.approx(0.93)
    falling = [accuracy_left(0.93, rho) for rho in (0.9, 0.6, 0.3)]
    assert falling == sorted(falling, reverse=True)


def test_the_accuracy_left_is_that_of_noisy_logits() -> None:
    rng = np.random.default_rng(2)
    classes, n, rho, d = 10, 200_000, 0.7, 2.5
    z = rng.standard_normal((n, classes))
    right = rng.integers(0, classes, n)
    z[np.arange(n), right] += d
    noise = rng.standard_normal((n, classes)) * np.sqrt((1.0 - rho**2) * (1.0 + d * d * (classes - 1) / classes**2))
    accuracy = ((rho * z + noise).argmax(axis=1) == right).mean()
    assert accuracy_left(accuracy_of(d), rho) == pytest.approx(accuracy, abs=4.0 * np.sqrt(0.25 / n))


def test_the_share_that_made_the_accuracies_is_found() -> None:
    before, rho = [0.95, 0.9, 0.92], [0.9, 0.7, 0.5]
    after = [accuracy_left(b, r, share=0.3) for b, r in zip(before, rho, strict=True)]
    assert calibrate(before, rho, after) == pytest.approx(0.3, abs=1e-3)


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"accuracy must be .* got 1\.2"):
        signal_of(1.2)
    with pytest.raises(ValueError, match=r"activation must be .* got 'tanh'"):
        logit_overlap([0.5], "tanh")


def test_what_the_images_see_of_a_change() -> None:
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.standard_normal((50, 6))) + 3.0
    a, b = (torch.from_numpy(rng.standard_normal((6, 4))) for _ in range(2))
    u, v = ((x @ w - (x @ w).mean(dim=0)).flatten() for w in (a, b))
    assert seen_overlap(a, b, x) == pytest.approx(float(torch.corrcoef(torch.stack([u, v]))[0, 1]))
    assert seen_overlap(a.T, b.T, x) == pytest.approx(seen_overlap(a, b, x))
    blind = torch.zeros(6, 4, dtype=torch.float64)
    blind[0] = 5.0
    x[:, 0] = 1.0  # a pixel that is the same in all images sees nothing
    assert seen_overlap(a + blind, a, x) == pytest.approx(1.0)


def test_the_figure_sets_prediction_beside_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = [["plain", {}], ["vcl-sgd", {"gamma": 0.05}], ["metaplasticity", {}]]
    small = {**FIGURES["deep-overlap"].scales["quick"], "methods": methods, "epochs": 1, "batches": 8}
    monkeypatch.setitem(FIGURES["deep-overlap"].scales, "quick", {**small, "widths": [16], "n_seeds": 1})
    result = reproduce("deep-overlap", out=tmp_path, quiet=True)
    assert (tmp_path / "deep-overlap.png").stat().st_size > 10_000
    pairs = result.data.select(kind="pair")
    assert [(row["after"], row["on"]) for row in pairs[:3]] == [(2, 1), (3, 1), (3, 2)]
    assert len(pairs) == 9
    for row in pairs:
        assert row["fall"] == pytest.approx(row["before"] - row["accuracy"])
        assert 0.0 <= row["rho_means"] <= 1.0 and row["relative_beta"] > 0.0
        # of the weights of "plain" there are no means apart
        assert (row["rho_means"] == row["rho_weights"]) == (row["method"] != "vcl-sgd")
    levels = {row["level"]: row for row in result.data.select(kind="level")}
    assert set(levels) == {"means", "weights", "inputs", "logits", "relative_beta"}
    assert levels["logits"]["rms"] <= levels["relative_beta"]["rms"]  # a share of 0 predicts no fall at all
