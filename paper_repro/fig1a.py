"""Figure 1a: eps_g against epoch of gradient descent, one task at four alphas, with the theory's value as a line."""

from __future__ import annotations

from typing import Any

from . import perceptrons
from .framework import Context, Data, Row, Verdict
from .perceptrons import agreement, prepare, seeds, settings, theory_row

SOURCES = (*perceptrons.SOURCES, __name__)
_SHARED = {"alphas": [0.5, 1.0, 1.5, 2.0], "beta": 20.0, "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20},
}


def compute(context: Context) -> Data:
    """Histories of descent, and the solution of lowest free energy at each alpha."""
    from statmech_cl.simulations.measure import history_row

    prepare()
    size = context.parameters
    descent = settings(epochs=size["epochs"], records=size["epochs"])
    common = {"n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    found = context.points("history", history_row, [{"alpha_1": a, **common} for a in size["alphas"]], "descent")
    theory = context.points(
        "one task/theory", theory_row, [{"alpha": a, "beta": size["beta"]} for a in size["alphas"]], "theory"
    )
    rows: list[dict[str, Any]] = []
    for alpha, history, solution in zip(size["alphas"], found, theory, strict=True):
        rows.append({"kind": "theory", "alpha": alpha, "eps_g": solution["eps_g"], "replicon": solution["replicon"]})
        for epoch, eps, error in zip(history["epoch"], history["eps_1"], history["eps_1_error"], strict=True):
            rows.append({"kind": "descent", "alpha": alpha, "epoch": epoch, "eps_g": eps, "eps_g_error": error})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """Bands of descent over epochs (logarithmic), dashed lines of theory."""
    from statmech_cl import figures

    figure, ax = figures.new()
    for index, alpha in enumerate(data.parameters["alphas"]):
        rows = [row for row in data.select(kind="descent", alpha=alpha) if row["epoch"] > 0]
        epoch = [row["epoch"] for row in rows]
        color = f"C{index}"
        ax.plot(epoch, [row["eps_g"] for row in rows], color=color, label=rf"$\alpha={alpha:g}$")
        low = [row["eps_g"] - row["eps_g_error"] for row in rows]
        high = [row["eps_g"] + row["eps_g_error"] for row in rows]
        ax.fill_between(epoch, low, high, color=color, alpha=0.25, linewidth=0)
        ax.axhline(data.column("eps_g", kind="theory", alpha=alpha)[0], color=color, linestyle="--", linewidth=0.8)
    ax.set(xscale="log", xlabel="epoch", ylabel=r"$\epsilon_g$", ylim=(0.0, 0.55))
    ax.legend(title="dashed: theory", title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """The last epoch beside the theory."""
    from statmech_cl.solution import Estimate

    rows = []
    for alpha in data.parameters["alphas"]:
        last = data.select(kind="descent", alpha=alpha)[-1]
        (theory,) = data.select(kind="theory", alpha=alpha)
        estimate = Estimate(last["eps_g"], last["eps_g_error"], data.parameters["n_seeds"])
        note = "" if theory["replicon"] < 1 else f"replicon {theory['replicon']:.2f}: the ansatz is unstable here"
        rows.append(Row(f"eps_g at alpha={alpha:g}, last epoch", theory["eps_g"], estimate, note))
    sentence, holds = agreement(rows, "Descent falls to a plateau in every case")
    return Verdict(rows, sentence, holds)
