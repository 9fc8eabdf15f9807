"""The figures of Phys. Rev. E 108, 014309, one module each: compute -> data -> draw -> verdict.

To add a figure: write one module here and give its line in `registry.py` the module's name. The module holds

    SCALES : {"quick": {...}, "paper": {...}}      every size that the figure depends on, JSON types only
    SOURCES : tuple of module names (optional)     all the code whose change makes stored points stale;
                                                   default: the theory, the simulations and the figure's own module;
                                                   figures with equal SOURCES share equal points

    def compute(context: Context) -> Data          numbers only; never draws
    def draw(data: Data) -> matplotlib.figure.Figure    reads the data only; never computes
    def verdict(data: Data) -> Verdict             theory | simulation (error) | z, one sentence, holds or not

`compute` takes its sizes from `context.parameters` (a copy of SCALES[scale]), seeds its generators from `context.seed`,
puts tensors on `context.device`, and passes every piece of long work through

    rows = context.points(kind, function, grid, label)

which calls `function(**parameters) -> dict` once for each dict of parameters in `grid`, behind a progress bar, and
writes each row to the result store at once: a killed run computes only what is missing and ends in the same numbers.
`context.groups` does the same for points that cost less together.
So `parameters` must hold everything that the row depends on, seed and device included, in JSON types. Rows come back as
they read from JSON (lists, not arrays). The data must not hold times or dates: same command, same bytes.

The runner (`runner.py`) writes `<id>.png`, `<id>.pdf`, `<id>.csv` (data.rows), `<id>.json` (parameters, seed, versions,
verdict) and `<id>.run.json` (wall time, date, machine), and prints the verdict.
Tests make a figure small with `monkeypatch.setitem(module.SCALES, "quick", {...})`.
"""

from .framework import Context, Data, Row, Verdict
from .registry import FIGURES, Entry, NotBuiltError, load
from .runner import Report, Result, reproduce, reproduce_all

__all__ = [
    "FIGURES",
    "Context",
    "Data",
    "Entry",
    "NotBuiltError",
    "Report",
    "Result",
    "Row",
    "Verdict",
    "load",
    "reproduce",
    "reproduce_all",
]
