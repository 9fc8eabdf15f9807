"""Task after task: each is anchored to a configuration of the one before (Franz-Parisi potential).

    G_S = E_s Int dtheta_ref rho(theta_ref | s) Int Dx ln Int dm exp[ (q_star_hat - q_hat/2) m^2
              + (sqrt(q_hat) x + r_hat s) m + prior(m) - beta gamma A(theta | memory theta_ref) ]

The energetic side is that of a single task. The joint law of (theta_t, s_1 .. s_t) at a site is a Markov chain: after
each task the density of theta_t is propagated for every pattern of teachers' signs, which gives the whole forgetting
matrix p[t, k] = E s_k <sign m_t>.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from . import branches
from .continuation import Family, first_node, follow
from .kernels.anchored import (
    field_observables,
    field_sweep,
    next_density,
    quadratic_density,
    quadratic_observables,
    quadratic_sweep,
)
from .kernels.entropic import field_nodes
from .problem import Chain, Task, check_choice
from .saddle import (
    Equations,
    Orders,
    Root,
    attempt,
    certify,
    eps_from_flipped,
    failure,
    high_start,
    newton,
    to_unknowns,
)
from .solution import ChainSolution, Solution, Status

CERTIFIED_STRENGTH = 2000.0  # beta gamma beyond which the reference's own grid is too coarse for <sign m>

_SIGNS = np.array([1.0, -1.0])
_ALPHA_FIRST = 0.02  # where continuation in alpha begins: the anchor alone is a Newton step away
_ALPHA_LAST = 10.0  # and where it looks for perfect overlap
_RARE = 1e-9  # a share of signs below it is computed again, with all of its Gaussian's tails


def log_2cosh(x: np.ndarray) -> np.ndarray:
    """ln 2 cosh x without overflow."""
    return np.abs(x) + np.log1p(np.exp(-2.0 * np.abs(x)))


@dataclass(frozen=True, eq=False)
class Reference:
    """The density of theta after a task, on the sites of each pattern of the teachers' signs so far.

    theta : (n,), masses : (n, g) with columns summing to 1, signs : (g, t) the patterns.
    """

    theta: np.ndarray
    masses: np.ndarray
    signs: np.ndarray


@dataclass(frozen=True, eq=False)
class FieldSite:
    """A site whose reference is a random external field: anchor "kl", or none at all (scale = 0)."""

    theta: np.ndarray
    masses: np.ndarray  # (n, 2): s = +1, s = -1
    scale: float
    kappa: float
    constant: float  # what prior and anchor add to G_S apart from the local integral

    def sweep(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> tuple[float, ...]:
        out = field_sweep(self.theta, self.masses, self.scale, self.kappa, q_hat, r_hat, q_star_hat, refine)
        return (*out[:5], out[5] + self.constant, out[6])

    def after(
        self, masses: np.ndarray, signs: np.ndarray, hats: tuple[float, float, float], refine: float, density: bool
    ) -> After:
        """What the task leaves behind on each column of sites: masses : (n, c), signs : (c,) of this task's teacher."""
        sides = [np.flatnonzero(signs > 0.0), np.flatnonzero(signs < 0.0)]
        order = np.argsort(np.concatenate(sides))
        tilted = masses * np.tanh(self.theta)[:, None]
        above, below = (np.ascontiguousarray(np.hstack([masses[:, side], tilted[:, side]])) for side in sides)
        b, *weights, mean, negative, positive = field_observables(
            self.theta, above, below, self.scale, self.kappa, *hats, refine, False
        )
        plain = np.hstack([weight[:, : side.size] for weight, side in zip(weights, sides, strict=True)])[:, order]
        by_ref = np.hstack([weight[:, side.size :] for weight, side in zip(weights, sides, strict=True)])[:, order]
        shares = np.array([negative @ plain, positive @ plain])
        if shares.min() < _RARE:
            shares = self._rare(masses, sides, order, hats, refine)
        a = hats[2] - 0.5 * hats[0]
        theta, after = next_density(b, plain, a, self.kappa, refine) if density else (self.theta, masses)
        return After(shares[0], shares[1], mean @ by_ref, theta, after)

    def _rare(
        self,
        masses: np.ndarray,
        sides: list[np.ndarray],
        order: np.ndarray,
        hats: tuple[float, float, float],
        refine: float,
    ) -> np.ndarray:
        """The shares of m < 0 and of m > 0 in each column, (2, c), to their last digits."""
        above, below = (np.ascontiguousarray(masses[:, side]) for side in sides)
        _, *weights, _, negative, positive = field_observables(
            self.theta, above, below, self.scale, self.kappa, *hats, refine, True
        )
        plain = np.hstack(weights)[:, order]
        return np.array([negative @ plain, positive @ plain])

    def flipped(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> float:
        return self.after(self.masses, _SIGNS, (q_hat, r_hat, q_star_hat), refine, False).flipped()


@dataclass(frozen=True, eq=False)
class QuadraticSite:
    """A site under an anchor c (theta - mu)^2 / 2, c and mu functions of the reference: anchors "ewc" and "l2"."""

    theta: np.ndarray
    masses: np.ndarray  # (n, 2): s = +1, s = -1
    curvature: np.ndarray
    centre: np.ndarray
    kappa: float
    constant: float
    known: dict[tuple[float, ...], np.ndarray] = field(default_factory=dict)

    def sweep(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> tuple[float, ...]:
        if refine < 1.0:  # where only nearness is wanted, a still coarser rule: the cost goes with refine^3
            refine *= refine
        out = quadratic_sweep(
            self.theta, self.masses, self.curvature, self.centre, self.kappa, q_hat, r_hat, q_star_hat, refine
        )
        return (*out[:5], out[5] + self.constant, out[6])

    def after(
        self, masses: np.ndarray, signs: np.ndarray, hats: tuple[float, float, float], refine: float, density: bool
    ) -> After:
        """What the task leaves behind on each column of sites: masses : (n, c), signs : (c,) of this task's teacher."""
        of_site = self._observables(hats, refine, False)
        shares = self._means(of_site, masses, signs)
        if shares[:2].min() < _RARE:
            shares[:2] = self._means(self._observables(hats, refine, True), masses, signs)[:2]
        overlap = self._means(of_site, masses * np.tanh(self.theta)[:, None], signs)[2]
        theta, after = self.theta, masses
        if density:
            pieces: dict[int, np.ndarray] = {}
            for s in (1.0, -1.0):
                columns = np.flatnonzero(signs == s)
                if columns.size == 0:
                    continue
                theta, piece = quadratic_density(
                    self.theta, np.ascontiguousarray(masses[:, columns]), self.curvature, self.centre, s, self.kappa,
                    *hats, refine,
                )  # fmt: skip
                pieces.update(zip(columns, piece.T, strict=True))
            after = np.column_stack([pieces[c] for c in range(signs.size)])
        return After(shares[0], shares[1], overlap, theta, after)

    def _observables(self, hats: tuple[float, float, float], refine: float, whole: bool) -> np.ndarray:
        """(3, 2, n): for each reference, computed once at each place: it costs as much as four sweeps."""
        refine = min(refine, 1.25)  # enough to tell the rule's error
        key = (*hats, refine, whole)
        if key not in self.known:
            self.known[key] = quadratic_observables(
                self.theta, self.masses.sum(axis=1), self.curvature, self.centre, self.kappa, *hats, refine, whole
            )
        return self.known[key]

    def _means(self, of_site: np.ndarray, masses: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """(3, c): means over the references of each column."""
        sides = np.where(signs > 0.0, 0, 1)
        return np.array([[row[side] @ masses[:, c] for c, side in enumerate(sides)] for row in of_site])

    def flipped(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> float:
        return self.after(self.masses, _SIGNS, (q_hat, r_hat, q_star_hat), refine, False).flipped()


@dataclass(frozen=True, eq=False)
class After:
    """negative, positive : (c,) mass with m < 0 and m > 0; overlap : (c,) mean of tanh(theta_ref) m; theta, masses :
    the next density."""

    negative: np.ndarray
    positive: np.ndarray
    overlap: np.ndarray
    theta: np.ndarray
    masses: np.ndarray

    def flipped(self) -> float:
        """The mass of s m < 0, of two columns with s = +1 and s = -1."""
        return float(self.negative[0] + self.positive[1])


AnchoredSite = FieldSite | QuadraticSite


def anchored_site(task: Task, theta: np.ndarray, masses: np.ndarray) -> AnchoredSite:
    """The site of a later task, whose reference has `masses : (n, 2)` at `theta`, for s = +1 and s = -1."""
    prior = task.beta if task.prior == "kl" else 0.0
    constant = -prior * math.log(2.0)
    strength = task.beta * task.gamma
    if task.anchor == "none" or strength == 0.0:
        return FieldSite(theta, masses, 0.0, prior, constant)
    centre = task.memory * theta
    if task.anchor == "kl":
        constant -= strength * float(masses.sum(axis=1) @ log_2cosh(centre))
        return FieldSite(theta, masses, strength * task.memory, prior + strength, constant)
    curvature = np.full(theta.size, strength)
    if task.anchor == "ewc":  # the Fisher information of q_theta at the reference
        curvature = strength / np.cosh(np.minimum(np.abs(centre), 300.0)) ** 2
    return QuadraticSite(theta, masses, curvature, centre, prior, constant)


# --- one task after another -------------------------------------------------------------------------------------------


def solve_chain(chain: Chain, branch: str, on_failure: str) -> ChainSolution | list[ChainSolution]:
    """solve() for a Chain: `branch` chooses among the last task's solutions, the earlier tasks take the best."""
    check_choice("branch", branch, branches.BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    strongest = max((t.beta * t.gamma for t in chain.tasks[1:] if t.anchor != "none"), default=0.0)
    if strongest > CERTIFIED_STRENGTH:
        warnings.warn(
            f"beta gamma = {strongest:g} lies outside the certified range [0, {CERTIFIED_STRENGTH:g}]", stacklevel=3
        )
    walk = _Walk.begin(chain, branch if len(chain.tasks) == 1 else "best", on_failure)
    for t in range(1, len(chain.tasks) - 1):
        walk = walk.step(t, "best", on_failure)[0]
    if len(chain.tasks) > 1:
        last = walk.step(len(chain.tasks) - 1, branch, on_failure)
        return [w.solution() for w in last] if branch == "all" else last[0].solution()
    return walk.solution()


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
    walk = replace(_Walk.begin(chain, "best", "raise"), reference=reference)
    return [end.solution() for end in walk.step(1, "all", "raise")]


@lru_cache(maxsize=32)
def _first(task: Task, branch: str, on_failure: str) -> tuple[Solution, np.ndarray, np.ndarray]:
    """A first task's solution and the density of its theta: (n,), (n, 1)."""
    solution: Any = branches.solve_task(replace(task, gamma=1.0, anchor="kl", memory=1.0), branch, on_failure)
    kappa = task.beta if task.prior == "kl" else 0.0
    a = solution.q_star_hat - 0.5 * solution.q_hat
    if solution.q_hat == 0.0:
        b, weight = np.zeros(1), np.ones(1)
    else:
        b, weight = field_nodes(solution.r_hat, solution.q_hat, a, False, 1.0)
    theta, masses = next_density(b, weight[:, None], a, kappa, 1.0)
    return replace(solution, task=task), theta, masses / masses.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _Walk:
    """A chain solved up to some task."""

    chain: Chain
    solutions: list[Solution]
    reference: Reference
    flipped: list[np.ndarray]
    overlaps: list[float]

    @classmethod
    def begin(cls, chain: Chain, branch: str, on_failure: str) -> _Walk:
        solution, theta, masses = _first(chain.tasks[0], branch, on_failure)
        hats = (solution.q_hat, solution.r_hat, solution.q_star_hat)
        wrong = branches.equations_of(solution.task).site.flipped(*hats, 1.0) if solution.q_hat > 0.0 else 0.5
        share = chain.weights @ np.where(chain.signs > 0, wrong, 1.0 - wrong)
        reference = Reference(theta, masses, np.ones((1, 1), dtype=np.int8))
        return cls(chain, [solution], reference, [share], [])

    def site(self, t: int, task: Task) -> AnchoredSite:
        """The site of task t (counted from 0) given the reference reached before it."""
        signs, weights = self._patterns(t)
        columns, sides = self._columns(signs)
        masses = np.zeros((self.reference.theta.size, 2))
        for weight, column, side in zip(weights, columns, sides, strict=True):
            masses[:, side] += weight * self.reference.masses[:, column]
        return anchored_site(task, self.reference.theta, masses)

    def equations(self, t: int, task: Task) -> Equations:
        return Equations(task.alpha, task.beta, self.site(t, task), task.q_star)

    def step(self, t: int, branch: str, on_failure: str) -> list[_Walk]:
        """Solve task t and go on from each solution that `branch` selects."""
        task = self.chain.tasks[t]
        equations = self.equations(t, task)
        describe = f"task {t + 1} of the chain ({branches.describe(task)}, gamma={task.gamma:g}, anchor={task.anchor})"
        if task.alpha == 0.0:
            found: list[tuple[Solution, Root | None]] = [(_without_patterns(task, equations), None)]
        else:
            roots = _roots(equations, branch)
            if not any(root.converged for root in roots) and on_failure == "raise":
                raise failure(describe, roots[0], "follow it from a smaller alpha with trace()")
            usable = [root for root in roots if root.converged] or roots[:1]
            found = [(certify(task, equations, root), root) for root in usable]
        solutions = branches.select([solution for solution, _ in found], branch)
        return [self._continue(t, equations.site, solution) for solution in solutions]

    def _patterns(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Sign patterns (s_1 .. s_{t+1}) and their probabilities."""
        signs, inverse = np.unique(self.chain.signs[:, : t + 1], axis=0, return_inverse=True)
        weights = np.bincount(inverse.ravel(), weights=self.chain.weights)
        return signs, weights

    def _columns(self, signs: np.ndarray) -> tuple[list[int], list[int]]:
        """For each pattern the reference's column, and 0 or 1 for the last sign + or -."""
        known = {tuple(row): i for i, row in enumerate(self.reference.signs)}
        return [known[tuple(row[:-1])] for row in signs], [0 if row[-1] > 0 else 1 for row in signs]

    def _continue(self, t: int, site: Any, solution: Solution) -> _Walk:
        signs, weights = self._patterns(t)
        columns, _ = self._columns(signs)
        hats = (solution.q_hat, solution.r_hat, solution.q_star_hat)
        last = t == len(self.chain.tasks) - 1
        masses = np.ascontiguousarray(self.reference.masses[:, columns])
        after = site.after(masses, signs[:, -1].astype(float), hats, 1.0, not last)
        total = masses.sum(axis=0)
        shares = np.column_stack([after.negative, after.positive]) / total[:, None]
        wrong = {tuple(row): pair for row, pair in zip(signs, shares, strict=True)}
        everywhere = np.array([wrong[tuple(row[: t + 1])] for row in self.chain.signs])  # (K, 2): m < 0, m > 0
        # The share of s_k m < 0, summed without cancellation: eps_g keeps its digits where it is small.
        share = self.chain.weights @ np.where(self.chain.signs > 0, everywhere[:, :1], everywhere[:, 1:])
        reference = self.reference
        if not last:
            reference = Reference(after.theta, after.masses / after.masses.sum(axis=0), signs)
        return _Walk(
            self.chain,
            [*self.solutions, solution],
            reference,
            [*self.flipped, share],
            [*self.overlaps, float(weights @ (after.overlap / total))],
        )

    def solution(self) -> ChainSolution:
        share = np.array(self.flipped)
        p = 1.0 - 2.0 * share
        eps_g = np.array([[eps_from_flipped(float(value)) for value in row] for row in share])
        for t, solution in enumerate(self.solutions):  # the same numbers, to the last bit
            p[t, t], eps_g[t, t] = solution.p, solution.eps_g
        return ChainSolution(
            chain=self.chain, tasks=self.solutions, p=p, eps_g=eps_g, reference_overlap=np.array(self.overlaps)
        )


def _free_start(equations: Equations) -> np.ndarray:
    """The solution at alpha = 0: the anchor alone."""
    q, r, v, d, u, _, _ = equations.site.sweep(0.0, 0.0, 0.0, 1.0)
    tiny = 1e-12  # without an anchor q = r = 0
    return to_unknowns(Orders(max(q, tiny), r, v, d, max(u, tiny)))


def _roots(equations: Equations, branch: str) -> list[Root]:
    """Newton's solutions from the anchor alone ("low") and from perfect overlap with the task's teacher ("high");
    for "all" those on every curve that continuation in alpha reaches as well."""
    if branch == "high":
        return [newton(equations, high_start(equations))]
    roots = [newton(equations, _free_start(equations))]
    if branch != "low":
        roots.append(attempt(equations, high_start(equations), roots[0].sweep.y) or roots[0])
    if branch == "all" and equations.q_star is None:
        roots += [newton(equations, y, close=True) for y in _along_alpha(equations)]
    if not any(root.converged for root in roots) and equations.q_star is None:
        roots = [_from_smaller_alpha(equations) or roots[0]]
    distinct: list[Root] = []
    for root in roots:
        if all(np.abs(root.sweep.y - other.sweep.y).max() > 1e-5 for other in distinct):
            distinct.append(root)
    return distinct


def _from_smaller_alpha(equations: Equations) -> Root | None:
    """The first solution that continuation meets at this alpha, from a half, quarter ... of it, if Newton converges."""

    def family(c: float) -> Equations:
        return replace(equations, alpha=c)

    alpha = equations.alpha
    for _ in range(10):
        alpha *= 0.5
        begin = newton(family(alpha), _free_start(family(alpha)))
        if begin.converged:
            curve = follow(family, first_node(family, begin.sweep.y, alpha, 1.0), 0.5 * alpha, equations.alpha)
            end = curve.nodes[-1]
            return newton(equations, end.x[:3], close=True) if end.c == equations.alpha else None
    return None


def _along_alpha(equations: Equations) -> list[np.ndarray]:
    """y next to every solution on the curves from alpha -> 0 and from perfect overlap at large alpha."""
    alpha = equations.alpha
    low, high = min(_ALPHA_FIRST, 0.5 * alpha), max(_ALPHA_LAST, 2.0 * alpha)

    def family(c: float) -> Equations:
        return replace(equations, alpha=c)

    begun = [(newton(family(low), _free_start(family(low))), low, 1.0)]
    top = attempt(family(high), high_start(family(high)))
    if top is not None:
        begun.append((top, high, -1.0))
    begun = [start for start in begun if start[0].converged]
    stretches = branches.stretches_from(family, begun, low, high)
    return [stretch.start(alpha) for stretch in stretches if stretch.low <= alpha <= stretch.high]


@dataclass(frozen=True, eq=False)
class ChainAxis:
    """The last task's alpha or gamma, the coordinate in which it is followed, and the equations along it."""

    name: str
    task: Task
    walk: _Walk

    def to_coordinate(self, value: float) -> float:
        return value if self.name == "alpha" else math.log(value)

    def from_coordinate(self, c: float) -> float:
        return c if self.name == "alpha" else math.exp(c)

    def at(self, value: float) -> Task:
        return replace(self.task, alpha=value) if self.name == "alpha" else replace(self.task, gamma=value)

    def family(self) -> Family:
        last = len(self.walk.chain.tasks) - 1
        if self.name == "alpha":  # the site does not depend on alpha
            base = self.walk.equations(last, self.task)
            return lambda c: replace(base, alpha=c)

        @lru_cache(maxsize=4)  # a node asks for the same c several times
        def at(c: float) -> Equations:
            return self.walk.equations(last, self.at(self.from_coordinate(c)))

        return at

    def starts(self, c: float) -> list[np.ndarray]:
        """y of every solution known at coordinate c."""
        return [root.sweep.y for root in _roots(self.family()(c), "all") if root.converged]


def chain_axis(chain: Chain, parameter: str) -> ChainAxis:
    """The axis of a chain's last task; the tasks before it are solved here."""
    if len(chain.tasks) < 2:
        raise ValueError(f"problem must be a chain of two tasks or more, got {len(chain.tasks)}; trace its Task")
    walk = _Walk.begin(chain, "best", "raise")
    for t in range(1, len(chain.tasks) - 1):
        walk = walk.step(t, "best", "raise")[0]
    return ChainAxis(parameter, chain.tasks[-1], walk)


def _without_patterns(task: Task, equations: Equations) -> Solution:
    """alpha = 0: the anchor alone decides."""
    (q, r, _, d, _, g_s, _), refined = (equations.site.sweep(0.0, 0.0, 0.0, refine) for refine in (1.0, 1.5))
    share, share_refined = (equations.site.flipped(0.0, 0.0, 0.0, refine) for refine in (1.0, 1.5))
    eps_g = eps_from_flipped(share)
    errors = (refined[0] - q, refined[1] - r, refined[3] - d, eps_from_flipped(share_refined) - eps_g)
    return Solution(
        task=task, q=q, r=r, q_star=1.0 - d, q_hat=0.0, r_hat=0.0, q_star_hat=0.0, p=1.0 - 2.0 * share, eps_g=eps_g,
        free_entropy=g_s, replicon=0.0, residual=0.0, quadrature_error=max(abs(e) for e in errors),
        status=Status.CONVERGED, n_steps=0,
    )  # fmt: skip
