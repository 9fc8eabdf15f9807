"""solve(problem) -> Solution: the only iteration to convergence.

The unknowns are y = (logit q_star, logit(q / q_star), asinh(r / sqrt(q - r^2))): unconstrained, and blind to the digits
that q_star - q, 1 - q_star and q - r^2 lose near perfect overlap. Newton's method solves y'(y) - y = 0, where y' is
one application of the raw map (energetic sweep, then entropic sweep); from the limit alpha -> 0 or from perfect overlap
it needs 3 to 7 steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, overload

import numpy as np

from .kernels.energetic import energetic
from .kernels.entropic import entropic, flipped
from .kernels.gaussian import TABLE
from .problem import Chain, Task
from .solution import ChainSolution, ConvergenceError, Solution, Status

RESIDUAL_WANTED = 1e-10  # of the raw map; what is called converged
_TARGET = 1e-11  # of y' - y; where the iteration stops
LARGEST_HATS = 1e9  # beyond, a stray iterate would ask for grids without end
_ROUNDING = 4e-17  # of y' - y, per unit of the hats
_COARSE = 0.65  # the rule that brings the iterate close: good to about 1e-6 at a third of the cost
_COARSE_TARGET = 1e-5
_MAX_STEPS = 50
_ATTEMPT_STEPS = 12
_LONGEST_STEP = 2.0
_DIFFERENCE = 1e-6  # step of the one-sided differences in y
_REFINE = 1.5  # the rule that estimates the quadrature error: steps / 1.5, log-windows * 1.5

EDGE = 1e-6  # 1 - q_star below this is not followed: rounding in the hats (1e7 and more) bends the curve


class Orders(NamedTuple):
    """Order parameters with their small differences: v = q_star - q, d = 1 - q_star, u = q - r^2."""

    q: float
    r: float
    v: float
    d: float
    u: float


class Site(Protocol):
    """The entropic side of a problem: everything local to one weight."""

    def sweep(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> tuple[float, ...]:
        """(q, r, v, d, u, G_S, Int (<m^2> - <m>^2)^2)"""

    def flipped(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> float:
        """(1 - p) / 2"""


@dataclass(frozen=True)
class FreeSite:
    """A site without reference: exp[a m^2 + b m - kappa KL(q_theta || uniform)] on [-1, 1]."""

    kappa: float

    def sweep(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> tuple[float, ...]:
        q, r, v, d, u, g_s, spread = entropic(q_hat, r_hat, q_star_hat, self.kappa, refine)
        return q, r, v, d, u, g_s - self.kappa * math.log(2.0), spread  # KL = ln 2 - Ent

    def flipped(self, q_hat: float, r_hat: float, q_star_hat: float, refine: float) -> float:
        return flipped(q_hat, r_hat, q_star_hat, self.kappa, refine)


class Sweep(NamedTuple):
    """One application of the raw map: where it came from, where it went, and what it met on the way."""

    y: np.ndarray
    gap: np.ndarray  # y' - y
    before: Orders
    after: Orders
    hats: tuple[float, float, float]
    g_e: float
    g_s: float
    replicon: float

    @property
    def settled(self) -> bool:
        """Whether y' - y is as small as double precision lets it be: cancellation in a m^2 + b m sets a floor."""
        floor = max(_TARGET, _ROUNDING * sum(abs(hat) for hat in self.hats))
        return bool(np.abs(self.gap).max() < floor) and self.residual < RESIDUAL_WANTED

    @property
    def residual(self) -> float:
        """Largest change of q, r, q_star under the raw map."""
        a, b = self.before, self.after
        return max(abs(a.q - b.q), abs(a.r - b.r), abs(a.d - b.d))


def to_orders(y: np.ndarray) -> Orders:
    """The order parameters at y, their differences free of cancellation."""
    y1, y2, y3 = (min(max(float(v), -300.0), 300.0) for v in y)
    q_star = 1.0 / (1.0 + math.exp(-y1))
    q = q_star / (1.0 + math.exp(-y2))
    return Orders(
        q=q,
        r=math.sqrt(q) * math.tanh(y3),
        v=q_star / (1.0 + math.exp(y2)),
        d=1.0 / (1.0 + math.exp(y1)),
        u=q / math.cosh(y3) ** 2,
    )


def to_unknowns(orders: Orders) -> np.ndarray:
    """Inverse of to_orders."""
    return np.array(
        [
            math.log((1.0 - orders.d) / orders.d),
            math.log(max(orders.q, 1e-300) / orders.v),
            math.asinh(orders.r / math.sqrt(max(orders.u, 1e-300))),
        ]
    )


@dataclass(frozen=True)
class Equations:
    """y'(y) - y = 0 for one task at fixed alpha, beta and site.

    With `q_star` given, q_star_hat is the multiplier that enforces it; asinh(q_star_hat / 2) is then the first unknown.
    """

    alpha: float
    beta: float
    site: Site
    q_star: float | None = None

    def orders(self, y: np.ndarray) -> Orders:
        if self.q_star is None:
            return to_orders(y)
        return to_orders(np.array([math.log(self.q_star / (1.0 - self.q_star)), y[1], y[2]]))

    def sweep(self, y: np.ndarray, refine: float = 1.0) -> Sweep:
        before = self.orders(y)
        q_hat, r_hat, q_star_hat, g_e, bend = energetic(*before, self.beta, refine, TABLE)
        hats = (self.alpha * q_hat, self.alpha * r_hat, self.alpha * q_star_hat)
        if self.q_star is not None:
            hats = (hats[0], hats[1], 2.0 * math.sinh(float(y[0])))
        if not sum(abs(hat) for hat in hats) < LARGEST_HATS:
            return Sweep(y, np.full(3, math.inf), before, before, hats, g_e, math.nan, math.nan)
        q, r, v, d, u, g_s, spread = self.site.sweep(*hats, refine)
        after = Orders(q, r, v, d, u)
        start = y if self.q_star is None else np.array([math.log(self.q_star / (1.0 - self.q_star)), y[1], y[2]])
        return Sweep(y, to_unknowns(after) - start, before, after, hats, g_e, g_s, self.alpha * bend * spread)

    def free_entropy(self, at: Sweep) -> float:
        """Phi = q_hat q / 2 - q_star_hat q_star - r_hat r + G_S + alpha G_E."""
        q_hat, r_hat, q_star_hat = at.hats
        orders = at.before
        conjugate = 0.5 * q_hat * orders.q - q_star_hat * (1.0 - orders.d) - r_hat * orders.r
        return conjugate + at.g_s + self.alpha * at.g_e

    def jacobian(self, y: np.ndarray, refine: float = _COARSE, at: Sweep | None = None) -> np.ndarray:
        """d(y' - y)/dy by one-sided differences, (3, 3). Its error slows the last steps and biases nothing.

        `at` is the sweep at y under that rule, where it is known.
        """
        at = self.sweep(y, refine) if at is None else at
        columns = [(self.sweep(y + e, refine).gap - at.gap) / _DIFFERENCE for e in _DIFFERENCE * np.eye(3)]
        return np.column_stack(columns)


class Root(NamedTuple):
    """Where Newton's iteration ended."""

    sweep: Sweep
    jacobian: np.ndarray
    n_steps: int
    converged: bool


def newton(equations: Equations, y: np.ndarray, *, close: bool = False) -> Root:
    """Solve y'(y) = y from a start y : (3,): first under the coarse rule, unless `close`, then under the full one."""
    if close:
        return _newton(equations, y, None, 1.0, 0.0, _MAX_STEPS)
    near = _newton(equations, y, None, _COARSE, _COARSE_TARGET, _MAX_STEPS)
    jacobian = near.jacobian if near.converged else None
    root = _newton(equations, near.sweep.y, jacobian, 1.0, 0.0, _MAX_STEPS - near.n_steps)
    return Root(root.sweep, root.jacobian, near.n_steps + root.n_steps, root.converged)


def attempt(equations: Equations, y: np.ndarray, known: np.ndarray | None = None) -> Root | None:
    """newton() from a start that may lead nowhere, or back to a solution `known`: given up after a few coarse steps."""
    near = _newton(equations, y, None, _COARSE, _COARSE_TARGET, _ATTEMPT_STEPS)
    if not near.converged or (known is not None and np.abs(near.sweep.y - known).max() < 1e-3):
        return None
    return _newton(equations, near.sweep.y, near.jacobian, 1.0, 0.0, _MAX_STEPS)


def _solve_linear(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    if matrix.shape[0] != matrix.shape[1]:
        return np.linalg.lstsq(matrix, vector, rcond=None)[0]
    try:
        return np.linalg.solve(matrix, vector)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, vector, rcond=None)[0]


def _close(sweep: Sweep, target: float) -> bool:
    return sweep.settled or bool(np.abs(sweep.gap).max() < target)


def _newton(
    equations: Equations, y: np.ndarray, jacobian: np.ndarray | None, refine: float, target: float, max_steps: int
) -> Root:
    """Newton with a step bound and backtracking; between fresh Jacobians, Broyden's update while it contracts well."""
    here = equations.sweep(y, refine)
    used = np.eye(3) if jacobian is None else jacobian
    n_steps = 0
    while np.isfinite(here.gap).all() and not _close(here, target) and n_steps < max_steps and here.before.d > EDGE:
        fresh = jacobian is None
        known = here if refine == _COARSE else None
        used = equations.jacobian(here.y, at=known) if jacobian is None else jacobian
        step = -_solve_linear(used, here.gap)
        there, step = _walk(equations, here, step, refine)
        n_steps += 1
        size, new_size = np.linalg.norm(here.gap), np.linalg.norm(there.gap)
        if fresh and not new_size < size:
            break  # no descent even along a fresh Newton direction
        if fresh or new_size < 0.2 * size:
            jacobian = used = used + np.outer(there.gap - here.gap - used @ step, step) / (step @ step)
        else:
            jacobian = None  # the updates have lost touch
        if new_size < size:
            here = there
    return Root(here, used, n_steps, _close(here, target))


def _walk(equations: Equations, here: Sweep, step: np.ndarray, refine: float) -> tuple[Sweep, np.ndarray]:
    """Go along `step`, shortened until the gap shrinks."""
    step = step * min(1.0, _LONGEST_STEP / np.abs(step).max())
    size = np.linalg.norm(here.gap)
    for _ in range(8):
        there = equations.sweep(here.y + step, refine)
        if np.linalg.norm(there.gap) < size:
            break
        step = 0.5 * step
    return there, step


def certify(task: Task, equations: Equations, root: Root) -> Solution:
    """Observables, free entropy and the error estimates at a root."""
    sweep = root.sweep
    refined = equations.sweep(sweep.y, _REFINE)
    # What the refined rule makes of the solution: one Newton step under it.
    shift = -_solve_linear(root.jacobian, refined.gap)[:3]
    moved = equations.orders(sweep.y + shift)
    share = equations.site.flipped(*sweep.hats, 1.0)
    share_refined = equations.site.flipped(*refined.hats, _REFINE)
    eps_g = eps_from_flipped(share)
    here = sweep.before
    errors = (moved.q - here.q, moved.r - here.r, moved.d - here.d, eps_from_flipped(share_refined) - eps_g)
    q_hat, r_hat, q_star_hat = sweep.hats
    return Solution(
        task=task,
        q=here.q,
        r=here.r,
        q_star=1.0 - here.d,
        q_hat=q_hat,
        r_hat=r_hat,
        q_star_hat=q_star_hat,
        p=1.0 - 2.0 * share,
        eps_g=eps_g,
        free_entropy=equations.free_entropy(sweep),
        replicon=sweep.replicon,
        residual=sweep.residual,
        quadrature_error=max(abs(e) for e in errors),
        status=Status.CONVERGED if root.converged else Status.NOT_CONVERGED,
        n_steps=root.n_steps,
    )


def eps_from_flipped(share: float) -> float:
    """eps_g = arccos(p) / pi with p = 1 - 2 share, exact for small shares too."""
    return 2.0 / math.pi * math.asin(math.sqrt(min(max(share, 0.0), 1.0)))


def equations_of(task: Task) -> Equations:
    """The equations of a single task, without reference."""
    kappa = task.beta if task.prior == "kl" else 0.0
    return Equations(task.alpha, task.beta, FreeSite(kappa), task.q_star)


def low_start(equations: Equations) -> np.ndarray:
    """Where the branch begins: one application of the map to q = r = 0, the solution at alpha = 0."""
    tiny = 1e-12
    if equations.q_star is None:
        _, _, _, d, _, _, _ = equations.site.sweep(tiny, 0.0, 0.0, 1.0)
        begin = np.array([math.log((1.0 - d) / d), math.log(tiny), 0.0])
        sweep = equations.sweep(begin)
        return begin + sweep.gap
    free = multiplier(equations, equations.q_star)
    begin = np.array([math.asinh(0.5 * free), math.log(tiny), 0.0])
    sweep = equations.sweep(begin)
    # E<m^2> depends on q_star_hat - q_hat / 2 first of all
    return np.array([math.asinh(0.5 * free + 0.25 * sweep.hats[0]), *(begin + sweep.gap)[1:]])


def multiplier(equations: Equations, q_star: float) -> float:
    """q_star_hat that gives E<m^2> = q_star without any field."""
    from scipy.optimize import brentq

    target = math.log((1.0 - q_star) / q_star)

    def excess(q_star_hat: float) -> float:
        d = equations.site.sweep(1e-12, 0.0, q_star_hat, 1.0)[3]
        return math.log(d / (1.0 - d)) - target

    low, high = -1.0, 1.0
    while excess(low) < 0.0:
        low *= 2.0
    while excess(high) > 0.0:
        high *= 2.0
    return float(brentq(excess, low, high, xtol=1e-10))


def high_start(equations: Equations) -> np.ndarray:
    """Perfect overlap at large alpha: 1 - m is exponential at rate B, so 1 - q_star = 2/B, q_star - q = 1/B^2.

    B = alpha beta c / sqrt(1 - q_star) less what kappa Ent(m) takes at the edge,
    c = 2/pi - 2/sqrt(2 pi) Int_{-inf}^0 h(u)^2 du.
    """
    c, h2 = 0.3810180748705, 0.3203492209950
    kappa = getattr(equations.site, "kappa", 0.0)
    d = (2.0 / (equations.alpha * equations.beta * c)) ** 2
    for _ in range(50):
        d = min(d, 0.5)
        rate = equations.alpha * equations.beta * c / math.sqrt(d) - 0.5 * kappa * math.log(4.0 / d)
        d = math.exp(0.5 * (math.log(d) + math.log(2.0 / max(rate, 2.0))))
    v = 0.25 * d * d
    q_hat = 2.0 * equations.alpha * equations.beta**2 * h2 / math.sqrt(2.0 * math.pi * d)
    u = q_hat * v * v
    q = 1.0 - d - v
    return to_unknowns(Orders(q=q, r=math.sqrt(max(q - u, 0.0)), v=v, d=d, u=u))


def failure(describe: str, root: Root, advice: str) -> ConvergenceError:
    """The error that a solve raises: what failed, how far it got, what to try."""
    orders = root.sweep.before
    return ConvergenceError(
        f"no fixed point after {root.n_steps} Newton steps at {describe} "
        f"(residual {root.sweep.residual:.1e}, wanted {RESIDUAL_WANTED:.0e}); {advice}",
        state=(orders.q, orders.r, 1.0 - orders.d),
        residual=root.sweep.residual,
    )


@overload
def solve(problem: Task, *, branch: Literal["all"], on_failure: str = "raise") -> list[Solution]: ...
@overload
def solve(problem: Chain, *, branch: Literal["all"], on_failure: str = "raise") -> list[ChainSolution]: ...
@overload
def solve(problem: Task, *, branch: Literal["low", "high", "best"] = "best", on_failure: str = "raise") -> Solution: ...
@overload
def solve(
    problem: Chain, *, branch: Literal["low", "high", "best"] = "best", on_failure: str = "raise"
) -> ChainSolution: ...
@overload
def solve(
    problem: Task | Chain, *, branch: str, on_failure: str = "raise"
) -> Solution | ChainSolution | list[Solution] | list[ChainSolution]: ...
def solve(
    problem: Task | Chain, *, branch: str = "best", on_failure: str = "raise"
) -> Solution | ChainSolution | list[Solution] | list[ChainSolution]:
    """Solve the replica-symmetric saddle-point equations, y'(y) = y, by Newton's method.

        q_hat = 2 alpha Int Dz H(r z/sqrt(q-r^2)) F'^2,     r_hat = -2 alpha/sqrt(2 pi) Int Dz F',
        q_star_hat = 2 alpha Int Dz H(r z/sqrt(q-r^2)) dF/dq_star,
        q = Int Dz <m>^2,  r = Int Dz <m>,  q_star = Int Dz <m^2>          (Phys. Rev. E 108, 014309; docs/theory.md)

    Parameters
    ----------
    problem : a Task, or a Chain of them (then `branch` chooses among the last task's solutions; earlier tasks take the
        best).
    branch : "low" (reaches alpha -> 0, up to its first fold), "high" (reaches perfect overlap at large alpha, down to
        its fold), "best" (largest free entropy among the solutions with replicon < 1, or of all where there is none),
        or "all" (a list of every coexisting solution).
    on_failure : "raise" a ConvergenceError, or "return" the unconverged Solution, whose status says so.

    Returns
    -------
    Solution, or ChainSolution; a list of them for branch="all".

    Raises
    ------
    ValueError : an unknown branch, or one that does not reach this alpha (the message says where it ends).
    ConvergenceError : no fixed point; carries the last state and what to try.

    Warns
    -----
    UserWarning : alpha > 3 or beta outside [1, 200], where the error estimates have not been certified.
    """
    from .branches import solve_task

    if isinstance(problem, Task):
        return solve_task(problem, branch, on_failure)
    if isinstance(problem, Chain):
        from .chain import solve_chain

        return solve_chain(problem, branch, on_failure)
    raise ValueError(f"problem must be a Task or a Chain, got {problem!r}")
