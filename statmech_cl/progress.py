"""Progress bars: on a terminal only, on stderr, silent on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], label: str, *, total: int | None = None, quiet: bool = False) -> Iterable[T]:
    """Iterate over `items` behind a bar with the time left; no bar where stderr is not a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=label, total=total, leave=False, disable=True if quiet else None)
