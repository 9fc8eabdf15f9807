"""Phi and its gradient of real rows on a CPU: SciPy's transforms, one compiled pass over memory between two of them.

Rows are `w : (n_rows, n)`, float32 or float64. Of a long row, n = a b: with k = b k_1 + k_2 and j = j_1 + a j_2 the
transform is a real one over k_1, a twist by exp(-2 pi i j_1 k_2 / n), and a complex one over k_2. Many short transforms
stay in the cache and take half the time of one long one, and Phi does not mind in which order the frequencies come.
Where n is short or has no divisor near its root, b = 1: one transform. Only j_1 = 0 .. a // 2 are kept: the others are
their twins.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numba import njit as _njit

# Sums may be taken in any order: without that leave no loop here is vectorised, and each takes six times longer.
_vectorised = _njit(cache=True, error_model="numpy", nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
_CHUNK = 256  # entries summed in their own precision before they go into a sum in double
_LONG = 2**15  # from here on, two rounds of short transforms are faster than one long one
_SHORT = 2**11


def coherence(rows: np.ndarray) -> np.ndarray:
    """Phi of each row of `rows : (n_rows, n)`: (n_rows,)."""
    return _folded(rows).phi


def coherence_and_gradient(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi of each row of `rows : (n_rows, n)`, (n_rows,), and its gradient, (n_rows, n)."""
    phi, _, gradient = _with_gradient(rows, rows, -1.0, 0.0)
    return phi, gradient


def regulariser(w: np.ndarray, w_prev: np.ndarray, lam: float, eta: float) -> tuple[float, np.ndarray]:
    """lam (1 - Phi(w)) + eta BB(w, w_prev) of flat tensors (n,), and its gradient by w, (n,)."""
    phi, squares, gradient = _with_gradient(w[None], w_prev[None], lam, eta)
    return lam * (1.0 - float(phi[0])) + 0.5 * eta * float(squares[0]), gradient[0]


class _Folded(NamedTuple):
    """Phi of rows, and what its gradient is made of: slope (sign F^H g - against w), the numbers (n_rows,) each.

    g : (n_rows, a // 2 + 1, b), at scale 1 and without the sign of s.
    """

    phi: np.ndarray
    g: np.ndarray
    slope: np.ndarray
    sign: np.ndarray
    against: np.ndarray


def _folded(rows: np.ndarray) -> _Folded:
    n_rows, n = rows.shape
    b = _divisor(n)
    a = n // b
    transform = scipy.fft.rfft(rows.reshape(n_rows, a, b), axis=1)
    if b > 1:
        _turn(_parts(transform), _twist(a, b, rows.dtype.char))
        transform = scipy.fft.fft(transform, overwrite_x=True)
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    tiny = np.finfo(rows.dtype).tiny
    scale = 1.0 / np.maximum(np.maximum(rows.max(-1), -rows.min(-1)), tiny).astype(np.float64)
    total, s = np.empty(n_rows), np.empty(n_rows)
    _fold(_parts(transform), b, a % 2 == 0, scale.astype(rows.dtype), tiny, total, s)
    total[total == 0.0] = np.inf  # w = 0: Phi = 0, and no gradient
    phi = np.abs(s) / total
    numbers = (phi, n * (scale / total), np.sign(s), 2.0 * phi * scale)
    phi, slope, sign, against = (value.astype(rows.dtype) for value in numbers)
    return _Folded(phi, transform, slope, sign, against)


def _with_gradient(
    rows: np.ndarray, previous: np.ndarray, lam: float, eta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phi and ||w - w_prev||^2 of each row, (n_rows,), and the gradient of lam (1 - Phi) + eta BB, (n_rows, n)."""
    phi, g, slope, sign, against = _folded(rows)
    n_rows, n = rows.shape
    b = _divisor(n)
    a = n // b
    if b > 1:
        g = scipy.fft.ifft(g, overwrite_x=True)
        _turn(_parts(g), _twist(a, b, rows.dtype.char, back=True))
    gradient = scipy.fft.irfft(g, n=a, axis=1, overwrite_x=True).reshape(n_rows, n)
    real, squares = rows.dtype.type, np.empty(n_rows)
    _combine(gradient, rows, previous, real(eta), real(-lam) * slope, sign, against, squares)
    return phi, squares, gradient


def _parts(transform: np.ndarray) -> np.ndarray:
    """Real and imaginary parts in turn, the same memory: (n_rows, 2 ...)."""
    return transform.view(transform.real.dtype).reshape(len(transform), -1)


@_vectorised
def _turn(parts: np.ndarray, twist: np.ndarray) -> None:
    """Each frequency of each row times that of `twist : (2 ...)`, in place."""
    for row in range(parts.shape[0]):
        z = parts[row]
        for i in range(twist.size // 2):
            re, im = z[2 * i], z[2 * i + 1]
            z[2 * i] = re * twist[2 * i] - im * twist[2 * i + 1]
            z[2 * i + 1] = re * twist[2 * i + 1] + im * twist[2 * i]


@_vectorised
def _fold(
    parts: np.ndarray, edge: int, even: bool, scale: np.ndarray, tiny: float, total: np.ndarray, s: np.ndarray
) -> None:
    """Over all n frequencies of each row, `total` = sum |What|^2 and `s` = sum |What| Re What, What at scale 1, and
    What is replaced by g = |What| + (Re What / |What|) What. The first `edge` frequencies, and as many last ones if a
    is `even`, are all there; the others have a twin.
    """
    for row in range(parts.shape[0]):
        last = parts.shape[1] - (2 * edge if even else 0)
        total[row], s[row] = _spread(parts[row, : 2 * edge], scale[row], tiny)
        power, sum_s = _spread(parts[row, 2 * edge : last], scale[row], tiny)
        total[row] += 2.0 * power
        s[row] += 2.0 * sum_s
        power, sum_s = _spread(parts[row, last:], scale[row], tiny)
        total[row] += power
        s[row] += sum_s


@_vectorised
def _spread(parts: np.ndarray, scale: float, tiny: float) -> tuple[float, float]:
    """The sums and the replacement of `_fold` for frequencies of one row, each counted once."""
    total, s = 0.0, 0.0
    for start in range(0, parts.size, 2 * _CHUNK):
        z = parts[start : start + 2 * _CHUNK]
        chunk_total = chunk_s = 0.0 * scale
        for i in range(z.size // 2):
            re, im = z[2 * i] * scale, z[2 * i + 1] * scale
            power = re * re + im * im
            modulus = math.sqrt(power)
            chunk_total += power
            chunk_s += modulus * re
            cosine = re / (modulus + tiny)
            z[2 * i] = re * cosine + modulus
            z[2 * i + 1] = im * cosine
        total += chunk_total
        s += chunk_s
    return total, s


@_vectorised
def _combine(
    out: np.ndarray,
    rows: np.ndarray,
    previous: np.ndarray,
    eta: float,
    slope: np.ndarray,
    sign: np.ndarray,
    against: np.ndarray,
    squares: np.ndarray,
) -> None:
    """out <- eta (w - w_prev) + slope (sign out - against w), row by row, and `squares` = ||w - w_prev||^2."""
    for row in range(rows.shape[0]):
        squares[row] = 0.0
        a, b, c = slope[row], sign[row], against[row]
        for start in range(0, rows.shape[1], _CHUNK):
            x, y = rows[row, start : start + _CHUNK], previous[row, start : start + _CHUNK]
            z = out[row, start : start + _CHUNK]
            chunk = 0.0 * eta
            for i in range(z.size):
                gap = x[i] - y[i]
                chunk += gap * gap
                z[i] = eta * gap + a * (b * z[i] - c * x[i])
            squares[row] += chunk


@lru_cache(maxsize=64)
def _divisor(n: int) -> int:
    """The largest divisor b <= sqrt(n) of a long n, if b and n / b are short enough to gain by; else 1."""
    if n < _LONG:
        return 1
    b = next(b for b in range(math.isqrt(n), 0, -1) if n % b == 0)
    return b if n // b <= _SHORT else 1


@lru_cache(maxsize=16)
def _twist(a: int, b: int, kind: str, *, back: bool = False) -> np.ndarray:
    """Real and imaginary parts in turn of exp(-+ 2 pi i j_1 k_2 / n), of dtype `kind`."""
    angle = np.outer(np.arange(a // 2 + 1), np.arange(b)) * (2.0 * math.pi / (a * b))
    return np.stack([np.cos(angle), np.sin(angle if back else -angle)], axis=-1).astype(kind).ravel()
