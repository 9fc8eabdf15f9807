"""Drawing: results in, matplotlib Axes out; computes nothing.

    from statmech_cl import figures
    with figures.style():
        fig, ax = figures.new()
        figures.curve(ax, solutions, "eps_g", label="theory")

Every function takes an Axes and returns it; `style()` is a quiet journal style (colour-blind safe, vector PDF with
embedded fonts), kept in one file, `statmech_cl.mplstyle`.
"""

from .axes import COLORS, curve, marked, new, points, rendered, style, upper_bounds
from .branches import branches
from .chains import forgetting_matrix, front
from .curves import learning_curve
from .maps import similarity_map, value_map
from .phase import phase_diagram

__all__ = [
    "COLORS",
    "branches",
    "curve",
    "forgetting_matrix",
    "front",
    "learning_curve",
    "marked",
    "new",
    "phase_diagram",
    "points",
    "rendered",
    "similarity_map",
    "style",
    "upper_bounds",
    "value_map",
]
