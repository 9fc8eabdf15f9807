"""optimise(chain): the anchors that leave the least error after the last task, by derivatives of the theory.

The errors after the last task are eps_g[T, k](u), u the chosen parameters: ln gamma, or memory, of each later task. At
every iterate the whole chain is solved and certified. Derivatives are central differences of step 1e-4 in u, for which
Newton's method begins at the iterate's own solutions and goes on from the task that the parameter belongs to: the
iterate and its neighbours lie on one branch. "mean" and weights are minimised by L-BFGS-B, "worst" by SLSQP as the
least bound on all errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import optimize

from ..equilibrium.chain import Walk
from ..equilibrium.saddle import failure, newton, read
from ..equilibrium.solve import solve
from ..problem import Chain
from ..solution import ChainSolution, ConvergenceError
from ..validation import check_choice, check_count, check_number

PARAMETERS = ("gamma", "memory")
BOUNDS = {"gamma": (1e-3, 10.0), "memory": (0.0, 1.0)}

_STEP = 1e-4  # of the central differences
_STARTS = {"gamma": (0.1, 1.0, 0.02, 0.4), "memory": (0.9, 0.6, 0.98, 0.75)}
_ACTIVE = 1e-6  # an error this near to the largest counts as the largest
_AT_BOUND = 1e-9
_MOST_ITERATIONS = 60
_TOLERANCE = 1e-10  # of the objective


@dataclass(frozen=True, kw_only=True, eq=False)
class Protocol:
    """A chain whose anchors are optimal, and what certifies it.

    Attributes
    ----------
    chain : with the optimal parameters. solution : its ChainSolution.
    values : {"gamma": (T - 1,), ...} the parameters found, one a later task.
    objective : what was minimised, at the optimum.
    gradient : what is left of the derivative at the optimum, in ln gamma and memory, once the directions that bounds
        forbid are taken out (for "worst": of the best mixture of the largest errors). Small where the optimum is one.
    gradient_error : largest change of the derivatives when the step of the differences is doubled.
    thermodynamic : whether each task's solution has the largest free entropy of those that Newton's method reaches from
        the anchor alone and from perfect overlap; False where another branch wins.
    starts : the objective that each start reached, nan where a solve failed.
    n_solves : chains solved.
    """

    chain: Chain
    solution: ChainSolution
    values: dict[str, np.ndarray]
    objective: float
    gradient: float
    gradient_error: float
    thermodynamic: list[bool]
    starts: list[float]
    n_solves: int

    def __repr__(self) -> str:
        """Short: the parameters, the objective, and what is left of its derivative."""
        told = ", ".join(f"{name}=[{', '.join(f'{v:.4g}' for v in row)}]" for name, row in self.values.items())
        return f"Protocol({told}: {self.objective:.6g}, gradient {self.gradient:.0e})"


def optimise(
    chain: Chain,
    over: Sequence[str] = ("gamma",),
    objective: str | Sequence[float] = "mean",
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    n_starts: int = 2,
) -> Protocol:
    """The gamma (and memory) of each later task that leave the least error after the last one.

    Parameters
    ----------
    chain : two tasks or more; its own values of what is in `over` are not read.
    over : "gamma", "memory", or both.
    objective : "mean" of the errors on all tasks after the last, "worst" of them, or T weights >= 0 of their sum.
    bounds : {"gamma": (low, high)}, {"memory": (low, high)}; default 1e-3 to 10 and 0 to 1.
    n_starts : 1 to 4 starts; the best end is returned.

    Raises
    ------
    ValueError : an argument out of range, a task without anchor.
    ConvergenceError : no start reached an end.
    """
    problem = checked(chain, over, objective, bounds)
    if check_count("n_starts", n_starts) > 4:
        raise ValueError(f"n_starts must be at most 4, got {n_starts!r}")
    ends: list[tuple[float, np.ndarray | None]] = []
    refused: ConvergenceError | None = None
    for k in range(n_starts):
        begin = np.concatenate([np.full(problem.later, problem.coordinate(n, _STARTS[n][k])) for n in problem.over])
        try:
            u = problem.minimise(np.clip(begin, *problem.box.T))
            ends.append((problem.value(u), u))
        except ConvergenceError as error:
            refused = error
            ends.append((np.nan, None))
    reached = [(value, u) for value, u in ends if u is not None]
    if not reached:
        assert refused is not None
        raise refused
    value, u = min(reached, key=lambda end: end[0])
    final = problem.chain_at(u)
    derivative, doubled = problem.derivatives(u), problem.derivatives(u, 2.0 * _STEP)
    solution = solve(final)
    return Protocol(
        chain=final, solution=solution, values=problem.parameters(u), objective=value,
        gradient=problem.left(u, derivative), gradient_error=float(np.abs(doubled - derivative).max()),
        thermodynamic=[task.thermodynamic is True for task in solution.tasks], starts=[end[0] for end in ends],
        n_solves=problem.n_solves,
    )  # fmt: skip


def checked(chain: Any, over: Any, objective: Any, bounds: Any) -> _Problem:
    """The problem in u, once every argument is known to be in range."""
    if not isinstance(chain, Chain) or len(chain.tasks) < 2:
        raise ValueError(f"chain must be a Chain of two tasks or more, got {chain!r}")
    names = (over,) if isinstance(over, str) else tuple(over)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"over must be distinct names among gamma, memory, got {over!r}")
    for name in names:
        check_choice("over", name, PARAMETERS)
    for task in chain.tasks[1:]:
        if task.anchor == "none":
            raise ValueError("anchor must not be 'none' in a chain to optimise, got 'none'")
    weights = None
    if isinstance(objective, str):
        check_choice("objective", objective, ("mean", "worst"))
        if objective == "mean":
            weights = np.full(len(chain.tasks), 1.0 / len(chain.tasks))
    else:
        weights = np.array([check_number("objective", value, low=0.0) for value in objective])
        if weights.size != len(chain.tasks) or not weights.any():
            raise ValueError(f"objective must hold {len(chain.tasks)} weights, not all 0, got {objective!r}")
    limits = dict(BOUNDS)
    for name, (low, high) in (bounds or {}).items():
        check_choice("bounds", name, names)
        top = BOUNDS[name][1] if name == "memory" else np.inf
        low = check_number(f"bounds[{name!r}]", low, low=0.0, open_low=name == "gamma")
        limits[name] = (low, check_number(f"bounds[{name!r}]", high, low=low, high=top, open_low=True))
    return _Problem(chain, names, weights, limits)


@dataclass
class _Problem:
    """eps_g after the last task and its derivatives, as functions of u."""

    chain: Chain
    over: tuple[str, ...]
    weights: np.ndarray | None  # None: the worst
    limits: dict[str, tuple[float, float]]
    n_solves: int = 0
    walks: dict[bytes, list[Walk]] = field(default_factory=dict)

    @property
    def later(self) -> int:
        return len(self.chain.tasks) - 1

    @property
    def box(self) -> np.ndarray:
        """(n, 2): bounds of u."""
        ends = [[self.coordinate(name, end) for end in self.limits[name]] for name in self.over]
        return np.repeat(np.array(ends), self.later, axis=0)

    def coordinate(self, name: str, value: float) -> float:
        return float(np.log(value)) if name == "gamma" else value

    def parameters(self, u: np.ndarray) -> dict[str, np.ndarray]:
        rows = np.reshape(u, (len(self.over), self.later))
        return {name: np.exp(row) if name == "gamma" else row for name, row in zip(self.over, rows, strict=True)}

    def chain_at(self, u: np.ndarray) -> Chain:
        tasks = list(self.chain.tasks)
        for name, row in self.parameters(u).items():
            for t, value in enumerate(row, start=1):
                changed: dict[str, Any] = {name: float(value)}
                tasks[t] = replace(tasks[t], **changed)
        return replace(self.chain, tasks=tuple(tasks))

    def combine(self, eps_g: np.ndarray) -> float:
        return float(eps_g.max() if self.weights is None else self.weights @ eps_g)

    def value(self, u: np.ndarray) -> float:
        return self.combine(self.errors(u))

    def errors(self, u: np.ndarray) -> np.ndarray:
        return _errors(self._walks(u)[-1])

    def _walks(self, u: np.ndarray) -> list[Walk]:
        """The chain solved up to each task, certified."""
        key = u.tobytes()
        if key not in self.walks:
            walk = Walk.begin(self.chain_at(u), "best", "raise")
            walks = [walk]
            for t in range(1, self.later + 1):
                walks.append(walks[-1].step(t, "best", "raise")[0])
            self.n_solves += 1
            self.walks[key] = walks
        return self.walks[key]

    def derivatives(self, u: np.ndarray, step: float = _STEP) -> np.ndarray:
        """d eps_g[T, k] / d u_i, (T, n); one-sided of second order where a bound of memory is within the step."""
        columns = []
        for i in range(u.size):
            e = np.zeros(u.size)
            e[i] = step
            first = 1 + i % self.later
            low, high = self.box[i] if self.over[i // self.later] == "memory" else (-np.inf, np.inf)
            if u[i] + step > high or u[i] - step < low:
                e = -e if u[i] + step > high else e
                near, far = self._beside(u, u + e, first), self._beside(u, u + 2.0 * e, first)
                columns.append((4.0 * near - far - 3.0 * self.errors(u)) / (2.0 * e[i]))
            else:
                columns.append((self._beside(u, u + e, first) - self._beside(u, u - e, first)) / (2.0 * step))
        return np.column_stack(columns)

    def _beside(self, u: np.ndarray, v: np.ndarray, first: int) -> np.ndarray:
        """The errors at v, next to u and equal to it before task `first`, on the same branches."""
        known, tasks = self._walks(u), self.chain_at(v).tasks
        walk = known[first - 1]
        for t in range(first, self.later + 1):
            equations = walk.equations(t, tasks[t])
            at = known[t].solutions[t]
            if tasks[t].alpha == 0.0:
                walk = walk.step(t, "best", "raise")[0]
                continue
            root = newton(equations, equations.beside(at), polish=True)
            if not root.converged:
                raise failure(f"task {t + 1} beside an iterate", root, "give other bounds")
            walk = walk.go_on(t, equations.site, read(tasks[t], equations, root.image))
        return _errors(walk)

    def minimise(self, begin: np.ndarray) -> np.ndarray:
        """Where the objective is least, from one start."""
        weights = self.weights
        if weights is not None:
            minimum = optimize.minimize(
                self.value, begin, jac=lambda u: weights @ self.derivatives(u), method="L-BFGS-B", bounds=self.box,
                options={"maxiter": _MOST_ITERATIONS, "ftol": _TOLERANCE, "gtol": 1e-6},
            )  # fmt: skip
            return np.clip(minimum.x, *self.box.T)
        bound = self.errors(begin).max()
        slope = np.append(np.zeros(begin.size), 1.0)
        constraint = {
            "type": "ineq",
            "fun": lambda v: v[-1] - self.errors(v[:-1]),
            "jac": lambda v: np.hstack([-self.derivatives(v[:-1]), np.ones((self.later + 1, 1))]),
        }
        minimum = optimize.minimize(
            lambda v: v[-1], np.append(begin, bound), jac=lambda v: slope, method="SLSQP",
            bounds=np.vstack([self.box, [0.0, 1.0]]), constraints=[constraint],
            options={"maxiter": _MOST_ITERATIONS, "ftol": _TOLERANCE},
        )  # fmt: skip
        return np.clip(minimum.x[:-1], *self.box.T)

    def left(self, u: np.ndarray, derivative: np.ndarray) -> float:
        """Norm of the derivative once the bounds that hold u, and the best mixture of the errors, balance it."""
        errors = self.errors(u)
        rows = (
            derivative[errors > errors.max() - _ACTIVE] if self.weights is None else (self.weights @ derivative)[None]
        )
        low, high = self.box.T
        walls = [-np.eye(u.size)[:, u <= low + _AT_BOUND], np.eye(u.size)[:, u >= high - _AT_BOUND]]
        columns = np.hstack([rows.T, *walls])
        heavy = 1e4  # holds the sum of the mixture at 1
        ones = np.append(np.full(len(rows), heavy), np.zeros(columns.shape[1] - len(rows)))
        system, wanted = np.vstack([columns, ones]), np.append(np.zeros(u.size), heavy)
        mixture = optimize.nnls(system, wanted)[0]
        return float(np.linalg.norm(columns @ mixture))


def _errors(walk: Walk) -> np.ndarray:
    """eps_g on every task after the last one."""
    channels = [task.channel for task in walk.chain.tasks]
    return np.array([channel.eps_g(float(share)) for channel, share in zip(channels, walk.flipped[-1], strict=True)])
