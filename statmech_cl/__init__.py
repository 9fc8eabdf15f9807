"""Statistical mechanics of continual learning with binary weights.

`solve(Task(alpha=0.5, beta=20.0))` solves the mean-field equations. Simulations live in `statmech_cl.simulations`
(needs torch), drawing in `statmech_cl.figures`, the paper's figures in `statmech_cl.paper_repro`.
"""

from ._version import __version__
from .problem import Chain, Task
from .solution import ConvergenceError, Estimate, Solution, Status

__all__ = ["Chain", "ConvergenceError", "Estimate", "Solution", "Status", "Task", "__version__"]
