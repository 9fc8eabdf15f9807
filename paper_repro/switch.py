"""eps_1 and eps_2 against epoch over the switch from task 1 to task 2 (figures 1b, 1c)."""

from __future__ import annotations

from typing import Any

from .agreement import agreement, compared
from .figure import Context, Data, Verdict
from .perceptron_runs import prepare, seeds, settings
from .theory_rows import two_task_solutions_row
from .two_tasks import COLD, given_rows

_SHARED = {"alpha_1": 2.0, "alpha_2": [1.0, 2.0, 4.0], "r0": 0.0, "gamma": 1.0, "beta": 20.0, "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20},
}


def compute(context: Context) -> Data:
    """Histories over both tasks, and the theory of the end."""
    from statmech_cl.simulations.perceptron.rows import history_row, reference_row

    prepare()
    size = context.parameters
    descent = settings(epochs=size["epochs"], records=100)
    case = {name: size[name] for name in ("alpha_1", "r0", "gamma")}
    common = {**case, "n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    found = context.points(history_row, [{"alpha_2": a, **common} for a in size["alpha_2"]], "descent")
    grid = [{"alpha_2": a, **case, "beta": size["beta"]} for a in size["alpha_2"]]
    theory = context.points(two_task_solutions_row, grid, "theory")
    rows: list[dict[str, Any]] = []
    for alpha_2, history, line in zip(size["alpha_2"], found, theory, strict=True):
        for solution in line["solutions"]:
            kept = {name: solution[name] for name in ("eps_1", "eps_2", "replicon")}
            rows.append({"kind": "theory", "alpha_2": alpha_2, **kept})
        for index, epoch in enumerate(history["epoch"]):
            named = ("eps_1", "eps_1_error", "eps_2", "eps_2_error", "q_star", "q_star_error")
            values = {name: history[name][index] for name in named}
            rows.append({"kind": "descent", "alpha_2": alpha_2, "epoch": epoch, **values})
    run = {**settings(epochs=size["epochs"], records=1), **{name: common[name] for name in ("n", "seeds", "device")}}
    (left,) = context.points(reference_row, [{"alpha": size["alpha_1"], "prior": "none", **run}], "")
    points = [{"alpha_2": a, **case, "prior": "none", "beta": COLD} for a in size["alpha_2"]]
    rows += given_rows(context, left, "descent", points)
    return Data(rows, {**size, "descent": descent})


def draw(data: Data, task: int) -> Any:
    """Bands of descent, dashed lines of theory at the end of task 2 (two where solutions coexist)."""
    from statmech_cl import figures

    epochs = data.parameters["epochs"]
    figure, ax = figures.new()
    for index, alpha_2 in enumerate(data.parameters["alpha_2"]):
        rows = data.select(kind="descent", alpha_2=alpha_2)
        epoch = [row["epoch"] for row in rows]
        values = [row[f"eps_{task}"] for row in rows]
        errors = [row[f"eps_{task}_error"] for row in rows]
        color = f"C{index}"
        ax.plot(epoch, values, color=color, label=rf"$\alpha_2={alpha_2:g}$")
        low, high = zip(*((v - e, v + e) for v, e in zip(values, errors, strict=True)), strict=True)
        ax.fill_between(epoch, low, high, color=color, alpha=0.25, linewidth=0)
        for level in data.column(f"eps_{task}", kind="theory", alpha_2=alpha_2):
            ax.plot([epochs, 2 * epochs], [level, level], "--", color=color, linewidth=0.8)
    ax.axvline(epochs, color="0.6", linewidth=0.6)
    ax.set(xlabel="epoch", ylabel=rf"$\epsilon_{task}$", ylim=(-0.01, 0.55))
    ax.legend(title="dashed: theory", title_fontsize=7)
    return figure


def verdict(data: Data, task: int) -> Verdict:
    """The last epoch of task 2 beside the nearest solution of the theory of descent (cold, given the fields that it
    left after task 1), which is judged; the note says what the theory of the Gibbs measure gives."""
    from statmech_cl.estimate import Estimate

    def nearest(kind: str) -> dict[str, Any]:
        rows = data.select(kind=kind, alpha_2=alpha_2)
        nowhere = {f"eps_{task}": None, "replicon": 0.0}
        gap = {id(row): abs(row["eps_1"] - last["eps_1"]) + abs(row["eps_2"] - last["eps_2"]) for row in rows}
        return min(rows, key=lambda row: gap[id(row)], default=nowhere)

    rows = []
    for alpha_2 in data.parameters["alpha_2"]:
        last = data.select(kind="descent", alpha_2=alpha_2)[-1]
        estimate = Estimate(last[f"eps_{task}"], last[f"eps_{task}_error"], data.parameters["n_seeds"])
        near, line = nearest("given"), nearest("theory")
        what = f"eps_{task} at alpha_2={alpha_2:g}, last epoch"
        gibbs = line[f"eps_{task}"]
        note = "" if gibbs is None else f"Gibbs measure at beta={data.parameters['beta']:g}: {gibbs:.4g}"
        rows.append(compared(what, near[f"eps_{task}"], estimate, note, replicon=near["replicon"]))
    sentence, holds = agreement(rows, f"eps_{task} after the switch, given the fields that descent left after task 1")
    return Verdict(rows, sentence, holds)
