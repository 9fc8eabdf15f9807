"""The figures of Phys. Rev. E 108, 014309, and others: compute -> data -> draw -> verdict, all in one table.

To add a figure: write one module here, import it in `table.py` and give it one line there. The module holds

    SCALES : {"quick": {...}, "paper": {...}}      every size that the figure depends on, JSON types only

    def compute(context: Context) -> Data          numbers only; never draws
    def draw(data: Data) -> matplotlib.figure.Figure    reads the data only; never computes
    def verdict(data: Data) -> Verdict             theory | simulation (error) | z, one sentence, holds or not

Panels of one computation are entries of one module: `functools.partial(draw, task=2)` and another line in the table.
A figure from outside is an entry too: `FIGURES["toy"] = Figure("toy", "squares", "1 s", "", SCALES, compute, draw,
verdict)`. The table is loaded with the package: torch, numba and matplotlib are imported inside the functions.

`compute` takes its sizes from `context.parameters` (a copy of SCALES[scale]), seeds its generators from `context.seed`,
puts tensors on `context.device`, and passes every piece of long work through

    rows = context.points(function, grid, label)

which calls `function(**parameters) -> dict` once for each dict of parameters in `grid`, behind a progress bar, and
writes each row to the result store at once: a killed run computes only what is missing and ends in the same numbers.
`context.groups` does the same for points that cost less together.
So `parameters` must hold everything that the row depends on, seed and device included, in JSON types; the rest is code:
a row is found again as long as no file changes that the function's module imports, at any depth, and figures that use
the same function share its rows. Keep such functions out of modules that draw and judge (`theory_rows.py`, or the
simulations' `rows.py`), or an edited sentence makes their rows stale. Rows come back as they read from JSON (lists,
not arrays). The data must not hold times or dates: same command, same bytes.

The runner (`runner.py`) writes `<id>.png`, `<id>.pdf`, `<id>.csv` (data.rows), `<id>.json` (parameters, seed, versions,
verdict) and `<id>.run.json` (wall time, date, machine), and prints the verdict.
Tests make a figure small with `monkeypatch.setitem(FIGURES[id].scales, "quick", {...})`.
"""

from .figure import Context, Data, Figure, Row, Verdict
from .runner import Report, Result, reproduce, reproduce_all
from .table import FIGURES

__all__ = [
    "FIGURES",
    "Context",
    "Data",
    "Figure",
    "Report",
    "Result",
    "Row",
    "Verdict",
    "reproduce",
    "reproduce_all",
]
