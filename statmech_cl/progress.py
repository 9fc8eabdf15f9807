"""Progress bars: on a terminal only, on stderr, silent on request."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], label: str, *, total: int | None = None, quiet: bool = False) -> Iterable[T]:
    """Iterate over `items` behind a bar with the time left; no bar where stderr is not a terminal."""
    from tqdm import tqdm

    class Steady(tqdm):
        """tqdm on the monotonic clock: a jump of the wall clock neither freezes the bar nor spoils the time left.

        Its monitor thread, which goes by the wall clock, is not needed where every step may draw.
        """

        monitor_interval = 0

        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            if not self.disable:
                self._time = time.monotonic
                self.start_t = self.last_print_t = self._time()

    return Steady(items, desc=label, total=total, leave=False, miniters=1, disable=True if quiet else None)
