"""Phi(W) = |sum_j p_j exp(i arg What_j)|,  BB(W, W_prev) = (1/2) ||W - W_prev||^2,  R = lam (1 - Phi) + eta BB.

The Anastrophic quantities of weight tensors (Zenodo, record 18699347). A tensor is real, flattened in C order to n
entries, What = FFT(W) with What_j = sum_k W_k exp(-2 pi i j k / n), and p_j = |What_j|^2 / sum_j |What_j|^2. BB is
defined as the mean over the 2n real and imaginary parts of (What - What_prev)^2; by Parseval, sum_j |What_j|^2 =
n sum_k W_k^2, that is half the squared distance of the weights, and no transform is needed. (A transform divided by
sqrt(n) would give 1/n of it, and the same Phi.)

As weights are real, What_{n-j} is the conjugate of What_j, the imaginary parts cancel in pairs, and

    Phi = |s| / (n sum_k W_k^2),   s = sum_j |What_j| Re What_j,

a sum over the half spectrum of a real transform. W = 0 has no power to share out: Phi(0) = 0 by convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .validation import check_count, check_number

Tensors: TypeAlias = "ArrayLike | Mapping[str, ArrayLike]"


def coherence(w: Tensors) -> float:
    """Phi(W) = |sum_j p_j exp(i arg What_j)|, in [0, 1]; of a mapping of tensors, the sum over its weight tensors.

    Phi(c W) = Phi(W) for any c != 0. Phi = 1 where all power has one phase: a constant tensor, or a single entry in the
    first place, or any W whose transform is real and >= 0. Phi depends on the order of the entries.

    Parameters
    ----------
    w : a real tensor of any shape; or a mapping of names to tensors, such as a state dict, of which the
        tensors of two or more dimensions count (biases are left out).

    Raises
    ------
    ValueError : a tensor that is empty, not real or not finite; the line names it.
    """
    return float(sum(_coherence(tensor) for tensor in _weights("w", w).values()))


def anastrophic_beta(w: Tensors, w_prev: Tensors) -> float:
    """BB(W, W_prev) = (1/2) sum (W - W_prev)^2; of mappings, the sum over their weight tensors.

    w, w_prev : as in `coherence`, of the same shapes and names.

    Raises
    ------
    ValueError : as `coherence`; other shapes or other names in `w_prev`.
    """
    pairs = _pairs(_weights("w", w), _weights("w_prev", w_prev), "w", "w_prev")
    return float(sum(_beta(now, before) for now, before in pairs.values()))


def regulariser(w: Tensors, w_prev: Tensors, lam: float = 1.0, eta: float = 3.0) -> float:
    """R = lam (1 - Phi(W)) + eta BB(W, W_prev); of mappings, the sum over their weight tensors.

    lam, eta : >= 0; the defaults are the published setting.

    Raises
    ------
    ValueError : as `anastrophic_beta`; a negative lam or eta.
    """
    lam, eta = check_number("lam", lam, low=0.0), check_number("eta", eta, low=0.0)
    pairs = _pairs(_weights("w", w), _weights("w_prev", w_prev), "w", "w_prev")
    return float(sum(lam * (1.0 - _coherence(now)) + eta * _beta(now, before) for now, before in pairs.values()))


def random_coherence(n: int) -> float:
    """Root mean square of Phi over n independent normal weights of mean 0: what a Phi must exceed to mean something.

    E Phi^2 = (2 n + 1) / (n (n + 2)) for odd n, (2 n + 2) / (n (n + 2)) for even n, exactly: s is a sum of independent
    terms, and Phi depends on the direction of W alone. Tends to sqrt(2 / n), as it does for any law of mean 0.

    Raises
    ------
    ValueError : n < 1.
    """
    n = check_count("n", n)
    return float(np.sqrt((2 * n + 1 + (n % 2 == 0)) / (n * (n + 2))))


def summary(
    state_dict: Mapping[str, ArrayLike], state_dict_prev: Mapping[str, ArrayLike] | None = None
) -> list[dict[str, Any]]:
    """One row for each weight tensor of a model (two or more dimensions), and one for all of them.

    Columns: `tensor`, `n`, `coherence` (Phi; in the last row the mean over the tensors), `chance` (`random_coherence`
    of n; the last row has none), and with `state_dict_prev` also `beta` (BB; in the last row the sum) and
    `relative_beta` (BB / ((1/2) ||W_prev||^2), nan where W_prev = 0).

    Raises
    ------
    ValueError : as `anastrophic_beta`, with the name of the tensor.
    """
    now = _weights("state_dict", state_dict)
    rows: list[dict[str, Any]] = [
        {"tensor": name, "n": tensor.size, "coherence": _coherence(tensor), "chance": random_coherence(tensor.size)}
        for name, tensor in now.items()
    ]
    mean = float(np.mean([row["coherence"] for row in rows]))
    rows.append({"tensor": "all", "n": sum(row["n"] for row in rows), "coherence": mean, "chance": None})
    if state_dict_prev is not None:
        before = _weights("state_dict_prev", state_dict_prev)
        pairs = _pairs(now, before, "state_dict", "state_dict_prev").values()
        betas = [_beta(tensor, previous) for tensor, previous in pairs]
        sizes = [_beta(previous, np.zeros_like(previous)) for _, previous in pairs]
        for row, beta, size in zip(rows, [*betas, sum(betas)], [*sizes, sum(sizes)], strict=True):
            row |= {"beta": beta, "relative_beta": beta / size if size > 0.0 else float("nan")}
    return rows


def _coherence(tensor: np.ndarray) -> float:
    largest = float(np.abs(tensor).max())
    if largest == 0.0:
        return 0.0
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    flat = tensor.ravel() / largest
    power = flat @ flat
    transform = np.fft.rfft(flat)
    terms = np.abs(transform) * transform.real
    s = 2.0 * terms.sum() - terms[0] - (terms[-1] if flat.size % 2 == 0 else 0.0)
    return float(abs(s) / (flat.size * power))


def _beta(tensor: np.ndarray, previous: np.ndarray) -> float:
    gap = (tensor - previous).ravel()
    return float(0.5 * (gap @ gap))


def _tensor(name: str, value: Any) -> np.ndarray:
    """`value` as a float64 array, or a ValueError that names it."""
    if hasattr(value, "detach"):  # a torch tensor, wherever it lives
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) in ("torch.bfloat16", "torch.float16") else value
    try:
        array = np.asarray(value)
        array = array if np.iscomplexobj(array) else array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a tensor of finite real numbers, got {type(value).__name__}") from None
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be a tensor of finite real numbers, got complex ones")
    if array.size == 0:
        raise ValueError(f"{name} must have at least one entry, got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = array.ravel()[np.flatnonzero(~np.isfinite(array).ravel())[0]]
        raise ValueError(f"{name} must be a tensor of finite real numbers, got {bad} among its {array.size} entries")
    return array


def _weights(argument: str, value: Tensors) -> dict[str, np.ndarray]:
    """The tensors that count, by name: a lone one under the argument's name, of a mapping those that are no biases."""
    if not isinstance(value, Mapping):
        return {argument: _tensor(argument, value)}
    named = {str(name): tensor for name, tensor in value.items() if np.ndim(tensor) >= 2}
    if not named:
        raise ValueError(f"{argument} must hold a weight tensor of two or more dimensions, got names {list(value)}")
    return {name: _tensor(f"{argument}[{name!r}]", tensor) for name, tensor in named.items()}


def _pairs(
    now: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], first: str, second: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The tensors of `now` beside those of `before`; a ValueError that names the first of other name or shape."""
    if list(now) == [first] and list(before) == [second]:
        before, labels = {first: before[second]}, {first: second}
    else:
        labels = {name: f"{second}[{name!r}]" for name in now}
    for one, other, a, b in ((now, before, first, second), (before, now, second, first)):
        for name in one:
            if name not in other:
                raise ValueError(f"{b} must hold the same weight tensors as {a}, got no {name!r}")
    for name, tensor in now.items():
        if tensor.shape != before[name].shape:
            raise ValueError(f"{labels[name]} must have shape {tensor.shape} as in {first}, got {before[name].shape}")
    return {name: (tensor, before[name]) for name, tensor in now.items()}
