"""Rows of replay-a: two tasks with replay, and the anchor that holds task 1 as well without."""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Chain, Task

_LARGEST_GAMMA = 50.0


def _solved(
    replayed: float, anchor: str, gamma: float, size: dict[str, Any], branch: str = "thermodynamic"
) -> dict[str, float]:
    from statmech_cl import solve

    second = Task(alpha=size["alpha_2"], beta=size["beta"], gamma=gamma, anchor=anchor, replay={1: replayed})
    chain = Chain((Task(alpha=size["alpha_1"], beta=size["beta"]), second), overlaps=size["overlap"])
    solution: Any = solve(chain, branch=branch)
    last = solution.tasks[1]
    certificate = {name: getattr(last, name) for name in ("replicon", "residual", "quadrature_error")}
    return {"eps_1": float(solution.eps_g[1, 0]), "eps_2": float(solution.eps_g[1, 1]), **certificate}


def replay_row(*, replayed: float, anchor: str, gamma: float, **size: Any) -> dict[str, Any]:
    """Both errors after task 2, of the solution of largest free entropy."""
    return _solved(replayed, anchor, gamma, size)


def worth_row(*, eps_1: float, gamma: float, **size: Any) -> dict[str, Any]:
    """The gamma that leaves eps_1 without replay, and what that does to task 2; looked for from `gamma` upwards."""
    from scipy.optimize import brentq

    def excess(trial: float) -> float:  # the cheaper branch leads the way; the end is solved like the rest
        return _solved(0.0, "kl", trial, size, "best")["eps_1"] - eps_1

    high = 1.5 * gamma
    while excess(high) > 0.0:
        high *= 1.5
        if high > _LARGEST_GAMMA:
            raise ValueError(f"eps_1 must be reached by gamma up to {_LARGEST_GAMMA:g}, got {eps_1!r}")
    same = gamma if excess(gamma) <= 0.0 else brentq(excess, gamma, high, xtol=1e-10, rtol=1e-12)
    return {"same_gamma": float(same), **_solved(0.0, "kl", float(same), size)}
