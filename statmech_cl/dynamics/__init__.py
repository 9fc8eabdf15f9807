"""What descent does, by theory: dynamical mean-field theory of gradient descent, one task after another.

`learn(Task(alpha=0.5))` gives overlaps, errors and loss at every epoch; docs/dynamics.md has the equations.
"""

from ..descent_settings import DescentSettings
from ..solution import InstabilityError
from .curve import Bias, LearningCurve, LearningStage
from .learning import learn, learn_many

__all__ = ["Bias", "DescentSettings", "InstabilityError", "LearningCurve", "LearningStage", "learn", "learn_many"]
