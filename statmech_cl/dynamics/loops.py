"""The compiled inner loops: the loss and its derivatives at every sample, and one step of the tangents.

Tangents are kept in chunks of samples, `(chunks, j, k, CHUNK)`: what one chunk needs lies together.
"""

from __future__ import annotations

import numpy as np

from ..kernels._jit import njit, njit_loop
from ..kernels.gaussian import log_h_hazard
from ..kernels.sums import dot, total

CHUNK = 128


@njit_loop
def _losses(h, s, loss, phi, slope):
    """l(h; s) = -ln H(-h / sqrt s), dl/dh and d^2l/dh^2."""
    root = np.sqrt(s)
    for i in range(h.size):
        u = -h[i] / root
        log_h, k = log_h_hazard(u)
        loss[i] = -log_h
        phi[i] = -k / root
        slope[i] = k * (k - u) / s


@njit
def loss_terms(h, s, phi, slope):
    """phi = dl/dh and slope = d^2l/dh^2 of l(h; s) = -ln H(-h / sqrt s), filled in; returns sum l and sum phi h."""
    loss = np.empty(h.size)
    _losses(h, s, loss, phi, slope)
    return total(loss), dot(phi, h)


@njit
def pattern_tangents(history, n_phi, n_m, response, slope, gamma):
    """D_k(t) = sum_j response[j] history[j, k], for k < n_m; k = n_m is the perturbation at t itself, D = 1.

    Writes slope D_k into history[n_phi, k], and sum over the samples of slope D_k into gamma[k].
    """
    chunks = history.shape[0]
    row = np.empty(CHUNK, np.float32)
    for k in range(n_m + 1):
        gamma[k] = 0.0
    for c in range(chunks):
        here = slope[c]
        for k in range(n_m):
            row[:] = 0.0
            for j in range(n_phi):
                weight = response[j]
                past = history[c, j, k]
                for i in range(CHUNK):
                    row[i] += weight * past[i]
            out = history[c, n_phi, k]
            total = 0.0
            for i in range(CHUNK):
                out[i] = here[i] * row[i]
                total += out[i]
            gamma[k] += total
        out = history[c, n_phi, n_m]
        for i in range(CHUNK):
            out[i] = here[i]
            gamma[n_m] += here[i]


@njit
def site_responses(var, fields, n_phi, response):
    """sum over the samples of dm/dg_k = var dtheta_k into response[k], k < n_phi."""
    for k in range(n_phi):
        response[k] = 0.0
    for c in range(var.shape[0]):
        here = var[c]
        for k in range(n_phi):
            field = fields[c, k]
            total = 0.0
            for i in range(CHUNK):
                total += here[i] * field[i]
            response[k] += total


@njit
def site_tangents(history, n_m, n_phi, gamma, var, stiffness, fields, velocities, momentum, rate, scale, fresh):
    """One step of dtheta_k and dV_k in the directions k < n_phi of g.

    dV <- momentum dV + stiffness dtheta + var sum_{j < n_m} gamma[j] history[j, k]; dtheta <- scale (dtheta - rate dV).
    fresh : whether g is also perturbed at this step itself; that is direction k = n_phi.
    """
    row = np.empty(CHUNK, np.float32)
    for c in range(history.shape[0]):
        here, stiff = var[c], stiffness[c]
        for k in range(n_phi):
            row[:] = 0.0
            for j in range(n_m):
                weight = gamma[j]
                past = history[c, j, k]
                for i in range(CHUNK):
                    row[i] += weight * past[i]
            field, velocity = fields[c, k], velocities[c, k]
            for i in range(CHUNK):
                velocity[i] = momentum * velocity[i] + stiff[i] * field[i] + here[i] * row[i]
                field[i] = scale * (field[i] - rate * velocity[i])
        if fresh:
            field, velocity = fields[c, n_phi], velocities[c, n_phi]
            for i in range(CHUNK):
                velocity[i] = here[i]
                field[i] = -scale * rate * here[i]
