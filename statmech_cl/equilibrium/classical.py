"""A classical limit beside the theory: binary weights drawn from the Bayes-optimal posterior.

The same machinery with another local measure, m in {-1, +1} instead of [-1, 1], and the hard loss: at beta = 1 the
soft likelihood averages to the step's, Int Dx H((sqrt(q_star - q) x + w) / sqrt(1 - q_star)) = H(w / sqrt(1 - q)),
whatever q_star is. Kernels, Newton's method and continuation are those of the other solvers; that q = r and
q_hat = r_hat (Nishimori) comes out, nothing puts it in. Its numbers have stood in the literature for thirty years
(G. Gyorgyi, Phys. Rev. A 41, 7097 (1990); H. Sompolinsky, N. Tishby, H. S. Seung, Phys. Rev. Lett. 65, 1683 (1990)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..bracket import root_between
from ..channels import angle
from ..kernels.grids import field_nodes
from ..orders import Hats, Orders, SiteAverages
from ..problem import Task
from ..validation import check_choice, check_number
from .continuation import first_node, follow, locate
from .landscape import Stretch
from .saddle import Equations, Image, certify, failure, low_start, newton

_BRANCHES = ("low", "perfect", "best")
_FIRST, _LAST = 1e-3, 2.0  # alphas between which the low branch is followed


@dataclass(frozen=True)
class BinarySite:
    """exp[b m - q_hat/2] on m in {-1, +1}, b = sqrt(q_hat) z + r_hat: <m> = tanh b.

    q_star = 1 has no room in the unknowns; as beta = 1 leaves it without meaning, 1 - q is split evenly into
    q_star - q and 1 - q_star.
    """

    kappa: float = 0.0

    def averages(self, hats: Hats, refine: float) -> SiteAverages:
        b, weight = field_nodes(hats.r_hat, hats.q_hat, 0.0, False, refine)
        mean = np.tanh(b)
        sech2 = 1.0 / np.cosh(np.minimum(np.abs(b), 350.0)) ** 2
        short = 1.0 - mean
        short[b > 0.0] = 2.0 / (1.0 + np.exp(2.0 * np.minimum(b[b > 0.0], 350.0)))
        left = float(weight @ sech2)
        deficit = float(weight @ short)
        spread = float(weight @ (short - deficit) ** 2)
        g_s = float(weight @ np.logaddexp(b, -b)) - 0.5 * hats.q_hat
        orders = Orders(float(weight @ mean**2), 1.0 - deficit, 0.5 * left, 0.5 * left, spread)
        return SiteAverages(orders, g_s, float(weight @ sech2**2))

    def flipped(self, hats: Hats, refine: float) -> float:
        """(1 - r) / 2: a weight is its own sign."""
        return 0.5 * (1.0 - self.averages(hats, refine).orders.r)

    def sources(self, sd: float, refine: float) -> tuple[np.ndarray, np.ndarray, float]:
        return np.zeros(1), np.array([[1.0, 0.0]]), 0.0

    def local(self, b: np.ndarray, curvature: float, refine: float) -> tuple[np.ndarray, ...]:
        """m^2 = 1: the curvature is a constant."""
        slope = 1.0 / np.cosh(np.minimum(np.abs(b), 350.0)) ** 2
        return np.logaddexp(b, -b) + curvature, np.tanh(b), slope, 0.5 * slope, 0.5 * slope

    def flipped_at(self, b: np.ndarray, top: np.ndarray, curvature: float, refine: float) -> float:
        negative = 1.0 / (1.0 + np.exp(np.clip(2.0 * b, -700.0, 700.0)))
        return float(top[0] @ negative + top[1] @ (1.0 - negative))


@dataclass(frozen=True, kw_only=True)
class PosteriorSolution:
    """Binary weights drawn from the posterior given alpha N labels.

    Attributes
    ----------
    q, r : overlap of two draws, and of a draw with the teacher; equal (Nishimori).
    q_hat, r_hat : their conjugates; equal too.
    free_entropy : entropy of the posterior per weight, in nats; 0 when the teacher is all that is left.
    eps_gibbs, eps_bayes : test errors of one draw, arccos(q)/pi, and of the majority of draws, arccos(sqrt q)/pi.
    replicon : stability of replica symmetry, below 1: with steps of symmetry breaking the posterior stays as it is.
    residual, quadrature_error : as for Solution.
    """

    alpha: float
    q: float
    r: float
    q_hat: float
    r_hat: float
    free_entropy: float
    eps_gibbs: float
    eps_bayes: float
    replicon: float
    residual: float
    quadrature_error: float


class Transitions(NamedTuple):
    """alpha where the posterior shrinks to the teacher, and where the low branch ends."""

    information_theoretic: float
    spinodal: float


def _family(alpha: float) -> Equations:
    return Equations(alpha, 1.0, BinarySite())


@lru_cache(maxsize=1)
def _low() -> Stretch:
    """The low branch from alpha -> 0 to its fold, where it ends exactly."""
    start = newton(_family(_FIRST), low_start(_family(_FIRST)))
    curve = follow(_family, first_node(_family, start.image.y, _FIRST, 1.0), 0.5 * _FIRST, _LAST)
    k = curve.folds()[0]
    fold = locate(_family, curve.nodes[k], curve.nodes[k + 1], lambda node: float(node.tangent[-1]))
    return Stretch((*curve.nodes[: k + 1], fold), 0, "fold")


def _image(alpha: float) -> Image:
    return newton(_family(alpha), _low().start(alpha), polish=True).image


@lru_cache(maxsize=1)
def posterior_transitions() -> Transitions:
    """Free entropy = 0 on the low branch (alpha = 1.2447), and the end of that branch (alpha = 1.4926).

    Source: the papers named at the head of this module.
    """
    spinodal = _low().high
    at = root_between(lambda alpha: _family(alpha).free_entropy(_image(alpha)), 1.0, spinodal - 1e-3, xtol=1e-12)
    return Transitions(float(at), spinodal)


def solve_posterior(alpha: float, *, branch: str = "best") -> PosteriorSolution:
    """Replica-symmetric posterior over binary weights, with the hard loss and q = r, q_hat = r_hat by Nishimori:

        q     = Int Dz tanh( sqrt(q_hat) z + q_hat )
        q_hat = 2 alpha / sqrt(2 pi (1 - q)) Int Dz h( sqrt(q) z ),            h = -(ln H)'
        Phi   = -q_hat (1 + q) / 2 + Int Dz ln 2cosh( sqrt(q_hat) z + q_hat ) + 2 alpha Int Dz H(x) ln H(x),
                x = sqrt(q / (1 - q)) z

    Parameters
    ----------
    alpha : patterns per weight, alpha >= 0.
    branch : "low", "perfect" (q = 1, Phi = 0, a solution at every alpha > 0), or "best" (largest free entropy).

    Raises
    ------
    ValueError : alpha negative, an unknown branch, or "low" beyond its end (the message says where).
    ConvergenceError : no fixed point.

    Source: Gyorgyi (1990), Sompolinsky, Tishby and Seung (1990).
    """
    alpha = check_number("alpha", alpha, low=0.0)
    check_choice("branch", branch, _BRANCHES)
    ends = _low().high
    if branch == "low" and alpha > ends:
        raise ValueError(f"branch 'low' ends at alpha = {ends:.6g}, got alpha {alpha!r}; there it folds back")
    if branch == "best":
        branch = "low" if alpha <= posterior_transitions().information_theoretic else "perfect"
    if branch == "perfect":
        return _result(alpha, 1.0, 1.0, math.inf, math.inf, 0.0, 0.0, 0.0, 0.0)
    if alpha == 0.0:
        return _result(alpha, 0.0, 0.0, 0.0, 0.0, math.log(2.0), 0.0, 0.0, 0.0)
    equations = _family(alpha)
    start = low_start(equations) if alpha < _FIRST else _low().start(alpha)
    root = newton(equations, start, polish=True)
    if not root.converged:
        raise failure(f"alpha={alpha:g}", root, "the low branch ends nearby")
    solution = certify(Task(alpha=alpha, beta=1.0), equations, root)
    return _result(
        alpha,
        solution.q,
        solution.r,
        solution.q_hat,
        solution.r_hat,
        solution.free_entropy,
        solution.replicon,
        solution.residual,
        solution.quadrature_error,
    )


def _result(
    alpha: float, q: float, r: float, q_hat: float, r_hat: float, phi: float, replicon: float, residual: float,
    error: float,
) -> PosteriorSolution:  # fmt: skip
    return PosteriorSolution(
        alpha=alpha, q=q, r=r, q_hat=q_hat, r_hat=r_hat, free_entropy=phi,
        eps_gibbs=angle(0.5 * (1.0 - r)), eps_bayes=angle(0.5 * (1.0 - math.sqrt(q))),
        replicon=replicon, residual=residual, quadrature_error=error,
    )  # fmt: skip
