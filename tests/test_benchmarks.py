"""The benchmarks: one row's arithmetic, and a failing benchmark as a row."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
GOOD = """
from table import Row, show
show([Row(what="fast", seconds=2e-3, reference="slow", reference_seconds=0.5, share=0.25, limit="all")], as_json=True)
"""


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.__main__")


def test_a_row_compares(benchmarks: ModuleType) -> None:
    row = benchmarks.Row(what="solve", seconds=2e-3, reference="NumPy", reference_seconds=0.5, share=0.25, limit="all")
    assert row.ratio == 250.0
    assert list(row.cells().values()) == ["solve", "2 ms", "NumPy: 500 ms", "250", "25% of all"]
    assert list(benchmarks.Row(what="solve", seconds=3e-8).cells().values()) == ["solve", "30 ns", "", "", ""]


def test_versions_take_turns() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        table = importlib.import_module("table")
    finally:
        sys.path.pop(0)
    calls: list[str] = []
    ticks = iter(range(100))
    versions = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    assert table.in_turn(versions, 2, clock=lambda: next(ticks), warm=1) == {"a": [1, 1], "b": [1, 1]}
    assert calls == ["a", "b"] * 3


def test_a_failing_benchmark_is_a_row_and_the_others_stand(
    benchmarks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.py").write_text((ROOT / "benchmarks" / "table.py").read_text())
    (tmp_path / "bench_bad.py").write_text("raise RuntimeError('no memory')")
    (tmp_path / "bench_good.py").write_text(GOOD)
    (tmp_path / "bench_odd.py").write_text("print('no JSON')")
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(tmp_path / "out")])
    assert benchmarks.main() == 1
    printed = capsys.readouterr()
    assert "bad: failed: RuntimeError: no memory" in printed.out and "odd: failed:" in printed.out
    assert "good: fast" in printed.out and "25% of all" in printed.out
    assert [line.split(" ")[0] for line in printed.err.splitlines()] == ["bad", "good", "odd"]
    rows = json.loads((tmp_path / "out" / "benchmarks.json").read_text())["rows"]
    assert [row["ratio"] for row in rows] == [None, 250.0, None] and rows[0]["seconds"] is None
    assert len((tmp_path / "out" / "benchmarks.csv").read_text().splitlines()) == 4
    monkeypatch.setattr(sys, "argv", ["benchmarks", "good", "--out", str(tmp_path / "out")])
    assert benchmarks.main() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py")))
def test_each_benchmark_runs_alone(name: str) -> None:
    script = str(ROOT / "benchmarks" / f"{name}.py")
    done = subprocess.run([sys.executable, script, "--json"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows and all(row["seconds"] > 0 for row in rows)
    assert any(row["reference_seconds"] for row in rows)
