"""The histogram of z over many figures."""

from __future__ import annotations

import numpy as np
import pytest

from statmech_cl.paper_repro.scores import draw, said, scores


def _record(*rows: tuple[float | None, bool]) -> dict:
    return {"verdict": {"rows": [{"z": z, "judged": judged} for z, judged in rows]}}


def test_judged_rows_with_a_z_are_counted() -> None:
    records = [_record((1.5, True), (9.0, False)), _record((None, True), (-3.5, True))]
    z = scores(records)
    assert z == [1.5, -3.5]
    assert "2 values of z" in said(z) and "root mean square 2.69" in said(z)
    assert "2 beyond 1 (0.6 expected), 1 beyond 2 (0.1 expected), 1 beyond 3 (0.0 expected)" in said(z)


def test_the_histogram_holds_every_row_and_the_curve_its_area() -> None:
    z = np.random.default_rng(0).standard_normal(5000).tolist()
    z[0] = 100.0  # counted in the last bar
    ax = draw(z).axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == 5000
    (line,) = ax.lines
    x, y = line.get_data()
    width = ax.patches[0].get_width()
    area = float(np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(x)))
    assert area / width == pytest.approx(5000, rel=1e-3)
