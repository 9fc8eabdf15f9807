"""map-a: forgetting and transfer of two tasks over (overlap of the teachers, alpha_2), and where transfer changes sign.

The map takes each point from its neighbours. It is judged by solves that know no neighbour: at nine points spread over
the map, and at every place where transfer is said to vanish.
"""

from __future__ import annotations

from typing import Any

from .figure import Context, Data, Row, Verdict
from .map_rows import map_row, solved_row

_AGREED = 1e-8  # largest difference from a solve without neighbours, and largest |transfer| on the line
# x, y: low, high, number of values of overlap and of alpha_2.
SCALES: dict[str, dict[str, Any]] = {
    "quick": {"alpha_1": 2.0, "beta": 20.0, "gamma": 1.0, "x": [-0.96, 0.96, 25], "y": [0.1, 2.98, 25]},
    "paper": {"alpha_1": 2.0, "beta": 20.0, "gamma": 1.0, "x": [-0.98, 0.98, 50], "y": [0.06, 3.0, 50]},
}


def compute(context: Context) -> Data:
    """A row for each point of the map, each place on the line, and each solve that judges them."""
    size = dict(context.parameters)
    (mapped,) = context.points(map_row, [size], "map")
    rows: list[dict[str, Any]] = []
    names = ("forgetting", "transfer", "eps_1", "eps_2", "replicon")
    for j, alpha_2 in enumerate(mapped["ys"]):
        for i, overlap in enumerate(mapped["xs"]):
            values = {name: mapped[name][j][i] for name in names}
            note = mapped["reason"][j][i]
            rows.append({"kind": "map", "overlap": overlap, "alpha_2": alpha_2, **values, "note": note})
    blank = dict.fromkeys(names)
    for line in mapped["lines"]:
        rows.append({"kind": "line", "overlap": line["x"], "alpha_2": line["y"], **blank, "note": line["kind"]})
    spread = [sorted({round(share * (len(mapped[name]) - 1)) for share in (0.1, 0.5, 0.9)}) for name in ("xs", "ys")]
    asked = [(mapped["xs"][i], mapped["ys"][j]) for i in spread[0] for j in spread[1]]
    asked += [(line["x"], line["y"]) for line in mapped["lines"] if line["kind"] == "zero"]
    fixed = {name: size[name] for name in ("alpha_1", "beta", "gamma")}
    grid = [{"overlap": overlap, "alpha_2": alpha_2, **fixed} for overlap, alpha_2 in asked]
    for point, solved in zip(grid, context.points(solved_row, grid, "solves"), strict=True):
        at = {name: point[name] for name in ("overlap", "alpha_2")}
        rows.append({"kind": "solved", **at, **blank, **solved, "note": ""})
    return Data(rows, size)


def draw(data: Data) -> Any:
    """Forgetting and transfer side by side."""
    from statmech_cl import figures

    points = data.select(kind="map")
    xs, ys = (sorted({row[name] for row in points}) for name in ("overlap", "alpha_2"))
    grids: dict[str, Any] = {}
    for name in ("forgetting", "transfer"):
        values = {(row["overlap"], row["alpha_2"]): row[name] for row in points}
        grids[name] = [[float("nan") if values[x, y] is None else values[x, y] for x in xs] for y in ys]
    lines = [{"x": row["overlap"], "y": row["alpha_2"], "kind": row["note"]} for row in data.select(kind="line")]
    return figures.similarity_map({"x": "overlap", "y": "alpha_2", "xs": xs, "ys": ys, "lines": lines, **grids})


def verdict(data: Data) -> Verdict:
    """Solves without neighbours say what the map says, and find no transfer on the line of zeros."""
    points = {(row["overlap"], row["alpha_2"]): row for row in data.select(kind="map")}
    certified = sum(row["transfer"] is not None for row in points.values())
    rows, worst, largest = [], 0.0, 0.0
    for solved in data.select(kind="solved"):
        here = points.get((solved["overlap"], solved["alpha_2"]))
        if here is None:
            largest = max(largest, abs(solved["transfer"]))
        elif here["transfer"] is not None:
            worst = max(worst, *(abs(here[name] - solved[name]) for name in ("forgetting", "transfer")))
            what = f"transfer at overlap={solved['overlap']:g}, alpha_2={solved['alpha_2']:g}"
            rows.append(Row(what, here["transfer"], None, f"solved alone {solved['transfer']:.6g}"))
    zeros, jumps = (len(data.select(kind="line", note=kind)) for kind in ("zero", "jump"))
    sentence = (
        f"{certified} of {len(points)} points are certified; solves without neighbours differ by {worst:.0e} at most "
        f"at {len(rows)} of them, and have |transfer| <= {largest:.0e} at its {zeros} zeros; {jumps} jumps."
    )
    return Verdict(rows, sentence, bool(rows) and zeros > 0 and max(worst, largest) < _AGREED)
