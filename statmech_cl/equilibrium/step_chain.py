"""Chains with k steps of replica symmetry breaking.

The reference of task t + 1 is one configuration that task t's measure draws, families and all, and every replica of
task t + 1 sees the same one. The two tasks' patterns are independent, so that no overlap between replicas of different
tasks enters the energy: the only tie is local, the anchor. Hence

    rho(theta_t | s_1 .. s_t) : the local measure in the fields of the last level, their masses carried up from level 0
    g_k of task t + 1 : as for a single task, in b = sqrt(q_hat_0) z + r_hat s + beta gamma memory theta_t at level 0,
                        then steps of variance q_hat_l - q_hat_{l-1}

and each task breaks by itself: it has overlaps and breaking points of its own. Nothing is assumed beyond Parisi's form
for the replicas of each task. Without steps this is `chain`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..channels import StepChannel
from ..kernels.anchored_field import next_density
from ..kernels.steps import climb
from ..orders import StepOrders
from ..problem import Chain, refuse_replay
from ..sites import After, FieldSite, prior_strength
from ..solution import ChainSolution, ConvergenceError, Solution
from ..step_solution import StepSolution
from ..validation import check_choice
from .chain import ALPHA_FIRST, Reference, Walk, check_strength, roots_of, stretches_along_alpha, without_patterns
from .rsb import StepEquations, StepImage, smeared, to_step_unknowns
from .rsb_openings import Candidate, StepFamily, openings_of, solutions_on, step_equations
from .rsb_solve import check_steps, closed_solution, informed, refuse_without_steps, solve_steps, with_steps
from .saddle import Equations, certify

_BRANCHES = ("best", "thermodynamic", "all")
_BEYOND = 1.2  # times alpha: how far the curves of one step are followed


def solve_step_chain(chain: Chain, rsb: int | str, branch: str, on_failure: str) -> ChainSolution | list[ChainSolution]:
    """solve(chain, rsb=...): earlier tasks take the thermodynamic solution, `branch` chooses among the last task's."""
    check_choice("branch", branch, _BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    check_steps(rsb)
    check_strength(chain)
    for task in chain.tasks:
        refuse_without_steps(task)
        refuse_replay(task, "a chain with rsb")
    last = len(chain.tasks) - 1
    walks = [StepWalk.first(chain, solution) for solution in _first(chain, rsb, branch if last == 0 else "best")]
    for t in range(1, last + 1):
        walks = walks[0].step(t, rsb, branch if t == last else "best", on_failure)
    return [walk.solution() for walk in walks] if branch == "all" else walks[0].solution()


def _first(chain: Chain, rsb: int | str, branch: str) -> list[StepSolution]:
    task = replace(chain.tasks[0], gamma=1.0, anchor="kl", memory=1.0)
    solutions: Any = solve_steps(task, rsb, branch, "raise")
    return solutions if isinstance(solutions, list) else [solutions]


def _image_of(equations: StepEquations, solution: StepSolution) -> StepImage:
    """The map applied at a solution, its closed steps left away."""
    k = solution.steps
    overlaps = np.array(solution.overlaps[: k + 1])
    orders = StepOrders(
        q=float(overlaps[0]),
        r=solution.r,
        perpendicular=float(overlaps[0]) - solution.r**2,
        steps=np.diff(overlaps),
        fluctuation=solution.q_star - float(overlaps[-1]),
        uncertainty=1.0 - solution.q_star,
        parisi=np.array(solution.parisi[:k]),
    )
    return replace(equations, k=k).apply(orders, to_step_unknowns(orders, True), 1.0)


@dataclass(frozen=True, eq=False)
class StepWalk(Walk):
    """A chain solved up to some task, with steps."""

    @classmethod
    def first(cls, chain: Chain, solution: StepSolution) -> StepWalk:
        """After the first task."""
        plain = Walk.begin(chain, "best", "raise")
        known = replace(solution, task=chain.tasks[0])
        if solution.steps == 0:
            return cls(chain, [known], plain.reference, plain.flipped, [])
        image = _image_of(step_equations(solution.task, 1), solution)
        theta, masses = next_density(
            image.fields, np.ascontiguousarray(image.top[0][:, None]), image.hats.curvature,
            prior_strength(solution.task), 1.0,
        )  # fmt: skip
        wrong = 0.5 * (1.0 - solution.p)
        share = chain.weights @ np.where(chain.signs > 0, wrong, 1.0 - wrong)
        reference = Reference(theta, masses / masses.sum(axis=0), np.ones((1, 1), dtype=np.int8))
        return cls(chain, [known], reference, [share], [])

    def step(self, t: int, rsb: int | str, branch: str, on_failure: str) -> list[StepWalk]:  # type: ignore[override]
        """Solve task t (counted from 0) and go on from each solution that `branch` selects."""
        task = self.chain.tasks[t]
        equations = self.equations(t, task)
        number = 0 if isinstance(rsb, str) else rsb
        if task.alpha == 0.0:
            solutions = [closed_solution(without_patterns(task, equations), number)]
        else:
            solutions = self._solutions(t, equations, rsb, branch, on_failure)
        solutions = informed(solutions)
        chosen = solutions if branch == "all" else [one for one in solutions if one.thermodynamic]
        return [self._on(t, equations.site, solution) for solution in chosen]

    def _solutions(
        self, t: int, equations: Equations, rsb: int | str, branch: str, on_failure: str
    ) -> list[StepSolution]:
        """Solutions of task t: those stable as they are, and in place of the others those with steps."""
        task = self.chain.tasks[t]

        def symmetric(which: str) -> list[Solution]:
            return [certify(task, equations, root) for root in roots_of(equations, which) if root.converged]

        known = symmetric("all" if branch == "all" else "best")
        if branch != "all" and any(one.replicon >= 1.0 for one in known):
            known = symmetric("all")  # what is broken is compared with everything
        starts: list[Candidate | Solution] = [one for one in known if rsb == 0 or one.replicon < 1.0]
        if len(starts) < len(known):
            site = equations.site
            if not isinstance(site, FieldSite):
                raise ValueError(
                    f"anchor must be kl or none where a step opens with rsb, got {task.anchor!r} in task {t + 1}, with "
                    f"replicon {max(one.replicon for one in known):.6g}"
                )
            assert isinstance(task.channel, StepChannel)
            one_step = StepEquations(task.alpha, task.beta, site, task.channel, 1)
            alpha = task.alpha
            stretches = stretches_along_alpha(equations.scaled, 0.5 * alpha, 2.0 * alpha, alpha)
            bounds = (min(ALPHA_FIRST, 0.5 * alpha), _BEYOND * alpha)
            curves = openings_of(equations, StepFamily(one_step), stretches, bounds)
            starts += [solution for opening in curves for solution in solutions_on(opening, one_step)]
        if not starts:
            raise ConvergenceError(
                f"no solution with rsb={rsb} for task {t + 1} of the chain at alpha={task.alpha:g}",
                state=(math.nan, math.nan, math.nan),
                residual=math.nan,
            )
        return [with_steps(task, start, rsb, on_failure) for start in starts]

    def _on(self, t: int, site: Any, solution: StepSolution) -> StepWalk:
        """The walk after a solution of task t."""
        stepped = _StepAfter(site, solution) if solution.steps > 0 else site
        gone: Walk = self.go_on(t, stepped, solution)
        return StepWalk(gone.chain, gone.solutions, gone.reference, gone.flipped, gone.overlaps)


@dataclass(frozen=True, eq=False)
class _StepAfter:
    """What a solution with open steps leaves behind: in place of the site in `Walk.go_on`."""

    site: FieldSite
    solution: StepSolution

    def after(self, masses: np.ndarray, signs: np.ndarray, _hats: Any, refine: float, density: bool) -> After:
        """As `FieldSite.after`: masses (n, c) of the columns of sites, signs (c, 1) of this task's teacher there."""
        task, site = self.solution.task, self.site
        assert isinstance(task.channel, StepChannel)
        image = _image_of(StepEquations(task.alpha, task.beta, site, task.channel, 1), self.solution)
        b, hats, xs = image.fields, image.hats, image.before.parisi
        tilt = np.tanh(site.theta)[:, None]
        columns = np.hstack([masses, masses * np.maximum(tilt, 0.0), masses * np.maximum(-tilt, 0.0)])
        sources = replace(site, masses=columns).sources(math.sqrt(hats.q_hat), refine)
        assert sources is not None  # as in the image: the columns lie where the site's masses do
        means = sources[0] + hats.r_hat * np.tile(signs, (3, 1))
        begun = smeared(b, image.jacobian, means, sources[1].T, hats.q_hat)
        g, mean, slope, _, _ = site.local(b, hats.curvature, refine)
        _, _, top, _, _, _ = climb(b, image.jacobian, g, mean, slope, xs, hats.steps, begun)
        count = len(signs)
        nothing = np.zeros(b.size)
        negative = [site.flipped_at(b, np.stack([row, nothing]), hats.curvature, refine) for row in top[:count]]
        positive = [site.flipped_at(b, np.stack([nothing, row]), hats.curvature, refine) for row in top[:count]]
        overlap = (top[count : 2 * count] - top[2 * count :]) @ mean
        theta, after = site.theta, masses
        if density:
            theta, after = next_density(b, np.ascontiguousarray(top[:count].T), hats.curvature, site.kappa, refine)
        return After(np.array(negative), np.array(positive), overlap, theta, after)
