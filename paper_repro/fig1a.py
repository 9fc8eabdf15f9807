"""Figure 1a: eps_g against epoch of gradient descent, one task at four alphas, with the theory's values as lines."""

from __future__ import annotations

from typing import Any

from .agreement import agreement, compared
from .figure import Context, Data, Verdict
from .perceptron_runs import prepare, seeds, settings
from .theory_rows import all_row

_SHARED = {"alphas": [0.5, 1.0, 1.5, 2.0], "beta": 20.0, "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20},
}


def compute(context: Context) -> Data:
    """Histories of descent, and the solutions of the theory at each alpha (two where branches coexist)."""
    from statmech_cl.simulations.perceptron.rows import history_row

    prepare()
    size = context.parameters
    descent = settings(epochs=size["epochs"], records=size["epochs"])
    common = {"n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    found = context.points(history_row, [{"alpha_1": a, **common} for a in size["alphas"]], "descent")
    grid = [{"alpha": alpha, "beta": size["beta"], "prior": "none"} for alpha in size["alphas"]]
    theory = context.points(all_row, grid, "theory")
    rows: list[dict[str, Any]] = []
    for alpha, history, row in zip(size["alphas"], found, theory, strict=True):
        for solution in row["solutions"]:
            if not solution["between"]:
                kept = {name: solution[name] for name in ("alpha", "eps_g", "replicon", "thermodynamic")}
                rows.append({"kind": "theory", **kept})
        for epoch, eps, error in zip(history["epoch"], history["eps_1"], history["eps_1_error"], strict=True):
            rows.append({"kind": "descent", "alpha": alpha, "epoch": epoch, "eps_g": eps, "eps_g_error": error})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """Bands of descent over epochs (logarithmic), dashed lines of theory (two where branches coexist)."""
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
        for level in data.column("eps_g", kind="theory", alpha=alpha):
            ax.axhline(level, color=color, linestyle="--", linewidth=0.8)
    ax.set(xscale="log", xlabel="epoch", ylabel=r"$\epsilon_g$", ylim=(0.0, 0.55))
    ax.legend(title="dashed: theory", title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """The last epoch beside the nearest solution of the theory."""
    from statmech_cl.estimate import Estimate

    rows = []
    for alpha in data.parameters["alphas"]:
        last = data.select(kind="descent", alpha=alpha)[-1]
        theory = data.select(kind="theory", alpha=alpha)
        nearest = min(theory, key=lambda row: abs(row["eps_g"] - last["eps_g"]))
        estimate = Estimate(last["eps_g"], last["eps_g_error"], data.parameters["n_seeds"])
        others = [f"other branch: {row['eps_g']:.4g}" for row in theory if row is not nearest]
        what = f"eps_g at alpha={alpha:g}, last epoch"
        rows.append(compared(what, nearest["eps_g"], estimate, *others, replicon=nearest["replicon"]))
    sentence, holds = agreement(rows, "The last epoch of descent against the nearest solution")
    return Verdict(rows, sentence, holds)
