"""optimise(chain): the protocol that leaves the least error after the last task, by derivatives of the theory.

The errors after the last task are eps_g[T, k](u), u the chosen parameters of each later task: ln gamma, memory, and the
patterns of each earlier task that are replayed, per weight. At every iterate the whole chain is solved and certified.
Derivatives come from the fixed points themselves. Task t solves G_t(y_t; u, reference) = y' - y = 0, so

    dy_t/du = -(dG_t/dy)^-1 (dG_t/du at fixed y_t),    d eps_g/du = what the end reads of all dy_t and of u itself

from the task that a parameter belongs to up to the last, the reference of each moving with those before it. No equation
is solved again: dG_t/dy, dG_t/du and the end's reading are central differences of explicit functions, of step 1e-4.
"mean" and weights are minimised by L-BFGS-B, "worst" by SLSQP as the least bound on all errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from scipy import optimize

from ..equilibrium.chain import LARGEST_STRENGTH, Walk, solve_chain, without_patterns
from ..equilibrium.saddle import Equations, by_task
from ..equilibrium.solve import solve
from ..problem import Chain, Task
from ..solution import ChainSolution, ConvergenceError
from ..validation import check_choice, check_count, check_number

_Kept = TypeVar("_Kept")

PARAMETERS = ("gamma", "memory", "replay")
BOUNDS = {"gamma": (1e-3, 10.0), "memory": (0.0, 1.0), "replay": (0.0, 2.0)}

_STEP = 1e-4  # of the differences
_NARROWEST = 1e-3  # between bounds, several such steps
_NO_REPLAY = 1e-9  # the least replay of an iterate: its equations keep their number of unknowns
_STARTS = {"gamma": (0.1, 1.0, 0.02, 0.4), "memory": (0.9, 0.6, 0.98, 0.75), "replay": (0.3, 0.1, 1.0, 0.02)}
_ACTIVE = 1e-6  # an error this near to the largest counts as the largest
_AT_BOUND = 1e-9
_MOST_ITERATIONS = 60
_TOLERANCE = 1e-10  # of the objective
_SMALL = 1e-5  # the gradient of an optimum: a thousand times less than where one parameter is off by a tenth
_SAME = 1e-6  # of r: two solutions are one
_KEPT = 8  # iterates whose solutions are kept: a step of the search asks for few


@dataclass(frozen=True, kw_only=True, eq=False)
class Protocol:
    """A chain with the best protocol found, and what certifies that it is optimal.

    Attributes
    ----------
    chain : with the optimal parameters. solution : its ChainSolution.
    values : {"gamma": (T - 1,), "replay_1": (T - 1,), ...} the parameters found, one a later task; replay_k is that of
        task k, and 0 in the tasks up to k.
    objective : what was minimised, at the optimum.
    gradient : what is left of the derivative at the optimum, in ln gamma, memory and replay, once the directions that
        bounds forbid are taken out (for "worst": of the best mixture of the largest errors). Small where the optimum is
        one.
    gradient_error : largest change of the derivatives when the step of the differences is doubled.
    converged : whether `gradient` is at most 1e-5: a stationary point, inside the bounds or held by them.
    thermodynamic : whether each task's solution has the largest free entropy of all that continuation in alpha finds;
        False where another branch wins.
    starts : the objective that each start reached, nan where a solve failed. A start may have run out of iterations:
        `converged` speaks of the end that is returned.
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

    @property
    def converged(self) -> bool:
        return self.gradient <= _SMALL

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the parameters chosen, the objective, what certifies it, the chain and its solution."""
        names = ("converged", "objective", "gradient", "gradient_error", "thermodynamic", "starts", "n_solves")
        told = {name: getattr(self, name) for name in names}
        told["starts"] = [None if np.isnan(value) else value for value in self.starts]
        values = {name: row.tolist() for name, row in self.values.items()}
        return {"values": values, **told, "chain": self.chain.to_dict(), "solution": self.solution.to_dict()}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each later task: its number, what was chosen, eps_g on it at the end, and what certifies it."""
        return [
            {
                "task": t + 1,
                **{name: float(row[t - 1]) for name, row in self.values.items()},
                "eps_g": float(self.solution.eps_g[-1, t]),
                "thermodynamic": self.thermodynamic[t],
                "converged": self.converged,
            }
            for t in range(1, len(self.chain.tasks))
        ]

    def __repr__(self) -> str:
        """Short: the parameters, the objective, and what is left of its derivative."""
        told = ", ".join(f"{name}=[{', '.join(f'{v:.4g}' for v in row)}]" for name, row in self.values.items())
        ended = "" if self.converged else ", not converged"
        return f"Protocol({told}: {self.objective:.6g}, gradient {self.gradient:.0e}{ended})"


def optimise(
    chain: Chain,
    over: Sequence[str] = ("gamma",),
    objective: str | Sequence[float] = "mean",
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    n_starts: int = 2,
) -> Protocol:
    """The gamma, memory or replay of each later task that leave the least error after the last one.

    Parameters
    ----------
    chain : two tasks or more; its own values of what is in `over` are not read.
    over : one or several of "gamma", "memory", "replay" (patterns per weight of every earlier task, learned again in
        every later one), or "replay_1", "replay_2", ... (of that task alone; the chain's replay of others stays).
    objective : "mean" of the errors on all tasks after the last, "worst" of them, or T weights >= 0 of their sum.
    bounds : {"gamma": (low, high)}, likewise "memory" and "replay", or "replay_1", as in `over`; default 1e-3 to 10,
        0 to 1, 0 to 2.
    n_starts : 1 to 4 starts; the best end is returned.

    Raises
    ------
    ValueError : an argument out of range, a task without the anchor or the patterns that a parameter needs.
    ConvergenceError : no start reached an end.
    """
    problem = checked(chain, over, objective, bounds)
    if check_count("n_starts", n_starts) > 4:
        raise ValueError(f"n_starts must be at most 4, got {n_starts!r}")
    ends: list[tuple[float, np.ndarray | None]] = []
    refused: ConvergenceError | None = None
    for k in range(n_starts):
        begin = np.array([problem.coordinate(name, _STARTS[_kind(name)][k]) for name, _ in problem.slots])
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
    final = problem.chain_at(problem.settled(u))
    derivative, doubled = problem.derivatives(u), problem.derivatives(u, 2.0 * _STEP)
    solution = solve(final)
    return Protocol(
        chain=final, solution=solution, values=problem.parameters(problem.settled(u)), objective=value,
        gradient=problem.left(u, derivative), gradient_error=float(np.abs(doubled - derivative).max()),
        thermodynamic=_wins(solution), starts=[end[0] for end in ends],
        n_solves=problem.n_solves,
    )  # fmt: skip


def _wins(solution: ChainSolution) -> list[bool]:
    """Of each task, whether its solution is the thermodynamic one among all solutions."""
    of_all = solve_chain(solution.chain, "best", "raise", complete=True)
    assert isinstance(of_all, ChainSolution)
    pairs = zip(of_all.tasks, solution.tasks, strict=True)
    return [one.thermodynamic is True and abs(one.r - used.r) < _SAME for one, used in pairs]


def checked(chain: Any, over: Any, objective: Any, bounds: Any) -> _Problem:
    """The problem in u, once every argument is known to be in range."""
    if not isinstance(chain, Chain):
        raise ValueError(f"chain must be a Chain of two tasks or more, got {chain!r}")
    if len(chain.tasks) < 2:
        raise ValueError("chain must be a Chain of two tasks or more, got one task")
    names = (over,) if isinstance(over, str) else tuple(over) if isinstance(over, Sequence) else ()
    later = len(chain.tasks) - 1
    chosen = [one for name in names for one in _expanded(name, later)]
    if not names or len(set(chosen)) != len(chosen):
        raise ValueError(f"over must be distinct names among {', '.join(PARAMETERS)}, got {over!r}")
    for task in chain.tasks[1:]:
        if task.anchor == "none" and any(_kind(name) != "replay" for name in names):
            raise ValueError("anchor must not be 'none' where gamma or memory is chosen, got 'none'")
    for name in chosen:
        if _kind(name) == "replay":
            for task in chain.tasks[_of(name) :]:
                replace(task, replay={_of(name): 1.0})  # refuses what does not go with replay
    weights = None
    if isinstance(objective, str):
        check_choice("objective", objective, ("mean", "worst"))
        if objective == "mean":
            weights = np.full(len(chain.tasks), 1.0 / len(chain.tasks))
    elif np.ndim(objective) != 1:
        raise ValueError(f"objective must be mean, worst or {len(chain.tasks)} weights, got {objective!r}")
    else:
        weights = np.array([check_number("objective", value, low=0.0) for value in objective])
        if weights.size != len(chain.tasks) or not weights.any():
            raise ValueError(f"objective must hold {len(chain.tasks)} weights, not all 0, got {objective!r}")
    limits = {name: BOUNDS[_kind(name)] for name in names}
    if bounds is not None and not isinstance(bounds, Mapping):
        raise ValueError(f"bounds must be a dict such as {{'gamma': (0.01, 2)}}, got {bounds!r}")
    for name, ends in (bounds or {}).items():
        check_choice("bounds", name, names)
        if np.shape(ends) != (2,):
            raise ValueError(f"bounds[{name!r}] must be two numbers, got {ends!r}")
        low, high = ends
        top = 1.0 if name == "memory" else np.inf
        low = check_number(f"bounds[{name!r}]", low, low=0.0, open_low=name == "gamma")
        limits[name] = (low, check_number(f"bounds[{name!r}]", high, low=low, high=top, open_low=True))
        if name != "gamma" and limits[name][1] - low < _NARROWEST:
            raise ValueError(f"bounds[{name!r}] must lie at least {_NARROWEST:g} apart, got {ends!r}")
    if "gamma" in names:
        strongest = limits["gamma"][1] * max(task.beta for task in chain.tasks[1:])
        if strongest > LARGEST_STRENGTH:
            raise ValueError(
                f"bounds['gamma'] must keep beta gamma at most {LARGEST_STRENGTH:g}, got beta gamma = {strongest:g}"
            )
    return _Problem(chain, chosen, weights, {one: limits[name] for name in names for one in _expanded(name, later)})


def _kind(name: str) -> str:
    """gamma, memory or replay: what replay_2 is too."""
    return name.partition("_")[0]


def _of(name: str) -> int:
    """The number of the task that replay_2 is of."""
    return int(name.partition("_")[2])


def _expanded(name: Any, later: int) -> list[str]:
    """The parameters that a name of `over` stands for: "replay" is that of every earlier task."""
    if isinstance(name, str) and re.fullmatch(r"replay_\d+", name):
        if not 1 <= _of(name) <= later:
            raise ValueError(f"over must name the replay of a task from 1 to {later}, got {name!r}")
        return [f"replay_{_of(name)}"]
    check_choice("over", name, PARAMETERS)
    return [f"replay_{k}" for k in range(1, later + 1)] if name == "replay" else [name]


@dataclass
class _Problem:
    """eps_g after the last task and its derivatives, as functions of u."""

    chain: Chain
    over: list[str]  # gamma, memory, replay_1, ...
    weights: np.ndarray | None  # None: the worst
    limits: dict[str, tuple[float, float]]
    n_solves: int = 0
    walks: dict[bytes, list[Walk]] = field(default_factory=dict)
    slopes: dict[bytes, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)

    @property
    def later(self) -> int:
        return len(self.chain.tasks) - 1

    @cached_property
    def slots(self) -> list[tuple[str, int]]:
        """(n,): the parameter and the task, from 0, that each entry of u stands for; of replay the tasks after it."""
        return [
            (name, t) for name in self.over for t in range(_of(name) if _kind(name) == "replay" else 1, self.later + 1)
        ]

    @cached_property
    def box(self) -> np.ndarray:
        """(n, 2): bounds of u."""
        return np.array([[self.coordinate(name, end) for end in self.limits[name]] for name, _ in self.slots])

    def coordinate(self, name: str, value: float) -> float:
        if _kind(name) == "replay":
            return max(value, _NO_REPLAY)
        return float(np.log(value)) if name == "gamma" else value

    def settled(self, u: np.ndarray) -> np.ndarray:
        """u, with no replay at all where the least replay of an iterate is the best."""
        least = np.array([_kind(name) == "replay" for name, _ in self.slots]) & (u <= _NO_REPLAY + _AT_BOUND)
        return np.where(least, 0.0, u)

    def parameters(self, u: np.ndarray) -> dict[str, np.ndarray]:
        """What u stands for, one a later task."""
        values = {name: np.zeros(self.later) for name in self.over}
        for (name, t), entry in zip(self.slots, u, strict=True):
            values[name][t - 1] = np.exp(entry) if name == "gamma" else entry
        return values

    def chain_at(self, u: np.ndarray) -> Chain:
        tasks = list(self.chain.tasks)
        values = self.parameters(u)
        for name, t in self.slots:
            value: Any = float(values[name][t - 1])
            if _kind(name) == "replay":
                tasks[t] = replace(tasks[t], replay={**dict(tasks[t].replay), _of(name): value})
            else:
                tasks[t] = replace(tasks[t], **{name: value})
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
            _keep(self.walks, key, walks)
        return self.walks[key]

    def _slopes(self, u: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """y_t and dG_t/dy of every task at an iterate; both empty for the first task and for one without patterns."""
        key = u.tobytes()
        if key not in self.slopes:
            walks, tasks = self._walks(u), self.chain_at(u).tasks
            slopes = [(np.zeros(0), np.zeros((0, 0)))] * len(tasks)
            for t in range(1, len(tasks)):
                if tasks[t].alpha > 0.0:
                    equations = walks[t - 1].equations(t, tasks[t])
                    y = equations.beside(walks[t].solutions[t])
                    ends = [(equations.image(y + e).gap, equations.image(y - e).gap) for e in _STEP * np.eye(y.size)]
                    slopes[t] = y, np.column_stack([up - down for up, down in ends]) / (2.0 * _STEP)
            _keep(self.slopes, key, slopes)
        return self.slopes[key]

    def derivatives(self, u: np.ndarray, step: float = _STEP) -> np.ndarray:
        """d eps_g[T, k] / d u_i, (T, n); one-sided of second order where a bound of memory or replay is within the
        step."""
        return np.column_stack([self._derivative(u, i, step) for i in range(u.size)])

    def _derivative(self, u: np.ndarray, i: int, step: float) -> np.ndarray:
        """One column: u_i moves at every place of a stencil, and the tasks follow it to first order."""
        known, slopes = self._walks(u), self._slopes(u)
        name, first = self.slots[i]
        low, high = (-np.inf, np.inf) if name == "gamma" else self.box[i]
        places, weights = np.array([-1.0, 1.0]), np.array([-0.5, 0.5])  # and weight 0 here
        if u[i] + step > high or u[i] - step < low:
            places, weights = np.array([1.0, 2.0]), np.array([2.0, -0.5])  # and weight -3/2 here
            if u[i] + step > high:
                places, weights = -places, -weights
        here = -weights.sum()
        moved = [self.chain_at(u + place * step * np.eye(u.size)[i]).tasks for place in places]
        walks = [known[first - 1]] * places.size
        for t in range(first, self.later + 1):
            y, jacobian = slopes[t]
            equations = [walk.equations(t, tasks[t]) for walk, tasks in zip(walks, moved, strict=True)]
            if y.size == 0:
                walks = [
                    walk.go_on(t, each.site, without_patterns(tasks[t], each))
                    for walk, each, tasks in zip(walks, equations, moved, strict=True)
                ]
                continue
            gap = sum(weight * each.image(y).gap for weight, each in zip(weights, equations, strict=True))
            shift = -np.linalg.solve(jacobian, gap)  # dy_t/du_i times the step
            walks = [
                _go_on(walk, t, tasks[t], each, y + place * shift)
                for walk, each, tasks, place in zip(walks, equations, moved, places, strict=True)
            ]
        total = sum(weight * _errors(walk) for weight, walk in zip(weights, walks, strict=True))
        return (total + here * _errors(known[-1])) / step

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


def _keep(cache: dict[bytes, _Kept], key: bytes, value: _Kept) -> None:
    """Put `value` under `key`; of more than a few the oldest goes."""
    cache[key] = value
    if len(cache) > _KEPT:
        del cache[next(iter(cache))]


def _go_on(walk: Walk, t: int, task: Task, equations: Equations, y: np.ndarray) -> Walk:
    """The chain after task t, had it ended at y: only the conjugates of its solution are read."""
    image = equations.image(y)
    r_hat_of = by_task(task, image.replayed.r_hat)
    solution = replace(walk.solutions[0], task=task, r_hat_of=r_hat_of, **image.hats._asdict())
    return walk.go_on(t, equations.site, solution)


def _errors(walk: Walk) -> np.ndarray:
    """eps_g on every task after the last one."""
    channels = [task.channel for task in walk.chain.tasks]
    return np.array([channel.eps_g(float(share)) for channel, share in zip(channels, walk.flipped[-1], strict=True)])
