"""z = (simulation - theory) / error of every judged row of many figures, as one histogram beside the normal curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_EDGE = 4.5  # what lies beyond is counted in the last bar


def scores(records: Iterable[Mapping[str, Any]]) -> list[float]:
    """z of the judged rows of `records`, each what the runner wrote about a figure."""
    return [
        row["z"]
        for record in records
        for row in record["verdict"]["rows"]
        if row.get("judged", True) and row["z"] is not None
    ]


def said(z: Sequence[float]) -> str:
    """How many there are, how wide they scatter, and how many lie far out."""
    sizes = np.abs(z)
    beyond = ", ".join(
        f"{np.count_nonzero(sizes > limit)} beyond {limit} ({len(z) * math.erfc(limit / math.sqrt(2.0)):.1f} expected)"
        for limit in (1, 2, 3)
    )
    return (
        f"{len(z)} values of z, root mean square {math.sqrt(np.mean(sizes**2)):.2f}: {beyond}. Points that share "
        "patterns, neighbouring epochs above all, move together."
    )


def draw(z: Sequence[float]) -> Any:
    """The histogram; the line is what independent standard normal values would give."""
    from statmech_cl import figures

    figure, ax = figures.new(height=2.2)
    edges = np.linspace(-_EDGE, _EDGE, 37)
    width = edges[1] - edges[0]
    ax.hist(np.clip(z, -_EDGE, _EDGE), bins=edges, color="#0072B2", alpha=0.6, label=f"{len(z)} judged rows")
    x = np.linspace(-_EDGE, _EDGE, 200)
    ax.plot(x, len(z) * width * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi), color="k", label="normal")
    ax.set(xlabel="z = (simulation - theory) / error", ylabel="rows")
    ax.legend()
    return figure
