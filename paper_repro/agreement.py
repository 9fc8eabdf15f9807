"""When a verdict of a perceptron figure holds. The rule stood here before the runs that it judges.

    descent is set against its dynamical theory, the sampler against equilibrium theory; every point is judged;
    z = (simulation - theory) / sqrt(error^2 + theory's error^2), as a normal score;
    holds: at most 1 % of the points beyond 3, none beyond 4.5.

*Finite N.* Both theories are for N -> infinity. Simulations run at several N, each with seeds of its own, and
mean(N) = a + b/N is fitted by least squares with weights N x seeds, which is what 1 / variance is proportional to; a,
with the error that the measured errors give it, is what is judged. Nothing else is allowed for. Weights from the
measured errors themselves would prefer sizes whose error came out small by chance: with 24, 16 and 8 seeds that puts
0.5 % of sound points beyond 3, where 0.3 % belong. (Verdicts from before commit 2bb80081 have such weights.)

*Normal score.* A standard error from few seeds is itself uncertain: Student's t has heavier tails than a normal number.
So z is the normal number that is exceeded as rarely as t is with the degrees of freedom of both errors (Welch).

*What is averaged.* p, not eps_g: p is a mean over weights, and so has corrections of order 1/N and errors that are
nearly normal, while eps_g = arccos(p)/pi bends without limit at p = 1. Figures draw eps_g of the mean p. Where all
signs of all seeds agree, S seeds of N weights cannot show a p nearer to +-1 than 2/(S N): no error is taken as less.

*Seeds that split.* The dynamical theory has one solution. Where at finite N some seeds find a teacher and others do
not, the mean over all seeds is compared all the same: its error is large, and says so. The sampler is compared with
the solution of largest free entropy.

*A figure that fails* stays in the record as failing. By chance alone a figure of n < 100 points fails with probability
1 - 0.9973^n: 3 % at 12 points, 10 % at 40. So it is run again at two seeds that are named before, by the same rule. It
is chance if both runs hold and every point that failed has a mean z, sum z / sqrt 2 over these two runs, within 3;
otherwise it is a bias, and said to be one. Over all runs of a record together the same shares hold: at most 1 % beyond
3, none beyond 4.5. (Figures of `pairs` do not count there: their points share seeds.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from statmech_cl.estimate import Estimate
from statmech_cl.simulations.perceptron.extrapolation import extrapolate

from .figure import Row

BEYOND, NEVER, SHARE = 3.0, 4.5, 0.01


def at_infinite_n(by_size: Mapping[int, Estimate]) -> Estimate:
    """The limit of `extrapolate` from the estimates at each N."""
    return extrapolate(list(by_size), list(by_size.values())).limit


def not_judged(rows: Sequence[Row]) -> str:
    """How many rows are shown and decide nothing, their replicon being above 1, and how far off; "" if none."""
    shown = [row for row in rows if not row.judged and row.z is not None]
    if not shown:
        return ""
    worst = max(shown, key=lambda row: abs(row.z or 0.0))
    return f" Not judged, for their replicon is above 1: {len(shown)}, the farthest {worst.z:+.1f} ({worst.what})."


def agreement(rows: Sequence[Row], what: str, method: str = "descent") -> tuple[str, bool]:
    """One sentence on how far simulation and theory lie apart in `rows`, and whether the rule holds. Without a row that
    has both, nothing holds."""
    scores = [(row.z, row) for row in rows if row.judged and row.z is not None]
    if not scores:
        return f"{what}: no point is judged.", False
    beyond = [row.what for z, row in scores if abs(z) > BEYOND]
    worst, where = max(scores, key=lambda pair: abs(pair[0]))
    holds = len(beyond) <= SHARE * len(scores) and abs(worst) <= NEVER
    root = math.sqrt(sum(z * z for z, _ in scores) / len(scores))
    said = (
        f"{what}: {method} lies within {BEYOND:g} standard errors of its theory at {len(scores) - len(beyond)} of "
        f"{len(scores)} points, root mean square z {root:.2f}, the farthest {worst:+.1f} ({where.what})"
    )
    if beyond:
        said += f"; beyond: {', '.join(beyond[:6])}{', ...' if len(beyond) > 6 else ''}"
    return said + ("." if holds else ": the rule does not hold."), holds
