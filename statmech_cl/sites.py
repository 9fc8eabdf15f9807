"""What is local to one weight: the measure of m under the hats, alone or behind a reference.

    exp[ (q_star_hat - q_hat/2) m^2 + (sqrt(q_hat) x + r_hat s) m + prior(m) - beta gamma A(theta | memory theta_ref) ]

A site answers with the averages that close the equations, and, for a chain, with what it leaves to the next task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from . import anchors
from .kernels.anchored import FINE, NEGLIGIBLE
from .kernels.anchored_field import field_averages, field_observables, next_density
from .kernels.anchored_quadratic import quadratic_averages, quadratic_density, quadratic_observables
from .kernels.entropic import entropic, flipped
from .kernels.responses import N_RESPONSES
from .kernels.steps import flipped_steps, local_functions
from .orders import Hats, Orders, SiteAverages
from .problem import Task

OWN_SIGNS = np.array([[1.0], [-1.0]])  # of the task's own teacher: the kinds of sites where nothing is replayed
_PER_WIDTH = 0.6  # the step from one reference to the next, in widths of the Gaussian that smooths them
_RARE = 1e-9  # a share of signs below it is computed again, with all of its Gaussian's tails


class Site(Protocol):
    """The entropic side of a problem: everything local to one weight."""

    @property
    def kappa(self) -> float:
        """Strength of kappa Ent(m) in the local measure."""

    def averages(self, hats: Hats, refine: float) -> SiteAverages:
        """Order parameters, G_S and the replicon's factor; `refine` divides the rule's steps and widens its windows."""

    def flipped(self, hats: Hats, refine: float) -> float:
        """(1 - p) / 2, the share of sites where the binarised student contradicts the task's teacher."""


class StepSite(Protocol):
    """What steps of replica symmetry breaking ask of a site: where fields come from, and the measure in a field."""

    def sources(self, sd: float, refine: float) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Means (n,) of the fields apart from r_hat s, the mass (n, 2) of each for s = +1 and s = -1, and what is added
        to G_S; None where they lie too far apart for a Gaussian of width sd."""

    def local(self, b: np.ndarray, curvature: float, refine: float) -> tuple[np.ndarray, ...]:
        """At the fields b, each (n,), with curvature m^2 in the exponent: ln Z, <m> and its slope, <1 - m^2>, and the
        part of 1 - <m>^2 that is not <1 - m^2>."""

    def flipped_at(self, b: np.ndarray, top: np.ndarray, curvature: float, refine: float) -> float:
        """(1 - p) / 2 where the fields b have the masses (2, n), for s = +1 and s = -1."""


class _OnInterval:
    """The local measure on [-1, 1] in a field, for steps."""

    kappa: float

    def local(self, b: np.ndarray, curvature: float, refine: float) -> tuple[np.ndarray, ...]:
        g, mean, edge, variance = local_functions(b, curvature, self.kappa, refine)
        return g, mean, variance, edge, variance

    def flipped_at(self, b: np.ndarray, top: np.ndarray, curvature: float, refine: float) -> float:
        return float(flipped_steps(b, top, curvature, self.kappa, refine))


@dataclass(frozen=True)
class FreeSite(_OnInterval):
    """A site without reference: exp[a m^2 + b m - kappa KL(q_theta || uniform)] on [-1, 1]."""

    kappa: float

    def sources(self, sd: float, refine: float) -> tuple[np.ndarray, np.ndarray, float] | None:
        return np.zeros(1), np.array([[1.0, 0.0]]), -self.kappa * math.log(2.0)

    def averages(self, hats: Hats, refine: float) -> SiteAverages:
        return site_averages(
            entropic(*hats, self.kappa or None, refine), -self.kappa * math.log(2.0)
        )  # KL = ln 2 - Ent

    def flipped(self, hats: Hats, refine: float) -> float:
        return flipped(*hats, self.kappa or None, refine)


def site_averages(swept: Iterable[float], constant: float, moved: np.ndarray | None = None) -> SiteAverages:
    """A kernel's pass (q, r, q_star - q, 1 - q_star, q - r^2, G_S, spread) by name; `constant` is added to G_S."""
    *orders, g_s, spread = swept
    return SiteAverages(
        Orders(*orders), g_s + constant, spread, moved=moved if moved is not None and moved.size else None
    )


def room_for_responses(wanted: bool) -> np.ndarray:
    """Where a kernel adds up how its averages move with the hats, if that is wanted."""
    return np.zeros(N_RESPONSES if wanted else 0)


@dataclass(frozen=True, eq=False)
class FieldSite(_OnInterval):
    """A site whose reference is a random external field: anchor "kl", or none at all (scale = 0).

    Sites fall into groups by the signs of the teachers that the task sees: its own, and those whose patterns it
    replays. On a site of signs s, s_1, ..., s_k the field is shifted by r_hat s + r_hat_1 s_1 + ... + r_hat_k s_k.
    """

    theta: np.ndarray
    masses: np.ndarray  # (n, g): a group in each column
    scale: float
    kappa: float
    constant: float  # what prior and anchor add to G_S apart from the local integral
    signs: np.ndarray = field(default_factory=lambda: OWN_SIGNS)  # (g, 1 + k)
    replayed: tuple[float, ...] = ()  # (k,): r_hat_1 ... r_hat_k
    pairs: np.ndarray | None = None  # (n, 2): `paired` masses, where -theta and -s mirror theta and s

    def sources(self, sd: float, refine: float) -> tuple[np.ndarray, np.ndarray, float] | None:
        if self.scale == 0.0:
            return np.zeros(1), self.masses.sum(axis=0)[None], self.constant
        used = np.flatnonzero(self.masses.sum(axis=1) > NEGLIGIBLE)
        theta, masses = self.theta[used[0] : used[-1] + 1], self.masses[used[0] : used[-1] + 1]
        stride = int(min(_PER_WIDTH * sd / (self.scale * float(np.diff(theta).max()) * refine), FINE))
        if stride < 1:
            return None
        return self.scale * theta[::stride], stride * masses[::stride], self.constant

    def averages(self, hats: Hats, refine: float) -> SiteAverages:
        moved = room_for_responses(refine < 1.0 and not self.replayed)
        half = self.pairs is not None
        masses = self.pairs if half else self.masses
        *swept, others = field_averages(
            self.theta, masses, self.signs, self._shifts(hats), self.scale, self.kappa, hats.q_hat, hats.q_star_hat,
            half, refine, moved,
        )  # fmt: skip
        return site_averages(swept, self.constant, moved)._replace(others=others)

    def after(self, masses: np.ndarray, signs: np.ndarray, hats: Hats, refine: float, density: bool) -> After:
        """What the task leaves behind on each column of sites: masses : (n, c), signs : (c, 1 + k) as the site's."""
        tilted = masses * np.tanh(self.theta)[:, None]
        b, weights, mean, negative, positive = self._observables(
            np.hstack([masses, tilted]), np.vstack([signs, signs]), hats, refine, False
        )
        plain, by_ref = (np.ascontiguousarray(half) for half in np.hsplit(weights, 2))
        shares = np.array([negative @ plain, positive @ plain])
        if shares.min() < _RARE:  # again, to their last digits
            _, weights, _, negative, positive = self._observables(masses, signs, hats, refine, True)
            shares = np.array([negative @ weights, positive @ weights])
        a = hats[2] - 0.5 * hats[0]
        theta, after = next_density(b, plain, a, self.kappa, refine) if density else (self.theta, masses)
        return After(shares[0], shares[1], mean @ by_ref, theta, after)

    def _observables(
        self, masses: np.ndarray, signs: np.ndarray, hats: Hats, refine: float, far_tails: bool
    ) -> tuple[np.ndarray, ...]:
        """`field_observables` of any columns of sites: masses (n, c), signs (c, 1 + k)."""
        known = {tuple(row): g for g, row in enumerate(self.signs.tolist())}
        groups = np.array([known[tuple(row)] for row in signs.tolist()])
        order = np.argsort(groups, kind="stable")
        starts = np.searchsorted(groups[order], np.arange(len(known) + 1))
        b, weights, *observed = field_observables(
            self.theta, np.ascontiguousarray(masses[:, order]), starts, self._shifts(hats), self.scale, self.kappa,
            hats.q_hat, hats.q_star_hat, refine, far_tails,
        )  # fmt: skip
        return b, weights[:, np.argsort(order)], *observed

    def _shifts(self, hats: Hats) -> np.ndarray:
        """(g,): the mean field of each group apart from the reference's."""
        return self.signs @ np.array([hats.r_hat, *self.replayed])

    def flipped(self, hats: Hats, refine: float) -> float:
        return self.after(self.masses, self.signs, hats, refine, False).flipped(self.signs[:, 0])


@dataclass(frozen=True, eq=False)
class QuadraticSite:
    """A site under an anchor c (theta - mu)^2 / 2, c and mu functions of the reference: anchors "ewc" and "l2"."""

    theta: np.ndarray
    masses: np.ndarray  # (n, 2): s = +1, s = -1
    curvature: np.ndarray
    centre: np.ndarray
    kappa: float
    constant: float
    known: dict[tuple[float, ...], np.ndarray] = field(default_factory=dict)

    @cached_property
    def even(self) -> bool:
        """Whether m -> -m maps the site at -theta and -s onto that at theta and s."""
        odd = mirrored(self.theta) and np.array_equal(self.centre, -self.centre[::-1])
        return odd and np.array_equal(self.curvature, self.curvature[::-1])

    @cached_property
    def used(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """theta_ref, masses, curvature and centre to integrate over: one half of them where the other mirrors it."""
        if not self.even:
            return self.theta, self.masses, self.curvature, self.centre
        middle = self.theta.size // 2
        masses = paired(self.masses)[middle:]
        masses[0] *= 0.5  # theta = 0 is its own mirror image
        return self.theta[middle:], masses, self.curvature[middle:], self.centre[middle:]

    def averages(self, hats: Hats, refine: float) -> SiteAverages:
        moved = room_for_responses(refine <= 1.0)  # a Newton step less under the full rule pays for them
        if refine < 1.0:  # where only nearness is wanted, a still coarser rule: the cost goes with refine^3
            refine **= 1.5
        swept = quadratic_averages(*self.used, self.kappa, *hats, refine, moved)
        return site_averages(swept, self.constant, moved)

    def after(self, masses: np.ndarray, signs: np.ndarray, hats: Hats, refine: float, density: bool) -> After:
        """What the task leaves behind on each column of sites: masses (n, c), signs (c, 1) of this task's teacher."""
        of_site = self._observables(hats, refine, False)
        shares = self._means(of_site, masses, signs)
        if shares[:2].min() < _RARE:
            shares[:2] = self._means(self._observables(hats, refine, True), masses, signs)[:2]
        overlap = self._means(of_site, masses * np.tanh(self.theta)[:, None], signs)[2]
        theta, after = self.theta, masses
        if density:
            pieces: dict[int, np.ndarray] = {}
            for s in (1.0, -1.0):
                columns = np.flatnonzero(signs[:, 0] == s)
                if columns.size == 0:
                    continue
                theta, piece = quadratic_density(
                    self.theta, np.ascontiguousarray(masses[:, columns]), self.curvature, self.centre, s, self.kappa,
                    *hats, refine,
                )  # fmt: skip
                pieces.update(zip(columns, piece.T, strict=True))
            after = np.column_stack([pieces[c] for c in range(len(signs))])
        return After(shares[0], shares[1], overlap, theta, after)

    def _observables(self, hats: Hats, refine: float, far_tails: bool) -> np.ndarray:
        """(3, 2, n): for each reference, computed once at each place: it costs as much as four passes."""
        refine = min(refine, 1.25)  # enough to tell the rule's error
        key = (*hats, refine, far_tails)
        if key not in self.known:
            theta, masses, curvature, centre = self.used
            own = quadratic_observables(
                theta, masses.sum(axis=1), curvature, centre, self.kappa, *hats, refine, far_tails
            )
            if self.even:
                negative, positive, mean = own[:, ::-1, :0:-1]
                own = np.concatenate([[positive, negative, -mean], own], axis=2)
            self.known[key] = own
        return self.known[key]

    def _means(self, of_site: np.ndarray, masses: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """(3, c): means over the references of each column."""
        sides = np.where(signs[:, 0] > 0.0, 0, 1)
        return np.array([[row[side] @ masses[:, c] for c, side in enumerate(sides)] for row in of_site])

    def flipped(self, hats: Hats, refine: float) -> float:
        return self.after(self.masses, OWN_SIGNS, hats, refine, False).flipped(OWN_SIGNS[:, 0])


@dataclass(frozen=True, eq=False)
class After:
    """negative, positive : (c,) mass with m < 0 and m > 0; overlap : (c,) mean of tanh(theta_ref) m; theta, masses :
    the next density."""

    negative: np.ndarray
    positive: np.ndarray
    overlap: np.ndarray
    theta: np.ndarray
    masses: np.ndarray

    def flipped(self, signs: np.ndarray) -> float:
        """The mass of s m < 0 : signs (c,) of the columns."""
        return float(np.where(signs > 0.0, self.negative, self.positive).sum())


AnchoredSite = FieldSite | QuadraticSite


def prior_strength(task: Task) -> float:
    """kappa: what the task's own prior adds to the local measure, kappa Ent(m) up to a constant."""
    return task.beta if task.prior == "kl" else 0.0


def free_site(task: Task) -> FreeSite:
    """The site of a task without reference."""
    return FreeSite(prior_strength(task))


def anchored_site(task: Task, theta: np.ndarray, masses: np.ndarray, signs: np.ndarray = OWN_SIGNS) -> AnchoredSite:
    """The site of a later task, whose reference has `masses : (n, g)` at `theta`, on sites of the signs (g, 1 + k)."""
    anchor = anchors.get(task.anchor)
    prior = prior_strength(task)
    constant = -prior * math.log(2.0)
    strength = task.beta * task.gamma
    replayed = (0.0,) * (signs.shape[1] - 1)
    # Replay draws sites towards further teachers: -theta and -s do not mirror theta and s then.
    pairs = paired(masses) if mirrored(theta) and not replayed else None
    if not anchor.acts or strength == 0.0:
        return FieldSite(theta, masses, 0.0, prior, constant, signs, replayed, pairs)
    centre = task.memory * theta
    if anchor.curvature is None:
        strength *= anchor.kl
        constant -= strength * float(masses.sum(axis=1) @ log_2cosh(centre))
        return FieldSite(theta, masses, strength * task.memory, prior + strength, constant, signs, replayed, pairs)
    return QuadraticSite(theta, masses, strength * anchor.curvature(centre), centre, prior, constant)


def mirrored(theta: np.ndarray) -> bool:
    """Whether the grid theta : (n,) rises from -theta to theta by the same nodes."""
    return bool(theta.size % 2 == 1 and np.array_equal(theta, -theta[::-1]))


def paired(masses: np.ndarray) -> np.ndarray:
    """(n, 2): the masses of theta and s, and with them those of -theta and -s."""
    return masses + masses[::-1, ::-1]


def log_2cosh(x: np.ndarray) -> np.ndarray:
    """ln 2 cosh x without overflow."""
    return np.abs(x) + np.log1p(np.exp(-2.0 * np.abs(x)))
