"""What a network's probabilities are worth.

nll    -mean ln p[y]
ece    sum over bins of (n_b / n) |accuracy_b - confidence_b|, confidence = max p, 15 equal bins
auroc  P(score outside > score inside) + P(equal) / 2, score = entropy of p
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_BINS = 15


def negative_log_likelihood(p: Tensor, y: Tensor) -> float:
    """-mean ln p[y] of probabilities `p : (n, classes)`, in nats; a probability of 0 counts as 1e-38."""
    return float(-p.gather(1, y[:, None]).clamp_min(1e-38).log().double().mean())


def expected_calibration_error(p: Tensor, y: Tensor, bins: int = _BINS) -> float:
    """Mean gap between confidence and accuracy, over equal bins of the confidence weighted by their numbers."""
    confidence, answer = p.double().max(dim=1)
    place = (confidence * bins).ceil().long().sub_(1).clamp_(0, bins - 1)
    gap = torch.zeros(bins, dtype=torch.float64, device=p.device)
    gap.index_add_(0, place, (answer == y).double() - confidence)
    return float(gap.abs().sum() / len(y))


def entropy(p: Tensor) -> Tensor:
    """-sum p ln p of each row, (n,)."""
    return torch.special.entr(p.double()).sum(dim=1)


def auroc(inside: Tensor, outside: Tensor) -> float:
    """Probability that a score of `outside` is above one of `inside`, both (n,): 1 tells them apart, 1/2 does not."""
    low, high = np.sort(inside.cpu().numpy()), outside.cpu().numpy()
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.mean() / (2 * len(low)))
