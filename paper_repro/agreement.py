"""When a verdict of a perceptron figure holds: how far simulation may lie from theory, and where it is judged."""

from __future__ import annotations

from collections.abc import Sequence

from statmech_cl.estimate import Estimate

from .figure import Row

# Descent has a setting, the theory has none: eps_g moves by up to this much with rate, momentum, optimiser, batch,
# epochs and decay, which the verdict of figure `settings` measures. A verdict holds within 3 standard errors plus this.
ALLOWANCE = 0.02
# Where all seeds give one number, N sites cannot show a smaller difference than this.
RESOLUTION = 1e-3


def compared(what: str, theory: float | None, simulation: Estimate, *notes: str, replicon: float = 0.0) -> Row:
    """A line of a verdict. Where the replicon is 1 or more the replica-symmetric theory does not claim to hold, and the
    line is not judged. Seeds that all give the same number (a student at the teacher) have a standard error of 0, and z
    says nothing: the note says so."""
    if simulation.error == 0.0:
        notes = (*notes, "every seed gives this value")
    judged = theory is not None and replicon < 1.0
    if replicon >= 1.0:
        notes = (*notes, f"replicon {replicon:.2f}")
    return Row(what, theory, simulation, "; ".join(note for note in notes if note), judged)


def agreement(rows: Sequence[Row], what: str, method: str = "descent") -> tuple[str, bool]:
    """One sentence on how far simulation and theory lie apart in `rows` (of eps), and whether they agree where they are
    judged. Without a row to judge nothing holds."""
    judged = [(row, gap, error) for row, gap, error in _gaps(rows) if row.judged]
    others = [(row, gap) for row, gap, _ in _gaps(rows) if not row.judged]
    near = [gap <= (3.0 * error if error > 0.0 else RESOLUTION) for _, gap, error in judged]
    good = [gap <= 3.0 * error + ALLOWANCE for _, gap, error in judged]
    apart = [row.what for (row, _, _), fine in zip(judged, good, strict=True) if not fine]
    sentence = f"{what}: no point is judged."
    if judged:
        largest = max(gap for _, gap, _ in judged)
        sentence = (
            f"{what}: theory and {method} agree within 3 standard errors at {sum(near)} of {len(judged)} points, and "
            f"within {ALLOWANCE:g} more at {sum(good)}; largest difference {largest:.3f}"
            + (f"; apart at {', '.join(apart)}." if apart else ".")
        )
    if others:
        far, gap = max(others, key=lambda pair: pair[1])
        sentence += (
            f" Not judged, for the replicon is above 1: {len(others)} points, with a largest difference of {gap:.3f} "
            f"({far.what})."
        )
    return sentence, bool(judged) and not apart


def _gaps(rows: Sequence[Row]) -> list[tuple[Row, float, float]]:
    """The rows that have both, with |simulation - theory| and the standard error."""
    return [
        (row, abs(row.simulation.mean - row.theory), row.simulation.error)
        for row in rows
        if row.theory is not None and row.simulation is not None
    ]
