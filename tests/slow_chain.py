"""One application of the entropic map of a later task, slowly: dense grids in theta_ref, x and m, straight from G_S2.

Shares no code and no grid with `statmech_cl.kernels`: composite Gauss-Legendre panels in theta, uniform sums over the
Gaussian fields, anchors by their definitions. `by_pairs` integrates over (theta_ref, x, m) for any anchor; `by_field`
uses that the KL anchor is a random field, and reaches large hats.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

_X, _W = np.polynomial.legendre.leggauss(10)
_STEP = 0.3  # of the fields: averages over m are analytic to a distance of 1.5, so the sums are good to 1e-12
_REACH = 8.2  # standard deviations of a Gaussian kept: 2e-16 is left out
_CHUNK = 400


class Hats(NamedTuple):
    q_hat: float
    r_hat: float
    q_star_hat: float


class Reference(NamedTuple):
    """theta : (n,), masses : (n, 2) for s = +1 and s = -1; all of them sum to 1."""

    theta: np.ndarray
    masses: np.ndarray


class Averages(NamedTuple):
    """Means over all sites; p_first is E <sign m>, p that with the task's own teacher."""

    q: float
    r: float
    q_star: float
    p_first: float
    p: float
    g_s: float
    overlap: float


def panels(end: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes theta in [-end, end] and weights; theta = 0 is an edge of panels."""
    n = math.ceil(end / width)
    edges = np.linspace(-n * width, n * width, 2 * n + 1)
    half = 0.5 * width
    return ((edges[:-1] + half)[:, None] + half * _X).ravel(), np.tile(half * _W, 2 * n)


def entropy(theta: np.ndarray) -> np.ndarray:
    """ln 2 - KL(q_theta || uniform): the entropy of a sign with mean tanh(theta)."""
    up, down = special.expit(2.0 * theta), special.expit(-2.0 * theta)
    return special.entr(up) + special.entr(down)


def kl(theta: np.ndarray, ref: np.ndarray) -> np.ndarray:
    """KL(q_theta || q_ref), (n_ref, n), by its definition."""
    up, down = special.expit(2.0 * theta), special.expit(-2.0 * theta)
    log_up, log_down = special.log_expit(2.0 * ref), special.log_expit(-2.0 * ref)
    return -entropy(theta) - np.outer(log_up, up) - np.outer(log_down, down)


def anchor_of(name: str, theta: np.ndarray, ref: np.ndarray) -> np.ndarray:
    """A(theta | ref), (n_ref, n)."""
    if name == "none":
        return np.zeros((ref.size, theta.size))
    if name == "kl":
        return kl(theta, ref)
    square = 0.5 * (theta[None, :] - ref[:, None]) ** 2
    return square if name == "l2" else square * (1.0 - np.tanh(ref) ** 2)[:, None]


def _end(hats: Hats) -> float:
    slope = abs(hats.r_hat) + 10.0 * math.sqrt(hats.q_hat) + 3.0 * abs(hats.q_star_hat - 0.5 * hats.q_hat)
    return 13.0 + 0.5 * math.log(2.0 + slope)


def local_exponent(theta: np.ndarray, weight: np.ndarray, hats: Hats, kappa: float) -> np.ndarray:
    """a m^2 - kappa KL(q_theta || uniform) + ln(dm), dm the weight of a node."""
    log_sech2 = -2.0 * (np.abs(theta) + np.log1p(np.exp(-2.0 * np.abs(theta))) - math.log(2.0))
    a = hats.q_star_hat - 0.5 * hats.q_hat
    return a * np.tanh(theta) ** 2 + kappa * (entropy(theta) - math.log(2.0)) + log_sech2 + np.log(weight)


def first_reference(hats: Hats, kappa: float, overlap: float, width: float = 0.25) -> Reference:
    """rho(theta_1) = Int Dz exp[g] / Int dm exp[g], on sites with s = +1 and -1 for teachers of this overlap."""
    theta, weight = panels(_end(hats) + 2.0, width)
    fine, fine_weight = panels(_end(hats), 0.1)
    inner = local_exponent(fine, fine_weight, hats, kappa)
    outer = local_exponent(theta, weight, hats, kappa)
    field, gauss = gaussian_fields(hats.r_hat, hats.q_hat)
    density = np.zeros(theta.size)
    for k in range(0, field.size, _CHUNK):
        b = field[k : k + _CHUNK, None]
        log_z = special.logsumexp(inner + b * np.tanh(fine), axis=1)[:, None]
        density += gauss[k : k + _CHUNK] @ np.exp(outer + b * np.tanh(theta) - log_z)
    assert abs(density.sum() - 1.0) < 1e-9
    return Reference(theta, density[:, None] * np.array([0.5 + 0.5 * overlap, 0.5 - 0.5 * overlap]))


def gaussian_fields(mean: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Uniform fields and the weights of a Gaussian."""
    sd = math.sqrt(variance)
    step = min(_STEP, 0.5 * sd)
    b = mean + np.arange(-math.ceil(_REACH * sd / step), math.ceil(_REACH * sd / step) + 1) * step
    return b, step * np.exp(-0.5 * ((b - mean) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))


def by_field(reference: Reference, hats: Hats, kappa: float, scale: float) -> tuple[Averages, Reference]:
    """Averages where the reference adds a field scale theta_ref, and the masses of theta afterwards.

    kappa counts prior and anchor together; G_S leaves out what does not depend on m.
    """
    theta, weight = panels(_end(hats) + 1.0, 0.1)
    m = np.tanh(theta)
    exponent = local_exponent(theta, weight, hats, kappa)
    sd = math.sqrt(hats.q_hat)
    reach = _REACH * sd + abs(hats.r_hat)
    low, high = scale * reference.theta[0] - reach, scale * reference.theta[-1] + reach
    b = np.arange(low, high, min(_STEP, 0.5 * sd))
    density = np.zeros((b.size, 2))
    tilted = np.zeros((b.size, 2))
    m_ref = np.tanh(reference.theta)[:, None]
    for side, s in enumerate((1.0, -1.0)):
        for k in range(0, b.size, _CHUNK):
            gap = (b[k : k + _CHUNK, None] - s * hats.r_hat - scale * reference.theta) / sd
            gauss = np.exp(-0.5 * gap * gap) * (b[1] - b[0]) / (sd * math.sqrt(2.0 * math.pi))
            density[k : k + _CHUNK, side] = gauss @ reference.masses[:, side]
            tilted[k : k + _CHUNK, side] = gauss @ (m_ref[:, 0] * reference.masses[:, side])
    used = np.flatnonzero(density.sum(axis=1) > 1e-17)
    b, density, tilted = b[used], density[used], tilted[used]
    rows = []
    after = np.zeros((theta.size, 2))
    for k in range(0, b.size, _CHUNK):
        e = exponent + b[k : k + _CHUNK, None] * m
        log_z = special.logsumexp(e, axis=1)
        prob = np.exp(e - log_z[:, None])
        rows.append(np.column_stack([prob @ m, prob @ (m * m), prob @ np.sign(m), log_z]))
        after += prob.T @ density[k : k + _CHUNK]
    mean, square, sign, log_z = np.vstack(rows).T
    total, signed = density.sum(axis=1), density[:, 0] - density[:, 1]
    averages = Averages(
        total @ mean**2, signed @ mean, total @ square, total @ sign, signed @ sign, total @ log_z,
        tilted.sum(axis=1) @ mean,
    )  # fmt: skip
    return averages, Reference(theta, after)


def by_pairs(
    reference: Reference, hats: Hats, kappa: float, anchor: str, strength: float, memory: float
) -> tuple[Averages, Reference]:
    """Averages over every pair (theta_ref, field) under any anchor, and the masses of theta afterwards.

    For hats up to some thousand: exp(field m) and the rest are formed apart, and their product by matrix products.
    """
    keep = np.flatnonzero(reference.masses.sum(axis=1) > 1e-15)
    ref, masses = reference.theta[keep], reference.masses[keep]
    theta, weight = panels(_end(hats) + 1.0, 0.1)
    m = np.tanh(theta)
    rest = local_exponent(theta, weight, hats, kappa) - strength * anchor_of(anchor, theta, memory * ref)
    top = rest.max(axis=1, keepdims=True)
    local = np.exp(rest - top + 300.0)
    sums = np.zeros(5)
    p_first = overlap = 0.0
    after = np.zeros((theta.size, 2))
    for side, s in enumerate((1.0, -1.0)):
        fields, gauss = gaussian_fields(s * hats.r_hat, hats.q_hat)
        for k in range(0, fields.size, _CHUNK):
            b = fields[k : k + _CHUNK]
            drive = np.exp(np.outer(m, b) - np.abs(b) + 300.0)
            z, first, second, sign = (local @ (f[:, None] * drive) for f in (np.ones_like(m), m, m * m, np.sign(m)))
            w = masses[:, side, None] * gauss[k : k + _CHUNK]
            log_z = np.log(z) + top - 600.0 + np.abs(b)
            mean = first / z
            signs = (w * sign / z).sum()
            sums += [(w * mean**2).sum(), s * (w * mean).sum(), (w * second / z).sum(), s * signs, (w * log_z).sum()]
            p_first += signs
            overlap += (w * mean * np.tanh(ref)[:, None]).sum()
            after[:, side] += ((local.T @ (w / z)) * drive).sum(axis=1)
    q, r, q_star, p, g_s = sums
    return Averages(q, r, q_star, p_first, p, g_s, overlap), Reference(theta, after)
