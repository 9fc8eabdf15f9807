"""What a figure is, what its `compute` is given and what it hands back. The package's text is the contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import special

from statmech_cl.estimate import Estimate
from statmech_cl.output import to_table
from statmech_cl.progress import bar
from statmech_cl.provenance import named
from statmech_cl.store import Store


@dataclass(frozen=True, kw_only=True)
class Context:
    """What `compute` may depend on.

    Attributes
    ----------
    parameters : the sizes of this scale, a copy of the figure's scales[scale].
    scale : "quick" or "paper"; read `parameters` rather than branching on it.
    device : torch device, "cpu" or "cuda".
    seed : seed of the run; derive every generator from it.
    store : where finished points go; use `points` rather than the store itself.
    quiet : no progress bars.
    """

    parameters: Mapping[str, Any]
    scale: str
    device: str
    seed: int
    store: Store
    quiet: bool = False

    def points(
        self,
        function: Callable[..., Mapping[str, Any]],
        grid: Iterable[Mapping[str, Any]],
        label: str,
    ) -> list[dict[str, Any]]:
        """`function(**parameters)` for each dict of parameters in `grid`, from the store where it is there already.

        function : of a module; its name, and the digest of all the code that this module imports, key the rows.
        label : text of the progress bar.
        """
        name, version = named(function)
        rows = []
        for point in self.bar(list(grid), label):
            row = self.store.get(name, point, version=version)
            rows.append(self.store.put(name, point, function(**point), version=version) if row is None else row)
        return rows

    def groups(
        self,
        function: Callable[[list[Mapping[str, Any]]], Sequence[Mapping[str, Any]]],
        grid: Iterable[Mapping[str, Any]],
        label: str,
        *,
        together: Sequence[str],
    ) -> list[dict[str, Any]]:
        """As `points`, for points that cost less together: `function(list of points)` returns a row for each of the
        points that have equal values of the parameters named in `together`.

        Every row is stored singly. A group of which one row is missing is computed again as a whole: what a row holds
        to its last bit does not depend on where a run was killed.
        """
        grid = list(grid)
        name, version = named(function)
        groups: dict[str, list[int]] = {}
        for index, point in enumerate(grid):
            groups.setdefault(repr([point[shared] for shared in together]), []).append(index)
        rows: list[Any] = [self.store.get(name, point, version=version) for point in grid]
        for members in self.bar(groups.values(), label):
            missing = [index for index in members if rows[index] is None]
            if missing:
                computed = dict(zip(members, function([grid[index] for index in members]), strict=True))
                for index in missing:
                    rows[index] = self.store.put(name, grid[index], computed[index], version=version)
        return rows

    def bar(self, items: Iterable[Any], label: str, *, total: int | None = None) -> Iterable[Any]:
        """`items` behind a progress bar (none in a pipe, none when quiet)."""
        return bar(items, label, total=total, quiet=self.quiet)


@dataclass(frozen=True)
class Data:
    """A figure's numbers: `rows`, a tidy table (the CSV; `None` is an empty cell), and `parameters` (in the JSON),
    every setting that made them apart from scale, seed and device, which the runner adds."""

    rows: list[dict[str, Any]]
    parameters: dict[str, Any]

    def select(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows whose columns equal `wanted`."""
        return [row for row in self.rows if all(row.get(name) == value for name, value in wanted.items())]

    def column(self, name: str, **wanted: Any) -> list[Any]:
        """The column `name` of the rows whose columns equal `wanted`."""
        return [row.get(name) for row in self.select(**wanted)]


@dataclass(frozen=True)
class Row:
    """One line of a verdict: what is compared, the theory's value, the simulation's, and a word (which branch, say).

    Without a theory, a simulation or an error there is no z. A row that is not `judged` is shown only.
    theory_error, theory_n : of a theory that is itself an average over theory_n independent batches.
    """

    what: str
    theory: float | None
    simulation: Estimate | None
    note: str = ""
    judged: bool = True
    theory_error: float = 0.0
    theory_n: int = 0

    @property
    def z(self) -> float | None:
        """(simulation - theory) / standard error of the difference, as a normal score: the normal number that is
        exceeded as rarely as Student's t at the degrees of freedom of the errors."""
        if self.theory is None or self.simulation is None:
            return None
        parts = [(self.simulation.error**2, self.simulation.n), (self.theory_error**2, self.theory_n)]
        variance = sum(part for part, _ in parts)
        if variance == 0.0:
            return None
        t = (self.simulation.mean - self.theory) / math.sqrt(variance)
        freedom = variance**2 / sum(part**2 / max(n - 1, 1) for part, n in parts if part > 0.0)
        tail = float(special.stdtr(freedom, -abs(t)))
        return math.copysign(-float(special.ndtri(tail)), t) if tail > 0.0 else t

    @property
    def told(self) -> str | None:
        """The theory's value for a table, with its error where it has one."""
        if self.theory is None:
            return None
        return (
            str(Estimate(self.theory, self.theory_error, self.theory_n)) if self.theory_error else f"{self.theory:.6g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the JSON."""
        simulation, z = self.simulation, self.z
        return {
            "what": self.what,
            "theory": self.theory,
            "theory_error": self.theory_error,
            "simulation": None if simulation is None else simulation.mean,
            "error": None if simulation is None else simulation.error,
            "n": None if simulation is None else simulation.n,
            "z": z,
            "note": self.note,
            "judged": self.judged,
        }


@dataclass(frozen=True)
class Verdict:
    """What the figure shows: rows theory | simulation (error) | z, one plain sentence, and whether the claim holds."""

    rows: Sequence[Row]
    sentence: str
    holds: bool

    def table(self) -> str:
        """The rows as text for a terminal."""
        noted = any(row.note for row in self.rows)
        lines = []
        for row in self.rows:
            line: dict[str, Any] = {
                "": row.what,
                "theory": row.told,
                "simulation": None if row.simulation is None else str(row.simulation),
                "z": None if row.z is None else f"{row.z:+.1f}",
            }
            if noted:
                line["note"] = row.note
            lines.append(line)
        return to_table(lines, widest={"": 32 if noted else 56, "note": 26})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the JSON."""
        return {"holds": self.holds, "sentence": self.sentence, "rows": [row.to_dict() for row in self.rows]}


@dataclass(frozen=True)
class Figure:
    """One entry of the table of figures.

    id : what `reproduce` calls it. shows : in a few words.
    quick, paper : processor time of one core at that scale, measured, or with "~" scaled from what was measured; ""
        where nothing is known.
    scales : {"quick": {...}, "paper": {...}}, every size that the figure depends on, JSON types only.
    compute, draw, verdict : see the package's text.
    """

    id: str
    shows: str
    quick: str
    paper: str
    scales: dict[str, dict[str, Any]]
    compute: Callable[[Context], Data]
    draw: Callable[[Data], Any]
    verdict: Callable[[Data], Verdict]
