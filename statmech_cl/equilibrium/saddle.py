"""The saddle-point equations y'(y) = y of one task, Newton's method, and the certificate of a solution.

One application of the raw map is an energetic pass (over patterns: the channel) and an entropic pass (over weights:
the site). Newton's method solves y'(y) - y = 0 in the equations' own unknowns, however many there are; from the limit
alpha -> 0 or from perfect overlap it needs 3 to 7 steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import responses
from ..bracket import root_between
from ..channels import PLAIN, Channel
from ..orders import Hats, Orders, PatternAverages, SiteAverages, to_orders, to_unknowns
from ..problem import Task, refuse_replay
from ..sites import Site, free_site
from ..solution import ConvergenceError, Solution, Status

RESIDUAL_WANTED = 1e-10  # of the raw map; what is called converged
_TARGET = 1e-11  # of y' - y; where the iteration stops
LARGEST_HATS = 1e9  # beyond, a stray iterate would ask for grids without end
_ROUNDING = 4e-17  # of y' - y, per unit of the hats
COARSE = 0.65  # the rule that brings the iterate close: good to about 1e-6 at a third of the cost
_COARSE_TARGET = 1e-5
_HOPELESS = 0.01  # y' - y of the coarse rule where it is stuck, that the full one does not mend
_MAX_STEPS = 50
_ATTEMPT_STEPS = 12
_LONGEST_STEP = 2.0
_SLOW, _MOST_SLOW = 0.9, 3  # share of the gap that stays after a slow step, and how many in turn are too many
_HALVINGS = 2
_DAMPINGS = (1e-2, 0.1, 0.5, 3.0, 20.0, 150.0)  # against the mean square of the derivative's columns
_SHORT, _SAME = 0.1, 1e-3  # a step that will not miss, and the distance of y below which two solutions are one
DIFFERENCE = 1e-6  # step of the one-sided differences in y
_IDENTITY, _PRESCRIBED = np.eye(3), np.diag([0.0, 1.0, 1.0])
_THREE = DIFFERENCE * _IDENTITY
_REFINE = 1.25  # the rule that estimates the quadrature error: steps / 1.25, log-windows * 1.25: error^1.25

EDGE = 1e-6  # 1 - q_star below this is not followed: rounding in the hats (1e7 and more) bends the curve


def largest(vector: np.ndarray) -> float:
    """Its largest absolute entry, inf where one is no number; NumPy's reductions take several times as long for so few
    entries."""
    sizes = [abs(entry) for entry in vector.tolist()]
    return max(sizes) if sum(sizes) < math.inf else math.inf


def _norm(vector: np.ndarray) -> float:
    return math.sqrt(vector.dot(vector))


class Replayed(NamedTuple):
    """The overlaps r_k with the teachers that are replayed, before and after one application of the map, and their
    conjugates, each (k,)."""

    before: np.ndarray
    after: np.ndarray
    r_hat: np.ndarray


_NOTHING = Replayed(np.zeros(0), np.zeros(0), np.zeros(0))


class Image(NamedTuple):
    """One application of the raw map: where it came from, where it went, and what it met on the way.

    response : d unknowns / d hats of the sites, where they told.
    """

    y: np.ndarray
    gap: np.ndarray  # y' - y
    before: Orders
    after: Orders
    hats: Hats
    g_e: float
    g_s: float
    replicon: float
    replayed: Replayed = _NOTHING
    response: np.ndarray | None = None

    @property
    def settled(self) -> bool:
        """Whether y' - y is as small as double precision lets it be: cancellation in a m^2 + b m sets a floor."""
        floor = max(_TARGET, _ROUNDING * self.hats.size)
        return largest(self.gap) < floor and self.residual < RESIDUAL_WANTED

    @property
    def residual(self) -> float:
        """Largest change of q, r, q_star (and of every r_k with replay) under the raw map."""
        moved = self.replayed.after - self.replayed.before
        return max([self.after.distance(self.before), *(abs(change) for change in moved.tolist())])

    @property
    def at_edge(self) -> bool:
        """Whether q_star is too near to 1 to go on."""
        return self.before.uncertainty <= EDGE


class Applied(Protocol):
    """What Newton's method and continuation read of one application of a map; `Image` is one."""

    @property
    def y(self) -> np.ndarray: ...

    @property
    def gap(self) -> np.ndarray: ...

    @property
    def settled(self) -> bool: ...

    @property
    def at_edge(self) -> bool: ...


class System(Protocol):
    """Equations y'(y) = y of any size, in unknowns of their own."""

    @property
    def size(self) -> int: ...

    @property
    def difference(self) -> float: ...

    def image(self, y: np.ndarray, refine: float = 1.0) -> Applied: ...


@dataclass(frozen=True)
class Equations:
    """y'(y) - y = 0 for one task at fixed alpha, beta, site and channel; three unknowns, see `statmech_cl.orders`.

    With `q_star` given, q_star_hat is the multiplier that enforces it; asinh(q_star_hat / 2) is then the first unknown.
    """

    alpha: float
    beta: float
    site: Site
    q_star: float | None = None
    channel: Channel = PLAIN

    @property
    def size(self) -> int:
        return 3

    @property
    def difference(self) -> float:
        return DIFFERENCE

    def scaled(self, alpha: float) -> Equations:
        """The same with this alpha, and in proportion whatever else is learned beside."""
        return replace(self, alpha=alpha)

    def orders(self, y: np.ndarray) -> Orders:
        return to_orders(self._free(y))

    def unknowns(self, sites: SiteAverages) -> np.ndarray:
        """y of what the sites answer."""
        return to_unknowns(sites.orders)

    def aligned(self, orders: Orders) -> np.ndarray:
        """y of these order parameters, near perfect overlap with the task's teacher."""
        return to_unknowns(orders)

    def further_starts(self) -> list[np.ndarray]:
        """Where other solutions may lie, beside the anchor alone and perfect overlap."""
        return []

    def beside(self, at: Solution) -> np.ndarray:
        """y next to a solution of a task that differs a little."""
        y = self.unknowns(self.site.averages(Hats(at.q_hat, at.r_hat, at.q_star_hat), 1.0))
        # where q_star is prescribed, what is free is its conjugate
        return y if self.q_star is None else np.array([math.asinh(0.5 * at.q_star_hat), *y[1:]])

    def site_at(self, image: Image) -> Site:
        """The site with every field that was met on the way to the image."""
        return self.site

    def distance(self, y: np.ndarray, image: Image) -> float:
        """Largest difference in the order parameters between y and the point that the image is of."""
        return self.orders(y).distance(image.before)

    def _free(self, y: np.ndarray) -> np.ndarray:
        """y with logit q_star for its first entry, prescribed or not."""
        return y if self.q_star is None else np.array([math.log(self.q_star / (1.0 - self.q_star)), y[1], y[2]])

    def _passed(self, y: np.ndarray, refine: float) -> tuple[Orders, PatternAverages, Hats]:
        """The order parameters at y, and what the patterns make of them."""
        before = self.orders(y)
        patterns = self.channel.averages(before, self.beta, refine)
        q_hat, r_hat, q_star_hat = patterns.hats
        free = self.alpha * q_star_hat if self.q_star is None else 2.0 * math.sinh(float(y[0]))
        hats = Hats(self.alpha * q_hat, self.alpha * r_hat, free)
        return before, patterns, hats

    def jacobian(self, at: Image, response: np.ndarray, refine: float) -> np.ndarray:
        """d(y' - y)/dy: the sites' own response to the hats, and these by one-sided differences."""
        moved = np.array([self._passed(at.y + e, refine)[2] for e in _THREE])
        free = _IDENTITY if self.q_star is None else _PRESCRIBED
        return response @ (moved - np.array(at.hats)).T / DIFFERENCE - free

    def image(self, y: np.ndarray, refine: float = 1.0) -> Image:
        before, patterns, hats = self._passed(y, refine)
        if hats.q_hat < 0.0 or not hats.size < LARGEST_HATS:  # a step beyond alpha = 0 has no measure
            return Image(y, np.full(self.size, math.inf), before, before, hats, patterns.g_e, math.nan, math.nan)
        sites = self.site.averages(hats, refine)
        gap = to_unknowns(sites.orders) - self._free(y)
        replicon = self.alpha * patterns.bend * sites.spread
        response = None if sites.moved is None else responses.of_sites(sites)
        return Image(y, gap, before, sites.orders, hats, patterns.g_e, sites.g_s, replicon, response=response)

    def free_entropy(self, at: Image) -> float:
        """Phi = q_hat q / 2 - q_star_hat q_star - r_hat r + G_S + alpha G_E."""
        q_hat, r_hat, q_star_hat = at.hats
        orders = at.before
        conjugate = 0.5 * q_hat * orders.q - q_star_hat * (1.0 - orders.uncertainty) - r_hat * orders.r
        return conjugate + at.g_s + self.alpha * at.g_e


def equations_of(task: Task) -> Equations:
    """The equations of a single task, without reference."""
    refuse_replay(task, "a single task")
    return Equations(task.alpha, task.beta, free_site(task), task.q_star, task.channel)


def jacobian_of(equations: System, at: Applied, refine: float) -> np.ndarray:
    """d(y' - y)/dy from `at`, an image under the rule `refine`, (size, size): by one-sided differences, of the patterns
    alone where the sites told their part.

    Its error slows the last steps and biases nothing.
    """
    if isinstance(equations, Equations) and isinstance(at, Image) and at.response is not None:
        return equations.jacobian(at, at.response, refine)
    step = equations.difference
    columns = [(equations.image(at.y + e, refine).gap - at.gap) / step for e in step * np.eye(equations.size)]
    return np.column_stack(columns)


class Root(NamedTuple):
    """Where Newton's iteration ended."""

    image: Any
    jacobian: np.ndarray
    n_steps: int
    converged: bool


def newton(equations: System, y: np.ndarray, *, polish: bool = False, jacobian: np.ndarray | None = None) -> Root:
    """Solve y'(y) = y from y : (size,): under the coarse rule, then the full one; with `polish`, the full one alone, at
    first with a `jacobian` that is known nearby."""
    if polish:
        return _newton(equations, y, jacobian, 1.0, 0.0, _MAX_STEPS)
    near = _newton(equations, y, None, COARSE, _COARSE_TARGET, _MAX_STEPS)
    if not near.converged and largest(near.image.gap) > _HOPELESS:
        return near
    root = _newton(equations, near.image.y, _last(equations, near), 1.0, 0.0, _MAX_STEPS - near.n_steps)
    return Root(root.image, root.jacobian, near.n_steps + root.n_steps, root.converged)


def attempt(equations: System, y: np.ndarray, known: np.ndarray | None = None) -> Root | None:
    """newton() from a start that may lead nowhere, or back to a solution `known`: given up after a few coarse steps."""
    near = _newton(equations, y, None, COARSE, _COARSE_TARGET, _ATTEMPT_STEPS, known)
    if not near.converged or (known is not None and largest(near.image.y - known) < _SAME):
        return None
    return _newton(equations, near.image.y, _last(equations, near), 1.0, 0.0, _MAX_STEPS)


def _last(equations: System, near: Root) -> np.ndarray | None:
    """The derivative where the coarse rule has converged."""
    if not near.converged:
        return None
    return near.jacobian if _response(near.image) is None else jacobian_of(equations, near.image, COARSE)


def _response(image: Applied) -> np.ndarray | None:
    return image.response if isinstance(image, Image) else None


def _solve_linear(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    if matrix.shape[0] != matrix.shape[1]:
        return np.linalg.lstsq(matrix, vector, rcond=None)[0]
    try:
        return np.linalg.solve(matrix, vector)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, vector, rcond=None)[0]


def _finite(gap: np.ndarray) -> bool:
    return largest(gap) < math.inf


def _arrived(image: Applied, target: float) -> bool:
    return image.settled or largest(image.gap) < target


def _newton(
    equations: System,
    y: np.ndarray,
    jacobian: np.ndarray | None,
    refine: float,
    target: float,
    max_steps: int,
    known: np.ndarray | None = None,
) -> Root:
    """Newton with a step bound and backtracking; between fresh Jacobians, Broyden's update while it contracts well.
    Where an image brings its derivative along, every one is fresh. Ends where a short step leads to a solution that is
    `known`."""
    here = equations.image(y, refine)
    used = np.eye(equations.size) if jacobian is None else jacobian
    n_steps = slow = 0
    while _finite(here.gap) and not _arrived(here, target) and n_steps < max_steps and not here.at_edge:
        fresh = jacobian is None or _response(here) is not None
        if _response(here) is not None:
            jacobian = jacobian_of(equations, here, refine)
        elif fresh:
            jacobian = jacobian_of(equations, here if refine == COARSE else equations.image(here.y, COARSE), COARSE)
        used = np.asarray(jacobian)
        step = -_solve_linear(used, here.gap)
        if known is not None and largest(step) < _SHORT and largest(here.y + step - known) < _SAME:
            break
        there, step = _walk(equations, here, used, step, refine)
        n_steps += 1
        size, new_size = _norm(here.gap), _norm(there.gap)
        slow = slow + 1 if new_size > _SLOW * size else 0
        if fresh and (not new_size < size or slow == _MOST_SLOW):
            break  # no descent even from a fresh derivative, or one that creeps up to where no solution is
        if fresh or new_size < 0.2 * size:
            jacobian = used = used + (there.gap - here.gap - used @ step)[:, None] * (step / (step @ step))
        else:
            jacobian = None  # the updates have lost touch
        if new_size < size:
            here = there
    if n_steps == 0 and jacobian is None and _finite(here.gap):
        # the start was the solution: its derivative is asked for all the same
        used = jacobian_of(equations, equations.image(here.y, COARSE), COARSE)
    return Root(here, used, n_steps, _arrived(here, target))


def _walk(
    equations: System, here: Applied, jacobian: np.ndarray, step: np.ndarray, refine: float
) -> tuple[Applied, np.ndarray]:
    """Go along the Newton `step`, halved while the gap does not shrink, and then along steps that turn from Newton's to
    steepest descent as they get shorter (Levenberg, Marquardt): a nearly singular derivative leads astray."""
    size = _norm(here.gap)
    step = step * min(1.0, _LONGEST_STEP / largest(step))
    for tried in range(_HALVINGS + len(_DAMPINGS)):
        there = equations.image(here.y + step, refine)
        if _norm(there.gap) < size:
            break
        if tried < _HALVINGS:
            step = 0.5 * step
            continue
        square = jacobian.T @ jacobian
        damped = square + _DAMPINGS[tried - _HALVINGS] * square.trace() / len(step) * np.eye(len(step))
        step = -np.linalg.solve(damped, jacobian.T @ here.gap)
        step = step * min(1.0, _LONGEST_STEP / largest(step))
    return there, step


def certify(task: Task, equations: Equations, root: Root) -> Solution:
    """Observables, free entropy and the error estimates at a root."""
    image = root.image
    refined = equations.image(image.y, _REFINE)
    # What the refined rule makes of the solution: one Newton step under it.
    shift = -_solve_linear(root.jacobian, refined.gap)[: equations.size]
    share_refined = equations.site_at(refined).flipped(refined.hats, _REFINE)
    solution = read(task, equations, image)
    error = max(
        equations.distance(image.y + shift, image), abs(equations.channel.eps_g(share_refined) - solution.eps_g)
    )
    status = Status.CONVERGED if root.converged else Status.NOT_CONVERGED
    return replace(solution, quadrature_error=error, status=status, n_steps=root.n_steps, saddle=is_saddle(root))


def is_saddle(root: Root) -> bool:
    """Whether det d(y - y')/dy < 0: the determinant is positive where a curve of solutions begins (nothing feeds back
    at small alpha, nor at perfect overlap), and changes its sign at every fold."""
    size = len(root.image.y)
    return bool(np.linalg.det(-root.jacobian[:, :size]) < 0.0)


def read(task: Task, equations: Equations, image: Image, refine: float = 1.0) -> Solution:
    """What an application of the map says of the observables: not certified, so not called converged."""
    share = equations.site_at(image).flipped(image.hats, refine)
    here = image.before
    q_hat, r_hat, q_star_hat = image.hats
    return Solution(
        task=task,
        q=here.q,
        r=here.r,
        q_star=here.q_star,
        q_hat=q_hat,
        r_hat=r_hat,
        q_star_hat=q_star_hat,
        p=1.0 - 2.0 * share,
        eps_g=equations.channel.eps_g(share),
        free_entropy=equations.free_entropy(image),
        replicon=image.replicon,
        residual=image.residual,
        quadrature_error=math.nan,
        status=Status.NOT_CONVERGED,
        n_steps=0,
        r_of=by_task(task, image.replayed.before),
        r_hat_of=by_task(task, image.replayed.r_hat),
    )


def by_task(task: Task, values: np.ndarray) -> dict[int, float]:
    """One value for each task that is replayed, by its number."""
    return dict(zip(dict(task.replay), values.tolist(), strict=True))


def low_start(equations: Equations) -> np.ndarray:
    """Where the branch begins: one application of the map to q = r = 0, the solution at alpha = 0."""
    tiny = 1e-12
    if equations.q_star is None:
        uncertainty = equations.site.averages(Hats(tiny, 0.0, 0.0), 1.0).orders.uncertainty
        begin = np.array([math.log((1.0 - uncertainty) / uncertainty), math.log(tiny), 0.0])
        image = equations.image(begin)
        return begin + image.gap
    free = multiplier(equations, equations.q_star)
    begin = np.array([math.asinh(0.5 * free), math.log(tiny), 0.0])
    image = equations.image(begin)
    # E<m^2> depends on q_star_hat - q_hat / 2 first of all
    return np.array([math.asinh(0.5 * free + 0.25 * image.hats.q_hat), *(begin + image.gap)[1:]])


def multiplier(equations: Equations, q_star: float) -> float:
    """q_star_hat that gives E<m^2> = q_star without any field."""
    target = math.log((1.0 - q_star) / q_star)

    def excess(q_star_hat: float) -> float:
        uncertainty = equations.site.averages(Hats(1e-12, 0.0, q_star_hat), 1.0).orders.uncertainty
        return math.log(uncertainty / (1.0 - uncertainty)) - target

    low, high = -1.0, 1.0
    while excess(low) < 0.0:
        low *= 2.0
    while excess(high) > 0.0:
        high *= 2.0
    return root_between(excess, low, high, xtol=1e-10)


def high_start(equations: Equations) -> np.ndarray:
    """Where the branch of highest overlap lies at large alpha."""
    return equations.aligned(equations.channel.aligned(equations.alpha, equations.beta, equations.site.kappa))


def failure(describe: str, root: Root, advice: str) -> ConvergenceError:
    """The error that a solve raises: what failed, how far it got, what to try."""
    orders = root.image.before
    return ConvergenceError(
        f"no fixed point after {root.n_steps} Newton steps at {describe} "
        f"(residual {root.image.residual:.1e}, wanted {RESIDUAL_WANTED:.0e}); {advice}",
        state=(orders.q, orders.r, orders.q_star),
        residual=root.image.residual,
    )
