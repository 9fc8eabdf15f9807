"""Rows of map-a: a map of similarity, and the same values by solves that know no neighbour."""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Chain, Task


def _chain(size: dict[str, Any], overlap: float, alpha_2: float) -> Chain:
    first = Task(alpha=size["alpha_1"], beta=size["beta"])
    return Chain((first, Task(alpha=alpha_2, beta=size["beta"], gamma=size["gamma"])), overlaps=overlap)


def map_row(**size: Any) -> dict[str, Any]:
    """The whole map."""
    import numpy as np

    from statmech_cl import similarity_map

    xs, ys = np.linspace(*size["x"]), np.linspace(*size["y"])
    return similarity_map(_chain(size, 0.0, 1.0), xs=xs, ys=ys).to_dict()


def solved_row(*, overlap: float, alpha_2: float, **size: Any) -> dict[str, Any]:
    """Forgetting and transfer at one point by solve() alone."""
    from statmech_cl import solve

    chain = _chain(size, overlap, alpha_2)
    pair: Any = solve(chain)
    alone: Any = solve(Task(alpha=alpha_2, beta=size["beta"]))
    return {"forgetting": float(pair.forgetting[0]), "transfer": float(alone.eps_g - pair.eps_g[1, 1])}
