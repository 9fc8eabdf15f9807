"""Run one figure: compute (resumable), verdict, draw, write everything atomically."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statmech_cl.output import check_writable_folder, to_csv, to_json, write_atomic
from statmech_cl.provenance import versions
from statmech_cl.store import Store, StoreError
from statmech_cl.validation import check_choice, check_count

from .figure import Context, Data, Verdict
from .report import write_report
from .table import FIGURES

SCALES = ("quick", "paper")
STORE_NAME = "store.sqlite"


@dataclass(frozen=True)
class Result:
    """A reproduced figure: its data, its verdict and the files written."""

    data: Data
    verdict: Verdict
    files: tuple[Path, ...]


def reproduce(
    figure: str,
    *,
    scale: str = "quick",
    out: str | Path = "results",
    device: str = "cpu",
    seed: int = 0,
    quiet: bool = False,
) -> Result:
    """Compute, judge, draw and write one figure; a repeated call computes only what is missing in `out`/store.sqlite.

    Raises
    ------
    ValueError : unknown figure (names the nearest), unknown scale or device, a negative seed.
    OSError : `out` cannot be written (checked before the computation).
    StoreError : the result store is damaged or cannot be written.
    """
    check_choice("scale", scale, SCALES)
    seed = check_count("seed", seed, low=0)
    made = FIGURES[check_choice("figure", figure, tuple(FIGURES))]
    _check_device(device)
    # Loads matplotlib, which an unknown figure need not wait for.
    from statmech_cl.figures import rendered, style

    folder = check_writable_folder(out)
    parameters = dict(made.scales[scale])
    started, cpu_started = time.monotonic(), time.process_time()
    with Store(folder / STORE_NAME) as store:
        context = Context(parameters=parameters, scale=scale, device=device, seed=seed, store=store, quiet=quiet)
        data = made.compute(context)
    verdict = made.verdict(data)
    record = {
        "figure": figure,
        "scale": scale,
        "seed": seed,
        "device": device,
        "parameters": data.parameters,
        "verdict": verdict.to_dict(),
        "versions": versions(),
    }
    with style():
        drawing = made.draw(data)
        pictures = {kind: rendered(drawing, kind) for kind in ("png", "pdf")}
    contents: dict[str, str | bytes] = {
        **pictures,
        "csv": to_csv(data.rows),
        "json": to_json(record),
        "run.json": to_json(_circumstances(time.monotonic() - started, time.process_time() - cpu_started)),
    }
    files = tuple(folder / f"{figure}.{suffix}" for suffix in contents)
    for path, content in zip(files, contents.values(), strict=True):
        write_atomic(path, content)
    return Result(data, verdict, files)


@dataclass(frozen=True)
class Report:
    """What `reproduce_all` did: the results by figure, the failures (id -> message) and the page, if one was wanted."""

    results: dict[str, Result]
    failures: dict[str, str]
    page: Path | None

    @property
    def holds(self) -> bool:
        """Whether every figure was made and every verdict holds."""
        return not self.failures and all(result.verdict.holds for result in self.results.values())


def reproduce_all(
    *,
    scale: str = "quick",
    out: str | Path = "results",
    device: str = "cpu",
    seed: int = 0,
    quiet: bool = False,
    figures: Sequence[str] | None = None,
    report: bool = True,
    on_result: Callable[[str, Result | str], None] | None = None,
) -> Report:
    """Make every figure, then `out`/report.html. A figure that fails does not end the run.

    figures : those wanted, all of them by default. report : whether to write the page.
    on_result : called with the id and the Result, or the message of the failure, as each figure is done.

    Raises
    ------
    ValueError : an unknown figure, scale or device, a negative seed (before anything is computed).
    StoreError, OSError : the result store or `out` cannot be used; what was finished is kept.
    """
    wanted = [check_choice("figure", figure, tuple(FIGURES)) for figure in (FIGURES if figures is None else figures)]
    check_choice("scale", scale, SCALES)
    check_count("seed", seed, low=0)
    _check_device(device)
    folder = check_writable_folder(out)
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for figure in wanted:
        done: Result | str
        try:
            done = results[figure] = reproduce(figure, scale=scale, out=out, device=device, seed=seed, quiet=quiet)
        except (StoreError, OSError):
            raise
        except Exception as error:
            done = failures[figure] = " ".join(f"{type(error).__name__}: {error}".split())
        if on_result is not None:
            on_result(figure, done)
    return Report(results, failures, write_report(folder, failures) if report else None)


def _check_device(device: str) -> None:
    """A device other than the CPU is looked for before anything is computed."""
    if device != "cpu":
        from statmech_cl.simulations.device import check_device

        check_device(device)


def _circumstances(seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """What differs from run to run, kept out of the record of the numbers."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "finished": now.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }
