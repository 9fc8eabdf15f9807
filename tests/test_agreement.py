"""When a verdict holds: z as a normal score, at most 1 % beyond 3, none beyond 4.5; N -> infinity by a line in 1/N."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from statmech_cl import Estimate
from statmech_cl.paper_repro import Row
from statmech_cl.paper_repro.agreement import agreement, at_infinite_n

MANY = 10**6


def point(z: float, what: str = "x") -> Row:
    return Row(what, 0.2, Estimate(0.2 + 0.01 * z, 0.01, MANY))


@pytest.mark.parametrize(
    ("scores", "holds"),
    [
        ([0.0] * 99 + [3.1], True),
        ([0.0] * 98 + [3.1], False),
        ([0.0] * 198 + [3.1, -3.2], True),
        ([0.0] * 1000 + [4.6], False),
        ([2.9], True),
        ([-3.1], False),
    ],
)
def test_at_most_one_in_a_hundred_beyond_three_and_none_beyond_four_and_a_half(scores, holds):
    sentence, agrees = agreement([point(z) for z in scores], "p")
    assert agrees is holds and ("does not hold" in sentence) is not holds


def test_the_farthest_and_those_beyond_are_named():
    sentence, _ = agreement([point(0.5), point(-3.5, "here"), point(3.2, "there")], "p against alpha")
    assert sentence.startswith("p against alpha: descent lies within 3 standard errors of its theory at 1 of 3 points")
    assert "the farthest -3.5 (here); beyond: here, there" in sentence


def test_nothing_holds_where_nothing_is_judged():
    unjudged = Row("x", 0.2, Estimate(0.2, 0.1, 8), judged=False)
    for rows in ([], [unjudged], [Row("x", None, Estimate(0.1, 0.01, 8))]):
        assert agreement(rows, "eps") == ("eps: no point is judged.", False)


def test_z_is_a_normal_score_of_both_errors():
    row = Row("x", 0.0, Estimate(0.05, 0.01, 5), theory_error=0.01, theory_n=5)
    t = 0.05 / np.hypot(0.01, 0.01)
    assert row.z == pytest.approx(stats.norm.isf(stats.t.sf(t, 8)), rel=1e-10)
    assert point(2.0).z == pytest.approx(2.0, abs=1e-4) and point(-2.0).z == pytest.approx(-2.0, abs=1e-4)
    assert Row("x", 0.0, Estimate(0.0, 0.0, 8)).z is None


def test_extrapolation_in_one_over_n():
    rng = np.random.default_rng(3)
    sizes, seeds = (500, 1000, 2000), (24, 16, 8)
    scores = []
    for _ in range(4000):
        # seeds about 0.3 + 20/N
        drawn = [0.3 + 20.0 / n + rng.standard_normal(s) / np.sqrt(n) for n, s in zip(sizes, seeds, strict=True)]
        estimate = at_infinite_n({n: Estimate.from_samples(x) for n, x in zip(sizes, drawn, strict=True)})
        scores.append(Row("x", 0.3, estimate).z)
    # unbiased, and scores that are normal, however few the seeds: weights from the errors would give 1.07
    assert abs(np.mean(scores)) < 0.05 and 0.96 < np.std(scores) < 1.04
    assert np.mean(np.abs(scores) > 3.0) < 0.006
    exact = at_infinite_n({n: Estimate(0.3 + 20.0 / n, 0.01, 9) for n in sizes})
    assert exact.mean == pytest.approx(0.3, abs=1e-12)
    with pytest.raises(ValueError, match="sizes must hold at least 2 different N"):
        at_infinite_n({500: Estimate(0.1, 0.1, 8)})
    with pytest.raises(ValueError, match="estimates must have positive errors"):
        at_infinite_n({500: Estimate(0.1, 0.1, 8), 1000: Estimate(0.1, 0.0, 8)})
