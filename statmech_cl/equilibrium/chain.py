"""Task after task: each is anchored to a configuration of the one before (Franz-Parisi potential).

    G_S = E_s Int dtheta_ref rho(theta_ref | s) Int Dx ln Int dm exp[ (q_star_hat - q_hat/2) m^2
              + (sqrt(q_hat) x + r_hat s) m + prior(m) - beta gamma A(theta | memory theta_ref) ]

The energetic side is that of a single task. The joint law of (theta_t, s_1 .. s_t) at a site is a Markov chain: after
each task the density of theta_t is propagated for every pattern of teachers' signs, which gives the whole forgetting
matrix p[t, k] = E s_k <sign m_t>.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..kernels.anchored_field import next_density
from ..kernels.grids import field_nodes
from ..orders import Hats
from ..problem import Chain, Task
from ..sites import AnchoredSite, anchored_site, prior_strength
from ..solution import BRANCHES, ChainSolution, Solution, Status
from ..validation import check_choice
from .continuation import first_node, follow
from .landscape import Stretch, describe, stretches_from
from .one_task import select, solve_task
from .replay import ReplayEquations
from .saddle import COARSE, Equations, Root, attempt, certify, equations_of, failure, high_start, is_saddle, newton

CERTIFIED_STRENGTH = 2000.0  # beta gamma beyond which the reference's own grid is too coarse for <sign m>
LARGEST_STRENGTH = 1e5  # and beyond which the grids that follow so narrow a measure take minutes

ALPHA_FIRST = 0.02  # where continuation in alpha begins: the anchor alone is a Newton step away
ALPHA_LAST = 10.0  # and where it looks for perfect overlap


@dataclass(frozen=True, eq=False)
class Reference:
    """The density of theta after a task, on the sites of each pattern of the teachers' signs so far.

    theta : (n,), masses : (n, g) with columns summing to 1, signs : (g, t) the patterns.
    """

    theta: np.ndarray
    masses: np.ndarray
    signs: np.ndarray


# --- one task after another -------------------------------------------------------------------------------------------


def solve_chain(
    chain: Chain, branch: str, on_failure: str, *, complete: bool = False
) -> ChainSolution | list[ChainSolution]:
    """solve() for a Chain: `branch` chooses among the last task's solutions, the earlier tasks take the best; with
    `complete` the best of all that continuation in alpha finds."""
    check_choice("branch", branch, BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    check_strength(chain)
    walk = Walk.begin(chain, branch if len(chain.tasks) == 1 else "best", on_failure)
    for t in range(1, len(chain.tasks) - 1):
        walk = walk.step(t, "best", on_failure, complete=complete)[0]
    if len(chain.tasks) > 1:
        last = walk.step(len(chain.tasks) - 1, branch, on_failure, complete=complete)
        return [w.solution() for w in last] if branch == "all" else last[0].solution()
    return walk.solution()


def check_strength(chain: Chain) -> None:
    """Refuse anchors stronger than the grids can follow; warn where they are coarse."""
    strongest = max((t.beta * t.gamma for t in chain.tasks[1:] if t.anchor != "none"), default=0.0)
    if strongest > LARGEST_STRENGTH:
        raise ValueError(
            f"gamma must keep beta gamma at most {LARGEST_STRENGTH:g}, got beta gamma = {strongest:g}; "
            "long before that the anchor holds every weight where it is"
        )
    if strongest > CERTIFIED_STRENGTH:
        warnings.warn(
            f"beta gamma = {strongest:g} lies outside the certified range [0, {CERTIFIED_STRENGTH:g}]", stacklevel=4
        )


def solve_given(chain: Chain, theta: np.ndarray, masses: np.ndarray) -> list[ChainSolution]:
    """Every solution of the second task of `chain` given a reference that was measured, in place of the theory's own.

    theta : (n,) rising, masses : (n,) the density of theta_1 in the gauge where teacher 1 is 1, on a grid fine enough
    to follow (it is convolved with narrow Gaussians). The first task's entries in the solutions remain the theory's.

    Raises
    ------
    ConvergenceError : no iteration converged.
    """
    if len(chain.tasks) != 2:
        raise ValueError(f"chain must have two tasks, got {len(chain.tasks)}")
    reference = Reference(theta, masses[:, None] / masses.sum(), np.ones((1, 1), dtype=np.int8))
    walk = replace(Walk.begin(chain, "best", "raise"), reference=reference)
    return [end.solution() for end in walk.step(1, "all", "raise")]


@lru_cache(maxsize=32)
def _first(task: Task, branch: str, on_failure: str) -> tuple[Solution, np.ndarray, np.ndarray]:
    """A first task's solution and the density of its theta: (n,), (n, 1)."""
    solution: Any = solve_task(replace(task, gamma=1.0, anchor="kl", memory=1.0), branch, on_failure)
    kappa = prior_strength(task)
    a = solution.q_star_hat - 0.5 * solution.q_hat
    if solution.q_hat == 0.0:
        b, weight = np.zeros(1), np.ones(1)
    else:
        b, weight = field_nodes(solution.r_hat, solution.q_hat, a, False, 1.0)
    theta, masses = next_density(b, weight[:, None], a, kappa, 1.0)
    return replace(solution, task=task), theta, masses / masses.sum(axis=0)


@dataclass(frozen=True, eq=False)
class Walk:
    """A chain solved up to some task."""

    chain: Chain
    solutions: list[Solution]
    reference: Reference
    flipped: list[np.ndarray]
    overlaps: list[float]

    @classmethod
    def begin(cls, chain: Chain, branch: str, on_failure: str) -> Walk:
        solution, theta, masses = _first(chain.tasks[0], branch, on_failure)
        hats = Hats(solution.q_hat, solution.r_hat, solution.q_star_hat)
        wrong = equations_of(solution.task).site.flipped(hats, 1.0) if solution.q_hat > 0.0 else 0.5
        share = chain.weights @ np.where(chain.signs > 0, wrong, 1.0 - wrong)
        reference = Reference(theta, masses, np.ones((1, 1), dtype=np.int8))
        return cls(chain, [solution], reference, [share], [])

    def site(self, t: int, task: Task) -> AnchoredSite:
        """The site of task t (counted from 0) given the reference reached before it."""
        signs, weights = self._patterns(t)
        seen = signs[:, self._seen(t, task)].tolist()
        # Both signs of the task's own teacher, for each pattern of the others.
        groups = [[s, *others] for others in sorted({tuple(row[1:]) for row in seen}, reverse=True) for s in (1, -1)]
        masses = np.zeros((self.reference.theta.size, len(groups)))
        for weight, column, row in zip(weights, self._columns(signs), seen, strict=True):
            masses[:, groups.index(row)] += weight * self.reference.masses[:, column]
        return anchored_site(task, self.reference.theta, masses, np.array(groups, dtype=float))

    def equations(self, t: int, task: Task) -> Equations:
        site = self.site(t, task)
        if not task.replay:
            return Equations(task.alpha, task.beta, site, task.q_star, task.channel)
        amounts = dict(task.replay)
        signs = self.chain.signs[:, self._seen(t, task)].astype(float)
        return ReplayEquations(
            task.alpha, task.beta, site, None, task.channel,
            replayed=tuple(amounts.values()), channels=tuple(self.chain.tasks[k - 1].channel for k in amounts),
            overlaps=signs.T @ (self.chain.weights[:, None] * signs),
        )  # fmt: skip

    def step(self, t: int, branch: str, on_failure: str, *, complete: bool = False) -> list[Walk]:
        """Solve task t and go on from each solution that `branch` selects. Where not all solutions were looked for, how
        many coexist is not known, and a thermodynamic one only told apart from one that has been beaten."""
        task = self.chain.tasks[t]
        equations = self.equations(t, task)
        named = f"task {t + 1} of the chain ({describe(task)}, gamma={task.gamma:g}, anchor={task.anchor})"
        if task.alpha == 0.0:
            pairs: list[tuple[Solution, Root | None]] = [(without_patterns(task, equations), None)]
        else:
            roots = roots_of(equations, branch, complete)
            if not any(root.converged for root in roots) and on_failure == "raise":
                raise failure(named, roots[0], "follow it from a smaller alpha with trace()")
            usable = [root for root in roots if root.converged] or roots[:1]
            pairs = [(certify(task, equations, root), root) for root in usable]
        counted = branch not in ("low", "high")  # each of these looks for one solution alone
        found = [solution for solution, _ in pairs]
        solutions = select(found, branch, counted=counted)
        # `roots_of` looks for all of them in these cases; where it did not, what was found may not be all there is
        everywhere = complete or branch in ("all", "thermodynamic") or any(solution.saddle for solution in found)
        if counted and task.alpha > 0.0 and (not everywhere or equations.q_star is not None):
            unknown = {True: None, False: False}
            solutions = [replace(s, coexisting=None, thermodynamic=unknown[bool(s.thermodynamic)]) for s in solutions]
        return [self.go_on(t, equations.site, solution) for solution in solutions]

    def _patterns(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Sign patterns (s_1 .. s_{t+1}) and their probabilities."""
        signs, inverse = np.unique(self.chain.signs[:, : t + 1], axis=0, return_inverse=True)
        weights = np.bincount(inverse.ravel(), weights=self.chain.weights)
        return signs, weights

    def _columns(self, signs: np.ndarray) -> list[int]:
        """For each pattern the reference's column."""
        known = {tuple(row): i for i, row in enumerate(self.reference.signs)}
        return [known[tuple(row[:-1])] for row in signs]

    def _seen(self, t: int, task: Task) -> list[int]:
        """The teachers that task t sees, counted from 0: its own, then those that are replayed."""
        return [t, *(k - 1 for k in dict(task.replay))]

    def go_on(self, t: int, site: Any, solution: Solution) -> Walk:
        signs, weights = self._patterns(t)
        hats = Hats(solution.q_hat, solution.r_hat, solution.q_star_hat)
        if solution.r_hat_of:
            site = replace(site, replayed=tuple(solution.r_hat_of.values()))
        last = t == len(self.chain.tasks) - 1
        masses = np.ascontiguousarray(self.reference.masses[:, self._columns(signs)])
        after = site.after(masses, signs[:, self._seen(t, solution.task)].astype(float), hats, 1.0, not last)
        total = masses.sum(axis=0)
        shares = np.column_stack([after.negative, after.positive]) / total[:, None]
        wrong = {tuple(row): pair for row, pair in zip(signs, shares, strict=True)}
        everywhere = np.array([wrong[tuple(row[: t + 1])] for row in self.chain.signs])  # (K, 2): m < 0, m > 0
        # The share of s_k m < 0, summed without cancellation: eps_g keeps its digits where it is small.
        share = self.chain.weights @ np.where(self.chain.signs > 0, everywhere[:, :1], everywhere[:, 1:])
        reference = self.reference
        if not last:
            reference = Reference(after.theta, after.masses / after.masses.sum(axis=0), signs)
        return Walk(
            self.chain,
            [*self.solutions, solution],
            reference,
            [*self.flipped, share],
            [*self.overlaps, float(weights @ (after.overlap / total))],
        )

    def solution(self) -> ChainSolution:
        share = np.array(self.flipped)
        p = 1.0 - 2.0 * share
        tasks = self.chain.tasks
        eps_g = np.array([[tasks[k].channel.eps_g(float(value)) for k, value in enumerate(row)] for row in share])
        for t, solution in enumerate(self.solutions):  # the same numbers, to the last bit
            p[t, t], eps_g[t, t] = solution.p, solution.eps_g
        return ChainSolution(
            chain=self.chain, tasks=self.solutions, p=p, eps_g=eps_g, reference_overlap=np.array(self.overlaps)
        )


def free_start(equations: Equations) -> np.ndarray:
    """Near the solution at alpha = 0: the anchor alone."""
    sites = equations.site.averages(Hats(0.0, 0.0, 0.0), COARSE)
    orders, tiny = sites.orders, 1e-12  # without an anchor q = r = 0
    orders = orders._replace(q=max(orders.q, tiny), perpendicular=max(orders.perpendicular, tiny))
    return equations.unknowns(sites._replace(orders=orders))


def roots_of(equations: Equations, branch: str, complete: bool = False) -> list[Root]:
    """Newton's solutions from the anchor alone ("low") and from perfect overlap with the task's teacher ("high");
    for "all" and "thermodynamic", and for "best" if `complete` or where one of the two is a saddle, those on every
    curve that continuation in alpha reaches as well."""
    if branch == "high":
        return [newton(equations, high_start(equations))]
    roots = [newton(equations, free_start(equations))]
    if branch != "low":
        roots.append(attempt(equations, high_start(equations), roots[0].image.y) or roots[0])
        tried = [attempt(equations, y) for y in equations.further_starts()]
        roots += [root for root in tried if root is not None and root.converged]
    # A saddle lies between two others: where Newton's method ends on one, a solution is missing.
    between = branch == "best" and any(root.converged and is_saddle(root) for root in roots)
    if (branch in ("all", "thermodynamic") or complete or between) and equations.q_star is None:
        roots += [newton(equations, y, polish=True) for y in _along_alpha(equations)]
    if not any(root.converged for root in roots) and equations.q_star is None:
        roots = [_from_smaller_alpha(equations) or roots[0]]
    distinct: list[Root] = []
    for root in roots:
        if all(np.abs(root.image.y - other.image.y).max() > 1e-5 for other in distinct):
            distinct.append(root)
    return distinct


def _from_smaller_alpha(equations: Equations) -> Root | None:
    """The first solution that continuation meets at this alpha, from a half, quarter ... of it, if Newton converges."""

    family = equations.scaled

    alpha = equations.alpha
    for _ in range(10):
        alpha *= 0.5
        begin = newton(family(alpha), free_start(family(alpha)))
        if begin.converged:
            curve = follow(family, first_node(family, begin.image.y, alpha, 1.0), 0.5 * alpha, equations.alpha)
            end = curve.nodes[-1]
            return newton(equations, end.x[:-1], polish=True) if end.c == equations.alpha else None
    return None


def _along_alpha(equations: Equations) -> list[np.ndarray]:
    """y next to every solution on the curves from alpha -> 0 and from perfect overlap at large alpha."""
    alpha = equations.alpha
    stretches = stretches_along_alpha(equations.scaled, 0.5 * alpha, 2.0 * alpha, alpha)
    return [stretch.start(alpha) for stretch in stretches if stretch.low <= alpha <= stretch.high]


def stretches_along_alpha(family: Callable[[float], Equations], low: float, high: float, top: float) -> list[Stretch]:
    """The stretches of a later task's curves in alpha, from the anchor alone and from perfect overlap, that is looked
    for at large alpha, else at `top`; they cover [low, high] and more."""
    low, high = min(ALPHA_FIRST, low), max(ALPHA_LAST, high)
    begun = [(newton(family(low), free_start(family(low))), low, 1.0)]
    for begin in (high, top):  # a tree's perfect overlap may lie beyond the edge at the larger one
        root = attempt(family(begin), high_start(family(begin)))
        if root is not None and root.converged:
            begun.append((root, begin, -1.0))
            break
    return stretches_from(family, [start for start in begun if start[0].converged], low, high)


def without_patterns(task: Task, equations: Equations) -> Solution:
    """alpha = 0: the anchor alone decides."""
    nothing = Hats(0.0, 0.0, 0.0)
    here, refined = (equations.site.averages(nothing, refine) for refine in (1.0, 1.5))
    share, share_refined = (equations.site.flipped(nothing, refine) for refine in (1.0, 1.5))
    eps_g = task.channel.eps_g(share)
    error = max(here.orders.distance(refined.orders), abs(task.channel.eps_g(share_refined) - eps_g))
    return Solution(
        task=task, q=here.orders.q, r=here.orders.r, q_star=here.orders.q_star, q_hat=0.0, r_hat=0.0, q_star_hat=0.0,
        p=1.0 - 2.0 * share, eps_g=eps_g, free_entropy=here.g_s, replicon=0.0, residual=0.0, quadrature_error=error,
        status=Status.CONVERGED, n_steps=0,
    )  # fmt: skip
