"""How a network answers a pattern, and how its teacher labels it: the energetic side of a problem.

A channel knows the averages over patterns that close the mean-field equations, where perfect overlap lies, the error of
a student that contradicts its teacher on a share of the sites, and what simulations need: the network, and the share of
labels that are flipped. It is a small frozen value and travels inside a Task. To add one: a frozen dataclass with these
methods, handed to `register`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from .orders import Hats, Orders, PatternAverages, StepOrders, StepPatterns
from .validation import check_choice, check_number


@runtime_checkable
class Channel(Protocol):
    """What a Task asks of its channel."""

    kind: ClassVar[str]

    def averages(self, orders: Orders, beta: float, refine: float) -> PatternAverages:
        """One pass over the patterns at alpha = 1; `refine` divides the rule's steps and widens its windows."""

    def aligned(self, alpha: float, beta: float, kappa: float) -> Orders:
        """Order parameters near the solution of highest overlap at large alpha; kappa is the prior's strength."""

    def eps_g(self, flipped: float) -> float:
        """The error on a fresh pattern, without noise, of a student wrong on a share `flipped` of the sites."""


@runtime_checkable
class StepChannel(Channel, Protocol):
    """A channel that knows steps of replica symmetry breaking too."""

    def step_averages(self, orders: StepOrders, beta: float, refine: float) -> StepPatterns:
        """As `averages`, with steps."""


@dataclass(frozen=True, kw_only=True)
class Perceptron:
    """y = sign(W . x), flipped with probability `flips`; the loss is -ln H(-y (m . x) / sqrt(sum_i (1 - m_i^2))).

        q_hat = 2 alpha Int Dz K(z) F'(sqrt(q) z)^2,
        r_hat = -(1 - 2 flips) 2 alpha / sqrt(2 pi) Int Dz F'(sqrt(q - r^2) z),
        q_star_hat = 2 alpha Int Dz K(z) (dF/dq_star)(sqrt(q) z),
        K(z) = (1 - flips) H(r z / sqrt(q - r^2)) + flips H(-r z / sqrt(q - r^2))

    (Phys. Rev. E 108, 014309, section III, with K in place of H for a noisy teacher).

    flips : rho, the probability that a label of the training set is flipped, 0 <= flips < 1/2. eps_g is counted on
        labels without noise; on noisy ones the error is flips + (1 - 2 flips) eps_g.
    """

    kind: ClassVar[str] = "perceptron"
    flips: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "flips", check_number("flips", self.flips, low=0.0, high=0.5, open_high=True))

    def averages(self, orders: Orders, beta: float, refine: float) -> PatternAverages:
        # Loading numba takes longer than many a solve: a Task alone must not need it.
        from .kernels.energetic import energetic

        q_hat, r_hat, q_star_hat, g_e, bend = energetic(*orders, beta, self.flips, refine)
        return PatternAverages(Hats(q_hat, r_hat, q_star_hat), g_e, bend)

    def step_averages(self, orders: StepOrders, beta: float, refine: float) -> StepPatterns:
        from .kernels.steps import energetic_steps

        q_hat, r_hat, q_star_hat, g_e, bends, gains, entropies = energetic_steps(
            orders.q, orders.r, orders.perpendicular, orders.steps, orders.fluctuation, orders.uncertainty,
            orders.parisi, beta, self.flips, refine,
        )  # fmt: skip
        return StepPatterns(q_hat, gains, r_hat, q_star_hat, g_e, bends, entropies)

    def aligned(self, alpha: float, beta: float, kappa: float) -> Orders:
        return sharp_overlap(alpha, beta, kappa) if self.flips == 0.0 else blunt_overlap(alpha, beta, self.flips)

    def eps_g(self, flipped: float) -> float:
        return angle(flipped)


def angle(flipped: float) -> float:
    """arccos(p) / pi with p = 1 - 2 flipped, exact for small shares too."""
    return 2.0 / math.pi * math.asin(math.sqrt(min(max(flipped, 0.0), 1.0)))


def sharp_overlap(alpha: float, beta: float, kappa: float) -> Orders:
    """Perfect overlap at large alpha: 1 - m is exponential at rate B, so 1 - q_star = 2/B, q_star - q = 1/B^2.

    B = alpha beta c / sqrt(1 - q_star) less what kappa Ent(m) takes at the edge,
    c = 2/pi - 2/sqrt(2 pi) Int_{-inf}^0 h(u)^2 du.
    """
    c, h2 = 0.3810180748705, 0.3203492209950
    load = min(alpha * beta, 1e9)  # beyond it q_star is 1 to all digits, and squares would leave the range of floats
    uncertainty = (2.0 / (load * c)) ** 2
    for _ in range(50):
        uncertainty = min(uncertainty, 0.5)
        rate = load * c / math.sqrt(uncertainty) - 0.5 * kappa * math.log(4.0 / uncertainty)
        uncertainty = math.exp(0.5 * (math.log(uncertainty) + math.log(2.0 / max(rate, 2.0))))
    fluctuation = 0.25 * uncertainty * uncertainty
    q_hat = 2.0 * load * beta * h2 / math.sqrt(2.0 * math.pi * uncertainty)
    perpendicular = q_hat * fluctuation * fluctuation
    q = 1.0 - uncertainty - fluctuation
    return Orders(q, math.sqrt(max(q - perpendicular, 0.0)), fluctuation, uncertainty, perpendicular)


def blunt_overlap(alpha: float, beta: float, flips: float) -> Orders:
    """m = c W at large alpha where labels are flipped: c / sqrt(1 - c^2) minimises the mean loss, and is finite."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_ndtr

    z = np.linspace(0.0, 9.0, 361)
    weight = np.exp(-0.5 * z * z)

    def loss(log_t: float) -> float:
        t = math.exp(log_t)
        return -float(weight @ ((1.0 - flips) * log_ndtr(t * z) + flips * log_ndtr(-t * z)))

    t = math.exp(minimize_scalar(loss, bounds=(-5.0, 8.0), method="bounded").x)
    uncertainty = 1.0 / (1.0 + t * t)
    fluctuation = min(uncertainty / (1.0 + alpha * beta), 0.1 * (1.0 - uncertainty))
    q = 1.0 - uncertainty - fluctuation
    return Orders(q, math.sqrt(q - fluctuation * q), fluctuation, uncertainty, fluctuation * q)


_KINDS: dict[str, type[Channel]] = {}
C = TypeVar("C", bound=type[Channel])


def register(kind: C) -> C:
    """Add a class of channels under its `kind`; serves as a decorator.

    Raises
    ------
    ValueError : the kind is taken by another class.
    """
    known = _KINDS.setdefault(kind.kind, kind)
    if known is not kind:
        raise ValueError(f"kind must be a new one, got {kind.kind!r}; there are {', '.join(_KINDS)}")
    return kind


register(Perceptron)
PLAIN = Perceptron()  # what a task has unless told otherwise


def kinds() -> tuple[str, ...]:
    """The channels that there are."""
    return tuple(_KINDS)


def to_dict(channel: Channel) -> dict[str, Any]:
    """{"kind": ..., its fields}: plain values."""
    fields: dict[str, Any] = dataclasses.asdict(channel)  # type: ignore[call-overload]
    return {"kind": channel.kind, **fields}


def from_dict(values: Mapping[str, Any]) -> Channel:
    """The channel that `to_dict` wrote.

    Raises
    ------
    ValueError : an unknown kind or field; the line names the nearest one.
    """
    fields = dict(values)
    kind = _KINDS[check_choice("channel kind", fields.pop("kind", None), kinds())]
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in fields:
        check_choice(f"{kind.kind} field", name, known)
    channel: Channel = kind(**fields)
    return channel
