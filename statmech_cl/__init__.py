"""Statistical mechanics of continual learning with binary weights.

`solve(Task(alpha=0.5, beta=20.0))` solves the mean-field equations. Simulations live in `statmech_cl.simulations`
(needs torch), drawing in `statmech_cl.figures`, the paper's figures in `statmech_cl.paper_repro`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .problem import Chain, Task
from .solution import ChainSolution, ConvergenceError, Estimate, Solution, Status

if TYPE_CHECKING:
    from .branches import Branch, trace
    from .saddle import solve

# Loaded at first use: importing numba and SciPy takes longer than many a solve.
_LAZY = {"solve": ".saddle", "trace": ".branches", "Branch": ".branches"}

__all__ = [
    "Branch",
    "Chain",
    "ChainSolution",
    "ConvergenceError",
    "Estimate",
    "Solution",
    "Status",
    "Task",
    "__version__",
    "solve",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
