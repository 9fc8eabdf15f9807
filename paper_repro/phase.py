"""Phase diagrams: the lines in a plane of two parameters, and whether tracing in one parameter finds the same points.

phase-a: one task, (alpha, beta). phase-b: a second task behind a KL anchor, (alpha_2, gamma). phase-c: the same,
(alpha_2, overlap of the teachers). The picture is judged on one row of the plane: there every line must pass where
`trace`, which knows nothing of lines, finds the fold, the change of stability or the transition.
"""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Chain, Problem, Task

from .figure import Context, Data, Row, Verdict

_AGREED = 1e-8  # largest distance of a line from what tracing finds


def scales(**size: Any) -> dict[str, dict[str, Any]]:
    """x, y: [name, low, high]; at: the value of y on whose row the lines are judged; the rest describes the problem."""
    return {"quick": {**size}, "paper": {**size}}


def _problem(size: dict[str, Any], y: float | None = None) -> Problem:
    values = {"beta": 20.0, "gamma": 1.0, "overlap": 0.0, **size["problem"]}
    if y is not None:
        values[size["y"][0]] = y
    tasks = [Task(alpha=alpha, beta=values["beta"]) for alpha in size["alpha"]]
    if len(tasks) == 1:
        return tasks[0]
    later = Task(alpha=size["alpha"][-1], beta=values["beta"], gamma=values["gamma"])
    return Chain((*tasks[:-1], later), overlaps=values["overlap"])


def diagram_row(**size: Any) -> dict[str, Any]:
    """A whole phase diagram, and the crossings of its lines with the row y = at."""
    from statmech_cl import phase_diagram

    (x, *x_span), (y, *y_span) = size["x"], size["y"]
    diagram = phase_diagram(_problem(size), x, y, (x_span, y_span))
    crossings = [
        {"event": line.event, "x": value}
        for line in diagram.curves
        if line.event in ("fold", "replicon", "maxwell")
        for value in line.crossing(y, size["at"])
    ]
    return {"diagram": diagram.to_dict(), "crossings": crossings}


def traced_row(**size: Any) -> dict[str, Any]:
    """The same row y = at by tracing in x alone."""
    from statmech_cl import trace

    name, low, high = size["x"]
    traced = trace(_problem(size, size["at"]), parameter=name, span=(low, high))
    events = {
        "fold": [fold[name] for fold in traced.folds],
        "replicon": traced.stability,
        "maxwell": traced.transitions,
    }
    return {"crossings": [{"event": event, "x": x} for event, values in events.items() for x in sorted(values)]}


def compute(context: Context) -> Data:
    """Points of the lines, one a row; cusps, regions, and both kinds of crossings below them."""
    size = context.parameters
    (drawn,) = context.points(diagram_row, [size], "lines")
    (traced,) = context.points(traced_row, [size], "tracing")
    x, y = size["x"][0], size["y"][0]
    content = drawn["diagram"]
    empty = {"curve": None, "ends": None, "residual": None, "quadrature_error": None, "label": None}
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content["curves"]):
        told = {"curve": number, "ends": "|".join(line["ends"])}
        told |= {name: line[name] for name in ("residual", "quadrature_error")}
        rows += [
            {"kind": "line", "event": line["event"], x: a, y: b, **empty, **told}
            for a, b in zip(line["x"], line["y"], strict=True)
        ]
    rows += [{"kind": "cusp", "event": None, **empty, **cusp} for cusp in content["cusps"]]
    for region in content["regions"]:
        kept = {name: region[name] for name in ("share", "label")}
        rows.append({"kind": "region", "event": None, x: region[x], y: region[y], **empty, **kept})
    for kind, source in (("crossing", drawn), ("traced", traced)):
        rows += [
            {"kind": kind, "event": crossing["event"], x: crossing["x"], y: size["at"], **empty}
            for crossing in source["crossings"]
        ]
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """The lines by event, the cusps, the regions' labels."""
    from statmech_cl import figures

    x, y = data.parameters["x"], data.parameters["y"]
    lines: dict[Any, dict[str, Any]] = {}
    for row in data.select(kind="line"):
        line = lines.setdefault(row["curve"], {"event": row["event"], "x": [], "y": []})
        line["x"].append(row[x[0]])
        line["y"].append(row[y[0]])
    return figures.phase_diagram(
        {
            "x": x[0],
            "y": y[0],
            "box": [x[1:], y[1:]],
            "curves": list(lines.values()),
            "cusps": data.select(kind="cusp"),
            "regions": data.select(kind="region"),
        },
        n_tasks=len(data.parameters["alpha"]),
    )


def verdict(data: Data) -> Verdict:
    """Every line crosses the row y = at where tracing along it says, and nothing else does."""
    x, y, at = data.parameters["x"][0], data.parameters["y"][0], data.parameters["at"]
    rows, worst, complete = [], 0.0, True
    for event in ("fold", "replicon", "maxwell"):
        lines = sorted(data.column(x, kind="crossing", event=event))
        traced = sorted(data.column(x, kind="traced", event=event))
        complete &= len(lines) == len(traced)
        for a, b in zip(lines, traced, strict=False):
            worst = max(worst, abs(a - b))
            rows.append(Row(f"{event} at {y}={at:g}: {x}", a, None, f"traced {b:.10f}"))
    residual = max(data.column("residual", kind="line"))
    error = max(data.column("quadrature_error", kind="line"))
    for cusp in data.select(kind="cusp"):
        rows.append(Row(f"cusp: {x}", cusp[x], None, f"{y} = {cusp[y]:.10g}"))
    sentence = (
        f"On the row {y} = {at:g} the lines lie within {worst:.0e} of what tracing in {x} finds; "
        f"largest residual {residual:.0e}, quadrature error {error:.0e}."
    )
    return Verdict(rows, sentence, complete and worst < _AGREED and residual < 1e-10)
