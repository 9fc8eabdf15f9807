"""What every benchmark hands over: rows of one table, taken as least times, and what this machine can do at most."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from statmech_cl.output import to_table

if TYPE_CHECKING:
    import torch

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: a time beside what it is compared to.

    seconds : the time of `what`; nan where the benchmark failed.
    reference, reference_seconds : another implementation of the same, or the goal, and its time.
    share, limit : the share of what the machine can do at most, and what that is; None where no limit is meant.
    note : what the columns do not say.
    """

    what: str
    seconds: float
    reference: str = ""
    reference_seconds: float | None = None
    share: float | None = None
    limit: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """reference / time: above 1 this package is faster."""
        return None if self.reference_seconds is None else self.reference_seconds / self.seconds

    def cells(self) -> dict[str, str]:
        """The line as text."""
        against = self.reference
        if self.reference_seconds is not None:
            against = f"{self.reference}: {as_time(self.reference_seconds)}"
        return {
            "what": self.what,
            "time": "failed" if math.isnan(self.seconds) else as_time(self.seconds),
            "reference": against,
            "ratio": "" if self.ratio is None else f"{self.ratio:.3g}",
            "share of the limit": "" if self.share is None else f"{self.share:.0%} of {self.limit}",
        }


def as_time(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e9 * seconds:.3g} ns"


def fastest(function: Callable[[], object], repeats: int, clock: Clock = time.process_time) -> float:
    """Seconds of the fastest of `repeats` calls, after one to warm up.

    By default processor time, over all threads of the process: neighbours on a busy machine count little.
    """
    return min(in_turn({"": function}, repeats, clock, warm=1)[""])


def in_turn(
    versions: dict[str, Callable[[], object]], repeats: int, clock: Clock = time.process_time, warm: int = 3
) -> dict[str, list[float]]:
    """Seconds of each version, `repeats` times in turn, so that what disturbs one disturbs all."""
    times: dict[str, list[float]] = {name: [] for name in versions}
    for turn in range(repeats + warm):
        for name, step in versions.items():
            started = clock()
            step()
            if turn >= warm:
                times[name].append(clock() - started)
    return times


def triad_rate(device: torch.device, clock: Clock) -> float:
    """Bytes a second of a = b + s c over float32 arrays of 200 MB: the memory's bandwidth."""
    import torch

    a, b, c = (torch.ones(50_000_000, device=device) for _ in range(3))
    return 12 * a.numel() / fastest(lambda: torch.add(b, c, alpha=0.5, out=a), 5, clock)


def product_rate(clock: Clock) -> float:
    """Operations a second of a float32 product of matrices of 1024 rows and columns, with torch's threads."""
    import torch

    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / fastest(lambda: a @ b, 10, clock)


def parser_of(document: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark: its first line, and --json."""
    parser = argparse.ArgumentParser(description=(document or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return parser


def show(rows: Iterable[Row], *, as_json: bool) -> None:
    """Print the rows: for a reader with their notes below, or as JSON."""
    all_rows = list(rows)
    if as_json:
        print(json.dumps([asdict(row) for row in all_rows]))
    else:
        print(text_of(all_rows))


def text_of(rows: Sequence[Row]) -> str:
    """The table, with the notes below it."""
    notes = [f"{row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([to_table([row.cells() for row in rows]), *(["", *notes] if notes else [])])


def record(row: Row) -> dict[str, Any]:
    """The row's values and its ratio, for a file."""
    return {**asdict(row), "ratio": row.ratio}
