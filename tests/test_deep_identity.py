"""A checkpoint belongs to one run: whatever decides its numbers is in its identity. Methods from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from deep_scenario import PROTOCOL, toy_scenario

from statmech_cl.cli import main
from statmech_cl.simulations.deep import continual, protocol, registry
from statmech_cl.simulations.deep.continual import run, run_point
from statmech_cl.simulations.deep.methods import METHODS, Method, register
from statmech_cl.simulations.deep.methods_weights import Plain
from statmech_cl.simulations.deep.protocol import Protocol
from statmech_cl.simulations.deep.results import RunResult
from statmech_cl.simulations.deep.scenarios import Scenario, scenario


class _Killed(Exception):
    pass


def _kill_second(_method: Method, result: RunResult) -> None:
    if len(result.log) == 2:
        raise _Killed


def _left(path: Path, tasks: Scenario, length: Protocol = PROTOCOL, **how: Any) -> None:
    """A checkpoint after the first epoch of a run that was killed."""
    with pytest.raises(_Killed):
        run("plain", tasks, length, seed=3, checkpoint=path, on_epoch=_kill_second, **how)
    assert path.exists()


def _refused(path: Path, tasks: Scenario, other: str, length: Protocol = PROTOCOL, **how: Any) -> None:
    with pytest.raises(ValueError, match=rf"belongs to another run \(other {other}\)"):
        run("plain", tasks, length, seed=3, checkpoint=path, **how)
    assert path.exists()


def _images(**what: Any) -> Scenario:
    tasks = scenario("permuted-mnist", n_tasks=2, subset=True, **what)
    few = [replace(t, train_x=t.train_x[:64], train_y=t.train_y[:64], outside=None) for t in tasks.tasks]
    return replace(tasks, tasks=tuple(few))


_SHORT = Protocol(epochs=2, batches=2, batch_size=32, widths=(8,), test_images=100)


@pytest.mark.parametrize("other", [{"permutation_seed": 1}, {"validation": True}, {"normalisation": "symmetric"}])
def test_other_permutations_and_another_split_are_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    path = tmp_path / "run.checkpoint"
    _left(path, _images(), _SHORT)
    _refused(path, _images(**other), "data", _SHORT)
    assert run("plain", _images(), _SHORT, seed=3, checkpoint=path).n_tasks == 2


def test_another_normalisation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    tasks = toy_scenario()
    _left(path, tasks)
    _refused(path, replace(tasks, tasks=tuple(replace(t, mean=0.4) for t in tasks.tasks)), "data")


@pytest.mark.parametrize(
    ("other", "length", "how"),
    [
        ("protocol", replace(PROTOCOL, batches=7), {}),
        ("options", PROTOCOL, {"options": {"lr": 0.5}}),
        ("evaluation", PROTOCOL, {"curve": False}),
        ("evaluation", PROTOCOL, {"look_back": 1}),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, other: str, length: Protocol, how: dict[str, Any]) -> None:
    path = tmp_path / "run.checkpoint"
    _left(path, toy_scenario())
    _refused(path, toy_scenario(), other, length, **how)


def test_an_edited_update_rule_is_refused_and_by_its_own_file_begun_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.checkpoint"
    _left(path, toy_scenario())
    digest = protocol.code_of(Plain)
    monkeypatch.setattr(protocol, "code_of", lambda _kind: "another digest")
    _refused(path, toy_scenario(), "code")
    monkeypatch.undo()

    point: dict[str, Any] = {"method": "plain", "options": {}, "scenario_name": "split-mnist", "n_tasks": 2}
    point |= {"heads": "single", "subset": True, "validation": False, "epochs": 2, "batches": 2, "batch_size": 16}
    point |= {"network": "mlp", "widths": [8], "seed": 0, "device": "cpu", "test_images": 50, "checkpoints": tmp_path}
    seen: list[Path] = []
    whole = protocol.run

    def spy(kill: Callable[..., None] | None) -> Callable[..., RunResult]:
        def follow(*args: Any, **how: Any) -> RunResult:
            seen.append(how["checkpoint"])
            return whole(*args, **how, on_epoch=kill)

        return follow

    monkeypatch.setattr(protocol, "run", spy(_kill_second))
    with pytest.raises(_Killed):
        run_point(**point)
    assert seen[0].exists()
    monkeypatch.setattr(protocol, "run", spy(None))
    monkeypatch.setattr(protocol, "code_of", lambda _kind: "another digest")
    afresh = run_point(**point)
    assert seen[1] != seen[0]
    assert seen[0].exists()
    assert len(afresh["log"]) == 4
    monkeypatch.setattr(protocol, "code_of", lambda _kind: digest)
    assert len(run_point(**point)["log"]) == 4
    assert not seen[0].exists()  # the old code found its own again


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"method 'plain' is taken by statmech_cl.simulations.deep.methods_weights"):

        @register
        class Other(Plain):
            name = "plain"

    assert METHODS["plain"] is Plain


_OUTSIDE = """
from statmech_cl.simulations.deep.methods import register
from statmech_cl.simulations.deep.methods_weights import WeightMethod

@register
class Outside(WeightMethod):
    name = "outside"
    summary = "from another package"
"""


def _installed(tmp_path: Path) -> Path:
    """A folder with an installed package that brings a method."""
    site = tmp_path / "site"
    info = site / "outside-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "outside_methods.py").write_text(_OUTSIDE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[statmech_cl.methods]\noutside = outside_methods\n")
    return site


_WORDS = [
    "benchmark",
    "permuted-mnist",
    "--methods",
    "outside,plain",
    "--tasks",
    "2",
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--batches",
    "2",
    "--widths",
    "8",
]
_WORDS += ["--subset", "--test-images", "50", "--quiet"]


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """The table of methods as if nobody had asked for it, before and after."""
    registry._load_outside.cache_clear()
    yield
    registry._load_outside.cache_clear()
    METHODS.pop("outside", None)
    sys.modules.pop("outside_methods", None)


def test_a_method_of_another_package_is_known_to_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked_anew: None
) -> None:
    monkeypatch.syspath_prepend(str(_installed(tmp_path)))
    assert main([*_WORDS, "--out", str(tmp_path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == ["outside", "plain"]


def test_a_broken_package_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked_anew: None
) -> None:
    site = _installed(tmp_path)
    (site / "outside_methods.py").write_text("raise RuntimeError('broken')")
    monkeypatch.syspath_prepend(str(site))
    assert main([*_WORDS, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "methods of 'outside_methods' (statmech_cl.methods) cannot be loaded: RuntimeError: broken" in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_its_workers_know_it_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "statmech_cl", *_WORDS, "--jobs", "2", "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_installed(tmp_path))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:4]] == ["outside", "plain"]


def test_each_seed_has_its_own_permutations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    whole = continual.scenario

    def note(name: str, **what: Any) -> Scenario:
        asked.append(what["permutation_seed"])
        return whole(name, **what)

    monkeypatch.setattr(continual, "scenario", note)
    small = "--methods plain --tasks 2 --seeds 2 --epochs 1 --batches 2 --widths 8 --subset --test-images 50 --quiet"
    words = ["benchmark", "permuted-mnist", *small.split(), "--out", str(tmp_path)]
    assert main(words) == 0
    assert main([*words, "--permutation-seed", "7"]) == 0
    assert asked == [0, 1, 7, 8]


def test_permutations_of_what_is_not_permuted_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["benchmark", "split-mnist", "--methods", "plain", "--subset", "--out", str(tmp_path)]
    assert main([*words, "--permutation-seed", "3"]) == 2
    assert "permutation_seed must be 0 for split-mnist" in capsys.readouterr().err


def test_the_digest_of_the_data_follows_the_data() -> None:
    tasks = toy_scenario()
    assert toy_scenario().digest == tasks.digest
    first, second = tasks.tasks
    image = first.test_x.clone()
    image[0, 0] ^= 1
    for changed in (
        replace(first, test_x=image),
        replace(first, std=0.3),
        replace(first, train_x=first.train_x[:-1], train_y=first.train_y[:-1]),
        replace(first, permutation=torch.arange(784)),
        replace(first, outside=first.test_x[:3]),
    ):
        assert replace(tasks, tasks=(changed, second)).digest != tasks.digest
    assert replace(tasks, tasks=(second, first)).digest != tasks.digest
