"""What the sliders hold: checked values, read from an address, and the problems that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from statmech_cl import Chain, Task, anchors
from statmech_cl.problem import PRIORS
from statmech_cl.validation import check_choice, check_count, check_number

ALPHA_SPAN = (0.05, 3.0)  # where the theory's error estimates are certified


@dataclass(frozen=True)
class Slider:
    """A number: its label, its range, and the step of the slider (the address may hold any number in the range)."""

    label: str
    low: float
    high: float
    step: float


SLIDERS = {
    "alpha": Slider("α of task 1", *ALPHA_SPAN, 0.01),
    "beta": Slider("β of every task", 1.0, 200.0, 1.0),
    "tasks": Slider("number of tasks", 2, 5, 1),
    "alpha_2": Slider("α of each later task", *ALPHA_SPAN, 0.01),
    "gamma": Slider("γ, strength of the anchor", 0.0, 5.0, 0.01),
    "overlap": Slider("overlap of later teachers with the first", -1.0, 1.0, 0.05),
}


@dataclass(frozen=True, kw_only=True)
class State:
    """A first task and `tasks` - 1 later ones, all alike, each tied by an anchor to the one before.

    alpha, beta, prior : of the first task; `beta` is that of the later ones too, whose prior is "none".
    tasks : how many, the first counted.
    alpha_2, gamma, anchor, overlap : of each later task; `overlap` is that of its teacher with the first one.

    Raises
    ------
    ValueError : a value out of range, in one line.
    """

    alpha: float = 1.7
    beta: float = 20.0
    prior: str = "none"
    tasks: int = 2
    alpha_2: float = 1.0
    gamma: float = 1.0
    anchor: str = "kl"
    overlap: float = 0.5

    def __post_init__(self) -> None:
        for name, slider in SLIDERS.items():
            value = check_number(name, getattr(self, name), low=slider.low, high=slider.high)
            is_count = name == "tasks"
            object.__setattr__(self, name, check_count(name, _whole(value), low=2) if is_count else value)
        check_choice("prior", self.prior, PRIORS)
        check_choice("anchor", self.anchor, anchors.names())

    @classmethod
    def read(cls, address: Mapping[str, Sequence[str]]) -> State:
        """The state in the query of an address, name -> what was given under it; what is missing has its default.

        Raises
        ------
        ValueError : an unknown name, one given twice, a value that is not allowed, or a strength of no anchor.
        """
        names = [field.name for field in fields(cls)]
        values: dict[str, object] = {}
        for name, given in address.items():
            check_choice("name in the address", name, names)
            if len(given) != 1:
                raise ValueError(f"{name} must be given once in the address, got {', '.join(map(repr, given))}")
            values[name] = _number(given[0]) if name in SLIDERS else given[0]
        if values.get("anchor") == "none" and "gamma" in values:
            raise ValueError(f"gamma must not be given with the anchor 'none', got {values['gamma']!r}")
        return cls(**values)  # type: ignore[arg-type]

    def first(self) -> Task:
        """The first task."""
        return Task(alpha=self.alpha, beta=self.beta, prior=self.prior)

    def chain(self) -> Chain:
        """The whole chain."""
        later = Task(alpha=self.alpha_2, beta=self.beta, gamma=self.gamma, anchor=self.anchor)
        return Chain((self.first(), *[later] * (self.tasks - 1)), overlaps=self.overlap)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value
