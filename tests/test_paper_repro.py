"""The frame in which figures are reproduced, tried on a toy figure: files, verdicts, resuming, determinism."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from statmech_cl import Estimate, cli, figures, provenance
from statmech_cl.commands import reproduce as reproduce_command
from statmech_cl.paper_repro import FIGURES, Context, Data, Figure, Row, Verdict, report, reproduce, runner
from statmech_cl.store import Store

calls: list[float] = []
interrupt = False


def _square(x: float, seed: int) -> dict[str, Any]:
    calls.append(x)
    if len(calls) == 3 and interrupt:
        raise KeyboardInterrupt
    samples = x * x + 0.1 * np.random.default_rng([seed, int(10 * x)]).standard_normal(20)
    estimate = Estimate.from_samples(samples)
    return {"x": x, "y": estimate.mean, "y_error": estimate.error}


def _compute(context: Context) -> Data:
    parameters = dict(context.parameters)
    grid = [{"x": x, "seed": context.seed} for x in parameters["xs"]]
    return Data(context.points(_square, grid, "toy"), parameters)


def _draw(data: Data) -> Any:
    figure, ax = figures.new()
    figures.points(ax, data.rows, "y", x="x", label="simulation")
    return figure


def _verdict(data: Data) -> Verdict:
    rows = [Row(f"y at x={row['x']:g}", row["x"] ** 2, Estimate(row["y"], row["y_error"], 20)) for row in data.rows]
    holds = all(abs(row.z) < 4 for row in rows)
    return Verdict(rows, f"Squares within 4 standard errors: {'yes' if holds else 'no'}.", holds)


SCALES: dict[str, dict[str, Any]] = {"quick": {"xs": [1.0, 2.0, 3.0, 4.0]}, "paper": {"xs": [1.0]}}
TOY = Figure("toy", "squares", "", "", SCALES, _compute, _draw, _verdict)


@pytest.fixture(autouse=True)
def _toy_figure(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A figure that was added from outside."""
    monkeypatch.setitem(FIGURES, "toy", TOY)
    calls.clear()
    yield


def test_files_and_their_content(tmp_path: Path) -> None:
    result = reproduce("toy", out=tmp_path, seed=3)
    assert [path.name for path in result.files] == ["toy.png", "toy.pdf", "toy.csv", "toy.json", "toy.run.json"]
    assert (tmp_path / "toy.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "toy.pdf").read_bytes().startswith(b"%PDF")
    table = list(csv.DictReader(io.StringIO((tmp_path / "toy.csv").read_text())))
    assert [float(row["x"]) for row in table] == [1.0, 2.0, 3.0, 4.0]
    assert [float(row["y"]) for row in table] == [row["y"] for row in result.data.rows]
    record = json.loads((tmp_path / "toy.json").read_text())
    assert (record["figure"], record["scale"], record["seed"], record["device"]) == ("toy", "quick", 3, "cpu")
    assert record["parameters"] == SCALES["quick"]
    assert record["versions"]["numpy"] == np.__version__ and record["versions"]["python"]
    assert record["verdict"]["holds"] is True and len(record["verdict"]["rows"]) == 4
    assert set(record["verdict"]["rows"][0]) == {
        "what",
        "theory",
        "theory_error",
        "simulation",
        "error",
        "n",
        "z",
        "note",
        "judged",
    }
    assert json.loads((tmp_path / "toy.run.json").read_text())["seconds"] >= 0.0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*(p.name for p in result.files), "store.sqlite"])


def test_same_command_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "commit", lambda: "the same code")  # work goes on in the checkout meanwhile
    first = reproduce("toy", out=tmp_path / "a").files
    second = reproduce("toy", out=tmp_path / "b").files
    for one, two in zip(first[:4], second[:4], strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_another_seed_gives_other_numbers(tmp_path: Path) -> None:
    one, two = (reproduce("toy", out=tmp_path, seed=seed).data.rows for seed in (0, 1))
    assert all(a["y"] != b["y"] for a, b in zip(one, two, strict=True))


def test_a_repeated_call_computes_nothing(tmp_path: Path) -> None:
    reproduce("toy", out=tmp_path)
    assert len(calls) == 4
    reproduce("toy", out=tmp_path)
    assert len(calls) == 4


def test_interrupted_then_resumed_ends_in_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "interrupt", True)
    assert cli.main(["reproduce", "toy", "--out", str(tmp_path / "a")]) == 130
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.count("\n") == 1
    assert f"interrupted; finished points are kept in {tmp_path / 'a'}" in caught.err
    assert calls == [1.0, 2.0, 3.0]
    monkeypatch.setitem(globals(), "interrupt", False)
    assert cli.main(["reproduce", "toy", "--out", str(tmp_path / "a")]) == 0
    assert calls == [1.0, 2.0, 3.0, 3.0, 4.0]
    reproduce("toy", out=tmp_path / "b")
    for suffix in ("csv", "json", "png"):
        assert (tmp_path / "a" / f"toy.{suffix}").read_bytes() == (tmp_path / "b" / f"toy.{suffix}").read_bytes()


def test_the_command_prints_table_and_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "toy", "--out", str(tmp_path), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "theory" in out and "simulation" in out and "y at x=2" in out
    assert "Squares within 4 standard errors: yes." in out


def test_unknown_figures_and_scales(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"figure must be one of .*'fig2x' \(did you mean 'fig2d'\?\)"):
        reproduce("fig2x", out=tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert cli.main(["reproduce", "fig2x", "--out", str(tmp_path / "x")]) == 2
    assert "did you mean" in capsys.readouterr().err
    with pytest.raises(ValueError, match="scale must be one of quick, paper, got 'huge'"):
        reproduce("toy", scale="huge", out=tmp_path)


def test_verdict_table() -> None:
    rows = [
        Row("eps_g at alpha=1", 0.26, Estimate(0.2612, 0.0041, 8), "low branch"),
        Row("exponent", -13.1, None),
        Row("seeds", None, Estimate(1.0, 0.0, 8)),
        Row("exact", 0.5, Estimate(1.0, 0.0, 8)),
    ]
    lines = Verdict(rows, "", True).table().splitlines()
    assert lines[0].split() == ["theory", "simulation", "z", "note"]
    assert lines[2].split() == ["eps_g", "at", "alpha=1", "0.26", "0.2612(41)", "+0.3", "low", "branch"]
    assert lines[5].split() == ["exact", "0.5", "1(0)"]  # seeds that all agree have no spread to measure a gap by
    assert rows[1].z is None and rows[2].z is None and rows[3].z is None


def test_every_figure_of_the_table_has_its_sizes() -> None:
    for name, figure in FIGURES.items():
        assert name == figure.id and figure.shows
        assert set(figure.scales) == {"quick", "paper"}
        for scale in figure.scales.values():
            assert json.loads(json.dumps(scale)) == scale, f"{name}: scales must be JSON types"


def test_all_goes_on_after_a_failure_and_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(context: Context) -> Data:
        raise ArithmeticError("no <fixed> point")

    scales: dict[str, dict[str, Any]] = {"quick": {}, "paper": {}}
    entries = {"broken": Figure("broken", "fails", "", "", scales, fail, _draw, _verdict), "toy": TOY}
    for module in (runner, report, reproduce_command):
        monkeypatch.setattr(module, "FIGURES", entries)
    assert cli.main(["reproduce", "all", "--out", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "failed: ArithmeticError: no <fixed> point" in out and "1 of 2 verdicts hold" in out
    page = (tmp_path / "report.html").read_text()
    assert "no &lt;fixed&gt; point" in page and "data:image/png;base64," in page
    assert "z of all figures" in page and "root mean square" in page
    assert "Squares within 4 standard errors: yes." in page and 'name="viewport"' in page
    assert '1 of 2 verdicts hold; not those of <a href="#broken">broken</a>.' in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page) and "@import" not in page and "url(" not in page
    del entries["broken"]
    assert cli.main(["reproduce", "all", "--out", str(tmp_path)]) == 0
    assert len(calls) == 4


def test_a_row_that_is_not_judged_is_pale_in_the_report() -> None:
    rows = [Row("stable", 1.0, Estimate(1.0, 0.1, 4)), Row("unstable", 1.0, Estimate(2.0, 0.1, 4), judged=False)]
    table = report._rows([row.to_dict() for row in rows])
    assert "<tr><td>stable</td>" in table and '<tr class="apart"><td>unstable</td>' in table
    assert '<td data-name="z">+3.1</td>' in table  # a narrow page shows no head: each number says what it is


def _cube(x: float, seed: int) -> dict[str, Any]:
    return {"x": x, "y": x**3}


def test_points_are_those_of_a_function_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that share a function share its points; two functions of equal parameters do not; edited code neither."""
    grid = [{"x": 2.0, "seed": 0}]
    with Store(tmp_path / "store.sqlite") as store:
        one, two = (
            Context(parameters={}, scale=scale, device="cpu", seed=0, store=store, quiet=True)
            for scale in ("quick", "paper")
        )
        assert one.points(_square, grid, "") == two.points(_square, grid, "")
        assert len(calls) == 1 and len(store) == 1
        assert two.points(_cube, grid, "") == [{"x": 2.0, "y": 8.0}]
        monkeypatch.setattr(provenance, "code_version", lambda *modules: "edited")
        one.points(_square, grid, "")
        assert len(calls) == 2 and len(store) == 3
        with pytest.raises(ValueError, match=r"function must be a function of a module, got functools\.partial"):
            one.points(functools.partial(_cube, seed=0), [{"x": 2.0}], "")


def _squares(points: list[Any]) -> list[dict[str, Any]]:
    calls.append(float(len(points)))
    return [{"y": point["x"] ** 2, "call": len(calls)} for point in points]


def test_groups_are_computed_together_and_stored_singly(tmp_path: Path) -> None:
    grid = [{"x": x, "size": size} for size in (1, 2) for x in (1.0, 2.0, 3.0)]
    with Store(tmp_path / "store.sqlite") as store:
        context = Context(parameters={}, scale="quick", device="cpu", seed=0, store=store, quiet=True)
        rows = context.groups(_squares, grid, "toy", together=["size"])
        assert [row["y"] for row in rows] == [1.0, 4.0, 9.0, 1.0, 4.0, 9.0]
        assert calls == [3.0, 3.0] and len(store) == 6
        assert context.groups(_squares, grid[1:4], "toy", together=["size"]) == rows[1:4]
        assert calls == [3.0, 3.0]
        more = [*grid, {"x": 4.0, "size": 2}]  # one row of a group is missing: all of it is computed, that one stored
        assert context.groups(_squares, more, "toy", together=["size"]) == [*rows, {"y": 16.0, "call": 3}]
        assert calls == [3.0, 3.0, 4.0] and len(store) == 7
