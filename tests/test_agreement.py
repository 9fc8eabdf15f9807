"""When a verdict holds: within 3 standard errors and the allowance, at the points that theory claims."""

from __future__ import annotations

import pytest

from statmech_cl import Estimate
from statmech_cl.paper_repro.agreement import ALLOWANCE, agreement, compared


def point(gap: float, error: float = 0.01, replicon: float = 0.5, what: str = "x"):
    return compared(what, 0.2, Estimate(0.2 + gap, error, 8), replicon=replicon)


@pytest.mark.parametrize(
    ("gap", "error", "holds"),
    [(0.03, 0.01, True), (0.029 + ALLOWANCE, 0.01, True), (-0.031 - ALLOWANCE, 0.01, False), (2 * ALLOWANCE, 0, False)],
)
def test_a_point_holds_within_three_errors_and_the_allowance(gap, error, holds):
    sentence, found = agreement([point(0.0), point(gap, error, what="here")], "eps")
    assert found is holds
    assert ("apart at here" in sentence) is not holds


def test_points_beyond_the_stability_of_the_ansatz_are_counted_apart():
    rows = [point(0.0), point(0.1, replicon=1.0, what="there"), point(0.05, replicon=7.0)]
    sentence, holds = agreement(rows, "eps")
    assert holds
    assert "at 1 of 1 points" in sentence
    assert "Not judged, for the replicon is above 1: 2 points, with a largest difference of 0.100 (there)" in sentence
    assert [row.judged for row in rows] == [True, False, False] and rows[2].note == "replicon 7.00"


def test_nothing_holds_where_nothing_is_judged():
    for rows in ([], [point(0.0, replicon=2.0)], [compared("x", None, Estimate(0.1, 0.01, 8))]):
        sentence, holds = agreement(rows, "eps")
        assert not holds and "no point is judged" in sentence


def test_seeds_without_a_spread_are_named():
    row = compared("x", 0.0, Estimate(0.0, 0.0, 8), "high branch")
    assert row.note == "high branch; every seed gives this value" and row.z is None
    assert "within 3 standard errors at 1 of 1" in agreement([row], "eps")[0]
