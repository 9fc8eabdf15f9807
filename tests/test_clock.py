"""Jumps of the wall clock: bars, durations and stores go by clocks that nobody sets, or by no clock at all."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statmech_cl import figures
from statmech_cl.paper_repro import FIGURES, Context, Data, Figure, Verdict, reproduce, runner
from statmech_cl.progress import bar
from statmech_cl.store import Store

START = time.time()
JUMPS = (0.0, 3600.0, -7200.0, 365 * 86400.0, -365 * 86400.0)


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every look at the wall clock finds it an hour or a year before or after the last."""
    tqdm = pytest.importorskip("tqdm.std")
    offsets = itertools.cycle(JUMPS)

    def now() -> float:
        return START + next(offsets)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(now(), tz)

    monkeypatch.setattr(time, "time", now)
    monkeypatch.setattr(tqdm, "time", now)
    monkeypatch.setattr(runner.datetime, "datetime", Jumping)
    yield


def test_the_bar_goes_on(jumping: None, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    steps: Any = bar(range(5), "work", total=5)
    elapsed = []
    for _ in steps:
        time.sleep(0.12)
        elapsed.append(steps.format_dict["elapsed"])
    assert all(0.1 < later - earlier < 60.0 for earlier, later in itertools.pairwise(elapsed))
    assert 0.1 < elapsed[0] < 60.0
    # A bar whose clock has gone back does not draw again before it has caught up.
    for done in range(5):
        assert f"{done}/5 [" in terminal.getvalue()
    assert "-" not in terminal.getvalue().replace("it/s]", "")


def test_a_figure_takes_no_negative_time_and_loses_no_point(
    jumping: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def square(x: int) -> dict[str, Any]:
        computed.append(x)
        if len(computed) == 3:
            raise KeyboardInterrupt
        return {"x": x, "y": x * x}

    def compute(context: Context) -> Data:
        return Data(context.points(square, [{"x": x} for x in range(4)], "clock"), {})

    def draw(data: Data) -> Any:
        figure, ax = figures.new()
        ax.plot(data.column("x"), data.column("y"))
        return figure

    clock = Figure(
        "clock", "squares", "1 s", "1 s", {"quick": {}}, compute, draw, lambda data: Verdict([], "squares", True)
    )
    monkeypatch.setitem(FIGURES, "clock", clock)
    with pytest.raises(KeyboardInterrupt):
        reproduce("clock", out=tmp_path, quiet=True)
    reproduce("clock", out=tmp_path, quiet=True)
    assert computed == [0, 1, 2, 2, 3]
    first = (tmp_path / "clock.csv").read_bytes(), (tmp_path / "clock.png").read_bytes()
    reproduce("clock", out=tmp_path, quiet=True)
    assert computed == [0, 1, 2, 2, 3]
    assert first == ((tmp_path / "clock.csv").read_bytes(), (tmp_path / "clock.png").read_bytes())
    run = json.loads((tmp_path / "clock.run.json").read_text())
    assert 0.0 <= run["seconds"] < 60.0 and 0.0 <= run["cpu_seconds"] < 60.0
    with Store(tmp_path / runner.STORE_NAME) as store:
        assert len(store) == 4
