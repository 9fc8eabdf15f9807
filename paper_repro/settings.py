"""How the answer of descent moves with its setting: eps_g and q_star at three alphas, one setting changed at a time."""

from __future__ import annotations

from typing import Any

from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, seeds, settings, without_seeds
from .theory_rows import theory_row

_CHANGES: dict[str, dict[str, Any]] = {
    "as documented": {},
    "rate / 4": {"learning_rate": 0.005},
    "rate x 5": {"learning_rate": 0.1},
    "no momentum, rate x 10": {"momentum": 0.0, "learning_rate": 0.2},
    "Adam, rate 0.01": {"optimizer": "adam", "learning_rate": 0.01},
    "Adam, rate 0.1": {"optimizer": "adam", "learning_rate": 0.1},
    "batch 8": {"batch": 8},
    "batch 128": {"batch": 128},
    "full batch": {"batch": None},
    "50 epochs": {"epochs": 50},
    "600 epochs": {"epochs": 600},
    "no decay": {"weight_decay": 0.0},
    "decay 0.1": {"weight_decay": 0.1},
    "no warm-up": {"warmup": 0},
    "warm-up 40": {"warmup": 40},
    "start 0.1": {"start_spread": 0.1},
    "start 0.4": {"start_spread": 0.4},
    "start 1.0": {"start_spread": 1.0},
}
_SMALL = 0.02  # in eps_g: smaller movements are not named
_SHARED = {"alphas": [0.5, 1.0, 1.5], "beta": 20.0, "changes": _CHANGES}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20},
}


def compute(context: Context) -> Data:
    """Descent at every alpha with every change, on the same seeds."""
    from statmech_cl.simulations.perceptron.rows import descent_row

    prepare()
    size = context.parameters
    common = {"n": size["n"], "seeds": seeds(context), "device": context.device}
    cases = [(alpha, name, change) for alpha in size["alphas"] for name, change in size["changes"].items()]
    grid = [
        {"alpha": alpha, **common, **settings(records=1, replicas=2, test_patterns=0, **change)}
        for alpha, _, change in cases
    ]
    descended = context.points(descent_row, grid, "descent")
    grid = [{"alpha": alpha, "beta": size["beta"], "branch": "low"} for alpha in size["alphas"]]
    theory = context.points(theory_row, grid, "theory")
    named = ("alpha", "q", "r", "q_star", "eps_g", "replicon")
    rows: list[dict[str, Any]] = [{"kind": "theory", **{name: row[name] for name in named}} for row in theory]
    for (_, name, _), row in zip(cases, descended, strict=True):
        kept = without_seeds(row)
        rows.append({"kind": "descent", "setting": name, **kept})
    return Data(rows, {**size, "descent": settings()})


def draw(data: Data) -> Any:
    """One panel for each alpha and quantity; dotted lines: the low-overlap branch of the theory."""
    from statmech_cl import figures

    alphas, names = data.parameters["alphas"], list(data.parameters["changes"])
    figure, axes = figures.new(2, len(alphas), width=2.3, height=2.9, sharey=True, squeeze=False)
    for line, quantity in zip(axes, ("eps_g", "q_star"), strict=True):
        for ax, alpha in zip(line, alphas, strict=True):
            for height, name in enumerate(reversed(names)):
                (row,) = data.select(kind="descent", alpha=alpha, setting=name)
                color = "#D55E00" if name == names[0] else "#000000"
                ax.errorbar(row[quantity], height, xerr=row[f"{quantity}_error"], fmt="o", markersize=3, color=color)
            (theory,) = data.select(kind="theory", alpha=alpha)
            ax.axvline(theory[quantity], color="0.5", linestyle=":")
            ax.set_yticks(range(len(names)), list(reversed(names)), fontsize=5.5)
            ax.set_title(rf"$\alpha={alpha:g}$")
            ax.set_xlabel(r"$\epsilon_g$" if quantity == "eps_g" else r"$q_\star$")
    return figure


def verdict(data: Data) -> Verdict:
    """Each changed setting beside the documented one; does any move eps_g by more than what is called small?"""
    from statmech_cl.estimate import Estimate

    rows, moved = [], []
    for alpha in data.parameters["alphas"]:
        (base,) = data.select(kind="descent", alpha=alpha, setting="as documented")
        (theory,) = data.select(kind="theory", alpha=alpha)
        for name in data.parameters["changes"]:
            (row,) = data.select(kind="descent", alpha=alpha, setting=name)
            estimate = Estimate(row["eps_g"], row["eps_g_error"], row["n_seeds"])
            gap = row["eps_g"] - base["eps_g"]
            rows.append(Row(f"eps_g at alpha={alpha:g}, {name}", theory["eps_g"], estimate, f"moves by {gap:+.4f}"))
            if abs(gap) > _SMALL:
                moved.append(f"{name} at alpha={alpha:g} ({gap:+.3f})")
    spread = {
        alpha: [row["q_star"] for row in data.select(kind="descent", alpha=alpha)]
        for alpha in data.parameters["alphas"]
    }
    ranges = "; ".join(f"{min(v):.2f} to {max(v):.2f} at alpha={a:g}" for a, v in spread.items())
    sentence = (
        f"No setting moves eps_g by more than {_SMALL:g}"
        if not moved
        else f"eps_g moves by more than {_SMALL:g} with {', '.join(moved)}"
    )
    return Verdict(rows, f"{sentence}; q_star depends on the setting throughout ({ranges}).", not moved)
