"""Statistical mechanics of continual learning with binary weights.

`solve(Task(alpha=0.5, beta=20.0))` solves the mean-field equations; `learn(Task(alpha=0.5))` gives the learning curve
of gradient descent. Simulations live in `statmech_cl.simulations`
(needs torch), drawing in `statmech_cl.figures`, the paper's figures in `statmech_cl.paper_repro`.
"""

from typing import Any

from . import anchors, channels
from ._version import __version__
from .channels import Perceptron
from .descent_settings import DescentSettings
from .estimate import Estimate
from .problem import Chain, Task
from .solution import ChainSolution, ConvergenceError, InstabilityError, Solution, Status
from .trees import Tree

__all__ = [
    "Branch",
    "Chain",
    "ChainSolution",
    "ConvergenceError",
    "DescentSettings",
    "Estimate",
    "InstabilityError",
    "LearningCurve",
    "Perceptron",
    "PhaseDiagram",
    "PlaneCurve",
    "Protocol",
    "SimilarityMap",
    "Solution",
    "Status",
    "Task",
    "Tree",
    "__version__",
    "anchors",
    "channels",
    "curve",
    "learn",
    "optimise",
    "phase_diagram",
    "similarity_map",
    "solve",
    "solve_many",
    "trace",
]


def __getattr__(name: str) -> Any:
    # Loaded at first use: importing numba and SciPy takes longer than many a solve.
    if name == "solve":
        from .equilibrium.solve import solve

        return solve
    if name == "solve_many":
        from .equilibrium.many import solve_many

        return solve_many
    if name in ("trace", "Branch"):
        from .equilibrium import trace

        return getattr(trace, name)
    if name in ("curve", "PlaneCurve"):
        from .equilibrium.plane import curves

        return getattr(curves, name)
    if name in ("learn", "LearningCurve"):
        from . import dynamics

        return getattr(dynamics, name)
    if name in ("phase_diagram", "PhaseDiagram"):
        from .equilibrium.plane import diagram

        return getattr(diagram, name)
    if name in ("optimise", "Protocol"):
        from .protocols import optimal

        return getattr(optimal, name)
    if name in ("similarity_map", "SimilarityMap"):
        from .protocols import similarity

        return getattr(similarity, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
