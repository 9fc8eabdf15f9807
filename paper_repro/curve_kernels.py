"""One learning curve by the exact method with its kernels, as a row of plain numbers."""

from __future__ import annotations

from typing import Any


def kernels_row(
    *, alpha: float, samples: int, batches: int, seed: int, memory: bool, **settings: Any
) -> dict[str, Any]:
    """p and q_star at every epoch, and the maps response, gamma and covariance of the first batch, t in rows."""
    from statmech_cl.dynamics import DescentSettings, learn
    from statmech_cl.problem import Task

    curve = learn(
        Task(alpha=alpha),
        DescentSettings(**settings),
        method="exact",
        samples=samples,
        batches=batches,
        seed=seed,
        memory=memory,
        certify=False,
    )
    (stage,) = curve.stages
    row: dict[str, Any] = {"epochs": stage.epochs.tolist(), "batches": batches}
    row |= {"p": stage.p[0].tolist(), "p_error": stage.p_error[0].tolist()}
    row |= {"q_star": stage.q_star.tolist(), "q_star_error": stage.q_star_error.tolist()}
    for name in ("response", "gamma", "covariance"):
        row[name] = getattr(stage, name).tolist()
    return row


def ramp_row(
    *, alpha: float, q_stars: list[float], samples: int, batches: int, seed: int, **settings: Any
) -> dict[str, Any]:
    """p at the end of each level of a ramp of q_star, with its error."""
    from statmech_cl.dynamics import DescentSettings, learn
    from statmech_cl.problem import Task

    chosen = DescentSettings(**settings)
    curve = learn(Task(alpha=alpha), chosen, samples=samples, batches=batches, seed=seed, ramp=q_stars, certify=False)
    (stage,) = curve.stages
    ends = slice(chosen.epochs, None, chosen.epochs)
    return {"p": stage.p[0][ends].tolist(), "p_error": stage.p_error[0][ends].tolist()}


def groups_row(*, alpha: float, groups: int, samples: int, batches: int, seed: int, **settings: Any) -> dict[str, Any]:
    """p and q_star at every epoch of descent on groups of patterns, visited in turn; fast method."""
    from statmech_cl.dynamics import DescentSettings, learn
    from statmech_cl.problem import Task

    chosen = DescentSettings(**settings)
    curve = learn(Task(alpha=alpha), chosen, groups=groups, samples=samples, batches=batches, seed=seed, certify=False)
    return {"batches": batches, **_curve(curve.stages[0])}


def _curve(stage: Any) -> dict[str, Any]:
    """p of the first teacher and q_star at every epoch, with their errors."""
    return {
        "epochs": stage.epochs.tolist(),
        "p": stage.p[0].tolist(),
        "p_error": stage.p_error[0].tolist(),
        "q_star": stage.q_star.tolist(),
        "q_star_error": stage.q_star_error.tolist(),
    }


def exact_row(*, alpha: float, samples: int, batches: int, seed: int, **settings: Any) -> dict[str, Any]:
    """p and q_star at every epoch of one task, by the exact method."""
    from statmech_cl.dynamics import DescentSettings, learn
    from statmech_cl.problem import Task

    chosen = DescentSettings(**settings)
    curve = learn(Task(alpha=alpha), chosen, method="exact", samples=samples, batches=batches, seed=seed, certify=False)
    return _curve(curve.stages[0])
