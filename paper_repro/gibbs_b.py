"""What the sampler sees along alpha, started from the prior: order parameters, and whether the walkers agree (R-hat)
where the replicon exceeds 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, seeds, without_seeds
from .theory_rows import theory_row

_NAMES = ("q", "r", "q_star", "p")
_FINITE_SIZE = 0.01  # corrections of order 1/N to the order parameters, at N = 200 and more
_APART = 1.2  # R-hat beyond which the walkers of a seed do not sample one and the same region
_SHARED = {
    "beta": 20.0,
    "fine": np.round(np.arange(0.05, 1.901, 0.05), 2).tolist(),
    "alphas": [0.2, 0.4, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 1.75],
    "warmup": 300,
    "leapfrogs": 20,
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 200, "n_seeds": 12, "draws": 200},
    "paper": {**_SHARED, "n": 400, "n_seeds": 40, "draws": 600},
}


def compute(context: Context) -> Data:
    """Samples at every alpha, and the low-overlap branch of the theory."""
    from statmech_cl.simulations.perceptron.rows import gibbs_row

    prepare()
    size = context.parameters
    sampler = {name: size[name] for name in ("warmup", "draws", "leapfrogs", "n", "beta")}
    grid = [{"alpha": a, "seeds": seeds(context), "device": context.device, **sampler} for a in size["alphas"]]
    sampled = context.points(gibbs_row, grid, "sampler")
    grid = [
        {"alpha": alpha, "beta": size["beta"], "branch": "low"} for alpha in sorted({*size["fine"], *size["alphas"]})
    ]
    theory = context.points(theory_row, grid, "theory")
    named = ("alpha", *_NAMES, "eps_g", "replicon")
    rows: list[dict[str, Any]] = [{"kind": "theory", **{name: row[name] for name in named}} for row in theory]
    for row in sampled:
        kept = without_seeds(row)
        rows.append({"kind": "gibbs", **kept})
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """Order parameters on the left (dashed: replicon above 1), R-hat and the replicon on the right."""
    from statmech_cl import figures

    theory, gibbs = data.select(kind="theory"), data.select(kind="gibbs")
    figure, (left, right) = figures.new(1, 2)
    stable = [row["replicon"] < 1 for row in theory]
    for name in _NAMES:
        figures.curve(left, theory, name, stable=stable)
        figures.points(left, gibbs, name, label=f"${name if name != 'q_star' else 'q_{*}'}$")
    left.set_ylabel("order parameters")
    left.set_ylim(0.0, 1.02)
    left.legend(title=f"points: Gibbs, $N={data.parameters['n']}$", title_fontsize=7)
    right.plot(
        [row["alpha"] for row in gibbs], [row["rhat"] for row in gibbs], "o-", label=r"largest $\hat R$ of the walkers"
    )
    right.plot([row["alpha"] for row in theory], [row["replicon"] for row in theory], color="#D55E00", label="replicon")
    right.axhline(1.0, color="0.5", linewidth=0.6, linestyle=":")
    right.set(xlabel=r"$\alpha$", yscale="log")
    right.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """Where the ansatz is stable, sampler and theory should agree (3 standard errors and a finite-N allowance) and the
    walkers with each other; where it is not, the table shows what the sampler sees."""
    from statmech_cl.estimate import Estimate

    rows: list[Row] = []
    stable: list[tuple[dict[str, Any], str, float]] = []
    unstable: list[tuple[dict[str, Any], str, float]] = []
    fine = 0
    for row in data.select(kind="gibbs"):
        (theory,) = data.select(kind="theory", alpha=row["alpha"])
        group = stable if theory["replicon"] < 1 else unstable
        for name in _NAMES:
            estimate = Estimate(row[name], row[f"{name}_error"], row["n_seeds"])
            note = f"R-hat {row['rhat']:.2f}, replicon {theory['replicon']:.2f}"
            rows.append(Row(f"{name} at alpha={row['alpha']:g}, N={row['n']}", theory[name], estimate, note))
            group.append((row, name, estimate.mean - theory[name]))
            fine += group is stable and abs(estimate.mean - theory[name]) <= 3.0 * estimate.error + _FINITE_SIZE
    sentence = (
        f"Where the replicon is below 1 the sampler agrees with the theory within 3 standard errors plus "
        f"{_FINITE_SIZE:g} (finite N) at {fine} of {len(stable)} values."
    )
    if unstable:
        apart = [row["alpha"] for row, name, _ in unstable if name == "q" and row["rhat"] > _APART]
        worst, name, gap = max(unstable, key=lambda item: abs(item[2]))
        sentence += (
            f" Where it is above, the walkers of a seed stay apart (R-hat above {_APART:g}) at alpha = "
            f"{', '.join(f'{alpha:g}' for alpha in apart) or 'none'}, and the replica-symmetric low branch is off by "
            f"up to {abs(gap):.2f} ({name} at alpha={worst['alpha']:g}, where p = {worst['p']:.2f})."
        )
    return Verdict(rows, sentence, fine == len(stable))
